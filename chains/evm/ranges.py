"""How many blocks to ask for at once: grow while a node answers, shrink by its hints when it does not. Pure.

Limits met in the wild: 5 to 10,000 blocks, 10,000 or 20,000 results, 10 seconds, 150 MB. Each provider says
so in words of its own, so an unknown message just halves the range.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from chains.errors import AnswerTooLarge, ChainError, NodeTimeout, RpcError

# Below this, another request costs less than the memory that a larger answer takes.
ANSWER_BYTES_WANTED = 3 * 2**20

_HINT_CHARS_MAX = 500
_HINT_BLOCKS_MAX = 10_000_000
_CEILING_SUCCESSES = 32

# A range to use instead, as in: try with this block range [0x1, 0x5]; retry with the range 100-200;
# this block range should work: [0x0, 0x7ff].
_SPAN = re.compile(
    r"(?:range:?\s*\[?|\[)\s*(?P<first>0x[0-9a-f]{1,16}|[0-9]{1,18})\s*(?:-|,|to)\s*"
    r"(?P<last>0x[0-9a-f]{1,16}|[0-9]{1,18})",
    re.IGNORECASE,
)
# A size beside the word, as in: limited to a 10,000 block range; 0 - 10000 blocks range; max is 1k blocks;
# and behind it: maximum block range: 5000; block range is limited to 10,000.
_SIZES = (
    re.compile(r"\b(?P<size>[0-9][0-9,_]{0,12})(?P<thousands>k)?[\s-]*blocks?\b", re.IGNORECASE),
    re.compile(r"\bblock range[^0-9]{0,30}(?P<size>[0-9][0-9,_]{0,12})(?P<thousands>k)?\b", re.IGNORECASE),
)
# The request is not JSON-RPC: a smaller range changes nothing. Nor does it where the method is not there.
_PARSE_ERROR = -32700


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeSize:
    """The number of blocks for the next request, between 1 and `blocks_max`.

    After a refusal growth stops at the reduced size; every 32 answers it is tried again, since limits by
    results or by time depend on the blocks.
    """

    blocks: int = 500
    blocks_max: int = 10_000
    ceiling: int | None = None
    successes: int = 0

    def end(self, first: int, last: int) -> int:
        """The last block of the next request, which begins at `first`."""
        return min(last, first + self.blocks - 1)

    def capped(self, blocks: int) -> RangeSize:
        """No larger than `blocks`: the end of a window may have cut the last request short."""
        return replace(self, blocks=min(self.blocks, blocks))

    def after_success(self, *, answer_bytes: int = 0) -> RangeSize:
        """Grown, unless the answer is as large as one should be: all of it is in memory, several times."""
        successes = self.successes + 1
        ceiling = None if successes % _CEILING_SUCCESSES == 0 else self.ceiling
        most = self.blocks_max if ceiling is None else min(self.blocks_max, ceiling)
        if answer_bytes > 0:
            most = min(most, max(1, self.blocks * ANSWER_BYTES_WANTED // answer_bytes))
        return replace(self, blocks=min(self.blocks * 2, most), ceiling=ceiling, successes=successes)

    def after_failure(self, error: ChainError) -> RangeSize:
        """Shrunk by the node's hint, else halved. Raises `error` where a smaller range can't help."""
        if not may_shrink(error) or self.blocks == 1:
            raise error
        hint = parse_range_hint(error.message) if isinstance(error, RpcError) else None
        blocks = hint if hint is not None and hint < self.blocks else self.blocks // 2
        return replace(self, blocks=blocks, ceiling=blocks, successes=0)


@dataclass(slots=True, kw_only=True)
class LearntSize:
    """Holds the size that a node has taught so far, for whoever asks it again later."""

    now: RangeSize = RangeSize()

    def succeeded(self, *, blocks: int, answer_bytes: int) -> None:
        """A part of `blocks` was answered. One cut short by the end of a window says little of its size."""
        if blocks >= self.now.blocks:
            # The part may have been asked by an older, larger size.
            self.now = self.now.after_success(answer_bytes=answer_bytes * self.now.blocks // blocks)

    def failed(self, error: ChainError, *, blocks: int) -> None:
        """Shrink, or raise `error` where that can't help. `blocks` were asked for, maybe by an older size."""
        shrunk = replace(self.now, blocks=blocks).after_failure(error)
        if shrunk.blocks < self.now.blocks:
            self.now = shrunk


def may_shrink(error: ChainError) -> bool:
    """Whether the same question over fewer blocks may be answered."""
    if isinstance(error, RpcError):
        return error.code != _PARSE_ERROR and not error.method_is_missing
    return isinstance(error, NodeTimeout | AnswerTooLarge)


def parse_range_hint(message: str) -> int | None:
    """The number of blocks that an error message offers or allows, if it names one."""
    text = message[:_HINT_CHARS_MAX]
    sizes = [_number(span["last"]) - _number(span["first"]) + 1 for span in _SPAN.finditer(text)]
    if not sizes:
        sizes = [
            int(re.sub("[,_]", "", size["size"])) * (1000 if size["thousands"] else 1)
            for pattern in _SIZES
            for size in pattern.finditer(text)
        ]
    # A message may repeat the refused size beside the allowed one; the allowed one is smaller.
    return min((size for size in sizes if 1 <= size <= _HINT_BLOCKS_MAX), default=None)


def _number(text: str) -> int:
    return int(text, 16) if text[:2].lower() == "0x" else int(text)
