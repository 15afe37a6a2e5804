"""What tests ask for by name: a node, a database, the real blocks. A missing part fails; it never skips."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from app.db import upgrade
from chains.devnode import DevNode
from tests.support.anvil import anvil
from tests.support.clone import clone_postgres, clone_sqlite
from tests.support.postgres import fresh_database, postgres_server
from tests.support.roles import Logins, copy_with_roles, migrated_with_roles
from tools import get_anvil

REAL_BLOCKS = "QUITTANCE_REAL_BLOCKS"


# A busy machine is not a failure: no test asserts a wall time, so hypothesis must not either.
settings.register_profile("quittance", deadline=None, print_blob=True)
settings.load_profile("quittance")


@pytest.fixture(scope="session")
def anvil_path() -> Path:
    """The pinned Anvil's path, downloaded if it is not there yet."""
    return get_anvil.ensure()


@pytest.fixture
def node(anvil_path: Path) -> Iterator[DevNode]:
    """A chain of this test's own, with one block."""
    with anvil() as started:
        yield started


@pytest.fixture(scope="module")
def module_node(anvil_path: Path) -> Iterator[DevNode]:
    """One chain for all tests of a file, which must not mind each other's blocks."""
    with anvil() as started:
        yield started


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server's maintenance database. Make no tables there: ask for `postgres_database`."""
    with postgres_server() as url:
        yield url


@pytest.fixture
def postgres_database(postgres_url: str) -> Iterator[str]:
    """The URL of a fresh empty PostgreSQL database."""
    with fresh_database(postgres_url) as url:
        yield url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A migrated SQLite database. To be copied: nobody connects to it."""
    url = f"sqlite:///{tmp_path_factory.mktemp('template') / 'quittance.db'}"
    upgrade(url)
    return url


@pytest.fixture(scope="session")
def postgres_template(postgres_url: str) -> Iterator[str]:
    """The same on PostgreSQL."""
    with fresh_database(postgres_url) as url:
        upgrade(url)
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def migrated_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a migrated database of this test's own, once of each kind."""
    if request.param == "sqlite":
        yield clone_sqlite(request.getfixturevalue("sqlite_template"), folder=tmp_path)
        return
    template, server = (request.getfixturevalue(name) for name in ("postgres_template", "postgres_url"))
    with clone_postgres(template, server_url=server) as url:
        yield url


@pytest.fixture(scope="session")
def roles_template(postgres_url: str) -> Iterator[Logins]:
    """A migrated PostgreSQL database with roles of this run's own. Connect to a copy: ask for `logins`."""
    with migrated_with_roles(postgres_url) as made:
        yield made


@pytest.fixture
def logins(roles_template: Logins, postgres_url: str) -> Iterator[Logins]:
    """A migrated PostgreSQL database of this test's own, and who may log in to it."""
    with copy_with_roles(roles_template, server_url=postgres_url) as copied:
        yield copied


@pytest.fixture
def sqlite_database(tmp_path: Path) -> str:
    """The URL of a fresh SQLite database whose file does not exist yet."""
    return f"sqlite:///{tmp_path / 'quittance.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A fresh empty database, once on each kind that Quittance supports."""
    name = {"sqlite": "sqlite_database", "postgresql": "postgres_database"}[request.param]
    return str(request.getfixturevalue(name))


def pytest_configure(config: pytest.Config) -> None:
    folder = os.environ.get(REAL_BLOCKS)
    if folder and not Path(folder).is_dir():
        msg = f"{REAL_BLOCKS} names {folder}, which is not a folder"
        raise pytest.UsageError(msg)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    said = "run" if os.environ.get(REAL_BLOCKS) else f"not run ({REAL_BLOCKS} is not set)"
    terminalreporter.write_line(f"real blocks: {said}")
