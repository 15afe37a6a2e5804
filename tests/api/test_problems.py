"""Errors have one form, whoever makes them: the router, the framework, the database, or nobody foresaw."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx2
import pytest
import sqlalchemy as sa
import structlog
from starlette.testclient import TestClient

from app.api.problems import PROBLEM_SCHEMA
from app.cli.output import configure_logs
from tests.api.door import Door, bearing, refused

METHODS = {"get", "put", "post", "delete", "patch"}


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v2/debts", "/v1/debt", "/v1/debts/x/y/z", "/healthz/x", "/%00"]
)
def test_unknown_paths(door: Door, path: str) -> None:
    for method in ("GET", "POST", "DELETE"):
        problem = refused(door.client.request(method, path), status=404)
        assert problem["type"] == "urn:quittance:problem:not-found"


def test_methods_that_a_path_does_not_offer(door: Door) -> None:
    """405, with every method that the path does offer, though they belong to several routes."""
    paths = door.client.get("/openapi.json").json()["paths"]
    for template, item in paths.items():
        offered = {method.upper() for method in METHODS & set(item)}
        path = template.replace("{chain}", "eip155:1").replace("{", "").replace("}", "")
        for method in ("PATCH", "TRACE", *({"PUT", "POST", "DELETE"} - offered)):
            response = door.client.request(method, path)
            problem = refused(response, status=405)
            assert problem["type"] == "urn:quittance:problem:method-not-allowed"
            assert set(response.headers["allow"].split(", ")) == offered, (method, path)
    chain = door.client.patch("/v1/chains/eip155:1")
    assert chain.headers["allow"] == "GET, PUT"
    assert "GET" in refused_headers(door.client.post("/openapi.json"))["allow"]


def refused_headers(response: httpx2.Response) -> httpx2.Headers:
    refused(response, status=405)
    return response.headers


def test_ids_that_are_none(door: Door) -> None:
    for path in ("/v1/debts/a-b", "/v1/debts/%F0%9F%92%B8", "/v1/parties/" + "x" * 65, "/v1/evidence/a.b"):
        refused(door.client.get(path), status=422)
    for path in ("/v1/debts/x", "/v1/parties/x", "/v1/evidence/x", "/v1/chains/eip155:1"):
        refused(door.client.get(path), status=404)


@pytest.fixture
def default_logs() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def test_what_nobody_foresaw(door: Door, default_logs: None, capsys: pytest.CaptureFixture[str]) -> None:
    """A table that is gone: a fault of the installation, which tells the client nothing of its inside."""
    with door.resources.engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE account_binding"))
    configure_logs("json")
    app = door.client.app
    with TestClient(app, headers=bearing(door.key), raise_server_exceptions=False) as client:
        response = client.get("/v1/transfers", params={"account": door.account(door.token.address)})
    problem = refused(response, status=500)
    assert problem["type"] == "urn:quittance:problem:internal"
    assert "account_binding" not in response.text
    out, err = capsys.readouterr()
    assert out == ""
    (entry,) = [json.loads(line) for line in err.splitlines()]
    assert entry["event"] == "unexpected error"
    assert entry["path"] == "/v1/transfers"
    assert "no such table" in entry["exception"]
    assert door.key not in err
    # Parameters of a query are names, notes and URLs with keys.
    assert "ten_" not in err


def test_a_database_that_is_not_ours(door: Door) -> None:
    assert door.client.get("/readyz").json() == {"status": "ready"}
    with door.resources.engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0000'"))
    problem = refused(door.client.get("/readyz"), status=503)
    assert "db upgrade" in problem["detail"]
    assert door.client.get("/healthz").json() == {"status": "ok"}


def test_a_node_that_is_down_when_an_asset_is_registered(door: Door) -> None:
    """503, not 422: the request is right, and may be sent again."""
    door.put_chain()
    with door.resources.engine.begin() as connection:
        connection.execute(sa.text("UPDATE chain_node SET url = 'http://127.0.0.1:9/v3/s3cr3tk3y'"))
    before = door.counts()
    response = door.client.post("/v1/assets", json={"asset": door.asset})
    assert door.chain in refused(response, status=503)["detail"]
    assert "s3cr3tk3y" not in response.text
    assert door.counts() == before


def test_the_description_shows_the_form(door: Door) -> None:
    """Every documented error of every operation is this problem, and every request has an example."""
    document = door.client.get("/openapi.json").json()
    operations = [item[method] for item in document["paths"].values() for method in METHODS & set(item)]
    assert len(operations) >= 22
    for operation in operations:
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                assert response["content"] == {"application/problem+json": {"schema": PROBLEM_SCHEMA}}
        if "requestBody" in operation:
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            name = schema["$ref"].rpartition("/")[2]
            assert document["components"]["schemas"][name]["examples"], name
            assert {"400", "413", "422"} <= set(operation["responses"])


def test_the_examples_are_right_but_for_what_they_name(door: Door) -> None:
    """An example that is refused for its form would teach a mistake."""
    document = door.client.get("/openapi.json").json()
    for path, item in document["paths"].items():
        for method in {"post", "put"} & set(item):
            schema = item[method]["requestBody"]["content"]["application/json"]["schema"]
            for example in document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]["examples"]:
                place = path.replace("{chain}", "eip155:1").replace("{", "").replace("}", "")
                if "rpc_urls" in example:
                    # No test reaches out: the port of discard, where nobody listens and the guard refuses.
                    example["rpc_urls"] = ["http://127.0.0.1:9"]
                response = door.client.request(method, place, json=example)
                assert response.status_code in {404, 422}, response.text
                told = json.dumps(response.json(), ensure_ascii=False)
                known = ("There is no", "not configured", "not registered", "egress guard")
                assert any(each in told for each in known), told
