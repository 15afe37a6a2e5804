"""A migrated database of either kind, a chain with a loan on it, and a proxy that makes reading it slow."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from app.db import make_engine
from chains.devnode import DevNode
from tests.ingest.scene import Scene, open_scene, stage
from tests.support.clone import clone_sqlite
from tests.support.faulty_proxy import Exchange, FaultyProxy, capped_range, faulty_proxy
from tests.support.token import Token
from tests.worker.crew import Crew, crew_of


@pytest.fixture
def url(migrated_url: str) -> str:
    return migrated_url


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = make_engine(url)
    yield engine
    engine.dispose()


@pytest.fixture
def undisturbed(sqlite_template: str, tmp_path: Path, scene: Scene) -> Iterator[Scene]:
    """The same loan in another database, for whoever reads it in peace."""
    (tmp_path / "undisturbed").mkdir()
    engine = make_engine(clone_sqlite(sqlite_template, folder=tmp_path / "undisturbed"))
    yield open_scene(engine, scene.node, token=scene.token)
    engine.dispose()


@pytest.fixture(scope="module")
def token(module_node: DevNode) -> Token:
    return stage(module_node)


@pytest.fixture
def node(token: Token) -> Iterator[DevNode]:
    node = token.node
    snapshot = node.snapshot()
    # Anvil's clock still stands where the last test left it, and goes on from the newest block's time.
    node.mine(1, seconds_apart=60)
    yield node
    node.revert(snapshot)


@pytest.fixture
def proxy(node: DevNode) -> Iterator[FaultyProxy]:
    with faulty_proxy(node) as started:
        yield started


@pytest.fixture
def scene(engine: Engine, node: DevNode, token: Token, proxy: FaultyProxy) -> Scene:
    return open_scene(engine, node, token=token).through(proxy.url)


@pytest.fixture
def crew(url: str, scene: Scene, proxy: FaultyProxy, tmp_path: Path) -> Iterator[Crew]:
    with crew_of(database_url=url, folder=tmp_path, allow=(f"127.0.0.1:{proxy.port}",)) as started:
        yield started


def slowed(proxy: FaultyProxy, *, blocks: int = 3, seconds: float = 0.01) -> None:
    """A few blocks in each answer, and each a little late: reading takes long enough to be disturbed."""
    capped = capped_range(blocks, f"the block range is limited to {blocks}")

    def slow(exchange: Exchange) -> None:
        time.sleep(seconds)
        capped(exchange)

    proxy.fail(slow)
