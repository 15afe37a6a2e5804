"""The 2,048-bit bloom filters of block headers and receipts: what they may hold, and what they rule out.

Yellow paper, 4.3.1. Pure. A clear bit proves that an entry was not logged; set bits prove nothing. An entry
is a log's contract address (20 bytes) or one of its topics (32 bytes). A filter is an integer here, since
that is fastest; `to_bytes` gives the 256 bytes that are hashed.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from chains.errors import ChainError
from chains.evm.keccak import keccak256

BLOOM_BYTES = 256


class BadBloom(ChainError):
    """Not the 256 bytes of a bloom filter."""


# Contracts and topics repeat; the bound keeps a hostile chain from filling the memory.
@lru_cache(maxsize=16_384)
def entry_bits(entry: bytes) -> int:
    """The (at most) three bits that an entry sets."""
    digest = keccak256(entry)
    return (
        1 << (int.from_bytes(digest[0:2], "big") & 2047)
        | 1 << (int.from_bytes(digest[2:4], "big") & 2047)
        | 1 << (int.from_bytes(digest[4:6], "big") & 2047)
    )


def of_entries(entries: Iterable[bytes]) -> int:
    bloom = 0
    for entry in entries:
        bloom |= entry_bits(entry)
    return bloom


def to_bytes(bloom: int) -> bytes:
    return bloom.to_bytes(BLOOM_BYTES, "big")


def from_bytes(bloom: bytes) -> int:
    if len(bloom) != BLOOM_BYTES:
        msg = f"a bloom filter has {BLOOM_BYTES} bytes, not {len(bloom)}"
        raise BadBloom(msg)
    return int.from_bytes(bloom, "big")


def may_hold(bloom: bytes, entries: Iterable[bytes]) -> bool:
    """Whether one log with all these entries may be there. False is a proof that there is none.

    Only for a filter that was filled: EIP-7668 would leave it empty, and an empty one rules nothing out.
    `chains.evm.block_receipts.may_have_log` minds that.
    """
    bits = of_entries(entries)
    return from_bytes(bloom) & bits == bits
