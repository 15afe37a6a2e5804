"""Each node with the same stage on it, which every test of a file finds as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from app.db import make_engine, upgrade
from chains.devnode import DevNode
from chains.evm.client import EvmClient
from tests.ingest.scene import Scene, open_scene, stage
from tests.nodes.starters import STARTERS, client_of
from tests.support.clone import clone_sqlite
from tests.support.token import Token


@pytest.fixture(scope="module", params=["Anvil", "Hardhat"])
def kind(request: pytest.FixtureRequest) -> str:
    """Every test of the suite runs once for each; what a node answers must not change what we store."""
    return str(request.param)


@pytest.fixture(scope="module")
def token(kind: str) -> Iterator[Token]:
    with STARTERS[kind]() as node:
        yield stage(node)


@pytest.fixture
def node(token: Token) -> Iterator[DevNode]:
    """As the stage left it: what a test does on it is taken back."""
    snapshot = token.node.snapshot()
    # The clock still stands where the last test left it, and goes on from the newest block's time.
    token.node.mine(1, seconds_apart=60)
    yield token.node
    token.node.revert(snapshot)


@pytest.fixture
def client(node: DevNode) -> Iterator[EvmClient]:
    with ExitStack() as stack:
        yield client_of(stack, node)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('nodes-template') / 'quittance.db'}"
    upgrade(url)
    return url


@pytest.fixture
def engine(template: str, tmp_path: Path) -> Iterator[Engine]:
    """A migrated database; that PostgreSQL holds the same is what tests/ingest shows."""
    made = make_engine(clone_sqlite(template, folder=tmp_path))
    yield made
    made.dispose()


@pytest.fixture
def scene(engine: Engine, node: DevNode, token: Token) -> Scene:
    return open_scene(engine, node, token=token)
