"""How a chain is read: how many nodes have to agree, whether it is stopped, what was learnt of each node."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.db import insert_new
from app.ingest.ledger_model import chain_reading, node_reading
from chains.evm.ranges import RangeSize
from chains.types import ChainId

REASON_CHARS_MAX = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainReading:
    """`agreement`: so many nodes have to give the same answer. Stopped: nothing is read or relied on.

    `hashable`: its headers give their own hashes; None until a node has shown it or several have denied it.
    """

    agreement: int = 1
    hashable: bool | None = None
    stopped_at: datetime | None = None
    stopped_reason: str | None = None

    @property
    def demands_hashes(self) -> bool:
        """Where nobody knows yet, a header that does not give its hash is refused."""
        return self.hashable is not False


def reading_of_chain(connection: Connection, chain_id: ChainId) -> ChainReading:
    query = sa.select(chain_reading).where(chain_reading.c.chain_id == str(chain_id))
    row = connection.execute(query).first()
    if row is None:
        return ChainReading()
    return ChainReading(
        agreement=row.agreement,
        hashable=row.hashable,
        stopped_at=row.stopped_at,
        stopped_reason=row.stopped_reason,
    )


def set_agreement(connection: Connection, *, chain_id: ChainId, agreement: int) -> None:
    _update(connection, chain_id=chain_id, values={"agreement": agreement})


def set_hashable(connection: Connection, *, chain_id: ChainId, hashable: bool) -> None:
    _update(connection, chain_id=chain_id, values={"hashable": hashable})


def stop_chain(connection: Connection, *, chain_id: ChainId, reason: str, now: datetime) -> None:
    """The first reason stands until the chain is read on."""
    if reading_of_chain(connection, chain_id).stopped_at is None:
        values = {"stopped_at": now, "stopped_reason": reason[:REASON_CHARS_MAX]}
        _update(connection, chain_id=chain_id, values=values)


def resume_chain(connection: Connection, *, chain_id: ChainId) -> None:
    _update(connection, chain_id=chain_id, values={"stopped_at": None, "stopped_reason": None})


def _update(connection: Connection, *, chain_id: ChainId, values: dict[str, object]) -> None:
    insert_new(connection, chain_reading, [{"chain_id": str(chain_id), "agreement": 1}])
    connection.execute(
        sa.update(chain_reading).where(chain_reading.c.chain_id == str(chain_id)).values(**values)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeReading:
    """What was learnt of a node. `size` is how many blocks it lets be asked for at once."""

    client_version: str | None = None
    size: RangeSize = field(default_factory=RangeSize)


def reading_of_node(connection: Connection, node_id: str) -> NodeReading:
    query = sa.select(node_reading).where(node_reading.c.node_id == node_id)
    row = connection.execute(query).first()
    if row is None:
        return NodeReading()
    size = RangeSize()
    if row.range_blocks is not None:
        size = RangeSize(blocks=row.range_blocks, ceiling=row.range_ceiling)
    return NodeReading(client_version=row.client_version, size=size)


def record_node(connection: Connection, *, node_id: str, learnt: NodeReading) -> None:
    values: dict[str, object] = {
        "client_version": learnt.client_version,
        "range_blocks": learnt.size.blocks,
        "range_ceiling": learnt.size.ceiling,
    }
    if not insert_new(connection, node_reading, [{"node_id": node_id, **values}]):
        update = sa.update(node_reading).where(node_reading.c.node_id == node_id)
        connection.execute(update.values(**values))
