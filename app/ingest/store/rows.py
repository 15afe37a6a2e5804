"""Many transfers or blocks put into the database at once: by one statement on SQLite, COPY on PostgreSQL.

Both leave Python early: what costs time there is each value of each row, and with each row that SQLite
steps over, another thread may take its turn and keep it. It knows what a row looks like in the table, and
nothing of what a node may answer.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import psycopg
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, IntegrityError

from app.columns import UtcTime
from app.db_errors import problem_of
from app.ingest.keys import LOG_BITS, key_of
from chains.evm.rows import LogRow
from chains.types import BlockRef, ChainId

# So many rows are in memory a second time.
_ROWS_AT_ONCE = 20_000

# One blob holds all rows, so many bytes each, and a list of keys says which row is where. Values are cut out
# of the blob by SQLite itself, and no other thread of Python waits for it.
_LENGTHS = (32, 20, 20, 20, 32)
_ROW_BYTES = sum(_LENGTHS)
_SQLITE = f"""
INSERT INTO transfer (key, tx_hash, contract, sender, recipient, amount_units, recorded_at)
SELECT each.value, substr(?1, each.key * {_ROW_BYTES} + 1, 32), substr(?1, each.key * {_ROW_BYTES} + 33, 20),
    substr(?1, each.key * {_ROW_BYTES} + 53, 20), substr(?1, each.key * {_ROW_BYTES} + 73, 20),
    substr(?1, each.key * {_ROW_BYTES} + 93, 32), ?3
FROM json_each(?2) AS each WHERE true
"""  # noqa: S608 - no value of a row is in it.

_COPY = (
    "COPY transfer (key, tx_hash, contract, sender, recipient, amount_units, recorded_at) FROM STDIN BINARY"
)
_UNNEST = """
INSERT INTO transfer (key, tx_hash, contract, sender, recipient, amount_units, recorded_at)
SELECT key, tx_hash, contract, sender, recipient, amount_units, %s FROM unnest(
    %s::bigint[], %s::bytea[], %s::bytea[], %s::bytea[], %s::bytea[], %s::numeric[]
) AS each (key, tx_hash, contract, sender, recipient, amount_units)
ON CONFLICT DO NOTHING
"""
_BLOCKS_SQLITE = """
INSERT INTO block (chain_id, hash, number, time, parent_hash, recorded_at)
SELECT ?1, substr(?2, each.key * 32 + 1, 32), json_extract(each.value, '$[0]'),
    json_extract(each.value, '$[1]'),
    CASE WHEN json_extract(each.value, '$[2]') THEN substr(?3, each.key * 32 + 1, 32) END, ?4
FROM json_each(?5) AS each WHERE true ON CONFLICT DO NOTHING
"""
_BLOCKS_POSTGRESQL = """
INSERT INTO block (chain_id, hash, number, time, parent_hash, recorded_at)
SELECT %s, hash, number, time, parent_hash, %s
FROM unnest(%s::bytea[], %s::bigint[], %s::bigint[], %s::bytea[]) AS each (hash, number, time, parent_hash)
ON CONFLICT DO NOTHING
"""
_MISSING = """
SELECT each.value FROM {numbers} AS each{columns}
WHERE NOT EXISTS (SELECT 1 FROM block WHERE block.chain_id = {chain} AND block.number = each.value) LIMIT 1
"""
_MISSING_SQLITE = _MISSING.format(numbers="json_each(?1)", columns="", chain="?2")
_MISSING_POSTGRESQL = _MISSING.format(numbers="unnest(%s::bigint[])", columns=" (value)", chain="%s")

_COPY_HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPY_END = b"\xff\xff"
# Seven fields, each after its length: key, hash, three addresses; then the amount; then the time.
_COPY_ROW = struct.Struct("!hiqi32si20si20si20s")
_COPY_TIME = struct.Struct("!iq")
# PostgreSQL's NUMERIC: how many digits to base 10,000, the weight of the first, sign, scale, the digits.
_NUMERIC = tuple(struct.Struct(f"!ihhhh{digits}H") for digits in range(21))
_BASE = 10_000


def base_key(chain_number: int) -> int:
    """What a block number and a log index are added to."""
    return key_of(chain_number=chain_number, block_number=0, log_index=0)


def demand_room(rows: Sequence[LogRow]) -> None:
    """Raise unless each row has a key, and each value the length that it is packed with."""
    columns: list[tuple[Any, ...]] = list(zip(*rows, strict=True))
    key_of(chain_number=0, block_number=rows[-1][0], log_index=max(columns[1]))
    for place, length in enumerate(_LENGTHS, start=2):
        if set(map(len, columns[place])) != {length}:
            msg = f"a row whose value {place} is not {length} bytes"
            raise ValueError(msg)


def insert_rows(
    connection: Connection, *, chain_number: int, rows: Sequence[LogRow], micros: int, some_known: bool
) -> int:
    """Insert rows in chain order and return how many were new. Without `some_known` all of them should be."""
    demand_room(rows)
    insert = _insert_sqlite if connection.dialect.name == "sqlite" else _insert_postgresql
    return sum(
        insert(
            connection,
            base=base_key(chain_number),
            rows=rows[start : start + _ROWS_AT_ONCE],
            micros=micros,
            some_known=some_known,
        )
        for start in range(0, len(rows), _ROWS_AT_ONCE)
    )


def insert_blocks(
    connection: Connection, *, chain_id: ChainId, blocks: Sequence[BlockRef], now: datetime
) -> int:
    """Insert the blocks whose number and whose hash are not on record yet; returns how many."""
    if not blocks:
        return 0
    parents = [each.parent_hash for each in blocks]
    if connection.dialect.name == "sqlite":
        facts = [[each.number, each.time, each.parent_hash is not None] for each in blocks]
        parameters: tuple[object, ...] = (
            str(chain_id),
            b"".join(each.hash for each in blocks),
            b"".join(parent or bytes(32) for parent in parents),
            UtcTime().process_bind_param(now, connection.dialect),
            json.dumps(facts),
        )
        return connection.exec_driver_sql(_BLOCKS_SQLITE, parameters).rowcount
    hashes, numbers, times = zip(*((each.hash, each.number, each.time) for each in blocks), strict=True)
    parameters = (str(chain_id), now, list(hashes), list(numbers), list(times), parents)
    return connection.exec_driver_sql(_BLOCKS_POSTGRESQL, parameters).rowcount


def missing_block(connection: Connection, *, chain_id: ChainId, numbers: Iterable[int]) -> int | None:
    """The number of a block that is not on record, if there is one."""
    listed = sorted(numbers)
    if connection.dialect.name == "sqlite":
        found = connection.exec_driver_sql(_MISSING_SQLITE, (str(listed), str(chain_id)))
    else:
        found = connection.exec_driver_sql(_MISSING_POSTGRESQL, (listed, str(chain_id)))
    number: int | None = found.scalar()
    return number


def _keys(base: int, rows: Sequence[LogRow]) -> list[int]:
    return [base | row[0] << LOG_BITS | row[1] for row in rows]


def _insert_sqlite(
    connection: Connection, *, base: int, rows: Sequence[LogRow], micros: int, some_known: bool
) -> int:
    keys = str(_keys(base, rows))
    values = b"".join([b"".join(row[2:]) for row in rows])
    statement = f"{_SQLITE} ON CONFLICT DO NOTHING" if some_known else _SQLITE
    return connection.exec_driver_sql(statement, (values, keys, micros)).rowcount


def _insert_postgresql(
    connection: Connection, *, base: int, rows: Sequence[LogRow], micros: int, some_known: bool
) -> int:
    if not some_known:
        try:
            with connection.begin_nested():
                return _copy(connection, base=base, rows=rows, micros=micros)
        except IntegrityError as error:
            # Somebody else has just recorded one of them; anything else is no clash.
            if not isinstance(error.orig, psycopg.errors.UniqueViolation):
                raise
    columns = zip(*(row[2:] for row in rows), strict=True)
    tx_hashes, contracts, senders, recipients, amounts = (list(column) for column in columns)
    units = [int.from_bytes(amount, "big") for amount in amounts]
    parameters = (micros, _keys(base, rows), tx_hashes, contracts, senders, recipients, units)
    return connection.exec_driver_sql(_UNNEST, parameters).rowcount


def _copy(connection: Connection, *, base: int, rows: Sequence[LogRow], micros: int) -> int:
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)  # noqa: S101 - app.db makes no other engine.
    time = _COPY_TIME.pack(8, micros)
    pack, numeric = _COPY_ROW.pack, _numeric
    parts = [_COPY_HEAD]
    for block, index, tx_hash, contract, sender, recipient, amount in rows:
        key = base | block << LOG_BITS | index
        parts.append(pack(7, 8, key, 32, tx_hash, 20, contract, 20, sender, 20, recipient))
        parts.append(numeric(int.from_bytes(amount, "big")))
        parts.append(time)
    parts.append(_COPY_END)
    with _named(connection), driver.cursor() as cursor:
        with cursor.copy(_COPY) as copy:
            copy.write(b"".join(parts))
        return cursor.rowcount


def _numeric(value: int) -> bytes:
    digits: list[int] = []
    left = value
    while left:
        left, digit = divmod(left, _BASE)
        digits.append(digit)
    digits.reverse()
    size = len(digits)
    return _NUMERIC[size].pack(8 + 2 * size, size, max(size - 1, 0), 0, 0, *digits)


@contextmanager
def _named(connection: Connection) -> Iterator[None]:
    """What SQLAlchemy does for its own statements: the driver's errors become those everybody knows."""
    try:
        yield
    except psycopg.Error as error:
        problem = problem_of(error, database=connection.engine.url.render_as_string(hide_password=True))
        if problem is not None:
            raise problem from error
        raise DBAPIError.instance(
            _COPY, None, error, psycopg.Error, hide_parameters=True, dialect=connection.dialect
        ) from error
