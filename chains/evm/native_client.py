"""Reading the native coin's moves through one node, by the best means that the node has.

What accounts gave and took in full blocks is exact. What contracts passed on inside takes traces, or old
states, and many nodes keep neither: every answer says by which means it was read, and what that means cannot
see. It joins the node to the pure modules, and decides nothing about what it read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from chains.errors import ChainError, NodeError
from chains.evm import encoding
from chains.evm.answers import AnswerDigest, AnswerLedger
from chains.evm.bisection import Change, TooManyChanges
from chains.evm.blocks import MalformedBlock, MissingBlock
from chains.evm.client import BlockNotServed, EvmClient
from chains.evm.encoding import BadEncoding
from chains.evm.inner import internal_transfers, unexplained_changes
from chains.evm.means import (
    SIGHT,
    Internals,
    Means,
    Unseen,
    first_size,
    is_passing,
    is_unsupported,
    smaller,
)
from chains.evm.native import (
    FullBlock,
    MalformedFullBlock,
    Receipt,
    TopLevel,
    parse_full_block,
    parse_receipt,
    top_level,
    transactions_of_interest,
)
from chains.evm.states import read_changes
from chains.evm.traces import (
    MalformedTrace,
    TracedBlock,
    parse_call_tracer,
    parse_trace_block,
    parse_trace_filter,
)
from chains.movements import NativeTransfer, Tender
from chains.rpc import RpcAnswer
from chains.types import Address, BlockRef, Hash32

T = TypeVar("T")

# Full blocks and traces are the largest answers of all: a few megabytes each on a busy chain.
_BLOCKS_PER_BATCH = 20
_RECEIPTS_PER_BATCH = 50
_BLOCKS_AFTER_REST = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeAnswer:
    """The moves of the native coin from or to the asked accounts in first_block … last_block, in chain order.

    `inexact` are accounts of which moves may be missing although `internals` is "inferred": they had code.
    `blocks` are those that were read whole.
    """

    first_block: int
    last_block: int
    means: Means
    internals: Internals
    unseen: tuple[Unseen, ...]
    inexact: frozenset[Address]
    blocks: tuple[BlockRef, ...]
    transfers: tuple[NativeTransfer, ...]
    tenders: tuple[Tender, ...]
    answers: tuple[AnswerDigest, ...]


@dataclass(frozen=True, slots=True)
class _Asked:
    accounts: frozenset[Address]
    first: int
    last: int
    ledger: AnswerLedger


@dataclass(frozen=True, slots=True)
class _Read:
    """What one range gave, before it is put in order."""

    blocks: list[BlockRef]
    transfers: list[NativeTransfer]
    tenders: list[Tender]
    inexact: frozenset[Address] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rest:
    """Means that failed at single blocks are left alone up to a block, the longer the more often they did."""

    until: int
    failures: int = 0


class NativeReader:
    """Reads through one node, and remembers which means it has. Raises a NodeError rather than say less."""

    def __init__(self, client: EvmClient) -> None:
        self.client = client
        self._sizes = {means: first_size(means) for means in Means}
        self._missing: set[Means] = set()
        self._rests: dict[Means, _Rest] = {}

    def ranges(
        self, *, accounts: Collection[Address], first_block: int, last_block: int
    ) -> Iterator[NativeAnswer]:
        """Adjoining parts in order, as large as the node lets them be.

        Where the best means fail at a single block, the next best read on from it, and the answer says so.
        """
        first = first_block
        self._rests = {means: _Rest(until=first) for means in Means}
        # Each turn moves `first` on, shrinks a size, or lets means rest; the last means never do.
        while first <= last_block:
            means, end = self._choose(first, last_block)
            size = self._sizes[means]
            last = size.end(first, end)
            try:
                answer = self.read(means, accounts=accounts, first_block=first, last_block=last)
            except (NodeError, TooManyChanges) as error:
                self._after_failure(means, error, first=first, blocks=last - first + 1)
                continue
            yield answer
            self._rests[means] = _Rest(until=first)
            self._sizes[means] = size.after_success()
            first = last + 1

    def _choose(self, first: int, last: int) -> tuple[Means, int]:
        """The best means that do not rest at this block, and the last block before better ones are due."""
        for means in Means:
            rest = self._rests[means].until
            if means in self._missing:
                continue
            if rest <= first or means is Means.FULL_BLOCKS:
                return means, last
            last = min(last, rest - 1)
        msg = "full blocks are always tried"
        raise AssertionError(msg)

    def read(
        self, means: Means, *, accounts: Collection[Address], first_block: int, last_block: int
    ) -> NativeAnswer:
        """One range by these means. Raises a NodeError, or TooManyChanges."""
        asked = _Asked(frozenset(accounts), first_block, last_block, AnswerLedger())
        read = self._by(means, asked)
        sight = SIGHT[means]
        return NativeAnswer(
            first_block=first_block,
            last_block=last_block,
            means=means,
            internals=sight.internals,
            unseen=sight.unseen,
            inexact=read.inexact,
            blocks=tuple(sorted(read.blocks, key=lambda block: block.number)),
            transfers=tuple(sorted(read.transfers, key=_place)),
            tenders=tuple(sorted(read.tenders, key=lambda each: (each.block.number, each.tx_index))),
            answers=asked.ledger.digests,
        )

    def _after_failure(self, means: Means, error: ChainError, *, first: int, blocks: int) -> None:
        if means is not Means.FULL_BLOCKS and is_unsupported(error):
            self._missing.add(means)
            return
        size = smaller(self._sizes[means].capped(blocks), error)
        if size is not None:
            self._sizes[means] = size
            return
        if means is Means.FULL_BLOCKS or not is_passing(error):
            raise error
        # One odd block costs one block. Where old states are gone, the pauses grow until there are some.
        failures = self._rests[means].failures + 1
        self._rests[means] = _Rest(until=first + 2 ** (failures - 1), failures=failures)
        self._sizes[means] = replace(first_size(means), blocks=_BLOCKS_AFTER_REST)

    def _by(self, means: Means, asked: _Asked) -> _Read:
        every = range(asked.first, asked.last + 1)
        if means is Means.TRACE_FILTER:
            return self._whole(asked, self._filtered(asked), tracer=_TRACE_BLOCK)
        if means is Means.TRACE_BLOCK:
            return self._whole(asked, every, tracer=_TRACE_BLOCK)
        if means is Means.DEBUG_TRACE:
            return self._whole(asked, every, tracer=_CALL_TRACER)
        if means is Means.BALANCES:
            return self._by_balances(asked)
        return self._whole(asked, every, tracer=None)

    def _filtered(self, asked: _Asked) -> list[int]:
        """The blocks whose traces name an account: two questions, since to some nodes both mean AND."""
        window = {
            "fromBlock": encoding.to_quantity(asked.first),
            "toBlock": encoding.to_quantity(asked.last),
        }
        accounts = [str(account) for account in sorted(asked.accounts)]
        found: set[int] = set()
        for side in ("fromAddress", "toAddress"):
            answer = self.client.rpc.call("trace_filter", [{**window, side: accounts}])
            asked.ledger.add([answer])
            found |= self._read(
                parse_trace_filter,
                answer.result,
                accounts=asked.accounts,
                first_block=asked.first,
                last_block=asked.last,
            )
        return sorted(found)

    def _by_balances(self, asked: _Asked) -> _Read:
        changes = read_changes(
            self.client,
            accounts=asked.accounts,
            first_block=asked.first,
            last_block=asked.last,
            ledger=asked.ledger,
        )
        by_block: dict[int, list[Change]] = {}
        for change in changes.changes:
            by_block.setdefault(change.block_number, []).append(change)
        read = self._whole(asked, sorted(by_block), tracer=None, changes=by_block)
        return _Read(read.blocks, read.transfers, read.tenders, inexact=changes.inexact)

    def _whole(
        self,
        asked: _Asked,
        numbers: Sequence[int],
        *,
        tracer: _Tracer | None,
        changes: dict[int, list[Change]] | None = None,
    ) -> _Read:
        """Read these blocks in full, with their traces where a tracer is given."""
        read = _Read([], [], [])
        for at in range(0, len(numbers), _BLOCKS_PER_BATCH):
            chunk = numbers[at : at + _BLOCKS_PER_BATCH]
            blocks = self._full_blocks(chunk, ledger=asked.ledger)
            traced = self._traces(blocks, tracer=tracer, ledger=asked.ledger)
            receipts = self._receipts(blocks, asked, with_senders=changes is not None)
            for full, trace in zip(blocks, traced, strict=True):
                top = self._top_level(full, asked=asked, receipts=receipts, trace=trace)
                read.blocks.append(full.block)
                read.transfers.extend(top.transfers)
                read.tenders.extend(top.tenders)
                if tracer is not None and trace is not None:
                    read.transfers.extend(self._internal(full, trace, asked=asked, method=tracer.method))
                if changes is not None:
                    unexplained = unexplained_changes(
                        changes.get(full.block.number, ()),
                        full=full,
                        chain=self.client.chain,
                        transfers=top.transfers,
                        receipts=receipts,
                    )
                    read.transfers.extend(unexplained)
        return read

    def _internal(
        self, full: FullBlock, trace: TracedBlock, *, asked: _Asked, method: str
    ) -> list[NativeTransfer]:
        return internal_transfers(
            trace, full=full, chain=self.client.chain, accounts=asked.accounts, method=method
        )

    def _top_level(
        self,
        full: FullBlock,
        *,
        asked: _Asked,
        receipts: dict[Hash32, Receipt],
        trace: TracedBlock | None,
    ) -> TopLevel:
        reasons = {} if trace is None else trace.failed
        if trace is not None:
            for each in full.transactions:
                receipt = receipts.get(each.hash)
                if receipt is not None and receipt.succeeded == (each.hash in reasons):
                    detail = f"tells two stories of whether transaction {each.hash} failed"
                    raise self.client.rpc.bad_answer(MalformedTrace(detail))
        return self._read(
            top_level,
            full,
            chain=self.client.chain,
            accounts=asked.accounts,
            receipts=receipts,
            reasons=reasons,
        )

    def _full_blocks(self, numbers: Sequence[int], *, ledger: AnswerLedger) -> list[FullBlock]:
        calls = [("eth_getBlockByNumber", [encoding.to_quantity(number), True]) for number in numbers]
        answers = self._batch(calls, ledger=ledger)
        return [
            self._read(parse_full_block, answer.result, expected_number=number)
            for answer, number in zip(answers, numbers, strict=True)
        ]

    def _traces(
        self, blocks: Sequence[FullBlock], *, tracer: _Tracer | None, ledger: AnswerLedger
    ) -> Sequence[TracedBlock | None]:
        if tracer is None:
            return [None] * len(blocks)
        # Most blocks of a quiet chain are empty, and some nodes refuse to trace the first one of all.
        asked = [full for full in blocks if full.transactions or tracer.has_rewards]
        calls = [
            (tracer.method, [encoding.to_quantity(full.block.number), *tracer.options]) for full in asked
        ]
        traced = {
            full.block.number: self._read(tracer.parse, answer.result, full=full)
            for answer, full in zip(self._batch(calls, ledger=ledger), asked, strict=True)
        }
        return [traced.get(full.block.number) for full in blocks]

    def _receipts(
        self, blocks: Sequence[FullBlock], asked: _Asked, *, with_senders: bool
    ) -> dict[Hash32, Receipt]:
        wanted = [
            (each, full.block)
            for full in blocks
            for each in transactions_of_interest(full, asked.accounts, with_senders=with_senders)
        ]
        found: dict[Hash32, Receipt] = {}
        for at in range(0, len(wanted), _RECEIPTS_PER_BATCH):
            chunk = wanted[at : at + _RECEIPTS_PER_BATCH]
            calls = [("eth_getTransactionReceipt", [str(each.hash)]) for each, _ in chunk]
            for answer, (each, block) in zip(self._batch(calls, ledger=asked.ledger), chunk, strict=True):
                found[each.hash] = self._read(parse_receipt, answer.result, transaction=each, block=block)
        return found

    def _batch(self, calls: Sequence[tuple[str, Sequence[Any]]], *, ledger: AnswerLedger) -> list[RpcAnswer]:
        answers = self.client.rpc.batch(calls)
        ledger.add(answers)
        return answers

    def _read(self, reader: Callable[..., T], *values: Any, **named: Any) -> T:
        """Turns what the pure modules reject into an error that names the node."""
        try:
            return reader(*values, **named)
        except MissingBlock as error:
            raise BlockNotServed(
                node=self.client.rpc.node, detail=f"does not have block {error.asked}"
            ) from error
        except (BadEncoding, MalformedBlock, MalformedFullBlock, MalformedTrace) as error:
            raise self.client.rpc.bad_answer(error) from error


@dataclass(frozen=True, slots=True)
class _Tracer:
    method: str
    options: tuple[Any, ...]
    parse: Callable[..., TracedBlock]
    # Whether it also tells what a block's producer earns, and so has an answer for an empty block.
    has_rewards: bool


_TRACE_BLOCK = _Tracer("trace_block", (), parse_trace_block, has_rewards=True)
_CALL_TRACER = _Tracer(
    "debug_traceBlockByNumber", ({"tracer": "callTracer"},), parse_call_tracer, has_rewards=False
)


def _place(each: NativeTransfer) -> tuple[int, int, bytes]:
    return each.block.number, each.tx_index, each.position
