"""What a pass asks for: every block that is missing, of every account, once, and nothing else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.ingest.plan import ACCOUNTS_PER_REQUEST, Part, parts_to_read
from app.ingest.ranges import Blocks
from chains.types import Address

FINAL_MAX = 60


def account(number: int) -> Address:
    return Address(number.to_bytes(20, "big"))


accounts = st.integers(0, 8).map(account)
ranges = st.tuples(st.integers(0, FINAL_MAX), st.integers(0, FINAL_MAX)).map(
    lambda ends: Blocks(min(ends), max(ends))
)


@given(
    starts=st.dictionaries(accounts, st.integers(0, FINAL_MAX), max_size=6),
    read=st.dictionaries(accounts, st.lists(ranges, max_size=5), max_size=6),
    start_block=st.integers(0, FINAL_MAX),
    final=st.integers(0, FINAL_MAX),
)
def test_it_is_what_is_missing_and_nothing_else(
    starts: dict[Address, int], read: dict[Address, list[Blocks]], start_block: int, final: int
) -> None:
    parts = list(parts_to_read(starts=starts, read=read, start_block=start_block, final=final))
    asked = [
        (address, number)
        for part in parts
        for address in part.addresses
        for number in range(part.blocks.first, part.blocks.last + 1)
    ]
    known = {
        (address, number)
        for address, parts_read in read.items()
        for each in parts_read
        for number in range(each.first, each.last + 1)
    }
    wanted = {
        (address, number)
        for address, start in starts.items()
        for number in range(max(start, start_block), final + 1)
    }
    assert len(asked) == len(set(asked))
    assert set(asked) == wanted - known
    assert [part.blocks for part in parts] == sorted(part.blocks for part in parts)
    assert sum(part.size for part in parts) == len(asked)
    assert all(list(part.addresses) == sorted(part.addresses) for part in parts)


def test_those_that_miss_the_same_are_asked_for_together() -> None:
    starts = {account(number): 5 for number in range(ACCOUNTS_PER_REQUEST + 1)}
    first, second = parts_to_read(starts=starts, read={}, start_block=0, final=9)
    assert (len(first.addresses), len(second.addresses)) == (ACCOUNTS_PER_REQUEST, 1)
    assert first.blocks == second.blocks == Blocks(5, 9)


def test_each_has_its_own_start() -> None:
    parts = list(
        parts_to_read(
            starts={account(1): 3, account(2): 6}, read={account(1): [Blocks(3, 5)]}, start_block=0, final=9
        )
    )
    assert parts == [Part(blocks=Blocks(6, 9), addresses=(account(1), account(2)))]


def test_nothing_is_asked_before_the_window_has_begun() -> None:
    assert list(parts_to_read(starts={account(1): 10}, read={}, start_block=0, final=9)) == []
    assert list(parts_to_read(starts={account(1): 0}, read={}, start_block=10, final=9)) == []
