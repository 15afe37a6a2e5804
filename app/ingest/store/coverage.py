"""What was read whole, answer by answer. Anything that is not here is a gap, whatever the reason.

Accounts that were asked for together are one set, named by the digest of the sorted addresses. A second
table holds the same ranges joined: where to read on follows from it, there is no cursor beside it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.db import insert_new
from app.ids import new_id
from app.ingest.ledger_model import account_set, account_set_member, coverage, covered_range
from app.ingest.model import block, chain
from app.ingest.ranges import Blocks, merged
from app.ingest.store.watches import watches
from chains.types import Address, BlockRef, ChainId, Hash32

ERC20 = "erc20"
NATIVE = "native"
# More accounts are picked out of all members here; fewer are looked up.
_LISTED_MAX = 500
# Every account there is: what a reading without any filter by account covers.
EVERY_ACCOUNT = Hash32(hashlib.sha256(b"every account").digest())


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """A range that was read whole for a set of accounts, with the digests of the raw answers.

    `nodes` gave the same answer. `blocks_checked` of its blocks were held against their bloom and receipts.
    `limits` are the words for what the method leaves out.
    """

    accounts: Hash32
    first: BlockRef
    last: BlockRef
    nodes: tuple[str, ...]
    read_at: datetime
    answers: tuple[Mapping[str, object], ...] = field(repr=False)
    kind: str = ERC20
    method: str = "eth_getLogs"
    blocks_checked: int = 0
    limits: tuple[str, ...] = ()

    @property
    def blocks(self) -> Blocks:
        return Blocks(self.first.number, self.last.number)


def name_of_accounts(addresses: Collection[Address]) -> Hash32:
    """The digest that a set of accounts is known by, recorded or not."""
    return Hash32(hashlib.sha256(b"".join(sorted(set(addresses)))).digest())


def record_accounts(
    connection: Connection, *, chain_id: ChainId, addresses: Collection[Address] | None
) -> Hash32:
    """The name of this set of accounts, which is on record from now on. None: every account."""
    members = sorted(set(addresses or ()))
    digest = EVERY_ACCOUNT if addresses is None else name_of_accounts(members)
    row = {"chain_id": str(chain_id), "digest": digest}
    if insert_new(connection, account_set, [{**row, "size": len(members)}]) and members:
        connection.execute(sa.insert(account_set_member), [{**row, "address": each} for each in members])
    return digest


def add_coverage(connection: Connection, *, chain_id: ChainId, read: Coverage) -> None:
    """One row for one answer. Its accounts and the blocks at its ends must be on record."""
    connection.execute(
        sa.insert(coverage).values(
            id=new_id("cov", now=read.read_at),
            chain_id=str(chain_id),
            accounts=read.accounts,
            kind=read.kind,
            method=read.method,
            first_block=read.first.number,
            first_hash=read.first.hash,
            last_block=read.last.number,
            last_hash=read.last.hash,
            nodes=list(read.nodes),
            read_at=read.read_at,
            answers=list(read.answers),
            blocks_checked=read.blocks_checked,
            limits=list(read.limits),
        )
    )
    _join(connection, chain_id=chain_id, read=read)


def _join(connection: Connection, *, chain_id: ChainId, read: Coverage) -> None:
    """Replace the ranges that overlap or touch the new one by one that holds them all."""
    table = covered_range.c
    touching = sa.and_(
        table.chain_id == str(chain_id),
        table.accounts == read.accounts,
        table.kind == read.kind,
        table.first_block <= read.last.number + 1,
        table.last_block >= read.first.number - 1,
    )
    # One reader at a time: two that joined at once would each miss what the other adds.
    accounts = sa.select(account_set).where(
        account_set.c.chain_id == str(chain_id), account_set.c.digest == read.accounts
    )
    connection.execute(accounts.with_for_update(key_share=True))
    found = connection.execute(sa.select(table.first_block, table.last_block).where(touching)).all()
    connection.execute(sa.delete(covered_range).where(touching))
    connection.execute(
        sa.insert(covered_range).values(
            chain_id=str(chain_id),
            accounts=read.accounts,
            kind=read.kind,
            first_block=min([read.first.number, *(row.first_block for row in found)]),
            last_block=max([read.last.number, *(row.last_block for row in found)]),
        )
    )


def covered_blocks(
    connection: Connection, *, chain_id: ChainId, kind: str = ERC20, addresses: Iterable[Address]
) -> dict[Address, list[Blocks]]:
    """The ranges that were read for each account, ascending and joined."""
    query = sa.select(covered_range.c.accounts, covered_range.c.first_block, covered_range.c.last_block)
    ranges: dict[Hash32, list[Blocks]] = {}
    for accounts, first, last in connection.execute(
        query.where(covered_range.c.chain_id == str(chain_id), covered_range.c.kind == kind)
    ):
        ranges.setdefault(accounts, []).append(Blocks(first, last))
    sets = _sets_of(connection, chain_id=chain_id, addresses=addresses)
    return {
        address: merged(each for digest in digests for each in ranges.get(digest, ()))
        for address, digests in sets.items()
    }


def _sets_of(
    connection: Connection, *, chain_id: ChainId, addresses: Iterable[Address]
) -> dict[Address, list[Hash32]]:
    """The sets that each account is in; every account is in the set of all."""
    member = account_set_member.c
    sets: dict[Address, list[Hash32]] = {address: [EVERY_ACCOUNT] for address in addresses}
    query = sa.select(member.address, member.digest).where(member.chain_id == str(chain_id))
    if len(sets) <= _LISTED_MAX:
        query = query.where(member.address.in_(sets))
    for address, digest in connection.execute(query):
        if address in sets:
            sets[address].append(digest)
    return sets


def read_through(connection: Connection, chain_id: ChainId) -> int | None:
    """The last block up to which every watched account was read from its start on, without a gap.

    None if one was never read there.
    """
    start = connection.scalar(sa.select(chain.c.start_block).where(chain.c.id == str(chain_id))) or 0
    watched = watches(connection, chain_id)
    read = covered_blocks(connection, chain_id=chain_id, addresses=[each.address for each in watched])
    ends = [
        None if each.first_block is None else _end_of(read[each.address], first=max(start, each.first_block))
        for each in watched
    ]
    known = [end for end in ends if end is not None]
    return min(known) if known and len(known) == len(ends) else None


def _end_of(read: Iterable[Blocks], *, first: int) -> int | None:
    """Where the range that holds `first` ends."""
    return next((each.last for each in read if each.first <= first <= each.last), None)


def coverage_of(
    connection: Connection,
    *,
    chain_id: ChainId,
    addresses: Collection[Address],
    kind: str = ERC20,
    known_at: datetime | None = None,
) -> dict[Address, list[Coverage]]:
    """The rows that speak of each account, in the order of their first blocks."""
    sets = _sets_of(connection, chain_id=chain_id, addresses=addresses)
    first, last = block.alias("first"), block.alias("last")
    query = (
        sa.select(coverage, first.c.time.label("first_time"), last.c.time.label("last_time"))
        .join(first, _is_block(first, coverage.c.first_hash))
        .join(last, _is_block(last, coverage.c.last_hash))
        .where(
            coverage.c.chain_id == str(chain_id),
            coverage.c.kind == kind,
            coverage.c.accounts.in_({digest for digests in sets.values() for digest in digests}),
        )
        .order_by(coverage.c.first_block, coverage.c.id)
    )
    if known_at is not None:
        query = query.where(coverage.c.read_at <= known_at)
    by_set: dict[Hash32, list[Coverage]] = {}
    for row in connection.execute(query):
        by_set.setdefault(row.accounts, []).append(_coverage(row))
    return {
        address: sorted(
            (each for digest in digests for each in by_set.get(digest, ())),
            key=lambda each: each.first.number,
        )
        for address, digests in sets.items()
    }


def _coverage(row: sa.Row[tuple[object, ...]]) -> Coverage:
    return Coverage(
        accounts=row.accounts,
        kind=row.kind,
        method=row.method,
        first=BlockRef(number=row.first_block, hash=row.first_hash, time=row.first_time),
        last=BlockRef(number=row.last_block, hash=row.last_hash, time=row.last_time),
        nodes=tuple(row.nodes),
        read_at=row.read_at,
        answers=tuple(row.answers),
        blocks_checked=row.blocks_checked,
        limits=tuple(row.limits),
    )


def _is_block(alias: sa.FromClause, hash_column: sa.ColumnElement[Hash32]) -> sa.ColumnElement[bool]:
    return sa.and_(alias.c.chain_id == coverage.c.chain_id, alias.c.hash == hash_column)
