"""Which transfers an account has a part in: two indexes on PostgreSQL, a table of sorted batches on SQLite.

On SQLite an index that is kept up to date with every insert writes a page for each account it meets. So new
transfers first stand in a range of keys that is noted as unsorted, in the transaction that inserts them; a
later one sorts whole ranges in. Whoever looks for an account looks through the unsorted ranges, too: what he
finds never depends on when they were sorted, and an interrupted load leaves nothing to repair.

PostgreSQL keeps its indexes in a process of its own while the next rows are on their way, and lets several
write at once: there, both tables stay empty.
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


def keeps_indexes(connection: Connection) -> bool:
    """Whether nothing has to be done here for an account to be found."""
    return connection.dialect.name == "postgresql"


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
    waiting = connection.execute(query).all()
    for keys in _joined(Keys(row.first_key, row.last_key) for row in waiting):
        statement = insert_of(connection, transfer_account).from_select(["account", "key"], _pairs(keys))
        connection.execute(statement.on_conflict_do_nothing())
    for row in waiting:
        connection.execute(sa.delete(transfer_unsorted).where(transfer_unsorted.c.id == row.id))


def lead_to(connection: Connection, *, pairs: Iterable[tuple[bytes, int]]) -> None:
    """Lead from accounts to transfers at once, for a few that lie between others."""
    rows = [{"account": account, "key": key} for account, key in sorted(set(pairs))]
    insert_new(connection, transfer_account, rows)


def keys_of_accounts(
    connection: Connection, *, accounts: Collection[Address], within: Keys
) -> sa.CompoundSelect[tuple[int]]:
    """A query for the keys of all transfers from or to any of the accounts."""
    listed = list(accounts)
    return sa.union(*(query for query, _ in _sources(connection, accounts=listed, within=within)))


def page_of_keys(
    connection: Connection, *, account: Address, contract: Address | None, within: Keys, limit: int
) -> sa.CompoundSelect[tuple[int]]:
    """A query for the first keys of one account, and some more: a page from each place where it may stand."""
    pages = []
    for query, key in _sources(connection, accounts=[account], within=within):
        of_contract = query
        if contract is not None:
            of_contract = of_contract.where(transfer.c.contract == contract)
        pages.append(of_contract.order_by(key).limit(limit).subquery())
    return sa.union(*(sa.select(page.c.key) for page in pages))


_Source = tuple[sa.Select[tuple[int]], sa.ColumnElement[int]]


def _sources(connection: Connection, *, accounts: Collection[Address], within: Keys) -> list[_Source]:
    """The places to look for accounts: for each a query for keys with the transfers joined, and its order."""
    in_range = transfer.c.key.between(within.first, within.last)
    keys = sa.select(transfer.c.key)
    if keeps_indexes(connection):
        sides = (transfer.c.sender, transfer.c.recipient)
        return [(keys.where(side.in_(accounts), in_range), transfer.c.key) for side in sides]
    led_to = (
        sa.select(transfer_account.c.key)
        .join(transfer, transfer.c.key == transfer_account.c.key)
        .where(
            transfer_account.c.account.in_(accounts),
            transfer_account.c.key.between(within.first, within.last),
        )
    )
    unsorted = keys.join(
        transfer_unsorted,
        transfer.c.key.between(transfer_unsorted.c.first_key, transfer_unsorted.c.last_key),
    ).where(
        _overlapping(within),
        in_range,
        sa.or_(transfer.c.sender.in_(accounts), transfer.c.recipient.in_(accounts)),
    )
    return [(led_to, transfer_account.c.key), (unsorted, transfer.c.key)]


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
