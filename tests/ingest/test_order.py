"""Blocks that can be of one chain, and every way in which they can't."""

from __future__ import annotations

import random

import pytest

from app.ingest.order import BlocksDisagree, ChainReplaced, demand_one_chain
from chains.types import BlockRef, Hash32


def digest(number: int, *, fork: int = 0) -> Hash32:
    return Hash32(bytes([fork]) * 16 + number.to_bytes(16, "big"))


def block(number: int, *, time: int | None = None, fork: int = 0, parent: Hash32 | None = None) -> BlockRef:
    return BlockRef(
        number=number,
        hash=digest(number, fork=fork),
        time=100 + number if time is None else time,
        parent_hash=parent,
    )


def chain(length: int) -> list[BlockRef]:
    """Every second block has the time of the one before it."""
    return [
        block(number, time=100 + number // 2, parent=digest(number - 1) if number else digest(0, fork=9))
        for number in range(length)
    ]


def test_blocks_of_one_chain_in_any_order() -> None:
    demand_one_chain([])
    demand_one_chain([block(7)])
    blocks = chain(50)
    chance = random.Random(0)
    for _ in range(50):
        some = chance.sample(blocks, 20)
        demand_one_chain(some + chance.choices(some, k=5))


def test_a_parent_is_not_always_known() -> None:
    demand_one_chain([block(7), block(7, parent=digest(6)), block(8)])


def test_two_hashes_of_one_number() -> None:
    with pytest.raises(ChainReplaced, match="block 7 is 0x00") as caught:
        demand_one_chain([block(5), block(7), block(7, fork=1), block(9)])
    assert (caught.value.number, set(caught.value.hashes)) == (7, {digest(7), digest(7, fork=1)})


def test_a_parent_that_is_another_block() -> None:
    with pytest.raises(ChainReplaced) as caught:
        demand_one_chain([block(8, parent=digest(7, fork=1)), block(7)])
    assert caught.value.number == 7


@pytest.mark.parametrize(
    "blocks",
    [
        [block(7, time=10), block(7, time=11)],
        [block(7, parent=digest(6)), block(7, parent=digest(6, fork=1))],
        [block(7, time=10), block(9, time=9)],
        [block(9, time=9), block(7, time=10), block(8, time=10)],
    ],
)
def test_facts_that_can_not_both_be(blocks: list[BlockRef]) -> None:
    with pytest.raises(BlocksDisagree):
        demand_one_chain(blocks)
