"""Looking at rows and changing them as somebody whom PostgreSQL may bind, by queries that name no tenant."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from app.db import for_tenant, reading
from app.db_errors import DatabaseUnwritable
from tests.store.two_tenants import GUARDED

# A worker has nothing to do with requests answered before, nor the API with what a worker has done.
NOT_THEIRS = {"worker": {"idempotency_key"}, "app": {"job_step"}}


def tenants_seen(engine: Engine, table: str) -> set[str]:
    """By a query that forgot the tenant."""
    with reading(engine) as connection:
        return set(connection.execute(sa.select(GUARDED[table].c.tenant_id)).scalars())


def tables_of(role: str) -> list[str]:
    return sorted(set(GUARDED) - NOT_THEIRS[role])


def refused(engine: Engine, act: Callable[[Connection], object]) -> bool:
    """Whether the database refuses it; nothing is kept either way."""
    with engine.connect() as connection:
        try:
            act(connection)
        except DatabaseUnwritable:
            return True
        finally:
            connection.rollback()
    return False


def refuses(engine: Engine, statement: sa.Executable) -> bool:
    return refused(engine, lambda connection: connection.execute(statement))


def changed(engine: Engine, statement: sa.UpdateBase) -> int:
    """How many rows it would change; nothing is kept."""
    with engine.connect() as connection:
        try:
            return connection.execute(statement).rowcount
        finally:
            connection.rollback()


def bound(engine: Engine, tenant_id: str | None) -> Engine:
    return for_tenant(engine, tenant_id=tenant_id)


def whose(connection: Connection) -> tuple[int, str | None, set[str]]:
    """The server's process, the setting as it stands, and whose debts are in sight."""
    row = connection.execute(
        sa.text("SELECT pg_backend_pid(), nullif(current_setting('app.tenant', true), '')")
    ).one()
    return row[0], row[1], set(connection.execute(sa.text("SELECT tenant_id FROM debt")).scalars())
