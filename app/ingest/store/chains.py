"""Chains and their nodes, as the operator configured them. No tenant owns them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from app.db import insert_new
from app.ids import new_id
from app.ingest.model import chain, chain_node
from chains.types import ChainId, Finality

# Any number that no other program is likely to lock: it keeps two new chains from taking one number.
_NUMBERING_LOCK = 7_188_305_521_905


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """A chain as the operator configured it."""

    id: ChainId
    name: str
    native_symbol: str
    native_decimals: int
    finality: Finality
    start_block: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A configured node. `url` is a secret: it may hold the operator's key."""

    id: str
    chain: ChainId
    url: str = field(repr=False)
    checked_at: datetime | None
    head_block: int | None
    final_block: int | None
    last_error: str | None


def chains(connection: Connection) -> list[Chain]:
    return [_chain(row) for row in connection.execute(sa.select(chain).order_by(chain.c.reference))]


def find_chain(connection: Connection, chain_id: ChainId) -> Chain | None:
    row = connection.execute(sa.select(chain).where(chain.c.id == str(chain_id))).first()
    return None if row is None else _chain(row)


def _chain(row: Row[tuple[object, ...]]) -> Chain:
    return Chain(
        id=ChainId.parse(row.id),
        name=row.name,
        native_symbol=row.native_symbol,
        native_decimals=row.native_decimals,
        finality=Finality(confirmations=row.finality_confirmations),
        start_block=row.start_block,
    )


def nodes(connection: Connection, chain_id: ChainId) -> list[Node]:
    query = (
        sa.select(chain_node)
        .where(chain_node.c.chain_id == str(chain_id), chain_node.c.retired_at.is_(None))
        .order_by(chain_node.c.position)
    )
    return [
        Node(
            id=row.id,
            chain=chain_id,
            url=row.url,
            checked_at=row.checked_at,
            head_block=row.head_block,
            final_block=row.final_block,
            last_error=row.last_error,
        )
        for row in connection.execute(query)
    ]


def put_chain(connection: Connection, *, value: Chain, rpc_urls: Sequence[str], now: datetime) -> bool:
    """Insert or replace a configuration; nodes no longer named are retired. True if the chain is new."""
    settings = {
        "name": value.name,
        "native_symbol": value.native_symbol,
        "native_decimals": value.native_decimals,
        "finality_confirmations": value.finality.confirmations,
        "start_block": value.start_block,
        "updated_at": now,
    }
    number = _next_number(connection)
    row = {
        "id": str(value.id),
        "reference": value.id.reference,
        "created_at": now,
        "number": number,
        **settings,
    }
    is_new = insert_new(connection, chain, [row], unique=["id"]) == 1
    if not is_new:
        connection.execute(sa.update(chain).where(chain.c.id == str(value.id)).values(**settings))
    _put_nodes(connection, chain_id=value.id, rpc_urls=rpc_urls, now=now)
    return is_new


def _next_number(connection: Connection) -> int:
    """A number for a new chain. A chain keeps its number for ever, since its transfers' keys have it."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_NUMBERING_LOCK)))
    return (connection.scalar(sa.select(sa.func.max(chain.c.number))) or 0) + 1


def _put_nodes(connection: Connection, *, chain_id: ChainId, rpc_urls: Sequence[str], now: datetime) -> None:
    present = {node.url: node for node in nodes(connection, chain_id)}
    for url, node in present.items():
        if url not in rpc_urls:
            connection.execute(sa.update(chain_node).where(chain_node.c.id == node.id).values(retired_at=now))
    for position, url in enumerate(rpc_urls):
        if url in present:
            connection.execute(
                sa.update(chain_node).where(chain_node.c.id == present[url].id).values(position=position)
            )
        else:
            connection.execute(
                sa.insert(chain_node).values(
                    id=new_id("nod", now=now),
                    chain_id=str(chain_id),
                    position=position,
                    url=url,
                    created_at=now,
                )
            )


def record_check(
    connection: Connection,
    *,
    node_id: str,
    head: int | None,
    final: int | None,
    error: str | None,
    now: datetime,
) -> None:
    values: dict[str, object] = {"checked_at": now, "last_error": error}
    if head is not None:
        values |= {"head_block": head, "final_block": final}
    connection.execute(sa.update(chain_node).where(chain_node.c.id == node_id).values(**values))
