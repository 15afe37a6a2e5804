"""Who may store what is read of a chain: one lease a chain, whose epoch rises with each holder.

Time is the database's own, so that workers on machines whose clocks differ agree on when a lease ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.db import database_now, database_time, insert_new, limit_idleness
from app.errors import QuittanceError
from app.ingest.model import chain_lease
from chains.types import ChainId


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to store for one chain, which ends `time_to_live` after it was last renewed."""

    chain: ChainId
    holder: str
    epoch: int
    time_to_live: timedelta


class LeaseLost(QuittanceError):
    """Whoever held the lease was away for too long; another one reads the chain, and he stores nothing."""

    def __init__(self, lease: Lease) -> None:
        super().__init__(f"The lease of {lease.chain} (epoch {lease.epoch}) has passed to another worker.")
        self.lease = lease


def take_lease(
    connection: Connection, *, chain_id: ChainId, holder: str, time_to_live: timedelta, asks: bool = False
) -> Lease | None:
    """The lease, if nobody holds it; None otherwise.

    Who `asks` goes before all who only follow the chain: while another holds it, he leaves word, and
    `is_asked_for` tells the holder to give it up. To be kept up, word must be left anew within the same time.
    """
    now = _demand_row(connection, chain_id)
    # Its holder may just be storing something, and then nobody has to wait to know that it is held.
    query = sa.select(chain_lease).where(chain_lease.c.chain_id == str(chain_id))
    row = connection.execute(query.with_for_update(skip_locked=True)).first()
    if row is None:
        return None
    change = sa.update(chain_lease).where(chain_lease.c.chain_id == str(chain_id))
    if row.expires_at > now:
        if asks:
            connection.execute(change.values(asked_until=database_time(connection, plus=time_to_live)))
        return None
    if not asks and row.asked_until is not None and row.asked_until > now:
        return None
    connection.execute(
        change.values(
            holder=holder,
            epoch=row.epoch + 1,
            expires_at=database_time(connection, plus=time_to_live),
            asked_until=None,
        )
    )
    return Lease(chain=chain_id, holder=holder, epoch=row.epoch + 1, time_to_live=time_to_live)


def want_pass(connection: Connection, chain_id: ChainId) -> int:
    """Have whoever follows the chain make a pass over it; the number from which on it has been made."""
    _demand_row(connection, chain_id)
    change = (
        sa.update(chain_lease)
        .where(chain_lease.c.chain_id == str(chain_id))
        .values(passes_wanted=chain_lease.c.passes_wanted + 1)
        .returning(chain_lease.c.passes_wanted)
    )
    return int(connection.execute(change).scalar_one())


def passes(connection: Connection, chain_id: ChainId) -> tuple[int, int]:
    """How many passes were wanted, and how many of these have been made."""
    query = sa.select(chain_lease.c.passes_wanted, chain_lease.c.passes_made).where(
        chain_lease.c.chain_id == str(chain_id)
    )
    row = connection.execute(query).first()
    return (0, 0) if row is None else (row[0], row[1])


def record_pass(connection: Connection, *, lease: Lease, wanted: int) -> None:
    """A pass has ended that began when so many were wanted."""
    connection.execute(
        sa.update(chain_lease)
        .where(_is_ours(lease), chain_lease.c.passes_made < wanted)
        .values(passes_made=wanted)
    )


def _demand_row(connection: Connection, chain_id: ChainId) -> datetime:
    """Make the chain's row if it has none, held by nobody. The database's time."""
    now = database_now(connection)
    known = sa.select(chain_lease.c.chain_id).where(chain_lease.c.chain_id == str(chain_id))
    if connection.execute(known).first() is not None:
        # An insert that does nothing would still wait for a holder's transaction on PostgreSQL.
        return now
    free = {"holder": "", "epoch": 0, "expires_at": now, "passes_wanted": 0, "passes_made": 0}
    insert_new(connection, chain_lease, [{"chain_id": str(chain_id), **free}])
    return now


def demand_lease(connection: Connection, lease: Lease) -> None:
    """Renew the lease and lock its row until this transaction ends; raise LeaseLost if it has passed on.

    First in every transaction that stores what a holder read: one who slept through the end of his lease
    then stores nothing, and nobody takes it while he stores.
    """
    renewed = connection.execute(
        sa.update(chain_lease)
        .where(_is_ours(lease))
        .values(expires_at=database_time(connection, plus=lease.time_to_live))
    )
    if renewed.rowcount != 1:
        raise LeaseLost(lease)
    limit_idleness(connection, lease.time_to_live)


def is_asked_for(connection: Connection, lease: Lease) -> bool:
    """Whether another one asks for the lease, or has it by now: then give it up."""
    query = sa.select(chain_lease.c.asked_until > database_time(connection)).where(_is_ours(lease))
    row = connection.execute(query).first()
    return row is None or bool(row[0])


def release_lease(connection: Connection, lease: Lease) -> None:
    """Let the next one take it at once. Harmless where it has passed on already."""
    values = {"expires_at": database_time(connection)}
    connection.execute(sa.update(chain_lease).where(_is_ours(lease)).values(values))


def _is_ours(lease: Lease) -> sa.ColumnElement[bool]:
    return sa.and_(
        chain_lease.c.chain_id == str(lease.chain),
        chain_lease.c.epoch == lease.epoch,
        chain_lease.c.holder == lease.holder,
    )
