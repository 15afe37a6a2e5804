"""Running `quittance …` as a person or a script does: another process, its two outputs, its exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
from typer.testing import CliRunner

from app.cli.commands import app

ROOT = Path(__file__).resolve().parents[2]
SECONDS_MAX = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """With `--json`: one object on stdout and nothing else."""
        assert self.code == 0, self.err
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminal:
    """A shell with an own data folder. Nothing of the tests' environment reaches the commands."""

    data_dir: Path
    settings: dict[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.data_dir.parent),
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "error",
            "LC_ALL": "C.UTF-8",
            # Wide enough that no line is broken in the middle of what a test looks for.
            "COLUMNS": "250",
            "QUITTANCE_DATA_DIR": str(self.data_dir),
            **self.settings,
        }

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "app.cli.main", *words]

    def run(self, *words: str, **settings: str) -> Said:
        done = subprocess.run(
            self.command(*words),
            cwd=self.data_dir.parent,
            env={**self.environment(), **settings},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=SECONDS_MAX,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Said(code=done.returncode, out=done.stdout, err=done.stderr)

    def run_here(self, *words: str) -> Said:
        """The same command without a process of its own, which takes two seconds to start."""
        settings = {name: text for name, text in self.environment().items() if name.startswith("QUITTANCE_")}
        done = CliRunner().invoke(app, words, env=settings, prog_name="quittance", terminal_width=250)
        # Some commands set up logging, to a stream that is closed by now.
        structlog.reset_defaults()
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Said(code=done.exit_code, out=done.stdout, err=done.stderr)

    def write(self, name: str, body: object) -> str:
        """A request's body in a file; its path."""
        path = self.data_dir.parent / name
        path.write_text(json.dumps(body), "utf-8")
        return str(path)
