"""Asking a node for the events that a filter for Transfers does not find: wrapped coins and ERC-1155."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from chains.errors import NodeError
from chains.evm import encoding
from chains.evm.answers import AnswerLedger
from chains.evm.client import EvmClient
from chains.evm.events import EventKind, ValueEvent, event_filters, parse_event
from chains.evm.ranges import RangeSize
from chains.evm.transfers import MalformedLog
from chains.types import Address


@dataclass(frozen=True, slots=True)
class _Window:
    accounts: frozenset[Address]
    first: int
    last: int


def read_events(
    client: EvmClient,
    *,
    accounts: Collection[Address],
    first_block: int,
    last_block: int,
    ledger: AnswerLedger,
) -> tuple[ValueEvent, ...]:
    """Each event once, in chain order. Raises a NodeError where even one block is not answered."""
    size = RangeSize(blocks=last_block - first_block + 1)
    found: dict[tuple[int, int], ValueEvent] = {}
    first = first_block
    while first <= last_block:
        window = _Window(frozenset(accounts), first, size.end(first, last_block))
        try:
            events = _ask(client, window, ledger)
        except NodeError as error:
            size = size.capped(window.last - first + 1).after_failure(error)
            continue
        found |= {(each.block_number, each.log_index): each for each in events}
        first, size = window.last + 1, size.after_success()
    return tuple(found[place] for place in sorted(found))


def _ask(client: EvmClient, window: _Window, ledger: AnswerLedger) -> list[ValueEvent]:
    events: list[ValueEvent] = []
    for asked in event_filters(addresses=window.accounts, first_block=window.first, last_block=window.last):
        answer = client.rpc.call("eth_getLogs", [asked])
        ledger.add([answer])
        try:
            events += [_demand(entry, asked, window) for entry in _entries(answer.result)]
        except MalformedLog as error:
            raise client.rpc.bad_answer(error) from error
    return events


def _entries(result: Any) -> list[Any]:
    if not isinstance(result, list):
        msg = f"eth_getLogs answers an array, not {encoding.shown(result)}"
        raise MalformedLog(msg)
    return result


def _demand(entry: Any, asked: dict[str, Any], window: _Window) -> ValueEvent:
    """What was not asked for is no finding."""
    event = parse_event(entry)
    if not window.first <= event.block_number <= window.last:
        msg = f"a log of block {event.block_number}, not of {window.first} to {window.last} as asked"
        raise MalformedLog(msg)
    named = {event.sender, event.recipient} & window.accounts
    if entry["topics"][0].lower() not in asked["topics"][0] or not (named or event.kind is EventKind.ODD):
        msg = f"log {event.log_index} of block {event.block_number} has a topic that was not asked for"
        raise MalformedLog(msg)
    return event
