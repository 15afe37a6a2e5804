"""Several nodes on which block is final, and where a window begins: no one of them decides it alone."""

from __future__ import annotations

import json

from app.assessment.values import Result
from app.db import reading
from app.debts.terms import Debt
from app.ingest.ledger_model import coverage
from app.ingest.store.disagreements import Disagreement, disagreements
from tests.ingest import lies
from tests.ingest.conftest import Proxies
from tests.ingest.judge import demand_truth
from tests.ingest.lies import UNHASHED, unhashed
from tests.ingest.scene import (
    AGREED_AT,
    DAY,
    Scene,
    count,
    covered,
    first_of_window,
    stored,
    truth,
)
from tests.support import faulty_proxy as faults
from tests.support.faulty_proxy import Exchange

OTHER_HASH = "0x" + "cd" * 32


def play(scene: Scene) -> Debt:
    """Three payments in the window, a day apart."""
    debt = scene.record_debt()
    for day, units in ((1, 1), (2, 2), (3, 4)):
        scene.pay(units, at=AGREED_AT + day * DAY)
        scene.bury(2)
    scene.bury(2)
    return debt


def on_record(scene: Scene) -> list[Disagreement]:
    with reading(scene.engine) as connection:
        return disagreements(connection, chain_id=scene.chain.id)


def demand_whole(scene: Scene) -> None:
    demand_truth(scene)
    first = first_of_window(scene.node)
    assert stored(scene.engine) == truth(scene.node, scene.parties, first=first)
    (part,) = covered(scene.engine, scene.creditor)
    assert (part.first, part.last) == (first, scene.node.block("finalized").number)


def test_the_final_block_is_one_that_enough_have(sqlite_scene: Scene, proxies: Proxies) -> None:
    """The first tells another final block: that keeps the two others from nothing."""
    three = [proxies() for _ in range(3)]
    scene = sqlite_scene.through(*(each.url for each in three), agreement=2)
    play(scene)
    three[0].fail(faults.altered_result("eth_getBlockByNumber", lambda block: {**block, "hash": OTHER_HASH}))
    assert scene.follow().failure is None
    demand_whole(scene)
    (found,) = on_record(scene)
    assert found.kind == "chain"
    assert three[0].url in found.detail


def test_two_of_which_each_calls_another_block_final(sqlite_scene: Scene, proxies: Proxies) -> None:
    pair = proxies(), proxies()
    scene = sqlite_scene.through(*(each.url for each in pair), agreement=2)
    debt = play(scene)
    pair[0].fail(faults.altered_result("eth_getBlockByNumber", lambda block: {**block, "hash": OTHER_HASH}))
    report = scene.follow()
    assert report.failure is not None
    assert "disagree" in report.failure
    assert [found.kind for found in on_record(scene)] == ["chain"]
    assert scene.assess(debt).result is Result.UNDETERMINED
    assert count(scene.engine, coverage) == 0
    pair[0].heal()
    assert scene.follow().failure is None
    demand_whole(scene)


def test_one_that_calls_more_final_is_not_followed(sqlite_scene: Scene, proxies: Proxies) -> None:
    """Final is what enough nodes call final: one that says so of its head alone moves nothing."""
    pair = proxies(), proxies()
    scene = sqlite_scene.through(*(each.url for each in pair), agreement=2)
    play(scene)
    head = scene.node.block()

    def eager(exchange: Exchange) -> None:
        exchange.asked = json.loads(exchange.request.replace(b'"finalized"', b'"latest"'))
        exchange.request = json.dumps(exchange.asked).encode()
        faults.pass_on(exchange)

    pair[0].fail(eager)
    report = scene.follow()
    assert (report.failure, report.final_block) == (None, head.number - 2)
    demand_whole(scene)


def test_where_the_window_begins_takes_both(sqlite_scene: Scene, proxies: Proxies) -> None:
    """One that moves the start by telling false times does so alone, even where no header is hashed."""
    pair = proxies(), proxies()
    scene = sqlite_scene.through(*(each.url for each in pair), agreement=2)
    play(scene)
    first = first_of_window(scene.node)
    pair[1].fail(UNHASHED)
    pair[0].fail(unhashed(lies.same_time(set(range(first, first + 3)), at=AGREED_AT - 1)))
    assert scene.follow().failure is not None
    assert covered(scene.engine, scene.creditor) == []
    demand_truth(scene)
