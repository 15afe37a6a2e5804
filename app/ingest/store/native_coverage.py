"""What was read of the native coin, and whether it is to be read at all. What no row covers is a gap."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.db import insert_new
from app.ids import new_id
from app.ingest.model import block
from app.ingest.native_model import native_coverage, native_setting
from app.ingest.ranges import Blocks, merged
from chains.types import Address, BlockRef, ChainId, Hash32

NATIVE = "native"


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeCoverage:
    """A range that was read for some accounts alike, with the digests of the raw answers.

    `internals` says what is known of moves inside of transactions, `limits` in plain words what is not.
    """

    addresses: tuple[Address, ...]
    first: BlockRef
    last: BlockRef
    method: str
    internals: str
    limits: tuple[str, ...]
    node: str
    read_at: datetime
    answers: tuple[Mapping[str, object], ...] = field(repr=False)

    @property
    def blocks(self) -> Blocks:
        return Blocks(self.first.number, self.last.number)


def is_native_read(connection: Connection, chain_id: ChainId) -> bool:
    query = sa.select(native_setting.c.is_read).where(native_setting.c.chain_id == str(chain_id))
    found = connection.scalar(query)
    return True if found is None else bool(found)


def set_native_read(connection: Connection, *, chain_id: ChainId, is_read: bool) -> None:
    row = {"chain_id": str(chain_id), "is_read": is_read}
    if not insert_new(connection, native_setting, [row]):
        update = sa.update(native_setting).where(native_setting.c.chain_id == str(chain_id))
        connection.execute(update.values(is_read=is_read))


def add_native_coverage(connection: Connection, *, chain_id: ChainId, read: NativeCoverage) -> None:
    """The one place where native coverage is written. The blocks at its ends must be on record."""
    rows = [
        {
            "id": new_id("cov", now=read.read_at),
            "chain_id": str(chain_id),
            "address": address,
            "first_block": read.first.number,
            "first_hash": read.first.hash,
            "last_block": read.last.number,
            "last_hash": read.last.hash,
            "method": read.method,
            "internals": read.internals,
            "limits": list(read.limits),
            "node": read.node,
            "read_at": read.read_at,
            "answers": list(read.answers),
        }
        for address in read.addresses
    ]
    connection.execute(sa.insert(native_coverage), rows)


def native_blocks(
    connection: Connection, *, chain_id: ChainId, addresses: Iterable[Address]
) -> dict[Address, list[Blocks]]:
    """The ranges that were read for each account, ascending and joined."""
    found: dict[Address, list[Blocks]] = {address: [] for address in addresses}
    table = native_coverage.c
    query = sa.select(table.address, table.first_block, table.last_block).where(
        table.chain_id == str(chain_id)
    )
    for address, first, last in connection.execute(query):
        if address in found:
            found[address].append(Blocks(first, last))
    return {address: merged(ranges) for address, ranges in found.items()}


def native_coverage_of(
    connection: Connection,
    *,
    chain_id: ChainId,
    addresses: Collection[Address],
    known_at: datetime | None = None,
) -> list[NativeCoverage]:
    """A row for each account and range, in the order of their first blocks."""
    first, last = block.alias("first"), block.alias("last")
    table = native_coverage.c
    query = (
        sa.select(native_coverage, first.c.time.label("first_time"), last.c.time.label("last_time"))
        .join(first, _is_block(first, table.first_hash))
        .join(last, _is_block(last, table.last_hash))
        .where(table.chain_id == str(chain_id), table.address.in_(list(addresses)))
        .order_by(table.address, table.first_block, table.id)
    )
    if known_at is not None:
        query = query.where(table.read_at <= known_at)
    return [
        NativeCoverage(
            addresses=(row.address,),
            first=BlockRef(number=row.first_block, hash=row.first_hash, time=row.first_time),
            last=BlockRef(number=row.last_block, hash=row.last_hash, time=row.last_time),
            method=row.method,
            internals=row.internals,
            limits=tuple(row.limits),
            node=row.node,
            read_at=row.read_at,
            answers=tuple(row.answers),
        )
        for row in connection.execute(query)
    ]


def _is_block(alias: sa.FromClause, hash_column: sa.ColumnElement[Hash32]) -> sa.ColumnElement[bool]:
    return sa.and_(alias.c.chain_id == native_coverage.c.chain_id, alias.c.hash == hash_column)
