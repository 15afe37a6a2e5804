"""Whether the process lives, and whether it can do its work."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from app.api.context import resources_of
from app.api.problems import documented_one
from app.db import current_revision, head_revision, reading
from app.resources import SchemaOutOfDate

router = APIRouter(tags=["health"])


@router.get("/healthz")
def healthz() -> Response:
    """The process answers."""
    return JSONResponse({"status": "ok"})


@router.get("/readyz", responses={503: documented_one(503)})
def readyz(request: Request) -> Response:
    """The database can be read and has the schema that this code wants."""
    with reading(resources_of(request).engine) as connection:
        found = current_revision(connection)
    if found != head_revision():
        msg = "The database's schema is out of date; run `quittance db upgrade`."
        raise SchemaOutOfDate(msg)
    return JSONResponse({"status": "ready"})
