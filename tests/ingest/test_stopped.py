"""A chain that was replaced beyond finality: it is stopped by name, loudly, until a node agrees again."""

from __future__ import annotations

import pytest
import structlog

from app.assessment.values import Result
from app.db import make_engine, reading
from app.debts.terms import Debt
from app.ingest.follow import follow_chain
from app.ingest.gaps import gaps_of
from app.ingest.ledger_model import coverage, provisional_block
from app.ingest.model import block, transfer
from app.ingest.store.chains import nodes
from app.ingest.store.disagreements import Disagreement, disagreements
from app.ingest.store.reading import ChainReading, reading_of_chain
from tests.ingest import lies
from tests.ingest.conftest import Proxies
from tests.ingest.judge import demand_truth
from tests.ingest.scene import AGREED_AT, DAY, Scene, count, covered, stored
from tests.support import faulty_proxy as faults
from tests.support.faulty_proxy import Fault

OTHER_HASH = "0x" + "ab" * 32
FACTS = (block, transfer, coverage)


def state(scene: Scene) -> ChainReading:
    with reading(scene.engine) as connection:
        return reading_of_chain(connection, scene.chain.id)


def on_record(scene: Scene) -> list[Disagreement]:
    with reading(scene.engine) as connection:
        return disagreements(connection, chain_id=scene.chain.id)


def facts(scene: Scene) -> tuple[object, ...]:
    rows = [count(scene.engine, table) for table in FACTS]
    return (*rows, stored(scene.engine), covered(scene.engine, scene.creditor))


def read_and_replace(scene: Scene) -> Debt:
    """Two payments are final and read; then the second one's block gives way to another."""
    debt = scene.record_debt()
    scene.pay(1, at=AGREED_AT + DAY)
    fork = scene.node.snapshot()
    scene.pay(2, at=AGREED_AT + 2 * DAY)
    scene.bury(6)
    assert scene.follow().failure is None
    scene.node.revert(fork)
    scene.pay(4, at=AGREED_AT + 2 * DAY)
    scene.bury(12)
    return debt


def test_it_is_stopped_and_everything_says_so(scene: Scene) -> None:
    debt = read_and_replace(scene)
    before = facts(scene)
    scene.clock.advance(60)
    with structlog.testing.capture_logs() as logs:
        report = scene.follow()
    assert report.failure is not None
    assert "is stopped" in report.failure
    assert facts(scene) == before
    stopped = state(scene)
    assert stopped.stopped_at == scene.clock()
    assert stopped.stopped_reason is not None
    assert "though it was final" in stopped.stopped_reason
    loud = [entry for entry in logs if entry["log_level"] == "error"]
    assert [(entry["event"], entry["chain"]) for entry in loud] == [("chain stopped", str(scene.chain.id))]
    assert [found.kind for found in on_record(scene)] == ["chain"]
    # Also what was read before is not relied on: which of the two chains is the true one is open.
    found = scene.assess(debt, as_of=AGREED_AT + DAY + 600)
    assert found.result is Result.UNDETERMINED
    reasons = [gap.reason for row in found.facts.scope for gap in row.gaps]
    assert any(reason.startswith("reading is stopped: ") for reason in reasons)
    with reading(scene.engine) as connection:
        gaps = gaps_of(connection, chain=scene.chain)
    assert all(gap.reason.startswith("reading is stopped") for gap in gaps)


def test_a_restart_finds_it_stopped(scene: Scene) -> None:
    read_and_replace(scene)
    scene.follow()
    stopped, before = state(scene), facts(scene)
    scene.clock.advance(60)
    fresh = make_engine(scene.engine.url.render_as_string(hide_password=False))
    try:
        with structlog.testing.capture_logs() as logs:
            report = follow_chain(engine=fresh, chain=scene.chain, outside=scene.outside, clock=scene.clock)
    finally:
        fresh.dispose()
    assert report.failure is not None
    assert "is stopped" in report.failure
    # It says so in each report, but is loud once; the first reason and time stand.
    assert [entry for entry in logs if entry["log_level"] == "error"] == []
    assert state(scene) == stopped
    assert facts(scene) == before
    assert len(on_record(scene)) == 1


def test_nothing_provisional_is_read_either(sqlite_scene: Scene) -> None:
    scene = sqlite_scene
    read_and_replace(scene)
    before = count(scene.engine, provisional_block)
    scene.follow()
    assert count(scene.engine, provisional_block) == before


def test_it_stays_stopped_while_no_node_answers(sqlite_scene: Scene, proxies: Proxies) -> None:
    scene = sqlite_scene
    read_and_replace(scene)
    scene.follow()
    stopped = state(scene)
    proxy = proxies()
    scene = scene.through(proxy.url)
    proxy.go_down()
    report = scene.follow()
    assert report.failure is not None
    assert "is stopped" in report.failure
    assert state(scene) == stopped


def denying() -> Fault:
    """A node on another chain: each of its blocks has another hash."""
    return faults.altered_result("eth_getBlockByNumber", lambda block: {**block, "hash": OTHER_HASH})


def open_read(scene: Scene) -> Debt:
    debt = scene.record_debt()
    scene.pay(1, at=AGREED_AT + DAY)
    scene.bury(4)
    assert scene.follow().failure is None
    return debt


def test_it_is_read_on_when_a_node_agrees_with_the_record(sqlite_scene: Scene, proxies: Proxies) -> None:
    proxy = proxies()
    scene = sqlite_scene.through(proxy.url)
    debt = open_read(scene)
    proxy.fail(denying())
    assert scene.follow().failure is not None
    assert state(scene).stopped_at is not None
    assert scene.assess(debt).result is Result.UNDETERMINED
    proxy.heal()
    scene.pay(2, at=AGREED_AT + 3 * DAY)
    scene.bury(3)
    with structlog.testing.capture_logs() as logs:
        assert scene.follow().failure is None
    assert any("read on" in str(entry["event"]) for entry in logs)
    assert (state(scene).stopped_at, state(scene).stopped_reason) == (None, None)
    demand_truth(scene)
    assert {each.amount_units for each in stored(scene.engine)} == {1, 2}
    assert scene.assess(debt).result is Result.PARTIAL
    # What happened stays on record.
    assert [found.kind for found in on_record(scene)] == ["chain"]


@pytest.mark.parametrize("denier", [0, 1])
def test_one_of_two_does_not_stop_it(sqlite_scene: Scene, proxies: Proxies, denier: int) -> None:
    pair = proxies(), proxies()
    scene = sqlite_scene.through(*(each.url for each in pair))
    debt = open_read(scene)
    scene.pay(2, at=AGREED_AT + 3 * DAY)
    scene.bury(3)
    pair[denier].fail(denying())
    report = scene.follow()
    assert report.failure is None
    assert state(scene).stopped_at is None
    demand_truth(scene)
    assert {each.amount_units for each in stored(scene.engine)} == {1, 2}
    (found,) = on_record(scene)
    assert found.kind == "chain"
    assert pair[denier].url in found.detail
    with reading(scene.engine) as connection:
        errors = [node.last_error for node in nodes(connection, scene.chain.id)]
    assert [error is not None for error in errors] == [at == denier for at in range(2)]
    assert scene.assess(debt).result is Result.PARTIAL


def test_one_of_two_that_have_to_agree_leaves_a_gap(sqlite_scene: Scene, proxies: Proxies) -> None:
    """Not stopped, since the other one agrees with the record; but nothing new is believed either."""
    pair = proxies(), proxies()
    scene = sqlite_scene.through(*(each.url for each in pair), agreement=2)
    open_read(scene)
    before = facts(scene)
    scene.bury(3)
    pair[0].fail(denying())
    report = scene.follow()
    assert report.failure is not None
    assert "1 of the 2 nodes that have to agree" in report.failure
    assert state(scene).stopped_at is None
    assert facts(scene) == before


def test_one_denies_and_the_other_is_away(sqlite_scene: Scene, proxies: Proxies) -> None:
    """Every node that answers denies the record: stopped, until the other one is back."""
    pair = proxies(), proxies()
    scene = sqlite_scene.through(*(each.url for each in pair))
    open_read(scene)
    pair[0].fail(denying())
    pair[1].go_down()
    scene.follow()
    assert state(scene).stopped_at is not None
    pair[1].listen()
    assert scene.follow().failure is None
    assert state(scene).stopped_at is None


def test_a_node_that_only_lags_or_fails_stops_nothing(sqlite_scene: Scene, proxies: Proxies) -> None:
    proxy = proxies()
    scene = sqlite_scene.through(proxy.url)
    open_read(scene)
    final = scene.node.block("finalized").number
    for fault in (faults.drop, lies.lagging(final - 3), faults.wrong_chain_id, faults.status(500)):
        proxy.fail(fault)
        assert scene.follow().failure is not None
        assert state(scene).stopped_at is None
    assert on_record(scene) == []
