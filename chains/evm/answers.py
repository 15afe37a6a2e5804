"""Keeping account of raw answers: for each body that a node sent, what was asked, its digest and its size.

Standard library only. The bodies themselves would fill disks: what is kept shows later that the same bytes
were received.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from chains.rpc import RpcAnswer


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerDigest:
    """One body. `calls` is how many questions of a batch it answers."""

    method: str
    calls: int
    sha256: str
    size: int


class AnswerLedger:
    """The digests of one reading, in the order of its questions."""

    def __init__(self) -> None:
        self._digests: list[AnswerDigest] = []

    @property
    def digests(self) -> tuple[AnswerDigest, ...]:
        return tuple(self._digests)

    def add(self, answers: Iterable[RpcAnswer]) -> None:
        """All answers of one exchange: those of a batch share their body."""
        by_body: dict[int, list[RpcAnswer]] = {}
        for answer in answers:
            by_body.setdefault(id(answer.body), []).append(answer)
        for same in by_body.values():
            body = same[0].body
            self._digests.append(
                AnswerDigest(
                    method="+".join(dict.fromkeys(answer.method for answer in same)),
                    calls=len(same),
                    sha256=hashlib.sha256(body).hexdigest(),
                    size=len(body),
                )
            )
