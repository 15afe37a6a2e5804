"""What a pass has to read (pure): for each account the blocks that are missing, and whom to ask together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from app.ingest.ranges import Blocks, missing
from chains.types import Address

# Some nodes refuse filters with more alternatives; a topic list of this size still fits everywhere met.
ACCOUNTS_PER_REQUEST = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Accounts that miss the same range."""

    blocks: Blocks
    addresses: tuple[Address, ...]

    @property
    def size(self) -> int:
        """In account-blocks."""
        return self.blocks.size * len(self.addresses)


def parts_to_read(
    *,
    starts: Mapping[Address, int],
    read: Mapping[Address, Sequence[Blocks]],
    start_block: int,
    final: int,
) -> Iterator[Part]:
    """What is missing from each account's start up to the final block, in the order of the chain.

    `start_block` is the chain's own: nothing below it is asked for, and what would have to be stays a gap.
    """
    wanted: list[tuple[Blocks, Address]] = []
    for address, start in starts.items():
        first = max(start_block, start)
        if first <= final:
            wanted += [(gap, address) for gap in missing(Blocks(first, final), read=read.get(address, ()))]
    for blocks, group in groupby(sorted(wanted), key=lambda each: each[0]):
        addresses = [address for _, address in group]
        for at in range(0, len(addresses), ACCOUNTS_PER_REQUEST):
            yield Part(blocks=blocks, addresses=tuple(addresses[at : at + ACCOUNTS_PER_REQUEST]))
