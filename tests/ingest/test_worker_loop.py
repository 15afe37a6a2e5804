"""The worker: one chain's or one bundle's trouble keeps up no other, and it stops when it is told to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Engine

from app.db import reading
from app.debts.terms import Debt
from app.evidence import store as evidence_store
from app.evidence.service import Wanted, request_evidence
from app.ingest.ledger_model import coverage
from app.ingest.store.coverage import NATIVE, covered_blocks
from app.main import sealing_tools
from app.resources import Outside, Resources
from app.settings import Settings
from app.worker.loop import running, work_once
from chains.devnode import DevNode
from tests.ingest.judge import demand_truth
from tests.ingest.scene import (
    AGREED_AT,
    DAY,
    LIMITS,
    OPERATOR,
    Scene,
    count,
    covered,
    egress,
    open_scene,
    stage,
)
from tests.support import faulty_proxy as faults
from tests.support.anvil import anvil
from tests.support.faulty_proxy import FaultyProxy, faulty_proxy
from tests.support.token import Token

SOON = 10.0


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[dict[str, object]]]:
    """What the worker logs, kept from the test's output."""
    with structlog.testing.capture_logs() as captured:
        yield captured  # type: ignore[misc]


@pytest.fixture
def other(anvil_path: Path) -> Iterator[DevNode]:
    with anvil() as started:
        yield started


@pytest.fixture
def proxy(node: DevNode) -> Iterator[FaultyProxy]:
    with faulty_proxy(node) as started:
        yield started


def resources_of(scene: Scene, *, folder: Path, follow_seconds: float = 3600) -> Resources:
    settings = Settings(data_dir=folder / "data", follow_seconds=follow_seconds)
    return Resources(
        settings=settings, engine=scene.engine, outside=scene.outside, operator=OPERATOR, clock=scene.clock
    )


def play(scene: Scene) -> Debt:
    debt = scene.record_debt()
    scene.pay(1, at=AGREED_AT + DAY)
    scene.bury(4)
    return debt


def ask_for_bundle(scene: Scene, debt: Debt) -> str:
    with scene.engine.begin() as connection:
        return request_evidence(
            connection, actor=scene.actor, debt_id=debt.id, wanted=Wanted(), now=scene.clock()
        ).id


def state(scene: Scene, evidence_id: str) -> str:
    with reading(scene.engine) as connection:
        found = evidence_store.find(connection, tenant_id=scene.actor.tenant_id, evidence_id=evidence_id)
    assert found is not None
    return found.state


def wait_for(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SOON
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def workers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "worker"]


def refuse(engine: Engine, *, table: str, event: str, when: str) -> None:
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                f"CREATE TRIGGER refuse BEFORE {event} ON {table} WHEN {when} "
                "BEGIN SELECT RAISE(ABORT, 'refused by the test'); END"
            )
        )


def test_a_crash_in_one_chain_keeps_up_neither_others_nor_sealing(
    sqlite_engine: Engine,
    node: DevNode,
    token: Token,
    other: DevNode,
    tmp_path: Path,
    logs: list[dict[str, object]],
) -> None:
    in_turn = sorted((token, stage(other)), key=lambda each: each.node.chain_id)
    first, second = (open_scene(sqlite_engine, each.node, token=each) for each in in_turn)
    play(first)
    debt = play(second)
    wanted = ask_for_bundle(second, debt)
    # The database itself refuses what is read of the first chain: no ChainError, and nobody foresaw it.
    refuse(sqlite_engine, table="coverage", event="INSERT", when=f"NEW.chain_id = '{first.chain.id}'")
    outside = Outside(egress=egress([node.url, other.url]), limits=LIMITS)
    resources = resources_of(replace(second, outside=outside), folder=tmp_path)
    work_once(resources=resources, tools=sealing_tools(resources))
    assert covered(sqlite_engine, first.creditor) == covered(sqlite_engine, second.creditor)
    with reading(sqlite_engine) as connection:
        chains = set(connection.execute(sa.select(coverage.c.chain_id)).scalars())
    assert chains == {str(second.chain.id)}
    assert state(second, wanted) == "sealed"
    (crash,) = [entry for entry in logs if entry["log_level"] == "error"]
    assert (crash["event"], crash["chain"]) == ("reading failed", str(first.chain.id))


def test_a_bundle_that_crashes_keeps_up_no_other(
    sqlite_scene: Scene, tmp_path: Path, logs: list[dict[str, object]]
) -> None:
    scene = sqlite_scene
    debt = play(scene)
    poisoned, sound = ask_for_bundle(scene, debt), ask_for_bundle(scene, debt)
    refuse(scene.engine, table="evidence", event="UPDATE", when=f"NEW.id = '{poisoned}'")
    resources = resources_of(scene, folder=tmp_path)
    work_once(resources=resources, tools=sealing_tools(resources))
    assert (state(scene, poisoned), state(scene, sound)) == ("queued", "sealed")
    crashes = {(entry["event"], entry["evidence"]) for entry in logs if entry["log_level"] == "error"}
    assert crashes == {("sealing failed", poisoned)}


def test_a_chain_that_is_not_read_is_said(
    sqlite_scene: Scene, tmp_path: Path, proxy: FaultyProxy, logs: list[dict[str, object]]
) -> None:
    scene = sqlite_scene.through(proxy.url)
    proxy.go_down()
    resources = resources_of(scene, folder=tmp_path)
    work_once(resources=resources, tools=sealing_tools(resources))
    (entry,) = logs
    assert (entry["log_level"], entry["event"]) == ("warning", "chain not read")
    assert "no connection" in str(entry["failure"])


def test_waking_it_reads_at_once(sqlite_scene: Scene, tmp_path: Path, proxy: FaultyProxy) -> None:
    scene = sqlite_scene.through(proxy.url)
    resources = resources_of(scene, folder=tmp_path)
    with running(resources=resources, tools=sealing_tools(resources)) as worker:
        wait_for(lambda: len(proxy.requests) >= 4)
        time.sleep(0.1)
        play(scene)
        asked = len(proxy.requests)
        # An hour between two looks: it does nothing by itself.
        time.sleep(0.2)
        assert len(proxy.requests) == asked
        assert count(scene.engine, coverage) == 0
        worker.look()
        wait_for(lambda: covered(scene.engine, scene.creditor) != [])
    demand_truth(scene)
    assert workers() == []


def test_it_follows_by_itself(sqlite_scene: Scene, tmp_path: Path) -> None:
    scene = sqlite_scene
    resources = resources_of(scene, folder=tmp_path, follow_seconds=0.02)
    with running(resources=resources, tools=sealing_tools(resources)):
        play(scene)
        final = scene.node.block("finalized").number
        wait_for(lambda: any(part.last == final for part in covered(scene.engine, scene.creditor)))
        assert len(workers()) == 1
    assert workers() == []


def test_a_coin_that_no_node_tells_of_makes_no_token_wait(
    sqlite_engine: Engine,
    node: DevNode,
    token: Token,
    tmp_path: Path,
    proxy: FaultyProxy,
    logs: list[dict[str, object]],
) -> None:
    """It is asked for again, in longer and longer pauses; tokens are read as they come."""
    scene = open_scene(sqlite_engine, node, token=token, read_native=True).through(proxy.url)

    def no_coin(exchange: faults.Exchange) -> None:
        if b"trace" in exchange.request or b"true]" in exchange.request:
            return exchange.send(b"<html>", status=200)
        return exchange.send_json(exchange.truth())

    def is_asked_again() -> bool:
        return sum(b"trace" in request for request in proxy.requests) >= 6

    proxy.fail(no_coin)
    play(scene)
    resources = resources_of(scene, folder=tmp_path, follow_seconds=0.02)
    with running(resources=resources, tools=sealing_tools(resources)):
        wait_for(is_asked_again)
        scene.pay(3)
        scene.bury(3)
        final = scene.node.block("finalized").number
        wait_for(lambda: any(part.last == final for part in covered(scene.engine, scene.creditor)))
        assert not any(entry["event"] == "chain not read" for entry in logs)
        # The same words again and again are one line.
        assert sum(entry["event"] == "native coin not read" for entry in logs) == 1
        proxy.heal()
        wait_for(lambda: coin_read_to(scene) == final)


def coin_read_to(scene: Scene) -> int | None:
    with reading(scene.engine) as connection:
        found = covered_blocks(connection, chain_id=scene.chain.id, kind=NATIVE, addresses=[scene.creditor])[
            scene.creditor
        ]
    return found[-1].last if found else None


def test_a_crash_does_not_end_it(sqlite_scene: Scene, tmp_path: Path, logs: list[dict[str, object]]) -> None:
    """The database is taken away and comes back, while it runs."""
    scene = sqlite_scene
    play(scene)
    with scene.engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE chain RENAME TO chain_away"))
    resources = resources_of(scene, folder=tmp_path, follow_seconds=0.02)
    with running(resources=resources, tools=sealing_tools(resources)):
        wait_for(lambda: sum(entry["event"] == "work failed" for entry in logs) >= 2)
        with scene.engine.begin() as connection:
            connection.execute(sa.text("ALTER TABLE chain_away RENAME TO chain"))
        wait_for(lambda: covered(scene.engine, scene.creditor) != [])
    assert workers() == []


def stop_seconds(resources: Resources, *, after: float) -> float:
    with running(resources=resources, tools=sealing_tools(resources)):
        time.sleep(after)
        started = time.monotonic()
    return time.monotonic() - started


def test_it_stops_at_once_whenever_it_is_told(sqlite_scene: Scene, tmp_path: Path) -> None:
    """Told while idle, at work, or just before it looks: never does it sleep its hour first."""
    resources = resources_of(sqlite_scene, folder=tmp_path)
    slowest = max(stop_seconds(resources, after=number * 0.0004) for number in range(60))
    assert slowest < 5
    assert workers() == []


def test_it_stops_in_the_middle_of_a_long_reading(
    sqlite_scene: Scene, tmp_path: Path, proxy: FaultyProxy
) -> None:
    """With the range that is being read; the rest is there for the next start."""
    scene = sqlite_scene
    play(scene)
    scene.bury(120)
    capped = faults.capped_range(1, "the block range is limited to 1")

    def slow(exchange: faults.Exchange) -> None:
        time.sleep(0.02)
        capped(exchange)

    proxy.fail(slow)
    scene = scene.through(proxy.url)
    resources = resources_of(scene, folder=tmp_path)
    with running(resources=resources, tools=sealing_tools(resources)):
        wait_for(lambda: len(covered(scene.engine, scene.creditor)) == 1)
        started = time.monotonic()
    assert time.monotonic() - started < 3
    assert workers() == []
    (part,) = covered(scene.engine, scene.creditor)
    assert part.last < scene.node.block("finalized").number
    demand_truth(scene)
    proxy.heal()
    assert scene.follow().failure is None
    demand_truth(scene)


def test_it_stops_before_a_node_that_holds_it(
    sqlite_scene: Scene, tmp_path: Path, proxy: FaultyProxy
) -> None:
    """No later than the one request that it waits for, whose time is limited."""
    scene = sqlite_scene.through(proxy.url, limits=replace(LIMITS, timeout_seconds=0.5))
    play(scene)
    proxy.fail(faults.stall)
    resources = resources_of(scene, folder=tmp_path)
    with running(resources=resources, tools=sealing_tools(resources)):
        wait_for(lambda: proxy.requests != [])
        started = time.monotonic()
    assert time.monotonic() - started < 5
    assert workers() == []
