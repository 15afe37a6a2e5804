"""The roles on PostgreSQL: each table has its policy and its grants, and roles are made without harm."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy.engine import Connection, Engine

from app.db import current_revision, head_revision, reading, upgrade
from app.db_errors import DatabaseUnwritable
from app.migrations.models import metadata
from app.migrations.roles import RolesNotReady, creation_sql, role_names
from app.resources import SchemaOutOfDate, build_resources
from app.roles import Standing, standing
from app.settings import Settings
from tests.store.two_tenants import GUARDED
from tests.support.postgres import fresh_database
from tests.support.roles import (
    Logins,
    administer,
    give_passwords,
    logged_in,
    logins,
    opened,
    own_prefix,
)

OWN_ROWS = "(tenant_id = NULLIF(current_setting('app.tenant'::text, true), ''::text))"
A, W, R, D = "INSERT", "UPDATE", "SELECT", "DELETE"

# What `app` and what `worker` may do; a column after a verb where only that one may be changed. A table that
# is not here fails the test: who needs what is decided when the table is made.
RIGHTS: dict[str, tuple[set[str], set[str]]] = {
    # Of a tenant: recorded through the API, read by whoever seals.
    "party": ({R, A}, {R}),
    "account_binding": ({R, A}, {R}),
    "debt": ({R, A}, {R}),
    "installment": ({R, A}, {R}),
    "debt_account": ({R, A}, {R}),
    "accepted_asset": ({R, A}, {R}),
    "disbursement": ({R, A}, {R}),
    "debt_event": ({R, A}, {R}),
    "evidence": ({R, A, "UPDATE state", "UPDATE step"}, {R, W}),
    "idempotency_key": ({R, A, W, D}, set()),
    # Asked for and cancelled through the API, worked on by a worker, which keeps what it found.
    "job": (
        {R, A, *(f"UPDATE {name}" for name in ("state", "step", "finished_at", "failure", "open_key"))},
        {R, A, W},
    ),
    "job_step": (set(), {R, A}),
    "assessment_snapshot": ({R}, {R, A}),
    # Who may ask.
    "tenant": ({R, A}, {R}),
    "api_key": ({R, A, "UPDATE revoked_at"}, set()),
    # The log: appended to, never changed.
    "audit_entry": ({R, A}, {R, A}),
    "audit_payload": ({R, A}, {R, A}),
    "audit_head": ({R, "UPDATE seq", "UPDATE previous"}, {R, "UPDATE seq", "UPDATE previous"}),
    # Configured through the API.
    "chain": ({R, A, W}, {R}),
    "chain_node": ({R, A, W}, {R, W}),
    "chain_reading": ({R, A, "UPDATE agreement"}, {R, A, W}),
    "native_setting": ({R, A, W}, {R}),
    "asset": ({R, A}, {R}),
    "watch": ({R, A, W}, {R}),
    # Read from chains. An assessment may have the block at the end of its window looked up.
    "time_mark": ({R, A}, {R, A, W}),
    "block": ({R, A}, {R, A}),
    "transfer": ({R}, {R, A}),
    "transfer_account": ({R}, {R, A}),
    "transfer_unsorted": ({R}, {R, A, D}),
    "emitter": ({R}, {R, A}),
    "native_transfer": ({R}, {R, A}),
    "tender": ({R}, {R, A}),
    "other_log": ({R}, {R, A}),
    "chain_lease": ({R}, {R, A, W}),
    "job_executor": ({R}, {R, A, W, D}),
    "token": ({R}, {R, A}),
    "coverage": ({R}, {R, A}),
    "account_set": ({R}, {R, A, "UPDATE size"}),
    "account_set_member": ({R}, {R, A}),
    "disagreement": ({R}, {R, A}),
    "disagreement_answer": ({R}, {R, A}),
    "node_reading": ({R}, {R, A, W}),
    # What is provisional is taken back whole, and ranges that meet are joined.
    "covered_range": ({R}, {R, A, D}),
    "provisional_block": ({R}, {R, A, D}),
    "provisional_transfer": ({R}, {R, A, D}),
    "alembic_version": ({R}, {R}),
}


@pytest.fixture
def owner(logins: Logins) -> Iterator[Engine]:
    with opened(logins.owner) as engine:
        yield engine


def unguarded(connection: Connection) -> list[str]:
    """The tables with a tenant whose rows the database does not keep apart as it should."""
    expected = [("tenant", "PERMISSIVE", "{public}", "ALL", OWN_ROWS, OWN_ROWS)]
    found = []
    for table in GUARDED:
        rows = connection.execute(
            sa.text(
                "SELECT policyname, permissive, roles::text, cmd, qual, with_check FROM pg_policies"
                " WHERE schemaname = current_schema() AND tablename = :table"
                " AND NOT (tablename = 'job' AND policyname IN ('unfinished_work', 'operator'))"
            ),
            {"table": table},
        )
        switches = connection.execute(
            sa.text(
                "SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = to_regclass(:table)"
            ),
            {"table": table},
        ).one_or_none()
        if [tuple(row) for row in rows] != expected or switches != (True, True):
            found.append(table)
    return sorted(found)


def test_every_table_with_a_tenant_keeps_tenants_apart(owner: Engine) -> None:
    """A table that comes with a later migration included."""
    assert len(GUARDED) >= 11
    with reading(owner) as connection:
        assert unguarded(connection) == []


@pytest.mark.parametrize(
    "harm",
    [
        "ALTER TABLE debt DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE debt NO FORCE ROW LEVEL SECURITY",
        "DROP POLICY tenant ON debt",
        "CREATE POLICY also ON debt USING (true)",
        "ALTER POLICY tenant ON debt USING (true)",
        "ALTER POLICY tenant ON debt WITH CHECK (true)",
        "ALTER TABLE debt RENAME TO obligation",
    ],
)
def test_a_table_without_its_guard_is_noticed(owner: Engine, harm: str) -> None:
    with owner.connect() as connection:
        connection.exec_driver_sql(harm)
        assert unguarded(connection) == ["debt"]
        connection.rollback()


def test_only_jobs_are_found_without_a_tenant(owner: Engine, logins: Logins) -> None:
    with reading(owner) as connection:
        rows = connection.execute(
            sa.text(
                "SELECT tablename, cmd, roles, with_check FROM pg_policies"
                " WHERE policyname <> 'tenant' ORDER BY policyname"
            )
        ).all()
    roles = role_names(logins.prefix)
    assert [tuple(row) for row in rows] == [
        ("job", "SELECT", [roles.app], None),
        ("job", "SELECT", [roles.worker], None),
    ]


def rights_of(connection: Connection, role: str, table: str) -> set[str]:
    """Its grants, and those of single columns where the table has none of that kind."""
    rows = connection.execute(
        sa.text(
            "SELECT privilege_type, NULL AS name FROM information_schema.role_table_grants"
            " WHERE grantee IN (:role, 'PUBLIC') AND table_name = :table UNION "
            "SELECT privilege_type, column_name FROM information_schema.column_privileges"
            " WHERE grantee IN (:role, 'PUBLIC') AND table_name = :table"
        ),
        {"role": role, "table": table},
    ).all()
    whole = {row.privilege_type for row in rows if row.name is None}
    parts = {
        f"{row.privilege_type} {row.name}" for row in rows if row.name and row.privilege_type not in whole
    }
    return whole | parts


def test_each_role_may_do_what_it_needs_and_no_more(owner: Engine, logins: Logins) -> None:
    roles = role_names(logins.prefix)
    with reading(owner) as connection:
        found = {
            table: (rights_of(connection, roles.app, table), rights_of(connection, roles.worker, table))
            for table in (*metadata.tables, "alembic_version")
        }
    assert found == RIGHTS


def test_the_tables_are_the_migrators(owner: Engine, logins: Logins) -> None:
    with reading(owner) as connection:
        rows = connection.execute(
            sa.text("SELECT tablename, tableowner FROM pg_tables WHERE schemaname = current_schema()")
        )
        owners = {row.tablename: row.tableowner for row in rows}
    assert set(owners) == {*metadata.tables, "alembic_version"}
    assert set(owners.values()) == {role_names(logins.prefix).migrator}


def test_who_one_is(logins: Logins, sqlite_database: str) -> None:
    roles = role_names(logins.prefix)
    expected = {
        logins.app: Standing(user=roles.app, bound=True, works=False),
        logins.worker: Standing(user=roles.worker, bound=True, works=True),
        logins.migrator: Standing(user=roles.migrator, bound=False, works=True),
    }
    for url, standing_expected in expected.items():
        with opened(url) as engine, reading(engine) as connection:
            assert standing(connection) == standing_expected
    with opened(sqlite_database) as engine, reading(engine) as connection:
        assert standing(connection) is None


# -- making the roles


@pytest.fixture
def prefix(postgres_url: str) -> Iterator[str]:
    with own_prefix(postgres_url) as name:
        yield name


@pytest.fixture
def plain(postgres_url: str) -> Iterator[str]:
    """A user who may do nothing but log in."""
    name = f"plain{secrets.token_hex(6)}"
    administer(postgres_url, f"CREATE ROLE {name} LOGIN PASSWORD 'the tests'' own'")
    yield name
    administer(postgres_url, f"DROP ROLE {name}")


@pytest.fixture
def database(prefix: str, plain: str, postgres_url: str) -> Iterator[str]:
    """Empty, and gone before its roles are dropped."""
    with fresh_database(postgres_url) as url:
        yield url


def test_the_printed_sql_and_a_database_of_his_own_are_all_the_migrator_needs(
    prefix: str, database: str, postgres_url: str
) -> None:
    """No superuser but for making roles and database."""
    roles = role_names(prefix)
    administer(postgres_url, *creation_sql(roles).values())
    give_passwords(postgres_url, prefix=prefix)
    administer(postgres_url, f'ALTER DATABASE "{sa.make_url(database).database}" OWNER TO {roles.migrator}')
    made = logins(database, prefix=prefix)
    upgrade(made.migrator, role_prefix=prefix)
    upgrade(made.migrator, role_prefix=prefix)
    with opened(made.app) as app, reading(app) as connection:
        assert current_revision(connection) == head_revision()
        assert connection.execute(sa.text("SELECT count(*) FROM debt")).scalar_one() == 0
    with opened(database) as owner, reading(owner) as connection:
        assert unguarded(connection) == []
        assert rights_of(connection, roles.worker, "evidence") == {R, W}


def test_a_plain_owner_is_told_what_an_administrator_has_to_run(
    prefix: str, database: str, plain: str, postgres_url: str
) -> None:
    """A database of before the roles, say. What is printed is run as it stands."""
    administer(postgres_url, f'ALTER DATABASE "{sa.make_url(database).database}" OWNER TO {plain}')
    url = logged_in(database, user=plain)
    with pytest.raises(RolesNotReady, match="row-level security") as raised:
        upgrade(url, role_prefix=prefix)
    assert "the tests' own" not in str(raised.value)
    assert all(statement in str(raised.value) for statement in raised.value.statements)
    with opened(database) as owner, reading(owner) as connection:
        assert sa.inspect(connection).get_table_names() == []
    administer(postgres_url, *raised.value.statements)
    upgrade(url, role_prefix=prefix)
    with opened(database) as owner, reading(owner) as connection:
        assert unguarded(connection) == []


def test_who_may_not_make_roles_is_told_which_are_missing(
    prefix: str, database: str, plain: str, postgres_url: str
) -> None:
    administer(
        postgres_url,
        f"ALTER ROLE {plain} BYPASSRLS",
        f'ALTER DATABASE "{sa.make_url(database).database}" OWNER TO {plain}',
    )
    with pytest.raises(RolesNotReady, match="may not create roles") as raised:
        upgrade(logged_in(database, user=plain), role_prefix=prefix)
    assert raised.value.statements == tuple(creation_sql(role_names(prefix)).values())
    # Nothing is half done.
    with opened(database) as owner, reading(owner) as connection:
        assert sa.inspect(connection).get_table_names() == []


@pytest.mark.parametrize("harm", ["app SUPERUSER", "worker BYPASSRLS"])
def test_a_role_that_nothing_binds_is_not_taken_for_ours(
    prefix: str, database: str, postgres_url: str, harm: str
) -> None:
    """It was there before, and is left as it is."""
    administer(postgres_url, f"CREATE ROLE {prefix}_{harm}")
    with pytest.raises(RolesNotReady, match="does not bind"):
        upgrade(database, role_prefix=prefix)


def test_two_databases_of_one_server_share_their_roles(prefix: str, database: str, postgres_url: str) -> None:
    with fresh_database(postgres_url) as second:
        upgrade(database, role_prefix=prefix)
        upgrade(second, role_prefix=prefix)
        give_passwords(postgres_url, prefix=prefix)
        for url in (database, second):
            with opened(logins(url, prefix=prefix).app) as app:
                assert_served(app)


def assert_served(app: Engine) -> None:
    with reading(app) as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM debt")).scalar_one() == 0


def test_the_roles_of_another_prefix_have_no_business_here(
    prefix: str, database: str, logins: Logins
) -> None:
    upgrade(database, role_prefix=prefix)
    stranger = sa.make_url(logins.app).set(database=sa.make_url(database).database)
    with opened(stranger.render_as_string(hide_password=False)) as engine, reading(engine) as connection:
        assert_nothing_is_shown(connection)


def assert_nothing_is_shown(connection: Connection) -> None:
    with pytest.raises(DatabaseUnwritable):
        connection.execute(sa.text("SELECT count(*) FROM debt"))


@pytest.mark.parametrize("prefix", ["", "Quittance", "1st", "a-b", 'x"; DROP ROLE postgres; --', "q" * 41])
def test_a_prefix_is_a_plain_word(prefix: str) -> None:
    with pytest.raises(ValueError, match="prefix"):
        role_names(prefix)


# -- starting as one of them


def settings_for(url: str, *, folder: Path, migration_url: str | None = None, prefix: str) -> Settings:
    return Settings(
        database_url=SecretStr(url),
        migration_url=None if migration_url is None else SecretStr(migration_url),
        role_prefix=prefix,
        data_dir=folder,
    )


@pytest.mark.parametrize("role", ["app", "worker"])
def test_whoever_serves_opens_an_up_to_date_database(logins: Logins, tmp_path: Path, role: str) -> None:
    settings = settings_for(logins.of(role), folder=tmp_path, prefix=logins.prefix)
    resources = build_resources(settings)
    assert resources.engine.url.username == f"{logins.prefix}_{role}"
    resources.close()


@pytest.mark.parametrize("role", ["app", "worker"])
def test_whoever_serves_does_not_migrate_and_says_what_to_do(
    logins: Logins, tmp_path: Path, role: str
) -> None:
    administer(logins.owner, "UPDATE alembic_version SET version_num = '0002'")
    settings = settings_for(logins.of(role), folder=tmp_path, prefix=logins.prefix)
    with pytest.raises(SchemaOutOfDate, match="QUITTANCE_MIGRATION_URL") as raised:
        build_resources(settings)
    assert "0002" in str(raised.value)
    assert "the tests' own" not in str(raised.value)
    with pytest.raises(RolesNotReady, match="may not change the schema"):
        upgrade(logins.of(role), role_prefix=logins.prefix)


def test_an_empty_database_is_named_as_such(
    prefix: str, database: str, postgres_url: str, tmp_path: Path
) -> None:
    administer(postgres_url, *creation_sql(role_names(prefix)).values())
    give_passwords(postgres_url, prefix=prefix)
    app = logins(database, prefix=prefix).app
    with pytest.raises(SchemaOutOfDate, match="no schema yet"):
        build_resources(settings_for(app, folder=tmp_path, prefix=prefix))
    # With the migrator's URL beside its own it brings the database up by that.
    resources = build_resources(settings_for(app, folder=tmp_path, prefix=prefix, migration_url=database))
    with reading(resources.engine) as connection:
        assert current_revision(connection) == head_revision()
        assert standing(connection) == Standing(user=f"{prefix}_app", bound=True, works=False)
    resources.close()
