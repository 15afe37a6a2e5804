from __future__ import annotations
import pytest, schemathesis, time
from schemathesis.specs.openapi import checks as oc
from schemathesis.checks import not_a_server_error
from tests.api.conftest import *
from tests.api.door import *
from app.main import create_app

CHECKS = [not_a_server_error, oc.status_code_conformance, oc.content_type_conformance, oc.response_schema_conformance, oc.unsupported_method, oc.response_headers_conformance]

@pytest.fixture(scope="module")
def mdoor(sqlite_template, tmp_path_factory, token):
    p = tmp_path_factory.mktemp("st")
    with opened(clone_sqlite(sqlite_template, folder=p), folder=p, token=token) as res:
        with open_door(res, token=token) as d:
            yield d

config = schemathesis.Config.from_dict({"seed": 1, "generation": {"deterministic": True, "max-examples": 20, "database": "none"}, })
schema = schemathesis.openapi.from_dict(create_app(None).openapi(), config=config)
N = {}
T = {}
S = {}
@schema.parametrize()
def test_api(case, mdoor):
    t = time.perf_counter()
    l = case.operation.label
    try:
        r = case.call(headers=bearing(mdoor.key), app=mdoor.client.app)
        S.setdefault(l, {})
        S[l][r.status_code] = S[l].get(r.status_code,0)+1
        case.validate_response(r, checks=CHECKS)
    finally:
        N[l] = N.get(case.operation.label, 0) + 1
        T[l] = T.get(case.operation.label, 0) + time.perf_counter() - t

def test_z():
    for l in N:
        print(l, N[l], S[l], round(T[l],2))
