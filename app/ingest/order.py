"""What blocks of one chain have to be to each other (pure): one hash a number, linked, times never falling.

Everything on record was final when it was read. A node that says otherwise is on another chain, in disorder,
or false; which of them, nobody can tell here, so that nothing more of its answer is believed.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from chains.errors import ChainError
from chains.types import BlockRef, Hash32


class ChainReplaced(ChainError):
    """A block that was final has given way to another. Nothing is read until a person has looked at it."""

    def __init__(self, *, number: int, hashes: tuple[Hash32, Hash32]) -> None:
        super().__init__(
            f"block {number} is {hashes[0]} and {hashes[1]}, though it was final: "
            "its chain was replaced, or the node has turned to another"
        )
        self.number = number
        self.hashes = hashes


class BlocksDisagree(ChainError):
    """Two answers about blocks can't both be true."""


def demand_one_chain(blocks: Iterable[BlockRef]) -> None:
    """Raise ChainReplaced or BlocksDisagree unless all of them can be blocks of one chain."""
    for earlier, later in pairwise(sorted(blocks, key=lambda block: block.number)):
        if earlier.number == later.number:
            _demand_same(earlier, later)
        elif earlier.number + 1 == later.number and later.parent_hash is not None:
            _demand_hash(earlier, later.parent_hash)
        _demand_order(earlier, later)


def _demand_order(earlier: BlockRef, later: BlockRef) -> None:
    if earlier.time > later.time:
        msg = (
            f"block {earlier.number} has time {earlier.time}, but block {later.number} has time {later.time}"
        )
        raise BlocksDisagree(msg)


def _demand_hash(block: BlockRef, told: Hash32) -> None:
    if block.hash != told:
        raise ChainReplaced(number=block.number, hashes=(block.hash, told))


def _demand_same(one: BlockRef, other: BlockRef) -> None:
    _demand_hash(one, other.hash)
    parents = {one.parent_hash, other.parent_hash} - {None}
    if one.time != other.time or len(parents) > 1:
        msg = f"block {one.number} {one.hash} was answered with two different times or parents"
        raise BlocksDisagree(msg)
