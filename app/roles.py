"""How the database user of this process stands: bound to tenants or not, and allowed to do a worker's work.

The roles themselves are made by a migration (app/migrations/roles.py). On SQLite whoever opens the file may
do everything.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.errors import EnvironmentProblem

WORK_POLICY = "unfinished_work"
"""The policy by which a worker finds what waits; the roles it names are those that work."""

_QUERY = sa.text(
    "SELECT u.rolname AS name, NOT (u.rolsuper OR u.rolbypassrls) AS bound, EXISTS ("
    "  SELECT FROM pg_policy AS p, unnest(p.polroles) AS worker"
    "  WHERE p.polname = :policy AND p.polrelid = to_regclass('job')"
    "  AND pg_has_role(current_user, worker, 'USAGE')"
    ") AS works FROM pg_roles AS u WHERE u.rolname = current_user"
)


class MayNotWork(EnvironmentProblem):
    """This database user is there to serve; reading chains and sealing are another's."""


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


def demand_work(connection: Connection) -> None:
    """Raise MayNotWork unless this user may read chains and work on jobs."""
    user = standing(connection)
    if user is not None and not user.works:
        msg = f"The database user {user.user} may not read chains or seal: run `quittance worker` for that."
        raise MayNotWork(msg)
