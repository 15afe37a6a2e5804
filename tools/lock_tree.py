"""Writes tools/trees/NAME.json: which packages a tree of npm packages holds here, and their SHA-512.

`python -m tools.lock_tree hardhat@3.18.0` asks npm which packages it would install on this system, and keeps
place, version and digest of each. npm's own lock would hold addresses, and packages of every other system.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tools.npm_package import DownloadFailed, PackageError, npm_command, npm_environment
from tools.npm_tree import TREES, package_name, system

LOCK_SECONDS_MAX = 300
_DIGEST = "sha512-"


def lock(spec: str, *, without: frozenset[str]) -> Path:
    """The list of `name@version` and all that it needs, but for the packages that are left out by name."""
    name = spec.rpartition("@")[0]
    with tempfile.TemporaryDirectory(prefix="quittance-lock-") as folder:
        (Path(folder) / "package.json").write_text('{"private": true}', "ascii")
        done = subprocess.run(
            npm_command("install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", spec),
            cwd=folder,
            env=npm_environment(),
            capture_output=True,
            text=True,
            timeout=LOCK_SECONDS_MAX,
            check=False,
        )
        if done.returncode != 0:
            raise DownloadFailed(done.stderr[-800:])
        # The hidden lock lists what was installed, without what is for other systems.
        listed = json.loads((Path(folder) / "node_modules" / ".package-lock.json").read_text("utf-8"))
    listing = {"system": system(), "packages": entries(listed["packages"], without=without)}
    path = TREES / f"{name}.json"
    path.write_text(json.dumps(listing, indent=1) + "\n", "ascii")
    return path


def entries(packages: dict[str, Any], *, without: frozenset[str]) -> dict[str, dict[str, str]]:
    """Place -> version and digest. What another package bundles comes in that one's tarball."""
    found = {}
    for place, it in sorted(packages.items()):
        if it.get("inBundle") or package_name(place) in without:
            continue
        if not it["integrity"].startswith(_DIGEST):
            msg = f"{place} has no SHA-512 in npm's lock"
            raise DownloadFailed(msg)
        found[place] = {"version": it["version"], "sha512": it["integrity"].removeprefix(_DIGEST)}
    return found


def main(arguments: list[str]) -> int:
    if not arguments:
        print("python -m tools.lock_tree NAME@VERSION [PACKAGE-TO-LEAVE-OUT ...]", file=sys.stderr)
        return 2
    try:
        path = lock(arguments[0], without=frozenset(arguments[1:]))
    except (PackageError, OSError, subprocess.TimeoutExpired) as error:
        print(f"lock_tree: {error}", file=sys.stderr)
        return 3
    print(f"{path.name}: {len(json.loads(path.read_text('ascii'))['packages'])} packages")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
