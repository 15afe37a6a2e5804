"""Jobs as the API shows them, repairs that are asked for, and debts found by their daily assessment."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from app.db import reading
from app.jobs.store import find_job
from app.main import sealing_tools
from app.worker.daily import plan_assessments
from app.worker.handlers import bench_of
from app.worker.loop import work_once
from tests.api.door import AGREED_AT, DAY, Door, bearing, refused
from tests.support.token import Token


@pytest.fixture
def parties(door: Door, token: Token) -> tuple[str, str]:
    found = door.set_up()
    if token.node.block().time < AGREED_AT + 31 * DAY:
        token.node.set_next_block_time(AGREED_AT + 31 * DAY)
        token.node.call("evm_mine")
        token.node.mine(5)
    return found


def work(door: Door) -> None:
    work_once(resources=door.resources, tools=sealing_tools(door.resources))


def test_a_repair_is_asked_for_once_and_shown(door: Door, parties: tuple[str, str]) -> None:
    door.post("/v1/debts", door.debt_body(parties=parties))
    path = f"/v1/chains/{door.chain}/repairs"
    asked = door.client.post(path, json={})
    assert (asked.status_code, asked.headers["location"]) == (202, f"/v1/jobs/{asked.json()['id']}")
    job = asked.json()
    assert (job["kind"], job["object"], job["state"]) == ("repair", door.chain, "queued")
    assert door.post(path, {}, status=202) == job
    assert door.get("/v1/jobs")["items"] == [job]
    work(door)
    done = door.get(f"/v1/jobs/{job['id']}")
    assert (done["state"], done["attempt"], done["failure"]) == ("done", 1, None)
    assert done["progress"]["done"] == done["progress"]["total"]
    assert done["started_at"] <= done["finished_at"]
    again = door.post(path, {}, status=202)
    assert again["id"] != job["id"]


def test_a_repair_says_why_it_came_to_nothing(door: Door, parties: tuple[str, str]) -> None:
    refused(door.client.post("/v1/chains/eip155:1/repairs", json={}), status=404)
    refused(door.client.post(f"/v1/chains/{door.chain}/repairs", json={"blocks": 1}), status=422)


def test_a_bundle_that_is_cancelled_ends_its_job(door: Door, parties: tuple[str, str]) -> None:
    debt = door.post("/v1/debts", door.debt_body(parties=parties))
    asked = door.post(f"/v1/debts/{debt['id']}/evidence", {}, status=202)
    assert door.get(f"/v1/jobs/{asked['id']}")["state"] == "queued"
    assert door.client.delete(f"/v1/evidence/{asked['id']}").status_code == 200
    job = door.get(f"/v1/jobs/{asked['id']}")
    assert (job["kind"], job["state"], job["object"]) == ("sealing", "cancelled", asked["id"])
    work(door)
    assert door.get(f"/v1/evidence/{asked['id']}")["state"] == "cancelled"


def test_jobs_are_paged_and_shown_to_their_tenant_only(door: Door, parties: tuple[str, str]) -> None:
    debt = door.post("/v1/debts", door.debt_body(parties=parties))
    path = f"/v1/debts/{debt['id']}/evidence"
    asked = [door.post(path, {}, status=202)["id"] for _ in range(3)]
    first = door.get("/v1/jobs", limit=2)
    second = door.get("/v1/jobs", limit=2, cursor=first["cursor"])
    shown = [item["id"] for item in first["items"] + second["items"]]
    assert sorted(shown) == sorted(asked)
    theirs = bearing(door.key_of_another_tenant())
    assert door.client.get("/v1/jobs", headers=theirs).json() == {"items": []}


def test_debts_are_found_by_their_daily_assessment(door: Door, parties: tuple[str, str]) -> None:
    debt = door.post("/v1/debts", door.debt_body(parties=parties))
    work(door)
    assert door.get("/v1/debts", result="NONE_FOUND_IN_SCOPE")["items"] == []
    resources = door.resources
    now = resources.clock().replace(hour=resources.settings.assess_hour)
    plan_assessments(resources, now=now - timedelta(hours=1))
    assert door.get("/v1/jobs")["items"] == []
    for _ in range(2):
        plan_assessments(resources, now=now)
    (job,) = (item for item in door.get("/v1/jobs")["items"] if item["kind"] == "assessment")
    bench = bench_of(
        resources=resources, tools=sealing_tools(resources), holder="the test", stop=threading.Event()
    )
    with reading(resources.engine) as connection:
        found = find_job(connection, tenant_id=None, job_id=job["id"])
    assert found is not None
    assert bench.run(tenant_id=found.tenant_id, job_id=found.id)
    done = door.get(f"/v1/jobs/{job['id']}")
    assert (done["state"], done["failure"]) == ("done", None)
    assessment = door.get(f"/v1/debts/{debt['id']}/assessment")
    (listed,) = door.get("/v1/debts", result=assessment["result"], timing=assessment["timing"])["items"]
    assert listed["id"] == debt["id"]
    assert door.get("/v1/debts", result="FULL")["items"] == []
    plan_assessments(resources, now=now + timedelta(hours=1))
    assert door.get(f"/v1/jobs/{job['id']}") == done
