"""A database that had read before the ledger of answers existed: what it covered is covered still."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from alembic import command
from sqlalchemy.engine import Connection, Engine

from app.db import _alembic_config, make_engine, upgrade
from app.ingest.ranges import Blocks
from app.ingest.store.coverage import coverage_of, covered_blocks, record_accounts
from chains.types import Address, ChainId

CHAIN = ChainId(1)
ONE, TWO = (Address(bytes(19) + bytes([number])) for number in (1, 2))
NODE = 'https://node.example/"quoted\\path'
READ_AT = datetime(2026, 1, 15, 12, tzinfo=UTC)


def digest(number: int) -> bytes:
    return number.to_bytes(32, "big")


@pytest.fixture
def old(empty_engine: Engine) -> Engine:
    """The schema before the ledger, with five answers of two accounts."""
    with empty_engine.begin() as connection:
        config = _alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        _fill(connection)
    return empty_engine


def _fill(connection: Connection) -> None:
    chain = sa.table("chain", *map(sa.column, CHAIN_COLUMNS))
    at = "2026-01-15T12:00:00.000000Z" if connection.dialect.name == "sqlite" else READ_AT
    connection.execute(
        sa.insert(chain).values(dict(zip(CHAIN_COLUMNS, (*CHAIN_VALUES, at, at), strict=True)))
    )
    block = sa.table("block", *map(sa.column, ("chain_id", "hash", "number", "time", "recorded_at")))
    numbers = (3, 5, 6, 9, 12, 20)
    for number in numbers:
        connection.execute(
            sa.insert(block).values(
                chain_id=str(CHAIN), hash=digest(number), number=number, time=1000 + number, recorded_at=at
            )
        )
    coverage = sa.table("coverage", *map(sa.column, COVERAGE_COLUMNS))
    answers = '[{"method":"eth_getLogs","sha256":"ab","size":2}]'
    for name, address, first, last in (
        ("cov_1", ONE, 6, 9),
        ("cov_2", ONE, 3, 5),
        ("cov_3", ONE, 12, 20),
        ("cov_4", TWO, 3, 9),
        ("cov_5", TWO, 5, 12),
    ):
        values = (
            *(name, str(CHAIN), bytes(address), first, digest(first), last, digest(last)),
            *("erc20", "eth_getLogs", NODE, at, answers),
        )
        connection.execute(sa.insert(coverage).values(dict(zip(COVERAGE_COLUMNS, values, strict=True))))


CHAIN_COLUMNS = (
    *("id", "reference", "name", "native_symbol", "native_decimals", "start_block"),
    *("created_at", "updated_at"),
)
CHAIN_VALUES = (str(CHAIN), 1, "One", "ETH", 18, 0)
COVERAGE_COLUMNS = (
    *("id", "chain_id", "address", "first_block", "first_hash", "last_block", "last_hash"),
    *("kind", "method", "node", "read_at", "answers"),
)


def test_what_was_covered_is_covered_still(old: Engine, database_url: str) -> None:
    upgrade(database_url)
    with old.begin() as connection:
        joined = covered_blocks(connection, chain_id=CHAIN, addresses=[ONE, TWO])
        assert joined == {ONE: [Blocks(3, 9), Blocks(12, 20)], TWO: [Blocks(3, 12)]}
        rows = coverage_of(connection, chain_id=CHAIN, addresses=[ONE, TWO])
        assert [row.blocks for row in rows[ONE]] == [Blocks(3, 5), Blocks(6, 9), Blocks(12, 20)]
        assert [row.blocks for row in rows[TWO]] == [Blocks(3, 9), Blocks(5, 12)]
        for row in (*rows[ONE], *rows[TWO]):
            assert (row.nodes, row.read_at) == ((NODE,), READ_AT)
            assert row.answers == ({"method": "eth_getLogs", "sha256": "ab", "size": 2},)
            assert (row.blocks_checked, row.limits, row.kind) == (0, (), "erc20")
            assert (bytes(row.first.hash), row.first.time) == (
                digest(row.first.number),
                1000 + row.first.number,
            )
        # The old accounts have the names that the code gives such sets now, so that reading goes on there.
        assert rows[ONE][0].accounts == record_accounts(connection, chain_id=CHAIN, addresses=[ONE])


def test_a_database_without_coverage_is_upgraded_too(database_url: str) -> None:
    upgrade(database_url)
    engine = make_engine(database_url)
    with engine.begin() as connection:
        assert covered_blocks(connection, chain_id=CHAIN, addresses=[ONE]) == {ONE: []}
    engine.dispose()
