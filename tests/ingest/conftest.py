"""A migrated database for each test, of either kind, and a chain that every test finds as it was."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from app.db import make_engine
from chains.devnode import DevNode
from tests.ingest.scene import Scene, open_scene, stage
from tests.support.clone import clone_sqlite
from tests.support.faulty_proxy import FaultyProxy, faulty_proxy
from tests.support.token import Token


@pytest.fixture(scope="session")
def kept_sqlite_engine(
    sqlite_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Engine, Path]]:
    """One engine for all tests: what it has compiled once is a third of what a test would cost."""
    folder = tmp_path_factory.mktemp("ingest")
    engine = make_engine(clone_sqlite(sqlite_template, folder=folder))
    yield engine, folder
    engine.dispose()


@pytest.fixture
def sqlite_engine(kept_sqlite_engine: tuple[Engine, Path], sqlite_template: str) -> Iterator[Engine]:
    """A migrated SQLite database with nothing in it."""
    engine, folder = kept_sqlite_engine
    for left in folder.iterdir():
        left.unlink()
    clone_sqlite(sqlite_template, folder=folder)
    yield engine
    # Before the file is replaced, nobody may be connected to it.
    engine.dispose()


@pytest.fixture(scope="session")
def kept_postgres_engine(postgres_url: str) -> Iterator[tuple[Engine, Engine]]:
    """The same for PostgreSQL, and an engine that may make databases."""
    url = sa.make_url(postgres_url)
    # Several test runs may use one server.
    own = url.set(database=f"quittance_ingest_{secrets.token_hex(8)}")
    engine = make_engine(own.render_as_string(hide_password=False))
    administrator = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    yield engine, administrator
    engine.dispose()
    _administer(administrator, f'DROP DATABASE IF EXISTS "{own.database}" WITH (FORCE)')


@pytest.fixture
def postgres_engine(kept_postgres_engine: tuple[Engine, Engine], postgres_template: str) -> Iterator[Engine]:
    """A migrated PostgreSQL database with nothing in it."""
    engine, administrator = kept_postgres_engine
    own, template = engine.url.database, sa.make_url(postgres_template).database
    _administer(
        administrator,
        f'DROP DATABASE IF EXISTS "{own}" WITH (FORCE)',
        f'CREATE DATABASE "{own}" TEMPLATE "{template}"',
    )
    yield engine
    engine.dispose()


def _administer(engine: Engine, *statements: str) -> None:
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """A migrated database, once of each kind."""
    name = {"sqlite": "sqlite_engine", "postgresql": "postgres_engine"}[request.param]
    found = request.getfixturevalue(name)
    assert isinstance(found, Engine)
    return found


@pytest.fixture(scope="module")
def token(module_node: DevNode) -> Token:
    """The stage of all tests in a file, set once."""
    return stage(module_node)


@pytest.fixture
def node(token: Token) -> Iterator[DevNode]:
    """The file's chain as the stage left it: what a test does on it is taken back."""
    node = token.node
    snapshot = node.snapshot()
    # Anvil's clock still stands where the last test left it, and goes on from the newest block's time.
    node.mine(1, seconds_apart=60)
    yield node
    node.revert(snapshot)


@pytest.fixture
def scene(engine: Engine, node: DevNode, token: Token) -> Scene:
    """On both kinds of database."""
    return open_scene(engine, node, token=token)


@pytest.fixture
def sqlite_scene(sqlite_engine: Engine, node: DevNode, token: Token) -> Scene:
    """Where the kind of database makes no difference."""
    return open_scene(sqlite_engine, node, token=token)


Proxies = Callable[[], FaultyProxy]


@pytest.fixture
def proxies(node: DevNode) -> Iterator[Proxies]:
    """As many proxies before the node as a test asks for."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(faulty_proxy(node))
