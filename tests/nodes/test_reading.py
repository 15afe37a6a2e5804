"""A loan read into the store through each node: what it holds is what that node's chain says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.assessment.values import Result
from app.matching.attribute import Reason
from chains.types import Finality
from tests.ingest.judge import demand_honest, demand_truth
from tests.ingest.scene import AGREED_AT, DAY, UNIT, Scene, covered, stored, truth
from tests.support.faulty_proxy import Fault, capped_range, faulty_proxy, rpc_error
from tests.support.token import calldata, deploy, deploy_token


def play(scene: Scene) -> None:
    """Payments in both directions and in several tokens, with quiet days between."""
    node, by = scene.node, scene.issuer
    scene.pay(3_000 * UNIT, at=AGREED_AT + DAY)
    node.mine(30, seconds_apart=600)
    scene.pay(1, sender=scene.stranger)
    scene.token.transfer(sender=scene.creditor, to=scene.debtor, units=7)
    copy = deploy_token(node, symbol="TUSD")
    copy.mint(to=scene.creditor, units=9)
    for name in ("NftEmitter", "UnindexedToken", "Bytes32Token"):
        data = calldata("emitTransfer(address,address,uint256)", scene.debtor, scene.creditor, 5)
        node.send_transaction(sender=by, to=deploy(node, name, by=by), data=data)
    node.mine(30, seconds_apart=600)
    # Zero units from somebody who never agreed to it, as address poisoners do.
    scene.token.transfer_from(holder=scene.debtor, to=scene.stranger, units=0, by=scene.stranger)
    scene.bury(3)


def test_a_loan_is_read_whole(scene: Scene) -> None:
    debt = scene.record_debt()
    play(scene)
    report = scene.follow()
    assert report.failure is None
    demand_truth(scene)
    final = scene.node.block("finalized").number
    assert covered(scene.engine, scene.creditor)[-1].last == report.final_block == final
    expected = {each for each in truth(scene.node, scene.parties) if each.block_time >= AGREED_AT}
    assert stored(scene.engine) == expected
    assert len(expected) == 6
    found = demand_honest(scene, debt)
    assert found.result is Result.PARTIAL
    assert sum(payment.units for payment in found.attribution.payments) == 3_000 * UNIT
    reasons = {reason for each in found.attribution.candidates for reason in each.reasons}
    assert reasons >= {Reason.UNKNOWN_PAYER, Reason.FAKE_TOKEN, Reason.UNREGISTERED_ASSET}
    assert scene.follow().transfers == 0


def test_the_same_by_depth_instead_of_the_tag(scene: Scene) -> None:
    scene = replace(scene, chain=replace(scene.chain, finality=Finality(confirmations=12)))
    scene.record_debt()
    play(scene)
    report = scene.follow()
    head = scene.node.block().number
    assert (report.failure, report.final_block) == (None, head - 12)
    assert covered(scene.engine, scene.creditor)[-1].last == head - 12
    demand_truth(scene)
    scene.bury(12)
    assert scene.follow().failure is None
    demand_truth(scene)
    assert covered(scene.engine, scene.creditor)[-1].last == head


@pytest.mark.parametrize(
    "refusal",
    [
        capped_range(7, "Query returned more than 10000 results. Try with this block range [0x1, 0x5]."),
        capped_range(3, "eth_getLogs is limited to a 3 block range", code=-32600),
        capped_range(1, "something went wrong", code=-32000),
        capped_range(5, "the method's block range is not supported", code=-32004),
    ],
    ids=["hint", "size", "wordless", "unsupported-range"],
)
def test_a_gateways_range_limit_costs_requests_and_nothing_else(scene: Scene, refusal: Fault) -> None:
    scene.record_debt()
    play(scene)
    with faulty_proxy(scene.node) as proxy:
        proxy.fail(refusal)
        limited = scene.through(proxy.url)
        assert limited.follow().failure is None
    demand_truth(scene)
    assert covered(scene.engine, scene.creditor)[-1].last == scene.node.block("finalized").number


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (-32601, "Method not found"),
        (-32004, "Method eth_getLogs is not supported"),
        (-32700, "The method eth_getLogs does not exist/is not available"),
    ],
)
def test_a_node_without_logs_leaves_a_gap(scene: Scene, code: int, message: str) -> None:
    """In the words of each node. A smaller range would not help, so one question is enough."""
    debt = scene.record_debt()
    play(scene)
    with faulty_proxy(scene.node) as proxy:
        proxy.fail(rpc_error(code, message, method="eth_getLogs"))
        without = scene.through(proxy.url)
        failure = without.follow().failure
        asked = [request for request in proxy.requests if b"eth_getLogs" in request]
    assert failure is not None
    assert message in failure
    assert len(asked) == 1
    assert stored(scene.engine) == set()
    assert scene.assess(debt).result is Result.UNDETERMINED


def test_a_reorg_above_the_final_block_leaves_no_trace(scene: Scene) -> None:
    scene = replace(scene, chain=replace(scene.chain, finality=Finality(confirmations=12)))
    scene.record_debt()
    scene.pay(1, at=AGREED_AT + DAY)
    scene.bury(12)
    snapshot = scene.node.snapshot()
    lost = scene.pay(2)
    scene.bury(3)
    assert scene.follow().failure is None
    scene.node.revert(snapshot)
    kept = scene.pay(3)
    scene.bury(14)
    assert scene.follow().failure is None
    demand_truth(scene)
    hashes = {each.tx_hash for each in stored(scene.engine)}
    assert kept in hashes
    assert lost not in hashes


def test_a_reorg_of_what_was_final_stops_the_reading(scene: Scene) -> None:
    """Hardhat calls its head final and can be set back all the same: no node's word is taken twice."""
    scene.record_debt()
    scene.pay(1, at=AGREED_AT + DAY)
    scene.bury(3)
    snapshot = scene.node.snapshot()
    scene.pay(2)
    scene.bury(3)
    assert scene.follow().failure is None
    before = stored(scene.engine), covered(scene.engine, scene.creditor)
    scene.node.revert(snapshot)
    scene.pay(3)
    scene.bury(9)
    report = scene.follow()
    assert report.failure is not None
    assert (stored(scene.engine), covered(scene.engine, scene.creditor)) == before
