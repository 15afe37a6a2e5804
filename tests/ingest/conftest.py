"""A migrated database for each test, of either kind, and a chain that every test finds as it was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from app.db import make_engine, upgrade
from chains.devnode import DevNode
from tests.ingest.scene import Scene, open_scene, stage
from tests.support.clone import clone_postgres, clone_sqlite
from tests.support.postgres import fresh_database
from tests.support.token import Token


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('ingest-template') / 'quittance.db'}"
    upgrade(url)
    return url


@pytest.fixture(scope="session")
def postgres_template(postgres_url: str) -> Iterator[str]:
    with fresh_database(postgres_url) as url:
        upgrade(url)
        yield url


@pytest.fixture
def sqlite_engine(sqlite_template: str, tmp_path: Path) -> Iterator[Engine]:
    engine = make_engine(clone_sqlite(sqlite_template, folder=tmp_path))
    yield engine
    engine.dispose()


@pytest.fixture
def postgres_engine(postgres_template: str, postgres_url: str) -> Iterator[Engine]:
    with clone_postgres(postgres_template, server_url=postgres_url) as url:
        engine = make_engine(url)
        yield engine
        engine.dispose()


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
