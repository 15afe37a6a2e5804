"""Proofs of what a Merkle-Patricia trie with a known root holds under a key, be it nothing: made and checked.

Pure. A proof is the list of nodes from the root to where the key ends, as eth_getProof answers it. Checking
believes nothing: each node has to have the hash that the one before it names, and the only encoding it can
have; nodes that lead nowhere are refused, so that one fact has one proof.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chains.errors import ChainError
from chains.evm import rlp
from chains.evm.keccak import keccak256
from chains.evm.rlp import BadRlp
from chains.evm.trie import EMPTY_ROOT, KEY_BYTES_MAX

# One node a digit of the key, and the leaf.
PROOF_NODES_MAX = 2 * KEY_BYTES_MAX + 1
# A leaf holds its value whole: a receipt or transaction can't be larger than what a node may send.
NODE_BYTES_MAX = 16 * 1024 * 1024


class BadProof(ChainError):
    """Not a proof of what the trie with this root holds under this key."""


@dataclass(frozen=True, slots=True)
class _Step:
    """Where a node leads: on to `child` (a hash or an embedded node), or to the end with `value`."""

    child: rlp.Decoded | None
    value: bytes | None
    left: str


def make_proof(*, root: bytes, key: bytes, nodes: Mapping[bytes, bytes]) -> list[bytes]:
    """The proof for a key, taken from all nodes of a trie (`trie.nodes`, `trie.ordered_nodes`)."""
    if root == EMPTY_ROOT:
        return []
    proof: list[bytes] = []
    left, reference = key.hex(), root
    while True:
        if reference not in nodes:
            msg = f"the node {reference.hex()} is not there"
            raise BadProof(msg)
        proof.append(nodes[reference])
        step = _descend(_decoded(nodes[reference]), left)
        if not isinstance(step.child, bytes):
            return proof
        left, reference = step.left, step.child


def check_proof(*, root: bytes, key: bytes, proof: Sequence[bytes]) -> bytes | None:
    """The value under the key, or None where the proof shows that there is none. Raises BadProof."""
    if len(proof) > PROOF_NODES_MAX or len(key) > KEY_BYTES_MAX:
        msg = f"a proof of {len(proof)} nodes for a key of {len(key)} bytes"
        raise BadProof(msg)
    if not proof or list(proof) == [rlp.EMPTY_STRING]:
        if root != EMPTY_ROOT:
            msg = "no node, but the trie is not empty"
            raise BadProof(msg)
        return None
    left, reference = key.hex(), root
    for at, node in enumerate(proof):
        _demand_named(node, reference, first=at == 0)
        step = _descend(_decoded(node), left)
        if not isinstance(step.child, bytes):
            if at != len(proof) - 1:
                msg = f"{len(proof) - 1 - at} nodes after the end"
                raise BadProof(msg)
            return step.value
        left, reference = step.left, step.child
    msg = f"the node {reference.hex()} is missing"
    raise BadProof(msg)


def _demand_named(node: bytes, reference: bytes, *, first: bool) -> None:
    if keccak256(node) != reference:
        msg = f"a node does not have the hash {reference.hex()}"
        raise BadProof(msg)
    if len(node) < 32 and not first:
        msg = "a node that is short had to stand in the one before it"
        raise BadProof(msg)


def _decoded(node: bytes) -> rlp.Decoded:
    try:
        # A branch in a branch …: each level of embedding takes a byte at least, and 32 are too many.
        return rlp.decode(node, size_max=NODE_BYTES_MAX, depth_max=16, items_max=1024)
    except BadRlp as error:
        msg = f"a node's RLP: {error}"
        raise BadProof(msg) from error


def _descend(node: rlp.Decoded, left: str) -> _Step:
    """As far as this node and those embedded in it lead. A step whose child is no hash is the last."""
    while True:
        step = _step(node, left)
        if not isinstance(step.child, list):
            return step
        if len(rlp.encode(step.child)) >= 32:
            msg = "an embedded node of 32 bytes or more"
            raise BadProof(msg)
        node, left = step.child, step.left


def _step(node: rlp.Decoded, left: str) -> _Step:
    if not isinstance(node, list) or len(node) not in (2, 17):
        msg = "a node is a list of 2 or 17 items"
        raise BadProof(msg)
    return _through_branch(node, left) if len(node) == 17 else _along_path(node, left)


def _through_branch(node: list[rlp.Decoded], left: str) -> _Step:
    for child in node[:16]:
        _demand_reference(child, empty_allowed=True)
    value = _value(node[16])
    if sum(item != b"" for item in node) < 2:
        msg = "a branch that leads to less than two values"
        raise BadProof(msg)
    if left == "":
        return _Step(None, value or None, "")
    child = node[int(left[0], 16)]
    return _Step(None if child == b"" else child, None, left[1:])


def _along_path(node: list[rlp.Decoded], left: str) -> _Step:
    path, leaf = _read_path(node[0])
    if leaf:
        value = _value(node[1])
        if not value:
            msg = "a leaf without a value"
            raise BadProof(msg)
        return _Step(None, value if path == left else None, "")
    if not path:
        msg = "an extension by nothing"
        raise BadProof(msg)
    _demand_reference(node[1], empty_allowed=False)
    if not left.startswith(path):
        return _Step(None, None, "")
    return _Step(node[1], None, left[len(path) :])


def _read_path(item: rlp.Decoded) -> tuple[str, bool]:
    """The digits of a hex-prefix encoding, and whether it is a leaf's."""
    digits = item.hex() if isinstance(item, bytes) else ""
    flag = digits[:1]
    if flag == "" or flag not in "0123" or (flag in "02" and digits[1] != "0"):
        msg = "not a path"
        raise BadProof(msg)
    return digits[1 if flag in "13" else 2 :], flag in "23"


def _demand_reference(child: rlp.Decoded, *, empty_allowed: bool) -> None:
    """A hash, an embedded node (checked when it is entered), or for a branch nothing."""
    if isinstance(child, bytes) and len(child) != 32 and not (empty_allowed and child == b""):
        msg = f"a reference of {len(child)} bytes"
        raise BadProof(msg)


def _value(item: rlp.Decoded) -> bytes:
    if not isinstance(item, bytes):
        msg = "a value is bytes"
        raise BadProof(msg)
    return item
