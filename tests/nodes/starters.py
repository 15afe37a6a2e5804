"""The nodes by name, and how far below the head each calls a block final."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack

from chains.devnode import DevNode
from chains.evm.client import EvmClient
from chains.guard import EgressPolicy
from chains.rpc import RpcClient
from tests.ingest.scene import LIMITS
from tests.support.anvil import anvil
from tests.support.ganache import ganache
from tests.support.hardhat import hardhat

STARTERS: dict[str, Callable[[], AbstractContextManager[DevNode]]] = {
    "Anvil": anvil,
    "Hardhat": hardhat,
    "Ganache": ganache,
}
FINAL_BELOW_HEAD = {"Anvil": 2, "Hardhat": 0, "Ganache": 0}


def client_of(stack: ExitStack, node: DevNode, *, url: str | None = None) -> EvmClient:
    """Reads the node, or a proxy before it."""
    where = url or node.url
    rpc = RpcClient(where, policy=EgressPolicy.parse(where.removeprefix("http://")), limits=LIMITS)
    return EvmClient(stack.enter_context(rpc), node.chain)
