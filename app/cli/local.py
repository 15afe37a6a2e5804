"""The HTTP API without HTTP: a command makes the same request that a client would, in this process.

So a command has no logic of its own, and refuses and answers exactly what the API does.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import anyio
import httpx2
from fastapi import FastAPI, Request

from app.api.context import Caller, authenticated
from app.errors import EnvironmentProblem, Fault, InvalidInput, QuittanceError
from app.main import create_app
from app.resources import Resources, build_resources
from app.settings import load_settings
from app.tenants.model import SCOPES
from app.tenants.service import Principal, operator_tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalApi:
    """The routes over this machine's database, as the operator's own tenant."""

    app: FastAPI
    resources: Resources

    def request(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """The JSON answer; a problem is raised as the error that it was made of."""
        response = anyio.run(self._request, method, path, body)
        document: dict[str, Any] = response.json()
        if response.status_code >= 400:
            raise _error(response.status_code, document)
        return document

    async def _request(self, method: str, path: str, body: object) -> httpx2.Response:
        transport = httpx2.ASGITransport(app=self.app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://local") as client:
            return await client.request(method, path, json=body, timeout=None)


@contextmanager
def open_resources() -> Iterator[Resources]:
    resources = build_resources(load_settings())
    try:
        yield resources
    finally:
        resources.close()


@contextmanager
def open_local_api() -> Iterator[LocalApi]:
    with open_resources() as resources:
        with resources.engine.begin() as connection:
            tenant = operator_tenant(connection, now=resources.clock())
        principal = Principal(tenant_id=tenant.id, key_id="terminal", scopes=frozenset(SCOPES))

        def at_this_terminal(request: Request) -> Caller:
            """Whoever may read the database needs no key to it."""
            return Caller(
                resources=resources.of_tenant(principal.tenant_id),
                principal=principal,
                path=f"{request.method} {request.url.path}",
                idempotency_key=None,
            )

        app = create_app(resources, with_worker=False)
        app.dependency_overrides[authenticated] = at_this_terminal
        yield LocalApi(app=app, resources=resources)


def _error(status: int, problem: dict[str, Any]) -> QuittanceError:
    detail = str(problem["detail"])
    if status == 422:
        faults = problem.get("errors") or [{"pointer": "", "detail": detail}]
        return InvalidInput(Fault(each["pointer"], each["detail"]) for each in faults)
    return EnvironmentProblem(detail) if status == 503 else QuittanceError(detail)
