"""Moves of the native coin: appended, never edited, found by account. No tenant owns them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from app.db import insert_new
from app.ingest.native_model import native_transfer
from app.ingest.ranges import Blocks
from chains.errors import ChainError
from chains.movements import NativeKind, NativeTransfer
from chains.types import AccountId, Address, BlockRef, ChainId, Hash32

_Facts = tuple[object, ...]


class NativeDisagrees(ChainError):
    """A node's answer leaves out, or alters, a move of the coin, or an attempt, that was read before."""

    def __init__(self, *, blocks: Blocks, differing: int) -> None:
        super().__init__(
            f"the answer for blocks {blocks.first}-{blocks.last} and what is on record of the native coin "
            f"differ in {differing} moves"
        )
        self.blocks = blocks


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Which moves an answer must show if they are in its blocks: weaker means show fewer."""

    internals: bool
    withdrawals: bool
    rewards: bool

    def holds(self, each: NativeTransfer) -> bool:
        if each.kind is NativeKind.BALANCE:
            # Concluded, not seen: the sum of what was not read then.
            return False
        if each.kind is NativeKind.WITHDRAWAL:
            return self.withdrawals
        if each.kind is NativeKind.REWARD:
            return self.rewards
        return self.internals or not each.is_internal


def add_native_answer(
    connection: Connection,
    *,
    chain_id: ChainId,
    addresses: Collection[Address],
    blocks: Blocks,
    transfers: Sequence[NativeTransfer],
    shown: Shown,
    now: datetime,
) -> int:
    """Append all moves that a node answered for these accounts and blocks; returns how many were new.

    Some may be on record from reading the other party, by other means or from another node. The answer must
    hold all of those that it can show, or NativeDisagrees is raised. Two nodes may count the calls of one
    transaction differently: the same move under another path is the one on record.
    """
    recorded = _touching(connection, chain_id=chain_id, addresses=addresses, blocks=blocks)
    known = Counter(_facts(each) for each in recorded)
    left_out = Counter(_facts(each) for each in recorded if shown.holds(each))
    left_out.subtract(Counter(_facts(each) for each in transfers))
    missing = sum(times for times in left_out.values() if times > 0)
    new = []
    for each in transfers:
        facts = _facts(each)
        if known[facts] > 0:
            known[facts] -= 1
        else:
            new.append(each)
    added = _add(connection, transfers=new, now=now)
    # A row that was not added stands at a place where the record has something else.
    differing = missing + len(new) - added
    if differing:
        raise NativeDisagrees(blocks=blocks, differing=differing)
    return added


def _facts(each: NativeTransfer) -> _Facts:
    """What two answers about one move have to agree on. Its path is not part of it."""
    return each.block.hash, each.tx_hash, each.kind, each.sender, each.recipient, each.amount_units


def _add(connection: Connection, *, transfers: Iterable[NativeTransfer], now: datetime) -> int:
    rows = [
        {
            "chain_id": str(each.chain),
            "block_hash": each.block.hash,
            "tx_index": each.tx_index,
            "position": each.position,
            "block_number": each.block.number,
            "block_time": each.block.time,
            "recorded_at": now,
            "tx_hash": each.tx_hash,
            "trace_path": each.trace_path,
            "kind": str(each.kind),
            "sender": each.sender,
            "recipient": each.recipient,
            "amount_units": each.amount_units,
            "method": each.method,
        }
        for each in transfers
    ]
    return insert_new(connection, native_transfer, rows)


def _touching(
    connection: Connection, *, chain_id: ChainId, addresses: Collection[Address], blocks: Blocks
) -> list[NativeTransfer]:
    accounts = list(addresses)
    table = native_transfer.c
    query = sa.select(native_transfer).where(
        table.chain_id == str(chain_id),
        sa.or_(table.recipient.in_(accounts), table.sender.in_(accounts)),
        table.block_number.between(blocks.first, blocks.last),
    )
    return [_native(row) for row in connection.execute(query)]


def native_touching(
    connection: Connection,
    *,
    chain_id: ChainId,
    addresses: Collection[Address],
    blocks: Blocks,
    known_at: datetime,
) -> list[NativeTransfer]:
    """Recorded moves from or to any of the accounts in these blocks, in chain order."""
    accounts = list(addresses)
    table = native_transfer.c
    query = (
        sa.select(native_transfer)
        .where(
            table.chain_id == str(chain_id),
            sa.or_(table.recipient.in_(accounts), table.sender.in_(accounts)),
            table.block_number.between(blocks.first, blocks.last),
            table.recorded_at <= known_at,
        )
        .order_by(table.block_number, table.tx_index, table.position)
    )
    return [_native(row) for row in connection.execute(query)]


@dataclass(frozen=True, slots=True, kw_only=True)
class NativePosition:
    """Where a page ended: after this block's move, or, with `tx_index` -1, after its events."""

    block_number: int
    block_hash: Hash32
    tx_index: int = -1
    position: bytes = b""


def page_of_native(
    connection: Connection,
    *,
    account: AccountId,
    from_block: int,
    to_block: int,
    after: NativePosition | None,
    limit: int,
) -> list[NativeTransfer]:
    """Moves from or to one account in chain order, a page at a time (keyset)."""
    table = native_transfer.c
    key = (table.block_number, table.block_hash, table.tx_index, table.position)
    query = sa.select(native_transfer).where(
        table.chain_id == str(account.chain),
        sa.or_(table.recipient == account.address, table.sender == account.address),
        table.block_number.between(from_block, to_block),
    )
    if after is not None:
        values = (after.block_number, after.block_hash, after.tx_index, after.position)
        steps = [
            sa.and_(
                *(column == value for column, value in zip(key[:at], values, strict=False)),
                key[at] > values[at],
            )
            for at in range(len(key))
        ]
        query = query.where(sa.or_(*steps))
    return [_native(row) for row in connection.execute(query.order_by(*key).limit(limit))]


def positions_in(
    connection: Connection, *, chain_id: ChainId, block_hash: Hash32, tx_index: int
) -> list[bytes]:
    """The places of all moves on record of one transaction."""
    table = native_transfer.c
    query = sa.select(table.position).where(
        table.chain_id == str(chain_id), table.block_hash == block_hash, table.tx_index == tx_index
    )
    return [bytes(position) for position in connection.execute(query).scalars()]


def _native(row: Row[tuple[object, ...]]) -> NativeTransfer:
    return NativeTransfer(
        chain=ChainId.parse(row.chain_id),
        block=BlockRef(number=row.block_number, hash=row.block_hash, time=row.block_time),
        tx_hash=row.tx_hash,
        tx_index=row.tx_index,
        trace_path=row.trace_path,
        kind=NativeKind(row.kind),
        sender=row.sender,
        recipient=row.recipient,
        amount_units=row.amount_units,
        method=row.method,
    )
