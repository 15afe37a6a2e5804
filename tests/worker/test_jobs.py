"""Jobs in real workers: sealed once, whoever is killed or stopped meanwhile; repairs that are asked for."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from app.db import reading
from app.debts.terms import Debt
from app.evidence.model import evidence as evidence_table
from app.evidence.service import Wanted, get_evidence, request_evidence
from app.evidence.store import Evidence
from app.jobs.store import Job, find_job
from app.verifier.verdict import CONDITIONAL
from tests.ingest.scene import AGREED_AT, DAY, Scene, covered
from tests.journeys.sealer import verdict_on
from tests.support.faulty_proxy import FaultyProxy
from tests.worker.conftest import slowed
from tests.worker.crew import SECONDS_MAX, Crew, wait_until
from tests.worker.test_disturbed import Held, demand_same, is_read, is_writable, play


@pytest.fixture
def crew(crew: Crew) -> Crew:
    """The first job loads DBOS, which on a busy machine must not be taken for a death."""
    crew.settings["QUITTANCE_LEASE_SECONDS"] = "3"
    return crew


@pytest.fixture
def debt(scene: Scene) -> Debt:
    debt = scene.record_debt()
    play(scene, payments=3)
    scene.node.set_next_block_time(AGREED_AT + 31 * DAY)
    scene.bury(5)
    return debt


def ask(scene: Scene, debt: Debt) -> str:
    with scene.engine.begin() as connection:
        row = request_evidence(
            connection, actor=scene.actor, debt_id=debt.id, wanted=Wanted(), now=scene.clock()
        )
    return row.id


def evidence(scene: Scene, evidence_id: str) -> Evidence:
    with reading(scene.engine) as connection:
        return get_evidence(connection, tenant_id=scene.actor.tenant_id, evidence_id=evidence_id)


def job_of(scene: Scene, job_id: str) -> Job:
    with reading(scene.engine) as connection:
        found = find_job(connection, tenant_id=scene.actor.tenant_id, job_id=job_id)
    assert found is not None
    return found


def is_sealing(scene: Scene) -> bool:
    """Not a pass over the chain, which asks for logs too."""
    with reading(scene.engine) as connection:
        running = sa.select(evidence_table.c.id).where(evidence_table.c.state == "running")
        return connection.execute(running).first() is not None


def is_over(scene: Scene, job_id: str) -> bool:
    return not job_of(scene, job_id).is_open


def demand_sealed(scene: Scene, evidence_id: str, *, folder: Path, attempt: int) -> None:
    """One bundle, which verifies; and nothing beside it that nobody vouches for."""
    row, done = evidence(scene, evidence_id), job_of(scene, evidence_id)
    assert (row.state, row.failure) == ("sealed", None)
    assert (done.state, done.attempt) == ("done", attempt)
    assert verdict_on(row).exit_code == CONDITIONAL
    left = sorted(path.name for path in (folder / "data" / "evidence").rglob("*") if path.is_file())
    assert left == ["case.json", f"quittance-{evidence_id}.zip"]


def test_what_is_asked_for_at_once_is_sealed_after_it_was_read(
    crew: Crew, scene: Scene, debt: Debt, tmp_path: Path
) -> None:
    """The request was there before anybody read the chain."""
    evidence_id = ask(scene, debt)
    crew.start()
    wait_until(lambda: is_over(scene, evidence_id), crew=crew)
    demand_sealed(scene, evidence_id, folder=tmp_path, attempt=1)


def test_two_workers_seal_each_bundle_once(crew: Crew, scene: Scene, debt: Debt, tmp_path: Path) -> None:
    asked = [ask(scene, debt) for _ in range(4)]
    crew.start()
    crew.start()
    wait_until(lambda: all(is_over(scene, each) for each in asked), crew=crew)
    assert [job_of(scene, each).attempt for each in asked] == [1] * 4
    assert [evidence(scene, each).state for each in asked] == ["sealed"] * 4


def test_killed_while_it_seals(
    crew: Crew, scene: Scene, debt: Debt, proxy: FaultyProxy, tmp_path: Path
) -> None:
    first = crew.start()
    wait_until(lambda: is_read(scene), crew=crew)
    held = Held(proxy, when=lambda: is_sealing(scene))
    evidence_id = ask(scene, debt)
    assert held.reached.wait(30), crew.said()
    assert evidence(scene, evidence_id).state == "running"
    first.kill()
    held.released.set()
    crew.start()
    wait_until(lambda: is_over(scene, evidence_id), crew=crew)
    demand_sealed(scene, evidence_id, folder=tmp_path, attempt=2)


def test_one_who_sleeps_while_he_seals_spoils_nothing(
    crew: Crew, scene: Scene, debt: Debt, proxy: FaultyProxy, tmp_path: Path, engine: Engine
) -> None:
    sleeper = crew.start()
    wait_until(lambda: is_read(scene), crew=crew)
    held = Held(proxy, when=lambda: is_sealing(scene))
    evidence_id = ask(scene, debt)
    assert held.reached.wait(30), crew.said()
    sleeper.stop()
    while not is_writable(engine):
        sleeper.go_on()
        time.sleep(0.01)
        sleeper.stop()
    crew.start()
    wait_until(lambda: is_over(scene, evidence_id), crew=crew)
    before = evidence(scene, evidence_id)
    sleeper.go_on()
    held.released.set()
    wait_until(lambda: "attempt 1" in sleeper.said().lower(), crew=crew)
    assert evidence(scene, evidence_id) == before
    demand_sealed(scene, evidence_id, folder=tmp_path, attempt=2)


def test_told_to_end_while_it_seals_it_leaves_the_job_to_others(
    crew: Crew, scene: Scene, debt: Debt, proxy: FaultyProxy, tmp_path: Path
) -> None:
    first = crew.start()
    wait_until(lambda: is_read(scene), crew=crew)
    held = Held(proxy, when=lambda: is_sealing(scene))
    evidence_id = ask(scene, debt)
    assert held.reached.wait(30), crew.said()
    first.process.terminate()
    held.released.set()
    first.process.join(30)
    assert first.process.exitcode == 0, crew.said()
    assert job_of(scene, evidence_id).is_open
    crew.start()
    wait_until(lambda: is_over(scene, evidence_id), crew=crew)
    demand_sealed(scene, evidence_id, folder=tmp_path, attempt=2)


def repair(crew: Crew, scene: Scene) -> dict[str, object]:
    """`quittance index --repair`, whatever else runs; the job that it tells of."""
    member = crew.start("index", "--repair", "--json")
    member.process.join(SECONDS_MAX)
    assert member.process.exitcode is not None, crew.said()
    said = member.said()
    document, _ = json.JSONDecoder().raw_decode(said, said.index("{\n"))
    (found,) = document["jobs"]
    assert (found["kind"], found["object"]) == ("repair", str(scene.chain.id))
    return {**found, "exit_code": member.process.exitcode}


def test_a_repair_without_any_worker(
    crew: Crew, scene: Scene, undisturbed: Scene, proxy: FaultyProxy
) -> None:
    for each in (scene, undisturbed):
        each.record_debt()
    play(scene, payments=3)
    scene.bury(3)
    proxy.go_down()
    failed = repair(crew, scene)
    assert (failed["state"], failed["exit_code"]) == ("failed", 3)
    assert failed["failure"] == f"node {proxy.url}: no connection"
    proxy.listen()
    done = repair(crew, scene)
    assert (done["state"], done["exit_code"], done["attempt"]) == ("done", 0, 1)
    demand_same(scene, undisturbed)


def test_a_repair_goes_before_a_worker_that_reads(
    crew: Crew, scene: Scene, undisturbed: Scene, proxy: FaultyProxy
) -> None:
    """The follower gives the chain up between two ranges, and has it again afterwards."""
    for each in (scene, undisturbed):
        each.record_debt()
    play(scene, payments=6)
    scene.bury(30)
    slowed(proxy, blocks=1, seconds=0.02)
    crew.start()
    wait_until(lambda: covered(scene.engine, scene.creditor) != [], crew=crew)
    done = repair(crew, scene)
    assert (done["state"], done["exit_code"]) == ("done", 0), crew.said()
    demand_same(scene, undisturbed)
    play(scene, payments=1, at=AGREED_AT + 9 * DAY)
    scene.bury(3)
    wait_until(lambda: is_read(scene), crew=crew)
    demand_same(scene, undisturbed)
