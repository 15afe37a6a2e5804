"""The embedded worker against requests that come at the worst moment, and against nodes that fail."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.main import sealing_tools
from app.worker.loop import work_once
from tests.api.door import AGREED_AT, DAY, Door
from tests.api.opening import open_door, open_resources
from tests.support.clone import clone_sqlite
from tests.support.faulty_proxy import Exchange, FaultyProxy, faulty_proxy, pass_on, status
from tests.support.token import Token


@pytest.fixture
def proxy(token: Token) -> Iterator[FaultyProxy]:
    with faulty_proxy(token.node) as started:
        yield started


@pytest.fixture
def behind(sqlite_template: str, tmp_path: Path, token: Token, proxy: FaultyProxy) -> Iterator[Door]:
    """The app, whose chain is read through the proxy; one debt, whose month has passed."""
    url = clone_sqlite(sqlite_template, folder=tmp_path)
    if token.node.block().time < AGREED_AT + 31 * DAY:
        token.node.set_next_block_time(AGREED_AT + 31 * DAY)
        token.node.call("evm_mine")
        token.node.mine(5)
    with (
        open_resources(
            url, folder=tmp_path, token=token, also_allow=[f"127.0.0.1:{proxy.port}"]
        ) as resources,
        open_door(resources, token=token) as opened,
    ):
        body = opened.chain_body(rpc_urls=[proxy.url])
        assert opened.client.put(f"/v1/chains/{opened.chain}", json=body).status_code == 201
        opened.post("/v1/assets", {"asset": opened.asset})
        yield opened


def record_loan(door: Door, *, creditor: int, reference: str) -> str:
    """A debt between two of the node's accounts, the creditor's number and the next one; its id."""
    accounts = door.token.node.accounts()
    parties = (
        str(door.post("/v1/parties", door.party_body(accounts[creditor]))["id"]),
        str(door.post("/v1/parties", door.party_body(accounts[creditor + 1]))["id"]),
    )
    return str(door.post("/v1/debts", door.debt_body(parties=parties, reference=reference))["id"])


def ask_for_evidence(door: Door, *, debt_id: str) -> str:
    return str(door.post(f"/v1/debts/{debt_id}/evidence", {}, status=202)["id"])


def work(door: Door) -> None:
    work_once(resources=door.resources, tools=sealing_tools(door.resources))


def test_evidence_asked_for_while_the_chain_is_read_waits_for_the_next_pass(
    behind: Door, proxy: FaultyProxy
) -> None:
    """Its accounts were not among those that this pass reads: sealing it now could only fail."""
    record_loan(behind, creditor=1, reference="before")
    asked: list[str] = []

    def record_another(exchange: Exchange) -> None:
        if b"eth_getLogs" in exchange.request and not asked:
            debt_id = record_loan(behind, creditor=3, reference="meanwhile")
            asked.append(ask_for_evidence(behind, debt_id=debt_id))
        pass_on(exchange)

    proxy.fail(record_another)
    work(behind)
    (evidence_id,) = asked
    assert behind.get(f"/v1/evidence/{evidence_id}")["state"] == "queued"
    work(behind)
    sealed = behind.get(f"/v1/evidence/{evidence_id}")
    assert (sealed["state"], sealed["failure"]) == ("sealed", None)


def test_a_node_that_fails_is_a_gap_and_no_empty_result(behind: Door, proxy: FaultyProxy) -> None:
    debt_id = record_loan(behind, creditor=1, reference="LOAN-7")
    proxy.fail(status(500))
    work(behind)
    assessment = behind.get(f"/v1/debts/{debt_id}/assessment")
    assert assessment["result"] == "UNDETERMINED"
    assert assessment["not_covered"]["min"] is None
    assert assessment["not_covered"]["reason"]
    assert assessment["scope"]["chains"][0]["gaps"]
    (node,) = behind.get(f"/v1/chains/{behind.chain}")["nodes"]
    assert "500" in node["error"]
    proxy.heal()
    work(behind)
    healed = behind.get(f"/v1/debts/{debt_id}/assessment")
    assert healed["result"] != "UNDETERMINED"
    assert healed["scope"]["chains"][0]["gaps"] == []
    (node,) = behind.get(f"/v1/chains/{behind.chain}")["nodes"]
    assert node["error"] is None


def test_evidence_that_a_failing_node_prevents_says_so(behind: Door, proxy: FaultyProxy) -> None:
    debt_id = record_loan(behind, creditor=1, reference="LOAN-7")
    work(behind)
    evidence_id = ask_for_evidence(behind, debt_id=debt_id)
    proxy.go_down()
    work(behind)
    failed = behind.get(f"/v1/evidence/{evidence_id}")
    assert failed["state"] == "failed"
    assert f"127.0.0.1:{proxy.port}" in failed["failure"]
    assert failed["sha256"] is None
