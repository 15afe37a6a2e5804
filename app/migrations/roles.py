"""Roles, grants and policies on PostgreSQL, as migrations write them. On SQLite there are none.

Only ever added to, like columns.py. Roles belong to the whole cluster and not to one database: they are made
where they are missing, and never dropped or altered, since another database may rest on them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.db_errors import DatabaseProblem
from app.roles import WORK_POLICY

TENANT_POLICY = "tenant"
OPERATOR_POLICY = "operator"
# From PostgreSQL 16 on, whoever may create roles may hand on an attribute of his own, BYPASSRLS among them.
_CREATEROLE_SUFFICES = 160_000
_PREFIX = re.compile(r"[a-z][a-z0-9_]{0,39}")
# Outside any tenant's transaction the setting is absent, or empty once it was set in this connection before.
_NO_TENANT = "nullif(current_setting('app.tenant', true), '') IS NULL"
_OWN_ROWS = "tenant_id = nullif(current_setting('app.tenant', true), '')"


class RolesNotReady(DatabaseProblem):
    """What an administrator of the PostgreSQL server has to do first; `statements` are the SQL for it."""

    def __init__(self, detail: str, *, statements: Sequence[str] = ()) -> None:
        super().__init__("\n".join([detail, *statements]))
        self.statements = tuple(statements)


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """`migrator` owns the tables, and sees all rows; `app` serves; `worker` reads chains and seals."""

    migrator: str
    app: str
    worker: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Role:
    """A role as the server knows it. A role that is not `bound` sees past every policy."""

    name: str
    bound: bool
    may_create_roles: bool


def role_names(prefix: str) -> Roles:
    if _PREFIX.fullmatch(prefix) is None:
        msg = "a prefix of roles is a small letter and up to 39 small letters, digits and underscores"
        raise ValueError(msg)
    return Roles(migrator=f"{prefix}_migrator", app=f"{prefix}_app", worker=f"{prefix}_worker")


def creation_sql(roles: Roles) -> dict[str, str]:
    """By role. They can log in, but have no password: giving them one is the administrator's."""
    return {
        roles.migrator: f"CREATE ROLE {roles.migrator} LOGIN BYPASSRLS;",
        roles.app: f"CREATE ROLE {roles.app} LOGIN;",
        roles.worker: f"CREATE ROLE {roles.worker} LOGIN;",
    }


def guard_sql(table: str) -> tuple[str, ...]:
    """A tenant's rows are there for nobody but this tenant, its owner included."""
    return (
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY {TENANT_POLICY} ON {table} USING ({_OWN_ROWS}) WITH CHECK ({_OWN_ROWS})",
    )


def jobs_sql(roles: Roles) -> tuple[str, ...]:
    """Jobs outside of any tenant's transaction: a worker finds what waits, the operator is shown all."""
    waits = "state IN ('queued', 'running')"
    return (
        f"CREATE POLICY {WORK_POLICY} ON job FOR SELECT TO {roles.worker} USING ({waits} AND {_NO_TENANT})",
        f"CREATE POLICY {OPERATOR_POLICY} ON job FOR SELECT TO {roles.app} USING ({_NO_TENANT})",
    )


def demand_unbound(connection: Connection, *, prefix: str) -> None:
    """Whoever migrates must see every row: a change of rows would pass over hidden ones without a word."""
    roles, user = role_names(prefix), _current_user(connection)
    if not user.bound:
        return
    missing = _missing(connection, roles)
    if user.name in {roles.app, roles.worker}:
        detail = (
            f"The database user {user.name} may not change the schema. "
            "Set QUITTANCE_MIGRATION_URL to one that may, and run `quittance db upgrade`."
        )
        raise RolesNotReady(detail)
    detail = (
        f"The database user {user.name} is bound by row-level security and would migrate only the rows that "
        "it sees. Set QUITTANCE_MIGRATION_URL to a superuser for one run of `quittance db upgrade`, or have "
        "an administrator of the server run this and try again:"
    )
    raise RolesNotReady(detail, statements=[*missing.values(), f"ALTER ROLE {_quoted(user.name)} BYPASSRLS;"])


def make_roles(connection: Connection, *, prefix: str) -> Roles:
    """The three roles, made where they are missing. Raises RolesNotReady."""
    roles, user = role_names(prefix), _current_user(connection)
    missing = _missing(connection, roles)
    if missing and not user.may_create_roles:
        detail = (
            f"The database user {user.name} may not create roles. "
            "Have an administrator of the server run this and try again:"
        )
        raise RolesNotReady(detail, statements=tuple(missing.values()))
    for statement in missing.values():
        # Another database on this server may be at it too; roles are the server's.
        connection.exec_driver_sql(
            f"DO $$ BEGIN {statement} EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
        )
    _demand_fit(_known(connection, roles), roles=roles)
    schema = _quoted(connection.execute(sa.select(sa.func.current_schema())).scalar_one())
    connection.exec_driver_sql(f"GRANT USAGE ON SCHEMA {schema} TO {roles.app}, {roles.worker}")
    connection.exec_driver_sql(f"GRANT USAGE, CREATE ON SCHEMA {schema} TO {roles.migrator}")
    return roles


def _demand_fit(known: dict[str, _Role], *, roles: Roles) -> None:
    """Roles that were there before us may be anybody's."""
    for name in (roles.app, roles.worker):
        if not known[name].bound:
            msg = (
                f"The server has a role {name} that row-level security does not bind. "
                "Set QUITTANCE_ROLE_PREFIX to another prefix, or have an administrator alter the role:"
            )
            raise RolesNotReady(msg, statements=[f"ALTER ROLE {name} NOSUPERUSER NOBYPASSRLS;"])
    if known[roles.migrator].bound:
        msg = f"The server has a role {roles.migrator} that row-level security binds. An administrator runs:"
        raise RolesNotReady(msg, statements=[f"ALTER ROLE {roles.migrator} BYPASSRLS;"])


def allow(connection: Connection, *, role: str, rights: str, table: str) -> None:
    """`rights` as GRANT takes them, with columns where only some may be changed."""
    connection.exec_driver_sql(f"GRANT {rights} ON {table} TO {role}")


def lend_schema(connection: Connection, *, role: str, schema: str) -> None:
    """A schema in which the role makes tables of its own; what is there already is lent with it."""
    connection.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {schema}")
    connection.exec_driver_sql(f"GRANT USAGE, CREATE ON SCHEMA {schema} TO {role}")
    for kind in ("TABLES", "SEQUENCES", "FUNCTIONS"):
        connection.exec_driver_sql(f"GRANT ALL ON ALL {kind} IN SCHEMA {schema} TO {role}")


def guard(connection: Connection, *, table: str) -> None:
    for statement in guard_sql(table):
        connection.exec_driver_sql(statement)


def hand_over(connection: Connection, *, prefix: str, tables: Iterable[str]) -> None:
    """What a superuser has made is the migrator's from now on, so that he can go on without a superuser."""
    roles = role_names(prefix)
    made = connection.execute(
        sa.text(
            "SELECT c.relname FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner"
            " WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')"
            " AND r.rolname = current_user AND r.rolsuper AND to_regrole(:migrator) IS NOT NULL"
        ),
        {"migrator": roles.migrator},
    ).scalars()
    for name in sorted({*made} & {*tables}):
        connection.exec_driver_sql(f"ALTER TABLE {name} OWNER TO {roles.migrator}")


def _missing(connection: Connection, roles: Roles) -> dict[str, str]:
    known = _known(connection, roles)
    return {name: sql for name, sql in creation_sql(roles).items() if name not in known}


_ROLE_QUERY = sa.text(
    "SELECT rolname, rolsuper, rolbypassrls, rolcreaterole,"
    " current_setting('server_version_num')::int AS version FROM pg_roles WHERE rolname = ANY(:names)"
)


def _known(connection: Connection, roles: Roles) -> dict[str, _Role]:
    return _look_up(connection, [roles.migrator, roles.app, roles.worker])


def _current_user(connection: Connection) -> _Role:
    name = connection.execute(sa.text("SELECT current_user")).scalar_one()
    return _look_up(connection, [name])[name]


def _look_up(connection: Connection, names: list[str]) -> dict[str, _Role]:
    return {
        row.rolname: _Role(
            name=row.rolname,
            bound=not (row.rolsuper or row.rolbypassrls),
            may_create_roles=row.rolsuper
            or (row.rolcreaterole and row.rolbypassrls and row.version >= _CREATEROLE_SUFFICES),
        )
        for row in connection.execute(_ROLE_QUERY, {"names": names})
    }


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
