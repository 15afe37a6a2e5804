"""Amounts: exact to 2**256-1 in both directions, and never rounded but where a rounding is named."""

from __future__ import annotations

import contextlib
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.money import DECIMALS_MAX, AmountError, display_units, format_units, parse_units, rescale_units
from chains.types import UINT256_MAX
from tests.books import UNTIMED

UNITS = st.one_of(
    st.integers(0, UINT256_MAX), st.sampled_from([0, 1, 10**6, 2**53 + 1, UINT256_MAX - 1, UINT256_MAX])
)
DECIMALS = st.integers(0, DECIMALS_MAX)


@UNTIMED
@given(units=UNITS, decimals=DECIMALS)
def test_text_and_units_are_each_other(units: int, decimals: int) -> None:
    assert parse_units(format_units(units, decimals=decimals), decimals=decimals) == units


@UNTIMED
@given(units=UNITS, decimals=DECIMALS)
def test_text_is_the_exact_value(units: int, decimals: int) -> None:
    assert Fraction(format_units(units, decimals=decimals)) == Fraction(units, 10**decimals)
    assert Fraction(display_units(units, decimals=decimals).replace(",", "")) == Fraction(units, 10**decimals)


@UNTIMED
@given(text=st.text("0123456789.,+-e _", max_size=12) | st.text(max_size=6), decimals=st.integers(0, 18))
def test_any_text_is_read_exactly_or_refused(text: str, decimals: int) -> None:
    units = None
    with contextlib.suppress(AmountError):
        units = parse_units(text, decimals=decimals)
    assert units is None or Fraction(units, 10**decimals) == Fraction(text)


@pytest.mark.parametrize(
    ("text", "decimals", "units"),
    [
        ("0", 0, 0),
        ("0.0", 6, 0),
        ("9000", 6, 9_000_000_000),
        ("1250.50", 6, 1_250_500_000),
        ("0.000001", 6, 1),
        ("1.500000", 6, 1_500_000),
        ("115792089237316195423570985008687907853269984665640564039457584007913129639935", 0, UINT256_MAX),
        ("115792089237316195423570985008687907853269984665640564039457.584007913129639935", 18, UINT256_MAX),
    ],
)
def test_parse_units(text: str, decimals: int, units: int) -> None:
    assert parse_units(text, decimals=decimals) == units


NOT_DECIMAL = (
    *("", " ", "1 ", " 1", "1\n", ".", "1.", ".5", "1.2.3", "01", "00", "+1", "-1", "-0"),
    *("1e3", "0x10", "1,000", "1_000", "NaN", "inf", "\u0967", "\uff11", "1\u200b", "\u00bd"),
    *("1." + "0" * 200, "9" * 161),
)


@pytest.mark.parametrize("text", NOT_DECIMAL)
def test_what_is_not_a_decimal_string_is_refused(text: str) -> None:
    with pytest.raises(AmountError, match="decimal string"):
        parse_units(text, decimals=6)


def test_more_decimals_than_the_asset_has_are_refused_not_rounded() -> None:
    with pytest.raises(AmountError, match="has 6 decimals; this amount has 7"):
        parse_units("1.0000000", decimals=6)
    with pytest.raises(AmountError, match="has 0 decimals; this amount has 1"):
        parse_units("1.5", decimals=0)


def test_more_than_any_token_can_hold_is_refused() -> None:
    with pytest.raises(AmountError, match=r"2\*\*256-1"):
        parse_units(str(UINT256_MAX + 1), decimals=0)
    with pytest.raises(AmountError, match=r"2\*\*256-1"):
        parse_units(str(UINT256_MAX), decimals=1)


@pytest.mark.parametrize(
    ("units", "decimals", "text", "shown"),
    [
        (0, 6, "0", "0.00"),
        (0, 0, "0", "0"),
        (1, 6, "0.000001", "0.000001"),
        (100_000, 6, "0.1", "0.10"),
        (1_500_000, 6, "1.5", "1.50"),
        (3_000_000_000, 6, "3000", "3,000.00"),
        (1_234_567_890_000, 6, "1234567.89", "1,234,567.89"),
        (12_345, 1, "1234.5", "1,234.5"),
        (1234, 0, "1234", "1,234"),
        (10**18 + 1, 18, "1.000000000000000001", "1.000000000000000001"),
    ],
)
def test_format_and_display(units: int, decimals: int, text: str, shown: str) -> None:
    assert format_units(units, decimals=decimals) == text
    assert display_units(units, decimals=decimals) == shown


@UNTIMED
@given(units=UNITS, decimals=DECIMALS, to_decimals=DECIMALS)
def test_rescaled_is_within_one_unit_on_the_named_side(units: int, decimals: int, to_decimals: int) -> None:
    exact = Fraction(units * 10**to_decimals, 10**decimals)
    down = rescale_units(units, decimals=decimals, to_decimals=to_decimals, up=False)
    up = rescale_units(units, decimals=decimals, to_decimals=to_decimals, up=True)
    assert down <= exact <= up
    assert up - down == (0 if exact.denominator == 1 else 1)


@pytest.mark.parametrize(
    ("units", "decimals", "to_decimals", "down", "up"),
    [
        (5, 6, 6, 5, 5),
        (5, 6, 18, 5 * 10**12, 5 * 10**12),
        (1_999_999_999_999, 18, 6, 1, 2),
        (10**12, 18, 6, 1, 1),
        (1, 18, 6, 0, 1),
        (0, 18, 6, 0, 0),
        (UINT256_MAX, 0, 2, UINT256_MAX * 100, UINT256_MAX * 100),
    ],
)
def test_rescale_units(units: int, decimals: int, to_decimals: int, down: int, up: int) -> None:
    assert rescale_units(units, decimals=decimals, to_decimals=to_decimals, up=False) == down
    assert rescale_units(units, decimals=decimals, to_decimals=to_decimals, up=True) == up
