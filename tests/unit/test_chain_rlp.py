"""RLP: what is written is what others write, and only that one form is read."""

from __future__ import annotations

from typing import Any

import pytest
import rlp as oracle
from hypothesis import given
from hypothesis import strategies as st

from chains.evm import rlp
from chains.evm.rlp import BadRlp

sizes = st.sampled_from([0, 1, 2, 54, 55, 56, 57, 255, 256, 257, 65_535, 65_536])
items: st.SearchStrategy[Any] = st.recursive(
    st.binary(max_size=80)
    | sizes.map(lambda size: b"\xaa" * size)
    | st.integers(0, 255).map(lambda n: bytes([n])),
    lambda inner: st.lists(inner, max_size=6),
    max_leaves=30,
)


@given(items)
def test_it_writes_and_reads_what_others_do(item: Any) -> None:
    encoded = rlp.encode(item)
    assert encoded == oracle.encode(item)
    assert rlp.decode(encoded) == item


@given(st.integers(min_value=0, max_value=2**256 - 1))
def test_numbers(number: int) -> None:
    encoded = rlp.encode_int(number)
    assert encoded == oracle.encode(number)
    assert rlp.decode_int(rlp.decode(encoded), most=number) == number
    if number:
        with pytest.raises(BadRlp, match="above"):
            rlp.decode_int(rlp.decode(encoded), most=number - 1)


def others_accept(data: bytes) -> bool:
    """pyrlp reads some forms that it would not write; those are not canonical."""
    try:
        return bool(oracle.encode(oracle.decode(data)) == data)
    except oracle.exceptions.RLPException:
        return False


@given(st.binary(max_size=40))
def test_of_random_bytes_only_the_canonical_are_read(data: bytes) -> None:
    try:
        assert rlp.encode(rlp.decode(data)) == data
        accepted = True
    except BadRlp:
        accepted = False
    assert accepted == others_accept(data)


@given(items, st.data())
def test_of_damaged_bytes_only_the_canonical_are_read(item: Any, data: st.DataObject) -> None:
    encoded = bytearray(rlp.encode(item)[:300])
    at = data.draw(st.integers(0, len(encoded) - 1))
    encoded[at] = data.draw(st.integers(0, 255))
    try:
        assert rlp.encode(rlp.decode(bytes(encoded))) == encoded
        accepted = True
    except BadRlp:
        accepted = False
    assert accepted == others_accept(bytes(encoded))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "data end"),
        (b"\x81\x05", "below 0x80"),
        (b"\xb8\x05aaaaa", "shorter form"),
        (b"\xb8\x37" + bytes(55), "shorter form"),
        (b"\xb9\x00\x38" + bytes(56), "shorter form"),
        (b"\xf8\x01\x01", "shorter form"),
        (b"\xb8", "cut off"),
        (b"\xbf" + b"\xff" * 7, "cut off"),
        (b"\xbf" + b"\xff" * 8, "over the end"),
        (b"\x83ab", "over the end"),
        (b"\xc3\x83ab", "over the end"),
        (b"\xc1\x81", "over the end"),
        (b"\x05\x05", "after the item"),
        (b"\xc0\x00", "after the item"),
    ],
)
def test_malformed_bytes_are_refused(data: bytes, reason: str) -> None:
    with pytest.raises(BadRlp, match=reason):
        rlp.decode(data)


def test_size_depth_and_items_are_bounded() -> None:
    with pytest.raises(BadRlp, match="above the limit"):
        rlp.decode(bytes(100), size_max=99)
    nested = b"\xc0"
    for _ in range(rlp.DEPTH_MAX - 1):
        nested = rlp.encode_list([nested])
    assert rlp.decode(nested)
    with pytest.raises(BadRlp, match="deeper"):
        rlp.decode(rlp.encode_list([nested]))
    bomb = b""
    for _ in range(5000):
        bomb = rlp.encode_list([bomb])
    with pytest.raises(BadRlp, match="deeper"):
        rlp.decode(bomb)
    with pytest.raises(BadRlp, match="deeper"):
        rlp.decode(b"\xc0", depth_max=0)
    wide = rlp.encode([b""] * 100)
    assert len(rlp.decode(wide, items_max=101)) == 100
    with pytest.raises(BadRlp, match="more items"):
        rlp.decode(wide, items_max=100)


def test_a_list_and_a_number_are_what_they_are_asked_to_be() -> None:
    assert rlp.decode_list(b"\xc1\x05") == [b"\x05"]
    with pytest.raises(BadRlp, match="a list expected"):
        rlp.decode_list(b"\x05")
    with pytest.raises(BadRlp, match="a number expected"):
        rlp.decode_int([], most=5)
    with pytest.raises(BadRlp, match="leading zero"):
        rlp.decode_int(b"\0", most=5)


@pytest.mark.parametrize("item", ["text", 5, None, [5]])
def test_only_bytes_and_lists_are_written(item: Any) -> None:
    with pytest.raises(TypeError):
        rlp.encode(item)
