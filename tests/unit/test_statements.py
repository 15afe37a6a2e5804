"""Each sentence about an installment, a candidate or a result: printed where it is true, and nowhere else."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from app.assessment.statements import (
    UNLESS_UNDECIDED,
    UNLESS_UNDECIDED_EARLIER,
    candidate_sentence,
    installment_sentence,
    instant,
    provider_reported,
    result_sentence,
    timing_condition,
    would_change,
)
from app.assessment.values import Assessment
from app.money import Asset
from tests.factories import (
    AGREED_AT,
    CREDITOR,
    ONE,
    STRANGER,
    address,
    assessed,
    asset,
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
    transfer,
)

SECOND = timedelta(seconds=1)
WETH = asset("WETH", decimals=18)
ONE_PART = installments((day(60), 3000 * ONE))
FOUND = (
    "Transfers covering the amount were found and applied to this installment by due-date-order/1. Whether "
    "they were made for this debt is not decided here."
)
PRODUCER = "; block times are set by the block producer; the time of sending is not known."


def first(assessment: Assessment) -> str:
    return installment_sentence(assessment, assessment.installments[0])


def usdx(units: float) -> int:
    return int(units * ONE)


class TestOnTime:
    def test_covered_by_its_payments(self) -> None:
        assert first(assessed(transfer(day(60), usdx(3000)), terms=debt(parts=ONE_PART))) == FOUND

    def test_within_the_tolerance_it_is_not_said_to_be_covered(self) -> None:
        terms = debt(parts=ONE_PART, tolerance_units=usdx(10))
        within = first(assessed(transfer(day(60), usdx(2990)), terms=terms))
        assert within == "What is not covered lies within the recorded tolerance."
        assert first(assessed(terms=debt(parts=ONE_PART, tolerance_units=usdx(3000)))) == within
        assert first(assessed(transfer(day(60), usdx(3000)), terms=terms)) == FOUND

    def test_what_came_later_than_the_due_time_is_said(self) -> None:
        terms = debt(parts=ONE_PART, tolerance_units=usdx(10))
        later = "What came after the due time lies within the recorded tolerance."
        sent = [transfer(day(60), usdx(2990)), transfer(day(61), usdx(10))]
        assert first(assessed(*sent, terms=terms)) == f"{FOUND} {later}"
        some = [transfer(day(60), usdx(2990)), transfer(day(61), usdx(5))]
        assert first(assessed(*some, terms=terms)) == (
            f"What is not covered lies within the recorded tolerance. {later}"
        )
        assert later not in first(assessed(transfer(day(60), usdx(3000)), terms=terms))

    def test_on_a_gap_within_the_tolerance_it_is_not_said_to_be_covered(self) -> None:
        terms = debt(parts=ONE_PART, tolerance_units=usdx(10))
        found = assessed(transfer(day(60), usdx(2990)), terms=terms, gaps=[gap()])
        assert first(found) == "What is not covered lies within the recorded tolerance."


class TestLate:
    def test_names_the_covering_block_and_the_seconds(self) -> None:
        at = day(60, seconds=90)
        found = assessed(transfer(at, usdx(3000)), terms=debt(parts=ONE_PART))
        assert first(found) == (
            f"{FOUND} Late: first included in block {block(at).number}, time 2026-03-02T00:01:30Z, 90 "
            f"seconds after the due time{PRODUCER}"
        )

    def test_one_second_is_one_second(self) -> None:
        found = assessed(transfer(day(60) + SECOND, usdx(3000)), terms=debt(parts=ONE_PART))
        assert ", 1 second after the due time;" in first(found)

    def test_a_fraction_of_a_second_is_exact(self) -> None:
        due = day(60) + timedelta(milliseconds=250)
        terms = debt(parts=installments((due, usdx(3000))))
        found = assessed(transfer(day(60) + SECOND, usdx(3000)), terms=terms)
        assert ", 0.75 seconds after the due time;" in first(found)

    def test_counts_from_the_end_of_the_grace_and_says_so(self) -> None:
        at = day(63, seconds=60)
        for grace_days, said in (
            (3, "60 seconds after the due time and 3 days of grace;"),
            (1, "1 day of grace;"),
        ):
            found = assessed(transfer(at, usdx(3000)), terms=debt(parts=ONE_PART, grace_days=grace_days))
            assert said in first(found)
        assert "grace" not in first(assessed(transfer(at, usdx(3000)), terms=debt(parts=ONE_PART)))

    def test_names_the_block_that_left_no_more_than_is_tolerated(self) -> None:
        terms = debt(parts=ONE_PART, tolerance_units=usdx(10))
        sent = [transfer(day(61), usdx(2990)), transfer(day(70), usdx(5))]
        assert first(assessed(*sent, terms=terms)) == (
            "What is not covered lies within the recorded tolerance. Late: first included in block "
            f"{block(day(61)).number}, time 2026-03-03T00:00:00Z, 86400 seconds after the due time{PRODUCER}"
        )

    @pytest.mark.parametrize(
        ("sender", "at", "token", "units", "conditional"),
        [
            ("stranger", day(60), asset(), usdx(1), True),
            ("stranger", day(1), asset(), 1, True),
            ("stranger", day(1), WETH, 1, True),
            ("stranger", day(60) + SECOND, asset(), usdx(3000), False),
            ("stranger", day(1), asset(), 0, False),
            ("stranger", day(1), asset("unknown"), usdx(3000), False),
            ("stranger", day(1), WETH, 0, False),
        ],
    )
    def test_an_earlier_undecided_transfer_is_a_condition(
        self, *, sender: str, at: datetime, token: Asset, units: int, conditional: bool
    ) -> None:
        book = records(debt(parts=ONE_PART), registered=[WETH])
        undecided = transfer(at, units, sender=address(sender), token=token, log_index=1)
        found = assessed(undecided, transfer(day(61), usdx(3000)), book=book)
        assert (f"Late, {UNLESS_UNDECIDED_EARLIER}: first included" in first(found)) is conditional
        assert ("Late: first included" in first(found)) is not conditional

    def test_on_a_gap_nothing_is_late(self) -> None:
        found = assessed(transfer(day(61), usdx(3000)), terms=debt(parts=ONE_PART), gaps=[gap()])
        assert first(found) == "Not determined: part of what had to be read was not read."


class TestOverdue:
    def test_says_what_was_not_among_those_found(self) -> None:
        assert first(assessed(terms=debt(parts=ONE_PART), as_of=day(61))) == (
            "At 2026-03-03T00:00:00Z, after the due time, transfers covering 3,000.00 USDX of this "
            "installment were not among those found and applied."
        )

    def test_says_how_much_and_after_which_grace(self) -> None:
        terms = debt(parts=ONE_PART, grace_days=5)
        assert first(assessed(transfer(day(1), usdx(0.5)), terms=terms, as_of=day(66))) == (
            "At 2026-03-08T00:00:00Z, after the due time and 5 days of grace, transfers covering 2,999.50 "
            "USDX of this installment were not among those found and applied."
        )

    def test_never_without_its_condition_where_an_undecided_transfer_may_cover_it(self) -> None:
        undecided = transfer(day(70), 1, sender=STRANGER)
        text = first(assessed(undecided, terms=debt(parts=ONE_PART)))
        assert text.endswith(f"were not among those found and applied, {UNLESS_UNDECIDED}.")
        valued = assessed(
            transfer(day(70), 1, token=WETH), book=records(debt(parts=ONE_PART), registered=[WETH])
        )
        assert UNLESS_UNDECIDED in first(valued)

    @pytest.mark.parametrize("units", [0, usdx(1000)])
    def test_what_counts_nothing_is_no_condition(self, units: int) -> None:
        token = asset("unknown") if units else asset()
        assert UNLESS_UNDECIDED not in first(assessed(transfer(day(70), units, sender=STRANGER, token=token)))

    def test_a_candidate_laid_elsewhere_may_set_the_tolerance_free(self) -> None:
        """3,000 and 200 owed, 200 tolerated: as it stands, the tolerance goes to the first installment.

        3,000 from somebody would cover the first, and leave the tolerance to the second.
        """
        parts = installments((day(60), 3000), (day(100), 200))
        terms = debt(parts=parts, tolerance_units=200)
        found = assessed(transfer(day(70), 3000, sender=STRANGER), terms=terms)
        second = found.installments[1]
        assert second.not_covered is not None
        assert second.not_covered.min_units == second.not_covered.max_units == 200
        assert timing_condition(found, second) == UNLESS_UNDECIDED
        without = assessed(transfer(day(70), 3000, sender=STRANGER), terms=debt(parts=parts))
        assert timing_condition(without, without.installments[1]) == ""

    def test_the_demos_third_installment_has_no_condition(self) -> None:
        found = assessed(transfer(day(112), usdx(2000), sender=STRANGER), transfer(day(50), usdx(4000)))
        conditions = [timing_condition(found, state) for state in found.installments]
        assert conditions == ["", UNLESS_UNDECIDED, ""]


class TestNotYet:
    def test_before_and_at_the_due_time(self) -> None:
        for as_of, text in ((day(59), "2026-03-01T00:00:00Z"), (day(60), "2026-03-02T00:00:00Z")):
            said = first(assessed(terms=debt(parts=ONE_PART, grace_days=2), as_of=as_of))
            assert said == f"Not yet due: at {text} the due time has not passed."

    @pytest.mark.parametrize(("days", "grace"), [(1, "1 day"), (2, "2 days")])
    def test_in_the_days_of_grace_it_is_due_but_not_late(self, days: int, grace: str) -> None:
        said = first(assessed(terms=debt(parts=ONE_PART, grace_days=days), as_of=day(60) + SECOND))
        assert said == f"Not yet late: at 2026-03-02T00:00:01Z the {grace} of grace have not passed."


class TestResult:
    def test_none_found(self) -> None:
        assert result_sentence(assessed()) == (
            "No transfer in the searched scope was applied to this debt of 9,000.00 USDX. 9,000.00 USDX is "
            "not covered by transfers found and applied."
        )

    def test_none_found_with_candidates(self) -> None:
        assert result_sentence(assessed(transfer(day(1), usdx(2000), sender=STRANGER))) == (
            "No transfer in the searched scope was applied to this debt of 9,000.00 USDX. Between 7,000.00 "
            "USDX and 9,000.00 USDX is not covered, depending on transfers that are not decided."
        )

    def test_partial(self) -> None:
        assert result_sentence(assessed(transfer(day(1), usdx(4000)))) == (
            "Transfers found and applied cover 4,000.00 USDX of 9,000.00 USDX. 5,000.00 USDX is not covered "
            "by transfers found and applied."
        )

    def test_full(self) -> None:
        assert result_sentence(assessed(transfer(day(1), usdx(9500)))) == (
            "Transfers found and applied cover the debt: 9,000.00 USDX of 9,000.00 USDX."
        )

    def test_full_on_a_gap_is_at_least(self) -> None:
        assert result_sentence(assessed(transfer(day(1), usdx(9500)), gaps=[gap()])) == (
            "Transfers found and applied cover the debt: at least 9,000.00 USDX of 9,000.00 USDX."
        )

    @pytest.mark.parametrize(("gaps", "least"), [([], ""), ([gap()], "at least ")])
    def test_full_by_tolerance_does_not_claim_to_cover_the_debt(self, gaps: list[object], least: str) -> None:
        terms = debt(tolerance_units=usdx(10))
        found = assessed(transfer(day(1), usdx(8995)), terms=terms, gaps=[gap()] if gaps else [])
        assert result_sentence(found) == (
            f"Transfers found and applied cover {least}8,995.00 USDX of 9,000.00 USDX; what is not covered "
            "lies within the recorded tolerance of 10.00 USDX."
        )

    def test_full_by_tolerance_alone(self) -> None:
        assert result_sentence(assessed(terms=debt(tolerance_units=usdx(9000)))) == (
            "Transfers found and applied cover 0.00 USDX of 9,000.00 USDX; what is not covered lies within "
            "the recorded tolerance of 9,000.00 USDX."
        )

    def test_undetermined(self) -> None:
        assert result_sentence(assessed(transfer(day(1), usdx(4000)), gaps=[gap()])) == (
            "At least 4,000.00 USDX of 9,000.00 USDX is covered by transfers found; the rest is not "
            "determined."
        )


class TestCandidate:
    def said(self, found: Assessment) -> str:
        (candidate,) = found.attribution.candidates
        return candidate_sentence(found, candidate)

    WHERE = f"Block {block(day(70)).number}, 2026-03-12T00:00:00Z"

    def test_what_it_would_cover(self) -> None:
        found = assessed(transfer(day(70), usdx(2000), sender=STRANGER))
        assert self.said(found) == (
            f"{self.WHERE} (unknown-payer): 2,000.00 USDX counted; if accepted, up to 2,000.00 USDX more is "
            "covered."
        )

    def test_no_more_than_is_open(self) -> None:
        sent = transfer(day(1), usdx(8500)), transfer(day(70), usdx(2000), sender=STRANGER)
        assert self.said(assessed(*sent)).endswith(
            ": 2,000.00 USDX counted; if accepted, up to 500.00 USDX more is covered."
        )

    def test_nothing_is_promised_where_nothing_is_open_or_it_is_not_known(self) -> None:
        covered = assessed(transfer(day(1), usdx(9000)), transfer(day(70), usdx(2000), sender=STRANGER))
        assert self.said(covered) == f"{self.WHERE} (unknown-payer): 2,000.00 USDX counted."
        torn = assessed(transfer(day(70), usdx(2000), sender=STRANGER), gaps=[gap()])
        assert self.said(torn) == f"{self.WHERE} (unknown-payer): 2,000.00 USDX counted."

    def test_another_asset_may_cover_all(self) -> None:
        book = records(debt(), registered=[WETH])
        assert self.said(assessed(transfer(day(70), 1, token=WETH), book=book)) == (
            f"{self.WHERE} (other-asset): its value in USDX is not agreed; it may cover all."
        )

    def test_what_counts_nothing(self) -> None:
        spoof = assessed(transfer(day(70), 0, sender=look_alike(CREDITOR)))
        assert self.said(spoof) == f"{self.WHERE} (zero-value, look-alike): shown, counts 0."


class TestWouldChange:
    def test_always_names_what_was_not_searched_for(self) -> None:
        (general,) = would_change(assessed())
        assert general.startswith("A payment that was not searched for, once it is shown:")

    def test_each_candidate_then_the_gap_then_the_rest(self) -> None:
        sent = [transfer(day(70 + number), usdx(1), sender=STRANGER) for number in range(2)]
        said = would_change(assessed(*sent, gaps=[gap()]))
        assert [sentence.split()[0] for sentence in said] == ["Block", "Block", "Reading", "A"]
        assert "Reading what was not read." in would_change(assessed(scope=(), asked=None))
        assert "Reading what was not read." not in would_change(assessed(*sent))


class TestProviderReported:
    def test_the_numbers_of_the_reading(self) -> None:
        assert provider_reported(reading(requests=6, agreed=2, differed=1, failed=1)) == (
            "Between 2026-01-01T00:00:00Z and 2026-01-01T00:00:02Z, software run by Harbour Lending Ltd (the "
            "creditor) sent the 6 requests in Annex P to 4 endpoints chosen by the operator. 2 returned no "
            "ERC-20 Transfer event other than those listed, 1 returned others (all listed), 1 failed or "
            "answered in part. The endpoints were not shown to be independent of each other and did not sign "
            "their answers."
        )

    def test_one_is_one(self) -> None:
        said = provider_reported(reading(requests=1, agreed=1))
        assert "sent the 1 request in Annex P to 1 endpoint chosen by" in said


def test_times_are_printed_exactly() -> None:
    """Asked again with the times that were printed, the same is known."""
    assert instant(AGREED_AT) == "2026-01-01T00:00:00Z"
    assert instant(AGREED_AT + timedelta(microseconds=1)) == "2026-01-01T00:00:00.000001Z"
    later = assessed(terms=debt(parts=ONE_PART), as_of=day(60) + timedelta(milliseconds=500))
    assert first(later).startswith("At 2026-03-02T00:00:00.500000Z, after the due time")


def test_amounts_are_in_the_debts_own_unit() -> None:
    owed = asset("JPYX", decimals=0)
    terms = debt(parts=installments((day(60), 1_000_000)), owed=owed)
    found = assessed(transfer(day(1), 400_000, token=owed), terms=terms)
    assert "cover 400,000 JPYX of 1,000,000 JPYX" in result_sentence(found)


def test_a_second_account_changes_no_sentence_about_the_installments() -> None:
    more = address("second account")
    book = records(debt(), bindings=[of_creditor(), of_creditor(more), of_debtor()])
    one = assessed(transfer(day(50), usdx(3000)))
    two = assessed(replace(transfer(day(50), usdx(3000)), recipient=more), book=book)
    assert [installment_sentence(one, state) for state in one.installments] == [
        installment_sentence(two, state) for state in two.installments
    ]
