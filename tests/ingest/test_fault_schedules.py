"""Sixty random schedules of faults, several passes each: the store never differs from the chain unseen.

Each schedule is drawn from its number alone, so that a failure can be played again. Left out are the lies
of one node that no single answer contradicts: a log that is hidden, or a list that is cut off, without more.
Those are the reading of several nodes, and the proof of completeness.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest
from sqlalchemy.engine import Engine

from app.assessment.values import Result
from chains.devnode import DevNode
from chains.rpc import RpcLimits
from tests.ingest import lies
from tests.ingest.judge import demand_honest, demand_no_blind_spot, demand_truth
from tests.ingest.scene import DAY, first_of_window, open_scene, stage, stored, truth
from tests.support import faulty_proxy as faults
from tests.support.anvil import GENESIS_AT, anvil
from tests.support.faulty_proxy import Fault, faulty_proxy
from tests.support.token import Token

SCHEDULES = 60
PASSES_MAX = 4
LIMITS = RpcLimits(
    timeout_seconds=0.2,
    connect_seconds=0.2,
    attempts=3,
    answer_bytes_max=200_000,
    retry_wait_seconds=0.001,
    retry_wait_seconds_max=0.01,
    total_seconds=1,
)
PATIENT = replace(LIMITS, timeout_seconds=20, total_seconds=60)
OTHER_HASH = "0x" + "cd" * 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One chain for all schedules, and another one that nodes confuse with it."""

    token: Token
    other: DevNode

    @property
    def node(self) -> DevNode:
        return self.token.node


@pytest.fixture(scope="module")
def stages(module_node: DevNode) -> Iterator[Stage]:
    """A week of payments and others, in sixty blocks, some of them in one second."""
    token = stage(module_node)
    _, creditor, debtor, stranger, *_ = module_node.accounts()
    chance = random.Random("the chain")
    pairs = [(debtor, creditor), (creditor, debtor), (stranger, creditor), (debtor, stranger)]
    module_node.mine(1, seconds_apart=DAY)
    for number in range(24):
        at = module_node.block().time + chance.choice([0, 1, DAY // 4])
        sender, to = chance.choice(pairs)
        token.transfer(sender=sender, to=to, units=1 + number, at=at)
        module_node.mine(chance.randrange(3), seconds_apart=chance.choice([0, 60]))
    module_node.mine(4, seconds_apart=600)
    with anvil(timestamp=GENESIS_AT + 5) as other:
        other.mine(120, seconds_apart=DAY // 8)
        yield Stage(token=token, other=other)


def of_blocks(fault: Fault) -> Fault:
    """An answer about logs alone, from elsewhere or of another time, can't be told from a true one."""
    return lambda exchange: (faults.pass_on if b"eth_getLogs" in exchange.request else fault)(exchange)


def once(stage: Stage) -> list[tuple[int, Fault]]:
    """Faults of single answers, each with its weight."""
    every_block = range(200)
    return [
        (6, faults.drop),
        (3, faults.half_answer),
        (3, faults.half_json),
        (2, faults.not_http),
        (3, faults.body(b"garbage")),
        (2, faults.body(b"[]")),
        (6, faults.status(429)),
        (3, faults.status(500)),
        (2, faults.status(404)),
        (6, faults.rpc_error(-32000, "header not found")),
        (3, faults.rpc_error(-32005, "rate limited")),
        (2, faults.rpc_error(-32005, "query returned more than 10000 results")),
        (1, faults.flood(5_000_000, announced=False)),
        (1, faults.stall),
        (2, faults.wrong_chain_id),
        (3, faults.altered_result("eth_getBlockByNumber", lambda _: None)),
        (2, faults.altered_result("eth_getBlockByNumber", lambda block: {**block, "hash": OTHER_HASH})),
        (2, of_blocks(lies.shifted_time(every_block, seconds=400 * DAY))),
        (2, lies.logs_changed(lambda logs: [{**log, "blockHash": OTHER_HASH} for log in logs])),
        (2, lies.logs_changed(lambda logs: [*logs, {"topics": []}])),
        (2, lies.logs_changed(lambda logs: [{**log, "removed": True} for log in logs])),
        (4, lies.logs_changed(lambda logs: logs[::-1])),
        (4, lies.logs_changed(lambda logs: [*logs, *logs])),
        (3, of_blocks(lies.answered_by(stage.other))),
    ]


def schedule(seed: int, stage: Stage) -> tuple[Fault, Callable[[], None]]:
    """What the node does, request by request, and a call that begins the next pass."""
    chance = random.Random(seed)
    weights, kinds = zip(*once(stage), strict=True)
    rate = chance.choice([0.03, 0.1, 0.3])
    capped = faults.capped_range(chance.choice([3, 7, 20]), "the block range is limited to 7")
    final = stage.node.block("finalized").number
    state: dict[str, Fault | int] = {}

    def next_pass() -> None:
        # In some passes the node falls back, or turns to another chain, from one request to the end.
        state["from"] = chance.randrange(2, 60)
        state["lasting"] = chance.choice(
            [capped, capped, lies.lagging(chance.randrange(1, final)), lies.answered_by(stage.other)]
        )

    def fault(exchange: faults.Exchange) -> None:
        begun = state["from"]
        assert isinstance(begun, int)
        state["from"] = begun - 1
        if begun <= 0:
            lasting = state["lasting"]
            assert callable(lasting)
            lasting(exchange)
        elif chance.random() < rate:
            chance.choices(kinds, weights)[0](exchange)
        else:
            capped(exchange)

    next_pass()
    return fault, next_pass


@pytest.mark.parametrize("seed", range(SCHEDULES))
def test_the_store_is_the_chain_or_says_what_it_lacks(
    seed: int, stages: Stage, sqlite_engine: Engine
) -> None:
    node = stages.node
    first = first_of_window(node)
    final = node.block("finalized").number
    with faulty_proxy(node) as proxy:
        scene = open_scene(sqlite_engine, node, token=stages.token)
        debt = scene.record_debt()
        patient = scene.through(proxy.url, limits=PATIENT)
        scene = scene.through(proxy.url, limits=LIMITS)
        fault, next_pass = schedule(seed, stages)
        for _ in range(PASSES_MAX):
            proxy.fail(fault)
            report = scene.follow()
            demand_truth(scene)
            demand_honest(scene, debt)
            demand_no_blind_spot(scene, debt, first=first, last=final - 1)
            if report.failure is None:
                break
            next_pass()
        proxy.heal()
        assert patient.follow().failure is None
        assert stored(sqlite_engine) == truth(node, scene.parties, first=first)
        assert demand_honest(patient, debt).result is Result.PARTIAL
        demand_no_blind_spot(patient, debt, first=first, last=final - 1)
        assert demand_honest(patient, debt, as_of=node.block(final).time - 1).result is Result.PARTIAL
