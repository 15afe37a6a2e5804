"""PostgreSQL keeps tenants apart by itself: three roles, what each may do, and a policy on tenants' rows.

SQLite has neither roles nor policies; there nothing changes. docs/decisions/0009-row-level-security.md
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from app.db import ROLE_PREFIX
from app.migrations.models import metadata
from app.migrations.roles import allow, guard, jobs_sql, lend_schema, make_roles

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_APPEND = "SELECT, INSERT"
_KEEP = "SELECT, INSERT, UPDATE"

# Where a role has other rights than the rest of its kind. None: no right at all.
_APP = {
    "api_key": "SELECT, INSERT, UPDATE (revoked_at)",
    "tenant": _APPEND,
    "audit_entry": _APPEND,
    "audit_head": "SELECT, UPDATE (seq, previous)",
    # What configuring a chain writes, and looking for the block at the end of an unusual window.
    "chain": _KEEP,
    "chain_node": _KEEP,
    # A chain that was stopped is not set going again from there.
    "chain_reading": "SELECT, INSERT, UPDATE (agreement)",
    "native_setting": _KEEP,
    "asset": _APPEND,
    "block": _APPEND,
    "watch": _KEEP,
    "time_mark": _APPEND,
    # Requested and cancelled here, sealed by a worker.
    "evidence": "SELECT, INSERT, UPDATE (state, step)",
    "job": "SELECT, INSERT, UPDATE (state, step, finished_at, failure, open_key)",
    "job_step": None,
    "assessment_snapshot": "SELECT",
    "idempotency_key": "SELECT, INSERT, UPDATE, DELETE",
}
_WORKER = {
    "api_key": None,
    # Once a day a job is planned for each.
    "tenant": "SELECT",
    "idempotency_key": None,
    "alembic_version": "SELECT",
    "audit_entry": _APPEND,
    "audit_payload": _APPEND,
    "audit_head": "SELECT, UPDATE (seq, previous)",
    "chain": "SELECT",
    "chain_node": "SELECT, UPDATE",
    "asset": "SELECT",
    "watch": "SELECT",
    # What was read is appended, never edited.
    "block": _APPEND,
    "transfer": _APPEND,
    "transfer_account": _APPEND,
    "transfer_unsorted": "SELECT, INSERT, DELETE",
    "emitter": _APPEND,
    "native_setting": "SELECT",
    "native_transfer": _APPEND,
    "tender": _APPEND,
    "other_log": _APPEND,
    "token": _APPEND,
    "coverage": _APPEND,
    # A set's row is locked while its ranges are joined, which takes a right to update.
    "account_set": "SELECT, INSERT, UPDATE (size)",
    "account_set_member": _APPEND,
    "disagreement": _APPEND,
    "disagreement_answer": _APPEND,
    "time_mark": _KEEP,
    "chain_reading": _KEEP,
    "node_reading": _KEEP,
    "chain_lease": _KEEP,
    # Ranges are joined, and what is provisional is taken back whole.
    "covered_range": "SELECT, INSERT, DELETE",
    "provisional_block": "SELECT, INSERT, DELETE",
    "provisional_transfer": "SELECT, INSERT, DELETE",
    "evidence": "SELECT, UPDATE",
    "job": _KEEP,
    "job_step": _APPEND,
    "assessment_snapshot": _APPEND,
}
# The rest: what people record is appended by the app, what a chain tells is kept by the worker.
_APP_OF_TENANT, _APP_OF_CHAIN = _APPEND, "SELECT"
_WORKER_OF_TENANT, _WORKER_OF_CHAIN = "SELECT", "SELECT, INSERT, UPDATE, DELETE"


def upgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name != "postgresql":
        return
    attributes = op.get_context().config.attributes  # type: ignore[union-attr]
    roles = make_roles(connection, prefix=attributes.get("role_prefix", ROLE_PREFIX))
    inspector = sa.inspect(connection)
    # Only ours: the database may hold other software's tables.
    for table in sorted({*inspector.get_table_names()} & {*metadata.tables, "alembic_version"}):
        columns = {column["name"] for column in inspector.get_columns(table)}
        of_tenant = "tenant_id" in columns
        if of_tenant and table != "api_key":
            guard(connection, table=table)
        for role, exceptions, usual in (
            (roles.app, _APP, _APP_OF_TENANT if of_tenant else _APP_OF_CHAIN),
            (roles.worker, _WORKER, _WORKER_OF_TENANT if of_tenant else _WORKER_OF_CHAIN),
        ):
            rights = exceptions.get(table, usual)
            if rights is not None:
                allow(connection, role=role, rights=rights, table=table)
    for statement in jobs_sql(roles):
        connection.exec_driver_sql(statement)
    # The library of jobs keeps its own tables there, and makes them when a worker first needs them.
    lend_schema(connection, role=roles.worker, schema="dbos")


def downgrade() -> None:
    """Facts are appended, never dropped: going back means restoring a backup."""
    msg = "there is no way back from this schema"
    raise NotImplementedError(msg)
