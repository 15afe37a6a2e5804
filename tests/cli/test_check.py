"""`quittance check` on a real chain: everything that arrived is shown, and what was not read is said."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from chains.devnode import DevNode
from chains.evm.checksum import checksummed
from tests.cli.inquiring import ACCUSING, DAY, SINCE, UNIT, Played, play
from tests.cli.terminal import Said, Terminal
from tests.ingest import lies
from tests.support import faulty_proxy as faults
from tests.support.anvil import GENESIS_AT, anvil
from tests.support.faulty_proxy import Exchange, FaultyProxy, faulty_proxy
from tests.support.token import deploy

ARRIVED = {"before", "paid", "other wallet", "fake", "spoof", "mint", "routed"}
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


def read(said: Said) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(said.out)
    return document


def by_tx(document: dict[str, Any], played: Played, name: str) -> dict[str, Any]:
    (found,) = [each for each in document["inflows"] if each["tx_hash"] == str(played.txs[name])]
    assert isinstance(found, dict)
    return found


def test_everything_that_arrived_and_no_database(shell: Terminal, played: Played) -> None:
    """A process of its own, as a person starts it."""
    said = shell.run(*played.check_words(), "--rpc-url", played.node.url, "--json")
    document = said.document
    assert [each["tx_hash"] for each in document["inflows"]] == [
        str(played.txs[name])
        for name in ("before", "paid", "other wallet", "fake", "spoof", "mint", "routed")
    ]
    assert (document["complete"], document["gaps"], document["differences"]) == (True, [], [])
    assert not shell.data_dir.exists()
    paid = by_tx(document, played, "paid")
    assert (paid["amount"], paid["amount_units"], paid["symbol"]) == ("1250.5", str(1_250_500_000), "TUSD")
    assert paid["from"] == checksummed(played.payer)
    assert by_tx(document, played, "fake")["asset"].endswith(checksummed(played.fake.address))
    sums = {each["asset"].rpartition(":")[2]: each for each in document["totals"]}
    assert sums[checksummed(played.token.address)]["received"]["amount"] == "1951.500005"
    assert sums[checksummed(played.token.address)]["sent"] == {
        "transfers": 1,
        "amount": "100",
        "amount_units": str(100 * UNIT),
    }
    assert [each["tx_hash"] for each in document["other_events"]] == [str(played.txs["nft"])]


def test_the_table_and_the_scope_line(shell: Terminal, played: Played) -> None:
    said = shell.run(*played.check_words(), "--rpc-url", played.node.url)
    assert said.code == 0, said.err
    for name in ("before", "paid", "other wallet", "fake", "spoof", "mint", "routed"):
        assert str(played.txs[name]) in said.out
    assert "1250.5 TUSD" in said.out
    first, last = played.node.block(8), played.node.block("finalized")
    (scope,) = [line for line in said.out.splitlines() if line.startswith("On the chain")]
    assert f"of blocks {first.number}-{last.number} ({first.hash} of " in scope
    assert f"; {last.hash} of " in scope
    assert f"7 transfers to the account {checksummed(played.payee)} were found" in scope
    assert f"by asking endpoint 1 ({played.node.url})" in scope
    assert scope.endswith(NO_WORD)
    assert re.search(ACCUSING, said.out) is None
    assert "2 contracts bear the symbol TUSD" in said.out
    assert "endpoint 1" in said.err, "the progress is on stderr"


def test_flags(shell: Terminal, played: Played) -> None:
    words = ("--from", checksummed(played.payer), "--token", checksummed(played.token.address), "--json")
    document = played.check(shell, *words).document
    flags = {name: by_tx(document, played, name)["flags"] for name in played.txs if name in ARRIVED}
    assert flags == {
        "before": [],
        "paid": [],
        "other wallet": ["unknown-payer", "refunded"],
        "fake": ["unknown-payer", "other-asset", "fake-token"],
        "spoof": ["zero-value", "look-alike", "unknown-payer"],
        "mint": ["mint", "unknown-payer"],
        "routed": ["pass-through"],
    }
    routed = by_tx(document, played, "routed")
    assert routed["from"] == checksummed(played.router)
    assert routed["origins"] == [checksummed(played.payer)]
    assert routed["differs_in"] == []
    without = played.check(shell, "--json").document
    assert by_tx(without, played, "other wallet")["flags"] == ["refunded"]
    assert by_tx(without, played, "fake")["flags"] == []


def test_what_differs_is_counted_and_summed(shell: Terminal, played: Played) -> None:
    words = ("--token", checksummed(played.token.address), "--amount", "1250.50")
    document = played.check(shell, *words, "--json").document
    assert len(document["inflows"]) == len(ARRIVED)
    assert [each["tx_hash"] for each in document["inflows"] if each["exact_amount"]] == [
        str(played.txs["paid"])
    ]
    said = played.check(shell, *words, "--only")
    assert str(played.txs["paid"]) in said.out
    assert str(played.txs["other wallet"]) not in said.out
    assert "6 more arrived that differ from what was asked for; the sums below hold them." in said.out
    assert "1951.500005 in 6" in said.out
    assert "700 in 1" in said.out
    assert "7 transfers to the account" in said.out


def test_only_some_rows_are_shown_and_the_rest_counted(shell: Terminal, played: Played) -> None:
    said = played.check(shell, "--rows", "2")
    assert said.code == 0
    assert "5 more are not listed (--rows, --json); the sums below hold them." in said.out
    assert "7 transfers to the account" in said.out


def test_a_part_of_the_time(shell: Terminal, played: Played) -> None:
    """A day counts whole; an instant to its second."""
    of = (*played.check_words()[:5], "--rpc-url", played.node.url, "--json")
    for since, until, count in (
        ("2025-06-16", "2025-06-16", 1),
        ("2025-06-16", "2025-06-18", 7),
        ("2025-06-16T15:06:40Z", "2025-06-16T15:06:40Z", 1),
        ("2025-06-16T17:06:41+02:00", "2025-06-18T15:06:40Z", 6),
    ):
        found = shell.run_here(*of, "--since", since, "--until", until)
        assert found.code == 0, found.err
        assert len(read(found)["inflows"]) == count
    late = shell.run_here(*of, "--since", SINCE, "--until", "2099-01-01").document
    assert any("was the last final one" in note for note in late["notes"])
    early = shell.run_here(*of, "--since", SINCE, "--until", "2025-06-17T00:00:00Z")
    assert early.code == 0
    assert not any("last final" in note for note in read(early)["notes"])


def test_a_node_that_fails_half_way(shell: Terminal, played: Played, proxy: FaultyProxy) -> None:
    """What was read is shown, the rest is a gap, and the code is 3."""
    asked = iter(range(1000))

    def breaks_off(exchange: Exchange) -> None:
        capped = faults.capped_range(3, "the block range is limited to 3")
        late = b"eth_getLogs" in exchange.request and next(asked) > 6
        (faults.status(404) if late else capped)(exchange)

    proxy.fail(breaks_off)
    said = played.check(shell, "--json", url=proxy.url)
    document = read(said)
    assert said.code == 3
    (endpoint,) = document["endpoints"]
    (gap,) = document["gaps"]
    last = played.node.block("finalized").number
    assert gap == {"first_block": endpoint["read"]["last_block"] + 1, "last_block": last}
    assert "404" in endpoint["failure"]
    assert 0 < len(document["inflows"]) < len(ARRIVED)
    assert document["complete"] is False
    assert f"except blocks {gap['first_block']}-{last}" in document["scope_sentence"]
    proxy.fail(breaks_off)
    asked = iter(range(1000))
    plain = played.check(shell, url=proxy.url)
    assert plain.code == 3
    assert f"NOT READ: blocks {gap['first_block']}-{last}. Transfers may exist there." in plain.out
    assert re.search(ACCUSING, plain.out) is None
    assert NO_WORD in plain.out


def test_the_second_node_closes_the_gap_of_the_first(
    shell: Terminal, played: Played, proxy: FaultyProxy
) -> None:
    proxy.fail(lies.on_method("eth_getLogs", faults.status(404)))
    said = played.check(shell, "--rpc-url", played.node.url, "--json", url=proxy.url)
    document = read(said)
    assert said.code == 3, "an endpoint that was asked for failed"
    assert (document["gaps"], len(document["inflows"])) == ([], len(ARRIVED))
    assert any("alone, and compared with nothing" in each for each in document["gap_sentences"])


def test_a_node_that_hides_a_log(shell: Terminal, played: Played, proxy: FaultyProxy) -> None:
    proxy.fail(faults.hidden_log)
    said = played.check(shell, "--rpc-url", proxy.url, "--json")
    document = read(said)
    assert said.code == 3
    hidden = by_tx(document, played, "routed")
    assert (hidden["disputed"], hidden["returned_by"]) == (True, [1])
    assert len(document["inflows"]) == len(ARRIVED)
    (sentence,) = document["differences"]
    assert sentence.startswith("THE ANSWERS DIFFER: ")
    assert f"returned by endpoint 1 ({played.node.url}) and not by endpoint 2 ({proxy.url})" in sentence
    plain = played.check(shell, "--rpc-url", proxy.url)
    assert plain.code == 3
    assert "THE ANSWERS DIFFER" in plain.out
    assert "DISPUTED" in plain.out


def test_a_receipt_gives_a_hidden_log_away(shell: Terminal, played: Played, proxy: FaultyProxy) -> None:
    """One node alone that leaves one of two transfers of a transaction out of its logs."""
    node = played.node
    snapshot = node.snapshot()
    batch = deploy(node, "BatchPayer", by=node.accounts()[0])
    played.token.approve(holder=played.payer, spender=batch, units=3 * UNIT)
    tx = node.send_transaction(sender=played.payer, to=batch, data=_pay(played, units=(UNIT, 2 * UNIT)))
    node.mine(4, seconds_apart=60)
    two_units = f"{2 * UNIT:064x}"
    proxy.fail(lies.logs_changed(lambda logs: [log for log in logs if not log["data"].endswith(two_units)]))
    said = played.check(shell, "--json", url=proxy.url)
    node.revert(snapshot)
    document = read(said)
    one, two = [each for each in document["inflows"] if each["tx_hash"] == str(tx)]
    assert (one["amount"], one["disputed"], one["returned_by"]) == ("1", False, [1])
    assert (two["amount"], two["disputed"], two["returned_by"]) == ("2", True, [])
    assert said.code == 3
    assert "left out of every eth_getLogs answer" in " ".join(document["differences"])


def _pay(played: Played, *, units: tuple[int, ...]) -> bytes:
    types = ["address", "address[]", "uint256[]", "bool"]
    values = [played.token.address, [played.payee] * len(units), list(units), False]
    return keccak(text="pay(address,address[],uint256[],bool)")[:4] + encode(types, values)


def test_nodes_of_two_chains_under_one_id(played: Played, tmp_path: Path) -> None:
    """The same chain id, other blocks: both are shown, loudly."""
    with anvil() as other, faulty_proxy(played.node) as liar:
        other.set_next_block_time(GENESIS_AT + 2 * DAY)
        other.mine(40, seconds_apart=3600)

        def mixed(exchange: Exchange) -> None:
            known = any(call["method"] == "eth_chainId" for call in lies.calls_of(exchange))
            (faults.pass_on if known else lies.answered_by(other))(exchange)

        liar.fail(mixed)
        shell = played.terminal(tmp_path, liar.port)
        said = played.check(shell, "--rpc-url", liar.url)
    assert said.code == 3
    assert "DIFFERENT CHAINS" in said.out
    assert str(played.txs["paid"]) in said.out


def test_no_node_at_all(shell: Terminal, played: Played, proxy: FaultyProxy) -> None:
    proxy.go_down()
    said = played.check(shell, "--json", url=f"{proxy.url}/v3/s3cr3tk3y")
    assert (said.code, said.out) == (3, "")
    assert "no connection" in said.err
    assert "Nothing was read, which says nothing about what is on the chain" in said.err
    assert "s3cr3tk3y" not in said.err


def test_loopback_has_to_be_allowed(played: Played, tmp_path: Path) -> None:
    bare = Terminal(data_dir=tmp_path / "data")
    said = played.check(bare)
    assert (said.code, said.out) == (3, "")
    assert f"QUITTANCE_EGRESS_ALLOW=127.0.0.1:{played.node.port}" in said.err


def test_the_time_limit_leaves_a_gap(shell: Terminal, played: Played, proxy: FaultyProxy) -> None:
    """Each answer takes longer than the whole question may."""

    def slow(exchange: Exchange) -> None:
        if b"eth_getLogs" in exchange.request:
            exchange.stopped.wait(0.6)
        faults.capped_range(3, "the block range is limited to 3")(exchange)

    proxy.fail(slow)
    said = played.check(shell, "--max-seconds", "1", "--json", url=proxy.url)
    assert said.code == 3
    document = read(said)
    assert "time limit of 1 s" in document["endpoints"][0]["failure"]
    assert document["gaps"]


def test_wrong_input(shell: Terminal, played: Played) -> None:
    to, chain = checksummed(played.payee), str(played.node.chain)
    given: dict[str, str] = {"--chain": chain, "--to": to, "--since": SINCE, "--rpc-url": played.node.url}
    token = checksummed(played.token.address)
    cases: tuple[tuple[dict[str, str], str], ...] = (
        ({"--chain": "ethereum"}, "--chain: not a CAIP-2 id"),
        ({"--to": to.lower()}, f"--to: the address {to.lower()} does not have the EIP-55 checksum"),
        ({"--to": to.lower()}, to),
        ({"--to": "0x1"}, "--to: "),
        ({"--to": "0x" + 40 * "0"}, "--to: The zero address"),
        ({"--to": f"eip155:1:{to}"}, "--to: This is on eip155:1"),
        ({"--from": "alice"}, "--from: "),
        ({"--since": "2099-01-01"}, "--since: 2099-01-01 lies in the future"),
        ({"--since": "yesterday"}, "--since: not an RFC 3339 time"),
        ({"--since": "2025-02-30"}, "--since: There is no such day"),
        ({"--since": "2025-06-16T00:00:00"}, "--since: not an RFC 3339 time with an offset"),
        ({"--since": "2025-08-01"}, "--since: The last final block, "),
        ({"--until": "2025-06-01"}, "--until: 2025-06-01 lies before --since"),
        ({"--until": "2025-06-16T01:00:00Z"}, "--until: No block lies between"),
        ({"--token": to}, "--token: At the last final block there is no contract here"),
        ({"--token": "USDC"}, "--token: "),
        ({"--token": f"{chain}/slip44:60"}, "--token: The native coin is not read"),
        ({"--token": f"eip155:1/erc20:{token}"}, "--token: This is on eip155:1"),
        ({"--amount": "1,250.50"}, "--amount: An amount is a decimal string"),
        ({"--amount": "0"}, "--amount: An amount of zero"),
        ({"--amount": "1.1234567", "--token": token}, "--amount: The asset has 6 decimals"),
        ({"--confirmations": "3"}, "--confirmations: On "),
    )
    for change, told in cases:
        words = [word for pair in {**given, **change}.items() for word in pair]
        said = shell.run_here("check", *words)
        assert (said.code, said.out) == (2, ""), (change, said)
        assert told in said.err, (change, said.err)


def test_the_configured_nodes(shell: Terminal, played: Played) -> None:
    """Without --rpc-url the chain's nodes on record are asked, and its registered tokens are known."""
    chain, token = str(played.node.chain), checksummed(played.token.address)
    unknown = shell.run_here(*played.check_words())
    assert (unknown.code, unknown.out) == (2, "")
    assert f"--chain: {chain} is not configured here" in unknown.err
    body = {
        "name": "Test chain",
        "rpc_urls": [f"{played.node.url}/?key=s3cr3tk3y"],
        "native": {"symbol": "ETH", "decimals": 18},
        "finality": {"tag": "finalized"},
    }
    assert shell.run_here("chains", "put", chain, shell.write("chain.json", body)).code == 0
    assert shell.run_here("asset", "add", f"{chain}/erc20:{token}").code == 0
    said = shell.run_here(*played.check_words(), "--json")
    document = said.document
    assert by_tx(document, played, "paid")["flags"] == []
    assert by_tx(document, played, "fake")["flags"] == ["unregistered-asset", "fake-token"]
    assert document["scope_sentence"].startswith(f"On Test chain ({chain}), ")
    assert "s3cr3tk3y" not in said.out + said.err
    refused = shell.run_here(*played.check_words(), "--confirmations", "100")
    assert (refused.code, refused.out) == (2, "")
