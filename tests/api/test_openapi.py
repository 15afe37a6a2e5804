"""Schemathesis over the whole OpenAPI document: no 5xx, no status, media type or header that it lacks.

The requests are generated from the document, the right ones and the wrong ones, and go to the real app over
a real database, before a real node. No request may name another machine: names in URLs would be looked up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.core.transport import Response
from schemathesis.generation.feedback import FeedbackSources
from schemathesis.pytest._test_builder import build_operation_test
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from app.clock import utc_now
from app.db import make_engine
from app.main import create_app
from app.resources import Operator, Outside, Resources
from app.settings import Settings
from chains.guard import EgressPolicy
from chains.rpc import RpcLimits
from tests.api.door import AGREED_AT, DAY, Scene, bearing
from tests.support.token import Token

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    unsupported_method,
    allow_header_conformance,
]


def app_for_its_document() -> Any:
    """The document is wanted when tests are collected, before there is any database: this app has none."""
    resources = Resources(
        settings=Settings(data_dir=Path("never-made")),
        engine=make_engine("sqlite:///never-opened"),
        outside=Outside(egress=EgressPolicy(), limits=RpcLimits()),
        operator=Operator(name="nobody", relation="none"),
        clock=utc_now,
    )
    return create_app(resources, with_worker=False)


def generated(*, examples: int, phases: dict[str, Any]) -> Any:
    # The same requests on every machine and every day, and no folder of findings left behind.
    generation = {"deterministic": True, "max-examples": examples, "database": "none"}
    config = schemathesis.Config.from_dict({"seed": 1, "generation": generation, "phases": phases})
    return schemathesis.openapi.from_dict(app_for_its_document().openapi(), config=config)


def operations_of(schema: Any) -> dict[str, Any]:
    return {found.ok().label: found.ok() for found in schema.get_all_operations()}


# Every edge of every field, wrong methods and missing headers; then some requests at random.
STRANGE = operations_of(generated(examples=8, phases={}))
# Where something exists, only requests at random.
FITTING = operations_of(generated(examples=15, phases={"coverage": {"enabled": False}}))
answered: Counter[tuple[str, int]] = Counter()


@pytest.fixture(scope="module")
def known(scene: Scene, token: Token) -> dict[str, str]:
    """A real thing for every name in a path or a query, one sealed bundle among them."""
    door = scene.door
    token.node.set_next_block_time(AGREED_AT + 31 * DAY)
    token.node.call("evm_mine")
    token.node.mine(5)
    debt = door.post("/v1/debts", scene.debt_body())
    assert door.read().failure is None
    evidence = door.post(f"/v1/debts/{debt['id']}/evidence", {}, status=202)
    door.seal()
    return {
        "chain": door.chain,
        "account": door.account(token.node.accounts()[1]),
        "asset": door.asset,
        "party_id": scene.parties[0],
        "debt_id": debt["id"],
        "evidence_id": evidence["id"],
        "job_id": evidence["id"],
    }


def send(case: Any, scene: Scene) -> Response:
    """With the operator's key, unless the case is about the key itself."""
    body = case.body
    if isinstance(body, dict) and isinstance(body.get("rpc_urls"), list):
        urls = [str(url) for url in body["rpc_urls"]]
        body["rpc_urls"] = [scene.door.token.node.url if "://" in url else url for url in urls]
    response: Response = case.call(headers=bearing(scene.door.key), app=scene.door.client.app)
    answered[case.operation.label, response.status_code] += 1
    return response


def play(operation: Any, *, check: Callable[[Any], None]) -> None:
    """Every generated case of one operation. Their own collector gives all operations one name, and so does
    not go together with pytest-xdist, which then runs the first alone.
    """
    run = build_operation_test(
        config=operation.schema.config,
        operation=operation,
        test_func=check,
        given_kwargs={},
        feedback=FeedbackSources(),
    )
    run()


@pytest.mark.parametrize("label", STRANGE)
def test_any_request(label: str, scene: Scene) -> None:
    def check(case: Any) -> None:
        case.validate_response(send(case, scene), checks=CHECKS)

    play(STRANGE[label], check=check)


@pytest.mark.parametrize("label", FITTING)
def test_requests_about_what_there_is(label: str, scene: Scene, known: dict[str, str]) -> None:
    """The same, but what a request names exists, so that it gets further than the first look-up."""

    def check(case: Any) -> None:
        for given in (case.path_parameters, case.query):
            given.update({name: known[name] for name in known.keys() & given.keys()})
        if isinstance(case.body, dict):
            right = right_fields(case.operation.path, scene=scene, known=known)
            case.body.update({name: right[name] for name in right.keys() & case.body.keys()})
        case.validate_response(send(case, scene), checks=CHECKS)

    play(FITTING[label], check=check)


def right_fields(path: str, *, scene: Scene, known: dict[str, str]) -> dict[str, Any]:
    """What no generator guesses: ids, addresses with checksums, amounts that add up."""
    if path == "/v1/chains/{chain}":
        return {"rpc_urls": [scene.door.token.node.url]}
    if path != "/v1/debts":
        return {"account": known["account"], "asset": known["asset"]}
    body = scene.debt_body()
    for free in ("reference", "kind"):
        del body[free]
    return body


def test_every_operation_was_reached() -> None:
    """By the tests above: requests that never get past the door would prove little."""
    assert {label for label, _ in answered} == set(STRANGE)
    succeeded = {label for label, status in answered if status < 300}
    assert succeeded >= set(STRANGE) - {"DELETE /v1/evidence/{evidence_id}"}
