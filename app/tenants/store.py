"""Rows of tenants and API keys as values, and the queries for them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from app.tenants.model import api_key, tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """Whoever keeps records here, apart from all others."""

    id: str
    name: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """What may be shown of a key: everything but the key."""

    id: str
    tenant_id: str
    name: str
    scopes: frozenset[str]
    created_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredKey:
    """A key with its hash, for authenticating only."""

    key: ApiKey
    key_hash: bytes


def insert_tenant(connection: Connection, *, tenant_: Tenant) -> None:
    connection.execute(
        tenant.insert().values(id=tenant_.id, name=tenant_.name, created_at=tenant_.created_at)
    )


def tenants(connection: Connection) -> tuple[Tenant, ...]:
    """Oldest first."""
    rows = connection.execute(sa.select(tenant).order_by(tenant.c.created_at, tenant.c.id))
    return tuple(Tenant(id=row.id, name=row.name, created_at=row.created_at) for row in rows)


def tenant_exists(connection: Connection, *, tenant_id: str) -> bool:
    return connection.scalar(sa.select(tenant.c.id).where(tenant.c.id == tenant_id)) is not None


def insert_key(connection: Connection, *, key: ApiKey, key_hash: bytes) -> None:
    connection.execute(
        api_key.insert().values(
            id=key.id,
            tenant_id=key.tenant_id,
            name=key.name,
            scopes=sorted(key.scopes),
            key_hash=key_hash,
            created_at=key.created_at,
        )
    )


def stored_key(connection: Connection, *, key_id: str) -> StoredKey | None:
    """The one query that is not told its tenant: the key is how the tenant becomes known."""
    row = connection.execute(sa.select(api_key).where(api_key.c.id == key_id)).one_or_none()
    return None if row is None else StoredKey(key=_key(row), key_hash=row.key_hash)


def keys(connection: Connection, *, tenant_id: str) -> tuple[ApiKey, ...]:
    """Oldest first, revoked ones too."""
    chosen = sa.select(api_key).where(api_key.c.tenant_id == tenant_id)
    rows = connection.execute(chosen.order_by(api_key.c.created_at, api_key.c.id))
    return tuple(_key(row) for row in rows)


def set_revoked(connection: Connection, *, tenant_id: str, key_id: str, now: datetime) -> bool:
    """False if the tenant has no such key that still works."""
    statement = (
        api_key.update()
        .where(api_key.c.tenant_id == tenant_id, api_key.c.id == key_id, api_key.c.revoked_at.is_(None))
        .values(revoked_at=now)
    )
    return connection.execute(statement).rowcount == 1


def _key(row: Row[*tuple[Any, ...]]) -> ApiKey:
    return ApiKey(
        id=row.id,
        tenant_id=row.tenant_id,
        name=row.name,
        scopes=frozenset(row.scopes),
        created_at=row.created_at,
        revoked_at=row.revoked_at,
    )
