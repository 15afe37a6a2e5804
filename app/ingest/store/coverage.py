"""What is to be read (watches), and what was read whole (coverage). Anything else is a gap."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.db import insert_new
from app.ids import new_id
from app.ingest.model import block, chain, coverage, cursor, time_mark, watch
from app.ingest.ranges import Blocks, merged
from chains.types import AccountId, Address, BlockRef, ChainId, Hash32


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """An account that is read from a block time on; `first_block` None until that block was found."""

    address: Address
    since_time: int
    first_block: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """A range that was read whole for one account, with the digests of the raw answers."""

    address: Address
    first: BlockRef
    last: BlockRef
    node: str
    read_at: datetime
    answers: tuple[Mapping[str, object], ...]

    @property
    def blocks(self) -> Blocks:
        return Blocks(self.first.number, self.last.number)


def watch_accounts(
    connection: Connection, *, accounts: Iterable[AccountId], since_time: int, now: datetime
) -> None:
    """Read these accounts from that block time on; an earlier time than before widens the reading."""
    since = max(0, since_time)
    wanted = sorted(set(accounts))
    insert_new(
        connection,
        watch,
        [
            {
                "chain_id": str(each.chain),
                "address": each.address,
                "since_time": since,
                "created_at": now,
            }
            for each in wanted
        ],
    )
    for each in wanted:
        connection.execute(
            sa.update(watch)
            .where(
                watch.c.chain_id == str(each.chain),
                watch.c.address == each.address,
                watch.c.since_time > since,
            )
            .values(since_time=since)
        )
    chains = sorted({str(each.chain) for each in wanted})
    insert_new(connection, time_mark, [{"chain_id": each, "time": since} for each in chains])


def watches(connection: Connection, chain_id: ChainId) -> list[Watch]:
    starts = sa.and_(time_mark.c.chain_id == watch.c.chain_id, time_mark.c.time == watch.c.since_time)
    query = (
        sa.select(watch.c.address, watch.c.since_time, time_mark.c.first_block)
        .join(time_mark, starts)
        .where(watch.c.chain_id == str(chain_id))
        .order_by(watch.c.address)
    )
    return [
        Watch(address=row.address, since_time=row.since_time, first_block=row.first_block)
        for row in connection.execute(query)
    ]


def wanted_signature(connection: Connection, chain_id: ChainId) -> tuple[object, ...]:
    """Changes whenever an account is watched that was not, or from an earlier time on."""
    query = sa.select(sa.func.count(), sa.func.sum(watch.c.since_time)).where(
        watch.c.chain_id == str(chain_id)
    )
    return tuple(connection.execute(query).one())


def unlocated_times(connection: Connection, chain_id: ChainId) -> list[int]:
    """The times at which windows start, and whose first block nobody found yet."""
    query = (
        sa.select(time_mark.c.time)
        .where(time_mark.c.chain_id == str(chain_id), time_mark.c.first_block.is_(None))
        .order_by(time_mark.c.time)
    )
    return list(connection.execute(query).scalars())


def locate_time(connection: Connection, *, chain_id: ChainId, time: int, first_block: int) -> None:
    connection.execute(
        sa.update(time_mark)
        .where(time_mark.c.chain_id == str(chain_id), time_mark.c.time == time)
        .values(first_block=first_block)
    )


def read_through(connection: Connection, chain_id: ChainId) -> int | None:
    """The last block up to which every watched account was read from its start on, without a gap.

    None if one was never read there.
    """
    query = sa.select(coverage.c.address, coverage.c.first_block, coverage.c.last_block).where(
        coverage.c.chain_id == str(chain_id)
    )
    read: dict[Address, list[Blocks]] = {}
    for address, first, last in connection.execute(query):
        read.setdefault(address, []).append(Blocks(first, last))
    start = connection.scalar(sa.select(chain.c.start_block).where(chain.c.id == str(chain_id))) or 0
    ends = [
        None
        if each.first_block is None
        else _end_of(read.get(each.address, ()), first=max(start, each.first_block))
        for each in watches(connection, chain_id)
    ]
    known = [end for end in ends if end is not None]
    return min(known) if known and len(known) == len(ends) else None


def _end_of(read: Iterable[Blocks], *, first: int) -> int | None:
    """Where the range that holds `first` ends."""
    return next((each.last for each in merged(read) if each.first <= first <= each.last), None)


def add_coverage(connection: Connection, *, read: Sequence[Coverage], chain_id: ChainId) -> None:
    """One row for each account that was read over a range, and its cursor moved. The blocks must be there."""
    rows = [
        {
            "id": new_id("cov", now=each.read_at),
            "chain_id": str(chain_id),
            "address": each.address,
            "first_block": each.first.number,
            "first_hash": each.first.hash,
            "last_block": each.last.number,
            "last_hash": each.last.hash,
            "kind": "erc20",
            "method": "eth_getLogs",
            "node": each.node,
            "read_at": each.read_at,
            "answers": list(each.answers),
        }
        for each in read
    ]
    connection.execute(sa.insert(coverage), rows)
    for each in read:
        _move_cursor(connection, chain_id=chain_id, address=each.address, next_block=each.last.number + 1)


def _move_cursor(connection: Connection, *, chain_id: ChainId, address: Address, next_block: int) -> None:
    row = {"chain_id": str(chain_id), "address": address, "next_block": next_block}
    insert_new(connection, cursor, [row])
    connection.execute(
        sa.update(cursor)
        .where(
            cursor.c.chain_id == str(chain_id),
            cursor.c.address == address,
            cursor.c.next_block < next_block,
        )
        .values(next_block=next_block)
    )


def coverage_of(
    connection: Connection,
    *,
    chain_id: ChainId,
    addresses: Collection[Address] | None = None,
    known_at: datetime | None = None,
) -> list[Coverage]:
    first, last = block.alias("first"), block.alias("last")
    query = (
        sa.select(coverage, first.c.time.label("first_time"), last.c.time.label("last_time"))
        .join(first, _is_block(first, coverage.c.first_hash))
        .join(last, _is_block(last, coverage.c.last_hash))
        .where(coverage.c.chain_id == str(chain_id))
        .order_by(coverage.c.address, coverage.c.first_block, coverage.c.id)
    )
    if addresses is not None:
        query = query.where(coverage.c.address.in_(list(addresses)))
    if known_at is not None:
        query = query.where(coverage.c.read_at <= known_at)
    return [
        Coverage(
            address=row.address,
            first=BlockRef(number=row.first_block, hash=row.first_hash, time=row.first_time),
            last=BlockRef(number=row.last_block, hash=row.last_hash, time=row.last_time),
            node=row.node,
            read_at=row.read_at,
            answers=tuple(row.answers),
        )
        for row in connection.execute(query)
    ]


def _is_block(alias: sa.FromClause, hash_column: sa.ColumnElement[Hash32]) -> sa.ColumnElement[bool]:
    return sa.and_(alias.c.chain_id == coverage.c.chain_id, alias.c.hash == hash_column)
