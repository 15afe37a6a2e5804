from __future__ import annotations
import pytest, schemathesis, time
from schemathesis.specs.openapi import checks as oc
from schemathesis.checks import not_a_server_error
from tests.api.conftest import *
from tests.api.door import *

CHECKS = [not_a_server_error, oc.status_code_conformance, oc.content_type_conformance, oc.response_schema_conformance, oc.unsupported_method, oc.response_headers_conformance]

@pytest.fixture
def api(door):
    config = schemathesis.Config.from_dict({"seed": 1, "generation": {"deterministic": True, "max-examples": 20, "database": "none"},
       })
    schema = schemathesis.openapi.from_asgi("/openapi.json", door.client.app, config=config)
    schema.door = door
    return schema

schema = schemathesis.pytest.from_fixture("api")
N = {}
T = {}
@schema.parametrize()
def test_api(case, api):
    t = time.perf_counter()
    try:
        case.call_and_validate(headers=bearing(api.door.key), checks=CHECKS)
    finally:
        N[case.operation.label] = N.get(case.operation.label, 0) + 1
        T[case.operation.label] = T.get(case.operation.label, 0) + time.perf_counter() - t

def test_z():
    print(N)
    print({k: round(v,2) for k,v in T.items()})
