"""eth_getLogs answers read fast: the same facts, and the same refusals, as `chains.evm.transfers`.

What is common is decoded here in bulk. A body with anything unusual in it is handed whole to the strict
reader, which stays the one definition of what is accepted and is what the offline verifier runs. Pure.
"""

from __future__ import annotations

import threading
from binascii import unhexlify
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, cast

import msgspec

from chains import jsonrpc
from chains.errors import ChainError
from chains.evm import encoding
from chains.evm.encoding import BLOCK_NUMBER_MAX
from chains.evm.logmerge import Logs, in_order, merge, of_parsed, told_times
from chains.evm.rows import LogRow
from chains.evm.transfers import (
    LOG_INDEX_MAX,
    NATIVE_LOG_EMITTER,
    TRANSFER_TOPIC,
    parse_logs,
)
from chains.jsonrpc import ErrorObject
from chains.types import Hash32

T = TypeVar("T")

_TOPIC = str(TRANSFER_TOPIC)
_EMITTER = str(NATIVE_LOG_EMITTER)
# 0x and 64 hex digits.
_WORD_CHARS = 66
_PADDING = "0x" + "00" * 12
_PADDING_CHARS = len(_PADDING)
# Each account takes some 200 bytes; the busiest ones are met again and again.
_REMEMBERED_MAX = 20_000


class _Unusual(ChainError):
    """The body is not one of those that are read here; whether it is acceptable is not known yet."""


# A topic that is not there. No text of an answer is this object, whose true type only the decoder minds.
_NONE = cast("str", msgspec.UNSET)


class _Topics(msgspec.Struct, gc=False, array_like=True, forbid_unknown_fields=True, frozen=True):
    """An array of up to four; no list, which Python's collector of garbage would look at again and again."""

    event: str = _NONE
    first: str = _NONE
    second: str = _NONE
    third: str = _NONE

    def listed(self) -> list[str]:
        """As the strict reader wants them."""
        return [each for each in (self.event, self.first, self.second, self.third) if each is not _NONE]


class _Log(msgspec.Struct, gc=False, rename="camel", forbid_unknown_fields=True, frozen=True):
    """The fields that geth and its like answer. None of them is checked yet."""

    address: str
    topics: _Topics
    data: str
    block_hash: str
    block_number: str
    transaction_hash: str
    log_index: str
    transaction_index: str | msgspec.UnsetType = msgspec.UNSET
    block_timestamp: str | msgspec.UnsetType = msgspec.UNSET
    removed: bool | msgspec.UnsetType = msgspec.UNSET

    def entry(self) -> dict[str, Any]:
        """As the strict reader wants it."""
        found = {
            "address": self.address,
            "topics": self.topics.listed(),
            "data": self.data,
            "blockHash": self.block_hash,
            "blockNumber": self.block_number,
            "transactionHash": self.transaction_hash,
            "logIndex": self.log_index,
        }
        return found if self.removed is msgspec.UNSET else found | {"removed": self.removed}


class _Answer(msgspec.Struct, gc=False, forbid_unknown_fields=True, frozen=True):
    jsonrpc: Literal["2.0"]
    id: int
    result: list[_Log]


# Keys that every log has, and that the answer itself has.
_LOG_KEYS = 7
_ANSWER_KEYS = 3
_UNSET = {msgspec.UNSET}
_decode = msgspec.json.Decoder(_Answer).decode


class LogReader:
    """Reads eth_getLogs answers of one chain, and remembers the accounts that it met last.

    Usable from several threads. One reads at a time: two would not be faster, and would take the memory of
    two answers taken apart.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._accounts = _Once(_account)
        self._contracts = _Once(_contract)

    def read(self, body: bytes, *, call_id: int, asked: Mapping[str, Any]) -> Logs | ErrorObject:
        """The logs of one answer, given the parameter object that was asked; or the node's error.

        Raises MalformedAnswer or MalformedLog exactly where `jsonrpc.read_answer` and `parse_logs` do.
        """
        with self._turn:
            return self._read(body, call_id=call_id, asked=asked)

    def _read(self, body: bytes, *, call_id: int, asked: Mapping[str, Any]) -> Logs | ErrorObject:
        try:
            return self._read_usual(body, call_id=call_id, asked=asked)
        except (ChainError, ValueError, KeyError, TypeError):
            # Whatever is wrong, or merely odd: the strict reader decides, and says what it is.
            pass
        result = jsonrpc.read_answer(body, call_id=call_id)
        if isinstance(result, ErrorObject):
            return result
        parsed = parse_logs(result, asked=asked)
        return of_parsed(
            parsed, told=((entry["blockNumber"], entry.get("blockTimestamp")) for entry in result)
        )

    def _read_usual(self, body: bytes, *, call_id: int, asked: Mapping[str, Any]) -> Logs:
        """Raises where it does not read on; that is no verdict yet."""
        logs = _decoded(body, call_id=call_id)
        window = _Window.of(asked)
        usual, odd = _sorted_out(logs)
        blocks = _blocks(logs, window)
        rows = self._rows(usual, blocks.numbers)
        window.demand(rows)
        read = Logs(rows=in_order(rows), others=(), block_hashes=blocks.hashes, block_times=blocks.times)
        if not odd:
            return read
        parsed = parse_logs([log.entry() for log in odd], asked=asked)
        found = merge([read, of_parsed(parsed, told=())])
        return Logs(
            rows=found.rows, others=found.others, block_hashes=blocks.hashes, block_times=blocks.times
        )

    def _rows(self, logs: Sequence[_Log], numbers: dict[str, int]) -> list[LogRow]:
        """What costs time is done here for each log; each check that can be, for all at once."""
        index, contract, account = _Once(_log_index), self._contracts, self._accounts
        if not {log.transaction_hash[:2] for log in logs} | {log.data[:2] for log in logs} <= {"0x"}:
            raise _Unusual
        if not set(map(len, [log.transaction_hash for log in logs])) <= {_WORD_CHARS}:
            raise _Unusual
        rows = [
            (
                numbers[log.block_number],
                index[log.log_index],
                unhexlify(log.transaction_hash[2:]),
                contract[log.address],
                account[log.topics.first],
                account[log.topics.second],
                unhexlify(log.data[2:]),
            )
            for log in logs
        ]
        for cache in (contract, account):
            if len(cache) > _REMEMBERED_MAX:
                cache.clear()
        return rows


def _decoded(body: bytes, *, call_id: int) -> list[_Log]:
    """The logs, if each key is there once.

    Keys that are not known are refused by the decoder, and a second of the same name is a colon more than
    there are keys. A colon in a text does no harm: it is one more, too.
    """
    try:
        answer = _decode(body)
    except msgspec.DecodeError as error:
        raise _Unusual from error
    logs = answer.result
    keys = _ANSWER_KEYS + _LOG_KEYS * len(logs)
    for told in (
        [log.transaction_index for log in logs],
        [log.block_timestamp for log in logs],
        [log.removed for log in logs],
    ):
        keys += len(told) - told.count(msgspec.UNSET)
    if answer.id != call_id or body.count(b":") != keys:
        raise _Unusual
    # Nothing depends on these two; but what is no JSON text at all is for the strict reader to find.
    texts = {log.transaction_index for log in logs} | {log.block_timestamp for log in logs}
    if any(not (isinstance(text, str) and text.isascii() and text.isalnum()) for text in texts - _UNSET):
        raise _Unusual
    return logs


def _sorted_out(logs: list[_Log]) -> tuple[list[_Log], list[_Log]]:
    """The logs that are read in bulk, and those whose kind the strict reader has to tell."""
    topics = [log.topics for log in logs]
    if (
        {each.event for each in topics} <= {_TOPIC}
        and set(map(len, [log.data for log in logs])) <= {_WORD_CHARS}
        and {each.third for each in topics} <= {_NONE}
        and _NONE not in {each.second for each in topics}
        and True not in {log.removed for log in logs}
        and _EMITTER not in {log.address for log in logs}
    ):
        return logs, []
    usual = [log for log in logs if _is_usual(log)]
    return usual, [log for log in logs if not _is_usual(log)]


def _is_usual(log: _Log) -> bool:
    """A Transfer by its form; that its two accounts are accounts is looked at when they are read."""
    topics = log.topics
    return (
        topics.event == _TOPIC
        and topics.second is not _NONE
        and topics.third is _NONE
        and len(log.data) == _WORD_CHARS
        and topics.first[:_PADDING_CHARS] == topics.second[:_PADDING_CHARS] == _PADDING
        and not log.removed
        and log.address != _EMITTER
    )


class _Once(dict[str, T]):
    """Reads each text once: an answer repeats its blocks, contracts and accounts, and bounds this by it."""

    __slots__ = ("_read",)

    def __init__(self, read: Callable[[str], T]) -> None:
        super().__init__()
        self._read = read

    def __missing__(self, text: str) -> T:
        value = self[text] = self._read(text)
        return value


def _word(text: str) -> bytes:
    if len(text) != _WORD_CHARS or text[:2] != "0x":
        raise _Unusual
    return unhexlify(text[2:])


def _account(topic: str) -> bytes:
    if topic[:_PADDING_CHARS] != _PADDING:
        raise _Unusual
    return _word(topic)[12:]


def _contract(text: str) -> bytes:
    if len(text) != 42 or text[:2] != "0x":
        raise _Unusual
    contract = unhexlify(text[2:])
    if contract == NATIVE_LOG_EMITTER:
        # In capitals; _is_usual has set aside those that are written as usual.
        raise _Unusual
    return contract


def _log_index(text: str) -> int:
    return encoding.quantity(text, most=LOG_INDEX_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Blocks:
    """The blocks of an answer. `numbers` reads the text of a number."""

    numbers: dict[str, int]
    hashes: dict[int, Hash32]
    times: dict[int, int]


def _blocks(logs: Iterable[_Log], window: _Window) -> _Blocks:
    told = {(log.block_number, log.block_hash, log.block_timestamp) for log in logs}
    numbers: dict[str, int] = {}
    hashes: dict[int, Hash32] = {}
    for number_text, hash_text, _ in told:
        number = numbers[number_text] = encoding.quantity(number_text, most=BLOCK_NUMBER_MAX)
        if not window.first_block <= number <= window.last_block:
            raise _Unusual
        if hashes.setdefault(number, Hash32(_word(hash_text))) != _word(hash_text):
            raise _Unusual
    times = told_times((numbers[number], time) for number, _, time in told)
    return _Blocks(numbers=numbers, hashes=hashes, times=times)


@dataclass(frozen=True, slots=True)
class _Window:
    """What the filter demands: the blocks, and the senders or the recipients it names, if any."""

    first_block: int
    last_block: int
    senders: frozenset[bytes] | None
    recipients: frozenset[bytes] | None

    @classmethod
    def of(cls, asked: Mapping[str, Any]) -> _Window:
        """Raises _Unusual for filters that nothing here asks."""
        topics = asked["topics"]
        if not 1 <= len(topics) <= 3 or topics[0] != _TOPIC:
            raise _Unusual
        first, last = (
            encoding.quantity(asked[end], most=BLOCK_NUMBER_MAX) for end in ("fromBlock", "toBlock")
        )
        senders, recipients = (_accounts(position) for position in [*topics[1:], None, None][:2])
        return cls(first, last, senders, recipients)

    def demand(self, rows: Sequence[LogRow]) -> None:
        """Raise _Unusual unless each is one of the accounts that were asked for."""
        for position, allowed in ((4, self.senders), (5, self.recipients)):
            if allowed is not None and not allowed.issuperset({row[position] for row in rows}):
                raise _Unusual


def _accounts(position: str | Sequence[str] | None) -> frozenset[bytes] | None:
    if position is None:
        return None
    words = (position,) if isinstance(position, str) else position
    return frozenset(_account(text) for text in words if text.startswith(_PADDING))
