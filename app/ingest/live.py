"""The blocks above the final one, read as they come and forgotten as they are replaced.

What lies in them is provisional: shown as such, never assessed. A reorg is seen by the hashes: from the
first block that was replaced on, all is forgotten at once and read anew.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy.engine import Connection

from app.db import reading
from app.ingest.answer import Writer
from app.ingest.order import demand_one_chain
from app.ingest.panel import Seat
from app.ingest.plan import ACCOUNTS_PER_REQUEST
from app.ingest.store import coverage as coverage_store
from app.ingest.store import provisional as provisional_store
from chains.errors import BadAnswer
from chains.evm.rows import transfer_of_row
from chains.types import Address, BlockRef, ChainId, Transfer

# A rollup may call blocks final only after many minutes; of a longer head the newest blocks are shown.
HEAD_BLOCKS_MAX = 5_000
_STEP_BLOCKS = 50


def read_head(*, seat: Seat, writer: Writer, addresses: Collection[Address], final: BlockRef) -> None:
    """Bring the provisional blocks up to the node's head; a ChainError leaves them as they were."""
    chain_id = writer.chain.id
    # By its name alone: all accounts of each moment as a set on record would be the square of their number.
    accounts = coverage_store.name_of_accounts(addresses)
    with reading(writer.engine) as connection:
        before = provisional_store.provisional_blocks(connection, chain_id=chain_id)
        # Blocks that were read for other accounts are read anew for these.
        known = provisional_store.provisional_blocks(connection, chain_id=chain_id, accounts=accounts)
    first = max(final.number + 1, seat.head.number - HEAD_BLOCKS_MAX + 1)
    known = [block for block in known if block.number >= first]
    fork = _first_new(seat, known=known, first=first)
    new = seat.client.blocks(range(fork, seat.head.number + 1))
    kept = [block for block in known if block.number < fork]
    demand_one_chain([*([final] if first == final.number + 1 else []), *kept, *new])
    transfers = _transfers(seat, chain_id=chain_id, addresses=addresses, blocks=new)
    with writer.engine.begin() as connection:
        provisional_store.lock_head(connection, chain_id=chain_id)
        if provisional_store.provisional_blocks(connection, chain_id=chain_id) != before:
            # Another reader was faster: what it saw is as new, and the next pass looks again.
            return
        _replace(connection, chain_id=chain_id, first=kept[0].number if kept else fork, fork=fork)
        if new:
            provisional_store.add_provisional(
                connection,
                chain_id=chain_id,
                accounts=accounts,
                blocks=new,
                transfers=transfers,
                now=writer.clock(),
            )


def forget_head(*, writer: Writer, last: int | None = None) -> None:
    """Forget the provisional blocks up to `last`, which were read as final ones; or all of them."""
    with writer.engine.begin() as connection:
        provisional_store.rewind(connection, chain_id=writer.chain.id, last=last)


def _first_new(seat: Seat, *, known: Sequence[BlockRef], first: int) -> int:
    """The number from which on the node's blocks are not those that are known."""
    at = min(known[-1].number, seat.head.number) if known else first - 1
    hashes = {block.number: block.hash for block in known}
    step = 1
    while at >= first:
        blocks = seat.client.blocks(range(max(first, at - step + 1), at + 1))
        same = [block.number for block in blocks if hashes.get(block.number) == block.hash]
        if same:
            return same[-1] + 1
        at, step = blocks[0].number - 1, _STEP_BLOCKS
    return first


def _replace(connection: Connection, *, chain_id: ChainId, first: int, fork: int) -> None:
    """Forget what lies below the kept blocks, and from the fork on."""
    provisional_store.rewind(connection, chain_id=chain_id, last=first - 1)
    provisional_store.rewind(connection, chain_id=chain_id, first=fork)


def _transfers(
    seat: Seat, *, chain_id: ChainId, addresses: Collection[Address], blocks: Sequence[BlockRef]
) -> list[Transfer]:
    """Those in these blocks. Raises BadAnswer where a log is of another block: the chain has moved on."""
    if not blocks:
        return []
    asked = None if len(addresses) > ACCOUNTS_PER_REQUEST else sorted(addresses)
    by_number = {block.number: block for block in blocks}
    found = []
    for batch in seat.client.log_ranges(
        accounts=asked, first_block=blocks[0].number, last_block=blocks[-1].number, learnt=seat.size
    ):
        for number, told in batch.block_hashes.items():
            if by_number[number].hash != told:
                detail = f"block {number} was replaced while it was read"
                raise BadAnswer(node=seat.client.rpc.node, detail=detail)
        found += [
            transfer_of_row(row, chain=chain_id, block=by_number[row[0]])
            for row in batch.rows
            if asked is not None or row[4] in addresses or row[5] in addresses
        ]
    return found
