"""The audit log: gapless under racing writers, bound to what it records; replay finds tampering."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone

import pytest
import rfc8785
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import IntegrityError

from app.audit.log import AuditHeadMissing, append, replay
from app.audit.model import audit_entry, audit_head, audit_payload
from app.canonical import NotRepresentable
from app.clock import BadTime
from app.db import make_engine, reading, upgrade
from app.tenants.model import tenant

NOW = datetime(2026, 1, 31, 12, 0, 0, 250000, tzinfo=UTC)
DEADLINE_SECONDS = 60
ENTRIES = 5


def _tenant(connection: Connection, id_: str) -> None:
    connection.execute(tenant.insert().values(id=id_, name=id_, created_at=NOW))


def _append(connection: Connection, object_id: str, *, tenant_id: str = "ten_1") -> int:
    return append(
        connection,
        tenant_id=tenant_id,
        actor="key_1",
        type_="party.recorded",
        object_id=object_id,
        payload={"name": "Zoë", "accounts": [{"basis": "contract", "until": None}]},
        now=NOW,
    )


def _replay(engine: Engine) -> int | None:
    with reading(engine) as connection:
        return replay(connection)


@pytest.fixture
def log(engine: Engine) -> Engine:
    """A database with five entries."""
    return _five_entries(engine)


def _five_entries(engine: Engine) -> Engine:
    with engine.begin() as connection:
        _tenant(connection, "ten_1")
        _tenant(connection, "ten_2")
        assert [_append(connection, f"par_{n}") for n in range(1, ENTRIES + 1)] == [1, 2, 3, 4, 5]
    return engine


def _replay_after(engine: Engine, *changes: sa.UpdateBase) -> int | None:
    """What replay says after such changes, made as the database's owner can; then takes them back."""
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.text("SET LOCAL session_replication_role = replica"))
        else:
            driver = connection.connection.driver_connection
            assert driver is not None
            driver.execute("PRAGMA foreign_keys = OFF")
            driver.execute("PRAGMA ignore_check_constraints = ON")
        for change in changes:
            assert connection.execute(change).rowcount == 1
        found = replay(connection)
        connection.rollback()
        connection.invalidate()
    return found


def test_an_empty_log_holds(engine: Engine) -> None:
    assert _replay(engine) is None


def test_an_honest_log_holds(log: Engine) -> None:
    assert _replay(log) is None


def test_the_leaf_is_what_the_specification_says(engine: Engine) -> None:
    """Recomputed with another implementation of RFC 8785."""
    salt = bytes(range(16))
    with engine.begin() as connection:
        _tenant(connection, "ten_1")
        for number in (1, 2):
            append(
                connection,
                tenant_id="ten_1",
                actor="key_1",
                type_="debt.recorded",
                object_id="deb_1",
                payload={"z": "€", "a": number},
                now=NOW.astimezone(timezone(timedelta(hours=9))),
                salt=salt,
            )
    with reading(engine) as connection:
        first, second = connection.execute(sa.select(audit_entry).order_by(audit_entry.c.seq))
        head = connection.execute(sa.select(audit_head)).one()
        payload = connection.scalar(sa.select(audit_payload.c.payload).where(audit_payload.c.seq == 2))
    expected = rfc8785.dumps({"z": "€", "a": 2, "tenant_id": "ten_1"})
    assert payload is not None
    assert payload.encode() == expected
    digest = hashlib.sha256(b"\x00" + salt + expected).digest()
    leaf = {
        "seq": 2,
        "server_time": "2026-01-31T12:00:00.250000Z",
        "actor": "key_1",
        "type": "debt.recorded",
        "object": "deb_1",
        "payload_digest": digest.hex(),
        "previous": first.leaf.hex(),
    }
    assert first.previous == bytes(32)
    assert second.payload_digest == digest
    assert second.leaf == hashlib.sha256(b"\x00" + rfc8785.dumps(leaf)).digest()
    assert (head.seq, head.previous) == (2, second.leaf)


def test_equal_payloads_have_different_digests(log: Engine) -> None:
    with reading(log) as connection:
        digests = list(connection.scalars(sa.select(audit_entry.c.payload_digest)))
    assert len(set(digests)) == ENTRIES


def test_racing_writers_leave_no_gap_and_one_chain(engine: Engine) -> None:
    threads, rounds = 8, 25
    with engine.begin() as connection:
        _tenant(connection, "ten_1")

    def write(thread: int) -> list[int]:
        taken = []
        for number in range(rounds):
            with engine.begin() as connection:
                _tenant(connection, f"ten_{thread}_{number}")
                taken.append(_append(connection, f"par_{thread}_{number}"))
        return taken

    with ThreadPoolExecutor(threads) as pool:
        waiting = [pool.submit(write, thread) for thread in range(2, threads + 2)]
        taken = [seq for done in waiting for seq in done.result(timeout=DEADLINE_SECONDS)]
    assert sorted(taken) == list(range(1, threads * rounds + 1))
    assert _replay(engine) is None
    with reading(engine) as connection:
        assert connection.scalar(sa.select(audit_head.c.seq)) == threads * rounds
        assert connection.scalar(sa.select(sa.func.count()).select_from(tenant)) == threads * rounds + 1


def test_a_write_and_its_entry_share_their_transaction(log: Engine) -> None:
    with log.begin() as connection:
        _tenant(connection, "ten_3")
        assert _append(connection, "par_6", tenant_id="ten_3") == ENTRIES + 1
        connection.rollback()
    with reading(log) as connection:
        assert connection.scalar(sa.select(tenant.c.id).where(tenant.c.id == "ten_3")) is None
        assert connection.scalar(sa.select(sa.func.count()).select_from(audit_entry)) == ENTRIES
        assert connection.scalar(sa.select(sa.func.count()).select_from(audit_payload)) == ENTRIES
    with log.begin() as connection:
        assert _append(connection, "par_6") == ENTRIES + 1
    assert _replay(log) is None


def test_an_entry_for_an_unknown_tenant_is_refused(log: Engine) -> None:
    with pytest.raises(IntegrityError), log.begin() as connection:
        _append(connection, "par_6", tenant_id="ten_9")
    assert _replay(log) is None


@pytest.mark.parametrize("payload", [{"amount": 1.5}, {"amount": 2**53}, {"when": NOW}])
def test_a_payload_without_one_text_is_refused(engine: Engine, payload: dict[str, object]) -> None:
    with pytest.raises(NotRepresentable), engine.begin() as connection:
        append(connection, tenant_id="t", actor="a", type_="t", object_id="o", payload=payload, now=NOW)


def test_a_time_without_a_zone_is_refused(engine: Engine) -> None:
    naive = NOW.replace(tzinfo=None)
    with pytest.raises(BadTime), engine.begin() as connection:
        append(connection, tenant_id="t", actor="a", type_="t", object_id="o", payload={}, now=naive)


def test_no_personal_data_stands_in_an_entry(log: Engine) -> None:
    with reading(log) as connection:
        rows = connection.execute(sa.select(audit_entry)).all()
    assert "Zo" not in repr(rows)
    assert "ten_" not in repr(rows)


OTHER = {
    "server_time": NOW + timedelta(microseconds=1),
    "actor": "key_2",
    "type": "party.forged",
    "object": "par_x",
    "payload_digest": b"\x01" * 32,
    "previous": b"\x02" * 32,
    "leaf": b"\x03" * 32,
    "tenant_id": "ten_2",
    "salt": b"\x04" * 16,
    "payload": '{"accounts":[{"basis":"contract","until":null}],"name":"Zoe","tenant_id":"ten_1"}',
}
COLUMNS = [
    (table, column.name)
    for table in (audit_entry, audit_payload)
    for column in table.c
    if column.name != "seq"
]


def test_any_changed_column_is_found(log: Engine) -> None:
    cases = [(table, column, seq) for table, column in COLUMNS for seq in (1, 3, ENTRIES)]
    assert len(cases) == len(OTHER) * 3
    found = [
        _replay_after(log, table.update().where(table.c.seq == seq).values({column: OTHER[column]}))
        for table, column, seq in cases
    ]
    assert list(zip(cases, found, strict=True)) == [(case, case[2]) for case in cases]
    assert _replay(log) is None


def test_a_payload_of_another_form_is_found(log: Engine) -> None:
    for text in (" {}", '{"tenant_id": "ten_1"}', "[]", "not JSON", "{}", "\ud7ff"):
        change = audit_payload.update().where(audit_payload.c.seq == 2).values(payload=text)
        assert _replay_after(log, change) == 2


def test_a_value_of_another_type_is_found_and_does_not_stop_the_replay(sqlite_database: str) -> None:
    """SQLite stores anything in any column."""
    upgrade(sqlite_database)
    log = _five_entries(make_engine(sqlite_database))
    for table, column in COLUMNS:
        raw = sa.table(table.name, sa.column("seq"), sa.column(column))
        for value in (7, "\x00 no such value", b"\xff\x00", 1.5):
            change = raw.update().where(raw.c.seq == 4).values({column: value})
            assert _replay_after(log, change) == 4, (column, value)
    for value in ("x", 1.5, b"\x05"):
        head = sa.table("audit_head", sa.column("seq"))
        assert _replay_after(log, head.update().values(seq=value)) == ENTRIES + 1
    log.dispose()


@pytest.mark.parametrize("table", [audit_entry, audit_payload])
def test_a_changed_number_is_found(log: Engine, table: sa.Table) -> None:
    assert _replay_after(log, table.update().where(table.c.seq == 4).values(seq=9)) == 4


def test_a_missing_row_is_found(log: Engine) -> None:
    for table in (audit_entry, audit_payload):
        for seq in (1, 3, ENTRIES):
            assert _replay_after(log, table.delete().where(table.c.seq == seq)) == seq


def test_a_last_entry_taken_off_with_its_payload_is_found(log: Engine) -> None:
    changes = [table.delete().where(table.c.seq == ENTRIES) for table in (audit_payload, audit_entry)]
    assert _replay_after(log, *changes) == ENTRIES


def test_a_changed_head_is_found(log: Engine) -> None:
    other = b"\x05" * 32
    for values, found in (({"seq": 4}, 5), ({"seq": 6}, 6), ({"seq": 0}, 1), ({"previous": other}, ENTRIES)):
        assert _replay_after(log, audit_head.update().values(values)) == found


def test_without_its_head_nothing_is_recorded(log: Engine) -> None:
    assert _replay_after(log, audit_head.delete()) == ENTRIES + 1
    with log.begin() as connection:
        connection.execute(audit_head.delete())
    with pytest.raises(AuditHeadMissing), log.begin() as connection:
        _append(connection, "par_6")


def test_a_second_head_is_refused(log: Engine) -> None:
    with pytest.raises(IntegrityError), log.begin() as connection:
        connection.execute(audit_head.insert().values(id=2, seq=0, previous=bytes(32)))
