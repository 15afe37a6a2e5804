"""Errors as RFC 9457 problem details: the one table from kinds of failure to HTTP statuses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from app.api.openapi import methods_at
from app.errors import (
    Conflict,
    EnvironmentProblem,
    Fault,
    Forbidden,
    InvalidInput,
    NotFound,
    QuittanceError,
)

MEDIA_TYPE = "application/problem+json"
log = structlog.get_logger(__name__)


class Unauthenticated(QuittanceError):
    """No API key, or none that opens anything."""


_KINDS: tuple[tuple[type[QuittanceError], int, str, str], ...] = (
    (InvalidInput, 422, "invalid-input", "Something in the request breaks a rule"),
    (NotFound, 404, "not-found", "There is no such thing"),
    (Conflict, 409, "conflict", "The request does not fit the present state"),
    (Unauthenticated, 401, "unauthenticated", "An API key is needed"),
    (Forbidden, 403, "forbidden", "The key does not allow this"),
    (EnvironmentProblem, 503, "environment", "A node, the database or the disk can't be used now"),
)
_STATUS_TITLES = {
    400: ("bad-request", "The request can't be read"),
    404: ("not-found", "There is no such thing"),
    405: ("method-not-allowed", "This method is not offered here"),
    413: ("too-large", "The request is too large"),
    416: ("range", "There is no such part"),
}

PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
    },
}


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problem responses of a route, for its OpenAPI entry. Every route may also answer these three."""
    return {status: documented_one(status) for status in sorted({*statuses, 401, 422, 503})}


def documented_one(status: int) -> dict[str, Any]:
    titles = {status: title for _, status, _, title in _KINDS} | {
        status: title for status, (_, title) in _STATUS_TITLES.items()
    }
    return {"description": titles[status], "content": {MEDIA_TYPE: {"schema": PROBLEM_SCHEMA}}}


def install(app: FastAPI) -> None:
    """Have every error of the app answered as a problem."""
    app.add_exception_handler(QuittanceError, _refuse)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)


def problem(
    *,
    status: int,
    slug: str,
    title: str,
    detail: str,
    faults: Sequence[Fault] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    body: dict[str, Any] = {
        "type": f"urn:quittance:problem:{slug}",
        "title": title,
        "status": status,
        "detail": detail,
    }
    if faults:
        body["errors"] = [{"pointer": fault.pointer, "detail": fault.detail} for fault in faults]
    return JSONResponse(body, status_code=status, media_type=MEDIA_TYPE, headers=dict(headers or {}))


def _refuse(_: Request, error: Exception) -> JSONResponse:
    for kind, status, slug, title in _KINDS:
        if isinstance(error, kind):
            faults = error.faults if isinstance(error, InvalidInput) else ()
            headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
            return problem(
                status=status, slug=slug, title=title, detail=str(error), faults=faults, headers=headers
            )
    return _unexpected(_, error)


def _invalid(_: Request, error: Exception) -> JSONResponse:
    """Pydantic's findings, each with a JSON pointer into the body, or `?name` for a query parameter."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this kind.
    faults = [_fault(each) for each in error.errors()[:50]]
    return problem(
        status=422,
        slug="invalid-input",
        title="Something in the request breaks a rule",
        detail="; ".join(str(fault) for fault in faults),
        faults=faults,
    )


def _fault(found: Mapping[str, Any]) -> Fault:
    place, *path = found["loc"] or ("body",)
    detail = str(found["msg"]).removeprefix("Value error, ")
    if found["type"] == "json_invalid":
        return Fault(pointer="", detail="The body is not JSON.")
    if place == "body":
        return Fault(pointer="".join(f"/{_escaped(part)}" for part in path), detail=detail)
    return Fault(pointer=f"?{'.'.join(str(part) for part in path)}", detail=detail)


def _escaped(part: str | int) -> str:
    """One step of a JSON pointer (RFC 6901). The name of an unknown field is anybody's text."""
    return str(part).replace("~", "~0").replace("/", "~1")


def status_problem(*, status: int, detail: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """A problem that HTTP itself names."""
    slug, title = _STATUS_TITLES.get(status, ("http", "The request can't be served"))
    return problem(status=status, slug=slug, title=title, detail=detail, headers=headers)


def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this kind.
    headers = dict(error.headers or {})
    methods = methods_at(request) if error.status_code == 405 else []
    if methods:
        # The router names the methods of the first route at this path only.
        headers["Allow"] = ", ".join(methods)
    return status_problem(status=error.status_code, detail=str(error.detail), headers=headers)


def _unexpected(request: Request, error: Exception) -> JSONResponse:
    log.error("unexpected error", path=request.url.path, kind=type(error).__name__, exc_info=error)
    return problem(
        status=500,
        slug="internal",
        title="Something went wrong here",
        detail="This is a fault of the software, not of the request. It was logged.",
    )
