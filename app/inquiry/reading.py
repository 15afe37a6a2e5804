"""Reading one endpoint for one account: where the window lies, and every Transfer in it, part by part.

What was read before a failure stays, with the range it was read for; the rest is never an empty answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from app.assessment.inflow_values import BlockContradiction, Endpoint, EndpointAnswer, Window
from app.clock import from_unix_seconds, to_rfc3339
from app.errors import Fault, InvalidInput
from app.ingest.order import demand_one_chain
from app.ingest.ranges import Blocks
from app.ingest.read import ReadProgress
from app.inquiry.asking import Deadline, said
from chains.errors import BadAnswer, ChainError
from chains.evm.asking_execution import TRANSACTIONS_PER_BATCH, read_executions
from chains.evm.client import EvmClient, LogsAnswer
from chains.evm.execution import Execution
from chains.evm.transfers import MalformedLog, OtherLog, to_transfer
from chains.types import Address, BlockRef, Hash32, Transfer

BLOCKS_MAX = 50_000_000
# Of one endpoint; an account with more is asked for in shorter windows.
TRANSFERS_MAX = 20_000

Progress = Callable[[ReadProgress], None]


class TooManyTransfers(ChainError):
    """The account has more transfers than one answer holds."""

    def __init__(self) -> None:
        super().__init__(
            f"more than {TRANSFERS_MAX} transfers; ask for a shorter time with --since and --until"
        )


def locate_window(client: EvmClient, *, since: int, until: int | None, final: BlockRef) -> Window:
    """The final blocks with times from `since` to `until`. Raises InvalidInput where there are none."""
    first = client.first_block_at_or_after(since, low=0, high=final.number)
    if first is None:
        detail = (
            f"The last final block, {final.number}, is of {_time(final)}: no final block is as late as this."
        )
        raise InvalidInput([Fault(pointer="--since", detail=detail)])
    last: BlockRef | None = final
    if until is not None and until < final.time:
        last = client.last_block_at_or_before(until, low=0, high=final.number)
    if last is None or last.number < first.number:
        detail = f"No block lies between --since and this: block {first.number} is of {_time(first)}."
        raise InvalidInput([Fault(pointer="--until", detail=detail)])
    if last.number - first.number >= BLOCKS_MAX:
        detail = (
            f"These are {last.number - first.number + 1} blocks; at most {BLOCKS_MAX} are asked for at once."
        )
        raise InvalidInput([Fault(pointer="--since", detail=detail)])
    return Window(since=since, until=until, first=first, last=last, ends_at_final=last.number == final.number)


def _time(block: BlockRef) -> str:
    return to_rfc3339(from_unix_seconds(block.time))


@dataclass(slots=True, kw_only=True)
class _Found:
    """What one endpoint returned so far."""

    read: Blocks | None = None
    received: list[Transfer] = field(default_factory=list)
    sent: list[Transfer] = field(default_factory=list)
    others: list[OtherLog] = field(default_factory=list)

    def add(self, answer: LogsAnswer, transfers: Sequence[Transfer], *, account: Address) -> None:
        first = answer.first_block if self.read is None else self.read.first
        self.read = Blocks(first, answer.last_block)
        self.received += [each for each in transfers if each.recipient == account]
        self.sent += [each for each in transfers if each.sender == account]
        self.others += answer.others


def read_endpoint(
    client: EvmClient,
    *,
    endpoint: Endpoint,
    account: Address,
    window: Window,
    final: BlockRef,
    deadline: Deadline,
    progress: Progress,
) -> EndpointAnswer:
    """Everything of the window that this endpoint calls final. Never raises a ChainError."""
    found = _Found()
    failure = contradiction = None
    wanted = Blocks(window.first.number, min(window.last.number, max(final.number, window.first.number)))
    try:
        contradiction = _contradiction(client, window, last=wanted.last, final=final)
        for answer in client.transfer_ranges(
            addresses=[account], first_block=wanted.first, last_block=wanted.last
        ):
            transfers = _transfers(client, answer, final=final)
            found.add(answer, transfers, account=account)
            progress(_progress(client, found, wanted))
            _demand_limits(found, wanted=wanted, deadline=deadline)
    except ChainError as error:
        failure = said(error, endpoint=endpoint)
    return EndpointAnswer(
        endpoint=endpoint,
        final=final,
        read=found.read,
        failure=failure,
        received=tuple(found.received),
        sent=tuple(found.sent),
        others=tuple(found.others),
        contradiction=contradiction,
    )


def _demand_limits(found: _Found, *, wanted: Blocks, deadline: Deadline) -> None:
    """Only where something is left to read: what is complete was not cut short."""
    if found.read is not None and found.read.last < wanted.last:
        deadline.demand()
        if len(found.received) + len(found.sent) > TRANSFERS_MAX:
            raise TooManyTransfers


def _progress(client: EvmClient, found: _Found, wanted: Blocks) -> ReadProgress:
    last = wanted.first if found.read is None else found.read.last
    return ReadProgress(
        chain=client.chain,
        done=last - wanted.first + 1,
        total=wanted.last - wanted.first + 1,
        last_block=last,
        transfers=len(found.received),
    )


def _contradiction(
    client: EvmClient, window: Window, *, last: int, final: BlockRef
) -> BlockContradiction | None:
    """Whether this endpoint holds the window's own blocks, at its ends and with their times.

    Raises a ChainError where its final block lies before the window: there is nothing to read then.
    """
    if final.number < window.first.number:
        msg = f"its last final block is {final.number}, before the first of the asked time"
        raise BadAnswer(node=client.rpc.node, detail=msg)
    known = [block for block in (window.first, window.last) if block.number <= last]
    held = client.blocks([block.number for block in known])
    for mine, own in zip(known, held, strict=True):
        if (mine.hash, mine.time) != (own.hash, own.time):
            return BlockContradiction(number=mine.number, first=mine, other=own)
    return None


def _transfers(client: EvmClient, answer: LogsAnswer, *, final: BlockRef) -> list[Transfer]:
    """The logs joined to their blocks, by hash. With them the final block is asked again.

    A node that answers another one by now has changed its chain, and nothing of this part is believed.
    """
    numbers = {log.block_number for log in answer.logs} | {answer.last_block, final.number}
    blocks = {block.number: block for block in client.blocks(sorted(numbers))}
    demand_one_chain([final, blocks[final.number]])
    try:
        return [to_transfer(log, chain=client.chain, block=blocks[log.block_number]) for log in answer.logs]
    except MalformedLog as error:
        raise BadAnswer(node=client.rpc.node, detail=str(error)) from error


def look_into(
    client: EvmClient, tx_hashes: Sequence[Hash32], *, deadline: Deadline
) -> dict[Hash32, Execution]:
    """As many of these transactions as the endpoint answers for."""
    found: dict[Hash32, Execution] = {}
    for start in range(0, len(tx_hashes), TRANSACTIONS_PER_BATCH):
        try:
            deadline.demand()
            found |= read_executions(client, tx_hashes[start : start + TRANSACTIONS_PER_BATCH])
        except ChainError:
            break
    return found
