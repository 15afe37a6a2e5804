"""Timing of installments: edges to the second, grace, clocks that change, tolerance, and days overdue."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from app.assessment.values import Assessment, Result, Timing
from app.debts.terms import Installment, end_of_day
from tests.factories import STRANGER, assessed, day, debt, installments, transfer

SECOND = timedelta(seconds=1)


def timings(assessment: Assessment) -> list[Timing]:
    return [state.timing for state in assessment.installments]


def overdue_days(assessment: Assessment) -> list[int | None]:
    return [state.days_overdue for state in assessment.installments]


class TestEdge:
    @pytest.mark.parametrize(
        ("at", "timing", "days"),
        [
            (day(60) - SECOND, Timing.ON_TIME, 0),
            (day(60), Timing.ON_TIME, 0),
            (day(60) + SECOND, Timing.LATE, 0),
            (day(61) - SECOND, Timing.LATE, 0),
            (day(61), Timing.LATE, 1),
        ],
    )
    def test_a_block_of_the_due_second_is_in_time(self, at: datetime, timing: Timing, days: int) -> None:
        found = assessed(transfer(at, 10), terms=debt(parts=installments((day(60), 10))))
        assert timings(found) == [timing]
        assert overdue_days(found) == [days]

    @pytest.mark.parametrize(
        ("as_of", "timing", "days"),
        [
            (day(60) - SECOND, Timing.NOT_YET_DUE, 0),
            (day(60), Timing.NOT_YET_DUE, 0),
            (day(60) + SECOND, Timing.OVERDUE, 0),
            (day(61), Timing.OVERDUE, 1),
            (day(150), Timing.OVERDUE, 90),
        ],
    )
    def test_at_the_due_second_nothing_is_overdue(self, as_of: datetime, timing: Timing, days: int) -> None:
        found = assessed(terms=debt(parts=installments((day(60), 10))), as_of=as_of)
        assert timings(found) == [timing]
        assert overdue_days(found) == [days]

    @pytest.mark.parametrize(
        ("at", "timing"),
        [(day(63), Timing.ON_TIME), (day(63) + SECOND, Timing.LATE), (day(64), Timing.LATE)],
    )
    def test_grace_moves_the_edge_and_days_still_count_from_the_due_time(
        self, at: datetime, timing: Timing
    ) -> None:
        terms = debt(parts=installments((day(60), 10)), grace_days=3)
        found = assessed(transfer(at, 10), terms=terms)
        assert timings(found) == [timing]
        assert overdue_days(found) == [0 if timing is Timing.ON_TIME else (at - day(60)).days]

    def test_in_the_days_of_grace_nothing_is_overdue(self) -> None:
        terms = debt(parts=installments((day(60), 10)), grace_days=3)
        assert assessed(terms=terms, as_of=day(63)).timing is Timing.NOT_YET_DUE
        late = assessed(terms=terms, as_of=day(63) + SECOND)
        assert late.timing is Timing.OVERDUE
        assert overdue_days(late) == [3]

    def test_the_payment_that_covers_the_last_unit_decides(self) -> None:
        terms = debt(parts=installments((day(60), 10)))
        assert assessed(transfer(day(1), 9), transfer(day(61), 1), terms=terms).timing is Timing.LATE
        assert assessed(transfer(day(1), 10), transfer(day(61), 1), terms=terms).timing is Timing.ON_TIME

    def test_what_arrives_early_fills_what_is_due_first(self) -> None:
        """5 + 5 due on days 60 and 100; 7 on day 50, 3 on day 101: the second is late by its last 3."""
        terms = debt(parts=installments((day(60), 5), (day(100), 5)))
        found = assessed(transfer(day(50), 7), transfer(day(101), 3), terms=terms)
        assert timings(found) == [Timing.ON_TIME, Timing.LATE]

    def test_the_debt_shows_the_worst(self) -> None:
        terms = debt(parts=installments((day(60), 5), (day(100), 5), (day(140), 5)))
        assert assessed(transfer(day(70), 5), terms=terms, as_of=day(90)).timing is Timing.LATE
        assert assessed(transfer(day(50), 5), terms=terms, as_of=day(90)).timing is Timing.NOT_YET_DUE
        assert assessed(transfer(day(50), 15), terms=terms, as_of=day(90)).timing is Timing.ON_TIME
        assert assessed(transfer(day(70), 5), terms=terms, as_of=day(101)).timing is Timing.OVERDUE


def due_on(day_: str, *, zone: str) -> tuple[Installment, ...]:
    on = date.fromisoformat(day_)
    return (Installment(number=1, due_at=end_of_day(on, zone=ZoneInfo(zone)), due_on=on, amount_units=10),)


class TestCalendarDays:
    @pytest.mark.parametrize(
        ("on", "zone", "grace_days", "last"),
        [
            ("2026-03-29", "Europe/Berlin", 0, "2026-03-29T21:59:59"),
            ("2026-10-25", "Europe/Berlin", 0, "2026-10-25T22:59:59"),
            ("2026-10-24", "Europe/Berlin", 1, "2026-10-25T22:59:59"),
            ("2026-03-28", "Europe/Berlin", 1, "2026-03-29T21:59:59"),
            ("2026-06-30", "Asia/Shanghai", 0, "2026-06-30T15:59:59"),
            ("2026-06-30", "Asia/Shanghai", 2, "2026-07-02T15:59:59"),
        ],
    )
    def test_the_whole_day_there_is_in_time(self, on: str, zone: str, grace_days: int, last: str) -> None:
        end = datetime.fromisoformat(last).replace(tzinfo=UTC)
        assert end.astimezone(ZoneInfo(zone)).strftime("%H:%M:%S") == "23:59:59"
        terms = debt(parts=due_on(on, zone=zone), time_zone=zone, grace_days=grace_days)
        for at, timing in ((end, Timing.ON_TIME), (end + SECOND, Timing.LATE)):
            assert assessed(transfer(at, 10), terms=terms, as_of=day(360)).timing is timing
        assert assessed(terms=terms, as_of=end).timing is Timing.NOT_YET_DUE
        assert assessed(terms=terms, as_of=end + SECOND).timing is Timing.OVERDUE


class TestTolerance:
    TWO = installments((day(60), 3000), (day(100), 3000))

    def test_a_fee_taken_off_on_the_way_does_not_make_a_debtor_late(self) -> None:
        """2,990 in time for 3,000 with a tolerance of 10: 10 are missing, and nobody is late.

        The next 3,000 fill up those 10 first. That must not make the first installment late afterwards.
        """
        terms = debt(parts=self.TWO, tolerance_units=10)
        first = assessed(transfer(day(50), 2990), terms=terms, as_of=day(70))
        assert timings(first) == [Timing.ON_TIME, Timing.NOT_YET_DUE]
        both = assessed(transfer(day(50), 2990), transfer(day(90), 3000), terms=terms)
        assert [state.applied_units for state in both.installments] == [3000, 2990]
        assert timings(both) == [Timing.ON_TIME, Timing.ON_TIME]
        assert both.result is Result.FULL

    def test_it_is_spent_once(self) -> None:
        """2,990 twice: 3,000 + 2,980 applied, 20 missing of the second, 10 more than is tolerated."""
        terms = debt(parts=self.TWO, tolerance_units=10)
        found = assessed(transfer(day(50), 2990), transfer(day(90), 2990), terms=terms)
        assert timings(found) == [Timing.ON_TIME, Timing.OVERDUE]
        assert found.result is Result.PARTIAL

    def test_it_is_spent_in_due_order(self) -> None:
        """Nothing received, 4,000 tolerated: 3,000 for the first, the last 1,000 for the second."""
        found = assessed(terms=debt(parts=self.TWO, tolerance_units=4000))
        assert timings(found) == [Timing.ON_TIME, Timing.OVERDUE]
        assert found.result is Result.NONE_FOUND_IN_SCOPE

    def test_one_unit_more_than_tolerated_is_late(self) -> None:
        terms = debt(parts=self.TWO, tolerance_units=10)
        found = assessed(transfer(day(50), 2989), transfer(day(90), 3011), terms=terms)
        assert timings(found) == [Timing.LATE, Timing.ON_TIME]

    def test_the_covering_block_is_the_one_that_left_no_more_than_is_tolerated(self) -> None:
        terms = debt(parts=installments((day(60), 3000)), tolerance_units=10)
        sent = [transfer(day(50), 2000), transfer(day(65), 990), transfer(day(70), 10)]
        found = assessed(*sent, terms=terms)
        (state,) = found.installments
        assert state.timing is Timing.LATE
        assert state.covered_by is not None
        assert state.covered_by.transfer == sent[1]
        assert state.days_overdue == 5

    def test_the_whole_principal_tolerated_needs_no_payment(self) -> None:
        terms = debt(parts=self.TWO, tolerance_units=6000)
        found = assessed(terms=terms)
        assert timings(found) == [Timing.ON_TIME, Timing.ON_TIME]
        assert found.result is Result.FULL
        late = assessed(transfer(day(150), 10), terms=terms)
        assert timings(late) == [Timing.ON_TIME, Timing.ON_TIME]

    def test_a_tenth_of_an_installment(self) -> None:
        terms = debt(parts=installments((day(60), 3000)), tolerance_units=300)
        assert assessed(transfer(day(60), 2700), terms=terms).timing is Timing.ON_TIME
        assert assessed(transfer(day(60), 2699), terms=terms).timing is Timing.OVERDUE


def test_a_candidate_changes_no_timing() -> None:
    terms = debt(parts=installments((day(60), 10)))
    in_time = transfer(day(50), 10, sender=STRANGER)
    assert assessed(in_time, terms=terms).timing is Timing.OVERDUE
    assert assessed(in_time, transfer(day(61), 10), terms=terms).timing is Timing.LATE
