"""The venv that `./run` works in: made once from the lock files, found ready ever after.

Standard library only, for it runs before anything is installed. A stamp is written when a set of packages
is whole, so that what was interrupted is made again, and what is ready is used without any network.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

INSTALL_SECONDS_MAX = 900
WAIT_SECONDS_MAX = 900

# Lock files by what they are for. Every word needs `app`; whoever needs another needs that one too.
LOCKS = {"app": "requirements.lock", "node": "tools/node.lock", "test": "tools/test.lock"}
# A venv of its own holds what looks for faults in the contracts: it asks for other versions than Quittance.
CHECKERS_LOCKS = {"app": "tools/contracts.lock"}
INSTALLER_LOCK = "tools/installer.lock"

# Code comes as wheels, so that nothing is built here. bagit, a test tool, is published as source only.
_WHEELS = ("--only-binary", ":all:", "--no-binary", "bagit")


class SetupFailed(Exception):
    """The text is for the person at the terminal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """A venv of one working copy."""

    root: Path
    name: str = ".venv"
    locks: Mapping[str, str] = field(default_factory=lambda: LOCKS)

    @property
    def folder(self) -> Path:
        return self.root / self.name

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def launcher(self) -> Path:
        return self.folder / "bin" / "quittance"

    def missing(self, sets: Sequence[str]) -> list[str]:
        """Which of the sets are not there as the lock files say. Without the first, none is."""
        if self._unfinished.exists() or not self.python.exists() or not self._is_ready("app"):
            return list(dict.fromkeys(["app", *sets]))
        return [name for name in sets if not self._is_ready(name)]

    def make(self, *, with_pip: bool) -> None:
        """An empty venv, in place of any that is there."""
        # The stamps go first: should this be interrupted, nobody takes what is left for whole.
        for name in self.locks:
            self._stamp(name).unlink(missing_ok=True)
        builder = venv.EnvBuilder(with_pip=with_pip, symlinks=True, clear=True)
        try:
            builder.create(self.folder)
        except (OSError, subprocess.CalledProcessError) as error:
            msg = f"no venv could be made in {self.folder}: {error}"
            raise SetupFailed(msg) from error

    def install(self, sets: Sequence[str]) -> None:
        """Install sets of packages and this project, then stamp them."""
        # What is there already is named again: a lock may lean on another for what its packages need.
        wanted = [name for name in self.locks if name in sets or self._is_ready(name)]
        locks = [self.root / self.locks[name] for name in wanted]
        self._unfinished.touch()
        complaint = _install_with_uv(self, locks=locks)
        if complaint is not None:
            complaint = _pip(self, *_WHEELS, *_requirements(locks))
        if complaint is not None:
            msg = f"the Python packages could not be installed: {complaint}"
            raise SetupFailed(msg)
        if self.locks is LOCKS:
            self._add_project()
        for name in wanted:
            self._stamp(name).write_text(self._expected(name), "ascii")
        self._unfinished.unlink()

    def _add_project(self) -> None:
        """A path file instead of an editable install, which would need a build tool from the network."""
        (packages,) = self.folder.glob("lib/python3.*/site-packages")
        (packages / "quittance.pth").write_text(f"{self.root}\n", "utf-8")
        code = "import sys\n\nfrom app.cli.main import main\n\nsys.exit(main())\n"
        self.launcher.write_text(f"#!{self.python}\n{code}", "utf-8")
        self.launcher.chmod(0o755)

    @property
    def _unfinished(self) -> Path:
        return self.folder / "unfinished"

    def _stamp(self, name: str) -> Path:
        return self.folder / f"stamp-{name}"

    def _expected(self, name: str) -> str:
        lock = (self.root / self.locks[name]).read_bytes()
        return stamp(lock=lock, root=self.root, python=sys.version_info[:2])

    def _is_ready(self, name: str) -> bool:
        try:
            return self._stamp(name).read_text("ascii") == self._expected(name)
        except OSError:
            return False


def stamp(*, lock: bytes, root: Path, python: tuple[int, int]) -> str:
    """What a set of packages was made from. A venv knows its own path, so that a moved one is made anew."""
    made_from = f"1\n{root}\n{python[0]}.{python[1]}\n".encode() + lock
    return hashlib.sha256(made_from).hexdigest()


@contextlib.contextmanager
def only_one(*, root: Path) -> Iterator[None]:
    """Keep two set-ups of one working copy apart. The lock goes with its process, however that ends."""
    path = root / ".cache" / "setup.lock"
    path.parent.mkdir(exist_ok=True)
    with path.open("w") as file:
        deadline = time.monotonic() + WAIT_SECONDS_MAX
        told = False
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    msg = f"another ./run has been setting up for more than {WAIT_SECONDS_MAX} seconds"
                    raise SetupFailed(msg) from None
            if not told:
                print("another ./run is setting up; waiting for it", file=sys.stderr, flush=True)
                told = True
            time.sleep(0.1)
        yield


def call(command: Sequence[str], *, environment: Mapping[str, str], cwd: Path | None = None) -> str | None:
    """Run a command quietly; None if it went well, else the end of what it said."""
    with tempfile.TemporaryFile() as said:
        try:
            process = subprocess.Popen(
                command,
                cwd=cwd,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            return str(error)
        try:
            code = process.wait(INSTALL_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            return f"{Path(command[0]).name} took more than {INSTALL_SECONDS_MAX} seconds"
        finally:
            # It has a session of its own: whatever it started goes with it, also when we are interrupted.
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if code == 0:
            return None
        said.seek(0)
        return _end_of(said.read().decode("utf-8", "replace")) or f"exit code {code}"


def has_pip() -> bool:
    """Whether the Python that runs this has pip. It can then serve any venv, which needs none of its own."""
    return find_spec("pip") is not None


def child_environment() -> dict[str, str]:
    """Our environment without what would make a venv's Python look elsewhere."""
    environment = {
        name: text for name, text in os.environ.items() if name not in ("PYTHONHOME", "PYTHONPATH")
    }
    # Node ignores the system's certificates, so a private authority is handed to it by name.
    if environment.get("SSL_CERT_FILE"):
        environment.setdefault("NODE_EXTRA_CA_CERTS", environment["SSL_CERT_FILE"])
    return environment


def _install_with_uv(venv_: Environment, *, locks: Sequence[Path]) -> str | None:
    """Seconds, where pip takes half a minute. uv itself comes by pip, pinned like everything else."""
    complaint = _pip(venv_, "--retries", "2", *_WHEELS[:2], *_requirements([venv_.root / INSTALLER_LOCK]))
    if complaint is not None:
        return complaint
    uv = str(venv_.folder / "bin" / "uv")
    command = [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", str(venv_.python)]
    return call([*command, *_WHEELS, *_requirements(locks)], environment=_uv_environment(venv_))


def _uv_environment(venv_: Environment) -> dict[str, str]:
    """What pip is set up with means nothing to uv; what decides whether it gets anywhere is handed over."""
    environment = child_environment()
    listed = subprocess.run(
        [*_pip_command(venv_), "config", "list"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    ).stdout
    for ours, theirs in (("UV_DEFAULT_INDEX", "index-url"), ("SSL_CERT_FILE", "cert")):
        found = re.findall(rf"^\S+\.{theirs}='(.*)'$", listed, re.MULTILINE)
        if found:
            environment.setdefault(ours, found[0])
    return environment


def _pip(venv_: Environment, *options: str) -> str | None:
    environment = child_environment() | {"PIP_USER": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    return call([*_pip_command(venv_), "install", "--quiet", *options], environment=environment)


def _pip_command(venv_: Environment) -> list[str]:
    if not has_pip():
        return [str(venv_.python), "-m", "pip"]
    return [sys.executable, "-m", "pip", "--python", str(venv_.python)]


def _requirements(locks: Sequence[Path]) -> list[str]:
    options = ["--require-hashes"]
    for lock in locks:
        options += ["-r", str(lock)]
    return options


def _end_of(said: str) -> str:
    """The last lines, led by the last word about the network: pip ends by not having found a version."""
    lines = [line.rstrip() for line in said.splitlines() if line.strip()]
    broken = [line for line in lines if "connection broken" in line]
    return "\n".join(broken[-1:] + [line for line in lines if not line.startswith("WARNING:")][-8:])
