"""Gets forge, which compiles and tests the contracts: pinned, checked, kept in .cache.

`python -m tools.get_forge` prints its path. A forge of your own goes into QUITTANCE_FORGE.
"""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

from tools.npm_package import PackageError, Pin, download, keep

VERSION = "1.7.1"
ENVIRONMENT = "QUITTANCE_FORGE"
CACHE = Path(__file__).resolve().parent.parent / ".cache"

_SHA512 = {
    "linux-amd64": "/HQddyTanVOJKgvilmZrf8VOf7mhvwrWb59W73w5W5flX7b6zNh9CR6hKZzJwiRRi5Sxk/JOFEYIeKsQx7Teqg==",
}
_SYSTEMS = {"Linux": "linux", "Darwin": "darwin"}
_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


class NoForgeHere(PackageError):
    """No forge is pinned for this system, or the one named in the environment is not there."""


def ensure(*, cache: Path = CACHE) -> Path:
    """The path of a forge that runs here, downloaded the first time."""
    named = os.environ.get(ENVIRONMENT)
    if named:
        path = Path(named)
        if not (path.is_file() and os.access(path, os.X_OK)):
            msg = f"{ENVIRONMENT} names {path}, which is not a program"
            raise NoForgeHere(msg)
        return path.resolve()
    here = f"{_SYSTEMS.get(platform.system(), platform.system())}-{_machine()}"
    path = cache / f"forge-{VERSION}-{here}"
    if not path.exists():
        keep(download(pin(here=here)), path=path)
    return path


def pin(*, here: str) -> Pin:
    """Which package serves a system, such as `linux-amd64`. Raises NoForgeHere."""
    if here not in _SHA512:
        msg = (
            f"no forge {VERSION} is pinned for {here} (only for {', '.join(sorted(_SHA512))}); "
            f"put the path of one of your own into {ENVIRONMENT}"
        )
        raise NoForgeHere(msg)
    return Pin(
        name=f"@foundry-rs/forge-{here}", version=VERSION, sha512=_SHA512[here], member="package/bin/forge"
    )


def _machine() -> str:
    return _MACHINES.get(platform.machine(), platform.machine())


def main() -> int:
    try:
        print(ensure())
    except PackageError as error:
        print(f"forge: {error}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
