"""Requests already answered: the same Idempotency-Key gets the same answer for a day.

The answer is stored in the transaction of the write itself, so that neither exists without the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.db import insert_new
from app.errors import Conflict, Fault, InvalidInput
from app.tenants.model import idempotency_key

KEPT = timedelta(hours=24)


class InFlight(Conflict):
    """A request with this key is being worked on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAnswer:
    status: int
    body: bytes
    location: str | None


def claim(
    connection: Connection, *, tenant_id: str, key: str, request_digest: bytes, now: datetime
) -> StoredAnswer | None:
    """Take the key for this request; or the answer that was given to it before.

    Raises InvalidInput if the key was used for another request, InFlight if that is not answered yet.
    """
    connection.execute(
        sa.delete(idempotency_key).where(
            idempotency_key.c.tenant_id == tenant_id, idempotency_key.c.created_at < now - KEPT
        )
    )
    row = {
        "tenant_id": tenant_id,
        "key": key,
        "request_digest": request_digest,
        "state": "in_flight",
        "created_at": now,
    }
    if insert_new(connection, idempotency_key, [row]) == 1:
        return None
    known = connection.execute(
        sa.select(idempotency_key).where(
            idempotency_key.c.tenant_id == tenant_id, idempotency_key.c.key == key
        )
    ).one()
    if known.request_digest != request_digest:
        detail = "This Idempotency-Key was used for another request."
        raise InvalidInput([Fault(pointer="?Idempotency-Key", detail=detail)])
    if known.state != "done":
        msg = "A request with this Idempotency-Key is being worked on; ask again in a moment."
        raise InFlight(msg)
    return StoredAnswer(status=known.status, body=known.body, location=known.location)


def record(connection: Connection, *, tenant_id: str, key: str, answer: StoredAnswer) -> None:
    connection.execute(
        sa.update(idempotency_key)
        .where(idempotency_key.c.tenant_id == tenant_id, idempotency_key.c.key == key)
        .values(
            state="done",
            status=answer.status,
            body=answer.body,
            content_type="application/json",
            location=answer.location,
        )
    )
