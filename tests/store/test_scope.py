"""The window of a debt and what of it was read: brackets, gaps, and the default as_of, from the store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import pytest
from sqlalchemy.engine import Connection, Engine

from app.assessment.scope import (
    NO_ACCOUNT,
    NOT_FINAL_YET,
    NOT_LOCATED,
    NOTHING_READ,
    Searched,
    bracket,
    default_as_of,
    scope_row,
    searched_chains,
    window_times,
)
from app.assessment.values import ScopeRow
from app.debts.terms import AccountBinding, Basis, Debt
from app.ingest.store.blocks import add_blocks
from app.ingest.store.chains import Chain, put_chain
from app.ingest.store.coverage import Coverage, add_coverage, record_accounts
from app.ingest.store.watches import watch_accounts
from chains.types import AccountId, Address, BlockRef, ChainId, Finality
from tests.factories import (
    AGREED_AT,
    CHAIN,
    CREDITOR,
    DEBTOR,
    OTHER_CHAIN,
    STRANGER,
    address,
    asset,
    block,
    day,
    debt,
    of_creditor,
    of_debtor,
)

SECOND = timedelta(seconds=1)
MORE = address("second account")
KNOWN_AT = day(500)
FIRST, AS_OF = block(AGREED_AT), day(10)
LAST, ANCHOR = block(AS_OF), block(AS_OF + SECOND)
BEFORE = block(AGREED_AT - SECOND)


@pytest.fixture
def store(engine: Engine) -> Iterator[Connection]:
    with engine.begin() as connection:
        for chain_id in (CHAIN, OTHER_CHAIN):
            put_chain(connection, value=chain(chain_id), rpc_urls=["https://node.example"], now=AGREED_AT)
        yield connection


def chain(chain_id: ChainId = CHAIN) -> Chain:
    return Chain(
        id=chain_id,
        name=f"Chain {chain_id.reference}",
        native_symbol="ETH",
        native_decimals=18,
        finality=Finality(),
        start_block=0,
    )


def read(
    store: Connection,
    *parts: tuple[BlockRef, BlockRef],
    account: Address = CREDITOR,
    chain_id: ChainId = CHAIN,
    at: datetime = AS_OF,
) -> None:
    """Each part was read whole for the account."""
    watch_accounts(store, accounts=[AccountId(chain_id, account)], since_time=0, now=at)
    accounts = record_accounts(store, chain_id=chain_id, addresses=[account])
    rows = [
        Coverage(
            accounts=accounts,
            first=first,
            last=last,
            nodes=("https://node.example",),
            read_at=at,
            answers=({"n": 1},),
        )
        for first, last in parts
    ]
    add_blocks(store, chain_id=chain_id, blocks=[end for part in parts for end in part], now=at)
    for each in rows:
        add_coverage(store, read=each, chain_id=chain_id)


def located(store: Connection, *blocks: BlockRef, chain_id: ChainId = CHAIN) -> None:
    add_blocks(store, chain_id=chain_id, blocks=blocks, now=AGREED_AT)


def searched(
    store: Connection,
    *,
    bindings: Sequence[AccountBinding] = (of_creditor(), of_debtor()),
    terms: Debt | None = None,
    known_at: datetime = KNOWN_AT,
) -> list[Searched]:
    return searched_chains(store, debt=terms or debt(), bindings=bindings, known_at=known_at)


def row(
    store: Connection,
    *,
    as_of: datetime = AS_OF,
    bindings: Sequence[AccountBinding] = (of_creditor(), of_debtor()),
    terms: Debt | None = None,
) -> ScopeRow:
    (one,) = searched(store, bindings=bindings, terms=terms)
    return scope_row(store, searched=one, debt=terms or debt(), as_of=as_of)


def gaps(found: ScopeRow) -> list[tuple[int | None, int | None, str]]:
    return [(each.first_block, each.last_block, each.reason) for each in found.gaps]


def number_after(blocks: int) -> BlockRef:
    """The block so many after the first of the window; there is one each second."""
    return block(AGREED_AT + blocks * SECOND)


class TestSearchedChains:
    def test_the_chains_of_its_assets_where_the_creditor_has_an_account(self, store: Connection) -> None:
        side = asset("SIDE", chain=OTHER_CHAIN)
        both = [of_creditor(), of_creditor(chain=OTHER_CHAIN), of_debtor()]
        assert [each.chain.id for each in searched(store, bindings=both)] == [CHAIN]
        terms = debt(accepted=(side,))
        assert [each.chain.id for each in searched(store, bindings=both, terms=terms)] == [CHAIN, OTHER_CHAIN]
        assert [each.chain.id for each in searched(store, terms=terms)] == [CHAIN]

    def test_without_any_account_the_debts_own_chain_shows_as_not_searched(self, store: Connection) -> None:
        (only,) = searched(store, bindings=[of_debtor()])
        assert (only.chain.id, only.accounts, only.rows) == (CHAIN, (), [])
        assert row(store, bindings=[of_debtor()]).gaps[0].reason == NO_ACCOUNT

    def test_every_account_bound_since_the_agreement_on_any_basis_once(self, store: Connection) -> None:
        bindings = [
            of_creditor(),
            of_creditor(basis=Basis.CLAIMED),
            of_creditor(MORE, basis=Basis.INFERENCE),
            of_creditor(STRANGER, valid_until=AGREED_AT),
            of_creditor(address("former"), valid_until=AGREED_AT - SECOND),
            of_debtor(DEBTOR),
        ]
        (only,) = searched(store, bindings=bindings)
        assert only.accounts == tuple(sorted(AccountId(CHAIN, each) for each in (CREDITOR, MORE, STRANGER)))

    def test_only_what_was_read_by_then_is_known(self, store: Connection) -> None:
        read(store, (FIRST, LAST), at=day(20))
        assert len(searched(store, known_at=day(20))[0].rows) == 1
        assert searched(store, known_at=day(20) - SECOND)[0].rows == []


class TestDefaultAsOf:
    def test_is_the_second_before_the_last_block_read(self, store: Connection) -> None:
        read(store, (FIRST, number_after(50)), (number_after(51), number_after(99)))
        assert default_as_of(searched(store), known_at=KNOWN_AT) == AGREED_AT + 98 * SECOND

    def test_of_several_accounts_the_one_read_least_far(self, store: Connection) -> None:
        bindings = [of_creditor(), of_creditor(MORE)]
        read(store, (FIRST, number_after(99)))
        assert default_as_of(searched(store, bindings=bindings), known_at=KNOWN_AT) == KNOWN_AT
        read(store, (FIRST, number_after(40)), account=MORE)
        found = searched(store, bindings=bindings)
        assert default_as_of(found, known_at=KNOWN_AT) == AGREED_AT + 39 * SECOND

    def test_of_several_chains_the_earliest(self, store: Connection) -> None:
        terms = debt(accepted=(asset("SIDE", chain=OTHER_CHAIN),))
        bindings = [of_creditor(), of_creditor(chain=OTHER_CHAIN)]
        read(store, (FIRST, number_after(99)))
        side = (block(AGREED_AT, chain=OTHER_CHAIN), block(AGREED_AT + 30 * SECOND, chain=OTHER_CHAIN))
        read(store, side, chain_id=OTHER_CHAIN)
        found = searched(store, bindings=bindings, terms=terms)
        assert default_as_of(found, known_at=KNOWN_AT) == AGREED_AT + 29 * SECOND

    def test_nothing_read_is_known_at_and_never_later_than_it(self, store: Connection) -> None:
        assert default_as_of(searched(store), known_at=KNOWN_AT) == KNOWN_AT
        assert default_as_of([], known_at=KNOWN_AT) == KNOWN_AT
        read(store, (FIRST, LAST), at=day(1))
        assert default_as_of(searched(store, known_at=day(1)), known_at=day(1)) == day(1)


def test_window_times_are_whole_seconds_inside() -> None:
    half = timedelta(milliseconds=500)
    start = int(AGREED_AT.timestamp())
    assert window_times(debt(), as_of=AGREED_AT) == (start, start + 1)
    assert window_times(debt(agreed_at=AGREED_AT + half), as_of=AGREED_AT + half) == (start + 1, start + 1)


class TestBracket:
    def test_needs_two_adjoining_blocks_on_record(self, store: Connection) -> None:
        time = FIRST.time
        assert bracket(store, chain_id=CHAIN, time=time) is None
        located(store, FIRST)
        assert bracket(store, chain_id=CHAIN, time=time) is None
        located(store, block(AGREED_AT - 2 * SECOND))
        assert bracket(store, chain_id=CHAIN, time=time) is None
        located(store, BEFORE)
        found = bracket(store, chain_id=CHAIN, time=time)
        assert found is not None
        assert (found.before, found.after) == (BEFORE, FIRST)
        assert bracket(store, chain_id=OTHER_CHAIN, time=time) is None

    def test_a_chain_that_began_later_needs_no_block_before(self, store: Connection) -> None:
        genesis = BlockRef(number=0, hash=FIRST.hash, time=FIRST.time + 100)
        located(store, genesis)
        found = bracket(store, chain_id=CHAIN, time=FIRST.time)
        assert found is not None
        assert (found.before, found.after) == (None, genesis)


class TestScopeRow:
    def test_read_whole(self, store: Connection) -> None:
        read(store, (FIRST, LAST))
        located(store, BEFORE, ANCHOR)
        found = row(store)
        assert (found.before, found.first, found.last, found.after) == (BEFORE, FIRST, LAST, ANCHOR)
        assert found.gaps == ()
        assert (found.chain, found.chain_name) == (CHAIN, "Chain 31337")

    def test_nothing_read(self, store: Connection) -> None:
        found = row(store)
        assert gaps(found) == [(None, None, NOTHING_READ)]
        assert (found.first, found.last) == (None, None)

    def test_a_hole_is_a_gap_of_its_account(self, store: Connection) -> None:
        bindings = [of_creditor(), of_creditor(MORE)]
        read(store, (FIRST, number_after(4)), (number_after(10), LAST))
        read(store, (FIRST, number_after(20)), account=MORE)
        located(store, BEFORE, ANCHOR)
        found = row(store, bindings=bindings)
        holes = {
            CREDITOR: (number_after(5).number, number_after(9).number),
            MORE: (number_after(21).number, LAST.number),
        }
        assert {
            each.account.address: (each.first_block, each.last_block) for each in found.gaps if each.account
        } == holes
        assert len(found.gaps) == 2
        assert {
            f"blocks {first}-{last} were not read for every account in list C"
            for first, last in holes.values()
        } == {each.reason for each in found.gaps}

    def test_what_the_debtor_was_read_for_is_not_the_creditors(self, store: Connection) -> None:
        read(store, (FIRST, LAST), account=DEBTOR)
        located(store, BEFORE, ANCHOR)
        assert gaps(row(store))[0][:2] == (FIRST.number, LAST.number)

    def test_a_look_back_that_was_cut_is_a_gap(self, store: Connection) -> None:
        read(store, (number_after(3), LAST))
        located(store, BEFORE, FIRST, ANCHOR)
        assert gaps(row(store))[0][:2] == (FIRST.number, number_after(2).number)

    def test_nothing_final_after_as_of_is_a_gap_to_its_end(self, store: Connection) -> None:
        read(store, (FIRST, number_after(50)))
        located(store, BEFORE)
        found = row(store)
        assert (found.first, found.last, found.after) == (FIRST, number_after(50), None)
        assert gaps(found) == [(number_after(51).number, None, NOT_FINAL_YET)]

    def test_read_to_the_last_block_but_not_beyond_is_still_a_gap(self, store: Connection) -> None:
        read(store, (FIRST, LAST))
        located(store, BEFORE)
        assert gaps(row(store)) == [(LAST.number + 1, None, NOT_FINAL_YET)]

    def test_an_end_that_nobody_located_does_not_stretch_the_window(self, store: Connection) -> None:
        """Blocks far beyond as_of were read: none of them may be named as the window's last."""
        known, far = number_after(30), block(day(50))
        read(store, (FIRST, far))
        located(store, BEFORE, known)
        found = row(store)
        assert (found.last, found.after) == (known, None)
        assert gaps(found) == [(known.number + 1, None, NOT_LOCATED)]

    def test_a_start_that_nobody_located_leaves_the_window_unsearched(self, store: Connection) -> None:
        read(store, (number_after(1), LAST))
        located(store, ANCHOR)
        found = row(store)
        assert (found.before, found.first, found.last, found.after) == (None, None, None, ANCHOR)
        assert gaps(found) == [(None, None, NOT_LOCATED)]

    def test_read_only_up_to_the_agreement_leaves_all_of_it_open(self, store: Connection) -> None:
        early = block(AGREED_AT - 10 * SECOND)
        read(store, (early, BEFORE))
        located(store, FIRST)
        found = row(store)
        assert (found.first, found.last) == (None, None)
        assert gaps(found) == [(FIRST.number, None, NOT_FINAL_YET)]

    def test_a_window_between_two_blocks_is_empty_and_no_gap(self, store: Connection) -> None:
        before, after = block(AGREED_AT - SECOND), block(AS_OF + SECOND)
        after = BlockRef(number=before.number + 1, hash=after.hash, time=after.time)
        located(store, before, after)
        found = row(store)
        assert (found.before, found.first, found.last, found.after) == (before, None, None, after)
        assert found.gaps == ()

    def test_a_chain_that_began_after_as_of_holds_nothing_and_no_gap(self, store: Connection) -> None:
        genesis = BlockRef(number=0, hash=ANCHOR.hash, time=ANCHOR.time + 100)
        located(store, genesis)
        found = row(store)
        assert (found.first, found.last, found.after, found.gaps) == (None, None, genesis, ())

    def test_a_chain_that_began_after_the_agreement_starts_at_block_0_without_a_gap(
        self, store: Connection
    ) -> None:
        genesis = BlockRef(number=0, hash=FIRST.hash, time=FIRST.time + 100)
        last = BlockRef(number=1, hash=LAST.hash, time=LAST.time)
        read(store, (genesis, last))
        located(store, BlockRef(number=2, hash=ANCHOR.hash, time=ANCHOR.time))
        found = row(store)
        assert (found.before, found.first, found.last) == (None, genesis, last)
        assert found.gaps == ()

    def test_an_account_that_ended_before_as_of_is_still_read_to_the_end(self, store: Connection) -> None:
        bindings = [of_creditor(), of_creditor(MORE, valid_until=day(1))]
        read(store, (FIRST, LAST))
        located(store, BEFORE, ANCHOR)
        assert [each.account for each in row(store, bindings=bindings).gaps] == [AccountId(CHAIN, MORE)]

    def test_without_an_account_a_located_window_is_a_gap_all_the_same(self, store: Connection) -> None:
        located(store, BEFORE, FIRST, LAST, ANCHOR)
        found = row(store, bindings=[of_debtor()])
        assert gaps(found) == [(None, None, NO_ACCOUNT)]
        assert (found.first, found.last) == (FIRST, LAST)
