"""The blocks above the final one, and the transfers in them: shown as provisional, never assessed.

The only chain facts that are ever deleted: whole blocks, from the first that was replaced on, and those
that have become final and were read as such.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from app.db import insert_new
from app.ingest.ledger_model import chain_reading, provisional_block, provisional_transfer
from app.ingest.ranges import Blocks
from chains.types import Address, BlockRef, ChainId, Hash32, Transfer


def provisional_blocks(
    connection: Connection, *, chain_id: ChainId, accounts: Hash32 | None = None
) -> list[BlockRef]:
    """In ascending order; with `accounts` those that were read for just this set."""
    query = sa.select(provisional_block).where(provisional_block.c.chain_id == str(chain_id))
    if accounts is not None:
        query = query.where(provisional_block.c.accounts == accounts)
    return [
        BlockRef(number=row.number, hash=row.hash, time=row.time, parent_hash=row.parent_hash)
        for row in connection.execute(query.order_by(provisional_block.c.number))
    ]


def lock_head(connection: Connection, *, chain_id: ChainId) -> None:
    """One writer of these blocks at a time, until the transaction ends."""
    # A row that whoever reads may change, as locking it on PostgreSQL takes.
    insert_new(connection, chain_reading, [{"chain_id": str(chain_id), "agreement": 1}])
    row = sa.select(chain_reading.c.chain_id).where(chain_reading.c.chain_id == str(chain_id))
    connection.execute(row.with_for_update())


def rewind(connection: Connection, *, chain_id: ChainId, first: int = 0, last: int | None = None) -> None:
    """Forget the provisional blocks from `first` on (up to `last`) with all that lies in them."""
    for table, number in (
        (provisional_transfer, provisional_transfer.c.block_number),
        (provisional_block, provisional_block.c.number),
    ):
        gone = sa.and_(table.c.chain_id == str(chain_id), number >= first)
        if last is not None:
            gone = sa.and_(gone, number <= last)
        connection.execute(sa.delete(table).where(gone))


def add_provisional(
    connection: Connection,
    *,
    chain_id: ChainId,
    accounts: Hash32,
    blocks: Sequence[BlockRef],
    transfers: Sequence[Transfer],
    now: datetime,
) -> None:
    connection.execute(
        sa.insert(provisional_block),
        [
            {
                "chain_id": str(chain_id),
                "number": each.number,
                "hash": each.hash,
                "time": each.time,
                "parent_hash": each.parent_hash,
                "accounts": accounts,
                "read_at": now,
            }
            for each in blocks
        ],
    )
    rows = [
        {
            "chain_id": str(chain_id),
            "block_number": each.block.number,
            "log_index": each.log_index,
            "tx_hash": each.tx_hash,
            "contract": each.contract,
            "sender": each.sender,
            "recipient": each.recipient,
            "amount_units": each.amount_units,
        }
        for each in transfers
    ]
    if rows:
        connection.execute(sa.insert(provisional_transfer), rows)


def provisional_transfers(
    connection: Connection,
    *,
    chain_id: ChainId,
    address: Address,
    contract: Address | None = None,
    blocks: Blocks,
    after: tuple[int, int] | None = None,
    limit: int,
) -> list[Transfer]:
    """From or to an account, in chain order, behind the block and log index of `after`."""
    query = (
        sa.select(
            provisional_transfer,
            provisional_block.c.hash,
            provisional_block.c.time,
            provisional_block.c.parent_hash,
        )
        .join(
            provisional_block,
            sa.and_(
                provisional_block.c.chain_id == provisional_transfer.c.chain_id,
                provisional_block.c.number == provisional_transfer.c.block_number,
            ),
        )
        .where(
            provisional_transfer.c.chain_id == str(chain_id),
            sa.or_(provisional_transfer.c.recipient == address, provisional_transfer.c.sender == address),
            provisional_transfer.c.block_number.between(blocks.first, blocks.last),
        )
        .order_by(provisional_transfer.c.block_number, provisional_transfer.c.log_index)
        .limit(limit)
    )
    if contract is not None:
        query = query.where(provisional_transfer.c.contract == contract)
    if after is not None:
        number, index = provisional_transfer.c.block_number, provisional_transfer.c.log_index
        query = query.where(sa.or_(number > after[0], sa.and_(number == after[0], index > after[1])))
    return [_transfer(row, chain_id=chain_id) for row in connection.execute(query)]


def _transfer(row: Row[tuple[object, ...]], *, chain_id: ChainId) -> Transfer:
    return Transfer(
        chain=chain_id,
        block=BlockRef(number=row.block_number, hash=row.hash, time=row.time, parent_hash=row.parent_hash),
        tx_hash=row.tx_hash,
        log_index=row.log_index,
        contract=row.contract,
        sender=row.sender,
        recipient=row.recipient,
        amount_units=row.amount_units,
    )
