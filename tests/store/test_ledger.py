"""The ledger of reading on both databases: ranges joined, contradictions once, the head forgotten whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import Connection, Engine

from app.ingest.ledger_model import account_set, account_set_member, covered_range, disagreement_answer
from app.ingest.ranges import Blocks, merged
from app.ingest.store import disagreements as disagreement_store
from app.ingest.store.blocks import add_blocks
from app.ingest.store.chains import Chain, put_chain
from app.ingest.store.coverage import (
    EVERY_ACCOUNT,
    Coverage,
    add_coverage,
    coverage_of,
    covered_blocks,
    record_accounts,
)
from app.ingest.store.disagreements import (
    NewDisagreement,
    RawAnswer,
    add_disagreement,
    contradicted_nodes,
    count_disagreements,
    disagreements,
    raw_answers,
)
from app.ingest.store.provisional import (
    add_provisional,
    provisional_blocks,
    provisional_transfers,
    rewind,
)
from app.ingest.store.reading import (
    ChainReading,
    reading_of_chain,
    resume_chain,
    set_agreement,
    set_hashable,
    stop_chain,
)
from chains.types import Address, BlockRef, ChainId, Finality, Hash32, Transfer

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
CHAIN = ChainId(1)
LAST = 40
ONE, TWO, THREE = (Address(bytes(19) + bytes([number])) for number in (1, 2, 3))


def block(number: int, *, fork: int = 0) -> BlockRef:
    return BlockRef(
        number=number,
        hash=Hash32(bytes([fork]) * 16 + number.to_bytes(16, "big")),
        time=1000 + number,
        parent_hash=Hash32(bytes([fork]) * 16 + max(0, number - 1).to_bytes(16, "big")),
    )


@pytest.fixture
def store(engine: Engine) -> Iterator[Connection]:
    chain = Chain(
        id=CHAIN, name="One", native_symbol="ETH", native_decimals=18, finality=Finality(), start_block=0
    )
    with engine.begin() as connection:
        put_chain(connection, value=chain, rpc_urls=["https://node.example"], now=NOW)
        blocks = [block(number) for number in range(LAST + 1)]
        add_blocks(connection, chain_id=CHAIN, blocks=blocks, now=NOW)
        yield connection


def read(store: Connection, blocks: Blocks, *addresses: Address, every: bool = False) -> None:
    accounts = record_accounts(store, chain_id=CHAIN, addresses=None if every else addresses)
    coverage = Coverage(
        accounts=accounts,
        first=block(blocks.first),
        last=block(blocks.last),
        nodes=("https://node.example",),
        read_at=NOW,
        answers=({"n": 1},),
    )
    add_coverage(store, chain_id=CHAIN, read=coverage)


def covered(store: Connection, *addresses: Address) -> dict[Address, list[Blocks]]:
    return covered_blocks(store, chain_id=CHAIN, addresses=addresses)


ranges = st.tuples(st.integers(0, LAST), st.integers(0, LAST)).map(lambda ends: Blocks(min(ends), max(ends)))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(st.tuples(ranges, st.sampled_from([(ONE,), (TWO,), (ONE, TWO)])), max_size=14))
def test_joined_ranges_are_the_ledger_whatever_the_order(
    store: Connection, parts: Sequence[tuple[Blocks, tuple[Address, ...]]]
) -> None:
    with store.begin_nested() as savepoint:
        for blocks, addresses in parts:
            read(store, blocks, *addresses)
        for address in (ONE, TWO):
            of_account = [blocks for blocks, addresses in parts if address in addresses]
            assert covered(store, address) == {address: merged(of_account)}
            rows = coverage_of(store, chain_id=CHAIN, addresses=[address])[address]
            assert merged(row.blocks for row in rows) == merged(of_account)
            assert len(rows) == len(of_account)
        _demand_apart(store)
        savepoint.rollback()


def _demand_apart(store: Connection) -> None:
    """Of each set the joined ranges neither overlap nor touch."""
    query = sa.select(covered_range).order_by(covered_range.c.accounts, covered_range.c.first_block)
    rows = store.execute(query).all()
    for earlier, later in pairwise(rows):
        if earlier.accounts == later.accounts:
            assert later.first_block > earlier.last_block + 1


def test_a_set_of_accounts_is_recorded_once(store: Connection) -> None:
    first = record_accounts(store, chain_id=CHAIN, addresses=[TWO, ONE, TWO])
    assert record_accounts(store, chain_id=CHAIN, addresses=[ONE, TWO]) == first
    assert store.scalar(sa.select(sa.func.count()).select_from(account_set_member)) == 2
    assert store.scalar(sa.select(account_set.c.size)) == 2


def test_what_is_read_without_a_filter_covers_every_account(store: Connection) -> None:
    read(store, Blocks(0, 5), ONE)
    read(store, Blocks(4, 9), every=True)
    assert covered(store, ONE, THREE) == {ONE: [Blocks(0, 9)], THREE: [Blocks(4, 9)]}
    everyone = coverage_of(store, chain_id=CHAIN, addresses=[THREE])[THREE]
    assert [row.accounts for row in everyone] == [EVERY_ACCOUNT]


def test_known_at_leaves_out_what_was_read_later(store: Connection) -> None:
    read(store, Blocks(0, 5), ONE)
    before = coverage_of(store, chain_id=CHAIN, addresses=[ONE], known_at=NOW - timedelta(seconds=1))
    assert before == {ONE: []}
    assert len(coverage_of(store, chain_id=CHAIN, addresses=[ONE], known_at=NOW)[ONE]) == 1


# -- contradictions


def answers(*bodies: bytes) -> tuple[RawAnswer, ...]:
    return tuple(
        RawAnswer(node=f"https://{at}.example", method="eth_getLogs", request=b"asked", body=each)
        for at, each in enumerate(bodies)
    )


def contradiction(*bodies: bytes, says: bytes = b"x", last: int = 9, kind: str = "logs") -> NewDisagreement:
    return NewDisagreement(
        kind=kind, blocks=Blocks(5, last), detail="they differ", says=says, answers=answers(*bodies)
    )


def add(store: Connection, *found: NewDisagreement) -> None:
    for each in found:
        add_disagreement(store, chain_id=CHAIN, new=each, now=NOW)


def test_the_bytes_of_both_sides_are_kept(store: Connection) -> None:
    bodies = (b"\x00\xff not even text", b"", b"{}" * 100_000)
    add(store, contradiction(*bodies))
    (found,) = disagreements(store, chain_id=CHAIN)
    kept = raw_answers(store, disagreement_id=found.id)
    assert [each.body for each in kept] == list(bodies)
    assert [side.size for side in found.answers] == [len(each) for each in bodies]
    assert [each.request for each in kept] == [b"asked"] * 3


def test_the_same_is_kept_once_also_over_more_blocks(store: Connection) -> None:
    add(store, contradiction(b"1"), contradiction(b"2"), contradiction(b"1", last=20))
    assert len(disagreements(store, chain_id=CHAIN)) == 1
    add(store, contradiction(b"1", says=b"y"), contradiction(b"1", kind="receipts"))
    assert len(disagreements(store, chain_id=CHAIN)) == 3


def test_the_calls_of_a_batch_are_kept_once(store: Connection) -> None:
    """A block without eth_getBlockReceipts has thousands of calls, and each knows the body of its batch."""
    add(store, replace(contradiction(b"1"), answers=answers(b"1") * 50 + answers(b"1", b"2")))
    assert store.scalar(sa.select(sa.func.count()).select_from(disagreement_answer)) == 2


def test_a_quarrel_of_one_kind_or_node_leaves_room_for_others(
    store: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else whoever denies each new block would hide what is found of old ones, and of himself."""
    monkeypatch.setattr(disagreement_store, "KEPT_MAX", 2)
    add(store, *(contradiction(says=bytes([number]), kind="chain") for number in range(4)))
    assert len(disagreements(store, chain_id=CHAIN)) == 2
    add(store, *(contradiction(b"1", says=bytes([number]), kind="receipts") for number in range(4)))
    assert len(disagreements(store, chain_id=CHAIN)) == 4
    add(store, *(contradiction(b"1", b"2", says=bytes([number]), kind="receipts") for number in range(4, 8)))
    assert contradicted_nodes(store, chain_id=CHAIN, kind="receipts") == {
        "https://0.example",
        "https://1.example",
    }
    assert len(disagreements(store, chain_id=CHAIN)) == count_disagreements(store, chain_id=CHAIN) == 5


def test_a_body_that_is_too_large_is_named_by_its_digest(
    store: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disagreement_store, "BODY_BYTES_MAX", 10)
    add(store, contradiction(b"0123456789", b"0123456789a"))
    (found,) = disagreements(store, chain_id=CHAIN)
    assert [each.body for each in raw_answers(store, disagreement_id=found.id)] == [b"0123456789", b""]
    assert [side.size for side in found.answers] == [10, 11]
    stored = store.execute(sa.select(disagreement_answer.c.body)).scalars().all()
    assert [each is None for each in stored] == [False, True]


def test_they_are_found_by_the_blocks_they_touch(store: Connection) -> None:
    add(store, contradiction(b"1"))
    for blocks, touches in (
        (Blocks(0, 4), False),
        (Blocks(0, 5), True),
        (Blocks(9, 9), True),
        (Blocks(10, 99), False),
    ):
        found = disagreements(store, chain_id=CHAIN, blocks=blocks)
        assert bool(found) == touches, blocks


def test_the_nodes_in_contradictions_of_a_kind(store: Connection) -> None:
    add(store, contradiction(b"1", b"2"), contradiction(b"1", kind="receipts"))
    assert contradicted_nodes(store, chain_id=CHAIN, kind="receipts") == {"https://0.example"}
    assert contradicted_nodes(store, chain_id=CHAIN, kind="logs") == {
        "https://0.example",
        "https://1.example",
    }
    assert contradicted_nodes(store, chain_id=ChainId(2), kind="logs") == frozenset()


# -- how a chain is read


def test_the_first_reason_of_a_stop_stands(store: Connection) -> None:
    set_agreement(store, chain_id=CHAIN, agreement=2)
    set_hashable(store, chain_id=CHAIN, hashable=True)
    stop_chain(store, chain_id=CHAIN, reason="one", now=NOW)
    stop_chain(store, chain_id=CHAIN, reason="two", now=NOW + timedelta(seconds=1))
    assert reading_of_chain(store, CHAIN) == ChainReading(
        agreement=2, hashable=True, stopped_at=NOW, stopped_reason="one"
    )
    resume_chain(store, chain_id=CHAIN)
    assert reading_of_chain(store, CHAIN) == ChainReading(agreement=2, hashable=True)


# -- the head


def moved(number: int, *, index: int = 0, fork: int = 0) -> Transfer:
    return Transfer(
        chain=CHAIN,
        block=block(number, fork=fork),
        tx_hash=Hash32(bytes(31) + bytes([number])),
        log_index=index,
        contract=THREE,
        sender=ONE,
        recipient=TWO,
        amount_units=2**256 - 1 - number,
    )


def show(store: Connection, numbers: Sequence[int], *, fork: int = 0) -> None:
    add_provisional(
        store,
        chain_id=CHAIN,
        accounts=Hash32(bytes(32)),
        blocks=[block(number, fork=fork) for number in numbers],
        transfers=[moved(number, fork=fork) for number in numbers],
        now=NOW,
    )


def shown(store: Connection) -> list[Transfer]:
    return provisional_transfers(
        store, chain_id=CHAIN, address=TWO, blocks=Blocks(0, 2**40), after=None, limit=99
    )


def test_the_head_is_forgotten_whole_from_a_block_on(store: Connection) -> None:
    show(store, range(50, 60))
    assert shown(store) == [moved(number) for number in range(50, 60)]
    rewind(store, chain_id=CHAIN, first=55)
    show(store, range(55, 58), fork=1)
    expected = [moved(number, fork=int(number > 54)) for number in range(50, 58)]
    assert shown(store) == expected
    assert provisional_blocks(store, chain_id=CHAIN) == [each.block for each in expected]
    rewind(store, chain_id=CHAIN, last=52)
    assert shown(store) == expected[3:]
    rewind(store, chain_id=CHAIN)
    assert (shown(store), provisional_blocks(store, chain_id=CHAIN)) == ([], [])


def test_the_head_is_paged_by_place(store: Connection) -> None:
    show(store, range(50, 54))
    pages = []
    after: tuple[int, int] | None = None
    for _ in range(5):
        page = provisional_transfers(
            store, chain_id=CHAIN, address=ONE, blocks=Blocks(51, 60), after=after, limit=1
        )
        pages += page
        after = (page[-1].block.number, page[-1].log_index) if page else after
    assert pages == [moved(number) for number in range(51, 54)]


def test_blocks_are_of_the_accounts_they_were_asked_for(store: Connection) -> None:
    show(store, [50])
    assert provisional_blocks(store, chain_id=CHAIN, accounts=Hash32(bytes(32))) == [block(50)]
    assert provisional_blocks(store, chain_id=CHAIN, accounts=EVERY_ACCOUNT) == []
