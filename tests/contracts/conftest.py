"""A stage that is built for one test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chains.devnode import DevNode
from chains.guard import EgressPolicy
from chains.rpc import RpcClient
from tests.contracts.scene import UNIT, Scene
from tools.contracts.deal import Stage


@pytest.fixture
def scene(node: DevNode) -> Iterator[Scene]:
    payer, payee, arbiter, stranger, other = node.accounts()[:5]
    with RpcClient(node.url, policy=EgressPolicy.parse(f"127.0.0.1:{node.port}")) as rpc:
        stage = Stage.build(node, rpc)
        yield Scene(
            stage=stage,
            token=stage.token(holders=[payer, stranger], units=100 * UNIT),
            payer=payer,
            payee=payee,
            arbiter=arbiter,
            stranger=stranger,
            other=other,
        )
