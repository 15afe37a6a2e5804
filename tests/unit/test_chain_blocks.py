"""Blocks are read strictly, and the block at a time is found in few steps or not at all."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.evm.blocks import (
    BLOCK_TIME_MAX,
    SEARCH_STEPS_MAX,
    Boundary,
    MalformedBlock,
    MissingBlock,
    UnorderedBlocks,
    find_boundary,
    parse_block,
)
from chains.types import BlockRef, Hash32

ANSWER: dict[str, Any] = {
    "number": "0x10",
    "hash": "0x" + "11" * 32,
    "parentHash": "0x" + "22" * 32,
    "timestamp": "0x6553f100",
    "transactions": [],
}


def test_a_block_is_read() -> None:
    assert parse_block(ANSWER, expected_number=16) == BlockRef(
        number=16, hash=Hash32(b"\x11" * 32), time=1_700_000_000, parent_hash=Hash32(b"\x22" * 32)
    )


def test_null_is_a_missing_block() -> None:
    with pytest.raises(MissingBlock, match="17"):
        parse_block(None, expected_number=17)
    with pytest.raises(MissingBlock):
        parse_block(None)


@pytest.mark.parametrize("result", [[], "", "0x", 0, False, {}], ids=repr)
def test_what_is_no_block(result: Any) -> None:
    with pytest.raises(MalformedBlock):
        parse_block(result)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("number", None),
        ("number", "0x010"),
        ("number", 16),
        ("number", "0x11"),
        ("number", hex(2**63)),
        ("hash", None),
        ("hash", "0x11"),
        ("parentHash", None),
        ("timestamp", None),
        ("timestamp", 1_700_000_000),
        ("timestamp", hex(BLOCK_TIME_MAX + 1)),
        ("timestamp", 1.7e9),
    ],
    ids=repr,
)
def test_a_bad_field_is_malformed(name: str, value: Any) -> None:
    with pytest.raises(MalformedBlock):
        parse_block(ANSWER | {name: value}, expected_number=16)
    missing = {key: field for key, field in ANSWER.items() if key != name}
    with pytest.raises(MalformedBlock):
        parse_block(missing, expected_number=16)


# -- the block at a time


class Chain:
    """Linked blocks with the given times, which counts what it is asked."""

    def __init__(self, times: list[int], *, first: int = 0) -> None:
        self.first = first
        self.times = times
        self.asked: list[int] = []

    def hash(self, number: int) -> Hash32:
        return Hash32(number.to_bytes(32, "big", signed=True))

    def block(self, number: int) -> BlockRef:
        return BlockRef(
            number=number,
            hash=self.hash(number),
            time=self.times[number - self.first],
            parent_hash=self.hash(number - 1),
        )

    def block_at(self, number: int) -> BlockRef:
        self.asked.append(number)
        return self.block(number)

    def boundary(self, time: int) -> Boundary:
        low, high = self.block(self.first), self.block(self.first + len(self.times) - 1)
        return find_boundary(time=time, low=low, high=high, block_at=self.block_at)


times = st.lists(st.integers(0, 50) | st.integers(0, 10**9), min_size=1, max_size=80).map(
    lambda steps: [1_600_000_000 + sum(steps[: index + 1]) for index in range(len(steps))]
)


@given(times, st.integers(0, 10**6), st.data())
def test_it_finds_what_a_scan_finds(found: list[int], first: int, data: st.DataObject) -> None:
    """Times may repeat, as on chains with several blocks a second."""
    time = data.draw(st.sampled_from(found) | st.integers(found[0] - 2, found[-1] + 2))
    chain = Chain(found, first=first)
    boundary = chain.boundary(time)
    before = [first + index for index, at in enumerate(found) if at < time]
    after = [first + index for index, at in enumerate(found) if at >= time]
    assert boundary.before == (chain.block(before[-1]) if before else None)
    assert boundary.after == (chain.block(after[0]) if after else None)


def test_even_blocks_are_found_at_once_and_odd_ones_in_few_steps() -> None:
    even = Chain([12 * number for number in range(100_000)])
    boundary = even.boundary(12 * 77_777)
    assert boundary.after is not None
    assert boundary.after.number == 77_777
    assert len(even.asked) <= 4
    # All blocks but the last in the first second: interpolation alone would creep.
    odd = Chain([*range(100_000), 10**12])
    odd.boundary(99_999)
    assert len(odd.asked) <= 2 * 17


def test_the_number_of_steps_is_bounded_for_any_chain() -> None:
    """The largest numbers there are, with times that make every interpolation useless."""
    asked = 0

    def block_at(number: int) -> BlockRef:
        nonlocal asked
        asked += 1
        time = 0 if number < 2**62 + 12345 else 10**11
        return BlockRef(number=number, hash=Hash32(bytes(32)), time=time, parent_hash=None)

    low, high = block_at(0), block_at(2**63 - 1)
    boundary = find_boundary(time=10**11, low=low, high=high, block_at=block_at)
    assert boundary.after is not None
    assert boundary.after.number == 2**62 + 12345
    assert asked <= SEARCH_STEPS_MAX + 2


@pytest.mark.parametrize("time", [105, 150, 195])
def test_falling_times_are_refused(time: int) -> None:
    found = list(range(100, 200))
    with pytest.raises(UnorderedBlocks):
        Chain([200, *found[1:-1], 100]).boundary(time)
    with pytest.raises(UnorderedBlocks):
        Chain([100, *[1] * 98, 200]).boundary(time)
    with pytest.raises(UnorderedBlocks):
        Chain([100, *[999] * 98, 200]).boundary(time)


def test_blocks_that_do_not_link_are_refused() -> None:
    class Forked(Chain):
        def hash(self, number: int) -> Hash32:
            # Every answer comes from another fork.
            return Hash32((number + 1000 * len(self.asked)).to_bytes(32, "big", signed=True))

    with pytest.raises(UnorderedBlocks, match="parent"):
        Forked(list(range(100))).boundary(50)


def test_swapped_ends_are_refused() -> None:
    chain = Chain([1, 2, 3])
    with pytest.raises(UnorderedBlocks):
        find_boundary(time=2, low=chain.block(2), high=chain.block(0), block_at=chain.block_at)
