"""A PostgreSQL database as it is run for many tenants: three roles of the test's own, each with a password.

Roles belong to the server, which may be somebody's, so they are named at random and dropped at the end.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from app.db import make_engine, upgrade
from app.migrations.roles import role_names
from tests.support.clone import clone_postgres
from tests.support.postgres import fresh_database

PASSWORD = "the tests' own"  # noqa: S105 - of roles that live as long as one test run.


@dataclass(frozen=True, slots=True, kw_only=True)
class Logins:
    """URLs of one database. `owner` is a superuser, whom nothing binds."""

    prefix: str
    owner: str
    migrator: str
    app: str
    worker: str

    def of(self, role: str) -> str:
        return {"app": self.app, "worker": self.worker}[role]


@contextlib.contextmanager
def migrated_with_roles(server_url: str) -> Iterator[Logins]:
    """A migrated database, and roles that are dropped with it."""
    with own_prefix(server_url) as prefix, fresh_database(server_url) as url:
        upgrade(url, role_prefix=prefix)
        give_passwords(server_url, prefix=prefix)
        yield logins(url, prefix=prefix)


@contextlib.contextmanager
def copy_with_roles(template: Logins, *, server_url: str) -> Iterator[Logins]:
    """A copy, for the same roles. Nobody may be connected to the template."""
    with clone_postgres(template.owner, server_url=server_url) as url:
        yield logins(url, prefix=template.prefix)


@contextlib.contextmanager
def own_prefix(server_url: str) -> Iterator[str]:
    """A prefix nobody has. Roles of that prefix are dropped at the end; their databases must be gone."""
    prefix = f"qt{secrets.token_hex(6)}"
    yield prefix
    roles = role_names(prefix)
    administer(
        server_url, *(f"DROP ROLE IF EXISTS {name}" for name in (roles.app, roles.worker, roles.migrator))
    )


@contextlib.contextmanager
def opened(url: str) -> Iterator[Engine]:
    engine = make_engine(url)
    try:
        yield engine
    finally:
        engine.dispose()


def give_passwords(server_url: str, *, prefix: str) -> None:
    roles = role_names(prefix)
    quoted = PASSWORD.replace("'", "''")
    administer(
        server_url,
        *(f"ALTER ROLE {name} PASSWORD '{quoted}'" for name in (roles.app, roles.worker, roles.migrator)),
    )


def logins(url: str, *, prefix: str) -> Logins:
    roles = role_names(prefix)
    return Logins(
        prefix=prefix,
        owner=url,
        migrator=logged_in(url, user=roles.migrator),
        app=logged_in(url, user=roles.app),
        worker=logged_in(url, user=roles.worker),
    )


def logged_in(url: str, *, user: str) -> str:
    own = sa.make_url(url).set(username=user, password=PASSWORD)
    return own.render_as_string(hide_password=False)


def administer(url: str, *statements: str) -> None:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    try:
        with engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement.replace("%", "%%"))
    finally:
        engine.dispose()
