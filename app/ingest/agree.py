"""Whether several nodes gave the same answer (pure). A vote is what an answer says, whoever gave it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from chains.evm.client import LogBatch

Voter = TypeVar("Voter")


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote(Generic[Voter]):
    """One answer: who gave it, and what it says."""

    voter: Voter
    says: Hashable


@dataclass(frozen=True, slots=True, kw_only=True)
class Count(Generic[Voter]):
    """`agreed`: the voters of the answer that enough of them gave, else none. `others`: all other votes."""

    agreed: tuple[Voter, ...]
    others: tuple[Vote[Voter], ...]


def count_votes(votes: Sequence[Vote[Voter]], *, needed: int) -> Count[Voter]:
    """The first answer that was given at least `needed` times."""
    for vote in votes:
        same = tuple(each.voter for each in votes if each.says == vote.says)
        if len(same) >= needed:
            others = tuple(each for each in votes if each.says != vote.says)
            return Count(agreed=same, others=others)
    return Count(agreed=(), others=tuple(votes))


def said_by(batch: LogBatch) -> Hashable:
    """What an answer about logs says: not how it was spelled, in which order, or how often."""
    return (
        batch.first_block,
        batch.last_block,
        frozenset(batch.rows),
        frozenset(batch.others),
        frozenset(batch.block_hashes.items()),
    )


def said_of(batch: LogBatch, number: int) -> str:
    """What it says of one block, always in the same words."""
    rows = sorted(row for row in batch.rows if row[0] == number)
    others = sorted(repr(each) for each in batch.others if each.block_number == number)
    return repr((str(batch.block_hashes.get(number)), rows, others))


def differing_blocks(one: LogBatch, other: LogBatch) -> list[int]:
    """The blocks of which two answers say something different."""
    mine = {*((row[0], row) for row in one.rows), *((each.block_number, each) for each in one.others)}
    theirs = {*((row[0], row) for row in other.rows), *((each.block_number, each) for each in other.others)}
    numbers = {number for number, _ in mine ^ theirs}
    hashes = set(one.block_hashes.items()) ^ set(other.block_hashes.items())
    return sorted(numbers | {number for number, _ in hashes})


def joined(batches: Sequence[LogBatch]) -> LogBatch:
    """Answers over adjoining ranges, at least one, as an answer over all of them."""
    return LogBatch(
        first_block=batches[0].first_block,
        last_block=batches[-1].last_block,
        rows=[row for batch in batches for row in batch.rows],
        others=tuple(other for batch in batches for other in batch.others),
        block_hashes={number: each for batch in batches for number, each in batch.block_hashes.items()},
        block_times={number: each for batch in batches for number, each in batch.block_times.items()},
        answers=tuple(answer for batch in batches for answer in batch.answers),
        digests=tuple(digest for batch in batches for digest in batch.digests),
    )
