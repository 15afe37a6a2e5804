"""Appending to the audit log and replaying it: one hash chain of RFC 9162 leaves for the whole deployment.

An entry names no tenant and holds no personal data; its payload, which may, lies in a tenant's table and is
bound to the entry by a salted digest. Every append shares the transaction of the write that it records, so
that neither exists without the other. Knows nothing of what is recorded.
https://www.rfc-editor.org/rfc/rfc9162#section-2.1.1
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Dialect, Row

from app.audit.model import SALT_BYTES, audit_entry, audit_head, audit_payload
from app.canonical import dumps, loads
from app.clock import to_rfc3339
from app.columns import UtcTime
from app.errors import EnvironmentProblem
from app.merkle import leaf_hash

BEFORE_FIRST = bytes(32)
"""What stands as `previous` in the first entry."""

_TENANT = "tenant_id"
_ROWS_AT_ONCE = 1000
_TIME = UtcTime()
_NO_TIME = datetime.min.replace(tzinfo=UTC)


class AuditHeadMissing(EnvironmentProblem):
    """The row that orders the log is not there, so nothing can be recorded."""


class LogNotInSight(EnvironmentProblem):
    """The database hides payloads of the log from this user, who would take them for missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What a leaf commits to."""

    seq: int
    server_time: datetime
    actor: str
    type_: str
    object_id: str
    payload_digest: bytes
    previous: bytes

    @property
    def leaf(self) -> bytes:
        return leaf_hash(
            dumps(
                {
                    "seq": self.seq,
                    "server_time": to_rfc3339(self.server_time),
                    "actor": self.actor,
                    "type": self.type_,
                    "object": self.object_id,
                    "payload_digest": self.payload_digest.hex(),
                    "previous": self.previous.hex(),
                }
            )
        )


def payload_digest(*, salt: bytes, payload: bytes) -> bytes:
    """Salted, so that the digest of a short text does not betray it."""
    return hashlib.sha256(b"\x00" + salt + payload).digest()


def append(
    connection: Connection,
    *,
    tenant_id: str,
    actor: str,
    type_: str,
    object_id: str,
    payload: Mapping[str, object],
    now: datetime,
    salt: bytes | None = None,
) -> int:
    """Record one write and return its number, 1, 2, 3 … without gaps.

    The payload is plain JSON (str, int, bool, None, list, dict); the tenant's id is added to it, so that the
    digest covers it too. Holds the log's lock until the transaction ends: append last.
    """
    salt = secrets.token_bytes(SALT_BYTES) if salt is None else salt
    content = dumps({**payload, _TENANT: tenant_id})
    seq, previous = _take_head(connection)
    entry = Entry(
        seq=seq + 1,
        server_time=now,
        actor=actor,
        type_=type_,
        object_id=object_id,
        payload_digest=payload_digest(salt=salt, payload=content),
        previous=previous,
    )
    connection.execute(audit_entry.insert().values(_columns(entry)))
    connection.execute(
        audit_payload.insert().values(
            seq=entry.seq, tenant_id=tenant_id, salt=salt, payload=content.decode("utf-8")
        )
    )
    connection.execute(audit_head.update().values(seq=entry.seq, previous=entry.leaf))
    return entry.seq


def _take_head(connection: Connection) -> tuple[int, bytes]:
    """On PostgreSQL writers queue for the row; on SQLite the transaction already holds the write lock."""
    row = connection.execute(
        sa.select(audit_head.c.seq, audit_head.c.previous).with_for_update()
    ).one_or_none()
    if row is None:
        msg = "The audit log has no head row; bring the database up with `quittance db upgrade`."
        raise AuditHeadMissing(msg)
    return row.seq, row.previous


def _columns(entry: Entry) -> dict[str, object]:
    return {
        "seq": entry.seq,
        "server_time": entry.server_time,
        "actor": entry.actor,
        "type": entry.type_,
        "object": entry.object_id,
        "payload_digest": entry.payload_digest,
        "previous": entry.previous,
        "leaf": entry.leaf,
    }


def replay(connection: Connection) -> int | None:
    """Recompute the whole log; the number of the first entry that does not hold, or None if all do.

    An entry missing at the end is reported by its number too, since the head still counts it. Raises
    LogNotInSight where only a part can be seen.
    """
    _demand_sight(connection)
    columns = (*audit_entry.c, audit_payload.c.tenant_id, audit_payload.c.salt, audit_payload.c.payload)
    entries = (
        sa.select(*(_raw(column) for column in columns))
        .select_from(audit_entry.outerjoin(audit_payload))
        .order_by(audit_entry.c.seq)
    )
    seq, previous = 0, BEFORE_FIRST
    with connection.execute(entries, execution_options={"yield_per": _ROWS_AT_ONCE}) as rows:
        for row in rows:
            seq += 1
            if not _holds(row, seq=seq, previous=previous, dialect=connection.dialect):
                return seq
            previous = row.leaf
    head = connection.execute(sa.select(_raw(audit_head.c.seq), _raw(audit_head.c.previous))).one_or_none()
    if head is None or not isinstance(head.seq, int):
        return seq + 1
    if head.seq != seq:
        return min(head.seq, seq) + 1
    return None if head.previous == previous else max(seq, 1)


def _demand_sight(connection: Connection) -> None:
    """What row-level security hides was not tampered with."""
    if connection.dialect.name != "postgresql":
        return
    if connection.scalar(sa.text("SELECT row_security_active('audit_payload')")):
        msg = "This database user sees only a part of the log; replay it as the role that owns the tables."
        raise LogNotInSight(msg)


def _raw(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """As the driver hands it over: a damaged value is to be found, and must not raise on the way."""
    return sa.type_coerce(column, sa.types.NULLTYPE).label(column.name)


def _holds(row: Row[*tuple[Any, ...]], *, seq: int, previous: bytes, dialect: Dialect) -> bool:
    try:
        entry = Entry(
            seq=row.seq,
            server_time=_TIME.process_result_value(row.server_time, dialect) or _NO_TIME,
            actor=row.actor,
            type_=row.type,
            object_id=row.object,
            payload_digest=row.payload_digest,
            previous=row.previous,
        )
        payload = row.payload.encode("utf-8")
        content = loads(payload)
        return (
            (row.seq, row.previous, row.leaf) == (seq, previous, entry.leaf)
            and payload_digest(salt=row.salt, payload=payload) == row.payload_digest
            and isinstance(content, dict)
            and content.get(_TENANT) == row.tenant_id
        )
    except (TypeError, ValueError, AttributeError):
        # Not of its column's type, or not the JSON that was written.
        return False
