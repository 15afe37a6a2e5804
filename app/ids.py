"""Ids of our own rows: a prefix that says what it is, and a ULID (26 characters of Crockford base32).

48 bits of milliseconds, then 80 random bits: sorted by age, and not guessable from a neighbour.
"""

from __future__ import annotations

import secrets
from datetime import datetime

from app.clock import to_unix_seconds

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ENTROPY_BYTES = 10
_CHARACTERS = 26


def new_id(prefix: str, *, now: datetime, entropy: bytes | None = None) -> str:
    """Such as `deb_01J…`. `entropy` is 10 bytes, by default of the system's own randomness."""
    if entropy is None:
        entropy = secrets.token_bytes(_ENTROPY_BYTES)
    if len(entropy) != _ENTROPY_BYTES:
        msg = f"an id takes {_ENTROPY_BYTES} bytes of entropy, not {len(entropy)}"
        raise ValueError(msg)
    milliseconds = to_unix_seconds(now) * 1000 + now.microsecond // 1000
    number = int.from_bytes(milliseconds.to_bytes(6, "big") + entropy, "big")
    digits = (_CROCKFORD[number >> shift & 31] for shift in range(5 * (_CHARACTERS - 1), -1, -5))
    return f"{prefix}_{''.join(digits)}"
