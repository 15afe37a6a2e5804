"""The main job by HTTP alone: configure, record, read, assess, seal, download, verify."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.clock import from_unix_seconds, to_rfc3339
from app.verifier.anchor import Anchor
from app.verifier.verify import verify
from tests.api.door import AGREED_AT, DAY, Door, accepted, bearing, refused
from tests.api.opening import open_door, open_resources
from tests.support.clone import clone_sqlite
from tests.support.roles import Logins
from tests.support.token import Token

SEALED_SECONDS_MAX = 60


@pytest.fixture(scope="module")
def played(token: Token) -> Token:
    """9,000 lent; 3,000 of it paid back in time; 2,000 from a wallet nobody declared; then a month passes."""
    _, creditor, debtor, stranger, *_ = token.node.accounts()
    token.transfer(sender=creditor, to=debtor, units=9_000 * 10**6, at=AGREED_AT + 3600)
    token.transfer(sender=debtor, to=creditor, units=3_000 * 10**6, at=AGREED_AT + 5 * DAY)
    token.transfer(sender=stranger, to=creditor, units=2_000 * 10**6, at=AGREED_AT + 15 * DAY)
    token.node.set_next_block_time(AGREED_AT + 31 * DAY)
    token.node.call("evm_mine")
    token.node.mine(5)
    return token


def test_a_loan_from_the_first_request_to_the_verified_bundle(
    both: Door, played: Token, tmp_path: Path
) -> None:
    play_the_journey(both, worker=both, folder=tmp_path)


def test_the_same_as_the_roles_that_postgresql_binds(logins: Logins, played: Token, tmp_path: Path) -> None:
    """Whoever serves and whoever reads and seals have their own users, and nothing else is on the way."""
    with (
        open_resources(logins.app, folder=tmp_path, token=played) as serving,
        open_resources(logins.worker, folder=tmp_path, token=played) as working,
        open_door(serving, token=played) as door,
    ):
        worker = replace(door, resources=working)
        play_the_journey(door, worker=worker, folder=tmp_path)
        stranger = bearing(door.key_of_another_tenant())
        (debt,) = door.get("/v1/debts")["items"]
        refused(door.client.get(f"/v1/debts/{debt['id']}", headers=stranger), status=404)


def play_the_journey(door: Door, *, worker: Door, folder: Path) -> None:
    """`worker` reads and seals; it may be another process of the service."""
    parties = door.set_up()
    debt = door.post("/v1/debts", door.debt_body(parties=parties))
    assert door.get(f"/v1/debts/{debt['id']}") == debt
    assert door.get("/v1/debts", party_id=parties[1])["items"] == [debt]
    report = worker.read()
    assert report.failure is None
    assert door.get(f"/v1/chains/{door.chain}")["read_through"] == report.final_block

    assessment = door.get(f"/v1/debts/{debt['id']}/assessment")
    check_assessment(assessment, door=door)
    candidates = door.get(f"/v1/debts/{debt['id']}/candidates")["items"]
    assert candidates == assessment["candidates"]
    check_reading(door)
    # The ends of this window are looked up on the chain, and stored.
    unusual = to_rfc3339(from_unix_seconds(AGREED_AT + 7 * DAY + 3600))
    early = door.get(f"/v1/debts/{debt['id']}/assessment", as_of=unusual)
    assert (early["result"], early["applied"]) == ("PARTIAL", "3000")

    evidence = seal(door, debt_id=debt["id"], by=worker.seal)
    check_downloads(door, evidence=evidence, folder=folder)


def check_assessment(assessment: dict[str, Any], *, door: Door) -> None:
    assert assessment["result"] == "PARTIAL"
    assert (assessment["principal"], assessment["applied"]) == ("9000", "3000")
    assert assessment["applied_units"] == str(3_000 * 10**6)
    interval = assessment["not_covered"]
    assert (interval["min"], interval["max"]) == ("4000", "6000")
    timings = [each["timing"] for each in assessment["installments"]]
    assert timings == ["ON_TIME", "OVERDUE", "OVERDUE"]
    (candidate,) = assessment["candidates"]
    assert candidate["reasons"] == ["unknown-payer"]
    assert candidate["counted"] == "2000"
    stranger = door.token.node.accounts()[3]
    assert candidate["transfer"]["from"].lower() == str(stranger)


def check_reading(door: Door) -> None:
    """Transfers and coverage of an own account: everything from the agreement on, and no gap."""
    _, creditor, debtor, *_ = door.token.node.accounts()
    account = door.account(creditor)
    transfers = door.get("/v1/transfers", account=account)["items"]
    assert [each["amount"] for each in transfers] == ["9000", "3000", "2000"]
    assert transfers[1]["from"].lower() == str(debtor)
    assert all(each["asset"] == door.asset and each["final"] and not each["flags"] for each in transfers)
    before = transfers[1]["block_number"]
    assert door.get("/v1/transfers", account=account, to_block=before)["items"] == transfers[:2]
    assert door.get("/v1/transfers", account=account, from_block=before + 1)["items"] == transfers[2:]
    coverage = door.get("/v1/coverage", chain=door.chain, account=account)
    assert coverage["gaps"] == []
    assert coverage["ranges"][0]["first_block"] <= transfers[0]["block_number"]
    assert coverage["ranges"][-1]["last_block"] >= transfers[-1]["block_number"]


def seal(door: Door, *, debt_id: str, by: Callable[[], None]) -> dict[str, Any]:
    asked = door.client.post(f"/v1/debts/{debt_id}/evidence", json={})
    queued = accepted(asked, status=202)
    assert asked.headers["location"] == f"/v1/evidence/{queued['id']}"
    assert queued["state"] == "queued"
    for name in ("bundle.zip", "report.pdf", "case.json"):
        refused(door.client.get(f"/v1/evidence/{queued['id']}/{name}"), status=409)
    by()
    sealed = door.get(asked.headers["location"])
    assert (sealed["state"], sealed["failure"]) == ("sealed", None)
    assert (sealed["result"], sealed["grade"]) == ("PARTIAL", "provider-reported")
    refused(door.client.delete(f"/v1/evidence/{queued['id']}"), status=409)
    return sealed


def check_downloads(door: Door, *, evidence: dict[str, Any], folder: Path) -> None:
    contents = {}
    for name, media_type in (
        ("bundle.zip", "application/zip"),
        ("report.pdf", "application/pdf"),
        ("case.json", "application/json"),
    ):
        response = door.client.get(f"/v1/evidence/{evidence['id']}/{name}")
        assert response.status_code == 200
        assert response.headers["content-type"] == media_type
        contents[name] = response.content
        assert response.headers["etag"] == f'"{hashlib.sha256(response.content).hexdigest()}"'
    assert hashlib.sha256(contents["bundle.zip"]).hexdigest() == evidence["sha256"]
    assert len(contents["bundle.zip"]) == evidence["size"]
    assert contents["report.pdf"].startswith(b"%PDF-")
    assert json.loads(contents["case.json"])["evidence_id"] == evidence["id"]
    bundle, case = folder / "bundle.zip", folder / "case.json"
    bundle.write_bytes(contents["bundle.zip"])
    case.write_bytes(contents["case.json"])
    verdict = verify(bundle=bundle, case=case, anchors=(Anchor.parse(evidence["anchor"]),))
    assert (verdict.ok, verdict.exit_code) == (True, 0)
    assert verdict.facts["root"] == evidence["root"]


@pytest.fixture
def working(sqlite_template: str, tmp_path: Path, played: Token) -> Iterator[Door]:
    """The app with its own worker, which looks for work twenty times a second."""
    url = clone_sqlite(sqlite_template, folder=tmp_path)
    with (
        open_resources(url, folder=tmp_path, token=played, follow_seconds=0.05) as resources,
        open_door(resources, token=played, with_worker=True) as opened,
    ):
        yield opened


def test_the_service_reads_and_seals_by_itself(working: Door) -> None:
    """Evidence asked for in the same breath as the debt: what is read must be read before it is sealed."""
    parties = working.set_up()
    asked = []
    for number in range(3):
        body = working.debt_body(parties=parties, reference=f"LOAN-{number}")
        debt = working.post("/v1/debts", body)
        asked.append(working.post(f"/v1/debts/{debt['id']}/evidence", {}, status=202)["id"])
    for evidence_id in asked:
        sealed = wait_until_done(working, evidence_id=evidence_id)
        assert (sealed["state"], sealed["failure"]) == ("sealed", None)
        assert sealed["progress"]["step"] == "sealed"


def wait_until_done(door: Door, *, evidence_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + SEALED_SECONDS_MAX
    while time.monotonic() < deadline:
        found = door.get(f"/v1/evidence/{evidence_id}")
        if found["state"] not in {"queued", "running"}:
            return found
        time.sleep(0.02)
    pytest.fail(f"{evidence_id} was not sealed within {SEALED_SECONDS_MAX} s")
