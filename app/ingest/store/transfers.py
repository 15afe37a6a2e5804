"""Transfers: appended, never edited, found by account. No tenant owns them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from app.db import insert_new
from app.ingest.model import block, transfer
from app.ingest.ranges import Blocks
from app.ingest.store.chains import Chain
from chains.errors import ChainError
from chains.evm.fastlogs import LogRow, transfer_of_row
from chains.types import AccountId, Address, BlockRef, ChainId, Hash32, Transfer


class TransfersDisagree(ChainError):
    """A node's answer leaves out, or alters, a transfer that was read before."""

    def __init__(self, *, blocks: Blocks, differing: int) -> None:
        super().__init__(
            f"the answer for blocks {blocks.first}-{blocks.last} and what is on record differ "
            f"in {differing} transfers"
        )
        self.blocks = blocks


def add_answer(
    connection: Connection,
    *,
    chain_id: ChainId,
    addresses: Collection[Address],
    blocks: Blocks,
    transfers: Collection[Transfer],
    now: datetime,
) -> int:
    """Append all transfers that a node answered for these accounts and blocks; returns how many were new.

    Some may be on record from reading the other party. Then the answer must hold exactly those: raises
    TransfersDisagree otherwise, since one of the two answers was wrong.
    """
    touching = _touching(chain_id, addresses=addresses, blocks=blocks)
    known = connection.execute(sa.select(transfer.c.log_index).where(touching).limit(1)).first()
    added = add_transfers(connection, transfers=transfers, now=now)
    if known is not None or added < len(transfers):
        recorded = {_facts(_transfer(row)) for row in connection.execute(sa.select(transfer).where(touching))}
        differing = recorded ^ {_facts(each) for each in transfers}
        if differing:
            raise TransfersDisagree(blocks=blocks, differing=len({facts[0] for facts in differing}))
    return added


def add_rows(
    connection: Connection,
    *,
    chain: Chain,
    accounts: Collection[Address],
    blocks: Blocks,
    rows: Collection[LogRow],
    now: datetime,
) -> int:
    by = {
        row.number: BlockRef(number=row.number, hash=row.hash, time=row.time)
        for row in connection.execute(
            sa.select(block).where(
                block.c.chain_id == str(chain.id), block.c.number.in_({row[0] for row in rows})
            )
        )
    }
    return add_answer(
        connection,
        chain_id=chain.id,
        addresses=accounts,
        blocks=blocks,
        transfers=[transfer_of_row(row, chain=chain.id, block=by[row[0]]) for row in rows],
        now=now,
    )


def _facts(value: Transfer) -> tuple[object, ...]:
    """What two answers about one transfer have to agree on, its identity first."""
    return (
        value.id,
        value.block.number,
        value.block.time,
        value.tx_hash,
        value.contract,
        value.sender,
        value.recipient,
        value.amount_units,
    )


def _touching(chain_id: ChainId, *, addresses: Collection[Address], blocks: Blocks) -> sa.ColumnElement[bool]:
    """Transfers from or to any of the accounts in these blocks."""
    accounts = list(addresses)
    return sa.and_(
        transfer.c.chain_id == str(chain_id),
        sa.or_(transfer.c.recipient.in_(accounts), transfer.c.sender.in_(accounts)),
        transfer.c.block_number.between(blocks.first, blocks.last),
    )


def add_transfers(connection: Connection, *, transfers: Iterable[Transfer], now: datetime) -> int:
    """Append the transfers that are not there yet; returns how many. Their blocks must be there."""
    rows = [
        {
            "chain_id": str(each.chain),
            "block_hash": each.block.hash,
            "log_index": each.log_index,
            "block_number": each.block.number,
            "block_time": each.block.time,
            "tx_hash": each.tx_hash,
            "contract": each.contract,
            "sender": each.sender,
            "recipient": each.recipient,
            "amount_units": each.amount_units,
            "recorded_at": now,
        }
        for each in transfers
    ]
    return insert_new(connection, transfer, rows)


def transfers_touching(
    connection: Connection,
    *,
    chain_id: ChainId,
    addresses: Collection[Address],
    blocks: Blocks,
    known_at: datetime,
) -> list[Transfer]:
    """Recorded transfers from or to any of the accounts in these blocks, in chain order."""
    query = (
        sa.select(transfer)
        .where(_touching(chain_id, addresses=addresses, blocks=blocks), transfer.c.recorded_at <= known_at)
        .order_by(transfer.c.block_number, transfer.c.log_index)
    )
    return [_transfer(row) for row in connection.execute(query)]


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
    key = (transfer.c.block_number, transfer.c.block_hash, transfer.c.log_index)
    query = sa.select(transfer).where(
        transfer.c.chain_id == str(account.chain),
        sa.or_(transfer.c.recipient == account.address, transfer.c.sender == account.address),
        transfer.c.block_number.between(from_block, to_block),
    )
    if contract is not None:
        query = query.where(transfer.c.contract == contract)
    if after is not None:
        query = query.where(
            sa.or_(
                key[0] > after.block_number,
                sa.and_(key[0] == after.block_number, key[1] > after.block_hash),
                sa.and_(key[0] == after.block_number, key[1] == after.block_hash, key[2] > after.log_index),
            )
        )
    return [_transfer(row) for row in connection.execute(query.order_by(*key).limit(limit))]


def _transfer(row: Row[tuple[object, ...]]) -> Transfer:
    return Transfer(
        chain=ChainId.parse(row.chain_id),
        block=BlockRef(number=row.block_number, hash=row.block_hash, time=row.block_time),
        tx_hash=row.tx_hash,
        log_index=row.log_index,
        contract=row.contract,
        sender=row.sender,
        recipient=row.recipient,
        amount_units=row.amount_units,
    )
