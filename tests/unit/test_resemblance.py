"""What a person takes for the same: addresses by their visible ends, symbols by how they read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.matching.resemblance import resembles, same_symbol
from chains.types import Address
from tests.books import UNTIMED
from tests.factories import CREDITOR, address, look_alike

ADDRESSES = st.binary(min_size=20, max_size=20).map(Address)
REAL = "a1b2c3d4e5f60718293a4b5c6d7e8f9001122334"


def with_ends(*, first: int, last: int) -> Address:
    """An address that shares exactly so many first and last digits with REAL."""
    other = [f"{int(digit, 16) ^ 8:x}" for digit in REAL]
    digits = [*REAL[:first], *other[first : 40 - last], *REAL[40 - last :]]
    return Address(bytes.fromhex("".join(digits)))


@pytest.mark.parametrize(
    ("first", "last", "alike"),
    [
        (4, 4, True),
        (4, 3, True),
        (3, 4, True),
        (3, 3, False),
        (2, 38 - 2, False),
        (10, 2, False),
        (7, 0, False),
        (0, 7, False),
        (0, 0, False),
    ],
)
def test_both_ends_must_be_alike(*, first: int, last: int, alike: bool) -> None:
    known = Address(bytes.fromhex(REAL))
    assert resembles(with_ends(first=first, last=last), [known]) is alike


@UNTIMED
@given(known=st.lists(ADDRESSES, min_size=1, max_size=3), other=ADDRESSES)
def test_a_known_address_resembles_nobody(known: list[Address], other: Address) -> None:
    assert not resembles(known[0], known)
    assert not resembles(known[0], [look_alike(known[0]), known[0]])
    assert resembles(look_alike(known[0]), known) or look_alike(known[0]) in known
    assert resembles(other, known) == resembles(other, reversed(known))


def test_nobody_known_nobody_resembled() -> None:
    assert not resembles(CREDITOR, [])
    assert not resembles(address("anyone"), [CREDITOR])


@pytest.mark.parametrize(
    "copy",
    [
        "USDX",
        "usdx",
        "UsDx",
        "ＵＳＤＸ",  # noqa: RUF001 - full width
        "U\u200bS\u200cD\u200dX",
        "\ufeffUSDX",
        "\u202eUSDX\u202c",
        " USDX ",
        "U S D X",
        "USDX\u00a0",
        "USDX\u3164",
        "USDX\u2800",
        "ＵSDX\u115f",  # noqa: RUF001
        "U\u0301SDX",
        "𝐔𝐒𝐃𝐗",  # noqa: RUF001 - mathematical bold
        "ⓊⓈⒹⓍ",
        "USDX\x00\x07",
    ],
)
def test_symbols_that_read_the_same(copy: str) -> None:
    assert same_symbol(copy, "USDX")
    assert same_symbol("USDX", copy)


@pytest.mark.parametrize(
    "other", ["", " ", "\u200b", "USD", "USDXX", "USDX.e", "USDX2", "XDSU", "USDT", "$USDX"]
)
def test_symbols_that_do_not(other: str) -> None:
    assert not same_symbol(other, "USDX")


@pytest.mark.parametrize("nothing", ["", " ", "\u200b", "\u3164"])
def test_a_symbol_that_shows_as_nothing_is_the_same_as_none(nothing: str) -> None:
    assert not same_symbol(nothing, nothing)
    assert not same_symbol(nothing, "")


@UNTIMED
@given(symbol=st.text(max_size=8))
def test_sameness_is_mutual(symbol: str) -> None:
    assert same_symbol(symbol, "USDX") == same_symbol("USDX", symbol)
