"""Sealing beside nodes that fail, lie or disagree. No bundle counts that says too much."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from app.verifier.verdict import CONDITIONAL
from chains.devnode import DevNode
from chains.types import Hash32
from tests.ingest.scene import AGREED_AT, DAY, UNIT, Scene
from tests.journeys.sealer import Sealer, claim_of, everything_in, verdict_on
from tests.support.faulty_proxy import (
    Exchange,
    FaultyProxy,
    altered_result,
    hidden_log,
    pass_on,
    rpc_error,
    wrong_chain_id,
)


def transfer_of(scene: Scene, block_time: int) -> tuple[str, Hash32]:
    """The id and transaction of the one transfer in the block of that time, as the chain has it."""
    logs = scene.node.call("eth_getLogs", {"fromBlock": "0x0", "toBlock": "latest"})
    (log,) = [each for each in logs if scene.node.block(int(each["blockNumber"], 16)).time == block_time]
    block_hash, index = log["blockHash"], int(log["logIndex"], 16)
    return f"{scene.node.chain}:{block_hash}:{index}", Hash32.parse(log["transactionHash"])


@pytest.fixture
def unknown(sealer: Sealer) -> tuple[str, Hash32]:
    """The stranger's 2,000."""
    return transfer_of(sealer.scene, AGREED_AT + 12 * DAY)


@pytest.fixture
def paid(sealer: Sealer) -> tuple[str, Hash32]:
    return transfer_of(sealer.scene, AGREED_AT + 5 * DAY)


def without(tx_hash: Hash32) -> Any:
    """A node that hides every log of one transaction."""
    return altered_result(
        "eth_getLogs", lambda logs: [log for log in logs if log["transactionHash"] != str(tx_hash)]
    )


# -- all is well


def test_sealed(sealer: Sealer) -> None:
    row = sealer.sealed()
    assert (row.result, row.timing, row.grade, row.tie) == (
        "PARTIAL",
        "OVERDUE",
        "provider-reported",
        "contract",
    )
    assert sealer.left_of(row.id) == ["case.json", f"quittance-{row.id}.zip"]
    verdict = verdict_on(row)
    assert verdict.exit_code == CONDITIONAL, verdict.reason
    assert (verdict.facts["root"], verdict.facts["sha256"], verdict.facts["anchor"]) == (
        (row.root or b"").hex(),
        (row.sha256 or b"").hex(),
        row.anchor,
    )
    assert "to 1 endpoint chosen by the operator. 1 returned no ERC-20" in claim_of(row)


def test_sealed_twice_says_the_same(sealer: Sealer) -> None:
    """Two bundles on one question differ in their ids, not in what they find."""
    one, two = sealer.sealed(), sealer.sealed()
    assert one.id != two.id
    assert (one.result, one.anchor) == (two.result, two.anchor)
    assert (verdict_on(one).facts["scope_sentence"]) == verdict_on(two).facts["scope_sentence"]


def test_a_gap_is_sealed_as_a_gap(sealer: Sealer) -> None:
    """An account of the creditor that was never read leaves all open, and the bundle says so."""
    sealer.scene.bind(sealer.scene.node.accounts()[7])
    last = sealer.scene.node.block("finalized").time
    row = sealer.sealed(as_of=last - 1)
    assert (row.result, row.timing, row.grade) == ("UNDETERMINED", "UNDETERMINED", None)
    assert row.claims == []
    verdict = verdict_on(row)
    assert verdict.exit_code == CONDITIONAL, verdict.reason
    assert "were not read for every account in list C" in verdict.facts["scope_sentence"]


def test_no_key_of_a_node_leaves_the_house(sealer: Sealer, proxy: FaultyProxy) -> None:
    keyed = f"{proxy.url}/v3/SeCrEtKeY?apikey=SeCrEtToO"
    row = sealer.through(keyed).sealed()
    everything = everything_in(row)
    assert proxy.url.encode() in everything
    assert b"SeCrEt" not in everything
    proxy.go_down()
    assert "SeCrEt" not in sealer.through(keyed).failure()


# -- a node that fails or lies


def test_a_log_that_was_hidden_from_the_start(
    sealer: Sealer, proxy: FaultyProxy, module_node: DevNode
) -> None:
    """Read and asked again through the same liar, nothing differs: only its own receipts tell."""
    before = module_node.snapshot()
    hidden = sealer.scene.pay(500 * UNIT)
    sealer.scene.bury(6)
    sealer = sealer.through(proxy.url)
    sealer = replace(
        sealer, scene=replace(sealer.scene, outside=replace(sealer.scene.outside, receipts_permille=0))
    )
    proxy.fail(without(hidden))
    assert sealer.scene.follow().failure is None
    sentence = sealer.failure()
    assert sentence.startswith(f"node {proxy.url}: its receipts of block ")
    assert "differ in 1 transfers. Nothing was sealed" in sentence
    # A node without receipts can't be found out by them; what rests on its word alone says so.
    proxy.fail(lies_without_receipts(hidden))
    assert "1 returned no ERC-20" in claim_of(sealer.sealed())
    module_node.revert(before)


def lies_without_receipts(tx_hash: Hash32) -> Any:
    refused, hides = rpc_error(-32601, "no such method"), without(tx_hash)

    def fault(exchange: Exchange) -> None:
        (refused if b"Receipt" in exchange.request else hides)(exchange)

    return fault


def test_a_node_that_is_away(sealer: Sealer, proxy: FaultyProxy) -> None:
    sealer = sealer.through(proxy.url)
    proxy.go_down()
    sentence = sealer.failure()
    assert sentence.startswith(f"No node of {sealer.scene.node.chain} answered in full: node {proxy.url}: ")
    assert sentence.endswith("Try again when one does.")
    proxy.listen()
    assert sealer.sealed().result == "PARTIAL"


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (rpc_error(-32601, "no such method"), "answered error -32601"),
        (wrong_chain_id, "serves chain 57005"),
        (altered_result("eth_getBlockByNumber", lambda _: None), "does not have block"),
        (altered_result("eth_getLogs", lambda _: None), "eth_getLogs answers an array"),
    ],
)
def test_a_node_that_answers_in_part(sealer: Sealer, proxy: FaultyProxy, fault: Any, said: str) -> None:
    proxy.fail(fault)
    sentence = sealer.through(proxy.url).failure()
    assert "answered in full" in sentence
    assert said in sentence


def test_a_transfer_that_is_no_longer_returned(
    sealer: Sealer, proxy: FaultyProxy, unknown: tuple[str, Hash32]
) -> None:
    transfer_id, tx_hash = unknown
    proxy.fail(without(tx_hash))
    assert sealer.through(proxy.url).failure() == (
        f"The chain was read differently before: transfer {transfer_id} was read before and is no longer "
        "returned (1 in all). Nothing was sealed; have the chain read again by a node you trust."
    )


def test_a_transfer_that_was_not_read_before(sealer: Sealer, unknown: tuple[str, Hash32]) -> None:
    transfer_id, tx_hash = unknown
    with sealer.scene.engine.begin() as connection:
        deleted = connection.exec_driver_sql("DELETE FROM transfer WHERE tx_hash = ?", (bytes(tx_hash),))
        assert deleted.rowcount == 1
    assert f"transfer {transfer_id} was not read before (1 in all)" in sealer.failure()


def test_an_amount_that_changed_since(sealer: Sealer, proxy: FaultyProxy, paid: tuple[str, Hash32]) -> None:
    """The same event by its name, with another amount: a lie that names alone would not show."""
    transfer_id, tx_hash = paid

    def change(logs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [
            {**log, "data": f"0x{1:064x}"} if log["transactionHash"] == str(tx_hash) else log for log in logs
        ]

    proxy.fail(altered_result("eth_getLogs", change))
    assert f"transfer {transfer_id} is returned with other contents" in sealer.through(proxy.url).failure()


def test_a_node_whose_answers_contradict_each_other(sealer: Sealer, proxy: FaultyProxy) -> None:
    """It drops the last log of each answer, but what passed between the parties belongs into both."""
    proxy.fail(hidden_log)
    sentence = sealer.through(proxy.url).failure()
    assert f"answered in full: node {proxy.url}: log " in sentence
    assert "is in one answer and missing in another" in sentence


def test_another_block_than_was_read(sealer: Sealer, proxy: FaultyProxy) -> None:
    def change(block: dict[str, Any]) -> dict[str, Any]:
        return {**block, "timestamp": hex(int(block["timestamp"], 16) + 1)}

    proxy.fail(altered_result("eth_getBlockByNumber", change))
    assert "is another one than was read. Nothing was sealed." in sealer.through(proxy.url).failure()


# -- two nodes


@pytest.mark.parametrize("order", [1, -1])
def test_two_nodes_of_which_one_fails(
    sealer: Sealer, proxy: FaultyProxy, second: FaultyProxy, order: int
) -> None:
    second.fail(rpc_error(-32000, "not today"))
    row = sealer.through(*[proxy.url, second.url][::order]).sealed()
    sentence = claim_of(row)
    assert "to 2 endpoints chosen by the operator. 1 returned no ERC-20 Transfer event" in sentence
    assert "0 returned others (all listed), 1 failed or answered in part." in sentence
    assert verdict_on(row).facts["claims"] == [sentence]


def test_two_nodes_of_which_one_contradicts_itself(
    sealer: Sealer, proxy: FaultyProxy, second: FaultyProxy
) -> None:
    """It has not answered in full; what it did show is all listed, so that the other one's answers stand."""
    second.fail(hidden_log)
    row = sealer.through(proxy.url, second.url).sealed()
    assert "1 failed or answered in part." in claim_of(row)
    assert b"is in one answer and missing in another" in everything_in(row)
    assert verdict_on(row).exit_code == CONDITIONAL


def test_two_nodes_that_agree(sealer: Sealer, proxy: FaultyProxy, second: FaultyProxy) -> None:
    row = sealer.through(proxy.url, second.url).sealed()
    assert "to 2 endpoints chosen by the operator. 2 returned no ERC-20" in claim_of(row)
    assert "0 failed or answered in part" in claim_of(row)
    assert verdict_on(row).exit_code == CONDITIONAL


@pytest.mark.parametrize("order", [1, -1])
def test_two_nodes_that_disagree(
    sealer: Sealer, proxy: FaultyProxy, second: FaultyProxy, unknown: tuple[str, Hash32], order: int
) -> None:
    second.fail(without(unknown[1]))
    sentence = sealer.through(*[proxy.url, second.url][::order]).failure()
    assert "disagree on which transfers the window holds. Nothing was sealed." in sentence


def test_two_nodes_that_disagree_on_a_block(sealer: Sealer, proxy: FaultyProxy, second: FaultyProxy) -> None:
    anchor = int((sealer.sealed().anchor or "").partition(":")[0])

    def change(block: dict[str, Any]) -> dict[str, Any]:
        shift = 1 if int(block["number"], 16) == anchor else 0
        return {**block, "timestamp": hex(int(block["timestamp"], 16) + shift)}

    second.fail(altered_result("eth_getBlockByNumber", change))
    sentence = sealer.through(proxy.url, second.url).failure()
    assert sentence.endswith("disagree on the blocks of the window. Nothing was sealed.")


def test_what_a_node_showed_before_it_failed_is_not_lost(
    sealer: Sealer, proxy: FaultyProxy, second: FaultyProxy, unknown: tuple[str, Hash32]
) -> None:
    """The first node hides a payment, as it did when the chain was read; the second shows it, and fails."""
    with sealer.scene.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM transfer WHERE tx_hash = ?", (bytes(unknown[1]),))
    proxy.fail(without(unknown[1]))

    def no_blocks(exchange: Exchange) -> None:
        asked = exchange.asked
        is_block = isinstance(asked, dict) and asked["method"] == "eth_getBlockByNumber"
        (rpc_error(-32000, "no blocks today") if is_block else pass_on)(exchange)

    second.fail(no_blocks)
    sentence = sealer.through(proxy.url, second.url).failure()
    assert "disagree on which transfers the window holds. Nothing was sealed." in sentence


# -- the question


def test_no_final_block_later_than_as_of(sealer: Sealer) -> None:
    head = sealer.scene.node.block("latest").time
    assert sealer.failure(as_of=head + DAY) == (
        "No final block later than as_of was read yet, so there is no anchor. Read the chain first."
    )


def test_no_block_since_the_agreement(sealer: Sealer) -> None:
    assert "nothing to show. Ask for a later as_of." in sealer.failure(as_of=AGREED_AT + 1)
