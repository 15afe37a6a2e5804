"""A database that was filled under the second schema comes out of the third with the same facts."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import IntegrityError

import app.db
from app.db import ROLE_PREFIX, make_engine, reading, upgrade
from app.ingest.model import transfer_account, transfer_unsorted
from app.ingest.ranges import Blocks
from app.ingest.store.assets import unnamed_contracts
from app.ingest.store.blocks import newest_block
from app.ingest.store.transfers import transfers_touching
from chains.types import UINT256_MAX, Address, BlockRef, ChainId, Hash32, Transfer

AT = datetime(2026, 1, 31, 12, 0, 1, 234567, tzinfo=UTC)
CHAINS = [ChainId(31338), ChainId(31337)]
HOLDERS = [Address(bytes([number]) * 20) for number in range(1, 5)]


def old_database(url: str) -> None:
    """At revision 0002, as `app.db.upgrade` made it."""
    engine = make_engine(url)
    if engine.dialect.name == "sqlite":
        app.db._prepare_file(engine)
    with engine.begin() as connection:
        config: Config = app.db._alembic_config()
        config.attributes.update(connection=connection, role_prefix=ROLE_PREFIX)
        command.upgrade(config, "0002")
    engine.dispose()


def at(engine: Engine) -> object:
    return AT if engine.dialect.name == "postgresql" else "2026-01-31T12:00:01.234567Z"


def units_of(engine: Engine, value: int) -> object:
    return value if engine.dialect.name == "postgresql" else value.to_bytes(32, "big")


def block_of(chain: ChainId, number: int) -> BlockRef:
    return BlockRef(
        number=number,
        hash=Hash32(bytes([chain.reference % 256]) * 24 + number.to_bytes(8, "big")),
        time=50 + number,
    )


def played() -> list[Transfer]:
    chance = random.Random(3)
    return [
        Transfer(
            chain=chain,
            block=block_of(chain, number),
            tx_hash=Hash32(chance.randbytes(32)),
            log_index=index,
            contract=Address(bytes([0xC0 + index % 7]) * 20),
            sender=chance.choice(HOLDERS),
            recipient=chance.choice(HOLDERS),
            amount_units=chance.choice([0, 1, 10**18, UINT256_MAX]),
        )
        for chain in CHAINS
        for number in (1, 2, 2**36 - 1)
        for index in (0, 3, 2**20 - 1)
    ]


def insert(connection: Connection, table: str, rows: list[dict[str, object]]) -> None:
    columns = list(rows[0])
    statement = (
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join(':' + name for name in columns)})"  # noqa: S608
    )
    connection.execute(sa.text(statement), rows)


def fill(engine: Engine) -> list[Transfer]:
    now = at(engine)
    transfers = played()
    blocks = {(each.chain, each.block.number): each.block for each in transfers}
    with engine.begin() as connection:
        insert(
            connection,
            "chain",
            [
                {
                    "id": str(chain),
                    "reference": chain.reference,
                    "name": "Testnet",
                    "native_symbol": "ETH",
                    "native_decimals": 18,
                    "start_block": 0,
                    "created_at": now,
                    "updated_at": now,
                }
                for chain in CHAINS
            ],
        )
        insert(
            connection,
            "block",
            [
                {
                    "chain_id": str(chain),
                    "hash": bytes(block.hash),
                    "number": number,
                    "time": block.time,
                    "parent_hash": None,
                    "recorded_at": now,
                }
                for (chain, number), block in blocks.items()
            ],
        )
        insert(connection, "transfer", [_old_row(engine, each) for each in transfers])
        insert(connection, "coverage", [_old_coverage(chain, now) for chain in CHAINS])
    return transfers


def _old_row(engine: Engine, value: Transfer) -> dict[str, object]:
    return {
        "chain_id": str(value.chain),
        "block_hash": bytes(value.block.hash),
        "log_index": value.log_index,
        "block_number": value.block.number,
        "block_time": value.block.time,
        "tx_hash": bytes(value.tx_hash),
        "contract": bytes(value.contract),
        "sender": bytes(value.sender),
        "recipient": bytes(value.recipient),
        "amount_units": units_of(engine, value.amount_units),
        "recorded_at": at(engine),
    }


def _old_coverage(chain: ChainId, now: object) -> dict[str, object]:
    first, last = block_of(chain, 1), block_of(chain, 2)
    return {
        "id": f"cov_{chain.reference}",
        "chain_id": str(chain),
        "address": bytes(HOLDERS[0]),
        "first_block": 1,
        "first_hash": bytes(first.hash),
        "last_block": 2,
        "last_hash": bytes(last.hash),
        "kind": "erc20",
        "method": "eth_getLogs",
        "node": "http://127.0.0.1:8545",
        "read_at": now,
        "answers": "[]",
    }


def test_the_facts_are_carried_over(database_url: str, empty_engine: Engine) -> None:
    old_database(database_url)
    transfers = fill(empty_engine)
    empty_engine.dispose()
    upgrade(database_url)
    with reading(empty_engine) as connection:
        for chain in CHAINS:
            for accounts in (HOLDERS, HOLDERS[:1]):
                found = transfers_touching(
                    connection, chain_id=chain, addresses=accounts, blocks=Blocks(0, 2**63 - 1), known_at=AT
                )
                assert found == [
                    each
                    for each in transfers
                    if each.chain == chain and (each.sender in accounts or each.recipient in accounts)
                ]
            newest = newest_block(connection, chain_id=chain)
            assert newest == block_of(chain, 2**36 - 1)
            contracts = {each.contract for each in transfers if each.chain == chain}
            assert set(unnamed_contracts(connection, chain_id=chain, limit=9)) == contracts
        pairs = {
            (each.chain, each.block.number, each.log_index, side)
            for each in transfers
            for side in {each.sender, each.recipient}
        }
        assert connection.scalar(sa.select(sa.func.count()).select_from(transfer_account)) == (
            len(pairs) if empty_engine.dialect.name == "sqlite" else 0
        )
        assert connection.scalar(sa.select(sa.func.count()).select_from(transfer_unsorted)) == 0
        # To the microsecond, which decides what was known when.
        earlier = AT.replace(microsecond=AT.microsecond - 1)
        assert not transfers_touching(
            connection, chain_id=CHAINS[0], addresses=HOLDERS, blocks=Blocks(0, 9), known_at=earlier
        )
        numbers = connection.execute(sa.text("SELECT reference, number FROM chain ORDER BY number")).all()
        assert [tuple(each) for each in numbers] == [(31337, 1), (31338, 2)]


def test_one_number_with_two_hashes_stops_the_upgrade(database_url: str, empty_engine: Engine) -> None:
    """Two writers could do that to the old schema; which of the blocks is true, nobody can tell here."""
    old_database(database_url)
    fill(empty_engine)
    twin = {
        "chain_id": str(CHAINS[0]),
        "hash": bytes(32),
        "number": 1,
        "time": 51,
        "parent_hash": None,
        "recorded_at": at(empty_engine),
    }
    with empty_engine.begin() as connection:
        insert(connection, "block", [twin])
    empty_engine.dispose()
    with pytest.raises(IntegrityError):
        upgrade(database_url)
    with reading(empty_engine) as connection:
        assert app.db.current_revision(connection) == "0002"
        assert connection.scalar(sa.text("SELECT count(*) FROM transfer WHERE block_number >= 0")) == 18


@pytest.mark.parametrize("column", ["block_number", "log_index"])
def test_what_has_no_key_stops_the_upgrade(database_url: str, empty_engine: Engine, column: str) -> None:
    old_database(database_url)
    fill(empty_engine)
    beyond = {"block_number": 2**36, "log_index": 2**20}[column]
    with empty_engine.begin() as connection:
        connection.execute(
            sa.text(f"UPDATE transfer SET {column} = {beyond} WHERE block_number = 1 AND log_index = 0")  # noqa: S608
        )
    empty_engine.dispose()
    with pytest.raises(RuntimeError, match="2 transfers"):
        upgrade(database_url)
    with reading(empty_engine) as connection:
        assert app.db.current_revision(connection) == "0002"


def test_a_row_that_refers_to_nothing_stops_the_upgrade(sqlite_database: str) -> None:
    """SQLite does not watch references while tables are made anew, so that they are looked at in the end."""
    old_database(sqlite_database)
    engine = make_engine(sqlite_database)
    fill(engine)
    raw = engine.raw_connection()
    raw.execute("PRAGMA foreign_keys = OFF")
    raw.execute("UPDATE coverage SET first_hash = zeroblob(32)")
    raw.close()
    engine.dispose()
    with pytest.raises(RuntimeError, match="row of coverage without the row of block"):
        upgrade(sqlite_database)
