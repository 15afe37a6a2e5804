"""The real app for each test: its own database, its own operator key, the file's own chain."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from app.db import upgrade
from app.main import create_app
from app.resources import Resources, build_resources
from app.settings import Settings
from app.tenants.service import first_start
from chains.devnode import DevNode
from chains.rpc import RpcLimits
from tests.api.door import AGREED_AT, DAY, Door, Hands, bearing
from tests.support.clone import clone_postgres, clone_sqlite
from tests.support.postgres import fresh_database
from tests.support.token import Token, deploy_token

# Short waits: a node that is down should not hold up the test of what is said about it.
LIMITS = RpcLimits(timeout_seconds=10, connect_seconds=2, attempts=2, retry_wait_seconds=0.01, total_seconds=20)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('api-template') / 'quittance.db'}"
    upgrade(url)
    return url


@pytest.fixture(scope="session")
def postgres_template(postgres_url: str) -> Iterator[str]:
    with fresh_database(postgres_url) as url:
        upgrade(url)
        yield url


@pytest.fixture
def sqlite_url(sqlite_template: str, tmp_path: Path) -> str:
    """A migrated SQLite database of this test's own."""
    return clone_sqlite(sqlite_template, folder=tmp_path)


@pytest.fixture(params=["sqlite", "postgresql"])
def migrated_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A migrated database of this test's own, once of each kind."""
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite_url")
        return
    template, server = (request.getfixturevalue(name) for name in ("postgres_template", "postgres_url"))
    with clone_postgres(template, server_url=server) as url:
        yield url


@pytest.fixture(scope="module")
def token(module_node: DevNode) -> Token:
    """A token with 6 decimals whose code lies in a final block. The file's tests share its chain."""
    deployed = deploy_token(module_node)
    creditor, debtor, stranger = module_node.accounts()[1:4]
    for holder, amount in ((creditor, 9_000), (debtor, 9_000), (stranger, 9_000)):
        deployed.mint(to=holder, units=amount * 10**6)
    module_node.set_next_block_time(AGREED_AT - DAY // 2)
    module_node.mine(3)
    return deployed


@pytest.fixture
def resources(sqlite_url: str, tmp_path: Path, token: Token) -> Iterator[Resources]:
    with opened(sqlite_url, folder=tmp_path, token=token) as built:
        yield built


@pytest.fixture
def door(resources: Resources, token: Token) -> Iterator[Door]:
    """On SQLite, and nobody reads or seals unless the test does."""
    with open_door(resources, token=token) as opened_door:
        yield opened_door


@contextmanager
def opened(url: str, *, folder: Path, token: Token, follow_seconds: float = 5) -> Iterator[Resources]:
    settings = Settings(
        database_url=url,
        data_dir=folder / "data",
        egress_allow=(f"127.0.0.1:{token.node.port}",),
        follow_seconds=follow_seconds,
        operator_name="the tests",
    )
    built = build_resources(settings, clock=Hands(), limits=LIMITS)
    yield built
    built.close()


@contextmanager
def open_door(resources: Resources, *, token: Token, with_worker: bool = False) -> Iterator[Door]:
    clock = resources.clock
    assert isinstance(clock, Hands)
    with resources.engine.begin() as connection:
        made = first_start(connection, now=clock())
    assert made is not None
    app = create_app(resources, with_worker=with_worker)
    with ExitStack() as stack:
        client = stack.enter_context(TestClient(app, headers=bearing(made.plain)))
        yield Door(client=client, resources=resources, clock=clock, token=token, key=made.plain)
