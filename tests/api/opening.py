"""Opening the app over a database: what the fixtures of single tests and of whole files have in common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydantic import SecretStr
from starlette.testclient import TestClient

from app.main import create_app
from app.resources import Resources, build_resources
from app.settings import Settings
from app.tenants.service import first_start
from chains.devnode import DevNode
from chains.rpc import RpcLimits
from tests.api.door import AGREED_AT, DAY, Door, Hands, bearing
from tests.support.token import Token, deploy_token

# Short waits between attempts: a node that is down should not hold up the test of what is said about it.
LIMITS = RpcLimits(
    timeout_seconds=30, connect_seconds=5, attempts=2, retry_wait_seconds=0.01, total_seconds=60
)


def deploy_final_token(node: DevNode) -> Token:
    """A token with 6 decimals in a final block, a day before debts are agreed; 9,000 for each of three."""
    deployed = deploy_token(node)
    for holder in node.accounts()[1:4]:
        deployed.mint(to=holder, units=9_000 * 10**6)
    node.set_next_block_time(AGREED_AT - DAY // 2)
    node.call("evm_mine")
    node.mine(3)
    return deployed


@contextmanager
def open_resources(
    url: str, *, folder: Path, token: Token, follow_seconds: float = 5, also_allow: Sequence[str] = ()
) -> Iterator[Resources]:
    settings = Settings(
        database_url=SecretStr(url),
        data_dir=folder / "data",
        egress_allow=(f"127.0.0.1:{token.node.port}", *also_allow),
        follow_seconds=follow_seconds,
        operator_name="the tests",
    )
    built = build_resources(settings, clock=Hands(), limits=LIMITS)
    try:
        yield built
    finally:
        built.close()


@contextmanager
def open_door(resources: Resources, *, token: Token, with_worker: bool = False) -> Iterator[Door]:
    """The app as its lifespan runs it. Without the worker nobody reads or seals unless the test does."""
    clock = resources.clock
    assert isinstance(clock, Hands)
    with resources.engine.begin() as connection:
        made = first_start(connection, now=clock())
    assert made is not None
    app = create_app(resources, with_worker=with_worker)
    with TestClient(app, headers=bearing(made.plain)) as client:
        yield Door(client=client, resources=resources, clock=clock, token=token, key=made.plain)
