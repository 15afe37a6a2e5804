"""PostgreSQL keeps tenants apart by itself: logged in as `app` and `worker`, by queries without a tenant.

Beside each refusal stands the same act where no policy binds, so that a test which would pass without the
policies fails here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import ProgrammingError

from app.audit.log import LogNotInSight, replay
from app.audit.model import audit_entry, audit_head, audit_payload
from app.db import reading
from app.evidence.model import evidence
from app.jobs.model import job
from app.jobs.store import find_job, open_jobs, page_of_jobs
from app.tenants.model import api_key, idempotency_key
from app.tenants.service import authenticate, create_key
from tests.store.looking import bound, changed, refused, refuses, tables_of, tenants_seen, whose
from tests.store.two_tenants import GUARDED, NOW, OURS, THEIRS, WRITTEN, insert, record
from tests.support.postgres import fresh_database
from tests.support.roles import Logins, opened

DEADLINE_SECONDS = 60


@pytest.fixture
def owner(filled: Logins) -> Iterator[Engine]:
    with opened(filled.owner) as engine:
        yield engine


@pytest.fixture
def app(filled: Logins) -> Iterator[Engine]:
    with opened(filled.app) as engine:
        yield engine


@pytest.fixture
def worker(filled: Logins) -> Iterator[Engine]:
    with opened(filled.worker) as engine:
        yield engine


# -- reading


@pytest.mark.parametrize("role", ["app", "worker"])
def test_a_tenant_sees_its_own_rows_in_every_table(filled: Logins, role: str) -> None:
    with opened(filled.of(role)) as engine:
        for table in tables_of(role):
            assert tenants_seen(bound(engine, OURS), table) == {OURS}, table
            assert tenants_seen(bound(engine, THEIRS), table) == {THEIRS}, table


@pytest.mark.parametrize("role", ["app", "worker"])
@pytest.mark.parametrize("nobody", [None, "", "ten_unknown", "' OR true --"])
def test_without_a_tenant_there_are_no_rows(filled: Logins, role: str, nobody: str | None) -> None:
    with opened(filled.of(role)) as engine:
        asking = engine if nobody is None else bound(engine, nobody)
        # Jobs are found without a tenant: by the worker those that wait, by the operator all.
        of_nobody = set() if nobody not in {None, ""} or role == "worker" else {OURS, THEIRS}
        for table in tables_of(role):
            assert tenants_seen(asking, table) == (of_nobody if table == "job" else set()), table


@pytest.mark.parametrize("role", ["app", "worker"])
def test_without_the_policies_these_queries_see_every_tenant(unguarded: Logins, role: str) -> None:
    with opened(unguarded.of(role)) as engine:
        for table in tables_of(role):
            assert tenants_seen(bound(engine, OURS), table) == {OURS, THEIRS}, table
            assert tenants_seen(engine, table) == {OURS, THEIRS}, table


def test_a_superuser_is_never_bound(owner: Engine) -> None:
    """Which is why no test here that counts is logged in as one."""
    for table in GUARDED:
        assert tenants_seen(bound(owner, OURS), table) == {OURS, THEIRS}, table


def test_counting_and_joining_tell_nothing_of_others(app: Engine, owner: Engine) -> None:
    queries = ("SELECT count(*) FROM debt", "SELECT count(*) FROM debt AS a JOIN debt AS b USING (id)")
    for query, of_all in zip(queries, (4, 8), strict=True):
        with reading(bound(app, OURS)) as connection:
            assert connection.scalar(sa.text(query)) == 2
        with reading(owner) as connection:
            assert connection.scalar(sa.text(query)) == of_all


# -- writing


OF_WORKERS = ("job", "job_step", "assessment_snapshot")
WRITTEN_BY = {"app": sorted({*WRITTEN} - {"job_step", "assessment_snapshot"}), "worker": OF_WORKERS}


def writes_theirs(table: str) -> Callable[[Connection], None]:
    return lambda connection: insert(connection, table, tenant_id=THEIRS, mark="new")


@pytest.mark.parametrize("role", ["app", "worker"])
def test_nothing_is_written_for_another_tenant(filled: Logins, owner: Engine, role: str) -> None:
    with opened(filled.of(role)) as engine:
        for table in WRITTEN_BY[role]:
            write = writes_theirs(table)
            assert refused(bound(engine, OURS), write), table
            assert refused(engine, write), table
            # The same row is a good one where it may be written.
            assert not refused(bound(engine, THEIRS), write), table
            assert not refused(owner, write), table


@pytest.mark.parametrize("role", ["app", "worker"])
def test_without_the_policies_it_would_be_written(unguarded: Logins, role: str) -> None:
    with opened(unguarded.of(role)) as engine:
        for table in WRITTEN_BY[role]:
            assert not refused(bound(engine, OURS), writes_theirs(table)), table
            assert not refused(engine, writes_theirs(table)), table


@pytest.mark.parametrize("role", ["app", "worker"])
def test_an_entry_of_the_log_is_written_for_its_own_tenant_only(filled: Logins, role: str) -> None:
    def write_theirs(connection: Connection) -> None:
        record(connection, tenant_id=THEIRS)

    with opened(filled.of(role)) as engine:
        assert refused(bound(engine, OURS), write_theirs)
        assert refused(engine, write_theirs)
        assert not refused(bound(engine, THEIRS), write_theirs)


CANCEL_ALL = sa.update(evidence).values(state="cancelled", step="cancelled")
FORGET_ALL = sa.delete(idempotency_key)
ANSWER_ALL = sa.update(idempotency_key).values(location="/v1/elsewhere")


@pytest.mark.parametrize("statement", [CANCEL_ALL, FORGET_ALL, ANSWER_ALL], ids=str)
def test_a_change_of_every_row_is_one_of_the_own_rows(
    app: Engine, owner: Engine, unguarded: Logins, statement: sa.UpdateBase
) -> None:
    assert changed(bound(app, OURS), statement) == 1
    assert changed(app, statement) == 0
    assert changed(owner, statement) == 2
    with opened(unguarded.app) as free:
        assert changed(bound(free, OURS), statement) == 2


def test_a_worker_changes_the_rows_of_the_tenant_it_works_for(worker: Engine, unguarded: Logins) -> None:
    assert changed(bound(worker, OURS), CANCEL_ALL) == 1
    assert changed(worker, CANCEL_ALL) == 0
    with opened(unguarded.worker) as free:
        assert changed(free, CANCEL_ALL) == 2


def test_a_row_is_not_handed_to_another_tenant(app: Engine, owner: Engine) -> None:
    give = sa.update(idempotency_key).where(idempotency_key.c.tenant_id == OURS).values(
        tenant_id=THEIRS, key="ours once"
    )  # fmt: skip
    assert refuses(bound(app, OURS), give)
    assert not refuses(owner, give)


# -- what has to be found across tenants


def test_a_worker_finds_what_waits_and_nothing_else(queued: Logins) -> None:
    begin_all = sa.update(job).values(step="loading")
    with opened(queued.worker) as worker:
        with reading(worker) as connection:
            found = open_jobs(connection, limit=100)
            seen = connection.execute(sa.text("SELECT state FROM job")).scalars().all()
        assert {each.tenant_id for each in found} == {OURS, THEIRS}
        assert seen == ["queued", "queued"]
        # It may see them, but not change them, before it works for their tenant.
        assert changed(worker, begin_all) == 0
        # Then the other tenant's is out of sight again.
        assert tenants_seen(bound(worker, OURS), "job") == {OURS}
        assert changed(bound(worker, OURS), begin_all) == 2


def test_the_operator_is_shown_all_jobs_and_changes_none(queued: Logins) -> None:
    with opened(queued.app) as app:
        with reading(bound(bound(app, OURS), None)) as connection:
            shown = page_of_jobs(connection, tenant_id=None, after=None, limit=100)
        assert sorted(each.tenant_id for each in shown) == [OURS, OURS, THEIRS, THEIRS]
        assert changed(app, sa.update(job).values(step="loading")) == 0
        with reading(bound(app, OURS)) as connection:
            assert find_job(connection, tenant_id=None, job_id="job_waiting") is not None
            mine = page_of_jobs(connection, tenant_id=None, after=None, limit=100)
        assert {each.tenant_id for each in mine} == {OURS}


def test_a_key_opens_its_tenant_before_the_tenant_is_known(own: Logins) -> None:
    with opened(own.app) as app:
        with app.begin() as connection:
            made = create_key(connection, tenant_id=THEIRS, name="books", scopes=["read"], now=NOW)
        with reading(app) as connection:
            principal = authenticate(connection, key=made.plain, now=NOW)
        assert principal is not None
        assert principal.tenant_id == THEIRS
        forge = sa.update(api_key).values(key_hash=bytes(32))
        assert refuses(app, forge)
    with opened(own.worker) as worker:
        assert refuses(worker, sa.select(api_key))


# -- one transaction after another over the same connections


def test_the_tenant_ends_with_its_transaction(app: Engine) -> None:
    seen = []
    for tenant_id in (OURS, None, THEIRS, None):
        engine = app if tenant_id is None else bound(app, tenant_id)
        with engine.begin() as connection:
            seen.append(whose(connection))
        with reading(engine) as connection:
            seen.append(whose(connection))
    assert len({process for process, _, _ in seen}) == 1  # Or nothing could have leaked.
    assert [tenant for _, tenant, _ in seen] == [OURS, OURS, None, None, THEIRS, THEIRS, None, None]
    assert [rows for _, _, rows in seen] == [{OURS}, {OURS}, set(), set(), {THEIRS}, {THEIRS}, set(), set()]


def test_the_tenant_ends_with_a_transaction_that_fails(app: Engine) -> None:
    with bound(app, OURS).connect() as connection:
        first, _, rows = whose(connection)
        with pytest.raises(ProgrammingError):
            connection.execute(sa.text("SELECT nothing FROM nowhere"))
    assert rows == {OURS}
    with app.begin() as connection:
        assert whose(connection) == (first, None, set())


def test_each_transaction_of_one_connection_has_the_tenant(app: Engine) -> None:
    """Also after a rollback, and past a savepoint."""
    with bound(app, OURS).connect() as connection:
        assert whose(connection)[2] == {OURS}
        connection.rollback()
        assert whose(connection)[2] == {OURS}
        connection.commit()
        with connection.begin():
            savepoint = connection.begin_nested()
            assert whose(connection)[2] == {OURS}
            savepoint.rollback()
            assert whose(connection)[2] == {OURS}


def test_a_setting_that_outlived_its_transaction_would_be_found(filled: Logins) -> None:
    """The tests above can fail: this is what they would see."""
    with opened(filled.app) as app:
        with app.begin() as connection:
            connection.execute(sa.text(f"SELECT set_config('app.tenant', '{OURS}', false)"))
        with app.begin() as connection:
            assert whose(connection)[1:] == (OURS, {OURS})


def test_threads_share_the_pool_and_no_tenant(app: Engine) -> None:
    threads, rounds = 8, 25

    def look(number: int) -> set[tuple[str, ...]]:
        tenant_id = (OURS, THEIRS)[number % 2]
        return {tuple(sorted(tenants_seen(bound(app, tenant_id), "debt"))) for _ in range(rounds)}

    with ThreadPoolExecutor(threads) as pool:
        found = [
            each.result(timeout=DEADLINE_SECONDS) for each in [pool.submit(look, n) for n in range(threads)]
        ]
    assert found == [{(OURS,)}, {(THEIRS,)}] * (threads // 2)


# -- the log


CHANGES_OF_THE_LOG = (
    sa.update(audit_entry).values(actor="key_2"),
    sa.delete(audit_entry),
    sa.update(audit_payload).values(payload="{}"),
    sa.delete(audit_payload),
    sa.text("TRUNCATE audit_payload"),
    sa.text("TRUNCATE audit_entry CASCADE"),
    sa.delete(audit_head),
    sa.insert(audit_head).values(id=1, seq=0, previous=bytes(32)),
    sa.update(audit_head).values(id=1),
)


@pytest.mark.parametrize("role", ["app", "worker"])
@pytest.mark.parametrize("change", CHANGES_OF_THE_LOG, ids=str)
def test_the_log_is_appended_to_and_never_changed(filled: Logins, role: str, change: sa.Executable) -> None:
    with opened(filled.of(role)) as engine:
        for asking in (engine, bound(engine, OURS)):
            assert refuses(asking, change)


def test_the_owner_could_change_it(owner: Engine) -> None:
    """So it is the grants that refuse; the chain of leaves tells of whoever passes them."""
    for change in CHANGES_OF_THE_LOG:
        if not isinstance(change, sa.Insert | sa.Delete):
            assert not refuses(owner, change)


@pytest.mark.parametrize("role", ["app", "worker"])
def test_a_log_seen_in_part_is_not_called_broken(filled: Logins, owner: Engine, role: str) -> None:
    with opened(filled.of(role)) as engine:
        for asking in (engine, bound(engine, OURS)):
            with reading(asking) as connection, pytest.raises(LogNotInSight):
                replay(connection)
    with reading(owner) as connection:
        assert replay(connection) is None
    with opened(filled.migrator) as migrator, reading(migrator) as connection:
        assert replay(connection) is None


def test_entries_of_two_tenants_make_one_chain(own: Logins) -> None:
    with opened(own.app) as app:
        for tenant_id in (OURS, THEIRS, OURS):
            with bound(app, tenant_id).begin() as connection:
                record(connection, tenant_id=tenant_id)
    with opened(own.owner) as owner, reading(owner) as connection:
        assert connection.scalar(sa.select(audit_head.c.seq)) == 5
        assert replay(connection) is None


# -- the guard itself


@pytest.mark.parametrize("role", ["app", "worker"])
def test_nobody_takes_off_the_guard(filled: Logins, role: str) -> None:
    attempts = (
        "ALTER TABLE debt DISABLE ROW LEVEL SECURITY",
        "DROP POLICY tenant ON debt",
        "CREATE POLICY open ON debt USING (true)",
        f"SET ROLE {filled.prefix}_migrator",
        f"ALTER ROLE {filled.prefix}_{role} BYPASSRLS",
        "CREATE TABLE own (id int)",
    )
    with opened(filled.of(role)) as engine:
        for attempt in attempts:
            assert refuses(engine, sa.text(attempt)), attempt

        def look_past(connection: Connection) -> None:
            connection.execute(sa.text("SET LOCAL row_security = off"))
            connection.execute(sa.text("SELECT id FROM debt"))

        # Whoever switches it off gets an error instead of the hidden rows.
        assert refused(engine, look_past)


def test_the_owner_of_the_tables_is_bound_too(own: Logins) -> None:
    """FORCE: owning a table is no way around."""
    with opened(own.owner) as owner, opened(own.app) as app:
        with owner.begin() as connection:
            connection.exec_driver_sql(f"ALTER TABLE debt OWNER TO {own.prefix}_app")
        assert tenants_seen(app, "debt") == set()
        with owner.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE debt NO FORCE ROW LEVEL SECURITY")
        assert tenants_seen(app, "debt") == {OURS, THEIRS}


def test_an_empty_database_has_nothing_to_guard(postgres_url: str) -> None:
    """Naming a tenant needs no schema."""
    with (
        fresh_database(postgres_url) as url,
        opened(url) as engine,
        bound(engine, OURS).begin() as connection,
    ):
        assert connection.scalar(sa.text("SELECT current_setting('app.tenant')")) == OURS
