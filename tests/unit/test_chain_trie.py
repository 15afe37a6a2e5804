"""Tries have the roots that everybody's have; a proof holds for one key and value, and for nothing else."""

from __future__ import annotations

import pytest
import rlp as rlp_oracle
from hypothesis import given, settings
from hypothesis import strategies as st
from trie.hexary import HexaryTrie

from chains.evm import rlp, trie
from chains.evm.keccak import keccak256
from chains.evm.trie import EMPTY_ROOT, BadTrie
from chains.evm.trie_proof import PROOF_NODES_MAX, BadProof, check_proof, make_proof

# Short keys, so that some are the beginning of others; short values, so that nodes are embedded.
pairs = st.dictionaries(st.binary(max_size=3), st.binary(min_size=1, max_size=40), max_size=40)
hashed_pairs = st.dictionaries(
    st.binary(max_size=8).map(keccak256), st.binary(min_size=1, max_size=90), max_size=30
)
some_pairs = pairs | hashed_pairs


def oracle(held: dict[bytes, bytes]) -> HexaryTrie:
    found = HexaryTrie({})
    for key, value in held.items():
        found[key] = value
    return found


def ordered(values: list[bytes]) -> dict[bytes, bytes]:
    return {rlp_oracle.encode(index): value for index, value in enumerate(values)}


@given(some_pairs)
def test_the_root_is_that_of_others(held: dict[bytes, bytes]) -> None:
    root, nodes = trie.nodes(held)
    assert root == trie.root(held) == oracle(held).root_hash
    assert all(keccak256(node) == digest for digest, node in nodes.items())


@pytest.mark.parametrize("count", [0, 1, 2, 15, 16, 17, 127, 128, 129, 130, 255, 256, 257, 300])
def test_the_root_over_a_list_is_that_of_others(count: int) -> None:
    values = [index.to_bytes(2, "big") * (1 + index % 40) for index in range(count)]
    root, _ = trie.ordered_nodes(values)
    assert root == trie.ordered_root(values) == oracle(ordered(values)).root_hash


@given(st.lists(st.binary(min_size=1, max_size=60), max_size=140), st.data())
@settings(max_examples=50)
def test_a_list_is_proven_item_by_item(values: list[bytes], data: st.DataObject) -> None:
    root, nodes = trie.ordered_nodes(values)
    index = data.draw(st.integers(0, len(values) + 2))
    proof = make_proof(root=root, key=trie.ordered_key(index), nodes=nodes)
    found = check_proof(root=root, key=trie.ordered_key(index), proof=proof)
    assert found == (values[index] if index < len(values) else None)


@given(some_pairs, st.data())
def test_proofs_are_those_of_others(held: dict[bytes, bytes], data: st.DataObject) -> None:
    root, nodes = trie.nodes(held)
    key = data.draw(st.sampled_from([b"\x01", *held]) | st.binary(max_size=3))
    proof = make_proof(root=root, key=key, nodes=nodes)
    assert check_proof(root=root, key=key, proof=proof) == held.get(key)
    # py-trie lists embedded nodes too, which stand in the ones before them.
    listed = oracle(held).get_proof(key)  # type: ignore[no-untyped-call]
    theirs = [rlp_oracle.encode(node) for node in listed]
    assert [node for node in theirs if keccak256(node) in nodes] == proof
    opened = [rlp_oracle.decode(node) for node in proof]
    theirs_found = HexaryTrie.get_from_proof(root, key, opened)  # type: ignore[no-untyped-call]
    assert theirs_found == held.get(key, b"")


@given(hashed_pairs.filter(bool), st.data())
def test_a_damaged_proof_is_refused(held: dict[bytes, bytes], data: st.DataObject) -> None:
    root, nodes = trie.nodes(held)
    key = data.draw(st.sampled_from(sorted(held)))
    proof = make_proof(root=root, key=key, nodes=nodes)
    at = data.draw(st.integers(0, len(proof) - 1))
    node = bytearray(proof[at])
    byte = data.draw(st.integers(0, len(node) - 1))
    node[byte] ^= data.draw(st.integers(1, 255))
    for lie in (
        [*proof[:at], bytes(node), *proof[at + 1 :]],
        [*proof[:at], *proof[at + 1 :]],
        [*proof, proof[-1]],
        [*proof[:at], proof[at], *proof[at:]],
        [node_ + b"\0" for node_ in proof],
    ):
        with pytest.raises(BadProof):
            check_proof(root=root, key=key, proof=lie)
    with pytest.raises(BadProof):
        check_proof(root=keccak256(root), key=key, proof=proof)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *((b"abcd", b"1" * 40), (b"abce", b"2" * 40), (b"ab", b"3" * 40)),
        # Off the path of an extension, of a leaf, into an empty slot of a branch, short of and beyond one.
        *((b"b", None), (b"abcde", None), (b"abc\x70", None), (b"a", None), (b"", None), (b"abc", None)),
    ],
)
def test_absence_is_proven_wherever_a_path_ends(key: bytes, value: bytes | None) -> None:
    held = {b"abcd": b"1" * 40, b"abce": b"2" * 40, b"ab": b"3" * 40}
    root, nodes = trie.nodes(held)
    assert root == oracle(held).root_hash
    assert check_proof(root=root, key=key, proof=make_proof(root=root, key=key, nodes=nodes)) == value


def test_an_empty_trie_holds_nothing() -> None:
    assert trie.root({}) == EMPTY_ROOT == HexaryTrie({}).root_hash
    assert make_proof(root=EMPTY_ROOT, key=b"key", nodes={}) == []
    assert check_proof(root=EMPTY_ROOT, key=b"key", proof=[]) is None
    assert check_proof(root=EMPTY_ROOT, key=b"key", proof=[b"\x80"]) is None
    with pytest.raises(BadProof, match="not empty"):
        check_proof(root=trie.root({b"a": b"b"}), key=b"a", proof=[])


def test_a_missing_node_is_named() -> None:
    held = {keccak256(bytes([index])): bytes(40) for index in range(40)}
    root, nodes = trie.nodes(held)
    proof = make_proof(root=root, key=next(iter(held)), nodes=nodes)
    with pytest.raises(BadProof, match="not there"):
        make_proof(root=root, key=next(iter(held)), nodes={root: nodes[root]})
    with pytest.raises(BadProof, match="missing"):
        check_proof(root=root, key=next(iter(held)), proof=proof[:1])


LEAF = [b"\x20", b"v" * 40]
# What a node may not be, though its hash is the root: shapes, paths, references.
MALFORMED = {
    "bytes": b"\x80" * 40,
    "three items": rlp.encode([b"a", b"b", b"c"]),
    "not RLP": b"\xff",
    "deep": b"\xd6\x20" + bytes(range(0xD4, 0xBF, -1)),
    "an empty path": rlp.encode([b"", b"v"]),
    "a path that is a list": rlp.encode([[], b"v"]),
    "an unknown flag": rlp.encode([b"\x40", b"v"]),
    "padding that is not zero": rlp.encode([b"\x21", b"v"]),
    "an empty leaf": rlp.encode([b"\x20", b""]),
    "a leaf that holds a list": rlp.encode([b"\x20", [b"v"]]),
    "an extension by nothing": rlp.encode([b"\x00", bytes(32)]),
    "an extension to nothing": rlp.encode([b"\x16", b""]),
    "a short reference": rlp.encode([b"\x16", bytes(31)]),
    "a branch of one": rlp.encode([b"", bytes(32), *[b""] * 15]),
    "a branch with a short child": rlp.encode([b"x", bytes(32), *[b""] * 15]),
    "a branch whose value is a list": rlp.encode([bytes(32), *[b""] * 15, [b"v"]]),
    "a long node embedded": rlp.encode([b"\x16", LEAF]),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_node_is_refused(name: str) -> None:
    node = MALFORMED[name]
    with pytest.raises(BadProof):
        check_proof(root=keccak256(node), key=b"\x61", proof=[node])


def test_a_short_node_has_to_be_embedded() -> None:
    leaf = rlp.encode([b"\x31", b"v"])
    node = rlp.encode([b"\x16", keccak256(leaf)])
    with pytest.raises(BadProof, match="short"):
        check_proof(root=keccak256(node), key=b"\x61", proof=[node, leaf])


def test_what_no_trie_holds_is_refused() -> None:
    with pytest.raises(BadTrie, match="empty value"):
        trie.root({b"a": b""})
    with pytest.raises(BadTrie, match="more than 64 bytes"):
        trie.root({bytes(65): b"a"})
    with pytest.raises(BadTrie, match="above the limit"):
        trie.ordered_root([b"a"] * (trie.ORDERED_MAX + 1))
    with pytest.raises(BadProof, match="a proof of"):
        check_proof(root=EMPTY_ROOT, key=bytes(65), proof=[])
    with pytest.raises(BadProof, match="a proof of"):
        check_proof(root=EMPTY_ROOT, key=b"", proof=[b"\x80"] * (PROOF_NODES_MAX + 1))
