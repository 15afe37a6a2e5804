"""Registered assets, and what other contracts answered about themselves. No tenant owns them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.db import insert_new
from app.ingest.model import asset, emitter, token
from app.money import Asset
from chains.types import Address, AssetId, BlockRef, ChainId, Hash32


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredAsset:
    """An asset as pinned at registration."""

    asset: Asset
    name: str
    code_hash: Hash32 | None
    implementation: Address | None
    implementation_code_hash: Hash32 | None
    registered_at: BlockRef
    unfit_for: tuple[str, ...]
    created_at: datetime


def registered_assets(
    connection: Connection, *, ids: Collection[AssetId] | None = None, known_at: datetime | None = None
) -> list[RegisteredAsset]:
    query = sa.select(asset).order_by(asset.c.id)
    if ids is not None:
        query = query.where(asset.c.id.in_([str(each) for each in ids]))
    if known_at is not None:
        query = query.where(asset.c.created_at <= known_at)
    return [
        RegisteredAsset(
            asset=Asset(id=AssetId.parse(row.id), symbol=row.symbol, decimals=row.decimals),
            name=row.name,
            code_hash=row.code_hash,
            implementation=row.implementation,
            implementation_code_hash=row.implementation_code_hash,
            registered_at=BlockRef(
                number=row.registered_block_number,
                hash=row.registered_block_hash,
                time=row.registered_block_time,
            ),
            unfit_for=tuple(row.unfit_for),
            created_at=row.created_at,
        )
        for row in connection.execute(query)
    ]


def find_asset(connection: Connection, asset_id: AssetId) -> RegisteredAsset | None:
    return next(iter(registered_assets(connection, ids=[asset_id])), None)


def add_asset(connection: Connection, *, value: RegisteredAsset) -> None:
    """The first registration stands: what was pinned then is not replaced."""
    row = {
        "id": str(value.asset.id),
        "chain_id": str(value.asset.id.chain),
        "contract": value.asset.id.contract,
        "symbol": value.asset.symbol,
        "name": value.name,
        "decimals": value.asset.decimals,
        "code_hash": value.code_hash,
        "implementation": value.implementation,
        "implementation_code_hash": value.implementation_code_hash,
        "registered_block_number": value.registered_at.number,
        "registered_block_hash": value.registered_at.hash,
        "registered_block_time": value.registered_at.time,
        "unfit_for": list(value.unfit_for),
        "created_at": value.created_at,
    }
    insert_new(connection, asset, [row])


def unnamed_contracts(connection: Connection, *, chain_id: ChainId, limit: int) -> list[Address]:
    """Contracts that emitted a recorded Transfer and were not asked for their symbol yet.

    In no order, so that some which can't be asked never keep the others from their turn.
    """
    asked = sa.select(token.c.contract).where(token.c.chain_id == str(chain_id))
    query = (
        sa.select(emitter.c.contract)
        .where(emitter.c.chain_id == str(chain_id), emitter.c.contract.not_in(asked))
        .order_by(sa.func.random())
        .limit(limit)
    )
    return list(connection.execute(query).scalars())


def add_token(
    connection: Connection,
    *,
    chain_id: ChainId,
    contract: Address,
    symbol: str | None,
    decimals: int | None,
    now: datetime,
) -> None:
    row = {
        "chain_id": str(chain_id),
        "contract": contract,
        "symbol": symbol,
        "decimals": decimals,
        "read_at": now,
    }
    insert_new(connection, token, [row])


def symbols_of(
    connection: Connection, *, assets: Collection[AssetId], known_at: datetime
) -> dict[AssetId, str]:
    """What the contracts of these assets answered as their symbol, where they answered one."""
    wanted = {(str(each.chain), each.contract) for each in assets if each.contract is not None}
    if not wanted:
        return {}
    query = sa.select(token).where(
        token.c.contract.in_([contract for _, contract in wanted]),
        token.c.symbol.is_not(None),
        token.c.read_at <= known_at,
    )
    return {
        AssetId(ChainId.parse(row.chain_id), row.contract): row.symbol
        for row in connection.execute(query)
        if (row.chain_id, row.contract) in wanted
    }
