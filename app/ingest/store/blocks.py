"""Blocks by hash: those that transfers lie in, and those that bound a range or a time."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from app.ingest.model import block
from app.ingest.order import BlocksDisagree, demand_one_chain
from app.ingest.store.rows import insert_blocks
from chains.types import BlockRef, ChainId


def add_blocks(
    connection: Connection, *, chain_id: ChainId, blocks: Iterable[BlockRef], now: datetime
) -> None:
    """Record at least one block, if all fit each other and the record; raises as `demand_one_chain` does."""
    new = list(blocks)
    numbers = [each.number for each in new]
    known = _around(connection, chain_id=chain_id, first=min(numbers), last=max(numbers))
    demand_one_chain([*known, *new])
    hashes = {each.hash for each in known}
    fresh = {each.hash: each for each in new if each.hash not in hashes}
    if insert_blocks(connection, chain_id=chain_id, blocks=list(fresh.values()), now=now) == len(fresh):
        return
    # Another reader has just recorded them; or a hash is on record already, with quite another number.
    known = _around(connection, chain_id=chain_id, first=min(numbers), last=max(numbers))
    demand_one_chain([*known, *new])
    if not fresh.keys() <= {each.hash for each in known}:
        msg = "a block was answered with the hash of a block that has another number"
        raise BlocksDisagree(msg)


def _around(connection: Connection, *, chain_id: ChainId, first: int, last: int) -> list[BlockRef]:
    """The recorded blocks in this range, and the nearest one on either side of it."""
    of_chain = sa.select(block).where(block.c.chain_id == str(chain_id))
    lower = of_chain.where(block.c.number < first).order_by(block.c.number.desc()).limit(1)
    within = of_chain.where(block.c.number.between(first, last))
    upper = of_chain.where(block.c.number > last).order_by(block.c.number).limit(1)
    return [_block(row) for query in (lower, within, upper) for row in connection.execute(query)]


def newest_block(connection: Connection, *, chain_id: ChainId) -> BlockRef | None:
    """The highest recorded block."""
    of_chain = sa.select(block).where(block.c.chain_id == str(chain_id))
    return _first_block(connection, of_chain.order_by(block.c.number.desc()))


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
    return None if row is None else _block(row)


def _block(row: Row[tuple[object, ...]]) -> BlockRef:
    return BlockRef(number=row.number, hash=row.hash, time=row.time, parent_hash=row.parent_hash)
