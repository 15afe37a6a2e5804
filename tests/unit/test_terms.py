"""Terms: ends of days where clocks change, days of grace, and for when a binding searches and attributes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.debts.terms import AccountBinding, Basis, Debt, end_of_day, first_second, weakest
from tests.books import UNTIMED
from tests.factories import AGREED_AT, DEBTOR, STRANGER, binding, day, debt, installments

SECOND = timedelta(seconds=1)
ZONES = st.sampled_from(
    [
        "UTC",
        "Asia/Shanghai",
        "Europe/Berlin",
        "America/New_York",
        "Africa/Cairo",
        "America/Havana",
        "America/Asuncion",
        "Australia/Lord_Howe",
        "Asia/Kathmandu",
        "Pacific/Kiritimati",
    ]
)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("on", "zone", "end"),
    [
        ("2026-06-30", "UTC", "2026-06-30T23:59:59"),
        ("2026-06-30", "Asia/Shanghai", "2026-06-30T15:59:59"),
        # Berlin: clocks go forward on 29 March 2026 (a day of 23 hours), back on 25 October (25 hours).
        ("2026-03-28", "Europe/Berlin", "2026-03-28T22:59:59"),
        ("2026-03-29", "Europe/Berlin", "2026-03-29T21:59:59"),
        ("2026-10-24", "Europe/Berlin", "2026-10-24T21:59:59"),
        ("2026-10-25", "Europe/Berlin", "2026-10-25T22:59:59"),
        # Shanghai had summer time from 1986 to 1991; on 14 April 1991 clocks went forward at 2.
        ("1991-04-13", "Asia/Shanghai", "1991-04-13T15:59:59"),
        ("1991-04-14", "Asia/Shanghai", "1991-04-14T14:59:59"),
        # Cairo: 24 April 2026 begins at 1 o'clock, since clocks go forward at midnight.
        ("2026-04-23", "Africa/Cairo", "2026-04-23T21:59:59"),
        # Havana: on 1 November 2026 midnight is shown twice; the 31st ends before the first.
        ("2026-10-31", "America/Havana", "2026-11-01T03:59:59"),
        # Samoa skipped 30 December 2011: the 29th ends where the 31st begins.
        ("2011-12-29", "Pacific/Apia", "2011-12-30T09:59:59"),
    ],
)
def test_end_of_day(on: str, zone: str, end: str) -> None:
    assert end_of_day(date.fromisoformat(on), zone=ZoneInfo(zone)) == utc(end)


@UNTIMED
@given(on=st.dates(date(1970, 1, 3), date(2200, 1, 1)), zone=ZONES)
def test_the_second_after_the_end_of_a_day_is_another_day(on: date, zone: str) -> None:
    end = end_of_day(on, zone=ZoneInfo(zone))
    assert end.tzinfo is UTC
    assert end.astimezone(ZoneInfo(zone)).date() <= on < (end + SECOND).astimezone(ZoneInfo(zone)).date()


@UNTIMED
@given(st.datetimes(datetime(1970, 1, 1), datetime(9900, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_first_second_is_the_first_whole_second_not_before(when: datetime) -> None:
    second = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=first_second(when))
    assert second >= when > second - SECOND


def terms(due: datetime | date, *, grace_days: int, time_zone: str = "UTC") -> Debt:
    return debt(parts=installments((due, 1)), grace_days=grace_days, time_zone=time_zone)


def last_day(due: datetime | date, *, grace_days: int, time_zone: str = "UTC") -> datetime:
    owed = terms(due, grace_days=grace_days, time_zone=time_zone)
    return owed.last_day_of(owed.installments[0])


def test_without_grace_the_due_instant_is_the_last() -> None:
    assert last_day(day(60), grace_days=0) == day(60)


@pytest.mark.parametrize(
    ("due", "grace_days", "zone", "last"),
    [
        # 24 October + 1 day of grace ends with the 25th, a day of 25 hours: 22:59:59, not 21:59:59.
        ("2026-10-24", 1, "Europe/Berlin", "2026-10-25T22:59:59"),
        ("2026-10-24", 3, "Europe/Berlin", "2026-10-27T22:59:59"),
        ("2026-03-28", 1, "Europe/Berlin", "2026-03-29T21:59:59"),
        ("2026-06-30", 5, "Asia/Shanghai", "2026-07-05T15:59:59"),
        # The last day of grace, 31 October 2026 in Havana, ends before the first of two midnights.
        ("2026-10-30", 1, "America/Havana", "2026-11-01T03:59:59"),
    ],
)
def test_grace_after_a_calendar_day_ends_with_a_calendar_day(
    due: str, grace_days: int, zone: str, last: str
) -> None:
    assert last_day(date.fromisoformat(due), grace_days=grace_days, time_zone=zone) == utc(last)


@pytest.mark.parametrize(
    ("due", "grace_days", "zone", "last"),
    [
        ("2026-06-30T10:00:00", 2, "UTC", "2026-07-02T10:00:00"),
        ("2026-06-30T10:00:00", 2, "Asia/Shanghai", "2026-07-02T10:00:00"),
        # Noon in Berlin stays noon in Berlin.
        ("2026-10-24T10:00:00", 1, "Europe/Berlin", "2026-10-25T11:00:00"),
        ("2026-03-28T11:00:00", 1, "Europe/Berlin", "2026-03-29T10:00:00"),
        # 02:30 is shown twice on 25 October: the later one, 01:30 UTC, counts.
        ("2026-10-24T00:30:00", 1, "Europe/Berlin", "2026-10-25T01:30:00"),
        # 02:30 is not shown on 29 March: 03:30 summer time, 01:30 UTC, counts.
        ("2026-03-28T01:30:00", 1, "Europe/Berlin", "2026-03-29T01:30:00"),
    ],
)
def test_grace_after_an_instant_keeps_the_time_of_day_and_never_shortens_it(
    due: str, grace_days: int, zone: str, last: str
) -> None:
    assert last_day(utc(due), grace_days=grace_days, time_zone=zone) == utc(last)


@UNTIMED
@given(due=st.integers(0, 3000), grace=st.integers(0, 3650), zone=ZONES)
def test_days_of_grace_are_days_but_for_the_clock(due: int, grace: int, zone: str) -> None:
    plain = day(due) + timedelta(days=grace)
    assert abs(last_day(day(due), grace_days=grace, time_zone=zone) - plain) <= timedelta(hours=1)


FROM, UNTIL = day(10), day(20)


@pytest.mark.parametrize("basis", Basis)
@pytest.mark.parametrize(
    ("start", "end", "when", "searched"),
    [
        (None, None, day(-1000), True),
        (FROM, UNTIL, FROM - SECOND, False),
        (FROM, UNTIL, FROM, True),
        (FROM, UNTIL, UNTIL, True),
        (FROM, UNTIL, UNTIL + SECOND, False),
        (None, UNTIL, day(-1000), True),
        (FROM, None, day(9000), True),
    ],
)
def test_a_missing_bound_is_open_for_searching(
    *, basis: Basis, start: datetime | None, end: datetime | None, when: datetime, searched: bool
) -> None:
    bound = binding("debtor", DEBTOR, basis=basis, valid_from=start, valid_until=end)
    assert bound.searched_at(when) is searched


def names_payer(bound: AccountBinding, when: datetime) -> bool:
    return bound.attributes_at(when, agreed_at=AGREED_AT)


@pytest.mark.parametrize("basis", [Basis.CLAIMED, Basis.INFERENCE])
def test_what_is_claimed_or_inferred_never_attributes(basis: Basis) -> None:
    for start in (None, day(-100), FROM):
        assert not names_payer(binding("debtor", DEBTOR, basis=basis, valid_from=start), day(15))


def test_a_contract_without_a_start_names_its_accounts_from_the_agreement_on() -> None:
    bound = binding("debtor", DEBTOR, basis=Basis.CONTRACT, recorded_at=day(90))
    assert not names_payer(bound, AGREED_AT - SECOND)
    assert names_payer(bound, AGREED_AT)


@pytest.mark.parametrize("basis", [Basis.SIGNATURE, Basis.ADMISSION])
def test_a_signature_or_admission_without_a_start_speaks_from_the_day_it_was_recorded(basis: Basis) -> None:
    bound = binding("debtor", DEBTOR, basis=basis, recorded_at=day(90))
    assert not names_payer(bound, day(90) - SECOND)
    assert names_payer(bound, day(90))


@pytest.mark.parametrize("basis", [Basis.CONTRACT, Basis.SIGNATURE, Basis.ADMISSION])
def test_a_stated_start_and_end_are_both_inclusive(basis: Basis) -> None:
    bound = binding("debtor", DEBTOR, basis=basis, valid_from=FROM, valid_until=UNTIL, recorded_at=day(90))
    assert [names_payer(bound, when) for when in (FROM - SECOND, FROM, UNTIL, UNTIL + SECOND)] == [
        False,
        True,
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("start", "end", "other_start", "other_end", "needless"),
    [
        (None, None, None, None, True),
        (FROM, UNTIL, None, None, True),
        (FROM, UNTIL, FROM, UNTIL, True),
        (None, UNTIL, FROM, None, False),
        (FROM, None, None, UNTIL, False),
        (FROM, UNTIL, FROM + SECOND, None, False),
        (FROM, UNTIL, None, UNTIL - SECOND, False),
    ],
)
def test_a_weaker_binding_is_needless_only_beside_a_stronger_one_of_its_whole_time(
    *,
    start: datetime | None,
    end: datetime | None,
    other_start: datetime | None,
    other_end: datetime | None,
    needless: bool,
) -> None:
    weak = binding("creditor", DEBTOR, basis=Basis.CLAIMED, valid_from=start, valid_until=end)
    strong = binding("creditor", DEBTOR, valid_from=other_start, valid_until=other_end)
    elsewhere = binding("creditor", STRANGER, valid_from=other_start, valid_until=other_end)
    assert weak.is_needless_beside(strong) is needless
    assert not strong.is_needless_beside(weak)
    assert not weak.is_needless_beside(weak)
    assert not weak.is_needless_beside(elsewhere)


def test_the_weakest_basis() -> None:
    assert weakest(set()) is None
    assert weakest(set(Basis)) is Basis.INFERENCE
    assert weakest({Basis.CONTRACT}) is Basis.CONTRACT
    assert weakest({Basis.ADMISSION, Basis.SIGNATURE}) is Basis.ADMISSION


def test_assets_of_a_debt_are_its_own_and_the_accepted_ones() -> None:
    owed = debt()
    assert owed.assets == (owed.asset,)
