"""Transactions: snapshots for readers, one writer at a time, and named errors where the environment fails."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.exc import IntegrityError

from app.audit.model import audit_head
from app.db import insert_new, make_engine, reading, upgrade
from app.db_errors import DatabaseLocked, DatabaseUnreachable, DatabaseUnwritable
from app.errors import EnvironmentProblem
from app.tenants.model import tenant

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
DEADLINE_SECONDS = 20


def _row(id_: str) -> dict[str, object]:
    return {"id": id_, "name": id_, "created_at": NOW}


def _ids(engine: Engine) -> set[str]:
    with reading(engine) as connection:
        return set(connection.scalars(sa.select(tenant.c.id)))


@pytest.fixture
def impatient(engine: Engine) -> Iterator[Engine]:
    """The same database, by an engine that waits a second for a lock."""
    other = make_engine(engine.url.render_as_string(hide_password=False), wait_seconds=1)
    yield other
    other.dispose()


def test_a_failed_transaction_leaves_nothing(engine: Engine) -> None:
    with pytest.raises(IntegrityError), engine.begin() as connection:
        connection.execute(tenant.insert(), [_row("a"), _row("b"), _row("a")])
    assert _ids(engine) == set()


def test_a_failed_transaction_leaves_no_table_either(empty_engine: Engine) -> None:
    """The driver of SQLite alone would commit before DDL."""
    table = sa.Table("scratch", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True))
    with empty_engine.begin() as connection:
        table.create(connection)
        connection.rollback()
    assert not sa.inspect(empty_engine).has_table("scratch")


def test_a_reader_keeps_its_snapshot_and_does_not_block_a_writer(engine: Engine) -> None:
    counted = sa.select(sa.func.count()).select_from(tenant)
    with reading(engine) as reader:
        assert reader.scalar(counted) == 0
        with engine.begin() as writer:
            writer.execute(tenant.insert(), _row("a"))
        assert reader.scalar(counted) == 0
    assert _ids(engine) == {"a"}


def test_a_writer_does_not_block_a_reader(engine: Engine) -> None:
    with engine.begin() as writer:
        writer.execute(tenant.insert(), _row("a"))
        assert _ids(engine) == set()


def test_a_reader_cannot_write_and_the_connection_can_again_afterwards(engine: Engine) -> None:
    with pytest.raises(DatabaseUnwritable), reading(engine) as connection:
        connection.execute(tenant.insert(), _row("a"))
    with engine.begin() as connection:
        connection.execute(tenant.insert(), _row("b"))
    assert _ids(engine) == {"b"}


def test_writers_that_read_first_do_not_fail_or_overwrite_each_other(engine: Engine) -> None:
    threads, rounds = 8, 10

    def count_up() -> None:
        for _ in range(rounds):
            with engine.begin() as connection:
                seen = connection.scalar(sa.select(audit_head.c.seq).with_for_update())
                assert seen is not None
                connection.execute(audit_head.update().values(seq=seen + 1))

    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(count_up) for _ in range(threads)]:
            done.result(timeout=DEADLINE_SECONDS)
    with reading(engine) as connection:
        assert connection.scalar(sa.select(audit_head.c.seq)) == threads * rounds


def test_a_lock_held_too_long_is_named(engine: Engine, impatient: Engine) -> None:
    touch = audit_head.update().values(seq=audit_head.c.seq)
    with engine.begin() as holder:
        holder.execute(touch)
        with pytest.raises(DatabaseLocked, match="busy with another writer"), impatient.begin() as second:
            second.execute(touch)
    with impatient.begin() as second:
        assert second.execute(touch).rowcount == 1


def test_a_writer_waits_for_another(engine: Engine) -> None:
    touch = audit_head.update().values(seq=audit_head.c.seq + 1)
    started = threading.Event()

    def write_second() -> None:
        started.set()
        with engine.begin() as second:
            second.execute(touch)

    with ThreadPoolExecutor(1) as pool:
        with engine.begin() as first:
            first.execute(touch)
            waiting = pool.submit(write_second)
            assert started.wait(DEADLINE_SECONDS)
        waiting.result(timeout=DEADLINE_SECONDS)
    with reading(engine) as connection:
        assert connection.scalar(sa.select(audit_head.c.seq)) == 2


def test_insert_new_adds_only_what_is_not_there(engine: Engine) -> None:
    with engine.begin() as connection:
        assert insert_new(connection, tenant, []) == 0
        assert insert_new(connection, tenant, [_row("a"), _row("b")]) == 2
        assert insert_new(connection, tenant, [_row("b"), _row("c"), _row("c")]) == 1
        assert insert_new(connection, tenant, [_row("a")]) == 0
        assert insert_new(connection, tenant, [_row("a")], unique=["id"]) == 0
    assert _ids(engine) == {"a", "b", "c"}


def test_insert_new_hides_no_other_fault(engine: Engine) -> None:
    with pytest.raises(IntegrityError, match="ck_tenant_name"), engine.begin() as connection:
        insert_new(connection, tenant, [{"id": "a", "name": "", "created_at": NOW}])


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mysql://root:s3cret@localhost/x",
        "s3cret",
        "sqlite://",
        "sqlite:///:memory:",
        "postgresql+asyncpg://x",
    ],
)
def test_other_databases_are_refused_without_repeating_the_url(url: str) -> None:
    with pytest.raises(DatabaseUnreachable) as raised:
        make_engine(url)
    assert "s3cret" not in raised.value.detail


def test_an_unreachable_server_is_named_without_its_password() -> None:
    # Port 1 is tcpmux: nobody listens there.
    with pytest.raises(DatabaseUnreachable, match="can't be reached") as raised:
        upgrade("postgresql://quittance:s3cret@127.0.0.1:1/quittance")
    assert "s3cret" not in str(raised.value)
    assert isinstance(raised.value, EnvironmentProblem)


def test_a_missing_postgresql_database_is_named(postgres_url: str) -> None:
    url = sa.make_url(postgres_url).set(database="no_such_database").render_as_string(hide_password=False)
    with pytest.raises(DatabaseUnreachable):
        upgrade(url)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(DatabaseUnwritable, match="can't be made"):
        upgrade(f"sqlite:///{tmp_path}/file/below/quittance.db")


def test_a_missing_file_is_not_made_by_reading(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path}/missing/quittance.db")
    with pytest.raises(DatabaseUnreachable, match="can't be opened"), reading(engine):
        pass


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "quittance.db").write_bytes(b"This is a letter, and not a database. " * 100)
    with pytest.raises(DatabaseUnreachable, match="not a SQLite database"):
        upgrade(f"sqlite:///{tmp_path}/quittance.db")


def test_a_database_that_may_only_be_read_is_named(sqlite_database: str) -> None:
    upgrade(sqlite_database)
    path = sa.make_url(sqlite_database).database
    engine = make_engine(f"sqlite:///file:{path}?mode=ro&uri=true")
    with pytest.raises(DatabaseUnwritable, match="can't be written"), engine.begin() as connection:
        connection.execute(tenant.insert(), _row("a"))
    assert _ids(engine) == set()
    engine.dispose()


def test_a_full_disk_is_named(sqlite_database: str) -> None:
    upgrade(sqlite_database)
    engine = make_engine(sqlite_database)
    with closing(engine.raw_connection()) as raw:
        pages = raw.cursor().execute("PRAGMA page_count").fetchone()[0]

    @sa.event.listens_for(engine, "checkout")
    def _allow_no_more_pages(connection: object, _record: object, _proxy: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages}")  # type: ignore[attr-defined]

    rows = [{**_row(str(number)), "name": "n" * 200} for number in range(1000)]
    with pytest.raises(DatabaseUnwritable, match="disk is full"), engine.begin() as connection:
        connection.execute(tenant.insert(), rows)
    assert _ids(engine) == set()
    engine.dispose()


def test_a_new_folder_is_its_owners_alone(tmp_path: Path) -> None:
    upgrade(f"sqlite:///{tmp_path}/data/quittance.db")
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
