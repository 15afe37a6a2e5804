"""`quittance explain` on a real chain: what one transaction did, in plain lines and as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chains.devnode import DevNode
from chains.evm.checksum import checksummed
from tests.cli.inquiring import ACCUSING, UNIT, Played, play
from tests.cli.terminal import Said, Terminal
from tests.ingest import lies
from tests.support import faulty_proxy as faults
from tests.support.faulty_proxy import FaultyProxy, faulty_proxy

NO_WORD = "This does not say whether anything was paid."


@pytest.fixture(scope="module")
def played(module_node: DevNode) -> Played:
    return play(module_node)


@pytest.fixture
def proxy(played: Played) -> Iterator[FaultyProxy]:
    with faulty_proxy(played.node) as started:
        yield started


@pytest.fixture
def shell(played: Played, proxy: FaultyProxy, tmp_path: Path) -> Terminal:
    return played.terminal(tmp_path, proxy.port)


def document_of(said: Said) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(said.out)
    return document


def net_of(document: dict[str, Any], account: str) -> dict[str, str]:
    held = {each["account"]: each["assets"] for each in document["net"]}
    return {each["asset"].rpartition("/")[2]: each["amount_units"] for each in held.get(account, [])}


def test_a_routed_payment_in_a_process_of_its_own(shell: Terminal, played: Played) -> None:
    """A -> contract -> C in one transaction: the origin is named, and the router comes out at nothing."""
    tx, chain = str(played.txs["routed"]), str(played.node.chain)
    payee, payer = checksummed(played.payee), checksummed(played.payer)
    said = shell.run("explain", tx, "--chain", chain, "--rpc-url", played.node.url, "--account", payee)
    assert said.code == 0, said.err
    assert f"sent to {payee} leads back, in this transaction, to {payer}." in said.out
    assert (
        f"{payee} gained 400.00 TUSD ({checksummed(played.token.address)}) in this transaction." in said.out
    )
    assert "That block is final." in said.out
    assert NO_WORD in said.out
    assert re.search(ACCUSING, said.out) is None
    assert not shell.data_dir.exists()
    document = played.explain(shell, "routed", "--json").document
    token = f"erc20:{checksummed(played.token.address)}"
    assert net_of(document, payee) == {token: str(400 * UNIT), "slip44:60": "5"}
    assert net_of(document, payer) == {token: str(-400 * UNIT), "slip44:60": "-5"}
    assert net_of(document, checksummed(played.router)) == {}
    assert [each["log_index"] for each in document["movements"]] == [None, 0, 1]
    assert (document["inner_moves_read"], [each["amount_units"] for each in document["inner_moves"]]) == (
        True,
        ["5"],
    )


def test_native_coin_at_the_top(shell: Terminal, played: Played) -> None:
    document = played.explain(shell, "ether", "--json").document
    assert net_of(document, checksummed(played.payee)) == {"slip44:60": str(10**17)}
    assert (document["succeeded"], document["state"]) == (True, "final")


def test_a_node_without_traces_says_so(shell: Terminal, played: Played, proxy: FaultyProxy) -> None:
    refused = faults.rpc_error(-32601, "the method does not exist", method="debug_traceTransaction")
    proxy.fail(refused)
    said = played.explain(shell, "routed", url=proxy.url)
    assert said.code == 0
    assert "Moves of the native coin inside the transaction were not read" in said.out
    both = played.explain(shell, "routed", "--rpc-url", played.node.url, "--json", url=proxy.url)
    assert both.code == 0, both.out
    assert document_of(both)["inner_moves_read"] is True
    assert "were not read" not in played.explain(shell, "routed").out


def test_a_failed_transaction_is_a_tender_and_no_movement(shell: Terminal, played: Played) -> None:
    payee = checksummed(played.payee)
    said = played.explain(shell, "failed", "--account", payee)
    assert "It failed: nothing moved by it" in said.out
    assert f"It attempted to move 999,999.00 TUSD ({checksummed(played.token.address)}) from " in said.out
    assert f"to {payee}. An attempt is no transfer; it may be a tender." in said.out
    assert f"{payee} neither gained nor lost anything" in said.out
    document = played.explain(shell, "failed", "--json").document
    assert (document["succeeded"], document["movements"], document["net"]) == (False, [], [])
    assert document["call"]["amount_units"] == str(999_999 * UNIT)
    assert "attempted" not in played.explain(shell, "paid").out


def test_spoofs_mints_and_nfts_are_told_apart(shell: Terminal, played: Played) -> None:
    spoof = played.explain(shell, "spoof", "--account", checksummed(played.payer))
    assert f"log 0 moves zero in the name of {checksummed(played.look_alike)}" in spoof.out
    pair = sorted((played.payer, played.look_alike))
    assert f"{checksummed(pair[0])} and {checksummed(pair[1])} resemble each other" in spoof.out
    assert "created for" in played.explain(shell, "mint").out
    nft = played.explain(shell, "nft")
    assert f"log 0: an NFT, contract {checksummed(played.nft)}, id 7, from " in nft.out
    assert "it made no ERC-20 Transfer event" in nft.out
    paid = played.explain(shell, "paid", "--account", checksummed(played.payer))
    assert "resemble" not in paid.out
    assert "moves zero" not in paid.out


def test_not_final_and_pending(shell: Terminal, played: Played) -> None:
    node = played.node
    snapshot = node.snapshot()
    young = played.token.transfer(sender=played.payer, to=played.payee, units=9)
    node.set_automine(enabled=False)
    waiting = node.send_transaction(sender=played.payer, to=played.payee, value=3)
    said = [
        shell.run_here("explain", str(tx), "--chain", str(node.chain), "--rpc-url", node.url)
        for tx in (young, waiting)
    ]
    node.set_automine(enabled=True)
    node.revert(snapshot)
    assert [each.code for each in said] == [0, 0]
    assert "That block is not final yet: the last final block is " in said[0].out
    assert "It is in no block yet: nothing has moved by it so far." in said[1].out
    assert "final" not in said[1].out


def test_nobody_knows_it(shell: Terminal, played: Played, proxy: FaultyProxy) -> None:
    words = ("explain", "0x" + 64 * "7", "--chain", str(played.node.chain), "--rpc-url", played.node.url)
    said = shell.run_here(*words)
    assert (said.code, said.out) == (2, "")
    assert "That is no evidence that nothing was paid" in said.err
    proxy.go_down()
    unsure = shell.run_here(*words, "--rpc-url", proxy.url)
    assert (unsure.code, unsure.out) == (3, "")
    assert "knows no transaction" not in unsure.err


def test_nodes_that_differ(shell: Terminal, played: Played, proxy: FaultyProxy) -> None:
    """One takes the log out of the receipt: both stories are told, and the code is 3."""
    hides = faults.altered_result("eth_getTransactionReceipt", lambda found: {**found, "logs": []})
    proxy.fail(hides)
    said = played.explain(shell, "paid", "--rpc-url", proxy.url)
    assert said.code == 3
    assert "THE ENDPOINTS DIFFER" in said.out
    assert ", 1 logs," in said.out
    assert ", 0 logs," in said.out
    assert "DIFFER" not in played.explain(shell, "paid", "--rpc-url", f"{played.node.url}/").out


def test_a_node_that_fails_beside_one_that_answers(
    shell: Terminal, played: Played, proxy: FaultyProxy
) -> None:
    proxy.fail(lies.on_method("eth_getTransactionReceipt", faults.status(404)))
    said = played.explain(shell, "paid", "--rpc-url", proxy.url, "--json")
    assert said.code == 3
    document = document_of(said)
    assert (document["complete"], len(document["movements"])) == (False, 1)
    assert "404" in document["endpoints"][1]["failure"]


def test_a_receipt_of_another_transaction_is_refused(
    shell: Terminal, played: Played, proxy: FaultyProxy
) -> None:
    other = played.node.receipt(played.txs["spoof"])
    proxy.fail(faults.altered_result("eth_getTransactionReceipt", lambda _: other))
    said = played.explain(shell, "paid", "--json", url=proxy.url)
    assert (said.code, said.out) == (3, "")
    assert "is of another transaction or block" in said.err


def test_a_block_that_was_replaced_meanwhile(shell: Terminal, played: Played, proxy: FaultyProxy) -> None:
    """The receipt's block is not the one at its height: nothing is called final."""

    def other_hash(block: Any) -> Any:
        return None if block is None else {**block, "hash": "0x" + 64 * "9"}

    proxy.fail(faults.altered_result("eth_getBlockByNumber", other_hash))
    said = played.explain(shell, "paid", "--json", url=proxy.url)
    assert said.code == 3
    assert document_of(said)["state"] == "replaced"
    assert "it was replaced, or the answer is wrong" in said.out


@pytest.mark.parametrize("trace", [{"type": "CALL", "calls": 7}, [], None])
def test_a_trace_that_can_not_be_read_is_none(
    shell: Terminal, played: Played, proxy: FaultyProxy, trace: Any
) -> None:
    proxy.fail(faults.altered_result("debug_traceTransaction", lambda _: trace))
    said = played.explain(shell, "routed", url=proxy.url)
    assert said.code == 0
    assert "were not read" in said.out


def test_a_receipt_that_is_gone(shell: Terminal, played: Played, proxy: FaultyProxy) -> None:
    proxy.fail(faults.altered_result("eth_getTransactionReceipt", lambda _: None))
    said = played.explain(shell, "paid", url=proxy.url)
    assert (said.code, said.out) == (3, "")
    assert "has no receipt of transaction" in said.err


def test_a_block_that_is_gone(shell: Terminal, played: Played, proxy: FaultyProxy) -> None:
    """The final block is there, the transaction's is not any more."""
    gone = hex(int(played.node.receipt(played.txs["paid"])["blockNumber"], 16))

    def without(block: Any) -> Any:
        return None if block["number"] == gone else block

    proxy.fail(faults.altered_result("eth_getBlockByNumber", without))
    said = played.explain(shell, "paid", url=proxy.url)
    assert said.code == 3
    assert "it was replaced, or the answer is wrong" in said.out


def test_wrong_input(shell: Terminal, played: Played) -> None:
    chain, url = str(played.node.chain), played.node.url
    good = str(played.txs["paid"])
    for tx, words, told in (
        ("0x12", (), "TX: Hash32 takes 0x and 64 hex digits"),
        (good[2:], (), "TX: "),
        (good, ("--account", checksummed(played.payee).lower()), "--account: "),
        (good, ("--chain", "1"), "--chain: not a CAIP-2 id"),
    ):
        said = shell.run_here("explain", tx, "--chain", chain, "--rpc-url", url, *words)
        assert (said.code, said.out) == (2, "")
        assert told in said.err
