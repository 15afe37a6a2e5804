"""The one number that a final transfer is known by in the database: chain, block and log in 63 bits (pure).

Facts are many and narrow: a key of eight bytes sorts by chain, block and log, so that a range of blocks is a
range of keys. A chain beyond these limits can't be stored, and says so.
"""

from __future__ import annotations

from app.ingest.ranges import Blocks
from chains.errors import ChainError

CHAIN_NUMBER_MAX = 127
_BLOCK_BITS = 36
LOG_BITS = 20
BLOCK_NUMBER_MAX = (1 << _BLOCK_BITS) - 1
LOG_INDEX_MAX = (1 << LOG_BITS) - 1
_CHAIN_SHIFT = _BLOCK_BITS + LOG_BITS


class BeyondKey(ChainError):
    """A log that no key can name: of a block above 2**36 - 1, or with an index above 2**20 - 1."""

    def __init__(self, *, block_number: int, log_index: int) -> None:
        super().__init__(f"log {log_index} of block {block_number} is beyond what can be stored")
        self.block_number = block_number
        self.log_index = log_index


def key_of(*, chain_number: int, block_number: int, log_index: int) -> int:
    if block_number > BLOCK_NUMBER_MAX or log_index > LOG_INDEX_MAX:
        raise BeyondKey(block_number=block_number, log_index=log_index)
    return chain_number << _CHAIN_SHIFT | block_number << LOG_BITS | log_index


def keys_of(blocks: Blocks, *, chain_number: int) -> tuple[int, int]:
    """The least and the greatest key in a range of blocks; blocks that no key names hold no transfer."""
    first, last = (min(number, BLOCK_NUMBER_MAX) for number in (blocks.first, blocks.last))
    least = key_of(chain_number=chain_number, block_number=first, log_index=0)
    return least, key_of(chain_number=chain_number, block_number=last, log_index=LOG_INDEX_MAX)


def block_of(key: int) -> int:
    return key >> LOG_BITS & BLOCK_NUMBER_MAX


def log_of(key: int) -> int:
    return key & LOG_INDEX_MAX
