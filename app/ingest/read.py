"""One pass over a chain: every Transfer from or to a watched account, in finalized blocks only.

A node that fails, or contradicts itself, another or the record, leaves a gap in the coverage and the next
one is asked; it never leaves an empty result behind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from app.db import reading
from app.ingest.answer import blocks_of
from app.ingest.belief import Belief, NodesDisagree, TooFewNodes
from app.ingest.overlooked import Known
from app.ingest.panel import Seat
from app.ingest.plan import Part, parts_to_read
from app.ingest.ranges import Blocks
from app.ingest.store import coverage as coverage_store
from app.ingest.store.watches import Watch
from chains.errors import ChainError
from chains.evm.client import LogBatch
from chains.types import BlockRef, ChainId

# Of a long dispute not every range is named: the gaps are on record, range by range.
REASONS_MAX = 20

Progress = Callable[["ReadProgress"], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadProgress:
    """How far a pass has come: account-blocks done of those that were missing when it began."""

    chain: ChainId
    done: int
    total: int
    last_block: int
    transfers: int


@dataclass(slots=True, kw_only=True)
class Pass:
    """One pass up to the block `final`. `transfers` counts what was new."""

    belief: Belief
    final: BlockRef
    progress: Progress
    transfers: int = 0
    _done: int = 0
    _total: int = 0
    _known: Known = field(default_factory=dict)

    def read(self, watches: Sequence[Watch]) -> list[str]:
        """Read what is missing for these accounts. Returns why something is missing still."""
        parts = self._parts(watches)
        self._total = sum(part.size for part in parts)
        unread = [reason for part in parts for reason in self._read_part(part)]
        if self.transfers:
            self.belief.writer.sort()
        return [*unread[:REASONS_MAX], *([] if len(unread) <= REASONS_MAX else ["and so on"])]

    def _parts(self, watches: Sequence[Watch]) -> list[Part]:
        writer = self.belief.writer
        starts = {each.address: each.first_block for each in watches if each.first_block is not None}
        with reading(writer.engine) as connection:
            read = coverage_store.covered_blocks(connection, chain_id=writer.chain.id, addresses=starts)
        self._known = read
        start_block = writer.chain.start_block
        return list(parts_to_read(starts=starts, read=read, start_block=start_block, final=self.final.number))

    def _read_part(self, part: Part) -> list[str]:
        """By the first node that can, from where the one before it failed."""
        left: Blocks | None = part.blocks
        unread: list[str] = []
        for seat in self.belief.panel.readers_of(self.final):
            # One may have failed when it was to confirm an answer.
            if left is not None and seat.failure is None and self._are_enough():
                left = self._read_through(seat, part=part, left=left, unread=unread)
        if left is not None:
            unread.append(f"blocks {left.first}-{left.last} were not read")
        return unread

    def _are_enough(self) -> bool:
        panel = self.belief.panel
        return len(panel.readers_of(self.final)) >= panel.rules.agreement

    def _read_through(self, seat: Seat, *, part: Part, left: Blocks, unread: list[str]) -> Blocks | None:
        """What is left when this node is done, or has failed."""
        batches = seat.client.log_ranges(
            accounts=part.addresses, first_block=left.first, last_block=left.last, learnt=seat.size
        )
        rest: Blocks | None = left
        try:
            with closing(batches):
                for batch in batches:
                    try:
                        self._take(seat, part=part, batch=batch)
                    except NodesDisagree as error:
                        # Neither answer is stored. The rest of the range may be beyond dispute.
                        unread.append(str(error))
                    rest = Blocks(batch.last_block + 1, left.last) if batch.last_block < left.last else None
        except TooFewNodes as error:
            unread.append(str(error))
        except ChainError as error:
            seat.fail(error)
        return rest

    def _take(self, seat: Seat, *, part: Part, batch: LogBatch) -> None:
        """Hold an answer against its blocks, the other nodes and the receipts, and store it."""
        hashable = self.belief.panel.rules.demands_hashes
        blocks = blocks_of(seat.client, batch=batch, final=self.final, hashable=hashable)
        believed = self.belief.believed(seat, part=part, batch=batch, blocks=blocks)
        self.transfers += self.belief.writer.store(believed, addresses=part.addresses, known=self._known)
        self._done += (batch.last_block - batch.first_block + 1) * len(part.addresses)
        self.progress(
            ReadProgress(
                chain=self.belief.writer.chain.id,
                done=self._done,
                total=self._total,
                last_block=batch.last_block,
                transfers=self.transfers,
            )
        )
