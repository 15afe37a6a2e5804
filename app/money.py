"""Amounts: integers in an asset's base units, their decimal text, and nothing that rounds by surprise.

Standard library and `chains.types` only; the offline verifier uses it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from chains.types import UINT256_MAX, AssetId

DECIMALS_MAX = 77  # 10**77 is the largest power of ten below 2**256.
_AMOUNT_CHARS_MAX = 80

_DECIMAL = re.compile(r"(0|[1-9][0-9]*)(?:\.([0-9]+))?")


class AmountError(ValueError):
    """Text that is not an amount of the asset. `detail` says why, in plain words."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """An asset as it was registered: its identity, and how its units are written."""

    id: AssetId
    symbol: str
    decimals: int


def parse_units(text: str, *, decimals: int) -> int:
    """The base units behind a decimal string such as "1250.50". Raises AmountError; never rounds."""
    match = _DECIMAL.fullmatch(text) if len(text) <= 2 * _AMOUNT_CHARS_MAX else None
    if match is None:
        msg = 'An amount is a decimal string such as "1250.50": digits, at most one point, nothing else.'
        raise AmountError(msg)
    whole, fraction = match[1], match[2] or ""
    if len(fraction) > decimals:
        msg = f"The asset has {decimals} decimals; this amount has {len(fraction)}."
        raise AmountError(msg)
    units = int(whole + fraction.ljust(decimals, "0"))
    if units > UINT256_MAX:
        msg = "The amount is larger than any token can hold (2**256-1 base units)."
        raise AmountError(msg)
    return units


def format_units(units: int, *, decimals: int) -> str:
    """The shortest exact decimal string: 3000000000 with 6 decimals is "3000", 1500000 is "1.5"."""
    digits = str(units).rjust(decimals + 1, "0")
    whole, fraction = digits[: len(digits) - decimals], digits[len(digits) - decimals :].rstrip("0")
    return f"{whole}.{fraction}" if fraction else whole


def display_units(units: int, *, decimals: int) -> str:
    """For people: groups of three, and at least two decimals where the asset has them."""
    whole, _, fraction = format_units(units, decimals=decimals).partition(".")
    fraction = fraction.ljust(min(2, decimals), "0")
    grouped = f"{int(whole):,}"
    return f"{grouped}.{fraction}" if fraction else grouped


def rescale_units(units: int, *, decimals: int, to_decimals: int, up: bool) -> int:
    """The same face value in an asset with other decimals, rounded down, or `up` to the next unit.

    Rounding up is for bounds that must not accuse: what may be covered is never understated. The result
    may exceed what a token can hold; it is never cut off, or the parts would not add up.
    """
    if to_decimals >= decimals:
        return units * _power_of_ten(to_decimals - decimals)
    scale = _power_of_ten(decimals - to_decimals)
    return -(-units // scale) if up else units // scale


def _power_of_ten(exponent: int) -> int:
    return int("1" + "0" * exponent)
