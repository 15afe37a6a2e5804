"""What the raw answers of one endpoint say: its blocks and transfers, decoded with distrust (pure).

Used twice: to build a bundle from what a node has just answered, and by the verifier, from the bytes in
the bundle. Standard library only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from app.assessment.values import ScopeRow
from app.ingest.ranges import Blocks, merged, missing
from chains import jsonrpc
from chains.errors import ChainError
from chains.evm import encoding
from chains.evm.blocks import parse_block
from chains.evm.transfers import (
    TRANSFER_TOPIC,
    ParsedLogs,
    RawTransferLog,
    merge_logs,
    parse_logs,
    to_transfer,
)
from chains.types import EVM_CHAIN_ID_MAX, Address, BlockRef, ChainId, Transfer

# More than the list of transfers in a bundle can hold; bounds the memory that a stranger's bundle takes.
LOGS_MAX = 1_000_000


class BadReplay(ChainError):
    """An answer that is not what sealing asks for, or that contradicts another one."""


class BadRequest(BadReplay):
    """A request that sealing never sends."""


@dataclass(slots=True, kw_only=True)
class Replay:
    """Fed exchange by exchange; `transfers` joins what was found."""

    chain: ChainId
    chain_confirmed: bool = False
    blocks: dict[int, BlockRef] = field(default_factory=dict)
    logs_from: list[ParsedLogs] = field(default_factory=list)
    logs_to: list[ParsedLogs] = field(default_factory=list)
    logs_count: int = 0
    asked_from: dict[Address, list[Blocks]] = field(default_factory=dict)
    asked_to: dict[Address, list[Blocks]] = field(default_factory=dict)

    def add(self, *, request: bytes, answer: bytes) -> str:
        """Decode one exchange and return its method. Raises ChainError."""
        call_id, method, params = read_request(request)
        result = jsonrpc.read_answer(answer, call_id=call_id)
        if isinstance(result, jsonrpc.ErrorObject):
            msg = f"{method} was answered with error {result.code}"
            raise BadReplay(msg)
        match method, params:
            case "eth_chainId", []:
                self._chain_id(result)
            case "eth_getBlockByNumber", [str(number), False]:
                self._block(encoding.quantity(number, most=encoding.BLOCK_NUMBER_MAX), result)
            case "eth_getLogs", [dict(asked)]:
                self._logs(asked, result)
            case _:
                msg = f"{method} in this form is not among the requests of a bundle"
                raise BadRequest(msg)
        return method

    def _chain_id(self, result: Any) -> None:
        actual = encoding.quantity(result, most=EVM_CHAIN_ID_MAX)
        if actual != self.chain.reference:
            msg = f"the endpoint serves chain {actual}, not {self.chain}"
            raise BadReplay(msg)
        self.chain_confirmed = True

    def _block(self, number: int, result: Any) -> None:
        block = parse_block(result, expected_number=number)
        if self.blocks.setdefault(number, block) != block:
            msg = f"block {number} was answered twice, differently"
            raise BadReplay(msg)

    def _logs(self, asked: Mapping[str, Any], result: Any) -> None:
        direction, addresses, blocks = _read_filter(asked)
        parsed = parse_logs(result, asked=asked)
        self.logs_count += len(parsed.logs) + len(parsed.others)
        if self.logs_count > LOGS_MAX:
            msg = f"more than {LOGS_MAX} logs"
            raise BadReplay(msg)
        ranges = self.asked_to if direction == "to" else self.asked_from
        (self.logs_to if direction == "to" else self.logs_from).append(parsed)
        for address in addresses:
            ranges.setdefault(address, []).append(blocks)

    def seen(self) -> tuple[RawTransferLog, ...]:
        """Every Transfer in the answers, each once, though its block may never have been answered."""
        return merge_logs([*self.logs_from, *self.logs_to]).logs

    def transfers(self) -> list[Transfer]:
        """Every Transfer found, each once, with its block.

        Raises ChainError if a block is missing, or if the answers contradict each other.
        """
        logs = self.seen()
        _check_chaining(self.blocks)
        _check_both_ways(logs, answers=self.logs_from, asked=self.asked_from, of=lambda log: log.sender)
        _check_both_ways(logs, answers=self.logs_to, asked=self.asked_to, of=lambda log: log.recipient)
        found = []
        for log in logs:
            block = self.blocks.get(log.block_number)
            if block is None:
                msg = f"the block {log.block_number} of a transfer was not asked for"
                raise BadReplay(msg)
            found.append(to_transfer(log, chain=self.chain, block=block))
        return found

    def unlisted(self, listed: Iterable[Transfer]) -> list[RawTransferLog]:
        """Transfers in the answers that a list lacks, or has with other contents."""
        known = {(each.block.hash, each.log_index): contents_of(each) for each in listed}
        return [log for log in self.seen() if known.get((log.block_hash, log.log_index)) != contents_of(log)]


def ranges_to_ask(row: ScopeRow) -> list[Blocks]:
    """The window without its declared gaps: what was not read is not presented as read.

    A gap of one account is left out for all: they are asked for together.
    """
    if row.first is None or row.last is None:
        return []
    window = Blocks(row.first.number, row.last.number)
    gaps = []
    for gap in row.gaps:
        first = window.first if gap.first_block is None else gap.first_block
        last = window.last if gap.last_block is None else gap.last_block
        if first <= last:
            gaps.append(Blocks(first, last))
    return missing(window, read=gaps)


def contents_of(each: Transfer | RawTransferLog) -> tuple[object, ...]:
    """What a transfer says, beside what names it: its block and its place there."""
    return (each.tx_hash, each.contract, each.sender, each.recipient, each.amount_units)


def _check_chaining(blocks: Mapping[int, BlockRef]) -> None:
    """Times never fall, and of two adjoining blocks the later one names the earlier one."""
    ordered = [blocks[number] for number in sorted(blocks)]
    for earlier, later in pairwise(ordered):
        if earlier.time > later.time:
            msg = f"block {earlier.number} has a later time than block {later.number}"
            raise BadReplay(msg)
        if later.number == earlier.number + 1 and later.parent_hash != earlier.hash:
            msg = f"block {later.number} does not name block {earlier.number} as its parent"
            raise BadReplay(msg)


def _check_both_ways(
    logs: Iterable[RawTransferLog],
    *,
    answers: Iterable[ParsedLogs],
    asked: Mapping[Address, list[Blocks]],
    of: Callable[[RawTransferLog], Address],
) -> None:
    """A transfer between two watched accounts is an answer to both questions; in one alone, one is short."""
    answered = {(log.block_number, log.log_index) for part in answers for log in part.logs}
    # Joined, the many ranges of a long window are one or a few.
    joined = {account: merged(ranges) for account, ranges in asked.items()}
    for log in logs:
        wanted = any(part.first <= log.block_number <= part.last for part in joined.get(of(log), ()))
        if wanted and (log.block_number, log.log_index) not in answered:
            msg = (
                f"log {log.log_index} of block {log.block_number} is in one answer and missing in another "
                "that it belongs to"
            )
            raise BadReplay(msg)


def read_request(request: bytes) -> tuple[int, str, list[Any]]:
    """Id, method and parameters of one of our own requests, which has to be in our own form."""
    decoded = jsonrpc.decode_json(request)
    match decoded:
        # To a pattern, too, true is an integer.
        case {"jsonrpc": "2.0", "id": int(call_id), "method": str(method), "params": list(params)} if (
            type(call_id) is int
        ):
            if jsonrpc.encode_call(call_id=call_id, method=method, params=params) == request:
                return call_id, method, params
        case _:
            pass
    msg = "not a request in the form in which this software writes one"
    raise BadRequest(msg)


def _read_filter(asked: Mapping[str, Any]) -> tuple[str, list[Address], Blocks]:
    """A filter of `chains.evm.transfers.transfer_filters`, and no other: no address, both ends given."""
    transfer = str(TRANSFER_TOPIC)
    match asked:
        case {"fromBlock": first, "toBlock": last, "topics": [topic, None, [*accounts]], **rest} if (
            topic == transfer and not rest
        ):
            direction = "to"
        case {"fromBlock": first, "toBlock": last, "topics": [topic, [*accounts]], **rest} if (
            topic == transfer and not rest
        ):
            direction = "from"
        case _:
            msg = "not a filter for Transfers from or to accounts in any token"
            raise BadRequest(msg)
    try:
        blocks = Blocks(
            encoding.quantity(first, most=encoding.BLOCK_NUMBER_MAX),
            encoding.quantity(last, most=encoding.BLOCK_NUMBER_MAX),
        )
        return direction, list(_accounts(accounts)), blocks
    except (encoding.BadEncoding, ValueError) as error:
        raise BadRequest(str(error)) from error


def _accounts(topics: Iterable[Any]) -> Iterable[Address]:
    for topic in topics:
        word = encoding.hash32(topic)
        if any(word[:12]):
            msg = "a topic of a filter is wider than an address"
            raise BadRequest(msg)
        yield Address(word[12:])
