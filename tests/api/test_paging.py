"""Lists page by page: everything exactly once, whatever comes in between, and no cursor but our own."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.door import AGREED_AT, DAY, Door, Scene, pointers, refused
from tests.api.opening import open_door, open_resources
from tests.support.clone import clone_sqlite
from tests.support.token import Token

PAGES_MAX = 100
# With one item to a page and one more after each page no walk would ever end.
INSERTS_MAX = 5


@pytest.fixture(scope="module")
def paid(token: Token) -> Token:
    """Seven payments of the debtor and seven of a stranger, several in one block."""
    _, creditor, debtor, stranger, *_ = token.node.accounts()
    token.node.set_next_block_time(AGREED_AT + DAY)
    token.node.call("evm_mine")
    token.node.set_automine(enabled=False)
    for number in range(1, 8):
        for sender in (debtor, stranger):
            token.transfer(sender=sender, to=creditor, units=number)
        if number % 3 == 0:
            token.node.call("evm_mine")
    token.node.call("evm_mine")
    token.node.set_automine(enabled=True)
    token.node.mine(5)
    return token


@pytest.fixture
def read(sqlite_template: str, tmp_path: Path, paid: Token) -> Iterator[Scene]:
    """Both parties' accounts, a debt, and the chain read."""
    url = clone_sqlite(sqlite_template, folder=tmp_path)
    with (
        open_resources(url, folder=tmp_path, token=paid) as resources,
        open_door(resources, token=paid) as door,
    ):
        scene = Scene(door=door, parties=door.set_up())
        door.post("/v1/debts", scene.debt_body())
        assert door.read().failure is None
        yield scene


def walk(
    door: Door, path: str, *, limit: int, between: Callable[[], object] = lambda: None, **query: str
) -> list[dict[str, Any]]:
    """Every item, page by page."""
    items: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    for number in range(PAGES_MAX):
        page = door.get(path, limit=limit, **query, **cursor)
        assert len(page["items"]) <= limit
        items += page["items"]
        if "cursor" not in page:
            return items
        assert len(page["items"]) == limit
        cursor = {"cursor": page["cursor"]}
        if number < INSERTS_MAX:
            between()
    pytest.fail(f"more than {PAGES_MAX} pages of {path}")


@pytest.mark.parametrize("limit", [1, 3, 7])
def test_parties_and_debts(door: Door, limit: int) -> None:
    """What was there before the walk is in it once; what comes in meanwhile does no harm."""
    parties = door.set_up()
    names = [door.post("/v1/parties", {"name": f"Party {number}"})["name"] for number in range(5)]
    more = itertools.count()
    found = walk(
        door, "/v1/parties", limit=limit, between=lambda: door.post("/v1/parties", {"name": f"x{next(more)}"})
    )
    ids = [each["id"] for each in found]
    assert len(set(ids)) == len(ids)
    assert ids[:2] == list(parties)
    assert [each["name"] for each in found][2:7] == names

    def record(reference: str) -> str:
        return str(door.post("/v1/debts", door.debt_body(parties=parties, reference=reference))["id"])

    recorded = [record(f"LOAN-{number}") for number in range(7)]
    debts = [
        each["id"] for each in walk(door, "/v1/debts", limit=limit, between=lambda: record(f"x{next(more)}"))
    ]
    assert len(set(debts)) == len(debts)
    assert debts[:7] == recorded
    of_party = [each["id"] for each in walk(door, "/v1/debts", limit=limit, party_id=parties[0])]
    assert set(debts) <= set(of_party)
    assert walk(door, "/v1/debts", limit=limit, party_id=found[2]["id"]) == []


@pytest.mark.parametrize("limit", [1, 5, 14, 200])
def test_transfers(read: Scene, limit: int) -> None:
    """In the order of the chain, though several lie in one block and new blocks come in between."""
    door = read.door
    token = door.token
    _, creditor, debtor, *_ = token.node.accounts()
    account = door.account(creditor)
    whole = door.get("/v1/transfers", account=account, limit=200)["items"]
    assert len(whole) >= 14
    order = [(each["block_number"], each["log_index"]) for each in whole]
    assert order == sorted(order)
    assert len({number for number, _ in order}) < len(order)

    def another() -> None:
        token.transfer(sender=debtor, to=creditor, units=1)
        token.node.mine(3)
        assert door.read().failure is None

    times = iter([True])

    def another_once() -> None:
        if next(times, False):
            another()

    found = walk(door, "/v1/transfers", limit=limit, account=account, between=another_once)
    assert found[: len(whole)] == whole
    assert len({each["id"] for each in found}) == len(found)


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_candidates_when_the_one_that_the_cursor_names_is_gone(read: Scene, limit: int) -> None:
    """The stranger turns out to be the debtor: what was a candidate is a payment, and the walk goes on."""
    door = read.door
    (debt,) = door.get("/v1/debts")["items"]
    path = f"/v1/debts/{debt['id']}/candidates"
    whole = door.get(path, limit=200)["items"]
    assert len(whole) == 7
    assert {tuple(each["reasons"]) for each in whole} == {("unknown-payer",)}
    assert walk(door, path, limit=limit) == whole
    first = door.get(path, limit=limit)
    assert first["items"] == whole[:limit]
    if limit == 7:
        assert "cursor" not in first
        return
    stranger = door.party_body(door.token.node.accounts()[3])["accounts"][0]
    door.post(f"/v1/parties/{read.parties[1]}/accounts", stranger)
    assert door.read().failure is None
    assert door.get(path, limit=limit, cursor=first["cursor"]) == {"items": []}
    assert door.get(path)["items"] == []


def encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


HASH = "0x" + "a" * 64
# No list has given these, whichever is asked.
BAD: list[str] = [
    *("", "x", "!!!", "\u00e9", "=", "x" * 401, "'; --", "AAAA", "_" * 400),
    *map(encoded, (None, 0, "", "parties", [], {}, {"parties": 1}, [[]], [["parties"]])),
    base64.urlsafe_b64encode(b"[" * 290).decode(),
    base64.urlsafe_b64encode(b'["parties",NaN]').decode(),
]
# What stands behind the list's name, and is not what it gives.
BAD_PLACES: dict[str, list[list[object]]] = {
    "parties": [[], [1], [None], ["a", "b"], [["a"]], ["\x00"], ["\ud800"], ["a b"], [""], ["x" * 101]],
    "debts": [[], [1], ["\x00"], ["\ud800"]],
    "transfers": [
        *([], [1, "0xzz", 0], [1, HASH], ["1", HASH, 0], [True, HASH, 0]),
        *([1.5, HASH, 0], [1, HASH.upper(), "0"], [1, HASH, None]),
    ],
    "candidates": [[], [1, "eip155:1", 2], [1, 2, 3, 4], [1, "\ud800", 2, 3]],
}


def lists_of(scene: Scene) -> list[tuple[str, dict[str, str]]]:
    """In the order of BAD_PLACES."""
    (debt,) = scene.door.get("/v1/debts")["items"]
    account = scene.door.account(scene.door.token.node.accounts()[1])
    return [
        ("/v1/parties", {}),
        ("/v1/debts", {}),
        ("/v1/transfers", {"account": account}),
        (f"/v1/debts/{debt['id']}/candidates", {}),
    ]


def test_cursors_that_no_list_has_given(read: Scene) -> None:
    for (path, query), (name, places) in zip(lists_of(read), BAD_PLACES.items(), strict=True):
        for cursor in (*BAD, *(encoded([name, *place]) for place in places)):
            response = read.door.client.get(path, params={**query, "cursor": cursor})
            assert pointers(refused(response, status=422)) == ["?cursor"], (path, cursor)


def test_cursors_of_another_list(read: Scene) -> None:
    lists = lists_of(read)
    cursors = [read.door.get(path, limit=1, **query).get("cursor") for path, query in lists]
    for (path, query), own in zip(lists, cursors, strict=True):
        for cursor in cursors:
            if cursor is not None:
                response = read.door.client.get(path, params={**query, "cursor": cursor})
                assert response.status_code == (200 if cursor == own else 422)


def test_cursors_with_numbers_beyond_every_column(read: Scene) -> None:
    """Right in form, so they are read: as a place after everything, or before it."""
    (path, query) = lists_of(read)[2]
    for block, log in ((10**60, 10**60), (-(10**60), -(10**60)), (2**63, 2**63)):
        found = read.door.get(path, cursor=encoded(["transfers", block, HASH, log, "log"]), **query)["items"]
        assert bool(found) == (block < 0)


def test_limits(read: Scene) -> None:
    for path, query in lists_of(read):
        for limit in ("0", "-1", "201", "1.5", "x", "", "1e2", "9" * 5000):
            response = read.door.client.get(path, params={**query, "limit": limit})
            assert pointers(refused(response, status=422)) == ["?limit"], (path, limit)
