"""Idempotency-Key: a request sent twice acts once, on either database, even when both are sent at once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Any

import httpx2
import pytest

from tests.api.door import Door, bearing, pointers, refused

AT_ONCE = 8


def keyed(key: str) -> dict[str, str]:
    return {"Idempotency-Key": key}


def at_once(send: Callable[[int], httpx2.Response]) -> list[httpx2.Response]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(send, range(AT_ONCE)))


def requests_of(door: Door) -> list[tuple[str, dict[str, Any]]]:
    """One of each POST that records something."""
    parties = door.set_up()
    debt = door.post("/v1/debts", door.debt_body(parties=parties, reference="first"))
    party = door.party_body(door.token.node.accounts()[4])
    return [
        ("/v1/parties", party),
        (f"/v1/parties/{parties[0]}/accounts", party["accounts"][0]),
        ("/v1/debts", door.debt_body(parties=parties, reference="second")),
        (f"/v1/debts/{debt['id']}/evidence", {"languages": ["en"]}),
    ]


def test_a_repeated_request_gets_the_same_answer_and_acts_once(both: Door) -> None:
    for number, (path, body) in enumerate(requests_of(both)):
        first = both.client.post(path, json=body, headers=keyed(f"key {number}"))
        assert first.is_success, first.text
        after = both.counts()
        again = both.client.post(path, json=dict(reversed(body.items())), headers=keyed(f"key {number}"))
        assert (again.status_code, again.content) == (first.status_code, first.content)
        assert again.headers.get("location") == first.headers.get("location")
        assert both.counts() == after


def test_a_key_belongs_to_one_request(both: Door) -> None:
    requests = requests_of(both)
    path, body = requests[0]
    assert both.client.post(path, json=body, headers=keyed("k")).status_code == 201
    after = both.counts()
    for other_path, other_body in ((path, {**body, "name": "Ada Lin "}), *requests[1:]):
        problem = refused(both.client.post(other_path, json=other_body, headers=keyed("k")), status=422)
        assert pointers(problem) == ["?Idempotency-Key"]
    assert both.counts() == after


def send(door: Door, path: str, body: dict[str, Any], _: int) -> httpx2.Response:
    return door.client.post(path, json=body, headers=keyed(path))


def test_requests_at_once(both: Door) -> None:
    for path, body in requests_of(both):
        before = both.counts()
        answers = at_once(partial(send, both, path, body))
        assert {answer.status_code for answer in answers} <= {201, 202}, [each.text for each in answers]
        assert len({answer.content for answer in answers}) == 1
        added = {name: rows - before[name] for name, rows in both.counts().items() if rows != before[name]}
        assert added.pop("idempotency_key") == 1
        assert added["audit_entry"] == added["audit_payload"]
        assert added.get("party", 0) <= 1
        assert added.get("debt", 0) <= 1
        assert added.get("evidence", 0) <= 1


def test_one_reference_at_once_without_a_key(both: Door) -> None:
    """One debt is recorded, and the others are told so; none is half there."""
    parties = both.set_up()
    body = both.debt_body(parties=parties)
    answers = at_once(lambda _: both.client.post("/v1/debts", json=body))
    assert sorted(answer.status_code for answer in answers) == [201, *[409] * (AT_ONCE - 1)]
    counts = both.counts()
    assert (counts["debt"], counts["installment"]) == (1, 3)
    assert len(both.get("/v1/debts")["items"]) == 1


def test_different_keys_at_once(both: Door) -> None:
    """Nobody waits in vain, and the audit log stays one chain."""
    answers = at_once(
        lambda number: both.client.post("/v1/parties", json={"name": "Ada"}, headers=keyed(str(number)))
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == AT_ONCE
    assert both.counts()["party"] == AT_ONCE


def test_a_refused_request_leaves_its_key_free(both: Door) -> None:
    before = both.counts()
    bad = both.client.post("/v1/parties", json={"name": ""}, headers=keyed("k"))
    refused(bad, status=422)
    parties = both.client.post("/v1/parties/pty_0/accounts", json={}, headers=keyed("k"))
    refused(parties, status=422)
    assert both.counts() == before
    assert both.client.post("/v1/parties", json={"name": "Ada"}, headers=keyed("k")).status_code == 201


def test_a_key_is_kept_for_a_day(both: Door) -> None:
    def post() -> str:
        answer = both.client.post("/v1/parties", json={"name": "Ada"}, headers=keyed("k"))
        assert answer.status_code == 201
        return str(answer.json()["id"])

    first = post()
    both.clock.ahead = timedelta(hours=23, minutes=59)
    assert post() == first
    both.clock.ahead = timedelta(hours=24, seconds=1)
    second = post()
    assert second != first
    assert post() == second
    assert both.counts()["idempotency_key"] == 1


def test_tenants_do_not_share_keys(door: Door) -> None:
    theirs = bearing(door.key_of_another_tenant())
    mine = door.client.post("/v1/parties", json={"name": "Ada"}, headers=keyed("k"))
    other = door.client.post("/v1/parties", json={"name": "Bob"}, headers={**keyed("k"), **theirs})
    assert (mine.status_code, other.status_code) == (201, 201)
    assert (mine.json()["name"], other.json()["name"]) == ("Ada", "Bob")


@pytest.mark.parametrize("key", [b"", b"x" * 256, b"caf\xc3\xa9", b"a\tb", b"\x7f"])
def test_keys_that_are_none(door: Door, key: bytes) -> None:
    before = door.counts()
    headers = {b"Idempotency-Key": key}
    refused(door.client.post("/v1/parties", json={"name": "Ada"}, headers=headers), status=422)
    assert door.counts() == before
