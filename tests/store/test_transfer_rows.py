"""Transfers in bulk on both databases: what is stored, what is found, and when that is refused."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError

from app.clock import to_unix_micros
from app.db import make_engine, reading
from app.ingest.keys import BLOCK_NUMBER_MAX, LOG_INDEX_MAX, BeyondKey, block_of, key_of, log_of
from app.ingest.model import transfer_account, transfer_unsorted
from app.ingest.ranges import Blocks
from app.ingest.store import accounts as account_store
from app.ingest.store import rows as row_store
from app.ingest.store.assets import unnamed_contracts
from app.ingest.store.blocks import add_blocks
from app.ingest.store.chains import Chain, put_chain
from app.ingest.store.transfers import (
    BlockNotRecorded,
    TransferPosition,
    TransfersDisagree,
    add_rows,
    page_of_transfers,
    sort_accounts,
    transfers_touching,
)
from chains.evm.rows import LogRow
from chains.types import UINT256_MAX, AccountId, Address, BlockRef, ChainId, Finality, Hash32

NOW = datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)
CHAIN, OTHER = ChainId(31337), ChainId(31338)
HOLDERS = [Address(bytes([number]) * 20) for number in range(1, 9)]
RECORDED = Blocks(0, 99)
TOKENS = [bytes([0xC0 + number]) * 20 for number in range(2)]


def block_of_number(number: int) -> BlockRef:
    return BlockRef(number=number, hash=Hash32(number.to_bytes(32, "big")), time=1000 + number)


def row(block: int, index: int, *, sender: int = 0, recipient: int = 1, units: int = 5) -> LogRow:
    tx_hash = (block * 1000 + index).to_bytes(32, "big")
    parties = bytes(HOLDERS[sender]), bytes(HOLDERS[recipient])
    return (block, index, tx_hash, TOKENS[block % 2], *parties, units.to_bytes(32, "big"))


def some_rows(seed: int, *, blocks: range, per_block: int = 4) -> list[LogRow]:
    chance = random.Random(seed)
    amounts = [0, 1, 9_999, 10_000, 10**18, 2**128 - 1, UINT256_MAX]
    return [
        row(
            block,
            index,
            sender=chance.randrange(8),
            recipient=chance.randrange(8),
            units=chance.choice(amounts),
        )
        for block in blocks
        for index in range(per_block)
    ]


def touching(rows: Sequence[LogRow], accounts: Collection[Address]) -> list[LogRow]:
    return [each for each in rows if each[4] in accounts or each[5] in accounts]


@pytest.fixture
def ready(engine: Engine) -> Engine:
    """Two chains, with blocks 0 to 99 of each on record."""
    with engine.begin() as connection:
        for chain in (CHAIN, OTHER):
            value = Chain(
                id=chain,
                name="Testnet",
                native_symbol="ETH",
                native_decimals=18,
                finality=Finality(),
                start_block=0,
            )
            put_chain(connection, value=value, rpc_urls=[], now=NOW)
            blocks = [block_of_number(number) for number in range(100)]
            add_blocks(connection, chain_id=chain, blocks=blocks, now=NOW)
    return engine


def add(
    engine: Engine,
    rows: Sequence[LogRow],
    *,
    blocks: Blocks,
    accounts: Collection[Address] | None = None,
    chain: ChainId = CHAIN,
    now: datetime = NOW,
) -> int:
    with engine.begin() as connection:
        return add_rows(connection, chain=chain, accounts=accounts, blocks=blocks, rows=rows, now=now)


def found(
    engine: Engine,
    accounts: Collection[Address] = HOLDERS,
    *,
    blocks: Blocks = RECORDED,
    chain: ChainId = CHAIN,
    known_at: datetime = NOW,
) -> list[LogRow]:
    with reading(engine) as connection:
        values = transfers_touching(
            connection, chain_id=chain, addresses=accounts, blocks=blocks, known_at=known_at
        )
    for each in values:
        assert each.block == block_of_number(each.block.number)
        assert each.chain == chain
    return [
        (
            each.block.number,
            each.log_index,
            bytes(each.tx_hash),
            bytes(each.contract),
            bytes(each.sender),
            bytes(each.recipient),
            each.amount_units.to_bytes(32, "big"),
        )
        for each in values
    ]


def pages(
    engine: Engine, account: Address, *, limit: int, contract: Address | None = None
) -> list[tuple[int, int]]:
    """Block and log of everything that paging through an account shows."""
    seen: list[tuple[int, int]] = []
    after: TransferPosition | None = None
    for _ in range(200):
        with reading(engine) as connection:
            page = page_of_transfers(
                connection,
                account=AccountId(CHAIN, account),
                contract=contract,
                from_block=0,
                to_block=2**63 - 1,
                after=after,
                limit=limit,
            )
        seen += [(each.block.number, each.log_index) for each in page]
        if len(page) < limit:
            return seen
        last = page[-1]
        after = TransferPosition(
            block_number=last.block.number, block_hash=last.block.hash, log_index=last.log_index
        )
    pytest.fail("the pages do not end")


def unsorted_ranges(engine: Engine) -> int:
    with reading(engine) as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(transfer_unsorted)) or 0


def led_to(engine: Engine) -> set[tuple[bytes, int]]:
    with reading(engine) as connection:
        rows = connection.execute(sa.select(transfer_account.c.account, transfer_account.c.key)).all()
    return {(bytes(each.account), each.key) for each in rows}


# -- keys


def test_a_key_names_chain_block_and_log_and_sorts_by_them() -> None:
    places = [(1, 0, 0), (1, 0, LOG_INDEX_MAX), (1, 1, 0), (1, BLOCK_NUMBER_MAX, 7), (2, 0, 0), (127, 5, 5)]
    keys = [key_of(chain_number=chain, block_number=block, log_index=log) for chain, block, log in places]
    assert keys == sorted(keys)
    assert max(keys) < 2**63
    assert [(block_of(key), log_of(key)) for key in keys] == [(block, log) for _, block, log in places]


@pytest.mark.parametrize(("block", "log"), [(BLOCK_NUMBER_MAX + 1, 0), (0, LOG_INDEX_MAX + 1)])
def test_what_has_no_key_is_refused(ready: Engine, block: int, log: int) -> None:
    with pytest.raises(BeyondKey):
        key_of(chain_number=1, block_number=block, log_index=log)
    if block < 100:
        with pytest.raises(BeyondKey):
            add(ready, [row(3, 0), (3, log, *row(3, 1)[2:])], blocks=Blocks(0, 9))
        assert found(ready) == []


# -- adding and finding


@pytest.mark.parametrize("is_sorted", [False, True])
def test_everything_is_found_again(ready: Engine, *, is_sorted: bool) -> None:
    rows = some_rows(1, blocks=range(100))
    elsewhere = some_rows(2, blocks=range(50))
    assert add(ready, rows, blocks=Blocks(0, 99)) == len(rows)
    assert add(ready, elsewhere, blocks=Blocks(0, 99), chain=OTHER) == len(elsewhere)
    if is_sorted:
        with ready.begin() as connection:
            sort_accounts(connection, chain=CHAIN)
    assert found(ready) == rows
    assert found(ready, chain=OTHER) == elsewhere
    for account in HOLDERS:
        assert found(ready, [account]) == touching(rows, [account])
        expected = [each[:2] for each in touching(rows, [account])]
        assert pages(ready, account, limit=7) == expected
        of_token = [each[:2] for each in touching(rows, [account]) if each[3] == TOKENS[1]]
        assert pages(ready, account, limit=3, contract=Address(TOKENS[1])) == of_token
    assert found(ready, HOLDERS[:2], blocks=Blocks(20, 29)) == [
        each for each in touching(rows, HOLDERS[:2]) if 20 <= each[0] <= 29
    ]
    assert found(ready, chain=ChainId(5)) == []
    with reading(ready) as connection:
        contracts = unnamed_contracts(connection, chain_id=CHAIN, limit=9)
    assert {bytes(each) for each in contracts} == set(TOKENS)


def test_what_came_later_was_not_known_before(ready: Engine) -> None:
    add(ready, [row(1, 0)], blocks=Blocks(0, 9))
    later = NOW + timedelta(microseconds=1)
    add(ready, [row(11, 0)], blocks=Blocks(10, 19), now=later)
    assert found(ready, known_at=NOW) == [row(1, 0)]
    assert found(ready, known_at=later) == [row(1, 0), row(11, 0)]
    assert found(ready, known_at=NOW - timedelta(microseconds=1)) == []
    with reading(ready) as connection:
        micros = connection.execute(sa.text("SELECT recorded_at FROM transfer ORDER BY key")).scalars().all()
    assert list(micros) == [to_unix_micros(NOW), to_unix_micros(later)]


def test_the_same_answer_again_adds_nothing(ready: Engine) -> None:
    rows = some_rows(3, blocks=range(20))
    add(ready, rows, blocks=Blocks(0, 19))
    before = led_to(ready)
    assert add(ready, rows, blocks=Blocks(0, 19), now=NOW + timedelta(days=1)) == 0
    assert add(ready, rows[:8], blocks=Blocks(0, 1)) == 0
    assert found(ready) == rows
    assert led_to(ready) >= before


def test_the_other_party_is_read_later(ready: Engine) -> None:
    """Between rows that are there, new ones can be found at once, and those of both parties count once."""
    rows = some_rows(4, blocks=range(60))
    first, second = [HOLDERS[0]], [HOLDERS[1]]
    mine, theirs = touching(rows, first), touching(rows, second)
    assert add(ready, mine, blocks=Blocks(0, 59), accounts=first) == len(mine)
    new = [each for each in theirs if each not in mine]
    assert add(ready, theirs, blocks=Blocks(0, 59), accounts=second) == len(new)
    assert found(ready, [*first, *second]) == touching(rows, [*first, *second])
    assert found(ready, second) == theirs
    assert pages(ready, HOLDERS[1], limit=4) == [each[:2] for each in theirs]
    with ready.begin() as connection:
        sort_accounts(connection, chain=CHAIN)
    assert found(ready, [*first, *second]) == touching(rows, [*first, *second])


@pytest.mark.parametrize("accounts", [None, tuple(HOLDERS[:3])])
def test_an_answer_must_hold_what_is_on_record(ready: Engine, accounts: Sequence[Address] | None) -> None:
    everything = some_rows(5, blocks=range(30))
    rows = everything if accounts is None else touching(everything, accounts)
    add(ready, rows, blocks=Blocks(0, 29), accounts=accounts)
    altered = [*rows[:-1], (*rows[-1][:6], (7).to_bytes(32, "big"))]
    for answer, differing in ((rows[:-1], 1), ([], len(rows)), (altered, 1)):
        with pytest.raises(TransfersDisagree, match=f"in {differing} transfers"):
            add(ready, answer, blocks=Blocks(0, 29), accounts=accounts)
    assert found(ready) == rows
    # One that was hidden then is on record now.
    assert add(ready, [*rows, row(29, 900)], blocks=Blocks(0, 29), accounts=accounts) == 1
    assert found(ready) == [*rows, row(29, 900)]


def test_a_transfer_needs_its_block(ready: Engine) -> None:
    with pytest.raises(BlockNotRecorded, match="block 100 is not on record"):
        add(ready, [row(99, 0), row(100, 0)], blocks=Blocks(0, 200))
    assert found(ready, blocks=Blocks(0, 200)) == []
    with pytest.raises(BlockNotRecorded), ready.begin() as connection:
        add_rows(connection, chain=ChainId(9), accounts=None, blocks=Blocks(1, 1), rows=[row(1, 0)], now=NOW)


def test_a_block_that_was_taken_away_is_no_silence(ready: Engine) -> None:
    add(ready, [row(7, 0)], blocks=Blocks(0, 9))
    with ready.begin() as connection:
        connection.execute(sa.text("DELETE FROM block WHERE number = 7"))
    with pytest.raises(BlockNotRecorded):
        found(ready)


# -- sorting in


def test_batches_are_sorted_in_when_they_are_many(ready: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account_store, "UNSORTED_MAX", 40)
    monkeypatch.setattr(account_store, "UNSORTED_FIRST_MAX", 100)
    rows = some_rows(6, blocks=range(100))
    waiting: list[int] = []
    for first in range(0, 100, 5):
        part = [each for each in rows if first <= each[0] < first + 5]
        add(ready, part, blocks=Blocks(first, first + 4))
        waiting.append(unsorted_ranges(ready))
        # Whatever is sorted in by now: nobody notices.
        assert found(ready) == [each for each in rows if each[0] < first + 5]
        assert pages(ready, HOLDERS[2], limit=11) == [
            each[:2] for each in touching(rows, [HOLDERS[2]]) if each[0] < first + 5
        ]
    # The first time only when there are a hundred, then each time there are forty. PostgreSQL has indexes.
    on_sqlite = [1, 2, 3, 4, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1]
    is_sqlite = ready.dialect.name == "sqlite"
    assert waiting == (on_sqlite if is_sqlite else [0] * 20)
    with ready.begin() as connection:
        sort_accounts(connection, chain=CHAIN)
    assert unsorted_ranges(ready) == 0
    keys = [key_of(chain_number=1, block_number=each[0], log_index=each[1]) for each in rows]
    pairs = {(each[side], key) for each, key in zip(rows, keys, strict=True) for side in (4, 5)}
    assert led_to(ready) == (pairs if is_sqlite else set())


def test_a_load_that_was_interrupted_is_finished_by_the_next(ready: Engine) -> None:
    """What is unsorted is on record with the rows, or neither is."""
    rows = some_rows(7, blocks=range(40))
    add(ready, rows[:80], blocks=Blocks(0, 19))
    with ready.connect() as connection:
        add_rows(connection, chain=CHAIN, accounts=None, blocks=Blocks(20, 39), rows=rows[80:], now=NOW)
        # And then the power goes, before the commit.
    assert unsorted_ranges(ready) == (ready.dialect.name == "sqlite")
    # Another process, later.
    later = make_engine(ready.url.render_as_string(hide_password=False))
    assert found(later) == rows[:80]
    add(later, rows[80:], blocks=Blocks(20, 39))
    with later.begin() as connection:
        sort_accounts(connection, chain=CHAIN)
    later.dispose()
    assert found(ready) == rows
    assert unsorted_ranges(ready) == 0


def test_only_the_chains_own_ranges_are_sorted_in(ready: Engine) -> None:
    add(ready, [row(1, 0)], blocks=Blocks(0, 9))
    add(ready, [row(2, 0)], blocks=Blocks(0, 9), chain=OTHER)
    with ready.begin() as connection:
        sort_accounts(connection, chain=CHAIN)
    assert unsorted_ranges(ready) == (ready.dialect.name == "sqlite")
    assert found(ready, chain=OTHER) == [row(2, 0)]


# -- what a driver may trip over


@pytest.mark.parametrize("units", [0, 1, 9_999, 10_000, 10**4 * 3, 10**40, 10**76, UINT256_MAX])
def test_an_amount_is_exact(ready: Engine, units: int) -> None:
    rows = [row(1, 0, units=units), row(2, 0, units=units)]
    add(ready, rows[:1], blocks=Blocks(0, 1))
    # By the way that knows of clashes, too.
    add(ready, rows, blocks=Blocks(0, 2), accounts=[HOLDERS[0]])
    assert found(ready) == rows


def test_many_rows_go_in_by_pieces(ready: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_store, "_ROWS_AT_ONCE", 7)
    rows = some_rows(8, blocks=range(20))
    assert add(ready, rows, blocks=Blocks(0, 19)) == len(rows)
    assert found(ready) == rows


def test_two_writers_of_one_range_record_it_once(ready: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another has recorded the range between the look and the insert: PostgreSQL lets it, SQLite does not."""
    if ready.dialect.name == "sqlite":
        return
    rows = some_rows(9, blocks=range(10))
    add(ready, rows[:3], blocks=Blocks(0, 0))
    monkeypatch.setattr("app.ingest.store.transfers._is_any", lambda *_: False)
    assert add(ready, rows, blocks=Blocks(0, 9)) == len(rows) - 3
    assert found(ready) == rows


@pytest.mark.parametrize("place", range(2, 7))
@pytest.mark.parametrize("change", [-1, 1])
def test_a_value_of_another_length_is_refused(ready: Engine, place: int, change: int) -> None:
    """Rows are packed side by side: one byte too many would become part of the next value."""
    good = row(1, 0)
    values: list[Any] = list(good)
    values[place] = bytes(len(values[place]) + change)
    bad: Any = tuple(values)
    with pytest.raises(ValueError, match="bytes"):
        add(ready, [good, bad], blocks=Blocks(0, 9))
    assert found(ready) == []


def test_the_databases_own_refusal_keeps_its_name(ready: Engine) -> None:
    with ready.begin() as connection:
        connection.execute(sa.text("DROP TABLE transfer"))
    with pytest.raises(DBAPIError, match=r"transfer"):
        add(ready, [row(1, 0)], blocks=Blocks(0, 9))
