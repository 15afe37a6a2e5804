"""How the database user of this process stands: bound to tenants or not, and allowed to do a worker's work.

The roles themselves are made by a migration (app/migrations/roles.py). On SQLite whoever opens the file may
do everything.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

WORK_POLICY = "unfinished_work"
"""The policy by which a worker finds what waits; the roles it names are those that work."""

_QUERY = sa.text(
    "SELECT u.rolname AS name, NOT (u.rolsuper OR u.rolbypassrls) AS bound, EXISTS ("
    "  SELECT FROM pg_policy AS p, unnest(p.polroles) AS worker"
    "  WHERE p.polname = :policy AND p.polrelid = to_regclass('evidence')"
    "  AND pg_has_role(current_user, worker, 'USAGE')"
    ") AS works FROM pg_roles AS u WHERE u.rolname = current_user"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """`bound`: row-level security confines this user to one tenant at a time. `works`: may read and seal."""

    user: str
    bound: bool
    works: bool


def standing(connection: Connection) -> Standing | None:
    """None on SQLite, which knows no users."""
    if connection.dialect.name != "postgresql":
        return None
    row = connection.execute(_QUERY, {"policy": WORK_POLICY}).one()
    return Standing(user=row.name, bound=row.bound, works=row.works or not row.bound)
