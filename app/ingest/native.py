"""Reading the native coin into the store: its moves, failed attempts, and events that are no transfers.

Apart from the reading of Transfers, which a node without traces must never hold up. One range is one
transaction. A node that fails, or contradicts itself or the record, leaves a gap; what its means can't see
is written beside the range.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from sqlalchemy.engine import Connection, Engine

from app.clock import Clock
from app.db import reading
from app.ingest.hashed import NOT_HASHED, hashed_blocks
from app.ingest.order import demand_one_chain
from app.ingest.plan import Part, parts_to_read
from app.ingest.ranges import Blocks
from app.ingest.read import Progress, ReadProgress
from app.ingest.store import blocks as block_store
from app.ingest.store import coverage as coverage_store
from app.ingest.store import reading as reading_store
from app.ingest.store import watches as watch_store
from app.ingest.store.chains import Chain
from app.ingest.store.coverage import NATIVE, Coverage
from app.ingest.store.native import Shown, add_native_answer
from app.ingest.store.tenders import add_events, add_tenders
from chains.errors import ChainError, NodeError
from chains.evm.answers import AnswerLedger
from chains.evm.client import EvmClient
from chains.evm.event_client import read_events
from chains.evm.events import ValueEvent
from chains.evm.means import Internals, Unseen
from chains.evm.native_client import NativeAnswer, NativeReader
from chains.types import Address, BlockRef

# What the coverage says of accounts whose balances do not tell everything.
INFERRED = "internal moves inferred from balances"
INEXACT = "the account had code: moves in and out between two probes of its balance are not seen"
# What it says where several nodes have to agree: they do on the blocks, but only one is asked for the moves.
ONE_NODE = "the moves rest on one node's answer, only their blocks on that of several"


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeReport:
    """What one pass did. `failure` None: of nothing final the native coin is left unread.

    Unless `is_cut_short`: then the time was up, and the next pass goes on from there.
    """

    transfers: int
    tenders: int
    failure: str | None
    is_cut_short: bool


@dataclass(slots=True, kw_only=True)
class _Pass:
    engine: Engine
    client: EvmClient
    witnesses: Sequence[EvmClient]
    final: BlockRef
    clock: Clock
    until: float
    hashable: bool = True
    transfers: int = 0
    tenders: int = 0
    is_cut_short: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Checked:
    """An answer with its events and blocks, which were held against each other."""

    answer: NativeAnswer
    events: Sequence[ValueEvent]
    blocks: dict[int, BlockRef]
    limits: tuple[str, ...]
    digests: tuple[dict[str, object], ...]


def read_native(
    *,
    engine: Engine,
    client: EvmClient,
    chain: Chain,
    final: BlockRef,
    clock: Clock,
    progress: Progress,
    witnesses: Sequence[EvmClient] = (),
    seconds: float = math.inf,
) -> NativeReport:
    """Read what is missing up to the final block, for every account whose window has begun.

    Never raises a ChainError: the report says it. `witnesses` are nodes that have to have the same blocks.
    Ends after the range in which the `seconds` are over.
    """
    until = time.monotonic() + seconds
    this = _Pass(engine=engine, client=client, witnesses=witnesses, final=final, clock=clock, until=until)
    failure = None
    try:
        _read_missing(this, chain=chain, progress=progress)
    except NodeError as error:
        failure = str(error)
    except ChainError as error:
        failure = f"node {client.rpc.node}: {error}"
    return NativeReport(
        transfers=this.transfers, tenders=this.tenders, failure=failure, is_cut_short=this.is_cut_short
    )


def _read_missing(this: _Pass, *, chain: Chain, progress: Progress) -> None:
    parts = _parts(this, chain=chain)
    reader = NativeReader(this.client)
    done, total = 0, sum(part.size for part in parts)
    for part in parts:
        for answer in reader.ranges(
            accounts=part.addresses, first_block=part.blocks.first, last_block=part.blocks.last
        ):
            _store(this, part=part, read=_checked(this, part=part, answer=answer))
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
            if done < total and time.monotonic() >= this.until:
                this.is_cut_short = True
                return


def _parts(this: _Pass, *, chain: Chain) -> list[Part]:
    with reading(this.engine) as connection:
        watched = watch_store.watches(connection, chain.id)
        starts = {each.address: each.first_block for each in watched if each.first_block is not None}
        read = coverage_store.covered_blocks(
            connection, chain_id=chain.id, kind=NATIVE, addresses=list(starts)
        )
        this.hashable = reading_store.reading_of_chain(connection, chain.id).demands_hashes
    return list(
        parts_to_read(starts=starts, read=read, start_block=chain.start_block, final=this.final.number)
    )


def _checked(this: _Pass, *, part: Part, answer: NativeAnswer) -> _Checked:
    """Hold an answer against its blocks, on this node and on the witnesses."""
    ledger = AnswerLedger()
    events = read_events(
        this.client,
        accounts=part.addresses,
        first_block=answer.first_block,
        last_block=answer.last_block,
        ledger=ledger,
    )
    blocks, limits = _blocks_of(this, answer=answer, events=events)
    for witness in this.witnesses:
        demand_one_chain([*blocks.values(), *witness.blocks(sorted(blocks))])
    return _Checked(
        answer=answer,
        events=events,
        blocks=blocks,
        limits=(*limits, *([ONE_NODE] if this.witnesses else [])),
        digests=tuple(asdict(each) for each in (*answer.answers, *ledger.digests)),
    )


def _store(this: _Pass, *, part: Part, read: _Checked) -> None:
    """All of one range in one transaction, if it fits the record."""
    answer, chain_id, now = read.answer, this.client.chain, this.clock()
    blocks = Blocks(answer.first_block, answer.last_block)
    with this.engine.begin() as connection:
        block_store.add_blocks(connection, chain_id=chain_id, blocks=read.blocks.values(), now=now)
        added = add_native_answer(
            connection,
            chain_id=chain_id,
            addresses=part.addresses,
            blocks=blocks,
            transfers=answer.transfers,
            shown=_shown(answer),
            now=now,
        )
        tenders = add_tenders(
            connection,
            chain_id=chain_id,
            addresses=part.addresses,
            blocks=blocks,
            tenders=answer.tenders,
            shows_all=Unseen.TENDERS_OF_OTHERS not in answer.unseen,
            now=now,
        )
        add_events(connection, chain_id=chain_id, events=read.events, now=now)
        _cover(connection, this, part=part, read=read)
    this.transfers += added
    this.tenders += tenders


def _cover(connection: Connection, this: _Pass, *, part: Part, read: _Checked) -> None:
    answer, chain_id = read.answer, this.client.chain
    for limits, addresses in _limits(answer, part.addresses):
        accounts = coverage_store.record_accounts(connection, chain_id=chain_id, addresses=addresses)
        coverage = Coverage(
            accounts=accounts,
            first=read.blocks[answer.first_block],
            last=read.blocks[answer.last_block],
            nodes=(this.client.rpc.node,),
            read_at=this.clock(),
            answers=read.digests,
            kind=NATIVE,
            method=str(answer.means),
            limits=(*limits, *read.limits),
        )
        coverage_store.add_coverage(connection, chain_id=chain_id, read=coverage)


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


def _blocks_of(
    this: _Pass, *, answer: NativeAnswer, events: Sequence[ValueEvent]
) -> tuple[dict[int, BlockRef], tuple[str, ...]]:
    """The blocks at the ends of the range and those that hold something, which have to be of one chain.

    With them the final block is asked again: a node that answers another one has changed its chain. What
    rests on the node's word alone is said beside them.
    """
    held = {each.block.number for each in answer.transfers} | {each.block.number for each in answer.tenders}
    held |= {each.block_number for each in events}
    wanted = held | {answer.first_block, max(answer.first_block, answer.last_block - 1), answer.last_block}
    found = hashed_blocks(this.client, sorted(wanted | {this.final.number}), hashable=this.hashable)
    asked = {block.number: block for block in found.blocks}
    demand_one_chain([this.final, *answer.blocks, *asked.values()])
    for event in events:
        if asked[event.block_number].hash != event.block_hash:
            detail = f"log {event.log_index} is of another block {event.block_number} than the node's own"
            raise this.client.rpc.bad_answer(ChainError(detail))
    blocks = {number: asked[number] for number in wanted}
    return blocks, () if found.hashed else (NOT_HASHED,)
