"""Requests that must be refused wherever they go: unreadable, too large, wrong parties, wrong questions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from app.api.limits import BODY_BYTES_MAX
from tests.api.door import AGREED_AT, Door, Scene, pointers, refused
from tests.support.token import deploy

JSON = {"Content-Type": "application/json"}
UNKNOWN = "00J00000000000000000000000"


def demand_refusal(door: Door, path: str, body: object, *, at: str, status: int = 422) -> str:
    """A POST is refused with this pointer, and nothing is stored; the detail."""
    before = door.counts()
    problem = refused(door.client.post(path, content=json.dumps(body), headers=JSON), status=status)
    assert door.counts() == before
    assert at in pointers(problem)
    return next(str(each["detail"]) for each in problem["errors"] if each["pointer"] == at)


# -- bodies as such

POSTS = [
    "/v1/assets",
    "/v1/parties",
    f"/v1/parties/pty_{UNKNOWN}/accounts",
    "/v1/debts",
    f"/v1/debts/deb_{UNKNOWN}/evidence",
]


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"{", 422),
        (b"{'a': 1}", 422),
        (b'{"a": 1} trailing', 422),
        (b"\xff\xff", 400),
        (b'{"name": "\xff"}', 400),
        (b"[" * 1_000_000, 400),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, 400),
        (b'{"interest": ' + b'{"a":' * 500 + b"1" + b"}" * 501, 422),
        (b'{"grace_days": ' + b"9" * 5_000 + b"}", 400),
        (b'{"principal": 1e999999999}', 422),
        (b'{"principal": NaN, "asset": Infinity}', 422),
    ],
    ids=count(),
)
def test_bodies_that_are_no_request(scene: Scene, path: str, body: bytes, status: int) -> None:
    before = scene.door.counts()
    refused(scene.door.client.post(path, content=body, headers=JSON), status=status)
    assert scene.door.counts() == before


@pytest.mark.parametrize("path", POSTS)
def test_a_body_of_another_kind(scene: Scene, path: str) -> None:
    text = json.dumps(scene.door.party_body(scene.door.token.node.accounts()[1]))
    headers = {"Content-Type": "text/plain"}
    refused(scene.door.client.post(path, content=text, headers=headers), status=422)


def pieces(size: int) -> Iterator[bytes]:
    """A body whose size nobody announces."""
    yield b'{"name": "'
    for _ in range(0, size, 65536):
        yield b"x" * 65536
    yield b'"}'


@pytest.mark.parametrize("bearing_a_key", [True, False])
@pytest.mark.parametrize("path", ["/v1/parties", "/v1/nothing/here"])
def test_huge_bodies(scene: Scene, path: str, *, bearing_a_key: bool) -> None:
    """Announced as too large they are refused unread, by whoever they are sent, wherever to."""
    client = scene.door.client
    headers = JSON if bearing_a_key else {**JSON, "Authorization": ""}
    announced = client.post(path, content=b"x" * (BODY_BYTES_MAX + 1), headers=headers)
    assert str(BODY_BYTES_MAX) in refused(announced, status=413)["detail"]
    absurd = client.post(path, content=b"", headers={**headers, "Content-Length": "9" * 100})
    refused(absurd, status=413)
    if path == "/v1/parties":
        streamed = client.post(path, content=pieces(BODY_BYTES_MAX + 65536), headers=headers)
        assert str(BODY_BYTES_MAX) in refused(streamed, status=413)["detail"]


def test_the_largest_body_is_read(scene: Scene) -> None:
    name = "x" * (BODY_BYTES_MAX - len('{"name": ""}'))
    body = json.dumps({"name": name})
    assert len(body) == BODY_BYTES_MAX
    response = scene.door.client.post("/v1/parties", content=body, headers=JSON)
    assert "/name" in pointers(refused(response, status=422))


# -- parties and their accounts


@pytest.mark.parametrize(
    ("changes", "at"),
    [
        ({"name": ""}, "/name"),
        ({"name": None}, "/name"),
        ({"name": "x" * 501}, "/name"),
        ({"name": "a\x00b"}, "/name"),
        ({"name": "\ud800"}, "/name"),
        ({"name": "a\udc00\ud800b"}, "/name"),
        ({"kind": "robot"}, "/kind"),
        ({"email": ""}, "/email"),
        ({"email": "x" * 321}, "/email"),
        ({"email": "a@b\x00"}, "/email"),
        ({"locale": "x" * 36}, "/locale"),
        ({"locale": "\ud800"}, "/locale"),
        ({"accounts": {}}, "/accounts"),
        ({"accounts": [None]}, "/accounts/0"),
        ({"address": "0x"}, "/address"),
    ],
    ids=count(),
)
def test_parties(scene: Scene, changes: dict[str, Any], at: str) -> None:
    demand_refusal(scene.door, "/v1/parties", {"name": "Ada Lin", **changes}, at=at)


@pytest.mark.parametrize(
    ("changes", "at"),
    [
        ({"basis": "hearsay"}, "/basis"),
        ({"basis": None}, "/basis"),
        ({"note": "x" * 10_001}, "/note"),
        ({"note": "\x00"}, "/note"),
        ({"note": "\ud800"}, "/note"),
        ({"from": "2026-01-01"}, "/from"),
        ({"until": "2026-01-01T00:00:00"}, "/until"),
        ({"from": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"}, "/until"),
        ({"valid_from": "2026-01-01T00:00:00Z"}, "/valid_from"),
        ({"colour": "red"}, "/colour"),
    ],
    ids=count(),
)
def test_accounts(scene: Scene, changes: dict[str, Any], at: str) -> None:
    """With a new party and for a known one: the same refusal, one level deeper or not."""
    door = scene.door
    good = door.party_body(door.token.node.accounts()[4])["accounts"][0]
    demand_refusal(door, f"/v1/parties/{scene.parties[0]}/accounts", {**good, **changes}, at=at)
    body = {"name": "Ada Lin", "accounts": [good, {**good, **changes}]}
    demand_refusal(door, "/v1/parties", body, at=f"/accounts/1{at}")


def test_addresses(scene: Scene) -> None:
    door = scene.door
    chain, right = door.chain, door.account(door.token.node.accounts()[4])
    upper = f"{chain}:0x{right[-40:].upper()}"
    cases = {
        right.lower(): right,
        upper: right,
        f"{chain}:0x{'0' * 40}": "zero address",
        "eip155:2" + right.removeprefix(chain): "not configured",
        "eip155:99999999999999999999" + right.removeprefix(chain): "CAIP-2",
        right.removeprefix(f"{chain}:"): "CAIP-2",
        right + "0": "hex digits",
        f"{right}\n": "hex digits",
        f" {right}": "CAIP-2",
        "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp:x": "CAIP-2",
        "\ud800": "",
        "": "",
    }
    for account, told in cases.items():
        body = {"account": account, "basis": "contract"}
        path = f"/v1/parties/{scene.parties[0]}/accounts"
        assert told in demand_refusal(door, path, body, at="/account"), account
        party = {"name": "Ada Lin", "accounts": [body]}
        assert told in demand_refusal(door, "/v1/parties", party, at="/accounts/0/account"), account


def test_more_accounts_than_a_party_has(scene: Scene) -> None:
    door = scene.door
    account = door.party_body(door.token.node.accounts()[4])["accounts"][0]
    body = {"name": "Ada Lin", "accounts": [account] * 201}
    demand_refusal(door, "/v1/parties", body, at="/accounts")
    full = door.post("/v1/parties", {"name": "Ada Lin", "accounts": [account] * 200})
    assert len(full["accounts"]) == 200
    demand_refusal(door, f"/v1/parties/{full['id']}/accounts", account, at="/account")


def test_an_account_of_nobody(scene: Scene) -> None:
    door = scene.door
    account = door.party_body(door.token.node.accounts()[4])["accounts"][0]
    before = door.counts()
    refused(door.client.post(f"/v1/parties/pty_{UNKNOWN}/accounts", json=account), status=404)
    assert door.counts() == before


# -- assets


def test_assets(scene: Scene) -> None:
    door = scene.door
    chain, right = door.chain, door.asset
    nobody = door.account(door.token.node.accounts()[5])[-42:]
    # Answers to no decimals(), so it is no ERC-20 token.
    silent = door.account(deploy(door.token.node, "RawEmitter", by=door.token.node.accounts()[0]))
    door.token.node.mine(3)
    cases = {
        right.lower(): right,
        f"{chain}/erc20:0x{'0' * 40}": "zero address",
        f"{chain}/erc20:{nobody}": "no contract",
        f"{chain}/erc20:{silent[-42:]}": "decimals()",
        "eip155:2/" + right.partition("/")[2]: "not configured",
        "eip155:2/slip44:60": "not configured",
        f"{chain}/erc721:{right[-42:]}": "CAIP-19",
        f"{chain}/slip44:060": "CAIP-19",
        "": "",
        "\ud800": "",
    }
    for asset, told in cases.items():
        assert told in demand_refusal(door, "/v1/assets", {"asset": asset}, at="/asset"), asset
    demand_refusal(door, "/v1/assets", {"asset": right, "decimals": 18}, at="/decimals")


# -- questions


def test_evidence_that_can_not_be_built(scene: Scene) -> None:
    door = scene.door
    debt = door.post("/v1/debts", scene.debt_body(reference="for evidence"))
    path = f"/v1/debts/{debt['id']}/evidence"
    for body, at in (
        ({"grade": "events-complete"}, "/grade"),
        ({"grade": "certain"}, "/grade"),
        ({"languages": ["zh-CN"]}, "/languages/0"),
        ({"languages": ["en", "de"]}, "/languages/1"),
        ({"languages": []}, "/languages"),
        ({"languages": "en"}, "/languages"),
        ({"as_of": "2025-06-16"}, "/as_of"),
        ({"as_of": "2025-06-16T15:06:39Z"}, "/as_of"),
        ({"known_at": "2025-06-16T15:06:40Z"}, "/known_at"),
        ({"allow_lower": "perhaps"}, "/allow_lower"),
        ({"supersedes": "evi_1"}, "/supersedes"),
    ):
        demand_refusal(door, path, body, at=at)
    before = door.counts()
    refused(door.client.post(f"/v1/debts/deb_{UNKNOWN}/evidence", json={}), status=404)
    assert door.counts() == before


def test_questions_with_wrong_parameters(scene: Scene) -> None:
    door = scene.door
    debt = door.post("/v1/debts", scene.debt_body(reference="for questions"))
    account = door.account(door.token.node.accounts()[1])
    assessment, transfers = f"/v1/debts/{debt['id']}/assessment", "/v1/transfers"
    cases: list[tuple[str, dict[str, str], str]] = [
        (assessment, {"as_of": "2025-07-01T00:00:00"}, "?as_of"),
        (assessment, {"as_of": str(AGREED_AT)}, "?as_of"),
        (assessment, {"as_of": "2025-06-16T15:06:39Z"}, "?as_of"),
        (assessment, {"as_of": "0001-01-01T00:00:00Z"}, "?as_of"),
        (assessment, {"known_at": "2025-06-16T15:06:40Z"}, "?known_at"),
        (assessment, {"asof": "2025-07-01T00:00:00Z"}, "?asof"),
        ("/v1/debts", {"result": "partial"}, "?result"),
        ("/v1/debts", {"timing": "SOON"}, "?timing"),
        ("/v1/debts", {"party_id": "'"}, "?party_id"),
        ("/v1/chains", {"chain": "eip155:1"}, "?chain"),
        ("/v1/chains/bitcoin", {}, "?chain"),
        ("/v1/chains/eip155:01", {}, "?chain"),
        (transfers, {}, "?account"),
        (transfers, {"account": account.lower()}, "?account"),
        (transfers, {"account": account, "asset": "USDC"}, "?asset"),
        (transfers, {"account": account, "asset": door.asset.lower()}, "?asset"),
        (transfers, {"account": account, "from_block": "-1"}, "?from_block"),
        (transfers, {"account": account, "to_block": "9" * 30}, "?to_block"),
        (transfers, {"account": account, "from_block": "1.5"}, "?from_block"),
        ("/v1/coverage", {"chain": door.chain}, "?account"),
        ("/v1/coverage", {"chain": "eip155:1", "account": account}, "?account"),
    ]
    for path, query, at in cases:
        problem = refused(door.client.get(path, params=query), status=422)
        assert at in pointers(problem), (path, query)


@pytest.mark.parametrize(
    "when", ["9999-12-31T23:59:59Z", "9999-12-31T23:59:59.999999-12:00", "2100-01-01T00:00:00+14:00"]
)
def test_times_at_the_end_of_the_calendar(scene: Scene, when: str) -> None:
    door = scene.door
    debt = door.post("/v1/debts", scene.debt_body(reference=when, time_zone="Pacific/Kiritimati"))
    for query in ({"as_of": when}, {"known_at": when}, {"as_of": when, "known_at": when}):
        response = door.client.get(f"/v1/debts/{debt['id']}/assessment", params=query)
        assert response.status_code in {200, 422}, response.text
        if response.status_code == 200:
            assert response.json()["result"] == "UNDETERMINED"
