"""Asking a chain for its newest blocks and for nothing else: one small request, many times a minute.

Whether something has to be read is told from a change of the answer. What is read then, and whether it is
believed, is the reading's own business.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from app.ingest.nodes import open_node
from app.ingest.store.chains import Chain, Node
from app.resources import Outside
from chains.errors import ChainError
from chains.evm.client import EvmClient

TICK_SECONDS_MAX = 5.0


class Tips:
    """The newest blocks of one chain, by the first of its nodes that answers; its connection is kept open."""

    def __init__(self, *, chain: Chain, nodes: Sequence[Node], outside: Outside) -> None:
        self._chain = chain
        self._nodes = tuple(nodes)
        # One attempt and a short wait: the next tick is the next attempt.
        seconds = min(TICK_SECONDS_MAX, outside.limits.timeout_seconds)
        limits = replace(outside.limits, timeout_seconds=seconds, total_seconds=seconds, attempts=1)
        self._outside = replace(outside, limits=limits)
        self._opened = ExitStack()
        self._client: EvmClient | None = None

    def close(self) -> None:
        self._client = None
        self._opened.close()

    def hashes(self) -> tuple[str, ...] | None:
        """Of the newest block, and of the newest final one where a tag names it. None if no node answers."""
        if self._client is not None:
            found = self._ask(self._client)
            if found is not None:
                return found
        return next((found for node in self._nodes if (found := self._open(node)) is not None), None)

    def _open(self, node: Node) -> tuple[str, ...] | None:
        self.close()
        opened = open_node(
            url=node.url, chain=self._chain.id, egress=self._outside.egress, limits=self._outside.limits
        )
        try:
            self._client = self._opened.enter_context(opened)
        except ChainError:
            return None
        return self._ask(self._client)

    def _ask(self, client: EvmClient) -> tuple[str, ...] | None:
        tags = ["latest"] if self._chain.finality.confirmations is not None else ["latest", "finalized"]
        try:
            answers = client.rpc.batch([("eth_getBlockByNumber", [tag, False]) for tag in tags])
        except ChainError:
            return None
        hashes = tuple(_hash_of(answer.result) for answer in answers)
        return tuple(each for each in hashes if each is not None) if None not in hashes else None


def _hash_of(block: Any) -> str | None:
    found = block.get("hash") if isinstance(block, dict) else None
    return found if isinstance(found, str) else None
