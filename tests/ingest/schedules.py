"""Random schedules of faults: what each node of a chain does, request by request, drawn from a number alone.

Between the ledger and one real node stand up to three proxies. The chain behind them stands still, so that
what the node answers is asked once and kept; that it grows is played by telling the ledger less of it.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from chains.devnode import DevNode
from tests.ingest import lies
from tests.support import faulty_proxy as faults
from tests.support.faulty_proxy import Exchange, Fault, FaultyProxy
from tests.support.token import Token

DAY = 86_400
OTHER_HASH = "0x" + "cd" * 32
FOREIGN = "0x" + "77" * 20


@dataclass
class KeepingProxy(FaultyProxy):
    """Asks the node each question once. Only for a chain that stands still."""

    kept: dict[str, str] = field(default_factory=dict)

    def ask_node(self, request: bytes) -> bytes:
        asked = json.loads(request)
        calls = asked if isinstance(asked, list) else [asked]
        answers = [self._answer(call) for call in calls]
        return (f"[{','.join(answers)}]" if isinstance(asked, list) else answers[0]).encode()

    def _answer(self, call: dict[str, Any]) -> str:
        key = json.dumps([call["method"], call["params"]])
        if key not in self.kept:
            answer = json.loads(super().ask_node(json.dumps(call).encode()))
            answer.pop("id", None)
            self.kept[key] = json.dumps(answer)[1:]
        return f'{{"id":{json.dumps(call["id"])},{self.kept[key]}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One chain for all schedules, another one that nodes confuse with it, and the proxies."""

    token: Token
    other: KeepingProxy
    proxies: tuple[KeepingProxy, ...]

    @property
    def node(self) -> DevNode:
        return self.token.node


def answered_by(other: KeepingProxy) -> Fault:
    """The request goes to another chain's node, as behind a balancer that mixes them up."""
    return lambda exchange: exchange.send(other.ask_node(exchange.request))


def failures() -> list[tuple[int, Fault]]:
    """What befalls any node: it does not answer, or not in time, or with an error."""
    return [
        (6, faults.drop),
        (3, faults.half_answer),
        (3, faults.half_json),
        (2, faults.not_http),
        (3, faults.body(b"garbage")),
        (2, faults.body(b"[]")),
        (4, faults.status(429)),
        (4, faults.status(429, headers={"Retry-After": "1"})),
        (3, faults.status(500)),
        (2, faults.status(404)),
        (4, faults.rpc_error(-32000, "header not found")),
        (3, faults.rpc_error(-32005, "rate limited")),
        (2, faults.rpc_error(-32005, "query returned more than 10000 results")),
        (1, faults.flood(100_000_000, announced=False)),
        (1, faults.flood(100_000_000, announced=True)),
        (1, faults.stall),
        (3, faults.altered_result("eth_getBlockByNumber", lambda _: None)),
    ]


def _amounts(logs: list[Any]) -> list[Any]:
    return [{**log, "data": "0x" + f"{int(log['data'], 16) + 7:064x}"} for log in logs]


def _added(logs: list[Any]) -> list[Any]:
    return [*logs, *({**log, "address": FOREIGN, "logIndex": "0x63"} for log in logs[:1])]


def falsehoods(stage: Stage) -> list[tuple[int, Fault]]:
    """What only a false or broken node says: of logs, of blocks, of which chain it is on."""
    blocks = "eth_getBlockByNumber"
    return [
        (8, lies.logs_changed(lambda logs: logs[:-1])),
        (4, lies.logs_changed(lambda logs: logs[1:])),
        (4, lies.logs_changed(lambda logs: logs[: len(logs) // 2])),
        (4, lies.logs_changed(lambda _: [])),
        (3, lies.logs_changed(_amounts)),
        (3, lies.logs_changed(_added)),
        (2, lies.logs_changed(lambda logs: logs[::-1])),
        (2, lies.logs_changed(lambda logs: [*logs, *logs])),
        (2, lies.logs_changed(lambda logs: [{**log, "transactionHash": OTHER_HASH} for log in logs])),
        (2, lies.logs_changed(lambda logs: [{**log, "blockHash": OTHER_HASH} for log in logs])),
        (1, lies.logs_changed(lambda logs: [{**log, "removed": True} for log in logs])),
        (1, lies.logs_changed(lambda logs: [*logs, {"topics": []}])),
        (2, faults.wrong_chain_id),
        (2, faults.altered_result(blocks, lambda block: {**block, "hash": OTHER_HASH})),
        (2, faults.altered_result(blocks, lambda block: {**block, "parentHash": OTHER_HASH})),
        (2, faults.altered_result(blocks, lambda block: {**block, "logsBloom": "0x" + "00" * 256})),
        (2, lies.shifted_time(range(400), seconds=400 * DAY)),
        (2, lies.shifted_time(range(400), seconds=-3 * DAY)),
        (2, faults.altered_result("eth_getBlockReceipts", lambda _: [])),
        (3, answered_by(stage.other)),
    ]


@dataclass
class Actor:
    """One node: what it tells of the chain, and what goes wrong with it, pass by pass."""

    chance: random.Random
    stage: Stage
    is_false: bool
    rate: float
    cap: Fault
    heads: list[int]
    _number: int = 0
    _begin: int = 0
    _lasting: Fault | None = None

    def next_pass(self) -> None:
        """From some request of the pass on, a false node may stay with one lie, or fall back."""
        self._number = 0
        self._begin = self.chance.randrange(2, 30)
        self._lasting = None
        if self.is_false and self.chance.random() < 0.7:
            weights, kinds = zip(*falsehoods(self.stage), strict=True)
            stale = lies.lagging(self.chance.randrange(1, self.heads[0] + 1))
            self._lasting = self.chance.choices([*kinds, stale], [*weights, 6])[0]

    def __call__(self, exchange: Exchange) -> None:
        self._number += 1
        lasting = self._lasting if self._number >= self._begin else None
        if self.chance.random() < self.rate:
            self._pick()(exchange)
        else:
            (lasting or self._honest)(exchange)

    def _pick(self) -> Fault:
        kinds = failures() + (falsehoods(self.stage) if self.is_false else [])
        weights, chosen = zip(*kinds, strict=True)
        fault: Fault = self.chance.choices(chosen, weights)[0]
        return fault

    def _honest(self, exchange: Exchange) -> None:
        """As far as the chain has come in this pass."""
        if b"eth_getLogs" in exchange.request:
            self.cap(exchange)
        elif b"eth_getBlockByNumber" in exchange.request:
            lies.lagging(self.heads[0])(exchange)
        else:
            faults.pass_on(exchange)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How many nodes there are and what is asked of them; and what each of them does."""

    agreement: int
    permille: int
    actors: tuple[Actor, ...]
    heads: list[int]
    is_known: bool
    next_head: Callable[[], int]

    def begin_pass(self) -> None:
        self.heads[0] = self.next_head()
        for actor, proxy in zip(self.actors, self.actors[0].stage.proxies, strict=False):
            actor.next_pass()
            proxy.fail(actor)


# Nodes, of which have to agree, and blocks of a thousand that are checked.
MODES = ((1, 1, 1000), (2, 2, 0), (3, 2, 0))


def schedule(seed: int, stage: Stage) -> Schedule:
    """The same one for the same number, whatever was drawn before."""
    chance = random.Random(f"schedule {seed}")
    nodes, agreement, permille = MODES[seed % len(MODES)]
    liar = chance.randrange(nodes)
    cap = faults.capped_range(chance.choice([6, 12, 40]), "the block range is limited to 6")
    last = stage.node.block().number
    heads = [last]
    actors = tuple(
        Actor(
            chance=random.Random(f"node {at} of {seed}"),
            stage=stage,
            is_false=at == liar,
            rate=chance.choice([0.02, 0.08, 0.2]) if at == liar else 0.01,
            cap=cap,
            heads=heads,
        )
        for at in range(nodes)
    )
    return Schedule(
        agreement=agreement,
        permille=permille,
        actors=actors,
        heads=heads,
        is_known=chance.random() < 0.9,
        next_head=lambda: min(
            last, max(heads[0] if heads[0] < last else 0, chance.randrange(last // 2, last + 9))
        ),
    )
