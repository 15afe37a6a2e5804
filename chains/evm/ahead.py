"""Reading a range of blocks part by part, in order, with the next parts already asked for.

The node is busy while the caller stores; an error comes in its turn, after all that precedes it. Knows
neither logs nor JSON-RPC: what a part is, and how it is fetched, is the caller's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from chains.errors import NodeError
from chains.evm.ranges import LearntSize

T = TypeVar("T")

Fetch = Callable[[int, int], T]
# How many bytes of answer a part took, which is what bounds the next ones.
SizeOf = Callable[[T], int]


@dataclass(slots=True, kw_only=True)
class _Part(Generic[T]):
    first: int
    last: int
    answer: Future[T] | None = None

    @property
    def blocks(self) -> int:
        return self.last - self.first + 1


@dataclass(slots=True, kw_only=True)
class _Queue(Generic[T]):
    """The parts in order: some asked for, the rest not yet. There is always room to ask for the first."""

    pool: ThreadPoolExecutor
    fetch: Fetch[T]
    learnt: LearntSize
    ahead: int
    parts: deque[_Part[T]] = field(default_factory=deque)

    def ask(self) -> None:
        """Ask for the first part, and as many of the next ones as may be under way at once."""
        asked = sum(part.answer is not None for part in self.parts)
        index = 0
        while index < len(self.parts) and (index == 0 or asked < self.ahead):
            if self.parts[index].answer is None:
                self._split(index)
                part = self.parts[index]
                part.answer = self.pool.submit(self.fetch, part.first, part.last)
                asked += 1
            index += 1

    def _split(self, index: int) -> None:
        """Leave so much in this part as one request may ask for, and the rest behind it."""
        part = self.parts[index]
        end = self.learnt.now.end(part.first, part.last)
        if end < part.last:
            self.parts.insert(index + 1, _Part(first=end + 1, last=part.last))
            part.last = end

    def next(self) -> T:
        """The answer to the first part, asked for again in smaller parts as long as that may help."""
        while True:
            self.ask()
            part = self.parts[0]
            assert part.answer is not None  # noqa: S101 - `ask` has just seen to it.
            try:
                found = part.answer.result()
            except NodeError as error:
                self.learnt.failed(error, blocks=part.blocks)
                part.answer = None
            else:
                self.parts.popleft()
                return found


def read_ahead(
    *,
    first_block: int,
    last_block: int,
    fetch: Fetch[T],
    size_of: SizeOf[T],
    learnt: LearntSize,
    ahead: int,
) -> Generator[T]:
    """What `fetch` returns for adjoining parts of the range, in order, `ahead` of them under way at once.

    Raises the node's error where even one block can't be answered. Closing the iterator ends the
    threads: it waits for requests that are under way, which have limits of their own, and no other is begun.
    """
    if first_block > last_block:
        return
    pool = ThreadPoolExecutor(max_workers=max(1, ahead), thread_name_prefix="read-ahead")
    queue = _Queue(pool=pool, fetch=fetch, learnt=learnt, ahead=max(1, ahead))
    queue.parts.append(_Part(first=first_block, last=last_block))
    try:
        while queue.parts:
            asked = queue.parts[0]
            found = queue.next()
            learnt.succeeded(blocks=asked.blocks, answer_bytes=size_of(found))
            # Before it is handed over: the node works while the caller stores.
            if queue.parts:
                queue.ask()
            yield found
    finally:
        # A thread that outlived the client would leave its connection open.
        pool.shutdown(wait=True, cancel_futures=True)
