"""A migrated database for each test, once on SQLite and once on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from app.db import make_engine
from app.jobs.model import job
from tests.store.two_tenants import GUARDED, OURS, THEIRS, fill, row_of
from tests.support.roles import Logins, copy_with_roles, opened


@pytest.fixture
def empty_engine(database_url: str) -> Iterator[Engine]:
    """An engine on a database without tables."""
    engine = make_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def engine(migrated_url: str) -> Iterator[Engine]:
    engine = make_engine(migrated_url)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def template(roles_template: Logins, postgres_url: str) -> Iterator[Logins]:
    """Rows of both tenants. To be copied: nobody connects to it."""
    with copy_with_roles(roles_template, server_url=postgres_url) as logins:
        with opened(logins.owner) as owner:
            fill(owner)
        yield logins


@pytest.fixture(scope="module")
def filled(template: Logins, postgres_url: str) -> Iterator[Logins]:
    """One database for the tests of this file that leave its rows as they are."""
    with copy_with_roles(template, server_url=postgres_url) as copied:
        yield copied


@pytest.fixture
def own(template: Logins, postgres_url: str) -> Iterator[Logins]:
    """A database of one test, with the same rows."""
    with copy_with_roles(template, server_url=postgres_url) as copied:
        yield copied


@pytest.fixture
def unguarded(own: Logins) -> Logins:
    """The same database without row-level security: what it would be like if a migration forgot it."""
    with opened(own.owner) as owner, owner.begin() as connection:
        for name in GUARDED:
            connection.exec_driver_sql(f"ALTER TABLE {name} DISABLE ROW LEVEL SECURITY")
    return own


@pytest.fixture
def queued(own: Logins) -> Logins:
    """Each tenant has one job that waits, beside the one that is done."""
    with opened(own.owner) as owner, owner.begin() as connection:
        for tenant_id in (OURS, THEIRS):
            row = row_of("job", tenant_id=tenant_id, mark="waiting")
            waiting = {"state": "queued", "step": "queued", "finished_at": None, "open_key": tenant_id}
            connection.execute(sa.insert(job).values({**row, **waiting}))
    return own
