"""Opening a configured node: the one place where a stored URL becomes a connection."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from chains.evm.client import EvmClient
from chains.guard import EgressPolicy
from chains.rpc import RpcClient, RpcLimits
from chains.types import ChainId


@contextmanager
def open_node(*, url: str, chain: ChainId, egress: EgressPolicy, limits: RpcLimits) -> Iterator[EvmClient]:
    """A client for one chain behind one node; raises a NodeError if the guard refuses the URL."""
    with RpcClient(url, policy=egress, limits=limits) as rpc:
        yield EvmClient(rpc, chain)
