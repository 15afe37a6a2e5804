"""Finding blocks by time: where the window of a watched account starts, and where one ends.

What was found is stored, so that it is asked once. A node that fails leaves the place unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.engine import Engine

from app.clock import Clock
from app.db import reading
from app.ingest.hashed import hashed_blocks
from app.ingest.order import demand_one_chain
from app.ingest.store import blocks as block_store
from app.ingest.store import watches as watch_store
from app.ingest.store.chains import Chain
from app.ingest.store.reading import ChainReading, reading_of_chain
from app.ingest.store.watches import Watch
from chains.errors import BadAnswer
from chains.evm.client import BlockNotServed, EvmClient
from chains.types import BlockRef, ChainId


def demand_recorded_chain(*, engine: Engine, client: EvmClient, final: BlockRef) -> None:
    """Raise unless this final block is of the chain that was asked for, and of the one on record.

    The newest block on record has to be there, though the node may not call it final: a node that lags so
    far behind, or whose chain was replaced by a shorter one, can't be told from a false one.
    """
    # Again, after the final block: behind some addresses several nodes take turns, not always of one chain.
    client.check_chain()
    with reading(engine) as connection:
        known = block_store.newest_block(connection, chain_id=client.chain)
    if known is not None:
        demand_one_chain([known, final if known.number == final.number else client.block(known.number)])


class UnknownFields(BadAnswer):
    """Headers that may be of a fork which this version does not know: what times they have is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """The watches whose start is known, and how many starts are final and were not told by this node."""

    watches: list[Watch]
    left: int


def located_watches(
    *,
    engine: Engine,
    client: EvmClient,
    witnesses: Sequence[EvmClient],
    chain: ChainId,
    final: BlockRef,
    rules: ChainReading,
    clock: Clock,
) -> Located:
    """The watches whose start is final. The blocks around each start are searched for once and stored.

    Every witness has to have the same blocks there. A start in blocks that a node keeps no more, or can't
    prove, holds up no other: any tenant may ask for one.
    """
    with reading(engine) as connection:
        times = watch_store.unlocated_times(connection, chain)
    left = 0
    # Of the future nobody has to be asked, however many windows begin there.
    for time in (each for each in times if each <= final.time):
        try:
            first = client.first_block_at_or_after(time, low=0, high=final.number)
            if first is None:
                continue
            around = _around(client, first=first.number, time=time, final=final, rules=rules)
            for witness in witnesses:
                demand_one_chain([*around, *witness.blocks(each.number for each in around)])
        except (BlockNotServed, UnknownFields):
            left += 1
            continue
        with engine.begin() as connection:
            block_store.add_blocks(connection, chain_id=chain, blocks=around, now=clock())
            watch_store.locate_time(connection, chain_id=chain, time=time, first_block=first.number)
    with reading(engine) as connection:
        watches = watch_store.watches(connection, chain)
    return Located(watches=[watch for watch in watches if watch.first_block is not None], left=left)


def block_at(
    *, engine: Engine, client: EvmClient, chain: Chain, time: int, clock: Clock
) -> tuple[BlockRef, BlockRef] | None:
    """The last final block with a time up to `time` and the one after it, stored; None if not final yet.

    Raises a ChainError.
    """
    final = client.finalized(chain.finality)
    demand_recorded_chain(engine=engine, client=client, final=final)
    before = client.last_block_at_or_before(time, low=0, high=final.number)
    if before is None or before.number >= final.number:
        return None
    with reading(engine) as connection:
        rules = reading_of_chain(connection, chain.id)
    number = before.number + 1
    before, after = _around(client, first=number, time=time + 1, final=final, rules=rules)
    with engine.begin() as connection:
        block_store.add_blocks(connection, chain_id=chain.id, blocks=[before, after], now=clock())
    return before, after


def _around(
    client: EvmClient, *, first: int, time: int, final: BlockRef, rules: ChainReading
) -> list[BlockRef]:
    """The block of this number, which is not older than `time`, after the one before it, which is.

    They are asked anew with the final block, so that a node that changed its chain while it was searched
    is found out.
    """
    numbers = range(max(0, first - 1), first + 1)
    found = hashed_blocks(client, [*numbers, final.number], hashable=rules.demands_hashes)
    *around, last = found.blocks
    if rules.hashable and not found.hashed:
        around = _demand_hashed(client, numbers)
    demand_one_chain([*around, last, final])
    if around[-1].time < time or any(each.time >= time for each in around[:-1]):
        detail = f"told two stories about the times of blocks {numbers.start}-{first}"
        raise BadAnswer(node=client.rpc.node, detail=detail)
    return around


def _demand_hashed(client: EvmClient, numbers: range) -> list[BlockRef]:
    """These blocks of a chain whose headers are known to give their hashes. Raises UnknownFields.

    Where a window begins is asked once and for all, and no coverage has a word for what it rests on. So a
    field that nobody knows makes no times believed here; the final block may be of a fork that has it.
    """
    found = hashed_blocks(client, numbers, hashable=True)
    if not found.hashed:
        detail = f"the headers of blocks {numbers.start}-{numbers.stop - 1} have fields that are not known"
        raise UnknownFields(node=client.rpc.node, detail=detail)
    return found.blocks
