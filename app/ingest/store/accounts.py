"""Which transfers an account has a part in: rows that are made in large sorted batches, not one by one.

An index that is kept up to date with every insert writes a page for each account it meets. So new transfers
first stand in a range of keys that is noted as unsorted, in the transaction that inserts them; a later one
sorts whole ranges in. Whoever looks for an account looks through the unsorted ranges, too: what he finds
never depends on when they were sorted, and an interrupted load leaves nothing to repair.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.db import insert_new, insert_of
from app.ids import new_id
from app.ingest.model import transfer, transfer_account, transfer_unsorted
from chains.types import Address

# So many transfers may be unsorted: looking through them takes some hundredths of a second. A first load has
# nothing to be sorted into yet, and does it in fewer and larger batches.
UNSORTED_MAX = 50_000
UNSORTED_FIRST_MAX = 400_000


@dataclass(frozen=True, slots=True, order=True)
class Keys:
    """Keys `first` to `last`, both included."""

    first: int
    last: int


def note_unsorted(connection: Connection, *, keys: Keys, transfers: int, now: datetime) -> None:
    """Transfers were inserted that transfer_account does not lead to yet."""
    row = {
        "id": new_id("uns", now=now),
        "first_key": keys.first,
        "last_key": keys.last,
        "transfers": transfers,
    }
    connection.execute(sa.insert(transfer_unsorted), row)


def sort_if_many(connection: Connection, *, within: Keys) -> None:
    """Sort the ranges of a chain in once they hold too many transfers to be looked through."""
    query = sa.select(sa.func.sum(transfer_unsorted.c.transfers)).where(_overlapping(within))
    waiting = connection.scalar(query) or 0
    if waiting < UNSORTED_MAX:
        return
    if waiting >= UNSORTED_FIRST_MAX or connection.scalar(sa.select(transfer_account.c.key).limit(1)):
        sort_in(connection, within=within)


def sort_in(connection: Connection, *, within: Keys) -> None:
    """Lead to every transfer of the unsorted ranges from its accounts."""
    query = sa.select(
        transfer_unsorted.c.id, transfer_unsorted.c.first_key, transfer_unsorted.c.last_key
    ).where(_overlapping(within))
    if connection.dialect.name == "postgresql":
        # Of two that sort at once, each takes ranges of its own.
        query = query.with_for_update(skip_locked=True)
    waiting = connection.execute(query).all()
    for keys in _joined(Keys(row.first_key, row.last_key) for row in waiting):
        statement = insert_of(connection, transfer_account).from_select(["account", "key"], _pairs(keys))
        connection.execute(statement.on_conflict_do_nothing())
    # By id: another may have noted more of the same keys meanwhile.
    for row in waiting:
        connection.execute(sa.delete(transfer_unsorted).where(transfer_unsorted.c.id == row.id))


def lead_to(connection: Connection, *, pairs: Iterable[tuple[bytes, int]]) -> None:
    """Lead from accounts to transfers at once, for a few that lie between others."""
    rows = [{"account": account, "key": key} for account, key in sorted(set(pairs))]
    insert_new(connection, transfer_account, rows)


def keys_of_accounts(*, accounts: Collection[Address], within: Keys) -> sa.CompoundSelect[tuple[int]]:
    """A query for the keys of all transfers from or to any of the accounts, sorted in or not."""
    listed = list(accounts)
    return sa.union(
        sa.select(transfer_account.c.key).where(
            transfer_account.c.account.in_(listed),
            transfer_account.c.key.between(within.first, within.last),
        ),
        sa.select(transfer.c.key)
        .join(transfer_unsorted, _lies_in(transfer_unsorted))
        .where(
            _overlapping(within),
            transfer.c.key.between(within.first, within.last),
            sa.or_(transfer.c.sender.in_(listed), transfer.c.recipient.in_(listed)),
        ),
    )


def _pairs(keys: Keys) -> sa.CompoundSelect[tuple[Address, int]]:
    of_range = transfer.c.key.between(keys.first, keys.last)
    return sa.union_all(
        sa.select(transfer.c.sender.label("account"), transfer.c.key).where(of_range),
        sa.select(transfer.c.recipient, transfer.c.key).where(
            of_range, transfer.c.recipient != transfer.c.sender
        ),
    ).order_by("account", "key")


def _joined(ranges: Iterable[Keys]) -> Iterator[Keys]:
    """Ranges that touch as one, since one large batch costs less than two."""
    held: Keys | None = None
    for each in sorted(ranges):
        if held is None:
            held = each
        elif each.first <= held.last + 1:
            held = Keys(held.first, max(held.last, each.last))
        else:
            yield held
            held = each
    if held is not None:
        yield held


def _overlapping(keys: Keys) -> sa.ColumnElement[bool]:
    return sa.and_(transfer_unsorted.c.first_key <= keys.last, transfer_unsorted.c.last_key >= keys.first)


def _lies_in(ranges: sa.FromClause) -> sa.ColumnElement[bool]:
    return transfer.c.key.between(ranges.c.first_key, ranges.c.last_key)
