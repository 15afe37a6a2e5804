"""Gets Anvil, the local Ethereum node of the demo and the tests: pinned, checked, kept in .cache.

`python -m tools.get_anvil` prints its path. An Anvil of your own goes into QUITTANCE_ANVIL.
"""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

from tools.npm_package import PackageError, Pin, download, keep

VERSION = "1.7.1"
ENVIRONMENT = "QUITTANCE_ANVIL"
CACHE = Path(__file__).resolve().parent.parent / ".cache"

_SHA512 = {
    "linux-amd64": "+XmShybEaxfCrr0OUUZwYEy2OnYZt5pHH9TzBtLv3+VrK0O/ANuNSVEahqNhKHlgX7GRJ59383ofNhxkRWIYTg==",
}
_SYSTEMS = {"Linux": "linux", "Darwin": "darwin"}
_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


class NoAnvilHere(PackageError):
    """No Anvil is pinned for this system, or the one named in the environment is not there."""


def present(*, cache: Path = CACHE) -> Path | None:
    """The path of an Anvil that is here already. Raises NoAnvilHere where none can be had."""
    named = os.environ.get(ENVIRONMENT)
    if named:
        return _named(Path(named))
    path = _path(pin(system=platform.system(), machine=platform.machine()), cache=cache)
    return path if path.exists() else None


def ensure(*, cache: Path = CACHE) -> Path:
    """The path of an Anvil that runs here, downloaded the first time."""
    path = present(cache=cache)
    if path is None:
        wanted = pin(system=platform.system(), machine=platform.machine())
        path = _path(wanted, cache=cache)
        keep(download(wanted), path=path)
    return path


def pin(*, system: str, machine: str) -> Pin:
    """Which package serves a system, as `platform` names it. Raises NoAnvilHere."""
    here = f"{_SYSTEMS.get(system, system)}-{_MACHINES.get(machine, machine)}"
    if here not in _SHA512:
        msg = (
            f"no Anvil {VERSION} is pinned for {here} (only for {', '.join(sorted(_SHA512))}); "
            f"put the path of one of your own into {ENVIRONMENT}"
        )
        raise NoAnvilHere(msg)
    name = f"@foundry-rs/anvil-{here}"
    return Pin(name=name, version=VERSION, sha512=_SHA512[here], member="package/bin/anvil")


def _path(wanted: Pin, *, cache: Path) -> Path:
    return cache / f"anvil-{wanted.version}-{wanted.name.partition('/anvil-')[2]}"


def _named(path: Path) -> Path:
    if not (path.is_file() and os.access(path, os.X_OK)):
        msg = f"{ENVIRONMENT} names {path}, which is not a program"
        raise NoAnvilHere(msg)
    return path.resolve()


def main() -> int:
    try:
        print(ensure())
    except PackageError as error:
        print(f"Anvil: {error}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
