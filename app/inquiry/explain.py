"""What one transaction did: every endpoint is asked for it, and one answer is explained beside the others."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace

from app.assessment.inflow_values import Endpoint, TokenShown
from app.assessment.transaction_statements import nothing_known
from app.assessment.transaction_values import Explanation, Told
from app.errors import QuittanceError
from app.inquiry.asking import Deadline, final_block, opened, read_tokens, said
from app.inquiry.sources import NothingAnswered, Source
from app.resources import Outside
from chains.errors import ChainError
from chains.evm.asking_execution import read_execution, read_inner_moves
from chains.evm.client import BlockNotServed, EvmClient
from chains.evm.execution import Execution
from chains.evm.inner_moves import InnerMove
from chains.types import Address, AssetId, BlockRef, Hash32

_SECONDS_FOR_TOKENS = 60


class TransactionUnknown(QuittanceError):
    """Every endpoint answered, and none has it."""

    def __init__(self, *, tx_hash: Hash32, endpoints: int) -> None:
        super().__init__(f"TX: {tx_hash}: {nothing_known(endpoints)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionQuestion:
    tx_hash: Hash32
    account: Address | None


def explain(
    *,
    question: TransactionQuestion,
    source: Source,
    outside: Outside,
    monotonic: Callable[[], float] = time.monotonic,
) -> Explanation:
    """Raises TransactionUnknown, or NothingAnswered where it can't be known whether it is unknown."""
    told = []
    with ExitStack() as stack:
        clients = {}
        for endpoint, url in source.endpoints:
            try:
                client = stack.enter_context(opened(source, url, outside=outside))
                told.append(_ask(client, source, endpoint=endpoint, tx_hash=question.tx_hash))
                clients[endpoint.number] = client
            except ChainError as error:
                told.append(Told(endpoint=endpoint, failure=said(error, endpoint=endpoint)))
        chosen = _chosen(told, source=source, tx_hash=question.tx_hash)
        found = Explanation(
            chain=source.chain,
            chain_name=source.name,
            account=question.account,
            told=tuple(told),
            chosen=chosen,
            tokens=source.tokens,
        )
        deadline = Deadline(
            monotonic=monotonic, at=monotonic() + _SECONDS_FOR_TOKENS, seconds=_SECONDS_FOR_TOKENS
        )
        own = _tokens(found, clients[chosen.endpoint.number], deadline=deadline)
    return replace(found, tokens={**source.tokens, **own})


def _ask(client: EvmClient, source: Source, *, endpoint: Endpoint, tx_hash: Hash32) -> Told:
    final = final_block(client, source)
    found = read_execution(client, tx_hash)
    if not isinstance(found, Execution):
        return Told(endpoint=endpoint, found=found, final=final)
    return Told(
        endpoint=endpoint,
        found=found,
        held=_held(client, found.block_number),
        final=final,
        inner=_inner(client, tx_hash),
    )


def _held(client: EvmClient, number: int) -> BlockRef | None:
    try:
        return client.block(number)
    except BlockNotServed:
        # It answered a receipt of this block: by now it has given way to a shorter chain.
        return None


def _inner(client: EvmClient, tx_hash: Hash32) -> tuple[InnerMove, ...] | None:
    """A trace is the one thing that an endpoint may fail at and still have answered."""
    try:
        return read_inner_moves(client, tx_hash)
    except ChainError:
        return None


def _chosen(told: list[Told], *, source: Source, tx_hash: Hash32) -> Told:
    """The first that has it in a block, else the first that knows it; the trace is of whoever agrees."""
    mined = [each for each in told if isinstance(each.found, Execution)]
    known = mined or [each for each in told if each.found is not None]
    if known:
        chosen = known[0]
        traced = [each.inner for each in known if each.found == chosen.found and each.inner is not None]
        return replace(chosen, inner=traced[0]) if traced else chosen
    failures = [f"{each.endpoint.label}: {each.failure}" for each in told if each.failure is not None]
    if failures:
        raise NothingAnswered(source.chain, failures)
    raise TransactionUnknown(tx_hash=tx_hash, endpoints=len(told))


def _tokens(found: Explanation, client: EvmClient, *, deadline: Deadline) -> dict[AssetId, TokenShown]:
    assets = [each.asset for each in found.movements]
    if found.attempt is not None:
        assets.append(AssetId(found.chain, found.attempt.contract))
    left = [asset for asset in dict.fromkeys(assets) if asset not in found.tokens]
    # What is younger than the final block has its code at its own block only.
    known = [block for block in (found.chosen.final, found.chosen.held) if block is not None]
    at = max(known, key=lambda block: block.number, default=None)
    return {} if at is None else read_tokens(client, left, block=at, deadline=deadline)
