"""Evidence: asked for, followed, downloaded."""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from fastapi.exceptions import HTTPException
from fastapi.responses import FileResponse, JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.engine import Connection
from starlette.responses import MalformedRangeHeader, RangeNotSatisfiable

from app.api.context import Answer, Caller, Reader, Sealer
from app.api.fields import IdField, InstantField
from app.api.problems import documented
from app.clock import to_rfc3339
from app.db import reading
from app.debts.parties import Actor
from app.errors import Conflict, EnvironmentProblem
from app.evidence.errors import VerificationError
from app.evidence.reader import open_bag
from app.evidence.service import Wanted, cancel_evidence, get_evidence, request_evidence
from app.evidence.store import Evidence

router = APIRouter(tags=["evidence"])
REPORT_BYTES_MAX = 64 * 2**20


class EvidenceIn(BaseModel):
    """What to seal. Without `as_of` the newest final state is assessed."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"languages": ["en"]}, {"as_of": "2026-06-30T00:00:00Z"}]},
    )
    as_of: InstantField | None = None
    known_at: InstantField | None = None
    grade: Literal["events-complete", "sender-complete", "balances-explained", "provider-reported"] | None = (
        None
    )
    allow_lower: bool = False
    languages: Annotated[list[Literal["en", "zh-CN"]], Field(min_length=1, max_length=2)] = ["en"]


class BundleMissing(EnvironmentProblem):
    """The file of a sealed bundle is not where it was put, or not what was put there."""


class Download(FileResponse):
    """A file, or a part of it. A part that there is not ends in a problem, as every error here does."""

    @classmethod
    def _parse_range_header(cls, http_range: str, file_size: int) -> list[tuple[int, int]]:
        try:
            return super()._parse_range_header(http_range, file_size)
        except RangeNotSatisfiable as error:
            headers = {"Content-Range": f"bytes */{error.max_size}"}
            raise HTTPException(416, detail="The file is shorter.", headers=headers) from error
        except (MalformedRangeHeader, ValueError):
            # RFC 9110, 14.2: what can't be read as a range is ignored, and the whole file is sent.
            return []


@router.post(
    "/debts/{debt_id}/evidence",
    status_code=202,
    responses={202: {"description": "Queued"}, **documented(400, 403, 404, 409, 413)},
)
def post_evidence(debt_id: IdField, body: EvidenceIn, caller: Sealer, request: Request) -> Response:
    """Have a bundle built and sealed. It may be used against the person who produces it."""
    wanted = Wanted(
        as_of=body.as_of,
        known_at=body.known_at,
        grade=body.grade,
        allow_lower=body.allow_lower,
        languages=tuple(body.languages),
    )

    def act(connection: Connection, actor: Actor, now: datetime) -> Answer:
        row = request_evidence(connection, actor=actor, debt_id=debt_id, wanted=wanted, now=now)
        return Answer(status=202, body=_document(row), location=f"/v1/evidence/{row.id}")

    response = caller.write(body, act)
    request.app.state.wake()
    return response


@router.get("/evidence/{evidence_id}", responses=documented(403, 404))
def show_evidence(evidence_id: IdField, caller: Reader) -> Response:
    return JSONResponse(_document(_find(caller, evidence_id)))


@router.delete("/evidence/{evidence_id}", responses=documented(403, 404, 409))
def delete_evidence(evidence_id: IdField, caller: Sealer) -> Response:
    """Cancel one that is not sealed yet. A sealed one stays."""
    with caller.resources.engine.begin() as connection:
        row = cancel_evidence(
            connection,
            tenant_id=caller.tenant_id,
            evidence_id=evidence_id,
            now=caller.resources.clock(),
        )
    return JSONResponse(_document(row))


@router.get(
    "/evidence/{evidence_id}/bundle.zip",
    responses={
        200: {"content": {"application/zip": {}}, "description": "The bundle"},
        206: {"content": {"application/zip": {}}, "description": "The part that was asked for"},
        **documented(403, 404, 409, 416),
    },
    response_class=Download,
)
def get_bundle(evidence_id: IdField, caller: Reader) -> Response:
    row, path = _sealed(caller, evidence_id)
    etag = _etag((row.sha256 or b"").hex())
    return Download(path, media_type="application/zip", filename=path.name, headers={"ETag": etag})


@router.get(
    "/evidence/{evidence_id}/report.pdf",
    responses={
        200: {"content": {"application/pdf": {}}, "description": "The report"},
        **documented(403, 404, 409),
    },
    response_class=Response,
)
def get_report(evidence_id: IdField, caller: Reader, lang: Literal["en"] = "en") -> Response:
    _, path = _sealed(caller, evidence_id)
    try:
        with open_bag(path) as bag:
            name = f"data/report.{lang}.pdf"
            content, etag = bag.read_bytes(name, bytes_max=REPORT_BYTES_MAX), bag.sha256(name)
    except VerificationError as error:
        msg = f"The bundle was sealed, but its file was changed since ({error}); restore it from a backup."
        raise BundleMissing(msg) from error
    return Response(content, media_type="application/pdf", headers={"ETag": _etag(etag)})


@router.get("/evidence/{evidence_id}/case.json", responses=documented(403, 404, 409))
def get_case(evidence_id: IdField, caller: Reader) -> Response:
    """The question, apart from the bundle: hand it over by another way."""
    _, path = _sealed(caller, evidence_id)
    try:
        content = path.with_name("case.json").read_bytes()
    except OSError as error:
        msg = "The bundle was sealed, but its case file is missing; restore it from a backup."
        raise BundleMissing(msg) from error
    etag = _etag(hashlib.sha256(content).hexdigest())
    return Response(content, media_type="application/json", headers={"ETag": etag})


def _find(caller: Caller, evidence_id: str) -> Evidence:
    with reading(caller.resources.engine) as connection:
        return get_evidence(connection, tenant_id=caller.tenant_id, evidence_id=evidence_id)


def _sealed(caller: Caller, evidence_id: str) -> tuple[Evidence, Path]:
    row = _find(caller, evidence_id)
    if row.path is None or row.state != "sealed":
        msg = f"This evidence is {row.state}, not sealed yet."
        raise Conflict(msg)
    if not row.path.is_file():
        msg = "The bundle was sealed, but its file is missing; restore it from a backup."
        raise BundleMissing(msg)
    return row, row.path


def _etag(sha256: str) -> str:
    return f'"{sha256}"'


def _document(row: Evidence) -> dict[str, Any]:
    return {
        "id": row.id,
        "debt_id": row.debt_id,
        "state": row.state,
        "progress": {"done": row.done, "total": row.total, "step": row.step},
        "failure": row.failure,
        "as_of": None if row.as_of is None else to_rfc3339(row.as_of),
        "known_at": None if row.known_at is None else to_rfc3339(row.known_at),
        "result": row.result,
        "timing": row.timing,
        "grade": row.grade,
        "tie": row.tie,
        "claims": row.claims,
        "root": None if row.root is None else row.root.hex(),
        "sha256": None if row.sha256 is None else row.sha256.hex(),
        "size": row.size,
        "anchor": row.anchor,
        "timestamps": [],
        "created_at": to_rfc3339(row.created_at),
        "sealed_at": None if row.sealed_at is None else to_rfc3339(row.sealed_at),
    }
