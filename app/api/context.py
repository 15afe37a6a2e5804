"""What every route is given: the resources, who is asking, and one transaction for a write."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Header, Request
from fastapi.responses import JSONResponse, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel
from sqlalchemy.engine import Connection

from app.api.openapi import unknown_queries
from app.api.problems import Unauthenticated
from app.db import reading
from app.debts.parties import Actor
from app.errors import Fault, Forbidden, InvalidInput
from app.resources import Resources
from app.tenants import idempotency
from app.tenants.service import Principal, authenticate

_BEARER = HTTPBearer(auto_error=False, description="An API key of a tenant, `qk_…`.")
_PLAIN = re.compile("[!-~]{1,100}")
_REPEAT = "On POST: for a day, the same key with the same body gets the same answer, and nothing twice."


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a write answers: the status, the JSON body, and where the new thing is."""

    status: int
    body: dict[str, Any]
    location: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """An authenticated request. Through its resources no other tenant's rows can be reached."""

    resources: Resources
    principal: Principal
    path: str
    idempotency_key: str | None

    @property
    def tenant_id(self) -> str:
        return self.principal.tenant_id

    @property
    def actor(self) -> Actor:
        return Actor(tenant_id=self.principal.tenant_id, name=self.principal.key_id)

    def demand(self, scope: str) -> None:
        if scope not in self.principal.scopes:
            msg = f"This needs a key with the scope {scope}."
            raise Forbidden(msg)

    def write(self, body: BaseModel, act: Callable[[Connection, Actor, datetime], Answer]) -> Response:
        """Run `act` in one transaction; with an Idempotency-Key a repeated request gets the same answer."""
        now = self.resources.clock()
        digest = hashlib.sha256(f"{self.path}\n{body.model_dump_json()}".encode()).digest()
        with self.resources.engine.begin() as connection:
            if self.idempotency_key is not None:
                stored = idempotency.claim(
                    connection,
                    tenant_id=self.tenant_id,
                    key=self.idempotency_key,
                    request_digest=digest,
                    now=now,
                )
                if stored is not None:
                    return _response(stored.status, stored.body, location=stored.location)
            answer = act(connection, self.actor, now)
            content = json.dumps(answer.body, ensure_ascii=False, separators=(",", ":")).encode()
            if self.idempotency_key is not None:
                idempotency.record(
                    connection,
                    tenant_id=self.tenant_id,
                    key=self.idempotency_key,
                    answer=idempotency.StoredAnswer(
                        status=answer.status, body=content, location=answer.location
                    ),
                )
        return _response(answer.status, content, location=answer.location)


def _response(status: int, content: bytes, *, location: str | None) -> Response:
    headers = {} if location is None else {"Location": location}
    return Response(content, status_code=status, media_type="application/json", headers=headers)


def resources_of(request: Request) -> Resources:
    found = request.app.state.resources
    assert isinstance(found, Resources)  # noqa: S101 - create_app puts it there.
    return found


def authenticated(
    request: Request,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)],
    idempotency_key: Annotated[
        str | None, Header(min_length=1, max_length=255, pattern="^[ -~]*$", description=_REPEAT)
    ] = None,
) -> Caller:
    resources = resources_of(request)
    principal = None
    if credentials is not None:
        with reading(resources.engine) as connection:
            principal = authenticate(connection, key=credentials.credentials, now=resources.clock())
    if principal is None:
        msg = (
            "Send an API key of your tenant: Authorization: Bearer qk_…"
            if credentials is None
            else "This key is not known, or was revoked. The operator makes keys with `quittance keys new`."
        )
        raise Unauthenticated(msg)
    unknown = unknown_queries(request)
    if unknown:
        detail = "This call has no such parameter."
        raise InvalidInput([Fault(pointer=f"?{name}", detail=detail) for name in unknown])
    return Caller(
        resources=resources.of_tenant(principal.tenant_id),
        principal=principal,
        path=f"{request.method} {request.url.path}",
        idempotency_key=idempotency_key,
    )


def _with_scope(scope: str) -> Callable[[Caller], Caller]:
    def demand(caller: Annotated[Caller, Depends(authenticated)]) -> Caller:
        caller.demand(scope)
        return caller

    return demand


Reader = Annotated[Caller, Depends(_with_scope("read"))]
Writer = Annotated[Caller, Depends(_with_scope("write"))]
Sealer = Annotated[Caller, Depends(_with_scope("seal"))]
Admin = Annotated[Caller, Depends(_with_scope("admin"))]


def page(items: list[dict[str, Any]], *, of: str, next_cursor: list[Any] | None) -> JSONResponse:
    """A page of a list. The cursor is opaque to clients, and absent on the last page."""
    body: dict[str, Any] = {"items": items}
    if next_cursor is not None:
        raw = json.dumps([of, *next_cursor], separators=(",", ":")).encode()
        body["cursor"] = base64.urlsafe_b64encode(raw).decode().rstrip("=")
    return JSONResponse(body)


def read_cursor(text: str | None, *, of: str, kinds: tuple[type, ...]) -> list[Any] | None:
    """What a cursor of this list holds. Raises InvalidInput at ?cursor."""
    if text is None:
        return None
    try:
        raw = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        list_name, *values = json.loads(raw)
        # Ours hold ids and numbers; other text might not even be storable.
        texts = [each for each in values if isinstance(each, str)]
        right = list_name == of and [type(each) for each in values] == list(kinds)
        if right and all(map(_PLAIN.fullmatch, texts)):
            return list(values)
    except (binascii.Error, ValueError, TypeError, RecursionError):
        pass
    raise InvalidInput([Fault(pointer="?cursor", detail="Not a cursor that this list has given.")])
