"""Blocks by hash: those that transfers lie in, and those that bound a range or a time."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.db import insert_new
from app.ingest.model import block
from chains.types import BlockRef, ChainId


def add_blocks(
    connection: Connection, *, chain_id: ChainId, blocks: Iterable[BlockRef], now: datetime
) -> None:
    rows = [
        {
            "chain_id": str(chain_id),
            "hash": each.hash,
            "number": each.number,
            "time": each.time,
            "parent_hash": each.parent_hash,
            "recorded_at": now,
        }
        for each in {each.hash: each for each in blocks}.values()
    ]
    insert_new(connection, block, rows)


def block_before(connection: Connection, *, chain_id: ChainId, time: int) -> BlockRef | None:
    """The latest recorded block with a time before `time`: not yet known to be the last such block."""
    return _first_block(
        connection,
        sa.select(block)
        .where(block.c.chain_id == str(chain_id), block.c.time < time)
        .order_by(block.c.number.desc()),
    )


def block_from(connection: Connection, *, chain_id: ChainId, time: int) -> BlockRef | None:
    """The earliest recorded block at or after `time`: not yet known to be the first such block."""
    return _first_block(
        connection,
        sa.select(block)
        .where(block.c.chain_id == str(chain_id), block.c.time >= time)
        .order_by(block.c.number),
    )


def block_numbered(connection: Connection, *, chain_id: ChainId, number: int) -> BlockRef | None:
    return _first_block(
        connection, sa.select(block).where(block.c.chain_id == str(chain_id), block.c.number == number)
    )


def _first_block(connection: Connection, query: sa.Select[tuple[object, ...]]) -> BlockRef | None:
    row = connection.execute(query.limit(1)).first()
    if row is None:
        return None
    return BlockRef(number=row.number, hash=row.hash, time=row.time, parent_hash=row.parent_hash)
