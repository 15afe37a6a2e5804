"""QUANTITY and DATA are read strictly: one integer, one text, no leniency of Python's own parsers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.evm import encoding
from chains.evm.encoding import BadEncoding
from chains.types import UINT256_MAX

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.integers(min_value=0, max_value=UINT256_MAX))
def test_a_quantity_is_read_back(number: int) -> None:
    assert encoding.quantity(encoding.to_quantity(number), most=UINT256_MAX) == number


@given(st.binary(max_size=200))
def test_data_are_read_back_in_either_case(raw: bytes) -> None:
    assert encoding.data("0x" + raw.hex()) == raw
    assert encoding.data("0x" + raw.hex().upper()) == raw


NO_QUANTITY: tuple[Any, ...] = (
    *("", "0x", "0", "1", "0X1", "0x01", "0x00", "-0x1", "+0x1", "0x-1", " 0x1", "0x1 ", "0x1\n", "0x_1"),
    *("0x1_0", "0xg", "0x1.0", "x1", "0x" + "1" * 65, "0x\u0661", 1, 0, 1.0, True, None, [], {}),
)
NO_DATA: tuple[Any, ...] = (
    *("", "0", "0x0", "0x0g", "0X00", "00", "0x00 ", "0x 00", "0x0 0", "0x00\n", "0x00 00", "0x0\t0"),
    *("0x\uff10\uff10", 0, None, True, [], {}, b"0x00"),
)


@pytest.mark.parametrize("value", NO_QUANTITY, ids=repr)
def test_what_is_no_quantity(value: Any) -> None:
    with pytest.raises(BadEncoding):
        encoding.quantity(value, most=2**300)


def test_a_quantity_is_bounded() -> None:
    assert encoding.quantity("0xff", most=255) == 255
    with pytest.raises(BadEncoding):
        encoding.quantity("0x100", most=255)


@pytest.mark.parametrize("value", NO_DATA, ids=repr)
def test_what_is_no_data(value: Any) -> None:
    with pytest.raises(BadEncoding):
        encoding.data(value)


@given(st.binary(max_size=70))
def test_a_hash_and_an_address_have_their_length(raw: bytes) -> None:
    text = "0x" + raw.hex()
    for read, length in ((encoding.hash32, 32), (encoding.address, 20)):
        if len(raw) == length:
            assert read(text) == raw
        else:
            with pytest.raises(BadEncoding):
                read(text)


@given(json_values)
def test_any_json_ends_in_a_value_or_bad_encoding(value: Any) -> None:
    for read in (encoding.data, encoding.hash32, encoding.address):
        with pytest.raises(BadEncoding):
            read(value if not isinstance(value, str) else value + "g")
    with pytest.raises(BadEncoding):
        encoding.quantity(value if not isinstance(value, str) else value + "g", most=5)


@given(json_values)
def test_what_an_error_shows_is_short_and_printable(value: Any) -> None:
    shown = encoding.shown(value)
    assert len(shown) <= 80
    assert shown.isprintable()
