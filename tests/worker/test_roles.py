"""Real workers logged in as `worker`, whom PostgreSQL binds: every kind of job, and the tables of DBOS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from app.db import reading
from app.debts.terms import Debt
from app.jobs.store import open_job
from app.resources import build_resources
from app.settings import Settings
from app.tenants.service import create_tenant
from app.worker.daily import plan_assessments
from tests.ingest.scene import AGREED_AT, DAY, Scene
from tests.support.faulty_proxy import FaultyProxy
from tests.support.roles import Logins
from tests.worker.crew import Crew, crew_of, wait_until
from tests.worker.test_disturbed import play
from tests.worker.test_jobs import ask, demand_sealed, is_over, job_of


@pytest.fixture
def url(logins: Logins) -> str:
    """The test itself looks on as the owner."""
    return logins.owner


@pytest.fixture
def crew(logins: Logins, proxy: FaultyProxy, tmp_path: Path) -> Iterator[Crew]:
    allow = (f"127.0.0.1:{proxy.port}",)
    with crew_of(
        database_url=logins.worker, folder=tmp_path, allow=allow, QUITTANCE_LEASE_SECONDS="3"
    ) as started:
        yield started


@pytest.fixture
def debt(scene: Scene) -> Debt:
    debt = scene.record_debt()
    play(scene, payments=3)
    scene.node.set_next_block_time(AGREED_AT + 31 * DAY)
    scene.bury(5)
    return debt


def plan(logins: Logins, scene: Scene, *, folder: Path) -> list[str]:
    """As a worker plans the day's assessments; the ids of all such jobs."""
    settings = Settings(database_url=SecretStr(logins.worker), data_dir=folder / "data", assess_hour=0)
    resources = build_resources(settings, clock=scene.clock)
    plan_assessments(resources, now=scene.clock())
    resources.close()
    with reading(scene.engine) as connection:
        query = sa.text("SELECT id FROM job WHERE kind = 'assessment' ORDER BY id")
        return list(connection.execute(query).scalars())


def test_workers_of_that_role_do_every_kind_of_job(
    crew: Crew, scene: Scene, debt: Debt, logins: Logins, tmp_path: Path
) -> None:
    """Two of them, that both find the library's tables missing."""
    with scene.engine.begin() as connection:
        create_tenant(connection, name="another", now=scene.clock())
        repair = open_job(
            connection,
            tenant_id=scene.actor.tenant_id,
            id_="job_repair",
            kind="repair",
            object_id=str(scene.chain.id),
            now=scene.clock(),
        )
    evidence_id = ask(scene, debt)
    planned = plan(logins, scene, folder=tmp_path)
    assert len(planned) == 2
    crew.start()
    crew.start()
    wait_until(lambda: is_over(scene, evidence_id) and is_over(scene, repair.id), crew=crew)
    demand_sealed(scene, evidence_id, folder=tmp_path, attempt=1)
    assert (job_of(scene, repair.id).state, job_of(scene, repair.id).failure) == ("done", None)
    wait_until(lambda: states(scene, planned) == {"done"}, crew=crew)
    with reading(scene.engine) as connection:
        snapshots = connection.execute(sa.text("SELECT tenant_id FROM assessment_snapshot")).scalars().all()
    assert snapshots == [scene.actor.tenant_id]
    assert "refuses" not in crew.said()
    # What is done for the day is not planned again.
    assert plan(logins, scene, folder=tmp_path) == planned
    assert states(scene, planned) == {"done"}


def states(scene: Scene, job_ids: list[str]) -> set[str]:
    with reading(scene.engine) as connection:
        query = sa.text("SELECT state FROM job WHERE id = ANY(:ids)")
        return set(connection.execute(query, {"ids": job_ids}).scalars())
