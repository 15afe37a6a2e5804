"""Reading the native coin into the store: its moves, failed attempts, and events that are no transfers.

Apart from the reading of Transfers, which a node without traces must never hold up. One range is one
transaction. A node that fails, or contradicts itself or the record, leaves a gap; what its means can't see
is written beside the range.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby

from sqlalchemy.engine import Connection, Engine

from app.clock import Clock
from app.db import reading
from app.ingest.order import demand_one_chain
from app.ingest.ranges import Blocks, missing
from app.ingest.read import Progress, ReadProgress
from app.ingest.store import blocks as block_store
from app.ingest.store import coverage as coverage_store
from app.ingest.store import native_coverage as native_coverage_store
from app.ingest.store.chains import Chain
from app.ingest.store.coverage import Watch
from app.ingest.store.native import Shown, add_native_answer
from app.ingest.store.native_coverage import NativeCoverage
from app.ingest.store.tenders import add_events, add_tenders
from chains.errors import ChainError, NodeError
from chains.evm.answers import AnswerLedger
from chains.evm.client import EvmClient
from chains.evm.event_client import read_events
from chains.evm.events import ValueEvent
from chains.evm.means import Internals, Unseen
from chains.evm.native_client import NativeAnswer, NativeReader
from chains.types import Address, BlockRef

ACCOUNTS_PER_REQUEST = 500
# What the coverage says of accounts whose balances do not tell everything.
INFERRED = "internal moves inferred from balances"
INEXACT = "the account had code: moves in and out between two probes of its balance are not seen"

Guard = Callable[[Connection], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeReport:
    """What one pass did. `failure` None: of nothing final the native coin is left unread."""

    transfers: int
    tenders: int
    failure: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """Accounts that miss the same range."""

    blocks: Blocks
    addresses: tuple[Address, ...]

    @property
    def size(self) -> int:
        return (self.blocks.last - self.blocks.first + 1) * len(self.addresses)


@dataclass(slots=True, kw_only=True)
class _Pass:
    engine: Engine
    client: EvmClient
    final: BlockRef
    clock: Clock
    guard: Guard
    transfers: int = 0
    tenders: int = 0


def no_guard(_: Connection) -> None:
    """For whoever is alone with the database."""


def read_native(
    *,
    engine: Engine,
    client: EvmClient,
    chain: Chain,
    final: BlockRef,
    clock: Clock,
    progress: Progress,
    guard: Guard = no_guard,
) -> NativeReport:
    """Read what is missing up to the final block, for every account whose window has begun.

    Never raises a ChainError: the report says it. `guard` runs first in each transaction, and may refuse it.
    """
    this = _Pass(engine=engine, client=client, final=final, clock=clock, guard=guard)
    failure = None
    try:
        _read_missing(this, chain=chain, progress=progress)
    except NodeError as error:
        failure = str(error)
    except ChainError as error:
        failure = f"node {client.rpc.node}: {error}"
    return NativeReport(transfers=this.transfers, tenders=this.tenders, failure=failure)


def _read_missing(this: _Pass, *, chain: Chain, progress: Progress) -> None:
    with reading(this.engine) as connection:
        watches = coverage_store.watches(connection, chain.id)
        read = native_coverage_store.native_blocks(
            connection, chain_id=chain.id, addresses=[watch.address for watch in watches]
        )
    parts = list(_parts(watches, read, start=chain.start_block, final=this.final.number))
    reader = NativeReader(this.client)
    done, total = 0, sum(part.size for part in parts)
    for part in parts:
        for answer in reader.ranges(
            accounts=part.addresses, first_block=part.blocks.first, last_block=part.blocks.last
        ):
            _store(this, part=part, answer=answer)
            done += (answer.last_block - answer.first_block + 1) * len(part.addresses)
            progress(
                ReadProgress(
                    chain=chain.id,
                    done=done,
                    total=total,
                    last_block=answer.last_block,
                    transfers=this.transfers,
                )
            )


def _parts(
    watches: Sequence[Watch], read: dict[Address, list[Blocks]], *, start: int, final: int
) -> Iterator[_Part]:
    wanted: list[tuple[Blocks, Address]] = []
    for watch in watches:
        if watch.first_block is not None and max(start, watch.first_block) <= final:
            window = Blocks(max(start, watch.first_block), final)
            wanted += [(gap, watch.address) for gap in missing(window, read=read[watch.address])]
    for blocks, group in groupby(sorted(wanted), key=lambda each: each[0]):
        addresses = [address for _, address in group]
        for at in range(0, len(addresses), ACCOUNTS_PER_REQUEST):
            yield _Part(blocks=blocks, addresses=tuple(addresses[at : at + ACCOUNTS_PER_REQUEST]))


def _store(this: _Pass, *, part: _Part, answer: NativeAnswer) -> None:
    """Hold an answer against its blocks and the record, and store it in one transaction."""
    ledger = AnswerLedger()
    read = Blocks(answer.first_block, answer.last_block)
    events = read_events(
        this.client, accounts=part.addresses, first_block=read.first, last_block=read.last, ledger=ledger
    )
    blocks = _blocks_of(this, answer=answer, events=events)
    chain_id, now = this.client.chain, this.clock()
    digests = tuple(asdict(each) for each in (*answer.answers, *ledger.digests))
    with this.engine.begin() as connection:
        this.guard(connection)
        block_store.add_blocks(connection, chain_id=chain_id, blocks=blocks.values(), now=now)
        added = add_native_answer(
            connection,
            chain_id=chain_id,
            addresses=part.addresses,
            blocks=read,
            transfers=answer.transfers,
            shown=_shown(answer),
            now=now,
        )
        tenders = add_tenders(
            connection,
            chain_id=chain_id,
            addresses=part.addresses,
            blocks=read,
            tenders=answer.tenders,
            shows_all=Unseen.TENDERS_OF_OTHERS not in answer.unseen,
            now=now,
        )
        add_events(connection, chain_id=chain_id, events=events, now=now)
        for limits, addresses in _limits(answer, part.addresses):
            coverage = NativeCoverage(
                addresses=addresses,
                first=blocks[read.first],
                last=blocks[read.last],
                method=str(answer.means),
                internals=str(answer.internals),
                limits=limits,
                node=this.client.rpc.node,
                read_at=now,
                answers=digests,
            )
            native_coverage_store.add_native_coverage(connection, chain_id=chain_id, read=coverage)
    this.transfers += added
    this.tenders += tenders


def _shown(answer: NativeAnswer) -> Shown:
    return Shown(
        internals=answer.internals is Internals.READ,
        withdrawals=Unseen.WITHDRAWALS not in answer.unseen,
        rewards=answer.internals is Internals.READ and Unseen.REWARDS not in answer.unseen,
    )


def _limits(
    answer: NativeAnswer, addresses: Sequence[Address]
) -> Iterator[tuple[tuple[str, ...], tuple[Address, ...]]]:
    """What was not seen, in words, and of which accounts."""
    inferred = (INFERRED,) if answer.internals is Internals.INFERRED else ()
    words = (*inferred, *map(str, answer.unseen))
    exact = tuple(each for each in addresses if each not in answer.inexact)
    inexact = tuple(each for each in addresses if each in answer.inexact)
    if exact:
        yield words, exact
    if inexact:
        yield (*words, INEXACT), inexact


def _blocks_of(this: _Pass, *, answer: NativeAnswer, events: Sequence[ValueEvent]) -> dict[int, BlockRef]:
    """The blocks at the ends of the range and those that hold something, which have to be of one chain.

    With them the final block is asked again: a node that answers another one has changed its chain.
    """
    held = {each.block.number for each in answer.transfers} | {each.block.number for each in answer.tenders}
    ends = {answer.first_block, max(answer.first_block, answer.last_block - 1), answer.last_block}
    wanted = ends | {each.block_number for each in events} | {this.final.number}
    asked = {block.number: block for block in this.client.blocks(sorted(wanted))}
    demand_one_chain([this.final, *answer.blocks, *asked.values()])
    for event in events:
        if asked[event.block_number].hash != event.block_hash:
            detail = f"log {event.log_index} is of another block {event.block_number} than the node's own"
            raise this.client.rpc.bad_answer(ChainError(detail))
    if this.final.number not in ends and not any(each.block_number == this.final.number for each in events):
        del asked[this.final.number]
    return asked | {block.number: block for block in answer.blocks if block.number in held}
