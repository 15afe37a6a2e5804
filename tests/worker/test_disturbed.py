"""Workers that are killed, stopped, raced, or lose their node or their database: the rows are the same."""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from app.db import database_now, make_engine, reading, upgrade
from app.debts.terms import Debt
from app.evidence.service import Wanted, get_evidence, request_evidence
from app.ingest.model import chain_lease
from app.ingest.store.assets import unnamed_contracts
from app.ingest.store.coverage import read_through
from chains.devnode import DevNode
from tests.ingest.judge import demand_truth
from tests.ingest.scene import AGREED_AT, DAY, Scene, covered, open_scene
from tests.support.faulty_proxy import Exchange, FaultyProxy, faulty_proxy, pass_on
from tests.support.postgres import own_server
from tests.support.token import Token
from tests.worker.conftest import slowed
from tests.worker.crew import Crew, crew_of, wait_until
from tests.worker.rows import rows_of


def play(scene: Scene, *, payments: int, at: int = AGREED_AT + DAY) -> None:
    """Payments, each in a block of its own, an hour apart."""
    for number in range(payments):
        scene.pay(1 + number, at=at + 3600 * number)


def is_read(scene: Scene) -> bool:
    with reading(scene.engine) as connection:
        # Names come last in a pass.
        unnamed = unnamed_contracts(connection, chain_id=scene.chain.id, limit=1)
        end = read_through(connection, scene.chain.id)
    return end == scene.node.block("finalized").number and not unnamed


def demand_same(scene: Scene, undisturbed: Scene) -> None:
    assert undisturbed.follow().failure is None
    assert rows_of(scene.engine) == rows_of(undisturbed.engine)
    demand_truth(scene)


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_at_random_moments(
    crew: Crew, scene: Scene, undisturbed: Scene, proxy: FaultyProxy, seed: int
) -> None:
    chance = random.Random(seed)
    for each in (scene, undisturbed):
        each.record_debt()
    play(scene, payments=6)
    slowed(proxy)
    working = [crew.start(), crew.start()]
    for turn in range(5):
        time.sleep(chance.uniform(0.05, 0.8))
        working.pop(chance.randrange(2)).kill()
        working.append(crew.start())
        play(scene, payments=2, at=AGREED_AT + (2 + turn) * DAY)
    scene.bury(3)
    wait_until(lambda: is_read(scene), crew=crew)
    demand_same(scene, undisturbed)


def test_two_that_start_at_once(
    crew: Crew, scene: Scene, undisturbed: Scene, proxy: FaultyProxy, engine: Engine
) -> None:
    """Each block is read once, though both want to read it."""
    for each in (scene, undisturbed):
        each.record_debt()
    play(scene, payments=10)
    scene.bury(3)
    slowed(proxy, blocks=1)
    crew.start()
    crew.start()
    wait_until(lambda: is_read(scene), crew=crew)
    demand_same(scene, undisturbed)
    with reading(engine) as connection:
        assert connection.scalar(sa.select(chain_lease.c.epoch)) == 1


class Held:
    """Keeps back the first answer with logs that comes `when` it should, until it is let go."""

    def __init__(self, proxy: FaultyProxy, *, when: Callable[[], bool] = lambda: True) -> None:
        self.reached, self.released = threading.Event(), threading.Event()
        self._when = when
        proxy.fail(self._hold)

    def _hold(self, exchange: Exchange) -> None:
        if b"eth_getLogs" in exchange.request and not self.reached.is_set() and self._when():
            self.reached.set()
            self.released.wait(20)
        pass_on(exchange)


def is_writable(engine: Engine) -> bool:
    if engine.dialect.name != "sqlite":
        return True
    connection = sqlite3.connect(str(engine.url.database), timeout=0.2, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
    except sqlite3.OperationalError:
        return False
    finally:
        connection.close()
    return True


def test_a_sleeper_that_wakes_writes_nothing(
    crew: Crew, scene: Scene, undisturbed: Scene, proxy: FaultyProxy, engine: Engine
) -> None:
    """Stopped with an answer on its way; another one reads everything; then it gets the answer."""
    for each in (scene, undisturbed):
        each.record_debt()
    play(scene, payments=4)
    scene.bury(3)
    held = Held(proxy)
    sleeper = crew.start()
    assert held.reached.wait(30), crew.said()
    sleeper.stop()
    while not is_writable(engine):
        # Stopped in the middle of renewing its lease, it would keep everybody from writing.
        sleeper.go_on()
        time.sleep(0.01)
        sleeper.stop()
    assert covered(engine, scene.creditor) == []
    other = crew.start()
    wait_until(lambda: is_read(scene), crew=crew)
    before = rows_of(engine)
    held.released.set()
    sleeper.go_on()
    wait_until(lambda: "lease was lost" in sleeper.said(), crew=crew)
    assert rows_of(engine) == before
    demand_same(scene, undisturbed)
    # It is as good as new: when the other one dies, it goes on.
    other.kill()
    play(scene, payments=1, at=AGREED_AT + 3 * DAY)
    scene.bury(3)
    wait_until(lambda: is_read(scene), crew=crew)
    demand_same(scene, undisturbed)


def test_the_node_goes_away_and_comes_back(
    crew: Crew, scene: Scene, undisturbed: Scene, proxy: FaultyProxy
) -> None:
    for each in (scene, undisturbed):
        each.record_debt()
    play(scene, payments=8)
    scene.bury(3)
    slowed(proxy, blocks=1, seconds=0.02)
    crew.start()
    wait_until(lambda: covered(scene.engine, scene.creditor) != [], crew=crew)
    proxy.go_down()
    play(scene, payments=2, at=AGREED_AT + 3 * DAY)
    scene.bury(3)
    wait_until(lambda: "chain not read" in crew.said(), crew=crew)
    proxy.listen()
    wait_until(lambda: is_read(scene), crew=crew)
    demand_same(scene, undisturbed)


def test_told_to_end_it_ends_with_the_range_it_reads(
    crew: Crew, scene: Scene, undisturbed: Scene, proxy: FaultyProxy, engine: Engine
) -> None:
    for each in (scene, undisturbed):
        each.record_debt()
    play(scene, payments=4)
    scene.bury(60)
    slowed(proxy, blocks=1, seconds=0.03)
    first = crew.start()
    wait_until(lambda: covered(scene.engine, scene.creditor) != [], crew=crew)
    started = time.monotonic()
    assert first.end() == 0, crew.said()
    assert time.monotonic() - started < 5
    assert not is_read(scene)
    demand_truth(scene)
    proxy.heal()
    with engine.begin() as connection:
        # It was given back: nobody has to wait until it ends.
        ends_at = connection.execute(sa.select(chain_lease.c.expires_at)).scalar_one()
        assert ends_at <= database_now(connection)
    crew.start()
    wait_until(lambda: is_read(scene), crew=crew)
    demand_same(scene, undisturbed)


def test_what_becomes_final_is_there_within_a_moment(
    url: str, engine: Engine, node: DevNode, token: Token, tmp_path: Path
) -> None:
    """With the usual setting: two looks a second. The bound leaves room for a busy machine."""
    scene = open_scene(engine, node, token=token)
    scene.record_debt()
    play(scene, payments=1)
    scene.bury(3)
    usual = {"QUITTANCE_FOLLOW_SECONDS": "0.5"}
    with crew_of(database_url=url, folder=tmp_path, allow=(f"127.0.0.1:{node.port}",), **usual) as crew:
        crew.start()
        wait_until(lambda: is_read(scene), crew=crew)
        took = []
        for day in range(4):
            play(scene, payments=1, at=AGREED_AT + (5 + day) * DAY)
            scene.bury(2)
            took.append(wait_until(lambda: is_read(scene), crew=crew))
    assert min(took) < 1
    assert max(took) < 5


def seal_one(scene: Scene, debt: Debt, *, crew: Crew) -> None:
    with scene.engine.begin() as connection:
        asked = request_evidence(
            connection, actor=scene.actor, debt_id=debt.id, wanted=Wanted(), now=scene.clock()
        )

    def state() -> str:
        with reading(scene.engine) as connection:
            return get_evidence(connection, tenant_id=asked.tenant_id, evidence_id=asked.id).state

    wait_until(lambda: state() == "sealed", crew=crew)


def test_the_database_is_stopped_and_started(tmp_path: Path, node: DevNode, token: Token) -> None:
    """In the middle of reading; the worker waits for it, and goes on."""
    with own_server() as server, faulty_proxy(node) as proxy:
        upgrade(server.url)
        engine = make_engine(server.url)
        scene = open_scene(engine, node, token=token).through(proxy.url)
        debt = scene.record_debt()
        play(scene, payments=4)
        scene.bury(20)
        slowed(proxy, blocks=1, seconds=0.02)
        with crew_of(database_url=server.url, folder=tmp_path, allow=(f"127.0.0.1:{proxy.port}",)) as crew:
            crew.start()
            wait_until(lambda: covered(engine, scene.creditor) != [], crew=crew)
            seal_one(scene, debt, crew=crew)
            scene.bury(20)
            server.stop()
            time.sleep(0.5)
            engine.dispose()
            server.start()
            assert not is_read(scene)
            wait_until(lambda: is_read(scene), crew=crew)
            assert "put off" in crew.said()
            # Its jobs have survived it, too.
            seal_one(scene, debt, crew=crew)
        rows_of(engine)
        demand_truth(scene)
        engine.dispose()
