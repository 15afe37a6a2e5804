"""Where alembic is told our tables and the connection to use. Run by app.db.upgrade, never by hand."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context

from app.db import ROLE_PREFIX
from app.migrations.models import metadata
from app.migrations.roles import demand_unbound, hand_over

# Any number that no other program is likely to lock: it keeps two upgrades of one database apart.
_UPGRADE_LOCK = 7_188_305_521_904


def _migrate(connection: sa.Connection) -> None:
    on_postgresql, prefix = (
        connection.dialect.name == "postgresql",
        context.config.attributes.get("role_prefix", ROLE_PREFIX),
    )
    if on_postgresql:
        demand_unbound(connection, prefix=prefix)
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_UPGRADE_LOCK)))
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=connection.dialect.name == "sqlite",
    )
    # The caller's transaction holds the whole upgrade, on SQLite too, and the caller commits it.
    context.run_migrations()
    if on_postgresql:
        hand_over(connection, prefix=prefix, tables=[*metadata.tables, "alembic_version"])


_migrate(context.config.attributes["connection"])
