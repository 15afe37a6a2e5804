"""From the endpoints' answers to one list: nothing is hidden, and every flag is set for its reason only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import pytest

from app.assessment.inflow_totals import Sum, totals
from app.assessment.inflow_values import (
    Criteria,
    Differs,
    Flag,
    Inflow,
    TokenShown,
)
from app.assessment.inflows import (
    asset_of,
    joined,
    movements_of,
    native_asset,
    with_executions,
)
from app.ingest.ranges import Blocks
from app.matching.passing import Origins
from chains.evm.execution import COIN_LOG_ADDRESS, Execution
from chains.evm.transfers import NotTransfer, OtherLog
from chains.types import ZERO_ADDRESS, Address, AssetId, Hash32, Transfer
from tests.factories import (
    CHAIN,
    CREDITOR,
    DEBTOR,
    ONE,
    STRANGER,
    USDX,
    asset,
    block,
    day,
    look_alike,
    transfer,
)
from tests.inflow_factories import ANYTHING, FIRST, KNOWN_TOKEN, LAST, PAID, ROUTER, answer, execution, found


def looked_into(rows: Sequence[Inflow], *executions: Execution) -> list[Inflow]:
    by_hash: dict[Hash32, Execution] = {each.transaction.tx_hash: each for each in executions}
    return with_executions(rows, executions=by_hash, account=CREDITOR)


class TestJoined:
    def test_alike_from_all(self) -> None:
        parent = replace(PAID, block=replace(PAID.block, parent_hash=Hash32(bytes(32))))
        (row,) = joined([answer(PAID), answer(parent, number=2)])
        assert (row.endpoints, row.disputed) == ((1, 2), False)

    def test_one_that_read_the_block_and_did_not_return_it(self) -> None:
        (row,) = joined([answer(PAID), answer(number=2)])
        assert (row.endpoints, row.disputed) == ((1,), True)

    def test_one_that_did_not_read_the_block_disputes_nothing(self) -> None:
        for other in (answer(number=2, read=None), answer(number=2, read=(day(3), day(9)))):
            (row,) = joined([answer(PAID), other])
            assert (row.endpoints, row.disputed) == ((1,), False)

    def test_two_amounts_for_one_event_are_both_told(self) -> None:
        rows = joined([answer(PAID), answer(replace(PAID, amount_units=1), number=2)])
        assert [each.disputed for each in rows] == [True, True]

    def test_in_the_order_of_the_chain(self) -> None:
        later = transfer(day(4), 1)
        assert [each.transfer for each in joined([answer(later, PAID)])] == [PAID, later]


class TestExecutions:
    def test_a_router_names_the_origin(self) -> None:
        given = transfer(day(2), 3 * ONE, sender=DEBTOR, recipient=ROUTER)
        passed = transfer(day(2), 3 * ONE, sender=ROUTER, log_index=1)
        (row,) = looked_into(joined([answer(passed)]), execution(given, passed))
        assert row.origins == Origins(accounts=(DEBTOR,), total=1, same_asset=True)
        assert (row.signer, row.disputed) == (STRANGER, False)
        assert [each.flags for each in found(inflows=[row]).inflows] == [(Flag.PASS_THROUGH,)]

    def test_a_direct_transfer_has_none(self) -> None:
        (row,) = looked_into(joined([answer(PAID)]), execution(PAID))
        assert (row.origins, row.disputed) == (None, False)
        nothing = transfer(day(2), 0, sender=ROUTER, log_index=1)
        given = transfer(day(2), 3, recipient=ROUTER)
        (row,) = looked_into(joined([answer(nothing)]), execution(given, nothing))
        assert row.origins is None

    def test_without_its_transaction_it_stays_as_it_is(self) -> None:
        rows = joined([answer(PAID)])
        assert looked_into(rows) == rows

    def test_what_the_receipt_does_not_hold_is_disputed(self) -> None:
        other = replace(PAID, amount_units=1)
        rows = looked_into(joined([answer(PAID)]), execution(other))
        assert {(each.transfer.amount_units, each.endpoints, each.disputed) for each in rows} == {
            (3 * ONE, (1,), True),
            (1, (), True),
        }
        (failed,) = looked_into(joined([answer(PAID)]), replace(execution(PAID), logs=(), succeeded=False))
        assert failed.disputed

    def test_another_block_is_a_dispute(self) -> None:
        elsewhere = replace(execution(PAID), block_hash=LAST.hash)
        (row,) = looked_into(joined([answer(PAID)]), elsewhere)
        assert row.disputed

    def test_what_was_left_out_is_added(self) -> None:
        hidden = transfer(day(2), 5 * ONE, log_index=7, sender=STRANGER)
        elsewhere = transfer(day(2), 6 * ONE, log_index=8, recipient=STRANGER)
        rows = looked_into(joined([answer(PAID)]), execution(PAID, hidden, elsewhere))
        assert [(each.transfer, each.endpoints, each.disputed) for each in rows] == [
            (PAID, (1,), False),
            (hidden, (), True),
        ]


class TestMovements:
    def test_the_value_comes_first(self) -> None:
        value, token = movements_of(execution(PAID, value=5), chain=CHAIN)
        assert (value.asset, value.sender, value.recipient, value.amount_units) == (
            native_asset(CHAIN),
            STRANGER,
            ROUTER,
            5,
        )
        assert token.asset == USDX.id
        assert len(movements_of(execution(PAID), chain=CHAIN)) == 1

    def test_the_chains_own_logs_are_not_counted_twice(self) -> None:
        coin = replace(PAID, contract=COIN_LOG_ADDRESS, sender=STRANGER, recipient=ROUTER, amount_units=5)
        (moved,) = movements_of(execution(coin, value=5), chain=CHAIN)
        assert (moved.asset, moved.log_index) == (native_asset(CHAIN), 0)
        assert asset_of(coin) == native_asset(CHAIN)

    def test_what_failed_moved_nothing(self) -> None:
        assert movements_of(execution(PAID, value=5, succeeded=False), chain=CHAIN) == []
        assert len(movements_of(execution(PAID, succeeded=None), chain=CHAIN)) == 1

    def test_value_to_a_contract_that_was_not_made(self) -> None:
        lost = execution(PAID, value=5)
        lost = replace(lost, transaction=replace(lost.transaction, recipient=None))
        assert len(movements_of(lost, chain=CHAIN)) == 1
        made = replace(lost, created=ROUTER)
        assert movements_of(made, chain=CHAIN)[0].recipient == ROUTER


def flags(
    one: Transfer,
    *,
    criteria: Criteria = ANYTHING,
    tokens: Mapping[AssetId, TokenShown] | None = None,
    knows_registry: bool = False,
) -> tuple[Flag, ...]:
    (row,) = found(answer(one), criteria=criteria, tokens=tokens, knows_registry=knows_registry).inflows
    return row.flags


class TestFlags:
    def test_nothing_to_say(self) -> None:
        assert flags(PAID) == ()
        asked = Criteria(sender=DEBTOR, token=USDX.id, amount="3")
        (row,) = found(answer(PAID), criteria=asked).inflows
        assert (row.flags, row.differs) == ((), ())

    def test_zero_internal_and_mint(self) -> None:
        assert flags(replace(PAID, amount_units=0)) == (Flag.ZERO_VALUE,)
        assert flags(replace(PAID, sender=CREDITOR)) == (Flag.INTERNAL,)
        assert flags(replace(PAID, sender=ZERO_ADDRESS)) == (Flag.MINT,)

    def test_look_alikes(self) -> None:
        alike = replace(PAID, sender=look_alike(DEBTOR))
        assert flags(alike) == ()
        asked = Criteria(sender=DEBTOR)
        assert flags(alike, criteria=asked) == (Flag.LOOK_ALIKE, Flag.UNKNOWN_PAYER)
        assert flags(replace(PAID, sender=look_alike(CREDITOR))) == (Flag.LOOK_ALIKE,)

    def test_the_payer_behind_a_router_is_known(self) -> None:
        row = Inflow(
            transfer=replace(PAID, sender=ROUTER),
            endpoints=(1,),
            disputed=False,
            origins=Origins(accounts=(DEBTOR,), total=1, same_asset=True),
        )
        for sender, differs in ((DEBTOR, ()), (STRANGER, (Differs.SENDER,))):
            (judged,) = found(inflows=[row], criteria=Criteria(sender=sender)).inflows
            assert judged.differs == differs
            assert (Flag.UNKNOWN_PAYER in judged.flags) is bool(differs)

    def test_other_tokens(self) -> None:
        other = asset("OTHER")
        paid = transfer(day(2), ONE, token=other)
        tokens = {USDX.id: KNOWN_TOKEN, other.id: TokenShown(symbol="OTHER", decimals=6)}
        assert flags(paid, tokens=tokens) == ()
        asked = Criteria(token=USDX.id)
        assert flags(paid, tokens=tokens, criteria=asked) == (Flag.OTHER_ASSET,)
        assert flags(paid, tokens=tokens, knows_registry=True) == (Flag.UNREGISTERED_ASSET,)
        registered = {**tokens, other.id: replace(tokens[other.id], registered=True)}
        assert flags(paid, tokens=registered, knows_registry=True) == ()
        assert flags(PAID, tokens={}, knows_registry=True) == (Flag.UNREGISTERED_ASSET,)

    def test_copied_symbols(self) -> None:
        """Only of a token that is known: among strangers nobody can say which is the copy."""
        copy = asset("USDX", contract="copy")
        paid = transfer(day(2), ONE, token=copy)
        tokens = {USDX.id: KNOWN_TOKEN, copy.id: TokenShown(symbol="usdx\u2009", decimals=6)}
        assert flags(paid, tokens=tokens) == (Flag.FAKE_TOKEN,)
        strangers = {**tokens, USDX.id: TokenShown(symbol="USDX", decimals=6)}
        assert flags(paid, tokens=strangers) == ()
        asked = Criteria(token=USDX.id)
        assert flags(paid, tokens=strangers, criteria=asked) == (Flag.OTHER_ASSET, Flag.FAKE_TOKEN)
        unread = {**tokens, copy.id: TokenShown(symbol=None, decimals=None)}
        assert flags(paid, tokens=unread) == ()
        nameless = {USDX.id: replace(KNOWN_TOKEN, symbol=None), copy.id: tokens[copy.id]}
        assert flags(paid, tokens=nameless) == ()

    def test_refunds(self) -> None:
        def back(at: datetime, units: int, to: Address = DEBTOR) -> Transfer:
            return transfer(at, units, sender=CREDITOR, recipient=to)

        def seen(sent: Transfer) -> bool:
            (row,) = found(answer(PAID, sent=[sent])).inflows
            return Flag.REFUNDED in row.flags

        assert seen(back(day(3), 1))
        assert not seen(back(day(1), 1)), "earlier"
        assert not seen(back(day(3), 0))
        assert not seen(back(day(3), 1, to=STRANGER))
        other = transfer(day(3), 1, sender=CREDITOR, recipient=DEBTOR, token=asset("OTHER"))
        assert not seen(other)


@pytest.mark.parametrize(
    ("amount", "decimals", "differs"),
    [
        ("3", 6, ()),
        ("3.00", 6, ()),
        ("3.000001", 6, (Differs.AMOUNT,)),
        ("3.0000000", 6, (Differs.AMOUNT,)),
        ("3", 18, (Differs.AMOUNT,)),
        ("3", None, (Differs.AMOUNT_UNREAD,)),
    ],
)
def test_amounts(amount: str, decimals: int | None, differs: tuple[Differs, ...]) -> None:
    """Compared as integers of the token's own units; what can't be compared is not called different."""
    tokens = {USDX.id: TokenShown(symbol="USDX", decimals=decimals)}
    (row,) = found(answer(PAID), criteria=Criteria(amount=amount), tokens=tokens).inflows
    assert row.differs == differs
    (row,) = found(answer(PAID), criteria=Criteria(amount="3"), tokens={}).inflows
    assert row.differs == (Differs.AMOUNT_UNREAD,)


def test_totals_add_up_by_asset() -> None:
    other = asset("OTHER")
    more = [PAID, transfer(day(3), ONE, sender=STRANGER), transfer(day(4), 7, token=other)]
    out = [transfer(day(5), 2, sender=CREDITOR, recipient=STRANGER, token=asset("THIRD"))]
    asked = Criteria(sender=DEBTOR)
    rows = totals(found(answer(*more, sent=out), answer(*more[1:], number=2, sent=out), criteria=asked))
    none = Sum(count=0, units=0)
    assert [(row.asset, row.received, row.matching, row.disputed, row.sent) for row in rows] == [
        (
            USDX.id,
            Sum(count=2, units=4 * ONE),
            Sum(count=1, units=3 * ONE),
            Sum(count=1, units=3 * ONE),
            none,
        ),
        (other.id, Sum(count=1, units=7), Sum(count=1, units=7), none, none),
        (asset("THIRD").id, none, none, none, Sum(count=1, units=2)),
    ]
    assert totals(found()) == []


def test_gaps_and_what_is_whole() -> None:
    assert found().whole
    assert found().gaps == []
    failed = answer(read=(day(1), day(4)), failure="it broke")
    half = found(failed)
    assert (half.gaps, half.whole) == ([Blocks(block(day(4)).number + 1, LAST.number)], False)
    closed = found(failed, answer(number=2))
    assert (closed.gaps, closed.whole) == ([], False)
    assert found(answer(read=None, failure="x")).gaps == [Blocks(FIRST.number, LAST.number)]
    differing = found(answer(PAID), answer(number=2))
    assert (differing.contradicted, differing.whole) == (True, False)


def test_logs_of_other_kinds_are_kept_once() -> None:
    nft = OtherLog(
        block_number=FIRST.number,
        block_hash=FIRST.hash,
        tx_hash=PAID.tx_hash,
        log_index=3,
        contract=ROUTER,
        reason=NotTransfer.ERC721,
    )
    answers = [replace(answer(number=number), others=(nft,)) for number in (1, 2)]
    assert found(*answers).others == (nft,)
