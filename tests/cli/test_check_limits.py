"""`quittance check` at its limits: nodes that lag, know no tag or answer in part; too much, and nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.inquiry import asking, check, reading
from chains.devnode import DevNode
from chains.evm.checksum import checksummed
from tests.cli.inquiring import SINCE, Played, play
from tests.cli.terminal import Said, Terminal
from tests.ingest import lies
from tests.support import faulty_proxy as faults
from tests.support.faulty_proxy import Exchange, FaultyProxy, faulty_proxy


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


def read(said: Said) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(said.out)
    return document


def test_a_second_node_that_lags(shell: Terminal, played: Played, proxy: FaultyProxy) -> None:
    """What only one of them could answer is said, and no difference is made of it."""
    final = played.node.block("finalized").number
    proxy.fail(lies.lagging(final - 3))
    said = played.check(shell, "--rpc-url", proxy.url, "--json")
    document = read(said)
    assert (said.code, document["differences"], document["gaps"]) == (0, [], [])
    (sentence,) = document["gap_sentences"]
    assert sentence.startswith(f"blocks {final - 4}-{final} were answered by endpoint 1")
    proxy.fail(lies.lagging(5))
    behind = played.check(shell, "--rpc-url", proxy.url, "--json")
    assert behind.code == 3
    assert "its last final block is 3, before the first of the asked time" in behind.out


def test_a_node_without_the_tag(shell: Terminal, played: Played, proxy: FaultyProxy) -> None:
    """Its answer says which option helps; with it, final is so far below the head."""

    def no_tag(exchange: Exchange) -> None:
        refused = faults.rpc_error(-32602, "unknown block tag")
        (refused if b'"finalized"' in exchange.request else faults.pass_on)(exchange)

    proxy.fail(no_tag)
    said = played.check(shell, url=proxy.url)
    assert (said.code, said.out) == (3, "")
    assert "If it has no `finalized` tag, give --confirmations" in said.err
    helped = played.check(shell, "--confirmations", "12", "--json", url=proxy.url)
    assert read(helped)["last_block"]["number"] == played.node.block().number - 12
    proxy.fail(faults.rpc_error(-32000, "busy"))
    busy = played.check(shell, "--confirmations", "12", url=proxy.url)
    assert (busy.code, busy.out) == (3, "")


def test_the_other_node_finds_the_window(shell: Terminal, played: Played, proxy: FaultyProxy) -> None:
    def no_old_blocks(exchange: Exchange) -> None:
        old = b'"0x0"' in exchange.request
        (faults.rpc_error(-32000, "pruned") if old else faults.pass_on)(exchange)

    proxy.fail(no_old_blocks)
    said = played.check(shell, "--rpc-url", played.node.url, "--json", url=proxy.url)
    document = read(said)
    assert (said.code, document["gaps"], document["inflows_total"]) == (3, [], 7)
    assert "pruned" in document["endpoints"][0]["failure"]
    alone = played.check(shell, url=proxy.url)
    assert (alone.code, alone.out) == (3, "")
    assert "pruned" in alone.err


def test_a_chain_that_changes_while_it_is_read(shell: Terminal, played: Played, proxy: FaultyProxy) -> None:
    """From the first logs on, the final block has another hash: nothing of that part is believed."""
    logs_seen: list[bool] = []
    final = hex(played.node.block("finalized").number)

    def replaced(exchange: Exchange) -> None:
        logs_seen.extend([True] if b"eth_getLogs" in exchange.request else [])

        def change(block: Any) -> Any:
            changed = bool(logs_seen) and block["number"] == final
            return {**block, "hash": "0x" + 64 * "5"} if changed else block

        faults.altered_result("eth_getBlockByNumber", change)(exchange)

    proxy.fail(replaced)
    said = played.check(shell, "--rpc-url", played.node.url, "--json", url=proxy.url)
    assert said.code == 3
    assert read(said)["endpoints"][0]["read"] is None
    assert "though it was final" in read(said)["endpoints"][0]["failure"]


def test_logs_of_a_block_that_is_not_there(shell: Terminal, played: Played, proxy: FaultyProxy) -> None:
    proxy.fail(lies.logs_changed(lambda logs: [{**log, "blockHash": "0x" + 64 * "6"} for log in logs[:1]]))
    said = played.check(shell, url=proxy.url)
    assert (said.code, said.out) == (3, "")
    assert "but the node's block" in said.err


@pytest.mark.parametrize("method", ["eth_getTransactionReceipt", "eth_getTransactionByHash"])
@pytest.mark.parametrize("broken", [True, False])
def test_transactions_that_can_not_be_looked_into(
    shell: Terminal, played: Played, proxy: FaultyProxy, method: str, *, broken: bool
) -> None:
    """Every inflow is listed all the same, and what was not searched is said."""
    proxy.fail(lies.on_method(method, faults.status(404)) if broken else faults.altered_result(method, gone))
    said = played.check(shell, "--json", url=proxy.url)
    document = read(said)
    assert (said.code, document["inflows_total"]) == (0, 7)
    assert any("The transactions of 7 transfers were not looked into" in each for each in document["notes"])
    assert all("pass-through" not in each["flags"] for each in document["inflows"])


def gone(_: Any) -> None:
    """What a node answers of something it no longer keeps."""


def test_a_limited_number_is_looked_into(
    shell: Terminal, played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "TRANSACTIONS_MAX", 2)
    document = played.check(shell, "--json").document
    assert any("transactions of 5 transfers" in each for each in document["notes"])


def test_contracts_that_can_not_be_asked(shell: Terminal, played: Played, proxy: FaultyProxy) -> None:
    """Amounts are in base units then, never in guessed ones, and compared with nothing."""
    proxy.fail(lies.on_method("eth_call", faults.status(404)))
    said = played.check(shell, "--amount", "1250.50", "--json", url=proxy.url)
    document = read(said)
    assert said.code == 0
    assert {each["amount"] for each in document["inflows"]} == {None}
    assert {tuple(each["differs_in"]) for each in document["inflows"]} == {("amount-not-read",)}
    plain = played.check(shell, url=proxy.url)
    assert "1250500000 base units (no symbol read)" in plain.out
    token = checksummed(played.token.address)
    unsure = played.check(shell, "--token", token, url=proxy.url)
    assert (unsure.code, unsure.out) == (3, ""), "a node that fails does not say that there is no token"


def test_contracts_of_a_node_that_is_away_are_given_up(
    shell: Terminal, played: Played, proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "_SILENCES_MAX", 1)
    proxy.fail(lies.on_method("eth_getCode", faults.status(408)))
    document = read(played.check(shell, "--json", url=proxy.url))
    assert {each["symbol"] for each in document["inflows"]} == {None}


def test_more_than_one_answer_holds(
    shell: Terminal, played: Played, proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "TRANSFERS_MAX", 2)
    proxy.fail(faults.capped_range(3, "the block range is limited to 3"))
    said = played.check(shell, "--json", url=proxy.url)
    document = read(said)
    assert said.code == 3
    assert "more than 2 transfers; ask for a shorter time" in document["endpoints"][0]["failure"]
    assert document["gaps"]


def test_more_blocks_than_are_asked_for(
    shell: Terminal, played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "BLOCKS_MAX", 10)
    said = played.check(shell)
    assert (said.code, said.out) == (2, "")
    assert "--since: These are " in said.err


def test_an_account_to_which_nothing_came(shell: Terminal, played: Played) -> None:
    """No word says more than that nothing was found where it was looked."""
    nobody = checksummed(played.node.accounts()[9])
    words = ("check", "--chain", str(played.node.chain), "--since", SINCE, "--rpc-url", played.node.url)
    said = shell.run_here(*words, "--to", f"{played.node.chain}:{nobody}")
    assert said.code == 0
    assert "No transfer was found in what was read." in said.out
    assert (
        f"0 transfers to the account {nobody} were found, of any token and from anyone, by asking" in said.out
    )


def test_nothing_as_asked_hides_nothing(shell: Terminal, played: Played) -> None:
    token = f"{played.node.chain}/erc20:{checksummed(played.token.address)}"
    said = played.check(shell, "--token", token, "--amount", "77", "--only")
    assert said.code == 0
    assert "No transfer to list." in said.out
    assert "7 more arrived that differ from what was asked for; the sums below hold them." in said.out


def test_a_node_given_twice(shell: Terminal, played: Played) -> None:
    said = played.check(shell, "--rpc-url", played.node.url)
    assert (said.code, said.out) == (2, "")
    assert "--rpc-url: At most 10 nodes are asked, each given once." in said.err
