"""One EVM chain behind one node: joins the JSON-RPC client to the pure modules that read its answers.

An answer that can't be true (a foreign log, falling block times, another block than was asked for) becomes a
BadAnswer that names the node. It knows nothing of debts, and decides nothing about what it read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from chains.errors import BadAnswer, NodeError, RpcError, WrongChain
from chains.evm import encoding
from chains.evm.ahead import read_ahead
from chains.evm.blocks import (
    Boundary,
    MalformedBlock,
    MissingBlock,
    UnorderedBlocks,
    find_boundary,
    parse_block,
)
from chains.evm.encoding import BadEncoding
from chains.evm.fastlogs import LogReader
from chains.evm.logmerge import Logs, merge
from chains.evm.ranges import LearntSize, RangeSize
from chains.evm.rows import LogRow
from chains.evm.transfers import (
    MalformedLog,
    OtherLog,
    RawTransferLog,
    every_transfer_filter,
    merge_logs,
    parse_logs,
    transfer_filters,
)
from chains.jsonrpc import ErrorObject
from chains.rpc import RpcAnswer, RpcClient
from chains.types import EVM_CHAIN_ID_MAX, Address, BlockRef, ChainId, Finality, Hash32

BATCH_CALLS_MAX = 50
VERSION_CHARS_MAX = 200
# Every block has transfers of somebody: the first answer should not be the largest of all.
WHOLE_CHAIN = RangeSize(blocks=50)


class BlockNotServed(NodeError):
    """The node answered null for a block: not mined yet, pruned, or the node lags behind its siblings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockAnswer:
    """A block with the raw answer that it was read from."""

    block: BlockRef
    answer: RpcAnswer


@dataclass(frozen=True, slots=True, kw_only=True)
class LogsAnswer:
    """All Transfers from or to the asked accounts in first_block … last_block, each once, in chain order.

    `others` are matching logs that are no ERC-20 Transfers. `answers` are the `from` and the `to` answer.
    """

    first_block: int
    last_block: int
    logs: tuple[RawTransferLog, ...]
    others: tuple[OtherLog, ...]
    answers: tuple[RpcAnswer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogBatch:
    """One range, each log once, in chain order: what `LogsAnswer` says, in the form that is stored.

    `block_hashes` has every block that a log lies in; `block_times` those whose logs all tell their block's
    time, as the node claims it. `answers` are kept for their bytes: their `result` is None; `digests` are
    the SHA-256 of these, in the same order.
    """

    first_block: int
    last_block: int
    rows: list[LogRow]
    others: tuple[OtherLog, ...]
    block_hashes: dict[int, Hash32]
    block_times: dict[int, int]
    answers: tuple[RpcAnswer, ...]
    digests: tuple[bytes, ...]


class EvmClient:
    """Reads one chain through one node. Every method raises a NodeError rather than answer with less."""

    def __init__(self, rpc: RpcClient, chain: ChainId) -> None:
        self.rpc = rpc
        self.chain = chain
        self._log_reader = LogReader()

    def check_chain(self) -> RpcAnswer:
        """Raise WrongChain unless the node serves this chain (EIP-695)."""
        answer = self.rpc.call("eth_chainId")
        with self._distrust():
            actual = encoding.quantity(answer.result, most=EVM_CHAIN_ID_MAX)
        if actual != self.chain.reference:
            raise WrongChain(node=self.rpc.node, expected=self.chain.reference, actual=actual)
        return answer

    def head(self) -> BlockRef:
        return self.block_answer("latest").block

    def finalized(self, finality: Finality) -> BlockRef:
        """The newest block that counts as final. The genesis block always does."""
        return self.ends(finality)[1]

    def ends(self, finality: Finality) -> tuple[BlockRef, BlockRef]:
        """The head, and the newest block that counts as final."""
        if finality.confirmations is None:
            final, head = self._final_and_head()
            return head, final
        head = self.head()
        return head, self.block(max(0, head.number - finality.confirmations))

    def _final_and_head(self) -> tuple[BlockRef, BlockRef]:
        # In one batch, so that the head is not older than what is called final.
        answers = self.rpc.batch([_block_call("finalized"), _block_call("latest")])
        final, head = (self._parse_block(answer, None) for answer in answers)
        if final.number > head.number:
            raise BadAnswer(node=self.rpc.node, detail=f"calls block {final.number}, above its head, final")
        return final, head

    def client_version(self) -> str:
        """What the node says it is (web3_clientVersion), cut to a printable length; empty if it won't say."""
        try:
            said = self.rpc.call("web3_clientVersion").result
        except RpcError:
            return ""
        return "".join(each for each in str(said)[:VERSION_CHARS_MAX] if each.isprintable())

    def block(self, number: int) -> BlockRef:
        return self.block_answer(number).block

    def block_answer(self, number_or_tag: int | str) -> BlockAnswer:
        """A block by number, or by a tag such as `latest`, with its raw answer."""
        answer = self.rpc.call(*_block_call(number_or_tag))
        expected = number_or_tag if isinstance(number_or_tag, int) else None
        return BlockAnswer(block=self._parse_block(answer, expected), answer=answer)

    def blocks(self, numbers: Iterable[int]) -> list[BlockRef]:
        """Many blocks, in the order of `numbers`, by batches of 50."""
        return [answer.block for answer in self.block_answers(numbers)]

    def block_answers(self, numbers: Iterable[int]) -> list[BlockAnswer]:
        wanted = list(numbers)
        found: list[BlockAnswer] = []
        for start in range(0, len(wanted), BATCH_CALLS_MAX):
            chunk = wanted[start : start + BATCH_CALLS_MAX]
            answers = self.rpc.batch([_block_call(number) for number in chunk])
            found.extend(
                BlockAnswer(block=self._parse_block(answer, number), answer=answer)
                for number, answer in zip(chunk, answers, strict=True)
            )
        return found

    def transfer_logs(self, *, addresses: Sequence[Address], first_block: int, last_block: int) -> LogsAnswer:
        """Every Transfer from or to the accounts in this range, in one request each way."""
        filters = transfer_filters(addresses=addresses, first_block=first_block, last_block=last_block)
        # Two single calls, not a batch: each kept body then answers exactly one question.
        answers = tuple(self.rpc.call("eth_getLogs", [asked]) for asked in filters)
        with self._distrust():
            parsed = merge_logs(
                parse_logs(answer.result, asked=asked) for answer, asked in zip(answers, filters, strict=True)
            )
        return LogsAnswer(
            first_block=first_block,
            last_block=last_block,
            logs=parsed.logs,
            others=parsed.others,
            answers=answers,
        )

    def transfer_ranges(
        self,
        *,
        addresses: Sequence[Address],
        first_block: int,
        last_block: int,
        size: RangeSize | None = None,
    ) -> Iterator[LogsAnswer]:
        """The same over any range: adjoining parts in order, as large as the node lets them be.

        Raises the node's error where even one block can't be answered: what was yielded before stays true.
        """
        size = size or RangeSize()
        first = first_block
        # Each turn either moves `first` on or shrinks the size, which ends at one block.
        while first <= last_block:
            last = size.end(first, last_block)
            try:
                part = self.transfer_logs(addresses=addresses, first_block=first, last_block=last)
            except NodeError as error:
                size = size.capped(last - first + 1).after_failure(error)
                continue
            yield part
            first = last + 1
            size = size.after_success()

    def log_batch(self, *, accounts: Sequence[Address] | None, first_block: int, last_block: int) -> LogBatch:
        """Every Transfer of this range, or those from or to the accounts, in one request each way."""
        if accounts is None:
            filters = [every_transfer_filter(first_block=first_block, last_block=last_block)]
        else:
            filters = transfer_filters(addresses=accounts, first_block=first_block, last_block=last_block)
        answers = [self._logs(asked) for asked in filters]
        with self._distrust():
            found = merge([answer.result for answer in answers])
        return LogBatch(
            first_block=first_block,
            last_block=last_block,
            rows=found.rows,
            others=found.others,
            block_hashes=found.block_hashes,
            block_times=found.block_times,
            answers=tuple(replace(answer, result=None) for answer in answers),
            # Here, where the next answers are still on their way, and not where one is stored.
            digests=tuple(hashlib.sha256(answer.body).digest() for answer in answers),
        )

    def log_ranges(
        self,
        *,
        accounts: Sequence[Address] | None,
        first_block: int,
        last_block: int,
        size: RangeSize | None = None,
        ahead: int = 2,
        learnt: LearntSize | None = None,
    ) -> Generator[LogBatch]:
        """The same over any range: adjoining parts in order, the next ones asked for while one is stored.

        `accounts` None asks for every Transfer of the chain. `learnt` holds the size of a request before
        and after, for whoever reads through the same node again; without it the reading begins at `size`.
        Raises the node's error where even one block can't be answered, after all parts before it.
        """

        def fetch(first: int, last: int) -> LogBatch:
            return self.log_batch(accounts=accounts, first_block=first, last_block=last)

        return read_ahead(
            first_block=first_block,
            last_block=last_block,
            fetch=fetch,
            size_of=lambda batch: max(len(answer.body) for answer in batch.answers),
            learnt=learnt or LearntSize(now=size or (WHOLE_CHAIN if accounts is None else RangeSize())),
            ahead=ahead,
        )

    def _logs(self, asked: Mapping[str, Any]) -> RpcAnswer:
        """An answer whose result is `Logs`."""

        def read(body: bytes, *, call_id: int) -> Logs | ErrorObject:
            return self._log_reader.read(body, call_id=call_id, asked=asked)

        return self.rpc.call_read("eth_getLogs", [asked], read=read)

    def first_block_at_or_after(self, time: int, *, low: int, high: int) -> BlockRef | None:
        """The first block in low … high with a time of at least `time`; None if all are earlier."""
        return self._boundary(time, low, high).after

    def last_block_at_or_before(self, time: int, *, low: int, high: int) -> BlockRef | None:
        """The last block in low … high with a time of at most `time`; None if all are later."""
        return self._boundary(time + 1, low, high).before

    def _boundary(self, time: int, low: int, high: int) -> Boundary:
        ends = self.blocks((low, high))
        with self._distrust():
            return find_boundary(time=time, low=ends[0], high=ends[1], block_at=self.block)

    def _parse_block(self, answer: RpcAnswer, expected_number: int | None) -> BlockRef:
        try:
            with self._distrust():
                return parse_block(answer.result, expected_number=expected_number)
        except MissingBlock as error:
            detail = f"does not have block {answer.params[0]}"
            raise BlockNotServed(node=self.rpc.node, detail=detail) from error

    @contextmanager
    def _distrust(self) -> Iterator[None]:
        """Turns what the pure modules reject into an error that names the node."""
        try:
            yield
        except (BadEncoding, MalformedBlock, MalformedLog, UnorderedBlocks) as error:
            raise self.rpc.bad_answer(error) from error


def _block_call(number_or_tag: int | str) -> tuple[str, list[Any]]:
    name = number_or_tag if isinstance(number_or_tag, str) else encoding.to_quantity(number_or_tag)
    return "eth_getBlockByNumber", [name, False]
