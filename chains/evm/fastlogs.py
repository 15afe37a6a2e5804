"""eth_getLogs answers read fast: the same facts, and the same refusals, as `chains.evm.transfers`.

What is common is decoded here in bulk. A body with anything unusual in it is handed whole to the strict
reader, which stays the one definition of what is accepted and is what the offline verifier runs. Pure.
"""

from __future__ import annotations

from binascii import unhexlify
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain as joined
from typing import Any, Literal, TypeVar

import msgspec

from chains import jsonrpc
from chains.errors import ChainError
from chains.evm import encoding
from chains.evm.blocks import BLOCK_TIME_MAX
from chains.evm.encoding import BLOCK_NUMBER_MAX, BadEncoding
from chains.evm.transfers import (
    LOG_INDEX_MAX,
    NATIVE_LOG_EMITTER,
    TRANSFER_TOPIC,
    MalformedLog,
    OtherLog,
    ParsedLogs,
    RawTransferLog,
    merge_logs,
    parse_logs,
)
from chains.jsonrpc import ErrorObject
from chains.types import Address, BlockRef, ChainId, Hash32, Transfer

T = TypeVar("T")

# Block number, log index, transaction hash, contract, sender, recipient, and the amount as 32 bytes.
LogRow = tuple[int, int, bytes, bytes, bytes, bytes, bytes]

_TOPIC = str(TRANSFER_TOPIC)
_EMITTER = str(NATIVE_LOG_EMITTER)
# 0x and 64 hex digits.
_WORD_CHARS = 66
_PADDING = bytes(12)


@dataclass(frozen=True, slots=True, kw_only=True)
class Logs:
    """One answer, or several that were merged: each log once, in chain order.

    `block_hashes` has every block that a log lies in; `block_times` those whose logs all tell one time.
    """

    rows: list[LogRow]
    others: tuple[OtherLog, ...]
    block_hashes: dict[int, Hash32]
    block_times: dict[int, int]


class _Unusual(ChainError):
    """The body is not one of those that are read here; whether it is acceptable is not known yet."""


class _Log(
    msgspec.Struct, gc=False, rename="camel", forbid_unknown_fields=True, omit_defaults=True, frozen=True
):
    """The fields that geth and its like answer. None of them is checked yet."""

    address: str
    topics: list[str]
    data: str
    block_hash: str
    block_number: str
    transaction_hash: str
    log_index: str
    transaction_index: str | msgspec.UnsetType = msgspec.UNSET
    block_timestamp: str | msgspec.UnsetType = msgspec.UNSET
    # The default is what is never answered, so that whatever was answered is written out again.
    removed: bool | msgspec.UnsetType = msgspec.UNSET


class _Answer(msgspec.Struct, gc=False, forbid_unknown_fields=True, frozen=True):
    jsonrpc: Literal["2.0"]
    id: int
    result: list[_Log]


_decode = msgspec.json.Decoder(_Answer).decode
_encoder = msgspec.json.Encoder()


def read_logs(body: bytes, *, call_id: int, asked: Mapping[str, Any]) -> Logs | ErrorObject:
    """The logs of one eth_getLogs answer, given the parameter object that was asked; or the node's error.

    Raises MalformedAnswer or MalformedLog exactly where `jsonrpc.read_answer` and `parse_logs` do.
    """
    try:
        return _read_usual(body, call_id=call_id, asked=asked)
    except (ChainError, ValueError, KeyError, TypeError):
        # Whatever is wrong, or merely odd: the strict reader decides, and says what it is.
        pass
    result = jsonrpc.read_answer(body, call_id=call_id)
    if isinstance(result, ErrorObject):
        return result
    parsed = parse_logs(result, asked=asked)
    return _of_parsed(parsed, told=((entry["blockNumber"], entry.get("blockTimestamp")) for entry in result))


def merge(parts: Sequence[Logs]) -> Logs:
    """Several answers as one: a transfer between two watched accounts is in both. Raises MalformedLog."""
    if len(parts) == 1:
        return parts[0]
    rows = sorted(set(joined.from_iterable(part.rows for part in parts)))
    _demand_distinct(rows)
    others = merge_logs(ParsedLogs(logs=(), others=part.others) for part in parts).others
    hashes: dict[int, Hash32] = {}
    for part in parts:
        for number, told in part.block_hashes.items():
            if hashes.setdefault(number, told) != told:
                msg = f"two hashes for block {number}: the chain was replaced while it was read"
                raise MalformedLog(msg)
    identities = {row[:2] for row in rows}
    for other in others:
        if (other.block_number, other.log_index) in identities:
            msg = f"two different logs with index {other.log_index} in block {other.block_number}"
            raise MalformedLog(msg)
    return Logs(rows=rows, others=others, block_hashes=hashes, block_times=_agreed_times(parts))


def _read_usual(body: bytes, *, call_id: int, asked: Mapping[str, Any]) -> Logs:
    """Raises where it does not read on; that is no verdict yet."""
    answer = _decoded(body)
    if answer.id != call_id:
        raise _Unusual
    window = _Window.of(asked)
    usual = [log for log in answer.result if _is_usual(log)]
    blocks = _blocks(answer.result, window)
    rows = _rows(usual, blocks.numbers)
    window.demand(rows)
    read = Logs(rows=_in_order(rows), others=(), block_hashes=blocks.hashes, block_times=blocks.times)
    if len(usual) == len(answer.result):
        return read
    odd = [msgspec.to_builtins(log) for log in answer.result if not _is_usual(log)]
    found = merge([read, _of_parsed(parse_logs(odd, asked=asked), told=())])
    return Logs(rows=found.rows, others=found.others, block_hashes=blocks.hashes, block_times=blocks.times)


def _decoded(body: bytes) -> _Answer:
    """The answer, if its text is the shortest that says the same.

    Then nothing else can be in it: no second key of the same name, no field that was passed over, no
    number in an odd form. geth and most others write it so, some with a line end behind it. Escapes are
    left out first, since what is written out again could be longer than they are.
    """
    if b"\\" in body:
        raise _Unusual
    try:
        answer = _decode(body)
    except msgspec.DecodeError as error:
        raise _Unusual from error
    if len(_encoder.encode(answer)) != len(body) - body.endswith(b"\n"):
        raise _Unusual
    return answer


def _is_usual(log: _Log) -> bool:
    topics = log.topics
    return (
        len(topics) == 3
        and topics[0] == _TOPIC
        and len(log.data) == _WORD_CHARS
        and not log.removed
        and log.address != _EMITTER
        and topics[1].startswith("0x000000000000000000000000")
        and topics[2].startswith("0x000000000000000000000000")
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
    # The twelve bytes before it were looked at by _is_usual.
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


def _rows(logs: Sequence[_Log], numbers: Mapping[str, int]) -> list[LogRow]:
    index, tx, contract, account = _Once(_log_index), _Once(_word), _Once(_contract), _Once(_account)
    rows = [
        (
            numbers[log.block_number],
            index[log.log_index],
            tx[log.transaction_hash],
            contract[log.address],
            account[log.topics[1]],
            account[log.topics[2]],
            unhexlify(log.data[2:]),
        )
        for log in logs
    ]
    if {log.data[:2] for log in logs} - {"0x"}:
        raise _Unusual
    return rows


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
    times = _times((numbers[number], time) for number, _, time in told)
    return _Blocks(numbers=numbers, hashes=hashes, times=times)


def _times(told: Iterable[tuple[int, object]]) -> dict[int, int]:
    """The time of each block whose logs all tell the same. No log has to: some nodes leave it out."""
    times: dict[int, int | None] = {}
    for number, text in told:
        try:
            time: int | None = encoding.quantity(text, most=BLOCK_TIME_MAX)
        except BadEncoding:
            time = None
        if times.setdefault(number, time) != time:
            times[number] = None
    return {number: time for number, time in times.items() if time is not None}


def _agreed_times(parts: Iterable[Logs]) -> dict[int, int]:
    """Of blocks that every part with a log in them knows the time of."""
    told = ((number, part.block_times.get(number)) for part in parts for number in part.block_hashes)
    return _times((number, None if time is None else hex(time)) for number, time in told)


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
    return frozenset(_word(text)[12:] for text in words if text.startswith("0x000000000000000000000000"))


def _in_order(rows: list[LogRow]) -> list[LogRow]:
    """Sorted, and each once. Raises MalformedLog."""
    rows.sort()
    if len({row[:2] for row in rows}) == len(rows):
        return rows
    rows = sorted(set(rows))
    _demand_distinct(rows)
    return rows


def _demand_distinct(rows: Sequence[LogRow]) -> None:
    identities = {row[:2] for row in rows}
    if len(identities) != len(rows):
        msg = "two different logs with one index in one block"
        raise MalformedLog(msg)


def _of_parsed(parsed: ParsedLogs, *, told: Iterable[tuple[str, object]]) -> Logs:
    """What the strict reader found, in the form of this one."""
    logs: list[RawTransferLog | OtherLog] = [*parsed.logs, *parsed.others]
    return Logs(
        rows=[row_of_log(log) for log in parsed.logs],
        others=parsed.others,
        block_hashes={log.block_number: log.block_hash for log in logs},
        block_times=_times((int(number, 16), time) for number, time in told),
    )


def row_of_log(log: RawTransferLog) -> LogRow:
    """What the strict reader found, as a row."""
    return (
        log.block_number,
        log.log_index,
        bytes(log.tx_hash),
        bytes(log.contract),
        bytes(log.sender),
        bytes(log.recipient),
        log.amount_units.to_bytes(32, "big"),
    )


def transfer_of_row(row: LogRow, *, chain: ChainId, block: BlockRef) -> Transfer:
    """The finished value. `block` has to be the row's own."""
    return Transfer(
        chain=chain,
        block=block,
        tx_hash=Hash32(row[2]),
        log_index=row[1],
        contract=Address(row[3]),
        sender=Address(row[4]),
        recipient=Address(row[5]),
        amount_units=int.from_bytes(row[6], "big"),
    )


def row_of_transfer(value: Transfer) -> LogRow:
    return (
        value.block.number,
        value.log_index,
        bytes(value.tx_hash),
        bytes(value.contract),
        bytes(value.sender),
        bytes(value.recipient),
        value.amount_units.to_bytes(32, "big"),
    )
