"""Looking for logs that a node hides: blocks held against their own bloom and receipts.

A header that was hashed can't lie about its bloom, nor receipts that rebuild its root about their logs. So a
node that leaves a log out of eth_getLogs contradicts itself in the receipts. Only some blocks of a range are
held against them, and which ones nobody can foresee.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from app.ingest.order import demand_one_chain
from chains.errors import BadAnswer
from chains.evm.block_receipts import may_have_log, transfers_among
from chains.evm.client import EvmClient, LogBatch
from chains.evm.header import Header, UnknownHeaderField
from chains.evm.proving import block_receipts, headers
from chains.evm.rows import LogRow, row_of_log
from chains.evm.soundness import Escape, unsound
from chains.evm.transfers import TRANSFER_TOPIC, OtherLog
from chains.rpc import RpcAnswer
from chains.types import Address, BlockRef

_HEADERS_PER_STEP = 500
_PADDING = bytes(12)


class HiddenLog(BadAnswer):
    """A node's own receipts hold other logs of this block than it answered. `answers` are the receipts."""

    def __init__(self, *, node: str, block_number: int, hidden: int, answers: Sequence[RpcAnswer]) -> None:
        detail = f"its receipts of block {block_number} and its logs differ in {hidden} transfers"
        super().__init__(node=node, detail=detail)
        self.block_number = block_number
        self.answers = tuple(answers)


def _one_in(blocks: int) -> int:
    return secrets.randbelow(blocks)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptsCheck:
    """Of a thousand blocks so many are checked. `below` draws a number; a test may draw its own."""

    permille: int
    below: Callable[[int], int] = field(default=_one_in, repr=False)

    def chosen(self, *, first: int, last: int) -> list[int]:
        if self.permille == 0:
            return []
        if self.permille >= 1000:
            return list(range(first, last + 1))
        return [number for number in range(first, last + 1) if self.below(1000) < self.permille]


def check_receipts(
    client: EvmClient,
    *,
    accounts: Collection[Address],
    batch: LogBatch,
    blocks: Collection[BlockRef],
    check: ReceiptsCheck,
) -> int:
    """How many blocks of this answer its headers and receipts confirm. Raises HiddenLog, or a ChainError.

    The headers have to be of one chain with the `blocks` of the answer: any other chain's give their hashes
    too. None where the chain's hashes can't be recomputed: nothing can be confirmed there.
    """
    # Not the first block, in which nothing was paid: Anvil's does not give its hash.
    numbers = check.chosen(first=max(1, batch.first_block), last=batch.last_block)
    found = unsound(chain=client.chain, first_block=batch.first_block)
    escape = None if found is None else found.escape
    if not numbers or escape is Escape.HEADERS:
        return 0
    rows: dict[int, set[LogRow | OtherLog]] = {}
    for row in batch.rows:
        rows.setdefault(row[0], set()).add(row)
    for other in batch.others:
        rows.setdefault(other.block_number, set()).add(other)
    known = list(blocks)
    try:
        for at in range(0, len(numbers), _HEADERS_PER_STEP):
            step = [header for header, _ in headers(client, numbers[at : at + _HEADERS_PER_STEP])]
            demand_one_chain([*known, *(header.ref for header in step)])
            known.append(step[-1].ref)
            for header in step:
                _demand_same_block(client, header, batch=batch)
                told = rows.get(header.number, set())
                _demand_whole(client, header, accounts=accounts, told=told, escape=escape)
    except BadAnswer as error:
        if isinstance(error.__cause__, UnknownHeaderField):
            # A fork that this version does not know: its headers are not refused, but they confirm nothing.
            return 0
        raise
    return len(numbers)


def _demand_same_block(client: EvmClient, header: Header, *, batch: LogBatch) -> None:
    """What came with the logs about their block has to be what its header says."""
    told_hash = batch.block_hashes.get(header.number, header.hash)
    told_time = batch.block_times.get(header.number, header.time)
    if (told_hash, told_time) != (header.hash, header.time):
        detail = (
            f"logs are of block {header.number} {told_hash} of time {told_time}, "
            f"but its header has hash {header.hash} and time {header.time}"
        )
        raise BadAnswer(node=client.rpc.node, detail=detail)


def _demand_whole(
    client: EvmClient,
    header: Header,
    *,
    accounts: Collection[Address],
    told: set[LogRow | OtherLog],
    escape: Escape | None,
) -> None:
    topics = [_PADDING + account for account in accounts]
    if not told and not any(may_have_log(header, (TRANSFER_TOPIC, topic)) for topic in topics):
        return
    found = block_receipts(client, header)
    parsed = transfers_among(found.receipts, addresses=accounts)
    true = {*(row_of_log(log) for log in parsed.logs), *parsed.others}
    # Where some receipts lie outside the root, logs that the others do not hold may be theirs.
    differing = true - told if escape is Escape.OUTSIDE_ROOT else true ^ told
    if differing:
        raise HiddenLog(
            node=client.rpc.node,
            block_number=header.number,
            hidden=len(differing),
            answers=found.answers,
        )
