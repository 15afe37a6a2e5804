"""Assessments by hand, with the arithmetic written out: results, bounds, grade, tie, and what a gap does."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from app.assessment.values import Assessment, Grade, Interval, Result, Timing
from app.debts.terms import AccountBinding, Basis
from app.matching.attribute import Reason
from chains.types import Transfer
from tests.factories import (
    AGREED_AT,
    CREDITOR,
    DEBTOR,
    ONE,
    OTHER_CHAIN,
    STRANGER,
    USDX,
    address,
    another_debt,
    assessed,
    asset,
    binding,
    block,
    day,
    debt,
    gap,
    installments,
    look_alike,
    of_creditor,
    of_debtor,
    reading,
    records,
    scope_row,
    transfer,
)

SECOND = timedelta(seconds=1)
FAKE = asset("fake")
WETH = asset("WETH", decimals=18)
DAI = asset("DAI", decimals=18)
CENTS = asset("CENT", decimals=2)


def usdx(units: int) -> int:
    return units * ONE


def interval(low: int, high: int) -> Interval:
    return Interval(min_units=usdx(low), max_units=usdx(high))


def intervals(assessment: Assessment) -> list[Interval | None]:
    return [state.not_covered for state in assessment.installments]


def timings(assessment: Assessment) -> list[Timing]:
    return [state.timing for state in assessment.installments]


def the_demo() -> list[Transfer]:
    """The story of the demo: what is on the chain between these people after 9,000 were lent."""
    return [
        transfer(day(0, seconds=60), usdx(9000), sender=CREDITOR, recipient=DEBTOR),
        transfer(day(50), usdx(3000)),
        transfer(day(110), usdx(1000)),
        transfer(day(112), usdx(2000), sender=STRANGER),
        transfer(day(115), 0, sender=look_alike(DEBTOR)),
        transfer(day(120), usdx(3000), sender=address("forger"), token=FAKE),
    ]


def test_the_demo() -> None:
    """9,000 in three installments: 3,000 in time, 1,000 late, and 2,000 from a wallet that nobody declared.

    Applied 3,000 + 1,000 = 4,000. Not covered at most 9,000 - 4,000 = 5,000; at least 5,000 - 2,000 = 3,000.
    """
    book = records(debt(), symbols={FAKE.id: "USDX"})
    found = assessed(*the_demo(), book=book, as_of=day(141))
    assert found.result is Result.PARTIAL
    assert found.timing is Timing.OVERDUE
    assert found.allocation.applied_units == usdx(4000)
    assert found.not_covered == interval(3000, 5000)
    assert [state.applied_units for state in found.installments] == [usdx(3000), usdx(1000), 0]
    assert intervals(found) == [interval(0, 0), interval(0, 2000), interval(3000, 3000)]
    assert timings(found) == [Timing.ON_TIME, Timing.OVERDUE, Timing.OVERDUE]
    assert [state.days_overdue for state in found.installments] == [0, 41, 1]
    assert [each.reasons for each in found.attribution.candidates] == [
        (Reason.UNKNOWN_PAYER,),
        (Reason.ZERO_VALUE, Reason.LOOK_ALIKE),
        (Reason.FAKE_TOKEN,),
    ]
    assert [each.counted_units for each in found.attribution.candidates] == [usdx(2000), 0, 0]
    assert len(found.attribution.unrelated) == 1
    assert (found.grade, found.tie) == (Grade.PROVIDER_REPORTED, Basis.CONTRACT)


class TestResult:
    def test_nothing_attributed(self) -> None:
        found = assessed()
        assert found.result is Result.NONE_FOUND_IN_SCOPE
        assert found.not_covered == interval(9000, 9000)

    def test_a_candidate_is_nothing_attributed_however_large(self) -> None:
        found = assessed(transfer(day(1), usdx(9000), sender=STRANGER))
        assert found.result is Result.NONE_FOUND_IN_SCOPE
        assert found.not_covered == interval(0, 9000)

    def test_all_but_a_unit_is_a_part(self) -> None:
        found = assessed(transfer(day(1), usdx(9000) - 1))
        assert found.result is Result.PARTIAL
        assert found.not_covered == Interval(min_units=1, max_units=1)

    def test_to_the_unit_is_full(self) -> None:
        found = assessed(transfer(day(1), usdx(9000)))
        assert found.result is Result.FULL
        assert found.not_covered == interval(0, 0)

    def test_more_than_owed_is_full_and_the_rest_is_not_applied(self) -> None:
        found = assessed(transfer(day(1), usdx(8000)), transfer(day(2), usdx(3500)))
        assert found.result is Result.FULL
        assert found.allocation.applied_units == usdx(9000)
        assert found.allocation.unapplied_units == usdx(8000 + 3500 - 9000)

    @pytest.mark.parametrize(
        ("tolerance", "received", "result"),
        [
            (0, usdx(9000), Result.FULL),
            (100_000, usdx(9000) - 100_000, Result.FULL),  # a tenth of one USDX
            (100_000, usdx(9000) - 100_001, Result.PARTIAL),
            (usdx(9000), 0, Result.FULL),
            (usdx(9000), 1, Result.FULL),
            (usdx(9000) - 1, 0, Result.NONE_FOUND_IN_SCOPE),
        ],
    )
    def test_tolerance_is_inclusive(self, tolerance: int, received: int, result: Result) -> None:
        sent = [transfer(day(1), received)] if received else []
        found = assessed(*sent, terms=debt(tolerance_units=tolerance))
        assert found.result is result
        open_units = usdx(9000) - received
        assert found.not_covered == Interval(min_units=open_units, max_units=open_units)

    def test_another_registered_asset_leaves_the_lower_bound_at_zero(self) -> None:
        book = records(debt(), registered=[WETH])
        found = assessed(transfer(day(1), 1, token=WETH), transfer(day(2), usdx(4000)), book=book)
        assert found.result is Result.PARTIAL
        assert found.not_covered == interval(0, 5000)
        assert intervals(found) == [interval(0, 0), interval(0, 2000), interval(0, 3000)]

    def test_nothing_of_another_registered_asset_leaves_it_alone(self) -> None:
        found = assessed(transfer(day(1), 0, token=WETH), book=records(debt(), registered=[WETH]))
        assert found.not_covered == interval(9000, 9000)

    def test_accepted_assets_add_up_at_face_value(self) -> None:
        """1,000.00 with 2 decimals + 2,000 with 18 + 3,000 with 6 = 6,000 of 9,000."""
        found = assessed(
            transfer(day(1), 1000 * 10**2, token=CENTS),
            transfer(day(2), 2000 * 10**18, token=DAI),
            transfer(day(3), usdx(3000)),
            terms=debt(accepted=(CENTS, DAI)),
        )
        assert found.allocation.applied_units == usdx(6000)
        assert found.not_covered == interval(3000, 3000)

    def test_a_fraction_of_a_unit_counts_for_the_debtor_while_it_is_undecided(self) -> None:
        """8,999.999999 and 0.0000001 more from somebody: the last millionth may be covered."""
        found = assessed(
            transfer(day(1), usdx(9000) - 1),
            transfer(day(2), 10**11, token=DAI, sender=STRANGER),
            terms=debt(accepted=(DAI,)),
        )
        assert found.not_covered == Interval(min_units=0, max_units=1)

    def test_two_debts_leave_one_transfer_to_neither(self) -> None:
        book = records(debt(), other_debts=[another_debt(USDX)])
        found = assessed(transfer(day(1), usdx(9000)), book=book)
        assert found.result is Result.NONE_FOUND_IN_SCOPE
        assert found.not_covered == interval(0, 9000)

    @pytest.mark.parametrize("basis", [Basis.CLAIMED, Basis.INFERENCE])
    def test_a_claim_or_an_inference_covers_nothing_and_leaves_all_open(self, basis: Basis) -> None:
        book = records(debt(), bindings=[of_creditor(), of_debtor(basis=basis)])
        found = assessed(transfer(day(1), usdx(9000)), book=book)
        assert found.result is Result.NONE_FOUND_IN_SCOPE
        assert found.not_covered == interval(0, 9000)

    def test_a_payment_to_the_creditors_former_account_is_open(self) -> None:
        bindings = [of_creditor(valid_until=day(30)), of_debtor()]
        found = assessed(transfer(day(31), usdx(9000)), book=records(debt(), bindings=bindings))
        assert found.not_covered == interval(0, 9000)


class TestWindow:
    def test_agreed_at_and_as_of_are_both_inside(self) -> None:
        at = [AGREED_AT - SECOND, AGREED_AT, day(10), day(10) + SECOND]
        bindings = [of_creditor(), of_debtor(valid_from=day(-100))]
        sent = [transfer(when, usdx(1)) for when in at]
        found = assessed(*sent, book=records(debt(), bindings=bindings), as_of=day(10))
        assert [each.transfer for each in found.attribution.payments] == sent[1:3]
        assert not found.attribution.candidates

    def test_a_fraction_of_a_second_belongs_to_the_second_after_the_agreement(self) -> None:
        terms = debt(agreed_at=AGREED_AT + timedelta(milliseconds=1))
        bindings = [of_creditor(), of_debtor(valid_from=day(-100))]
        sent = [transfer(AGREED_AT, usdx(1)), transfer(AGREED_AT + SECOND, usdx(2))]
        found = assessed(*sent, book=records(terms, bindings=bindings))
        assert [payment.units for payment in found.attribution.payments] == [usdx(2)]

    def test_transfers_after_as_of_are_not_known_of(self) -> None:
        early = assessed(transfer(day(50), usdx(3000)), transfer(day(90), usdx(3000)), as_of=day(70))
        assert early.allocation.applied_units == usdx(3000)
        assert timings(early) == [Timing.ON_TIME, Timing.NOT_YET_DUE, Timing.NOT_YET_DUE]

    @pytest.mark.parametrize("as_of", [day(3000), datetime(9999, 1, 1, tzinfo=AGREED_AT.tzinfo)])
    def test_far_later_the_answer_is_the_same(self, as_of: datetime) -> None:
        found = assessed(transfer(day(50), usdx(3000)), as_of=as_of)
        assert found.not_covered == interval(6000, 6000)


class TestGap:
    def test_leaves_everything_open_but_what_is_covered(self) -> None:
        found = assessed(*the_demo(), gaps=[gap()])
        assert found.result is Result.UNDETERMINED
        assert found.timing is Timing.UNDETERMINED
        assert found.not_covered is None
        assert intervals(found) == [interval(0, 0), None, None]
        assert timings(found) == [Timing.ON_TIME, Timing.UNDETERMINED, Timing.UNDETERMINED]
        assert [state.days_overdue for state in found.installments] == [0, None, None]
        assert found.grade is None
        assert found.allocation.applied_units == usdx(4000)

    def test_nothing_found_is_undetermined_not_none_found(self) -> None:
        assert assessed(gaps=[gap()]).result is Result.UNDETERMINED

    def test_what_covers_the_debt_covers_it_whatever_lies_in_the_gap(self) -> None:
        found = assessed(transfer(day(50), usdx(9000)), gaps=[gap()])
        assert found.result is Result.FULL
        assert found.not_covered == interval(0, 0)
        assert found.timing is Timing.ON_TIME
        assert found.grade is None

    def test_late_is_undetermined_since_the_gap_may_hold_an_earlier_payment(self) -> None:
        found = assessed(transfer(day(70), usdx(9000)), gaps=[gap()])
        assert timings(found) == [Timing.UNDETERMINED, Timing.ON_TIME, Timing.ON_TIME]
        assert found.timing is Timing.UNDETERMINED
        assert found.result is Result.FULL

    def test_within_the_tolerance_is_full_but_what_is_open_is_not_known(self) -> None:
        terms = debt(tolerance_units=usdx(10))
        found = assessed(transfer(day(50), usdx(8995)), terms=terms, gaps=[gap()])
        assert found.result is Result.FULL
        assert found.not_covered is None
        assert intervals(found) == [interval(0, 0), interval(0, 0), None]
        assert timings(found) == [Timing.ON_TIME] * 3

    def test_of_one_account_or_of_one_chain_is_a_gap_of_the_debt(self) -> None:
        side = asset("USDX2", chain=OTHER_CHAIN)
        book = records(
            debt(accepted=(side,)), bindings=[of_creditor(), of_creditor(chain=OTHER_CHAIN), of_debtor()]
        )
        rows = (
            scope_row(book, as_of=day(180)),
            scope_row(book, as_of=day(180), chain=OTHER_CHAIN, gaps=[gap()]),
        )
        assert assessed(book=book, scope=rows).result is Result.UNDETERMINED
        whole = (rows[0], scope_row(book, as_of=day(180), chain=OTHER_CHAIN))
        assert assessed(book=book, scope=whole).result is Result.NONE_FOUND_IN_SCOPE

    def test_without_any_scope_nothing_was_read(self) -> None:
        found = assessed(scope=(), asked=None)
        assert found.result is Result.UNDETERMINED
        assert found.timing is Timing.UNDETERMINED
        assert (found.grade, found.tie, found.not_covered) == (None, None, None)


class TestGrade:
    def test_needs_an_answer(self) -> None:
        assert assessed().grade is Grade.PROVIDER_REPORTED
        assert assessed(asked=None).grade is None
        assert assessed(asked=reading(agreed=0, failed=2)).grade is None
        assert assessed(asked=reading(agreed=0, differed=1)).grade is Grade.PROVIDER_REPORTED

    def test_needs_a_block_in_the_window(self) -> None:
        book = records(debt())
        row = scope_row(book, as_of=day(180))
        empty = type(row)(
            chain=row.chain,
            chain_name=row.chain_name,
            accounts=row.accounts,
            before=block(AGREED_AT - SECOND),
            first=None,
            last=None,
            after=block(day(181)),
            gaps=(),
        )
        found = assessed(book=book, scope=(empty,))
        assert found.grade is None
        assert found.result is Result.NONE_FOUND_IN_SCOPE
        assert assessed(book=book, scope=(empty, row)).grade is Grade.PROVIDER_REPORTED


class TestTie:
    def tie(self, bindings: Sequence[AccountBinding], *sent: Transfer) -> Basis | None:
        return assessed(*sent, book=records(debt(), bindings=bindings)).tie

    def test_is_the_weakest_of_the_accounts_searched(self) -> None:
        second = address("second account")
        assert self.tie([of_creditor(), of_debtor()]) is Basis.CONTRACT
        assert self.tie([of_creditor(), of_creditor(second, basis=Basis.CLAIMED)]) is Basis.CLAIMED
        assert self.tie([of_creditor(basis=Basis.INFERENCE)]) is Basis.INFERENCE

    def test_a_payer_counts_only_where_a_payment_rests_on_him(self) -> None:
        bindings = [of_creditor(), of_debtor(basis=Basis.ADMISSION, valid_from=AGREED_AT)]
        assert self.tie(bindings) is Basis.CONTRACT
        assert self.tie(bindings, transfer(day(1), 1)) is Basis.ADMISSION
        assert self.tie(bindings, transfer(day(1), 1, sender=STRANGER)) is Basis.CONTRACT

    def test_a_weaker_word_on_the_same_account_does_not_weaken_a_stronger_one(self) -> None:
        bindings = [of_creditor(basis=Basis.CLAIMED), of_creditor(basis=Basis.SIGNATURE)]
        assert self.tie(bindings) is Basis.SIGNATURE

    def test_but_it_is_used_where_the_stronger_one_does_not_reach(self) -> None:
        bindings = [of_creditor(basis=Basis.CLAIMED), of_creditor(valid_from=day(20))]
        assert self.tie(bindings) is Basis.CLAIMED

    def test_accounts_of_others_do_not_count(self) -> None:
        bindings = [of_creditor(), binding("guarantor", CREDITOR, basis=Basis.INFERENCE)]
        assert self.tie(bindings) is Basis.CONTRACT
        elsewhere = of_creditor(chain=OTHER_CHAIN, basis=Basis.INFERENCE)
        assert self.tie([of_creditor(), elsewhere]) is Basis.CONTRACT


def test_several_accounts_of_the_creditor_are_one_purse() -> None:
    second = address("second account")
    book = records(debt(), bindings=[of_creditor(), of_creditor(second), of_debtor()])
    found = assessed(
        transfer(day(1), usdx(2000)),
        transfer(day(2), usdx(2500), recipient=second),
        transfer(day(3), usdx(2500), sender=second),
        book=book,
    )
    assert found.allocation.applied_units == usdx(4500)
    assert found.not_covered == interval(4500, 4500)
    assert [each.reasons for each in found.attribution.candidates] == [(Reason.INTERNAL,)]


def test_installments_due_at_the_same_time_are_filled_in_their_order() -> None:
    terms = debt(parts=installments((day(60), usdx(5)), (day(60), usdx(5))))
    found = assessed(transfer(day(1), usdx(7)), terms=terms)
    assert [state.applied_units for state in found.installments] == [usdx(5), usdx(2)]


def test_amounts_to_the_limit_of_a_token() -> None:
    most = 2**256 - 1
    terms = debt(parts=installments((day(60), most)))
    found = assessed(transfer(day(1), most - 1), transfer(day(2), most), terms=terms)
    assert found.result is Result.FULL
    assert found.allocation.unapplied_units == most - 1
