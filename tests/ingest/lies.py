"""Nodes that answer well formed and wrong: another chain, one that lags, a time that is not so.

Each is a proxy's fault, so that behind it stands a real node whose truth a test can ask.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Collection
from typing import Any

from chains.devnode import DevNode
from tests.support.faulty_proxy import Exchange, Fault, FaultyProxy, altered_result, pass_on


def turns(choose: Callable[[int], Fault | None]) -> Fault:
    """Another fault for each request, by its number from 0; None passes it on."""
    numbers = itertools.count()

    def fault(exchange: Exchange) -> None:
        (choose(next(numbers)) or pass_on)(exchange)

    return fault


def only(numbers: Collection[int], fault: Fault) -> Fault:
    return turns(lambda number: fault if number in numbers else None)


def since(first: int, fault: Fault) -> Fault:
    return turns(lambda number: fault if number >= first else None)


def answered_by(other: DevNode) -> Fault:
    """The request goes to another node, as behind a balancer that mixes up its chains."""
    return lambda exchange: exchange.send(FaultyProxy(other).ask_node(exchange.request))


def calls_of(exchange: Exchange) -> list[dict[str, Any]]:
    return exchange.asked if isinstance(exchange.asked, list) else [exchange.asked]


def on_method(method: str, fault: Fault) -> Fault:
    """Only requests in which this method is called."""

    def chosen(exchange: Exchange) -> None:
        found = any(call["method"] == method for call in calls_of(exchange))
        (fault if found else pass_on)(exchange)

    return chosen


def lagging(head: int) -> Fault:
    """A node that has only come to this block: later ones are null, and getLogs says nothing of them."""

    def fault(exchange: Exchange) -> None:
        answers = exchange.truth()
        batch = isinstance(exchange.asked, list)
        asked = {call["id"]: call for call in calls_of(exchange)}
        for answer in answers if batch else [answers]:
            _forget(answer, asked[answer["id"]], head=head, exchange=exchange)
        exchange.send_json(answers)

    return fault


def _forget(answer: dict[str, Any], call: dict[str, Any], *, head: int, exchange: Exchange) -> None:
    if call["method"] == "eth_getBlockByNumber":
        tags = {"latest": head, "finalized": max(0, head - 2)}
        name = call["params"][0]
        number = tags[name] if name in tags else int(name, 16)
        answer["result"] = None if number > head else ask(exchange, hex(number))
    elif call["method"] == "eth_getLogs":
        logs = answer.pop("result", [])
        answer.pop("error", None)
        answer["result"] = [log for log in logs if int(log["blockNumber"], 16) <= head]


def ask(exchange: Exchange, block: str) -> Any:
    """What the true node says of a block, apart from what it was asked."""
    call = {"jsonrpc": "2.0", "id": 1, "method": "eth_getBlockByNumber", "params": [block, False]}
    return json.loads(exchange._proxy.ask_node(json.dumps(call).encode()))["result"]


def shifted_time(numbers: Collection[int], *, seconds: int) -> Fault:
    """Blocks of these numbers say another time. Hash and parent stay as they are."""

    def change(block: Any) -> Any:
        if block is not None and int(block["number"], 16) in numbers:
            block["timestamp"] = hex(max(0, int(block["timestamp"], 16) + seconds))
        return block

    return altered_result("eth_getBlockByNumber", change)


def same_time(numbers: Collection[int], *, at: int) -> Fault:
    """Blocks of these numbers all say this time."""

    def change(block: Any) -> Any:
        if block is not None and int(block["number"], 16) in numbers:
            block["timestamp"] = hex(at)
        return block

    return altered_result("eth_getBlockByNumber", change)


def logs_changed(change: Callable[[list[Any]], Any]) -> Fault:
    return altered_result("eth_getLogs", change)


def unhashed(fault: Fault) -> Fault:
    """The same answers, whose blocks have a field that no header known here has: they can't be hashed."""

    def chosen(exchange: Exchange) -> None:
        plain, sent = exchange.send, list[bytes]()
        exchange.send = lambda body, **_: sent.append(body)  # type: ignore[method-assign]
        fault(exchange)
        exchange.send = plain  # type: ignore[method-assign]
        answers = json.loads(sent[0])
        for answer in answers if isinstance(answers, list) else [answers]:
            if isinstance(answer.get("result"), dict) and "logsBloom" in answer["result"]:
                answer["result"]["extDataHash"] = "0x" + "cd" * 32
        exchange.send_json(answers)

    return chosen


UNHASHED = unhashed(pass_on)
