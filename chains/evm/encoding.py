"""The two hex forms of the Ethereum JSON-RPC, QUANTITY and DATA, read strictly.

https://ethereum.github.io/execution-apis/ - standard library only, because the offline verifier reads
enclosed answers with it. Nothing here knows what a field means.
"""

from __future__ import annotations

import re
from typing import Any

from chains.errors import ChainError
from chains.types import Address, Hash32

# What a BIGINT column holds; no chain comes near it.
BLOCK_NUMBER_MAX = 2**63 - 1

# int(…, 16) alone would also take signs, blanks, underscores and leading zeros.
_QUANTITY = re.compile(r"0x(?:0|[1-9a-fA-F][0-9a-fA-F]{0,63})")


class BadEncoding(ChainError):
    """A field is not the QUANTITY or DATA that it has to be. Modules that know the field wrap this."""


def quantity(value: Any, *, most: int) -> int:
    """The integer of a QUANTITY: 0x, hex digits, no leading zero, at most `most`."""
    if not isinstance(value, str) or _QUANTITY.fullmatch(value) is None:
        msg = f"not a QUANTITY: {shown(value)}"
        raise BadEncoding(msg)
    number = int(value, 16)
    if number > most:
        msg = f"QUANTITY {value} is above {most}"
        raise BadEncoding(msg)
    return number


def data(value: Any) -> bytes:
    """The bytes of a DATA of any length: 0x and an even number of hex digits."""
    if not isinstance(value, str) or value[:2] != "0x":
        msg = f"not a DATA: {shown(value)}"
        raise BadEncoding(msg)
    try:
        decoded = bytes.fromhex(value[2:])
    except ValueError:
        decoded = b""
    # bytes.fromhex skips blanks, which the length gives away.
    if 2 + 2 * len(decoded) != len(value):
        msg = f"not a DATA: {shown(value)}"
        raise BadEncoding(msg)
    return decoded


def hash32(value: Any) -> Hash32:
    return Hash32(_exactly(data(value), 32, value))


def address(value: Any) -> Address:
    return Address(_exactly(data(value), 20, value))


def to_quantity(number: int) -> str:
    return hex(number)


def shown(value: Any) -> str:
    """A value as an error may print it: a node chooses it, so it is cut and escaped."""
    text = ascii(value) if isinstance(value, str | int | float | bool | None) else type(value).__name__
    return text if len(text) <= 80 else text[:77] + "…"


def _exactly(decoded: bytes, length: int, value: Any) -> bytes:
    if len(decoded) != length:
        msg = f"{length} bytes expected, not {len(decoded)}: {shown(value)}"
        raise BadEncoding(msg)
    return decoded
