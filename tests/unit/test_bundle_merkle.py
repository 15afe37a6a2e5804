from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.merkle import leaf_hash, root
from tests.support.bag import UNTIMED

# The tree that Certificate Transparency implementations test with: eight leaves, and the root of each prefix.
CT_LEAVES = (
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
)
CT_ROOTS = (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)


def root_by_definition(data: list[bytes]) -> bytes:
    """RFC 9162, 2.1.1, word for word: split at the largest power of two smaller than n."""
    if not data:
        return hashlib.sha256(b"").digest()
    if len(data) == 1:
        return hashlib.sha256(b"\x00" + data[0]).digest()
    k = 1
    while k * 2 < len(data):
        k *= 2
    return hashlib.sha256(b"\x01" + root_by_definition(data[:k]) + root_by_definition(data[k:])).digest()


@pytest.mark.parametrize("count", range(9))
def test_known_answers_of_certificate_transparency(count: int) -> None:
    leaves = [bytes.fromhex(leaf) for leaf in CT_LEAVES[:count]]
    assert root(leaf_hash(leaf) for leaf in leaves).hex() == CT_ROOTS[count]


@UNTIMED
@given(st.lists(st.binary(max_size=8), max_size=130))
def test_same_root_as_the_recursive_definition(data: list[bytes]) -> None:
    assert root(map(leaf_hash, data)) == root_by_definition(data)


@pytest.mark.parametrize("count", [255, 256, 257, 1000])
def test_same_root_around_powers_of_two(count: int) -> None:
    data = [str(number).encode() for number in range(count)]
    assert root(map(leaf_hash, data)) == root_by_definition(data)


def test_an_inner_node_is_not_a_leaf() -> None:
    left, right = leaf_hash(b"l"), leaf_hash(b"r")
    assert root([left, right]) != leaf_hash(left + right)
