"""Whether an answer is believed: so many nodes gave the same, and the receipts of its blocks hold no more.

Two answers that differ are kept with their bytes, whoever turns out to be right.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

from app.ingest.agree import Vote, count_votes, differing_blocks, joined, said_by, said_of
from app.ingest.answer import Believed, ToldBlocks, Writer
from app.ingest.panel import Panel, Seat
from app.ingest.plan import Part
from app.ingest.ranges import Blocks
from app.ingest.receipts import HiddenLog, ReceiptsCheck, check_receipts
from app.ingest.store.disagreements import NewDisagreement, RawAnswer, add_disagreement
from chains.errors import AnswerTooLarge, BadAnswer, ChainError, NodeError
from chains.evm.client import LogBatch
from chains.rpc import RpcAnswer
from chains.types import BlockRef


class NodesDisagree(ChainError):
    """Too few nodes gave the same answer: which one is true can't be told here, so that none is stored."""


class TooFewNodes(ChainError):
    """Fewer nodes are left than have to agree: nothing more can be believed in this pass."""


class Outvoted(NodeError):
    """A node's answer differs from the one that enough others gave."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a node answered about logs, and what it says of some blocks of that range."""

    seat: Seat
    batch: LogBatch
    blocks: tuple[BlockRef, ...]

    @property
    def says(self) -> Hashable:
        return said_by(self.batch), tuple((each.number, each.hash, each.time) for each in self.blocks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Belief:
    """The nodes of one pass, and what is asked of their answers.

    `caught` are those whose receipts held other logs than they answered: of them every block is checked.
    """

    panel: Panel
    writer: Writer
    check: ReceiptsCheck
    caught: frozenset[str] = frozenset()

    def believed(self, seat: Seat, *, part: Part, batch: LogBatch, blocks: ToldBlocks) -> Believed:
        """The answer with those who gave it.

        Raises Outvoted, NodesDisagree, TooFewNodes, HiddenLog or another NodeError.
        """
        agreed = [seat]
        if self.panel.rules.agreement > 1:
            agreed = self._agreed(seat, part=part, batch=batch, blocks=blocks)
        return Believed(
            batch=batch,
            blocks=blocks,
            nodes=tuple(each.client.rpc.node for each in agreed),
            blocks_checked=self._checked(seat, part=part, batch=batch, blocks=blocks),
        )

    def _agreed(self, seat: Seat, *, part: Part, batch: LogBatch, blocks: ToldBlocks) -> list[Seat]:
        needed = self.panel.rules.agreement
        # An empty answer names no block: the last one shows that a node has come so far, on the same chain.
        numbers = sorted(blocks.by_number) if blocks.limits else [batch.last_block]
        answers = [_Answer(seat, batch, tuple(blocks.by_number[number] for number in numbers))]
        for other in self.panel.readers:
            if count_votes(_votes(answers), needed=needed).agreed:
                break
            if other is not seat and other.final.number >= batch.last_block:
                answers += _asked(other, part=part, batch=batch, numbers=numbers)
        agreed = count_votes(_votes(answers), needed=needed).agreed
        self._keep_differences(answers, agreed=agreed)
        if not agreed:
            raise _no_agreement(answers, needed=needed)
        if 0 not in agreed:
            raise Outvoted(node=seat.client.rpc.node, detail=f"differs from the others on {_range(batch)}")
        return [answers[voter].seat for voter in agreed]

    def _keep_differences(self, answers: Sequence[_Answer], *, agreed: Sequence[int]) -> None:
        """Each answer that differs from the one that counts, or else from the first."""
        first = answers[agreed[0] if agreed else 0]
        for other in answers:
            if other.says == first.says:
                continue
            self._keep_difference(first, other)
            if agreed:
                node = other.seat.client.rpc.node
                other.seat.failure = f"node {node}: differs from the others on {_range(other.batch)}"

    def _keep_difference(self, one: _Answer, other: _Answer) -> None:
        pairs = zip(one.blocks, other.blocks, strict=True)
        told = {mine.number for mine, theirs in pairs if (mine.hash, mine.time) != (theirs.hash, theirs.time)}
        numbers = sorted({*differing_blocks(one.batch, other.batch), *told})
        nodes = f"{one.seat.client.rpc.node} and {other.seat.client.rpc.node}"
        self._keep(
            NewDisagreement(
                kind="logs",
                blocks=Blocks(numbers[0], numbers[-1]),
                detail=f"{nodes} differ on the transfers of {len(numbers)} blocks, first of {numbers[0]}",
                # Of the first of them alone: asked again over more blocks, it is the same contradiction.
                says=repr(sorted(_says_of(each, numbers[0]) for each in (one, other))).encode(),
                answers=(*_raw(one.seat, one.batch.answers), *_raw(other.seat, other.batch.answers)),
            )
        )

    def _checked(self, seat: Seat, *, part: Part, batch: LogBatch, blocks: ToldBlocks) -> int:
        if not self.panel.rules.demands_hashes:
            return 0
        was_caught = seat.client.rpc.node in self.caught
        check = ReceiptsCheck(permille=1000) if was_caught else self.check
        try:
            checked = check_receipts(
                seat.client,
                accounts=part.addresses,
                batch=batch,
                blocks=blocks.by_number.values(),
                check=check,
            )
        except HiddenLog as error:
            self._keep(
                NewDisagreement(
                    kind="receipts",
                    blocks=Blocks(error.block_number, error.block_number),
                    detail=str(error),
                    says=str(error).encode(),
                    answers=_raw(seat, (*batch.answers, *error.answers)),
                )
            )
            raise
        if was_caught and checked < len(check.chosen(first=max(1, batch.first_block), last=batch.last_block)):
            # Else a field that nobody knows, in each of its headers, would end the check for good.
            detail = f"was caught before, and the receipts of {_range(batch)} can't be confirmed"
            raise BadAnswer(node=seat.client.rpc.node, detail=detail)
        return checked

    def _keep(self, new: NewDisagreement) -> None:
        with self.writer.engine.begin() as connection:
            add_disagreement(connection, chain_id=self.writer.chain.id, new=new, now=self.writer.clock())


def _votes(answers: Sequence[_Answer]) -> list[Vote[int]]:
    return [Vote(voter=at, says=each.says) for at, each in enumerate(answers)]


def _says_of(answer: _Answer, number: int) -> tuple[str, ...]:
    told = [f"{each.hash} {each.time}" for each in answer.blocks if each.number == number]
    return (answer.seat.client.rpc.node, said_of(answer.batch, number), *told)


def _asked(seat: Seat, *, part: Part, batch: LogBatch, numbers: Sequence[int]) -> list[_Answer]:
    """The same question to another node, as one answer; none where it fails, which is the end of it."""
    try:
        batches = seat.client.log_ranges(
            accounts=part.addresses,
            first_block=batch.first_block,
            last_block=batch.last_block,
            learnt=seat.size,
        )
        with closing(batches):
            answer = joined(list(_within_limit(seat, batches)))
        return [_Answer(seat, answer, _witnessed(seat, numbers))]
    except NodeError as error:
        seat.fail(error)
        return []


def _within_limit(seat: Seat, batches: Iterable[LogBatch]) -> Iterator[LogBatch]:
    """No more in all than the two answers may have that are compared with it. Raises AnswerTooLarge.

    They are held in memory together, and a node that lets only single blocks be asked for gives many.
    """
    most = 2 * seat.client.rpc.limits.answer_bytes_max
    size = 0
    for batch in batches:
        size += sum(len(answer.body) for answer in batch.answers)
        if size > most:
            detail = f"its answers for one range have more than {most} bytes in all"
            raise AnswerTooLarge(node=seat.client.rpc.node, detail=detail)
        yield batch


def _witnessed(seat: Seat, numbers: Sequence[int]) -> tuple[BlockRef, ...]:
    """What a node says of these blocks, after it has answered: null where it has fallen behind them."""
    return tuple(seat.client.blocks(numbers))


def _no_agreement(answers: Sequence[_Answer], *, needed: int) -> ChainError:
    blocks = _range(answers[0].batch)
    if len({each.says for each in answers}) > 1:
        return NodesDisagree(f"the nodes disagree on {blocks}")
    return TooFewNodes(f"{len(answers)} of the {needed} nodes that have to agree answered for {blocks}")


def _range(batch: LogBatch) -> str:
    return f"blocks {batch.first_block}-{batch.last_block}"


def _raw(seat: Seat, answers: Sequence[RpcAnswer]) -> tuple[RawAnswer, ...]:
    return tuple(
        RawAnswer(node=seat.client.rpc.node, method=each.method, request=each.request, body=each.body)
        for each in answers
    )
