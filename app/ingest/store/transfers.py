"""Transfers: appended, never edited, found by account. No tenant owns them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from app.clock import to_unix_micros
from app.db import insert_new
from app.ingest.keys import BLOCK_NUMBER_MAX, LOG_BITS, LOG_INDEX_MAX, block_of, key_of, keys_of, log_of
from app.ingest.model import block, chain, emitter, transfer
from app.ingest.ranges import Blocks
from app.ingest.store import accounts as account_store
from app.ingest.store.accounts import Keys, keys_of_accounts, page_of_keys
from app.ingest.store.rows import insert_rows, missing_block
from chains.errors import ChainError
from chains.evm.rows import LogRow, row_of_transfer
from chains.types import AccountId, Address, BlockRef, ChainId, Hash32, Transfer


class TransfersDisagree(ChainError):
    """A node's answer leaves out, or alters, a transfer that was read before."""

    def __init__(self, *, blocks: Blocks, differing: int) -> None:
        super().__init__(
            f"the answer for blocks {blocks.first}-{blocks.last} and what is on record differ "
            f"in {differing} transfers"
        )
        self.blocks = blocks


class BlockNotRecorded(ChainError):
    """A transfer is of a block that is not on record with this hash: it would have no time."""

    def __init__(self, *, number: int) -> None:
        super().__init__(f"block {number} is not on record as the block that the transfers are of")
        self.number = number


def add_rows(
    connection: Connection,
    *,
    chain: ChainId,
    accounts: Collection[Address] | None,
    blocks: Blocks,
    rows: Sequence[LogRow],
    now: datetime,
) -> int:
    """Append all transfers that a node answered for these accounts and blocks; returns how many were new.

    `accounts` None: for whomever. `rows` are in chain order, each once, of blocks that are on record. Some
    may be on record from reading the other party. Then the answer must hold exactly those: raises
    TransfersDisagree otherwise, since one of the two answers was wrong.
    """
    number = _number_of(connection, chain)
    if number is None:
        raise BlockNotRecorded(number=blocks.first)
    within = Keys(*keys_of(blocks, chain_number=number))
    some_known = _is_any(connection, transfer.c.key.between(within.first, within.last))
    was_read = some_known and _is_any(connection, _answered(connection, accounts, within=within))
    added = 0
    if rows:
        _demand_blocks(connection, chain_id=chain, rows=rows)
        added = insert_rows(
            connection, chain_number=number, rows=rows, micros=to_unix_micros(now), some_known=some_known
        )
        seen = {row[3] for row in rows}
        insert_new(connection, emitter, [{"chain_id": str(chain), "contract": each} for each in sorted(seen)])
        _lead_to(connection, chain_number=number, within=within, rows=rows, some_known=some_known, now=now)
    if was_read or added < len(rows):
        _demand_recorded(connection, chain_number=number, accounts=accounts, blocks=blocks, rows=rows)
    return added


def sort_accounts(connection: Connection, *, chain: ChainId) -> None:
    """At the end of a reading: sort in whatever is not yet, so that looking for an account is fast again."""
    number = None if account_store.keeps_indexes(connection) else _number_of(connection, chain)
    if number is not None:
        account_store.sort_in(connection, within=_keys_of_chain(number))


def add_answer(
    connection: Connection,
    *,
    chain_id: ChainId,
    addresses: Collection[Address],
    blocks: Blocks,
    transfers: Collection[Transfer],
    now: datetime,
) -> int:
    """The same for finished values, whose blocks have to be those on record."""
    _demand_hashes(connection, chain_id=chain_id, transfers=transfers)
    rows = sorted({row_of_transfer(each) for each in transfers})
    return add_rows(connection, chain=chain_id, accounts=addresses, blocks=blocks, rows=rows, now=now)


def add_transfers(connection: Connection, *, transfers: Iterable[Transfer], now: datetime) -> int:
    """Append the transfers that are not there yet; returns how many. Their blocks must be there."""
    by_chain: dict[ChainId, list[Transfer]] = {}
    for each in transfers:
        by_chain.setdefault(each.chain, []).append(each)
    added = 0
    for chain_id, of_chain in by_chain.items():
        _demand_hashes(connection, chain_id=chain_id, transfers=of_chain)
        for row in sorted({row_of_transfer(value) for value in of_chain}):
            added += add_rows(
                connection,
                chain=chain_id,
                accounts=(),
                blocks=Blocks(row[0], row[0]),
                rows=[row],
                now=now,
            )
    return added


def transfers_touching(
    connection: Connection,
    *,
    chain_id: ChainId,
    addresses: Collection[Address],
    blocks: Blocks,
    known_at: datetime,
) -> list[Transfer]:
    """Recorded transfers from or to any of the accounts in these blocks, in chain order."""
    number = _number_of(connection, chain_id)
    if number is None:
        return []
    within = Keys(*keys_of(blocks, chain_number=number))
    found = keys_of_accounts(connection, accounts=addresses, within=within)
    query = (
        _with_block(chain_id)
        .where(transfer.c.key.in_(found), transfer.c.recorded_at <= known_at)
        .order_by(transfer.c.key)
    )
    return [_transfer(row, chain_id=chain_id) for row in connection.execute(query)]


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferPosition:
    """Where a page of transfers ended."""

    block_number: int
    block_hash: Hash32
    log_index: int


def page_of_transfers(
    connection: Connection,
    *,
    account: AccountId,
    contract: Address | None,
    from_block: int,
    to_block: int,
    after: TransferPosition | None,
    limit: int,
) -> list[Transfer]:
    """Transfers from or to one account in chain order, a page at a time (keyset)."""
    number = _number_of(connection, account.chain)
    if number is None or to_block < from_block:
        return []
    first, last = keys_of(Blocks(from_block, to_block), chain_number=number)
    if after is not None:
        first = max(first, _key_after(after, chain_number=number))
    page = page_of_keys(
        connection, account=account.address, contract=contract, within=Keys(first, last), limit=limit
    )
    query = _with_block(account.chain).where(transfer.c.key.in_(page)).order_by(transfer.c.key).limit(limit)
    return [_transfer(row, chain_id=account.chain) for row in connection.execute(query)]


def _key_after(position: TransferPosition, *, chain_number: int) -> int:
    """The least key behind a position, which whoever asks may have made up."""
    _, last_of_block = keys_of(
        Blocks(position.block_number, position.block_number), chain_number=chain_number
    )
    return last_of_block - LOG_INDEX_MAX + min(position.log_index, LOG_INDEX_MAX) + 1


def _number_of(connection: Connection, chain_id: ChainId) -> int | None:
    return connection.scalar(sa.select(chain.c.number).where(chain.c.id == str(chain_id)))


def _keys_of_chain(number: int) -> Keys:
    least = key_of(chain_number=number, block_number=0, log_index=0)
    return Keys(least, key_of(chain_number=number + 1, block_number=0, log_index=0) - 1)


def _is_any(connection: Connection, condition: sa.ColumnElement[bool]) -> bool:
    return connection.execute(sa.select(transfer.c.key).where(condition).limit(1)).first() is not None


def _answered(
    connection: Connection, accounts: Collection[Address] | None, *, within: Keys
) -> sa.ColumnElement[bool]:
    """Recorded transfers that an answer about these accounts and keys has to hold."""
    if accounts is None:
        return transfer.c.key.between(within.first, within.last)
    return transfer.c.key.in_(keys_of_accounts(connection, accounts=accounts, within=within))


def _lead_to(
    connection: Connection,
    *,
    chain_number: int,
    within: Keys,
    rows: Sequence[LogRow],
    some_known: bool,
    now: datetime,
) -> None:
    """Make the new rows findable by account: one by one where others lie between them, else in batches."""
    if account_store.keeps_indexes(connection):
        return
    if not some_known:
        account_store.note_unsorted(connection, keys=within, transfers=len(rows), now=now)
        account_store.sort_if_many(connection, within=_keys_of_chain(chain_number))
        return
    keys = [key_of(chain_number=chain_number, block_number=row[0], log_index=row[1]) for row in rows]
    pairs = [(row[4], key) for key, row in zip(keys, rows, strict=True)]
    pairs += [(row[5], key) for key, row in zip(keys, rows, strict=True)]
    account_store.lead_to(connection, pairs=pairs)


def _demand_recorded(
    connection: Connection,
    *,
    chain_number: int,
    accounts: Collection[Address] | None,
    blocks: Blocks,
    rows: Sequence[LogRow],
) -> None:
    """Raise TransfersDisagree unless the answer and the record hold the same transfers."""
    within = Keys(*keys_of(blocks, chain_number=chain_number))
    query = sa.select(transfer).where(_answered(connection, accounts, within=within))
    recorded = {_recorded_row(row) for row in connection.execute(query)}
    differing = recorded ^ set(rows)
    if differing:
        raise TransfersDisagree(blocks=blocks, differing=len({row[:2] for row in differing}))


def _demand_blocks(connection: Connection, *, chain_id: ChainId, rows: Sequence[LogRow]) -> None:
    """The key says which block a transfer is of, and only the block says when it was."""
    missing = missing_block(connection, chain_id=chain_id, numbers={row[0] for row in rows})
    if missing is not None:
        raise BlockNotRecorded(number=missing)


def _demand_hashes(connection: Connection, *, chain_id: ChainId, transfers: Collection[Transfer]) -> None:
    blocks = {each.block.number: each.block for each in transfers}
    if not blocks:
        return
    query = sa.select(block.c.number, block.c.hash, block.c.time).where(
        block.c.chain_id == str(chain_id), block.c.number.between(min(blocks), max(blocks))
    )
    recorded = {row.number: (row.hash, row.time) for row in connection.execute(query)}
    for each in transfers:
        if recorded.get(each.block.number) != (each.block.hash, each.block.time):
            raise BlockNotRecorded(number=each.block.number)


def _with_block(chain_id: ChainId) -> sa.Select[tuple[object, ...]]:
    """Transfers with the hash and time of their blocks. An outer join: a block that is missing is noticed."""
    number = transfer.c.key.op(">>")(sa.literal(LOG_BITS, sa.Integer)).op("&")(BLOCK_NUMBER_MAX)
    of_transfer = sa.and_(block.c.chain_id == str(chain_id), block.c.number == number)
    return sa.select(transfer, block.c.hash, block.c.time).join(block, of_transfer, isouter=True)


def _recorded_row(row: Row[tuple[object, ...]]) -> LogRow:
    return (
        block_of(row.key),
        log_of(row.key),
        row.tx_hash,
        row.contract,
        row.sender,
        row.recipient,
        row.amount_units.to_bytes(32, "big"),
    )


def _transfer(row: Row[tuple[object, ...]], *, chain_id: ChainId) -> Transfer:
    if row.hash is None:
        # No reader may take this for "no transfer".
        raise BlockNotRecorded(number=block_of(row.key))
    return Transfer(
        chain=chain_id,
        block=BlockRef(number=block_of(row.key), hash=row.hash, time=row.time),
        tx_hash=row.tx_hash,
        log_index=log_of(row.key),
        contract=row.contract,
        sender=row.sender,
        recipient=row.recipient,
        amount_units=row.amount_units,
    )
