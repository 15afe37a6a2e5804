"""Configuring chains: which nodes are refused and why, and that no secret of a URL is ever told again."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from app.db import reading
from app.migrations.models import metadata
from tests.api.door import Door, accepted, bearing, pointers, refused
from tests.api.opening import open_door, open_resources
from tests.support import faulty_proxy as faults
from tests.support.clone import clone_sqlite
from tests.support.faulty_proxy import Fault, FaultyProxy
from tests.support.token import Token

SECRET = "s3cr3tk3y"  # noqa: S105 - it is ours to look for.
TAIL = f"/v3/{SECRET}?token={SECRET}"


@pytest.fixture(scope="module")
def proxy(token: Token) -> Iterator[FaultyProxy]:
    with faults.faulty_proxy(token.node) as started:
        yield started


@pytest.fixture(scope="module")
def nobody() -> Iterator[int]:
    """A port of this machine on which nobody answers, for as long as this file runs."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield int(taken.getsockname()[1])


@contextmanager
def door_beside(
    proxy: FaultyProxy, nobody: int, *, template: str, folder: Path, token: Token
) -> Iterator[Door]:
    """The app over an empty database, allowed to reach the node, the proxy and the port of nobody."""
    url = clone_sqlite(template, folder=folder)
    allowed = [f"127.0.0.1:{proxy.port}", f"127.0.0.1:{nobody}"]
    with (
        open_resources(url, folder=folder, token=token, also_allow=allowed) as resources,
        open_door(resources, token=token) as opened,
    ):
        yield opened


@pytest.fixture(scope="module")
def door(
    sqlite_template: str,
    tmp_path_factory: pytest.TempPathFactory,
    token: Token,
    proxy: FaultyProxy,
    nobody: int,
) -> Iterator[Door]:
    """For what is refused: the next test finds everything as it was."""
    folder = tmp_path_factory.mktemp("door")
    with door_beside(proxy, nobody, template=sqlite_template, folder=folder, token=token) as opened:
        yield opened


@pytest.fixture
def fresh(
    sqlite_template: str, tmp_path: Path, token: Token, proxy: FaultyProxy, nobody: int
) -> Iterator[Door]:
    """For what is taken in."""
    with door_beside(proxy, nobody, template=sqlite_template, folder=tmp_path, token=token) as opened:
        yield opened


@pytest.fixture(autouse=True)
def healed(proxy: FaultyProxy) -> Iterator[None]:
    yield
    proxy.heal()


def demand_refusal(door: Door, *, at: str, chain: str | None = None, **changes: Any) -> str:
    """PUT is refused with this pointer, nothing is stored, and the secret is not repeated; the detail."""
    before = door.counts()
    body = json.dumps(door.chain_body(**changes))
    headers = {"Content-Type": "application/json"}
    response = door.client.put(f"/v1/chains/{chain or door.chain}", content=body, headers=headers)
    problem = refused(response, status=422)
    assert at in pointers(problem), problem
    assert SECRET not in response.text
    assert door.counts() == before
    return next(str(each["detail"]) for each in problem["errors"] if each["pointer"] == at)


INSIDE = [
    *("127.0.0.1", "127.0.0.1:9", "127.1", "127.255.255.254:8545", "localhost", "LOCALHOST:9"),
    *(
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0",
        "0.0.0.0:8545",
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
    ),
    *("192.168.1.1:8545", "169.254.169.254", "169.254.0.1", "100.64.0.1", "192.0.2.1", "198.18.0.1"),
    *(
        "224.0.0.1",
        "255.255.255.255",
        "[::1]",
        "[::1]:8545",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:a9fe:a9fe]",
    ),
    *("[fe80::1]", "[fd00::1]", "[fec0::1]", "[ff02::1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]"),
    *("[2001:0:7f00:1::]", "[::127.0.0.1]", "[2001:db8::1]", "[0:0:0:0:0:0:0:1]"),
]


@pytest.mark.parametrize("host", INSIDE)
def test_nodes_in_the_operators_own_network(door: Door, host: str) -> None:
    """Loopback, private, link-local, the metadata address: each in all its forms, by http and by https."""
    for scheme in ("http", "https"):
        detail = demand_refusal(door, at="/rpc_urls/0", rpc_urls=[f"{scheme}://{host}{TAIL}"])
        # Forms that a resolver or a parser of URLs does not even take get no further either.
        assert any(told in detail for told in ("egress guard refuses", "no connection", "not a URL"))


@pytest.mark.parametrize(
    "url",
    [
        *("file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1:70/x", "ws://127.0.0.1:8545/"),
        *(
            "http+unix://%2Ftmp%2Fx/",
            "javascript:alert(1)",
            "//127.0.0.1:8545/",
            "http:///nowhere",
            "http://?",
        ),
        *("http://exa mple.org/", "http://example.org\\@127.0.0.1/", "http://127.0.0.1\n/", "http://\x00/"),
        *("http://[fe80::1%25eth0]/", "http://[::1", "http://127.0.0.1:99999/", "http://127.0.0.1:0/"),
        *(
            "http://\uff4cocalhost/",
            "http://127\u30020\u30020\u30021/",
            "not a url",
            "        ",
            "http://\ud800/",
        ),
    ],
    ids=count(),
)
def test_urls_that_are_none(door: Door, url: str) -> None:
    demand_refusal(door, at="/rpc_urls/0", rpc_urls=[url])


def test_a_password_in_a_url(door: Door) -> None:
    """Even where the address itself may be reached."""
    port = door.token.node.port
    for userinfo in (f"user:{SECRET}", SECRET, f":{SECRET}", f"{SECRET}%40"):
        detail = demand_refusal(door, at="/rpc_urls/0", rpc_urls=[f"http://{userinfo}@127.0.0.1:{port}/"])
        assert "user name or password" in detail


@pytest.mark.parametrize(
    ("changes", "at"),
    [
        ({"rpc_urls": []}, "/rpc_urls"),
        ({"rpc_urls": ["http://127.0.0.1:9/"] * 11}, "/rpc_urls"),
        ({"rpc_urls": "http://127.0.0.1:9/"}, "/rpc_urls"),
        ({"rpc_urls": ["http:/"]}, "/rpc_urls/0"),
        ({"rpc_urls": ["http://127.0.0.1/" + "x" * 2000]}, "/rpc_urls/0"),
        ({"rpc_urls": [None]}, "/rpc_urls/0"),
        ({"name": ""}, "/name"),
        ({"name": "\x00"}, "/name"),
        ({"name": "\ud800"}, "/name"),
        ({"native": {"symbol": "E" * 41, "decimals": 18}}, "/native/symbol"),
        ({"native": {"symbol": "ETH", "decimals": 78}}, "/native/decimals"),
        ({"native": {"symbol": "ETH", "decimals": -1}}, "/native/decimals"),
        ({"native": {"symbol": "ETH"}}, "/native/decimals"),
        ({"finality": {}}, "/finality"),
        ({"finality": {"tag": "finalized", "confirmations": 64}}, "/finality"),
        ({"finality": {"tag": "latest"}}, "/finality/tag"),
        ({"finality": {"confirmations": 0}}, "/finality/confirmations"),
        ({"finality": {"confirmations": 11}}, "/finality/confirmations"),
        ({"finality": {"confirmations": 10**9}}, "/finality/confirmations"),
        ({"finality": {"depth": 64}}, "/finality/depth"),
        ({"finality": "finalized"}, "/finality"),
        ({"start_block": -1}, "/start_block"),
        ({"start_block": 2**53 + 1}, "/start_block"),
        ({"api_key": SECRET}, "/api_key"),
    ],
    ids=count(),
)
def test_fields(door: Door, changes: dict[str, Any], at: str) -> None:
    demand_refusal(door, at=at, **changes)


@pytest.mark.parametrize(("chain", "least"), [("eip155:1", 64), ("eip155:56", 15), ("eip155:137", 256)])
def test_every_chain_has_its_own_floor_of_confirmations(door: Door, chain: str, least: int) -> None:
    finality = {"confirmations": least - 1}
    detail = demand_refusal(door, at="/finality/confirmations", chain=chain, finality=finality)
    assert f"from {least} confirmations" in detail


@pytest.mark.parametrize(
    "chain", ["eip155:0", "eip155:01", "eip155:-1", "eip155:99999999999999999999", "EIP155:1", "x"]
)
def test_chain_ids(door: Door, chain: str) -> None:
    demand_refusal(door, at="?chain", chain=chain)


FAULTS: dict[str, tuple[Fault, str]] = {
    "wrong chain": (faults.wrong_chain_id, "serves chain 57005"),
    "garbage": (faults.body(b"<html>busy</html>"), "JSON"),
    "nothing": (faults.body(b""), "JSON"),
    "not HTTP": (faults.not_http, "broke"),
    "half of the bytes": (faults.half_answer, "broke"),
    "half of the JSON": (faults.half_json, "JSON"),
    "hung up": (faults.drop, "broke"),
    "500": (faults.status(500), "500"),
    "429": (faults.status(429), "429"),
    "redirect": (faults.status(307, headers={"Location": "http://169.254.169.254/"}), "redirects"),
    "error": (faults.rpc_error(-32000, f"the key {SECRET} at {TAIL} is not known"), "-32000"),
    "100 MB": (faults.flood(100_000_000, announced=True), "limit"),
    "100 MB in chunks": (faults.flood(100_000_000, announced=False), "limit"),
    "100 MB in 100 kB": (faults.gzip_bomb, "compressed"),
    "no final block": (faults.altered_result("eth_getBlockByNumber", lambda _: None), "block"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_nodes_that_fail(door: Door, proxy: FaultyProxy, name: str) -> None:
    fault, told = FAULTS[name]
    proxy.fail(fault)
    detail = demand_refusal(door, at="/rpc_urls/0", rpc_urls=[proxy.url + TAIL])
    assert detail.startswith(f"node {proxy.url}: ")
    assert told in detail


def test_a_node_that_is_down(door: Door, proxy: FaultyProxy, nobody: int) -> None:
    """The second of two: the pointer says which."""
    down = f"http://127.0.0.1:{nobody}"
    detail = demand_refusal(door, at="/rpc_urls/1", rpc_urls=[proxy.url + TAIL, down + TAIL])
    assert detail == f"node {down}: no connection"
    demand_refusal(door, at="/rpc_urls", rpc_urls=[proxy.url + TAIL, proxy.url + TAIL])


def test_only_the_operator_configures(door: Door, proxy: FaultyProxy) -> None:
    """Nobody else makes the service reach out: the node is not even asked."""
    body = door.chain_body(rpc_urls=[proxy.url])
    for key in (door.key_with("read", "write", "seal"), door.key_of_another_tenant()):
        before, asked = door.counts(), len(proxy.requests)
        response = door.client.put(f"/v1/chains/{door.chain}", json=body, headers=bearing(key))
        assert "admin" in refused(response, status=403)["detail"]
        assert (door.counts(), len(proxy.requests)) == (before, asked)


def test_no_secret_is_told_again(
    fresh: Door, proxy: FaultyProxy, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """From the configuring through reading, failing and evidence, to the last column of the database."""
    caplog.set_level(logging.INFO)
    url = f"/v1/chains/{fresh.chain}"
    put = fresh.client.put(url, json=fresh.chain_body(rpc_urls=[proxy.url + TAIL]))
    configured = accepted(put, status=201)
    assert configured["nodes"][0]["url"] == proxy.url
    fresh.post("/v1/assets", {"asset": fresh.asset})
    accounts = fresh.token.node.accounts()
    parties = [fresh.post("/v1/parties", fresh.party_body(each))["id"] for each in accounts[1:3]]
    debt = fresh.post("/v1/debts", fresh.debt_body(parties=(parties[0], parties[1])))
    assert fresh.read().failure is None
    evidence = fresh.post(f"/v1/debts/{debt['id']}/evidence", {}, status=202)
    proxy.fail(faults.status(500))
    assert str(fresh.read().failure).startswith(f"node {proxy.url}: ")
    fresh.seal()
    answers = [fresh.get(url), fresh.get("/v1/chains"), fresh.get(f"/v1/evidence/{evidence['id']}")]
    assert answers[0]["nodes"][0]["error"]
    account = fresh.account(accounts[1])
    answers.append(fresh.get("/v1/coverage", chain=fresh.chain, account=account))
    assert SECRET not in put.text + json.dumps(answers)
    assert SECRET not in caplog.text
    assert SECRET not in "".join(capfd.readouterr())
    assert columns_with(fresh, SECRET) == {"chain_node.url"}


def columns_with(door: Door, text: str) -> set[str]:
    found = set()
    with reading(door.resources.engine) as connection:
        for table in metadata.sorted_tables:
            for row in connection.execute(sa.select(table)):
                found |= {f"{table.name}.{name}" for name in row._fields if text in str(getattr(row, name))}
    return found


def test_a_configuration_is_replaced(fresh: Door, proxy: FaultyProxy) -> None:
    fresh.put_chain()
    url = f"/v1/chains/{fresh.chain}"
    body = fresh.chain_body(name="Renamed", rpc_urls=[proxy.url, fresh.token.node.url], start_block=3)
    again = accepted(fresh.client.put(url, json=body), status=200)
    assert again == fresh.get(url)
    assert (again["name"], again["start_block"]) == ("Renamed", 3)
    assert [node["url"] for node in again["nodes"]] == [proxy.url, fresh.token.node.url]
    assert fresh.get("/v1/chains")["items"] == [again]
    assert again["finality"] == {"tag": "finalized"}
    body["finality"] = {"confirmations": 12}
    assert accepted(fresh.client.put(url, json=body), status=200)["finality"] == {"confirmations": 12}
