"""Traces as nodes answer them, and what contracts moved inside of transactions: pure.

Three answers say the same in different shapes: trace_filter and trace_block list flat calls, each with its
path (https://openethereum.github.io/JSONRPC-trace-module), debug_traceBlockByNumber with the callTracer
nests them (https://geth.ethereum.org/docs/developers/evm-tracing/built-in-tracers). Both end here as the
same moves with the same paths. It believes nothing: a trace of a transaction that the block does not hold is
an error, and so is a transaction without a trace.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from chains.errors import ChainError
from chains.evm import encoding
from chains.evm.encoding import BLOCK_NUMBER_MAX, BadEncoding
from chains.evm.native import FullBlock, Transaction
from chains.movements import REASON_CHARS_MAX, NativeKind
from chains.types import UINT256_MAX, Address, Hash32

# Of one block, or of a range: each call costs its sender at least 700 gas.
FRAMES_MAX = 2_000_000

# These run another contract's code on one's own account, or may not move anything: their value is nobody's.
_STILL = frozenset({"delegatecall", "callcode", "staticcall"})
_MOVING = {
    "call": NativeKind.CALL,
    "create": NativeKind.CREATE,
    "create2": NativeKind.CREATE,
    "suicide": NativeKind.SELFDESTRUCT,
    "selfdestruct": NativeKind.SELFDESTRUCT,
}
# Contracts at these addresses are part of the client. Some nodes show calls of them, some leave them out, and
# of those some count them still. So they are left out here and the calls counted anew: the path of a call,
# which is its identity, is then the same whoever answers.
_PRECOMPILED_MAX = 0x11
_PRECOMPILED_MORE = frozenset({0x100})


class MalformedTrace(ChainError):
    """An answer that is no trace of what was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InternalMove:
    """Coins that a contract's code moved: path () is the transaction's own call."""

    tx_hash: Hash32
    path: tuple[int, ...]
    kind: NativeKind
    sender: Address
    recipient: Address
    amount_units: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reward:
    """What the protocol credits to a block's producer, or to that of an uncle."""

    recipient: Address
    amount_units: int
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedBlock:
    """What was moved for good inside of transactions, the transactions' own values not among it.

    `failed` are the transactions that moved nothing, with the node's word for why.
    """

    moves: tuple[InternalMove, ...]
    failed: Mapping[Hash32, str]
    rewards: tuple[Reward, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    """One call of one transaction. `kind` None moves nothing, whatever its value says."""

    tx_hash: Hash32
    path: tuple[int, ...]
    kind: NativeKind | None
    sender: Address
    recipient: Address | None
    amount_units: int
    error: str | None


_Place = tuple[Hash32, tuple[int, ...]]
_Frames = dict[_Place, _Frame]


def parse_trace_filter(
    result: Any, *, accounts: Collection[Address], first_block: int, last_block: int
) -> frozenset[int]:
    """The blocks in which one of the accounts is named as giver, taker or creator. Raises MalformedTrace.

    Whether anything moved for good, a filtered answer can't tell: a call that went well may lie in one that
    was reverted, and that one need not be in the answer.
    """
    found = set()
    for entry in _entries(result):
        try:
            number = _block_number(entry)
            parties = _parties_named(entry)
        except (BadEncoding, KeyError, TypeError, AttributeError) as error:
            raise _malformed(error) from error
        if not first_block <= number <= last_block:
            msg = f"a trace of block {number}, not of {first_block} to {last_block} as asked"
            raise MalformedTrace(msg)
        if parties.isdisjoint(accounts):
            msg = f"a trace of block {number} that names none of the accounts asked for"
            raise MalformedTrace(msg)
        found.add(number)
    return frozenset(found)


def parse_trace_block(result: Any, *, full: FullBlock) -> TracedBlock:
    """The answer of trace_block for this block. Raises MalformedTrace."""
    frames: list[_Frame] = []
    rewards: list[Reward] = []
    for entry in _entries(result):
        try:
            told = _block_number(entry), encoding.hash32(entry["blockHash"])
            if told != (full.block.number, full.block.hash):
                msg = f"a trace of block {told[0]} {told[1]}, not of {full.block.number} {full.block.hash}"
                raise MalformedTrace(msg)
            if entry["type"] == "reward":
                rewards.append(_reward(entry["action"]))
            else:
                frames.append(_flat_frame(entry))
        except (BadEncoding, KeyError, TypeError, AttributeError) as error:
            raise _malformed(error) from error
    return _traced(frames, full=full, rewards=rewards)


def parse_call_tracer(result: Any, *, full: FullBlock) -> TracedBlock:
    """The answer of debug_traceBlockByNumber with the callTracer, which knows no rewards."""
    entries = _entries(result)
    if len(entries) != len(full.transactions):
        msg = (
            f"{len(entries)} traces of the {len(full.transactions)} transactions of block {full.block.number}"
        )
        raise MalformedTrace(msg)
    frames: list[_Frame] = []
    for entry, transaction in zip(entries, full.transactions, strict=True):
        try:
            # Older nodes do not name the transaction; the traces are in the block's order.
            told = entry.get("txHash")
            if told is not None and encoding.hash32(told) != transaction.hash:
                msg = f"a trace of {encoding.shown(told)} in the place of transaction {transaction.hash}"
                raise MalformedTrace(msg)
            if "result" not in entry:
                msg = f"transaction {transaction.hash} was not traced: {_word(entry.get('error'))}"
                raise MalformedTrace(msg)
            frames += _nested_frames(entry["result"], tx_hash=transaction.hash)
        except (BadEncoding, KeyError, TypeError, AttributeError) as error:
            raise _malformed(error) from error
    return _traced(frames, full=full, rewards=[])


def _entries(result: Any) -> list[dict[str, Any]]:
    if not isinstance(result, list) or len(result) > FRAMES_MAX:
        msg = f"traces are an array of a possible length, not {encoding.shown(result)}"
        raise MalformedTrace(msg)
    if not all(isinstance(entry, dict) for entry in result):
        msg = "a trace is an object"
        raise MalformedTrace(msg)
    return result


def _malformed(error: Exception) -> MalformedTrace:
    what = f"no {error.args[0]}" if isinstance(error, KeyError) else str(error)
    return MalformedTrace(f"a trace: {what}")


# -- trace_block and trace_filter


def _block_number(entry: Mapping[str, Any]) -> int:
    """The one number of the JSON-RPC that comes as a JSON number."""
    number = entry["blockNumber"]
    if type(number) is not int or not 0 <= number <= BLOCK_NUMBER_MAX:
        msg = f"not a block number: {encoding.shown(number)}"
        raise BadEncoding(msg)
    return number


def _parties_named(entry: Mapping[str, Any]) -> set[Address]:
    action, result = entry["action"], entry.get("result") or {}
    named = [action.get(field) for field in ("from", "to", "address", "refundAddress", "author")]
    named.append(result.get("address"))
    return {encoding.address(each) for each in named if each is not None}


def _reward(action: Mapping[str, Any]) -> Reward:
    return Reward(
        recipient=encoding.address(action["author"]),
        amount_units=encoding.quantity(action["value"], most=UINT256_MAX),
        what=_word(action.get("rewardType", "block")),
    )


def _flat_frame(entry: Mapping[str, Any]) -> _Frame:
    type_, action = entry["type"], entry["action"]
    kind = _kind(action["callType"] if type_ == "call" else type_)
    created = (entry.get("result") or {}).get("address")
    if kind is NativeKind.SELFDESTRUCT:
        sender, recipient, value = action["address"], action["refundAddress"], action["balance"]
    else:
        sender, value = action["from"], action["value"]
        recipient = created if kind is NativeKind.CREATE else action["to"]
    error = entry.get("error")
    return _Frame(
        tx_hash=encoding.hash32(entry["transactionHash"]),
        path=_path(entry["traceAddress"]),
        kind=kind,
        sender=encoding.address(sender),
        recipient=None if recipient is None else encoding.address(recipient),
        amount_units=encoding.quantity(value, most=UINT256_MAX),
        error=None if error is None else _word(error),
    )


def _path(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list) or any(type(step) is not int or not 0 <= step < 2**32 for step in value):
        msg = f"not a trace address: {encoding.shown(value)}"
        raise BadEncoding(msg)
    return tuple(value)


# -- the callTracer


def _nested_frames(call: Any, *, tx_hash: Hash32) -> Iterator[_Frame]:
    """The calls of one transaction, a caller before the called; no recursion, since a node sets the depth."""
    waiting: list[tuple[tuple[int, ...], Any]] = [((), call)]
    while waiting:
        path, found = waiting.pop()
        frame = _nested_frame(found, tx_hash=tx_hash, path=path)
        yield frame
        inner = list(enumerate(found.get("calls") or ()))
        waiting += [((*path, at), each) for at, each in reversed(inner)]


def _nested_frame(call: Any, *, tx_hash: Hash32, path: tuple[int, ...]) -> _Frame:
    recipient, error = call.get("to"), call.get("error")
    return _Frame(
        tx_hash=tx_hash,
        path=path,
        kind=_kind(str(call["type"]).lower()),
        sender=encoding.address(call["from"]),
        recipient=None if recipient is None else encoding.address(recipient),
        # A STATICCALL has none.
        amount_units=encoding.quantity(call.get("value") or "0x0", most=UINT256_MAX),
        error=None if error is None else _word(error),
    )


# -- both


def _kind(word: Any) -> NativeKind | None:
    if word in _STILL:
        return None
    kind = _MOVING.get(word)
    if kind is None:
        # Whether it moves something, nobody here knows.
        msg = f"not a kind of call that is known: {encoding.shown(word)}"
        raise BadEncoding(msg)
    return kind


def _word(value: Any) -> str:
    """A node's own word, cut and made printable."""
    return "".join(char if char.isprintable() else " " for char in str(value)[:REASON_CHARS_MAX])


def _traced(frames: Iterable[_Frame], *, full: FullBlock, rewards: list[Reward]) -> TracedBlock:
    by_place = _counted_anew(frame for frame in frames if not _is_left_out(frame))
    _demand_roots(by_place, full=full)
    moves = [_move(frame, by_place) for frame in by_place.values() if frame.path]
    return TracedBlock(
        moves=tuple(move for move in moves if move is not None),
        failed={
            frame.tx_hash: frame.error
            for frame in by_place.values()
            if not frame.path and frame.error is not None
        },
        rewards=tuple(rewards),
    )


def _is_left_out(frame: _Frame) -> bool:
    """A call of a precompiled contract that moves nothing."""
    if not frame.path or frame.recipient is None or frame.amount_units:
        return False
    number = int.from_bytes(frame.recipient, "big")
    return 0 < number <= _PRECOMPILED_MAX or number in _PRECOMPILED_MORE


def _counted_anew(frames: Iterable[_Frame]) -> _Frames:
    """The calls by transaction and path, those of one caller numbered without a gap, callers first."""
    counted: _Frames = {}
    path_of: dict[_Place, tuple[int, ...]] = {}
    inner: dict[_Place, int] = {}
    for frame in sorted(frames, key=lambda frame: (frame.tx_hash, frame.path)):
        path = frame.path
        if path:
            caller = path_of.get((frame.tx_hash, path[:-1]))
            if caller is None:
                msg = f"transaction {frame.tx_hash} has a call whose caller was left out"
                raise MalformedTrace(msg)
            at = inner.get((frame.tx_hash, caller), 0)
            inner[frame.tx_hash, caller] = at + 1
            path = (*caller, at)
        if (frame.tx_hash, frame.path) in path_of:
            msg = f"transaction {frame.tx_hash} has two calls at one place"
            raise MalformedTrace(msg)
        path_of[frame.tx_hash, frame.path] = path
        counted[frame.tx_hash, path] = replace(frame, path=path)
    return counted


def _demand_roots(frames: _Frames, *, full: FullBlock) -> None:
    """Every transaction has its trace, and every trace its transaction: else the node left something out."""
    traced = {tx_hash for tx_hash, _ in frames}
    foreign = traced - {each.hash for each in full.transactions}
    if foreign:
        msg = f"a trace of {min(foreign)}, which is not in block {full.block.number}"
        raise MalformedTrace(msg)
    for each in full.transactions:
        root = frames.get((each.hash, ()))
        if root is None:
            if not each.is_bookkeeping:
                msg = f"no trace of transaction {each.hash} of block {full.block.number}"
                raise MalformedTrace(msg)
        elif not _is_of(root, each):
            msg = f"the trace of transaction {each.hash} has another sender or value than the block says"
            raise MalformedTrace(msg)


def _is_of(root: _Frame, transaction: Transaction) -> bool:
    return (root.sender, root.amount_units) == (transaction.sender, transaction.value_units)


def _move(frame: _Frame, frames: _Frames) -> InternalMove | None:
    """What this call moved for good: nothing if it, or any call around it, was reverted."""
    if frame.kind is None or not frame.amount_units:
        return None
    for depth in range(len(frame.path) + 1):
        if frames[frame.tx_hash, frame.path[:depth]].error is not None:
            return None
    if frame.recipient is None:
        msg = f"transaction {frame.tx_hash} moved coins to nobody"
        raise MalformedTrace(msg)
    return InternalMove(
        tx_hash=frame.tx_hash,
        path=frame.path,
        kind=frame.kind,
        sender=frame.sender,
        recipient=frame.recipient,
        amount_units=frame.amount_units,
    )
