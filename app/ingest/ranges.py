"""Arithmetic of block ranges: what is read, what is missing (pure). Ranges are inclusive at both ends."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Blocks:
    """Blocks `first` to `last`, both included; never empty."""

    first: int
    last: int

    def __post_init__(self) -> None:
        if not 0 <= self.first <= self.last:
            msg = f"not a range of blocks: {self.first}-{self.last}"
            raise ValueError(msg)

    @property
    def size(self) -> int:
        return self.last - self.first + 1


def merged(ranges: Iterable[Blocks]) -> list[Blocks]:
    """The same blocks in ascending ranges that neither overlap nor touch."""
    joined: list[Blocks] = []
    for each in sorted(ranges):
        if joined and each.first <= joined[-1].last + 1:
            joined[-1] = Blocks(joined[-1].first, max(joined[-1].last, each.last))
        else:
            joined.append(each)
    return joined


def missing(wanted: Blocks, *, read: Iterable[Blocks]) -> list[Blocks]:
    """The parts of `wanted` that no range of `read` holds."""
    gaps = []
    following = wanted.first
    for each in merged(read):
        if each.last < following:
            continue
        if each.first > wanted.last:
            break
        if each.first > following:
            gaps.append(Blocks(following, each.first - 1))
        following = each.last + 1
    if following <= wanted.last:
        gaps.append(Blocks(following, wanted.last))
    return gaps


def common(left: Iterable[Blocks], right: Blocks) -> list[Blocks]:
    """The parts of `right` that `left` holds."""
    parts = []
    for each in merged(left):
        first, last = max(each.first, right.first), min(each.last, right.last)
        if first <= last:
            parts.append(Blocks(first, last))
    return parts
