"""Block headers as a node answers them, and the search for the block at a time: pure.

Standard library only, since the offline verifier reads enclosed answers with it. It knows no node, and does
not recompute a header's hash.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from chains.errors import ChainError
from chains.evm import encoding
from chains.evm.encoding import BLOCK_NUMBER_MAX, BadEncoding
from chains.types import BlockRef

# The last second that a calendar date can show (9999-12-31T23:59:59Z).
BLOCK_TIME_MAX = 253_402_300_799

# Interpolation may creep, bisection cannot: every second step halves, so 2 * 63 steps always suffice.
SEARCH_STEPS_MAX = 128


class MissingBlock(ChainError):
    """The node answered null: it does not have this block (yet, or no longer)."""

    def __init__(self, *, asked: str) -> None:
        super().__init__(f"the node has no block {asked}")
        self.asked = asked


class MalformedBlock(ChainError):
    """An answer that is not a block, or not the block that was asked for."""


class UnorderedBlocks(ChainError):
    """Blocks whose times fall, or whose parent hashes do not link: a node in disorder, or a false one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Boundary:
    """The two adjacent blocks around a time; one is None where the searched range ends."""

    before: BlockRef | None
    after: BlockRef | None


def parse_block(result: Any, *, expected_number: int | None = None) -> BlockRef:
    """The block of an eth_getBlockByNumber or eth_getBlockByHash answer.

    Raises MissingBlock for null, else MalformedBlock.
    """
    if result is None:
        raise MissingBlock(asked="of that tag" if expected_number is None else str(expected_number))
    if not isinstance(result, Mapping):
        msg = f"a block is an object, not {encoding.shown(result)}"
        raise MalformedBlock(msg)
    try:
        block = BlockRef(
            number=encoding.quantity(result.get("number"), most=BLOCK_NUMBER_MAX),
            hash=encoding.hash32(result.get("hash")),
            time=encoding.quantity(result.get("timestamp"), most=BLOCK_TIME_MAX),
            parent_hash=encoding.hash32(result.get("parentHash")),
        )
    except BadEncoding as error:
        msg = f"block {'of a tag' if expected_number is None else expected_number}: {error}"
        raise MalformedBlock(msg) from error
    if expected_number is not None and block.number != expected_number:
        msg = f"block {block.number} was answered when {expected_number} was asked for"
        raise MalformedBlock(msg)
    return block


def find_boundary(
    *,
    time: int,
    low: BlockRef,
    high: BlockRef,
    block_at: Callable[[int], BlockRef],
) -> Boundary:
    """The last block before `time` and the first at or after it, within low … high.

    Block times never fall on a real chain, though they may repeat; every block seen on the way has to keep
    that order, or UnorderedBlocks is raised.
    """
    _demand_order(low, high)
    if low.time >= time:
        return Boundary(before=None, after=low)
    if high.time < time:
        return Boundary(before=high, after=None)
    for step in range(SEARCH_STEPS_MAX):
        if high.number - low.number <= 1:
            break
        middle = block_at(_guess(time, low, high) if step % 2 == 0 else (low.number + high.number) // 2)
        _demand_order(low, middle)
        _demand_order(middle, high)
        low, high = (middle, high) if middle.time < time else (low, middle)
    if high.parent_hash is not None and high.parent_hash != low.hash:
        msg = f"block {high.number} does not name block {low.number} as its parent"
        raise UnorderedBlocks(msg)
    return Boundary(before=low, after=high)


def _guess(time: int, low: BlockRef, high: BlockRef) -> int:
    """Where `time` would lie if blocks came evenly, strictly between the two."""
    span = high.number - low.number
    even = low.number + (time - low.time) * span // (high.time - low.time)
    return min(max(even, low.number + 1), high.number - 1)


def _demand_order(earlier: BlockRef, later: BlockRef) -> None:
    if earlier.number > later.number or earlier.time > later.time:
        msg = (
            f"block {earlier.number} has time {earlier.time}, but block {later.number} has time {later.time}"
        )
        raise UnorderedBlocks(msg)
