"""The text form of an instant, and ids that sort by age."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.clock import (
    BadTime,
    from_unix_seconds,
    parse_rfc3339,
    require_utc,
    to_rfc3339,
    to_unix_seconds,
    utc_now,
)
from app.ids import new_id

INSTANTS = st.datetimes(
    min_value=datetime(1, 1, 2),  # noqa: DTZ001 -- hypothesis adds the zone.
    max_value=datetime(9999, 12, 30),  # noqa: DTZ001
    timezones=st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))),
)


@given(INSTANTS)
def test_an_instant_survives_its_text(instant: datetime) -> None:
    text = to_rfc3339(instant)
    assert text.endswith("Z")
    assert parse_rfc3339(text) == instant
    assert parse_rfc3339(instant.isoformat()) == instant
    assert parse_rfc3339(text).tzinfo is UTC


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-01-31T12:00:00+08:00", 1769832000),
        ("2026-01-31t04:00:00z", 1769832000),
        ("2026-01-31T04:00:00.999999Z", 1769832000),
        ("1969-12-31T23:59:59.5Z", -1),
    ],
)
def test_texts_of_known_instants(text: str, seconds: int) -> None:
    assert to_unix_seconds(parse_rfc3339(text)) == seconds


def test_microseconds_are_shown_where_there_are_any() -> None:
    assert to_rfc3339(from_unix_seconds(1769832000)) == "2026-01-31T04:00:00Z"
    assert to_rfc3339(from_unix_seconds(0) + timedelta(microseconds=7)) == "1970-01-01T00:00:00.000007Z"


@pytest.mark.parametrize(
    "text",
    [
        "", "2026-01-31", "2026-01-31T12:00:00", "2026-01-31 12:00:00Z", "2026-01-31T12:00Z",
        "20260131T120000Z", "2026-02-30T12:00:00Z", "2026-01-31T24:00:00Z", "2026-01-31T12:00:60Z",
        "2026-01-31T12:00:00.1234567Z", "2026-01-31T12:00:00+25:00", "2026-01-31T12:00:00+0800",
        "0001-01-01T00:00:00+14:00", "2026-W05-6T12:00:00Z", "2026-01-31T12:00:00,5Z", "0000-01-01T00:00:00Z",
        " 2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z\n", "٢٠٢٦-01-31T12:00:00Z",
        "9999-12-31T23:59:59-01:00",
    ],
)  # fmt: skip
def test_what_names_no_instant_is_refused(text: str) -> None:
    with pytest.raises(BadTime):
        parse_rfc3339(text)


def test_a_time_without_a_zone_names_no_instant() -> None:
    naive = datetime(2026, 1, 31)  # noqa: DTZ001 -- that is the fault.
    for refused in (require_utc, to_rfc3339, to_unix_seconds):
        with pytest.raises(BadTime):
            refused(naive)


def test_the_clock_is_in_utc() -> None:
    assert utc_now().tzinfo is UTC


def test_an_id_is_a_ulid_behind_its_prefix() -> None:
    # The example of https://github.com/ulid/spec has the time 01ARZ3NDEK and the randomness TSV4RRFFQ69G5FAV.
    entropy = bytes.fromhex("d6764c61efb99302bd5b")
    now = datetime(2016, 7, 30, 23, 54, 10, 259000, tzinfo=UTC)
    assert new_id("deb", now=now, entropy=entropy) == "deb_01ARZ3NDEKTSV4RRFFQ69G5FAV"


@given(
    st.lists(
        st.tuples(INSTANTS.filter(lambda t: t.year >= 1971), st.binary(min_size=10, max_size=10)), min_size=2
    )
)
def test_ids_sort_by_time_to_the_millisecond(made: list[tuple[datetime, bytes]]) -> None:
    ids = sorted((new_id("deb", now=now, entropy=entropy), now) for now, entropy in made)
    for (_, earlier), (_, later) in pairwise(ids):
        assert earlier - later < timedelta(milliseconds=1)


def test_ids_of_one_instant_differ() -> None:
    now = datetime(2026, 1, 31, tzinfo=UTC)
    assert len({new_id("deb", now=now) for _ in range(1000)}) == 1000


@pytest.mark.parametrize("entropy", [b"", bytes(9), bytes(11)])
def test_other_than_ten_bytes_of_entropy_are_refused(entropy: bytes) -> None:
    with pytest.raises(ValueError, match="entropy"):
        new_id("deb", now=datetime(2026, 1, 31, tzinfo=UTC), entropy=entropy)
