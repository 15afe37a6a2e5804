"""The Merkle tree hash of RFC 9162, section 2.1.1, with SHA-256.

Holds hashing only: what a leaf means is for the caller. Standard library only.
https://www.rfc-editor.org/rfc/rfc9162#section-2.1.1
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def leaf_hash(data: bytes) -> bytes:
    """The prefix 0x00 keeps a leaf from ever being passed off as an inner node."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def root(leaf_hashes: Iterable[bytes]) -> bytes:
    """The root over leaf hashes in their order; of no leaves, the hash of nothing.

    One pass, and never more than one open subtree per height. The RFC splits at the largest power of two
    below n; joining equal neighbours as they come, and at the end the leftovers from the right, gives the
    same tree without holding the leaves.
    """
    open_subtrees: list[bytes] = []
    for count, leaf in enumerate(leaf_hashes):
        # Each trailing one bit of the count so far is a complete subtree as high as the one just built.
        joined, bits = leaf, count
        while bits & 1:
            joined = node_hash(open_subtrees.pop(), joined)
            bits >>= 1
        open_subtrees.append(joined)
    if not open_subtrees:
        return hashlib.sha256().digest()
    top = open_subtrees.pop()
    while open_subtrees:
        top = node_hash(open_subtrees.pop(), top)
    return top
