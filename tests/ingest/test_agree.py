"""Votes of nodes: enough of the same answer, whoever gave it and however it was spelled."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from app.ingest.agree import Vote, count_votes, differing_blocks, joined, said_by, said_of
from chains.evm.client import LogBatch
from chains.evm.rows import LogRow
from chains.evm.transfers import NotTransfer, OtherLog
from chains.types import Address, Hash32

LAST = 9


def digest(number: int) -> Hash32:
    return Hash32(number.to_bytes(32, "big"))


def row(number: int, index: int, units: int) -> LogRow:
    account = bytes(19) + b"\1"
    return (number, index, digest(number), account, account, account, units.to_bytes(32, "big"))


def other(number: int, index: int) -> OtherLog:
    return OtherLog(
        block_number=number,
        block_hash=digest(number),
        tx_hash=digest(7),
        log_index=index,
        contract=Address(bytes(20)),
        reason=NotTransfer.ERC721,
    )


rows = st.builds(row, st.integers(0, LAST), st.integers(0, 2), st.integers(0, 2))
others = st.builds(other, st.integers(0, LAST), st.integers(3, 4))


@st.composite
def batches(draw: st.DrawFn) -> LogBatch:
    found = draw(st.lists(rows, max_size=4, unique_by=lambda each: each[:2]))
    odd = draw(st.lists(others, max_size=2, unique_by=lambda each: (each.block_number, each.log_index)))
    numbers = {each[0] for each in found} | {each.block_number for each in odd}
    forks = draw(st.sets(st.sampled_from(sorted(numbers)), max_size=1)) if numbers else set()
    return LogBatch(
        first_block=0,
        last_block=LAST,
        rows=sorted(found),
        others=tuple(odd),
        block_hashes={number: digest(number + 100 * (number in forks)) for number in numbers},
        block_times={},
        answers=(),
        digests=(),
    )


@given(one=batches(), two=batches())
def test_two_that_say_something_else_differ_in_some_block(one: LogBatch, two: LogBatch) -> None:
    """And only then: a difference that no block shows could not be put on record."""
    numbers = differing_blocks(one, two)
    assert (said_by(one) == said_by(two)) == (numbers == [])
    assert numbers == sorted(set(numbers)) == differing_blocks(two, one)
    assert all(0 <= number <= LAST for number in numbers)
    for number in range(LAST + 1):
        if number not in numbers:
            assert said_of(one, number) == said_of(two, number)
    assert all(said_of(one, number) != said_of(two, number) for number in numbers)


@given(batch=batches())
def test_order_says_nothing(batch: LogBatch) -> None:
    shuffled = replace(batch, rows=batch.rows[::-1], others=batch.others[::-1])
    assert said_by(shuffled) == said_by(batch)
    assert [said_of(shuffled, number) for number in range(LAST + 1)] == [
        said_of(batch, number) for number in range(LAST + 1)
    ]


@given(batch=batches(), cuts=st.sets(st.integers(1, LAST)))
def test_an_answer_in_pieces_says_the_same(batch: LogBatch, cuts: set[int]) -> None:
    ends = [*sorted(cuts), LAST + 1]
    pieces = [_piece(batch, first, end - 1) for first, end in zip([0, *sorted(cuts)], ends, strict=True)]
    whole = joined(pieces)
    assert said_by(whole) == said_by(batch)
    assert (whole.first_block, whole.last_block) == (0, LAST)


def _piece(batch: LogBatch, first: int, last: int) -> LogBatch:
    return replace(
        batch,
        first_block=first,
        last_block=last,
        rows=[each for each in batch.rows if first <= each[0] <= last],
        others=tuple(each for each in batch.others if first <= each.block_number <= last),
        block_hashes={number: each for number, each in batch.block_hashes.items() if first <= number <= last},
    )


@given(said=st.lists(st.integers(0, 3), max_size=7), needed=st.integers(1, 5))
def test_enough_of_the_same_win(said: list[int], needed: int) -> None:
    votes = [Vote(voter=at, says=word) for at, word in enumerate(said)]
    found = count_votes(votes, needed=needed)
    winners = {word for word in said if said.count(word) >= needed}
    if not winners:
        assert (found.agreed, list(found.others)) == ((), votes)
        return
    word = next(each for each in said if each in winners)
    assert found.agreed == tuple(at for at, each in enumerate(said) if each == word)
    assert [vote.voter for vote in found.others] == [at for at, each in enumerate(said) if each != word]
