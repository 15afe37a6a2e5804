"""Moves of the native coin inside a transaction, read from a node's call trace (pure).

The form is that of the `callTracer` of debug_traceTransaction. A frame that failed took everything below it
back; a delegated call moves nothing of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from chains.errors import ChainError
from chains.evm import encoding
from chains.evm.encoding import BadEncoding
from chains.types import UINT256_MAX, Address

FRAMES_MAX = 100_000
# A delegated call repeats its caller's value, a static one has none, and CALLCODE moves to oneself.
_MOVING = frozenset({"CALL", "CREATE", "CREATE2", "SELFDESTRUCT"})


class MalformedTrace(ChainError):
    """An answer that is not a call trace, or one too large to read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InnerMove:
    """A call inside the transaction that passed value on. `path` is its place in the tree: "0.2"."""

    path: str
    sender: Address
    recipient: Address
    value_wei: int


def inner_moves(trace: Any) -> tuple[InnerMove, ...]:
    """Every move below the top frame, in the order of execution. Raises MalformedTrace."""
    if not isinstance(trace, dict):
        msg = f"a call trace is an object, not {encoding.shown(trace)}"
        raise MalformedTrace(msg)
    try:
        return tuple(_moves(trace))
    except (BadEncoding, KeyError, TypeError, AttributeError) as error:
        msg = f"a call trace that can't be read: {error}"
        raise MalformedTrace(msg) from error


def _moves(trace: dict[str, Any]) -> Iterator[InnerMove]:
    # A list instead of recursion: a contract chooses how deep it calls.
    left: list[tuple[str, dict[str, Any]]] = [("", trace)]
    read = 0
    while left:
        path, frame = left.pop()
        read += 1
        if read > FRAMES_MAX:
            msg = f"a call trace of more than {FRAMES_MAX} calls"
            raise MalformedTrace(msg)
        if frame.get("error") is not None:
            continue
        value = encoding.quantity(frame.get("value") or "0x0", most=UINT256_MAX)
        if path and value and str(frame["type"]).upper() in _MOVING:
            yield InnerMove(
                path=path,
                sender=encoding.address(frame["from"]),
                recipient=encoding.address(frame["to"]),
                value_wei=value,
            )
        below = [(f"{path}.{index}".lstrip("."), each) for index, each in enumerate(frame.get("calls") or ())]
        left.extend(reversed(below))
