"""What a person mistakes for something else: addresses that look alike, symbols that read alike (pure)."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from chains.types import Address

# Wallets show the first and last few digits of an address; poisoners grind addresses to match those.
_END_DIGITS_MIN = 3
_DIGITS_MIN = 7
# Letters and signs by category that show as nothing: Hangul fillers and the blank Braille pattern.
_BLANKS = frozenset("\u115f\u1160\u2800")


def resembles(address: Address, known: Iterable[Address]) -> bool:
    """Whether the address shares its visible ends with a known one without being any of them."""
    others = list(known)
    return address not in others and any(_ends_match(address.hex(), other.hex()) for other in others)


def _ends_match(left: str, right: str) -> bool:
    first = _common_prefix(left, right)
    last = _common_prefix(left[::-1], right[::-1])
    return min(first, last) >= _END_DIGITS_MIN and first + last >= _DIGITS_MIN


def _common_prefix(left: str, right: str) -> int:
    pairs = enumerate(zip(left, right, strict=True))
    return next((index for index, (one, other) in pairs if one != other), len(left))


def same_symbol(left: str, right: str) -> bool:
    """Whether two token symbols read the same to a person.

    Compatibility forms, case, marks, spaces and invisible characters are folded away (Unicode NFKD).
    Letters of other scripts that merely look alike are the claims engine's to fold.
    """
    skeleton = _skeleton(left)
    return bool(skeleton) and skeleton == _skeleton(right)


def _skeleton(symbol: str) -> str:
    folded = unicodedata.normalize("NFKD", symbol).casefold()
    return "".join(char for char in folded if unicodedata.category(char)[0] in "LNSP" and char not in _BLANKS)
