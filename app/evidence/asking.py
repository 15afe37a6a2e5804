"""Asking every configured node again for the case's own filters, and keeping the raw answers.

What is enclosed in a bundle is what was answered now, not what was read before; a difference between the
two stops the sealing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from app.assessment.values import ScopeRow
from app.clock import Clock
from app.evidence.builder import BagBuilder
from app.evidence.exchange import Exchange
from app.evidence.replay import Replay, ranges_to_ask
from app.ingest.nodes import open_node
from app.ingest.store.chains import Node
from app.resources import Outside
from chains.errors import ChainError, NodeError
from chains.evm.client import EvmClient
from chains.guard import redact_url
from chains.rpc import RpcAnswer
from chains.types import Address, ChainId


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One node of a chain as the bundle names it: no credentials, path or query in `url`."""

    chain: ChainId
    url: str
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What one endpoint answered. Where it failed, `error` says how, and `replay` holds only a part."""

    replay: Replay
    error: str | None


class Asker:
    """Numbers the exchanges of one bundle and puts their bytes into it."""

    def __init__(self, *, builder: BagBuilder, clock: Clock, step: Callable[[int], None]) -> None:
        self._builder = builder
        self._clock = clock
        self._step = step
        self.exchanges: list[Exchange] = []

    def ask(
        self, *, row: ScopeRow, addresses: Sequence[Address], node: Node, position: int, outside: Outside
    ) -> Asked:
        """Everything the case needs from one node. A failure is recorded as an exchange without answer."""
        replay = Replay(chain=row.chain)
        endpoint = Endpoint(chain=row.chain, url=redact_url(node.url), position=position)
        try:
            with open_node(
                url=node.url, chain=row.chain, egress=outside.egress, limits=outside.limits
            ) as client:
                for answer in _answers(client, row=row, addresses=addresses):
                    replay.add(request=answer.request, answer=answer.body)
                    self._keep(answer, endpoint=endpoint)
            # An endpoint whose answers contradict each other has not answered.
            replay.transfers()
        except ChainError as error:
            said = str(error) if isinstance(error, NodeError) else f"node {endpoint.url}: {error}"
            self._add(endpoint=endpoint, method="unanswered", error=said)
            return Asked(replay=replay, error=said)
        return Asked(replay=replay, error=None)

    def _keep(self, answer: RpcAnswer, *, endpoint: Endpoint) -> None:
        exchange = self._add(endpoint=endpoint, method=answer.method, error=None)
        self._builder.add_bytes(exchange.request_path, answer.request)
        self._builder.add_bytes(exchange.answer_path, answer.body)
        self._step(len(self.exchanges))

    def _add(self, *, endpoint: Endpoint, method: str, error: str | None) -> Exchange:
        exchange = Exchange(
            number=len(self.exchanges) + 1,
            chain=endpoint.chain,
            endpoint=endpoint.url,
            position=endpoint.position,
            method=method,
            asked_at=self._clock(),
            error=error,
        )
        self.exchanges.append(exchange)
        return exchange


def _answers(client: EvmClient, *, row: ScopeRow, addresses: Sequence[Address]) -> Iterator[RpcAnswer]:
    """The node's chain id, the logs, the bracketing blocks, and the block of every transfer found."""
    yield client.check_chain()
    numbers = {block.number for block in (row.before, row.first, row.last, row.after) if block is not None}
    for part in ranges_to_ask(row):
        for logs in client.transfer_ranges(addresses=addresses, first_block=part.first, last_block=part.last):
            yield from logs.answers
            numbers |= {log.block_number for log in logs.logs}
    for number in sorted(numbers):
        yield client.block_answer(number).answer
