"""Merkle-Patricia tries: the root over key-value pairs, built in bulk, and the nodes that proofs are made of.

Yellow paper, appendix D. Pure. receiptsRoot and transactionsRoot are tries whose keys are the RLP of 0, 1,
2 … (`ordered_root`). The trie is built once from sorted keys, bottom up, and nothing is inserted one by one:
that makes it some ten times faster. What a value means, and whether a proof holds (`chains.evm.trie_proof`),
is not decided here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from chains.errors import ChainError
from chains.evm import rlp
from chains.evm.keccak import keccak256

# The root of a trie that holds nothing: the hash of the empty item.
EMPTY_ROOT = keccak256(rlp.EMPTY_STRING)
KEY_BYTES_MAX = 64
# The transactions or receipts of one block. The largest known blocks have some thousands.
ORDERED_MAX = 65_536


class BadTrie(ChainError):
    """Pairs that no trie can hold: a key twice, an empty value, a key or a list that is too long."""


def ordered_root(values: Sequence[bytes]) -> bytes:
    """The root over values numbered from 0."""
    return _build(_ordered_pairs(values), None)


def ordered_nodes(values: Sequence[bytes]) -> tuple[bytes, dict[bytes, bytes]]:
    """The root, and every node that is hashed, by its hash."""
    nodes: dict[bytes, bytes] = {}
    return _build(_ordered_pairs(values), nodes), nodes


def root(pairs: Mapping[bytes, bytes]) -> bytes:
    return _build(_sorted_pairs(pairs), None)


def nodes(pairs: Mapping[bytes, bytes]) -> tuple[bytes, dict[bytes, bytes]]:
    """The root, and every node that is hashed, by its hash."""
    found: dict[bytes, bytes] = {}
    return _build(_sorted_pairs(pairs), found), found


def ordered_key(index: int) -> bytes:
    return rlp.encode_int(index)


def compact(nibbles: str, *, leaf: bool) -> bytes:
    """The hex-prefix encoding of a path: a flag for odd length, another for a leaf."""
    if len(nibbles) % 2:
        return bytes.fromhex(("3" if leaf else "1") + nibbles)
    return bytes.fromhex(("20" if leaf else "00") + nibbles)


@lru_cache(maxsize=4096)
def _ordered_digits(index: int) -> str:
    return ordered_key(index).hex()


def _ordered_pairs(values: Sequence[bytes]) -> list[tuple[str, bytes]]:
    """Sorted by key: 0 is encoded as 0x80, and so comes after 0x7f."""
    count = len(values)
    if count > ORDERED_MAX:
        msg = f"{count} values, above the limit of {ORDERED_MAX}"
        raise BadTrie(msg)
    order = (*range(1, min(count, 128)), *range(min(count, 1)), *range(128, count))
    return [(_ordered_digits(index), values[index]) for index in order]


def _sorted_pairs(pairs: Mapping[bytes, bytes]) -> list[tuple[str, bytes]]:
    if any(len(key) > KEY_BYTES_MAX for key in pairs):
        msg = f"a key of more than {KEY_BYTES_MAX} bytes"
        raise BadTrie(msg)
    return sorted((key.hex(), value) for key, value in pairs.items())


def _build(pairs: list[tuple[str, bytes]], sink: dict[bytes, bytes] | None) -> bytes:
    if not pairs:
        return EMPTY_ROOT
    if not all(value for _, value in pairs):
        # An empty value is how a trie spells a key that is not there.
        msg = "an empty value"
        raise BadTrie(msg)
    node = _Builder(pairs, sink).node(0, len(pairs), 0)
    digest = keccak256(node)
    if sink is not None:
        sink[digest] = node
    return digest


class _Builder:
    """Encodes the nodes over a sorted list of (hex key, value)."""

    __slots__ = ("_keys", "_sink", "_values")

    def __init__(self, pairs: Iterable[tuple[str, bytes]], sink: dict[bytes, bytes] | None) -> None:
        self._keys, self._values = zip(*pairs, strict=True)
        self._sink = sink

    def node(self, low: int, high: int, depth: int) -> bytes:
        """The node over the pairs low … high - 1, whose keys agree in their first `depth` digits."""
        first = self._keys[low]
        if high - low == 1:
            path = compact(first[depth:], leaf=True)
            return rlp.encode_list((rlp.encode_bytes(path), rlp.encode_bytes(self._values[low])))
        last = self._keys[high - 1]
        # The keys are sorted, so what the outermost two share all share.
        shared, most = depth, min(len(first), len(last))
        while shared < most and first[shared] == last[shared]:
            shared += 1
        branch = self._branch(low, high, shared)
        if shared == depth:
            return branch
        path = compact(first[depth:shared], leaf=False)
        return rlp.encode_list((rlp.encode_bytes(path), self._reference(branch)))

    def _branch(self, low: int, high: int, depth: int) -> bytes:
        keys = self._keys
        items = [rlp.EMPTY_STRING] * 17
        if len(keys[low]) == depth:
            # A key that ends here sorts before all that go on.
            items[16] = rlp.encode_bytes(self._values[low])
            low += 1
        while low < high:
            digit = keys[low][depth]
            end = low + 1
            while end < high and keys[end][depth] == digit:
                end += 1
            items[int(digit, 16)] = self._reference(self.node(low, end, depth + 1))
            low = end
        return rlp.encode_list(items)

    def _reference(self, node: bytes) -> bytes:
        """A node within another: itself where it is short, else its hash."""
        if len(node) < 32:
            return node
        digest = keccak256(node)
        if self._sink is not None:
            self._sink[digest] = node
        return b"\xa0" + digest
