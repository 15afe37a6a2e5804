"""Writes the lock files from pyproject.toml, all in one go, so that they name the same versions.

`python -m tools.lock`, with `uv` on the PATH. requirements.lock is what runs Quittance; tools/test.lock is
what `./run test` and `./run check` add to it; tools/node.lock brings the npm that fetches the test node;
tools/installer.lock is the uv that installs them. tools/contracts.lock stands alone, for a venv of its own.
Each line is pinned and hashed; none holds an address, so that pip asks whatever index it is set up for.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RUNTIME = ROOT / "requirements.lock"
# The extras of pyproject.toml that have a lock of their own.
EXTRAS = {"test": ROOT / "tools" / "test.lock", "node": ROOT / "tools" / "node.lock"}
INSTALLER = ROOT / "tools" / "installer.lock"
# What looks for faults in the Solidity sources asks for other versions of what Quittance runs on.
CHECKERS = ROOT / "tools" / "contracts.lock"
CHECKERS_WANTED = "halmos>=0.3.3,<0.4\nslither-analyzer>=0.11.6,<0.12\n"
LOCK_SECONDS_MAX = 300

# A machine's own limits on versions must not leak into a file that is meant for every machine.
_LEAKS = ("UV_CONSTRAINT", "UV_OVERRIDE", "UV_BUILD_CONSTRAINT", "UV_EXCLUDE_NEWER", "UV_FIND_LINKS")


class LockFailed(Exception):
    """The text is for the person at the terminal."""


def compile_lock(*options: str, source: str = "pyproject.toml", wanted: str = "") -> str:
    """What `uv pip compile` prints. Universal: one file for every system and Python from 3.11 on.

    Source `-` takes what is wanted instead of a file.
    """
    uv = shutil.which("uv")
    if uv is None:
        msg = "uv is not on the PATH ('pip install uv' in a venv of its own brings it)"
        raise LockFailed(msg)
    fixed = ("--universal", "--generate-hashes", "--no-header", "--no-annotate", "--python-version", "3.11")
    done = subprocess.run(
        [uv, "pip", "compile", "--quiet", *fixed, *options, source],
        cwd=ROOT,
        env={name: text for name, text in os.environ.items() if name not in _LEAKS},
        input=wanted,
        capture_output=True,
        text=True,
        timeout=LOCK_SECONDS_MAX,
        check=False,
    )
    if done.returncode != 0:
        raise LockFailed(done.stderr.strip())
    check_addresses(done.stdout)
    return done.stdout


def check_addresses(lock: str) -> None:
    """A lock that names an address or an option would bind every reader to one index."""
    for line in lock.splitlines():
        if "://" in line or " @ " in line or (line.startswith("-") and not line.startswith("--hash=")):
            msg = f"a lock must not hold an address or an option: {line.strip()}"
            raise LockFailed(msg)


def entries(lock: str) -> list[str]:
    """The requirements, each with its hashes."""
    return [entry for entry in re.split(r"\n(?=[A-Za-z0-9])", lock.strip("\n")) if entry]


def without(lock: str, known: str) -> str:
    """The requirements that another lock does not hold already, word for word."""
    present = set(entries(known))
    return "\n".join(entry for entry in entries(lock) if entry not in present) + "\n"


def main() -> int:
    try:
        everything = compile_lock("--all-extras")
        with tempfile.TemporaryDirectory(prefix="quittance-lock-") as folder:
            constraints = Path(folder) / "everything.txt"
            constraints.write_text(everything, "utf-8")
            runtime = compile_lock("--constraints", str(constraints))
            extras = {
                path: without(compile_lock("--constraints", str(constraints), "--extra", extra), runtime)
                for extra, path in EXTRAS.items()
            }
        installer = compile_lock(source="-", wanted="uv\n")
        checkers = compile_lock(source="-", wanted=CHECKERS_WANTED)
    except (LockFailed, subprocess.TimeoutExpired) as error:
        print(f"lock: {error}", file=sys.stderr)
        return 3
    for path, content in {RUNTIME: runtime, INSTALLER: installer, CHECKERS: checkers, **extras}.items():
        path.write_text(content, "utf-8")
        print(f"lock: {path.relative_to(ROOT)} holds {len(entries(content))} requirements")
    return 0


if __name__ == "__main__":
    sys.exit(main())
