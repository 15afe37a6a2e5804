"""Where the contracts are built: the pinned packages, the compiler by name, and programs run within bounds.

contracts/packages.json pins what comes from npm. It is fetched once, checked, kept in .cache, and linked in
contracts/node_modules, where forge and editors look for it; nothing else is ever put there.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools import get_forge
from tools.npm_package import PackageError, Pin, download_all, node

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS = ROOT / "contracts"
CACHE = ROOT / ".cache"
# Not contracts/out: whoever works on a contract may be building there at the same time.
BUILD = CACHE / "forge"
PROGRAMS = CONTRACTS / "node_modules" / ".bin"
SOLC_JS = Path(__file__).resolve().parent / "solc.js"


class WorkshopFailed(PackageError):
    """A step could not be carried out. The text is for the person at the terminal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A program that ended by itself: its exit code and all that it said."""

    code: int
    said: str

    def tail(self, lines: int = 60) -> str:
        return "\n".join(self.said.rstrip().splitlines()[-lines:])


def pins() -> dict[str, Pin]:
    """Package name -> what of it is pinned in contracts/packages.json."""
    found = json.loads((CONTRACTS / "packages.json").read_text("utf-8"))
    return {name: Pin(name=name, version=it["version"], sha512=it["sha512"]) for name, it in found.items()}


def package(name: str) -> Path:
    """The folder of a pinned package, fetched the first time."""
    pin = pins()[name]
    # The digest is part of the name, so that another pin never finds the old files.
    digest = pin.sha512[:8].replace("/", "_").replace("+", "-")
    folder = CACHE / "npm" / f"{name.replace('@', '').replace('/', '-')}-{pin.version}-{digest}"
    if not folder.is_dir():
        download_all(pin, folder=folder)
    return folder


def solc_command() -> list[str]:
    """The compiler as a command; `--version` and `--standard-json` may follow."""
    return [str(node()), str(SOLC_JS), str(package("solc") / "soljson.js")]


def prepare() -> None:
    """contracts/node_modules, as forge.toml and the imports expect it."""
    _link(CONTRACTS / "node_modules" / "@openzeppelin" / "contracts", package("@openzeppelin/contracts"))
    _link(PROGRAMS / "forge", get_forge.ensure())
    wrapper = PROGRAMS / "solc"
    text = f'#!/bin/sh\nexec {shlex.join(solc_command())} "$@"\n'
    if not wrapper.exists() or wrapper.read_text("utf-8") != text:
        wrapper.write_text(text, "utf-8")
        wrapper.chmod(0o755)


def forge(
    *words: str, seconds_max: int, settings: Mapping[str, str] | None = None, folder: Path = CONTRACTS
) -> Done:
    """Run forge on the contracts. Settings are foundry.toml's, as FOUNDRY_… variables."""
    return run(
        [str(PROGRAMS / "forge"), *words], seconds_max=seconds_max, settings=settings or {}, folder=folder
    )


def run(command: Sequence[str], *, seconds_max: int, settings: Mapping[str, str], folder: Path) -> Done:
    """Run a program to its end, or raise WorkshopFailed. Whatever it started ends with it."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=_environment(settings),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = process.wait(seconds_max)
        except subprocess.TimeoutExpired as error:
            msg = f"{Path(command[0]).name} took more than {seconds_max} seconds"
            raise WorkshopFailed(msg) from error
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        said.seek(0)
        return Done(code=code, said=said.read().decode("utf-8", "replace"))


def _environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Without whatever settings for forge the person at the terminal may have of their own."""
    ours = {name: text for name, text in os.environ.items() if not name.startswith(("FOUNDRY_", "DAPP_"))}
    return ours | {
        "FOUNDRY_OFFLINE": "true",
        "FOUNDRY_SOLC": str(PROGRAMS / "solc"),
        "FOUNDRY_OUT": str(BUILD / "out"),
        "FOUNDRY_CACHE_PATH": str(BUILD / "cache"),
        "FOUNDRY_DISABLE_NIGHTLY_WARNING": "1",
        "NO_COLOR": "1",
        "PATH": f"{PROGRAMS}:{os.environ.get('PATH', '')}",
        **settings,
    }


def _link(link: Path, target: Path) -> None:
    link.parent.mkdir(parents=True, exist_ok=True)
    if link.is_symlink() and link.readlink() == target:
        return
    link.unlink(missing_ok=True)
    link.symlink_to(target)
