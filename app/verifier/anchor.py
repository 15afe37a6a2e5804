"""An anchor as a person types it: the number and the hash of block b+1, `N:0x…` in either case."""

from __future__ import annotations

import re
from dataclasses import dataclass

from chains.errors import BadIdentifier
from chains.types import Hash32

_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Anchor:
    number: int
    hash: Hash32

    @classmethod
    def parse(cls, text: str) -> Anchor:
        """Raises BadIdentifier."""
        number, _, hash_ = text.strip().partition(":")
        if _NUMBER.fullmatch(number) is None:
            msg = f"an anchor is a block number and a hash, such as 123:0x…, not {text[:100]!r}"
            raise BadIdentifier(msg)
        try:
            return cls(int(number), Hash32.parse(hash_))
        except BadIdentifier:
            msg = f"an anchor is a block number and the 64 digits of its hash, 123:0x…, not {text[:100]!r}"
            raise BadIdentifier(msg) from None

    def __str__(self) -> str:
        return f"{self.number}:{self.hash}"
