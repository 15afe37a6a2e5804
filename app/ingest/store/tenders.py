"""Attempts to pay that failed, and events that are counted as no transfer: kept, so that neither is lost."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from app.db import insert_new
from app.ingest.native_model import other_log, tender
from app.ingest.ranges import Blocks
from app.ingest.store.native import NativeDisagrees
from chains.evm.events import ValueEvent
from chains.evm.transfers import OtherLog
from chains.movements import Tender, TenderKind
from chains.types import AccountId, Address, BlockRef, ChainId, Hash32


def add_tenders(
    connection: Connection,
    *,
    chain_id: ChainId,
    addresses: Collection[Address],
    blocks: Blocks,
    tenders: Collection[Tender],
    shows_all: bool,
    now: datetime,
) -> int:
    """Append them. If the answer shows all, it must hold those on record, or NativeDisagrees is raised."""
    rows = [
        {
            "chain_id": str(each.chain),
            "block_hash": each.block.hash,
            "tx_hash": each.tx_hash,
            "kind": str(each.kind),
            "block_number": each.block.number,
            "block_time": each.block.time,
            "recorded_at": now,
            "tx_index": each.tx_index,
            "sender": each.sender,
            "called": each.to,
            "asset_contract": each.asset_contract,
            "recipient": each.recipient,
            "amount_units": each.amount_units,
            "reason": each.reason,
        }
        for each in tenders
    ]
    added = insert_new(connection, tender, rows)
    if shows_all:
        recorded = sa.select(tender.c.tx_hash, tender.c.kind).where(
            tender.c.chain_id == str(chain_id),
            tender.c.recipient.in_(list(addresses)),
            tender.c.block_number.between(blocks.first, blocks.last),
        )
        known = {(row.tx_hash, row.kind) for row in connection.execute(recorded)}
        differing = known - {(each.tx_hash, str(each.kind)) for each in tenders}
        if differing:
            raise NativeDisagrees(blocks=blocks, differing=len(differing))
    return added


@dataclass(frozen=True, slots=True, kw_only=True)
class TenderPosition:
    """Where a page ended."""

    block_number: int
    tx_index: int
    kind: str


def page_of_tenders(
    connection: Connection,
    *,
    account: AccountId,
    after: TenderPosition | None,
    limit: int,
    known_at: datetime | None = None,
) -> list[Tender]:
    """Failed attempts of, or towards, one account in chain order (keyset)."""
    key = (tender.c.block_number, tender.c.tx_index, tender.c.kind)
    query = sa.select(tender).where(
        tender.c.chain_id == str(account.chain),
        sa.or_(tender.c.recipient == account.address, tender.c.sender == account.address),
    )
    if known_at is not None:
        query = query.where(tender.c.recorded_at <= known_at)
    if after is not None:
        query = query.where(
            sa.or_(
                key[0] > after.block_number,
                sa.and_(key[0] == after.block_number, key[1] > after.tx_index),
                sa.and_(key[0] == after.block_number, key[1] == after.tx_index, key[2] > after.kind),
            )
        )
    return [_tender(row) for row in connection.execute(query.order_by(*key).limit(limit))]


def _tender(row: Row[tuple[object, ...]]) -> Tender:
    return Tender(
        chain=ChainId.parse(row.chain_id),
        block=BlockRef(number=row.block_number, hash=row.block_hash, time=row.block_time),
        tx_hash=row.tx_hash,
        tx_index=row.tx_index,
        sender=row.sender,
        to=row.called,
        kind=TenderKind(row.kind),
        asset_contract=row.asset_contract,
        recipient=row.recipient,
        amount_units=row.amount_units,
        reason=row.reason,
    )


def add_events(
    connection: Connection, *, chain_id: ChainId, events: Iterable[ValueEvent], now: datetime
) -> int:
    """Their blocks must be on record."""
    rows = [
        _event_row(each, chain_id=chain_id, kind=str(each.kind), now=now)
        | {"sender": each.sender, "recipient": each.recipient, "amount_units": each.amount_units}
        for each in events
    ]
    return insert_new(connection, other_log, rows)


def add_other_logs(
    connection: Connection, *, chain_id: ChainId, logs: Iterable[OtherLog], now: datetime
) -> int:
    """What a filter for Transfers found besides them. Their blocks must be on record."""
    nobody = {"sender": None, "recipient": None, "amount_units": None}
    rows = [_event_row(each, chain_id=chain_id, kind=str(each.reason), now=now) | nobody for each in logs]
    return insert_new(connection, other_log, rows)


def _event_row(
    each: ValueEvent | OtherLog, *, chain_id: ChainId, kind: str, now: datetime
) -> dict[str, object]:
    return {
        "chain_id": str(chain_id),
        "block_hash": each.block_hash,
        "log_index": each.log_index,
        "block_number": each.block_number,
        "tx_hash": each.tx_hash,
        "contract": each.contract,
        "kind": kind,
        "recorded_at": now,
    }


def kinds_of_other_logs(connection: Connection, *, chain_id: ChainId) -> dict[tuple[Hash32, int], str]:
    """The word of each event that was seen and not counted, by block and log index."""
    table = other_log.c
    query = sa.select(table.block_hash, table.log_index, table.kind).where(table.chain_id == str(chain_id))
    return {(row.block_hash, row.log_index): row.kind for row in connection.execute(query)}
