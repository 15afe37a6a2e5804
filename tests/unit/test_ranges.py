"""Block ranges against the plain sets of numbers that they stand for."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.ingest.ranges import Blocks, common, merged, missing
from tests.books import UNTIMED

RANGES = st.builds(
    lambda first, length: Blocks(first, first + length), st.integers(0, 40), st.integers(0, 12)
)
LISTS = st.lists(RANGES, max_size=8)


def numbers(*ranges: Blocks) -> set[int]:
    return {number for each in ranges for number in range(each.first, each.last + 1)}


def is_tidy(ranges: list[Blocks]) -> bool:
    """Ascending, and at least one block between two of them."""
    return all(left.last + 1 < right.first for left, right in itertools.pairwise(ranges))


@UNTIMED
@given(ranges=LISTS)
def test_merged_holds_the_same_blocks_in_tidy_ranges(ranges: list[Blocks]) -> None:
    assert numbers(*merged(ranges)) == numbers(*ranges)
    assert is_tidy(merged(ranges))


@UNTIMED
@given(wanted=RANGES, read=LISTS)
def test_missing_is_what_was_wanted_and_not_read(wanted: Blocks, read: list[Blocks]) -> None:
    gaps = missing(wanted, read=read)
    assert numbers(*gaps) == numbers(wanted) - numbers(*read)
    assert is_tidy(gaps)


@UNTIMED
@given(left=LISTS, right=RANGES)
def test_common_is_what_both_hold(left: list[Blocks], right: Blocks) -> None:
    parts = common(left, right)
    assert numbers(*parts) == numbers(*left) & numbers(right)
    assert is_tidy(parts)


def test_nothing_read_is_all_missing_and_a_touching_range_is_no_gap() -> None:
    wanted = Blocks(10, 20)
    assert missing(wanted, read=[]) == [wanted]
    assert missing(wanted, read=[Blocks(0, 14), Blocks(15, 30)]) == []
    assert missing(wanted, read=[Blocks(0, 9), Blocks(21, 30)]) == [wanted]
    assert missing(wanted, read=[Blocks(12, 12)]) == [Blocks(10, 11), Blocks(13, 20)]


@pytest.mark.parametrize(("first", "last"), [(-1, 3), (5, 4)])
def test_a_range_is_never_empty_nor_below_zero(first: int, last: int) -> None:
    with pytest.raises(ValueError, match="not a range of blocks"):
        Blocks(first, last)
