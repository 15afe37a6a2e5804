"""What answers about logs come to: rows in chain order, each once, and the blocks they lie in. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain as joined
from operator import lt

from chains.evm import encoding
from chains.evm.blocks import BLOCK_TIME_MAX
from chains.evm.encoding import BadEncoding
from chains.evm.rows import LogRow, row_of_log
from chains.evm.transfers import MalformedLog, OtherLog, ParsedLogs, RawTransferLog, merge_logs
from chains.types import Hash32


@dataclass(frozen=True, slots=True, kw_only=True)
class Logs:
    """One answer, or several that were merged: each log once, in chain order.

    `block_hashes` has every block that a log lies in; `block_times` those whose logs all tell one time.
    """

    rows: list[LogRow]
    others: tuple[OtherLog, ...]
    block_hashes: dict[int, Hash32]
    block_times: dict[int, int]


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


def told_times(told: Iterable[tuple[int, object]]) -> dict[int, int]:
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
    return told_times((number, None if time is None else hex(time)) for number, time in told)


def in_order(rows: list[LogRow]) -> list[LogRow]:
    """Sorted, and each once. Raises MalformedLog."""
    places = [row[0] << 31 | row[1] for row in rows]
    if all(map(lt, places, places[1:])):
        return rows
    rows = sorted(set(rows))
    _demand_distinct(rows)
    return rows


def _demand_distinct(rows: Sequence[LogRow]) -> None:
    identities = {row[:2] for row in rows}
    if len(identities) != len(rows):
        msg = "two different logs with one index in one block"
        raise MalformedLog(msg)


def of_parsed(parsed: ParsedLogs, *, told: Iterable[tuple[str, object]]) -> Logs:
    """What the strict reader found, in the form of this one."""
    logs: list[RawTransferLog | OtherLog] = [*parsed.logs, *parsed.others]
    return Logs(
        rows=[row_of_log(log) for log in parsed.logs],
        others=parsed.others,
        block_hashes={log.block_number: log.block_hash for log in logs},
        block_times=told_times((int(number, 16), time) for number, time in told),
    )
