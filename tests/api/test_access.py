"""Who may ask what: keys, scopes, and tenants that know nothing of each other."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest

from app.tenants.service import authenticate, revoke_key
from tests.api.door import Door, Scene, bearing, pointers, refused

HTTP_METHODS = ("get", "put", "post", "delete", "patch")
SCOPES = {"read", "write", "seal", "admin"}


def operations(door: Door, ids: dict[str, str]) -> Iterator[tuple[str, str, str]]:
    """Method, template and real path of every operation under /v1, from the app's own description."""
    for template, item in door.client.get("/openapi.json").json()["paths"].items():
        for method in HTTP_METHODS:
            if template.startswith("/v1") and method in item:
                yield method.upper(), template, template.format(**ids)


def needed_scope(method: str, template: str) -> str:
    if method == "GET":
        return "read"
    if template.startswith("/v1/chains"):
        return "admin"
    return "seal" if "evidence" in template else "write"


@pytest.fixture(scope="module")
def ids(scene: Scene) -> dict[str, str]:
    """A thing of each kind, for the paths."""
    door = scene.door
    debt = door.post("/v1/debts", scene.debt_body())
    evidence = door.post(f"/v1/debts/{debt['id']}/evidence", {}, status=202)
    return {
        "chain": door.chain,
        "party_id": scene.parties[0],
        "debt_id": debt["id"],
        "evidence_id": evidence["id"],
        # A bundle is sealed by the job of its own id.
        "job_id": evidence["id"],
    }


def revoked_key(door: Door) -> str:
    key = door.key_with("read", "write", "seal", "admin")
    with door.resources.engine.begin() as connection:
        now = door.clock()
        principal = authenticate(connection, key=key, now=now)
        assert principal is not None
        revoke_key(connection, tenant_id=principal.tenant_id, key_id=principal.key_id, now=now)
    return key


def test_nothing_is_told_without_a_key_that_opens_it(scene: Scene, ids: dict[str, str]) -> None:
    door = scene.door
    right = door.key
    last = "0" if right[-1] != "0" else "1"
    headers = [
        "",
        "Bearer",
        "Bearer ",
        f"Basic {right}",
        right,
        f"Bearer {right[:-1]}",
        f"Bearer {right[:-1]}{last}",
        f"Bearer {right}0",
        f"Bearer {right.lower()}",
        f"Bearer {right} {right}",
        "Bearer qk_00000000000000000000000000_" + "0" * 64,
        "Bearer " + "x" * 5000,
        f"Bearer {revoked_key(door)}",
    ]
    checked = 0
    before = door.counts()
    for method, _, path in operations(door, ids):
        for header in headers:
            response = door.client.request(method, path, headers={"Authorization": header})
            problem = refused(response, status=401)
            assert response.headers["www-authenticate"] == "Bearer"
            assert right not in response.text
            assert problem["type"] == "urn:quittance:problem:unauthenticated"
            checked += 1
    assert checked >= 20 * len(headers)
    assert door.counts() == before


def test_every_operation_needs_its_scope(scene: Scene, ids: dict[str, str]) -> None:
    door = scene.door
    keys = {scope: door.key_with(*SCOPES - {scope}) for scope in SCOPES}
    before = door.counts()
    for method, template, path in operations(door, ids):
        scope = needed_scope(method, template)
        problem = refused(door.client.request(method, path, headers=bearing(keys[scope])), status=403)
        assert problem["detail"] == f"This needs a key with the scope {scope}.", (method, template)
    assert door.counts() == before


def test_each_scope_is_enough_for_what_needs_it(scene: Scene, ids: dict[str, str]) -> None:
    """Refused at most for what was sent, never for the key."""
    door = scene.door
    keys = {scope: door.key_with(scope) for scope in SCOPES}
    for method, template, path in operations(door, ids):
        if method != "DELETE":
            key = keys[needed_scope(method, template)]
            response = door.client.request(method, path, headers=bearing(key))
            assert response.status_code in {200, 202, 409, 422}, (method, path, response.text)


def same_but_for(mine: httpx2.Response, nobodys: httpx2.Response, *, ids: tuple[str, str]) -> None:
    """What is another tenant's is answered just as what does not exist at all."""
    assert refused(mine, status=404) is not None
    assert refused(nobodys, status=404) is not None
    assert mine.text.replace(ids[0], "*") == nobodys.text.replace(ids[1], "*")


def test_what_is_another_tenants_does_not_exist(scene: Scene, ids: dict[str, str]) -> None:
    door = scene.door
    theirs = bearing(door.key_of_another_tenant())
    account = door.party_body(door.token.node.accounts()[4])["accounts"][0]
    bodies = {"/v1/parties/{party_id}/accounts": account, "/v1/debts/{debt_id}/evidence": {}}
    checked = 0
    before = door.counts()
    for method, template, path in operations(door, ids):
        names = [
            name for name in ("party_id", "debt_id", "evidence_id", "job_id") if f"{{{name}}}" in template
        ]
        if not names:
            continue
        (name,) = names
        unknown = ids[name][:4] + "0" * 26
        responses = [
            door.client.request(method, each, headers=theirs, json=bodies.get(template))
            for each in (path, path.replace(ids[name], unknown))
        ]
        same_but_for(responses[0], responses[1], ids=(ids[name], unknown))
        checked += 1
    assert checked == 12
    assert door.counts() == before


def test_accounts_of_others_are_not_for_reading(scene: Scene) -> None:
    door = scene.door
    theirs = bearing(door.key_of_another_tenant())
    watched, unwatched = (door.account(door.token.node.accounts()[number]) for number in (1, 9))
    for path, query in (("/v1/transfers", {}), ("/v1/coverage", {"chain": door.chain})):
        assert door.client.get(path, params={**query, "account": watched}).status_code == 200
        mine, nobodys = (
            door.client.get(path, params={**query, "account": account}, headers=theirs)
            for account in (watched, unwatched)
        )
        same_but_for(mine, nobodys, ids=(watched, unwatched))


def test_lists_and_references_stop_at_the_tenant(scene: Scene, ids: dict[str, str]) -> None:
    door = scene.door
    theirs = bearing(door.key_of_another_tenant())
    for path in ("/v1/parties", "/v1/debts", f"/v1/debts?party_id={ids['party_id']}"):
        assert door.client.get(path, headers=theirs).json() == {"items": []}
        assert door.client.get(path).json()["items"]
    before = door.counts()
    response = door.client.post("/v1/debts", json=scene.debt_body(), headers=theirs)
    assert set(pointers(refused(response, status=422))) == {"/creditor_id", "/debtor_id"}
    assert door.counts() == before


def test_a_reference_is_taken_only_within_its_tenant(scene: Scene, ids: dict[str, str]) -> None:
    door = scene.door
    theirs = bearing(door.key_of_another_tenant())
    accounts = door.token.node.accounts()
    parties = [
        door.client.post("/v1/parties", json=door.party_body(each), headers=theirs).json()["id"]
        for each in accounts[1:3]
    ]
    body = door.debt_body(parties=(parties[0], parties[1]))
    assert body["reference"] == scene.debt_body()["reference"]
    made = door.client.post("/v1/debts", json=body, headers=theirs)
    assert made.status_code == 201, made.text
    refused(door.client.post("/v1/debts", json=body, headers=theirs), status=409)


def test_a_revoked_key_opens_nothing_from_then_on(scene: Scene) -> None:
    door = scene.door
    key = door.key_with("read")
    assert door.client.get("/v1/debts", headers=bearing(key)).status_code == 200
    with door.resources.engine.begin() as connection:
        now = door.clock()
        principal = authenticate(connection, key=key, now=now)
        assert principal is not None
        revoke_key(connection, tenant_id=principal.tenant_id, key_id=principal.key_id, now=now)
    refused(door.client.get("/v1/debts", headers=bearing(key)), status=401)


def test_what_needs_no_key(scene: Scene) -> None:
    for path in ("/healthz", "/readyz", "/openapi.json", "/docs"):
        assert scene.door.client.get(path, headers={"Authorization": ""}).status_code == 200
