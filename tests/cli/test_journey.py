"""The main job at the terminal, and the same words at the HTTP door: one database, one answer."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.api.fields import CHECKSUMMED
from app.clock import from_unix_seconds, to_rfc3339
from app.main import create_app
from app.resources import build_resources
from app.settings import Settings
from app.tenants.service import first_start
from chains.types import AccountId
from tests.api.door import AGREED_AT, DAY, bearing
from tests.cli.terminal import ROOT, Said, Terminal
from tests.support.token import Token


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory, token: Token) -> Terminal:
    """After a loan and one payment in time; a month later."""
    _, creditor, debtor, *_ = token.node.accounts()
    token.transfer(sender=creditor, to=debtor, units=9_000 * 10**6, at=AGREED_AT + 3600)
    token.transfer(sender=debtor, to=creditor, units=3_000 * 10**6, at=AGREED_AT + 5 * DAY)
    token.node.set_next_block_time(AGREED_AT + 31 * DAY)
    token.node.call("evm_mine")
    token.node.mine(5)
    return Terminal(
        data_dir=tmp_path_factory.mktemp("journey") / "data",
        settings={"QUITTANCE_EGRESS_ALLOW": f"127.0.0.1:{token.node.port}"},
    )


@pytest.fixture(scope="module")
def recorded(terminal: Terminal, token: Token) -> dict[str, dict[str, Any]]:
    """What each command answered that configures or records something."""
    chain, asset = str(token.node.chain), CHECKSUMMED.asset(token.asset)
    body = {
        "name": "Test chain",
        "rpc_urls": [f"{token.node.url}/?token=s3cr3tk3y"],
        "native": {"symbol": "ETH", "decimals": 18},
        "finality": {"tag": "finalized"},
    }
    said = {"chain": terminal.run("chains", "put", chain, terminal.write("chain.json", body), "--json")}
    assert said["chain"].code == 0, said["chain"].err
    said["asset"] = terminal.run_here("asset", "add", asset, "--json")
    for name, address in zip(("creditor", "debtor"), token.node.accounts()[1:3], strict=True):
        account = {"account": CHECKSUMMED.account(AccountId(token.node.chain, address)), "basis": "contract"}
        party = terminal.write(f"{name}.json", {"name": name, "accounts": [account]})
        said[name] = terminal.run_here("party", "new", party, "--json")
    debt = {
        "reference": "LOAN-7",
        "creditor_id": said["creditor"].document["id"],
        "debtor_id": said["debtor"].document["id"],
        "kind": "loan",
        "asset": asset,
        "principal": "9000",
        "agreed_at": to_rfc3339(from_unix_seconds(AGREED_AT)),
        "time_zone": "Asia/Shanghai",
        "installments": [{"due_at": to_rfc3339(from_unix_seconds(AGREED_AT + 10 * DAY)), "amount": "9000"}],
    }
    said["debt"] = terminal.run("debt", "new", terminal.write("debt.json", debt), "--json")
    assert "s3cr3tk3y" not in "".join(each.out + each.err for each in said.values())
    return {name: each.document for name, each in said.items()}


@pytest.fixture(scope="module")
def indexed(terminal: Terminal, recorded: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return terminal.run("index", "--json").document


@pytest.fixture(scope="module")
def sealed(
    terminal: Terminal, recorded: dict[str, dict[str, Any]], indexed: dict[str, Any]
) -> dict[str, Any]:
    return terminal.run("evidence", recorded["debt"]["id"], "--json").document


@pytest.fixture
def api(terminal: Terminal) -> Iterator[TestClient]:
    """The HTTP door to the same database."""
    resources = build_resources(Settings(data_dir=terminal.data_dir, database_url=None))
    with resources.engine.begin() as connection:
        key = first_start(connection, now=resources.clock())
        assert key is not None
        connection.exec_driver_sql("SELECT 1")
    try:
        with TestClient(create_app(resources, with_worker=False), headers=bearing(key.plain)) as client:
            yield client
    finally:
        with resources.engine.begin() as connection:
            # The next test's first start is a first start again.
            connection.exec_driver_sql("DELETE FROM api_key")
        resources.close()


def test_what_was_recorded_is_what_the_api_shows(
    api: TestClient, terminal: Terminal, recorded: dict[str, dict[str, Any]]
) -> None:
    chain = recorded["chain"]["chain"]
    put = api.get(f"/v1/chains/{chain}").json()
    assert {**put, "nodes": None} == {**recorded["chain"], "nodes": None} | {
        name: put[name] for name in ("head", "finalized", "read_through")
    }
    assert api.get("/v1/assets").json() == {"items": [recorded["asset"]]}
    for name in ("creditor", "debtor"):
        assert api.get(f"/v1/parties/{recorded[name]['id']}").json() == recorded[name]
    assert api.get(f"/v1/debts/{recorded['debt']['id']}").json() == recorded["debt"]


@pytest.mark.parametrize(
    ("words", "path", "shown"),
    [
        (("chains", "list"), "/v1/chains", "Test chain"),
        (("asset", "list"), "/v1/assets", "TUSD"),
        (("party", "list"), "/v1/parties?limit=200", "creditor"),
        (("debt", "list"), "/v1/debts?limit=200", "LOAN-7"),
    ],
)
def test_lists(
    api: TestClient,
    terminal: Terminal,
    indexed: dict[str, Any],
    words: tuple[str, ...],
    path: str,
    shown: str,
) -> None:
    expected = api.get(path).json()
    assert terminal.run_here(*words, "--json").document == expected
    plain = terminal.run_here(*words)
    assert (plain.code, plain.err) == (0, "")
    assert shown in plain.out


def test_reading(terminal: Terminal, indexed: dict[str, Any], token: Token) -> None:
    (chain,) = indexed["chains"]
    assert chain["chain"] == str(token.node.chain)
    assert chain["failure"] is None
    assert chain["transfers"] == 2
    again = terminal.run("index")
    assert (again.code, again.out.strip()) == (
        0,
        f"{chain['chain']}: read to block {chain['finalized']}, 0 new transfers",
    )


def test_the_assessment(
    api: TestClient, terminal: Terminal, recorded: dict[str, dict[str, Any]], indexed: dict[str, Any]
) -> None:
    debt_id = recorded["debt"]["id"]
    said = terminal.run("assess", debt_id, "--json").document
    assert (said["result"], said["applied"]) == ("PARTIAL", "3000")
    expected = api.get(f"/v1/debts/{debt_id}/assessment", params={"known_at": said["known_at"]}).json()
    assert said == expected
    as_of = to_rfc3339(from_unix_seconds(AGREED_AT + 3 * DAY)).replace("Z", "+00:00")
    earlier = terminal.run_here("assess", debt_id, "--as-of", as_of)
    assert (earlier.code, earlier.err) == (0, "")
    assert "Result NONE_FOUND_IN_SCOPE, applied 0 of 9000" in earlier.out
    assert said["scope_sentence"][:40] in terminal.run_here("assess", debt_id).out


def test_evidence(api: TestClient, terminal: Terminal, sealed: dict[str, Any]) -> None:
    assert sealed["state"] == "sealed"
    shown = api.get(f"/v1/evidence/{sealed['id']}").json()
    assert {name: sealed[name] for name in shown} == shown
    bundle = api.get(f"/v1/evidence/{sealed['id']}/bundle.zip").content
    assert Path(sealed["bundle"]).is_absolute()
    assert Path(sealed["bundle"]).read_bytes() == bundle
    assert Path(sealed["case"]).read_bytes() == api.get(f"/v1/evidence/{sealed['id']}/case.json").content


def verify(terminal: Terminal, *words: str) -> Said:
    return terminal.run("verify", *words)


def test_verifying(terminal: Terminal, sealed: dict[str, Any], tmp_path: Path) -> None:
    """0: all holds; 4: the question or the anchor came only with the bundle; 1: rejected; 2: usage."""
    bundle, case, anchor = sealed["bundle"], sealed["case"], sealed["anchor"]
    whole = ("--case", case, "--anchor", anchor)
    accepted = verify(terminal, bundle, *whole, "--json")
    assert accepted.document["ok"] is True
    assert verify(terminal, bundle, *whole).out.startswith("All holds")
    for partly in ((), ("--case", case), ("--anchor", anchor)):
        conditional = verify(terminal, bundle, *partly, "--json")
        assert conditional.code == 4
        assert json.loads(conditional.out)["ok"] is True
    content = bytearray(Path(bundle).read_bytes())
    content[len(content) // 2] ^= 1
    tampered = tmp_path / "tampered.zip"
    tampered.write_bytes(content)
    number, _, block_hash = anchor.partition(":")
    wrong = f"{number}:0x{'0' * 64}"
    assert block_hash != wrong
    for words in (
        (str(tampered), *whole),
        (bundle, "--case", case, "--anchor", wrong),
        (bundle, "--case", terminal.write("other.json", {"format": 1}), "--anchor", anchor),
        (str(tmp_path / "missing.zip"), *whole),
    ):
        rejected = verify(terminal, *words, "--json")
        assert rejected.code == 1
        assert json.loads(rejected.out)["ok"] is False
        assert verify(terminal, *words).out.startswith("REJECTED: ")


@pytest.mark.parametrize("words", [(), ("a.zip", "b.zip"), ("a.zip", "--anchor", "12"), ("a.zip", "--what")])
def test_verifying_nothing(terminal: Terminal, words: tuple[str, ...]) -> None:
    said = verify(terminal, *words)
    assert (said.code, said.out) == (2, "")
    assert "usage: quittance verify" in said.err


HEAVY = ("httpx2", "httpx", "sqlalchemy", "web3", "fastapi", "starlette", "dbos", "pydantic", "typer", "rich")
# Says on stderr, after the verdict, which of these were loaded on the way.
WATCHED = """
import runpy, sys
sys.argv = ["quittance", *sys.argv[1:]]
try:
    runpy.run_module("app.cli.main", run_name="__main__")
finally:
    print(sorted(set(sys.modules) & set({heavy!r})), file=sys.stderr)
"""


def test_verifying_loads_nothing_of_the_service(terminal: Terminal, sealed: dict[str, Any]) -> None:
    words = [sealed["bundle"], "--case", sealed["case"], "--anchor", sealed["anchor"]]
    for command, loaded in ((["verify", *words], "[]"), (["keys", "--help"], "typer")):
        done = subprocess.run(
            [sys.executable, "-c", WATCHED.format(heavy=HEAVY), *command],
            cwd=ROOT,
            env=terminal.environment(),
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert loaded in done.stderr.splitlines()[-1]
