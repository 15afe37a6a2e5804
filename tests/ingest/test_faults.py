"""A node that fails: a retry that succeeds, or a gap; never an empty result taken for "nothing there"."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from sqlalchemy.engine import Engine

from app.assessment.values import Result
from app.debts.terms import Debt
from chains.devnode import DevNode
from chains.rpc import RpcLimits
from tests.ingest import lies
from tests.ingest.judge import demand_honest, demand_no_blind_spot, demand_truth
from tests.ingest.scene import (
    AGREED_AT,
    DAY,
    Scene,
    covered,
    first_of_window,
    open_scene,
    stage,
    stored,
    truth,
)
from tests.support import faulty_proxy as faults
from tests.support.faulty_proxy import Fault, FaultyProxy, faulty_proxy
from tests.support.token import Token

PATIENT = RpcLimits(
    timeout_seconds=20,
    attempts=2,
    answer_bytes_max=200_000,
    retry_wait_seconds=0.001,
    retry_wait_seconds_max=0.01,
    total_seconds=60,
)
# Only before a node that holds us: a slow machine must not look like one.
SHORT = replace(PATIENT, timeout_seconds=0.4)
HOLDING = ("stall", "drip")
CAPPED = faults.capped_range(6, "the block range is limited to 6")


@pytest.fixture(scope="module")
def token(module_node: DevNode) -> Token:
    """The chain of all tests in this file: five payments in forty blocks, and one from a stranger."""
    token = stage(module_node)
    _, creditor, debtor, stranger, *_ = module_node.accounts()
    for day in range(1, 6):
        token.transfer(sender=debtor, to=creditor, units=day, at=AGREED_AT + day * DAY)
        module_node.mine(4, seconds_apart=600)
    token.transfer(sender=stranger, to=creditor, units=100, at=AGREED_AT + 6 * DAY)
    module_node.mine(4, seconds_apart=600)
    return token


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A ledger that reads the file's chain through a proxy, in ranges of a few blocks."""

    scene: Scene
    proxy: FaultyProxy
    debt: Debt

    @property
    def first(self) -> int:
        return first_of_window(self.scene.node)

    @property
    def final(self) -> int:
        return self.scene.node.block("finalized").number

    def with_limits(self, limits: RpcLimits) -> Reading:
        return replace(self, scene=replace(self.scene, outside=replace(self.scene.outside, limits=limits)))

    def facing(self, name: str) -> Reading:
        return self.with_limits(SHORT if name in HOLDING else PATIENT)

    def demand_all(self) -> None:
        """Once the node is well again: everything, once."""
        self.proxy.fail(CAPPED)
        assert self.with_limits(PATIENT).scene.follow().failure is None
        assert stored(self.scene.engine) == truth(self.scene.node, self.scene.parties, first=self.first)
        found = demand_honest(self.scene, self.debt)
        assert found.result is Result.PARTIAL
        assert sum(payment.units for payment in found.attribution.payments) == 15

    def demand_safe(self) -> None:
        demand_truth(self.scene)
        demand_honest(self.scene, self.debt)
        demand_no_blind_spot(self.scene, self.debt, first=self.first, last=self.final - 1)


@pytest.fixture
def reading(sqlite_engine: Engine, token: Token) -> Iterator[Reading]:
    scene = open_scene(sqlite_engine, token.node, token=token)
    debt = scene.record_debt()
    with faulty_proxy(token.node) as proxy:
        yield Reading(scene=scene.through(proxy.url, limits=PATIENT), proxy=proxy, debt=debt)


def null(_: Any) -> None:
    return None


FAULTS: dict[str, Fault] = {
    "drop": faults.drop,
    "half an answer": faults.half_answer,
    "half the JSON": faults.half_json,
    "not HTTP": faults.not_http,
    "garbage": faults.body(b"\x00\xff garbage"),
    "nothing": faults.body(b""),
    "a page": faults.body(b"<html>welcome</html>"),
    "an empty list": faults.body(b"[]"),
    "429": faults.status(429),
    "429, come back in an hour": faults.status(429, headers={"Retry-After": "3600"}),
    "500": faults.status(500),
    "401": faults.status(401),
    "redirect": faults.status(302, headers={"Location": "http://127.0.0.1:1/"}),
    "an error": faults.rpc_error(-32000, "missing trie node"),
    "an error that asks to wait": faults.rpc_error(-32005, "slow down"),
    "no such method": faults.rpc_error(-32601, "the method does not exist"),
    "100 MB": faults.flood(100_000_000, announced=False),
    "100 MB announced": faults.flood(100_000_000, announced=True),
    "a gzip bomb": faults.gzip_bomb,
    "stall": faults.stall,
    "drip": faults.drip,
    "null": faults.altered(lambda answer: _each(answer, null)),
    "an empty object": faults.altered(lambda answer: _each(answer, lambda _: {})),
    "zero": faults.altered(lambda answer: _each(answer, lambda _: "0x0")),
    "another id": faults.altered(lambda answer: _each(answer, null, key="id")),
}


def _each(answer: Any, change: Callable[[Any], Any], *, key: str = "result") -> Any:
    answers = answer if isinstance(answer, list) else [answer]
    for each in answers:
        each[key] = change(each.get(key))
    return answer


@pytest.mark.parametrize("name", FAULTS)
def test_a_node_that_only_fails_leaves_a_gap(reading: Reading, name: str) -> None:
    reading = reading.facing(name)
    reading.proxy.fail(FAULTS[name])
    report = reading.scene.follow()
    assert report.failure is not None
    assert report.transfers == 0
    assert covered(reading.scene.engine, reading.scene.creditor) == []
    assert reading.scene.assess(reading.debt).result is Result.UNDETERMINED
    reading.demand_safe()
    reading.demand_all()


HALF_WAY = (
    "drop", "half an answer", "half the JSON", "garbage", "an empty list", "429", "500", "an error",
    "an error that asks to wait", "100 MB", "stall", "null", "an empty object", "another id",
)  # fmt: skip


@pytest.mark.parametrize("name", HALF_WAY)
def test_a_node_that_fails_half_way_leaves_the_other_half(reading: Reading, name: str) -> None:
    """From the third range or so on, every question for logs fails."""
    reading = reading.facing(name)
    asked = iter(range(10_000))

    def later(exchange: faults.Exchange) -> None:
        (CAPPED if next(asked) < 7 else FAULTS[name])(exchange)

    reading.proxy.fail(lambda exchange: (later if b"eth_getLogs" in exchange.request else CAPPED)(exchange))
    report = reading.scene.follow()
    assert report.failure is not None
    (part,) = covered(reading.scene.engine, reading.scene.creditor)
    assert part.first == reading.first
    assert part.last < reading.final
    reading.demand_safe()
    # As far as it was read, it is known; beyond, it is not.
    found = reading.scene.assess(reading.debt)
    assert found.result is Result.PARTIAL
    whole = reading.scene.assess(reading.debt, as_of=AGREED_AT + 6 * DAY + 100)
    assert whole.result is Result.UNDETERMINED
    reading.demand_all()


ONCE = ("drop", "half an answer", "not HTTP", "429", "500", "an error that asks to wait")


@pytest.mark.parametrize("name", ONCE)
def test_what_passes_is_mended_by_a_retry(reading: Reading, name: str) -> None:
    """Every request fails the first time, and nothing is missing in the end."""
    seen: set[bytes] = set()

    def fails_once(exchange: faults.Exchange) -> None:
        is_first = exchange.request not in seen
        seen.add(exchange.request)
        (FAULTS[name] if is_first else CAPPED)(exchange)

    reading.proxy.fail(fails_once)
    report = reading.scene.follow()
    assert report.failure is None
    reading.demand_safe()
    assert stored(reading.scene.engine) == truth(
        reading.scene.node, reading.scene.parties, first=reading.first
    )


def test_a_node_that_is_down_and_comes_back(reading: Reading) -> None:
    reading.proxy.go_down()
    report = reading.scene.follow()
    assert report.failure is not None
    assert "no connection" in report.failure
    assert reading.scene.assess(reading.debt).result is Result.UNDETERMINED
    reading.proxy.listen()
    reading.demand_all()


def test_a_node_of_another_chain(reading: Reading) -> None:
    reading.proxy.fail(faults.wrong_chain_id)
    report = reading.scene.follow()
    assert report.failure is not None
    assert "serves chain 57005" in report.failure
    assert reading.scene.assess(reading.debt).result is Result.UNDETERMINED
    reading.demand_all()


SHAPES: dict[str, Callable[[Any], Any]] = {
    "final above the head": lambda block: {**block, "number": hex(int(block["number"], 16) + 1000)},
    "no hash": lambda block: {**block, "hash": None},
    "a short hash": lambda block: {**block, "hash": "0x1234"},
    "no parent": lambda block: {**block, "parentHash": None},
    "a time in another notation": lambda block: {**block, "timestamp": int(block["timestamp"], 16)},
    "a time beyond the calendar": lambda block: {**block, "timestamp": hex(2**60)},
    "another number": lambda block: {**block, "number": hex(int(block["number"], 16) ^ 1)},
    "another hash": lambda block: {**block, "hash": "0x" + "ab" * 32},
    "a list": lambda block: [block],
}


@pytest.mark.parametrize("name", SHAPES)
def test_blocks_that_are_none(reading: Reading, name: str) -> None:
    """Every block is told wrongly while the logs are true."""
    reading.proxy.fail(faults.altered_result("eth_getBlockByNumber", SHAPES[name]))
    report = reading.scene.follow()
    assert report.failure is not None
    assert covered(reading.scene.engine, reading.scene.creditor) == []
    assert reading.scene.assess(reading.debt).result is Result.UNDETERMINED


def test_the_same_on_postgresql(postgres_engine: Engine, token: Token) -> None:
    """One of each kind of fault, after the other, in one database."""
    scene = open_scene(postgres_engine, token.node, token=token)
    debt = scene.record_debt()
    with faulty_proxy(token.node) as proxy:
        reading = Reading(scene=scene.through(proxy.url, limits=PATIENT), proxy=proxy, debt=debt)
        for name in ("drop", "half the JSON", "429", "an error", "100 MB", "stall", "null"):
            proxy.fail(lies.since(6, FAULTS[name]))
            facing = reading.facing(name)
            assert facing.scene.follow().failure is not None
            facing.demand_safe()
        reading.demand_all()


def test_a_stalling_node_is_left_in_time(reading: Reading) -> None:
    """The range is halved from all blocks down to one, since fewer may be answered in time; then it ends."""
    reading.proxy.fail(lies.on_method("eth_getLogs", faults.stall))
    started = time.monotonic()
    report = reading.with_limits(SHORT).scene.follow()
    assert time.monotonic() - started < 7 * SHORT.timeout_seconds + 10
    assert report.failure is not None
    assert "no complete answer" in report.failure


def test_a_chain_without_nodes(reading: Reading) -> None:
    report = reading.scene.through().follow()
    assert report.failure == "no node is configured"
