"""The demo, played for real once in each test process, as a person would start it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.verifier.anchor import Anchor

ROOT = Path(__file__).resolve().parents[2]
SECONDS_MAX = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What the demo printed, and the folder it was started in."""

    stdout: str
    stderr: str
    folder: Path

    @property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.stdout)
        return found

    @property
    def assessment(self) -> dict[str, Any]:
        found: dict[str, Any] = self.document["assessment"]
        return found

    @property
    def bundle(self) -> Path:
        return Path(self.document["evidence"]["bundle"])

    @property
    def case(self) -> Path:
        return Path(self.document["evidence"]["case"])

    @property
    def anchor(self) -> Anchor:
        return Anchor.parse(self.document["evidence"]["anchor"])


def played_demo(*, anvil: Path, base: Path) -> Played:
    """`quittance demo --json` in a folder below `base`; the second call answers what the first one saw."""
    folder = base / "demo"
    shown, told = folder / "stdout.json", folder / "stderr.txt"
    if not shown.exists():
        folder.mkdir()
        ran = _run(anvil=anvil, folder=folder)
        assert ran.returncode == 0, ran.stderr[-600:]
        told.write_text(ran.stderr, "utf-8")
        shown.write_text(ran.stdout, "utf-8")
    return Played(stdout=shown.read_text("utf-8"), stderr=told.read_text("utf-8"), folder=folder)


def _run(*, anvil: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    # Nothing of the tests' own environment but a home, so that no setting of ours helps it.
    environment = {
        "PYTHONPATH": str(ROOT),
        "QUITTANCE_ANVIL": str(anvil),
        "HOME": str(folder),
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
    }
    return subprocess.run(
        [sys.executable, "-m", "app.cli.main", "demo", "--json"],
        cwd=folder,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=SECONDS_MAX,
        check=False,
    )
