"""What is done in the background, how far it is, and the repair of a chain's gaps."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict
from sqlalchemy.engine import Connection

from app.api.context import Admin, Answer, Caller, Reader, page, read_cursor
from app.api.fields import ChainText, CursorField, IdField, LimitField
from app.api.problems import documented
from app.clock import BadTime, parse_rfc3339, to_rfc3339
from app.db import for_tenant, reading
from app.debts.parties import Actor
from app.errors import Fault, InvalidInput, NotFound
from app.ids import new_id
from app.ingest.store.chains import find_chain
from app.jobs.store import Job, find_job, open_job, page_of_jobs
from chains.types import ChainId

router = APIRouter(tags=["jobs"])


class RepairIn(BaseModel):
    """Everything that is missing up to the final block is read: there is nothing to choose."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{}]})


@router.post(
    "/chains/{chain}/repairs",
    status_code=202,
    responses={202: {"description": "Queued, or under way already"}, **documented(400, 403, 404, 413)},
)
def post_repair(chain: ChainText, caller: Admin, request: Request, body: RepairIn) -> Response:
    """Read what is missing of a chain, before all who follow it. While one is open, it is the answer."""

    def act(connection: Connection, actor: Actor, now: datetime) -> Answer:
        if find_chain(connection, ChainId.parse(chain)) is None:
            raise NotFound(what="chain", id_=chain)
        job = open_job(
            connection,
            tenant_id=actor.tenant_id,
            id_=new_id("job", now=now),
            kind="repair",
            object_id=chain,
            now=now,
        )
        return Answer(status=202, body=job_document(job), location=f"/v1/jobs/{job.id}")

    response = caller.write(body, act)
    request.app.state.wake()
    return response


@router.get("/jobs", responses=documented(403))
def list_jobs(caller: Reader, limit: LimitField = 50, cursor: CursorField | None = None) -> Response:
    """The tenant's own, newest first; all of them for the operator."""
    after = _read_position(cursor)
    tenant_id = _whose(caller)
    with reading(for_tenant(caller.resources.engine, tenant_id=tenant_id)) as connection:
        jobs = page_of_jobs(connection, tenant_id=tenant_id, after=after, limit=limit)
    return page(
        [job_document(job) for job in jobs],
        of="jobs",
        next_cursor=[to_rfc3339(jobs[-1].created_at), jobs[-1].id] if len(jobs) == limit else None,
    )


@router.get("/jobs/{job_id}", responses=documented(403, 404))
def show_job(job_id: IdField, caller: Reader) -> Response:
    tenant_id = _whose(caller)
    with reading(for_tenant(caller.resources.engine, tenant_id=tenant_id)) as connection:
        job = find_job(connection, tenant_id=tenant_id, job_id=job_id)
    if job is None:
        raise NotFound(what="job", id_=job_id)
    return JSONResponse(job_document(job))


def _whose(caller: Caller) -> str | None:
    """None: everybody's, for the operator."""
    return None if "admin" in caller.principal.scopes else caller.tenant_id


def _read_position(cursor: str | None) -> tuple[datetime, str] | None:
    found = read_cursor(cursor, of="jobs", kinds=(str, str))
    if found is None:
        return None
    try:
        return parse_rfc3339(found[0]), found[1]
    except BadTime as error:
        fault = Fault(pointer="?cursor", detail="Not a cursor that this list has given.")
        raise InvalidInput([fault]) from error


def job_document(job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "kind": job.kind,
        "object": job.object_id,
        "state": job.state,
        "progress": {"done": job.done, "total": job.total, "step": job.step},
        "attempt": job.attempt,
        "failure": job.failure,
        "created_at": to_rfc3339(job.created_at),
        "started_at": None if job.started_at is None else to_rfc3339(job.started_at),
        "finished_at": None if job.finished_at is None else to_rfc3339(job.finished_at),
    }
