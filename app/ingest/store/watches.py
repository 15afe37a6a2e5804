"""What is to be read: the accounts, from which block time on, and the block at which that is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.db import insert_new
from app.ingest.ledger_model import time_mark, watch
from chains.types import AccountId, Address, ChainId


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """An account that is read from a block time on; `first_block` None until that block was found."""

    address: Address
    since_time: int
    first_block: int | None


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
