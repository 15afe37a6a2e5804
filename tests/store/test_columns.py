"""Values come back from either database as they went in, and sort, compare and sum like what they are."""

from __future__ import annotations

import decimal
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import IntegrityError, StatementError

from app.columns import (
    U256,
    AddressColumn,
    CanonicalJson,
    Digest,
    FixedBytes,
    HashColumn,
    UtcTime,
    sum_u256,
)
from app.debts.model import debt_event
from chains.types import UINT256_MAX, Address, Hash32

EDGES = (0, 1, 2**63 - 1, 2**63, 2**128, 10**77, UINT256_MAX - 1, UINT256_MAX)

# Not on the application's metadata: these tables are the tests' own.
_metadata = sa.MetaData()
_sample = sa.Table(
    "sample",
    _metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("amount_units", U256),
    sa.Column("address", AddressColumn),
    sa.Column("hash", HashColumn),
    sa.Column("digest", Digest),
    sa.Column("salt", FixedBytes(16)),
    sa.Column("at", UtcTime),
    sa.Column("document", CanonicalJson),
)


@pytest.fixture
def connection(empty_engine: Engine) -> Iterator[Connection]:
    with empty_engine.begin() as connection:
        _metadata.create_all(connection)
        yield connection


def _store(connection: Connection, column: str, *values: object) -> None:
    connection.execute(_sample.insert(), [{column: value} for value in values])


def _stored(connection: Connection, column: str) -> list[Any]:
    return list(connection.scalars(sa.select(_sample.c[column]).order_by(_sample.c.id)))


def test_uint256_is_exact(connection: Connection) -> None:
    _store(connection, "amount_units", *EDGES, None)
    assert _stored(connection, "amount_units") == [*EDGES, None]
    assert all(type(value) is int for value in _stored(connection, "amount_units")[:-1])


def test_uint256_sorts_like_the_number(connection: Connection) -> None:
    seeded = random.Random(20260131)
    numbers = [*EDGES, *(seeded.randrange(1 << seeded.randrange(1, 257)) for _ in range(300))]
    seeded.shuffle(numbers)
    _store(connection, "amount_units", *numbers)
    ordered = connection.scalars(sa.select(_sample.c.amount_units).order_by(_sample.c.amount_units))
    assert list(ordered) == sorted(numbers)


@pytest.mark.parametrize("limit", EDGES)
def test_uint256_compares_like_the_number(connection: Connection, limit: int) -> None:
    _store(connection, "amount_units", *EDGES)
    column = _sample.c.amount_units
    chosen = sa.select(column).order_by(column)
    assert list(connection.scalars(chosen.where(column > limit))) == [n for n in EDGES if n > limit]
    assert list(connection.scalars(chosen.where(column <= limit))) == [n for n in EDGES if n <= limit]
    assert list(connection.scalars(chosen.where(column == limit))) == [limit]


def test_uint256_sums_beyond_its_own_range(connection: Connection) -> None:
    _store(connection, "amount_units", *EDGES, UINT256_MAX, None)
    total = connection.scalar(sa.select(sum_u256(_sample.c.amount_units)))
    assert total == sum(EDGES) + UINT256_MAX
    assert type(total) is int


def test_the_sum_of_nothing_is_null_and_not_zero(connection: Connection) -> None:
    assert connection.scalar(sa.select(sum_u256(_sample.c.amount_units))) is None
    _store(connection, "amount_units", None)
    assert connection.scalar(sa.select(sum_u256(_sample.c.amount_units))) is None
    _store(connection, "amount_units", 0)
    assert connection.scalar(sa.select(sum_u256(_sample.c.amount_units))) == 0


def test_uint256_sums_by_group(connection: Connection) -> None:
    rows = [
        {"salt": bytes([group]) * 16, "amount_units": 2**200 + amount}
        for group in (1, 2)
        for amount in (5, 6)
    ]
    connection.execute(_sample.insert(), rows)
    sums = sa.select(_sample.c.salt, sum_u256(_sample.c.amount_units)).group_by(_sample.c.salt)
    found = {tuple(row) for row in connection.execute(sums)}
    assert found == {(bytes([1]) * 16, 2**201 + 11), (bytes([2]) * 16, 2**201 + 11)}


@pytest.mark.parametrize("value", [-1, UINT256_MAX + 1, True, 1.0, "1", b"\x00" * 32])
def test_what_is_no_uint256_is_refused(connection: Connection, value: object) -> None:
    with pytest.raises(StatementError, match="not a uint256"):
        _store(connection, "amount_units", value)


def test_bytes_stay_bytes(connection: Connection) -> None:
    address, block_hash = Address(bytes(range(20))), Hash32(b"\x00\xff" * 16)
    digest, salt = bytes(32), b"\x00'\"\\%\x80" + bytes(10)
    values = {"address": address, "hash": block_hash, "digest": digest, "salt": salt}
    connection.execute(_sample.insert(), values)
    row = connection.execute(sa.select(_sample)).one()
    assert (row.address, row.hash, row.digest, row.salt) == (address, block_hash, digest, salt)
    assert (type(row.address), type(row.hash), type(row.digest)) == (Address, Hash32, bytes)
    postgresql = connection.dialect.name == "postgresql"
    for name in values:
        kind = sa.func.pg_typeof(_sample.c[name]) if postgresql else sa.func.typeof(_sample.c[name])
        assert connection.scalar(sa.select(sa.cast(kind, sa.Text))) == ("bytea" if postgresql else "blob")


@pytest.mark.parametrize("value", [b"", bytes(19), bytes(21), "0x" + "00" * 20, "a" * 20, 20])
def test_other_than_twenty_bytes_are_no_address(connection: Connection, value: object) -> None:
    with pytest.raises(StatementError, match="want 20 bytes"):
        _store(connection, "address", value)


def test_times_come_back_in_utc_and_sort(connection: Connection) -> None:
    east = timezone(timedelta(hours=14))
    times = [
        datetime(1, 1, 2, tzinfo=UTC),
        datetime(999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        datetime(2026, 1, 1, 13, 59, 59, tzinfo=east),
        datetime(2026, 1, 1, tzinfo=UTC),
        datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
        datetime(2026, 1, 1, 0, 0, 0, 999999, tzinfo=UTC),
        datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    ]
    _store(connection, "at", *random.Random(1).sample(times, len(times)))
    found = list(connection.scalars(sa.select(_sample.c.at).order_by(_sample.c.at)))
    assert found == times
    assert all(instant.tzinfo is UTC for instant in found)
    boundary = datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    assert list(connection.scalars(sa.select(_sample.c.at).where(_sample.c.at == boundary))) == [times[3]]
    assert connection.scalar(sa.select(sa.func.count()).where(_sample.c.at <= boundary)) == 4


def test_a_time_without_a_zone_is_refused(connection: Connection) -> None:
    with pytest.raises(StatementError, match="without a zone"):
        _store(connection, "at", datetime(2026, 1, 1))  # noqa: DTZ001 -- that is the fault.


def test_json_is_kept_as_its_canonical_text(connection: Connection) -> None:
    document = {"z": [1, True, None], "a": {"ü": "€\u0000\n"}}
    with pytest.raises(StatementError, match="not ASCII"):
        _store(connection, "document", document)
    document = {"z": [1, True, None], "a": {"u": "€\u0000\n"}}
    _store(connection, "document", document, [], None)
    assert _stored(connection, "document") == [document, [], None]
    raw = connection.scalars(sa.text("SELECT document FROM sample ORDER BY id")).all()
    assert raw == ['{"a":{"u":"€\\u0000\\n"},"z":[1,true,null]}', "[]", None]


def test_a_float_is_no_json_here(connection: Connection) -> None:
    with pytest.raises(StatementError, match="float"):
        _store(connection, "document", {"amount": 1.5})


def test_the_schema_keeps_the_ranges_without_us(engine: Engine) -> None:
    """What another program writes past our types is refused by the database itself."""
    names = [column.name for column in debt_event.c]
    past_our_types = sa.table("debt_event", *(sa.column(name) for name in names))
    text = dict.fromkeys(names, "2026-01-01T00:00:00Z") | {"type": "dispute"}
    amount = decimal.Decimal(2**256) if engine.dialect.name == "postgresql" else bytes(31)
    with pytest.raises(IntegrityError, match="ck_debt_event_amount_units"), engine.begin() as connection:
        connection.execute(past_our_types.insert(), {**text, "amount_units": amount})
