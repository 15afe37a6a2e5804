"""Job rows: opened, claimed by whoever works on them, brought on, finished. Every query names the tenant,
except the workers' search for what is open and the operator's list.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from app.db import database_now, database_time, insert_new, limit_idleness
from app.errors import QuittanceError
from app.jobs.model import OPEN, job, job_executor, job_step

Kind = Literal["sealing", "repair", "assessment"]
Final = Literal["done", "failed", "cancelled"]
FAILURE_CHARACTERS_MAX = 2000
STEP_CHARACTERS_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One thing to be done in the background, and how far it has come."""

    tenant_id: str
    id: str
    kind: str
    object_id: str
    state: str
    step: str
    done: int
    total: int
    attempt: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    failure: str | None

    @property
    def is_open(self) -> bool:
        return self.state in OPEN


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One attempt at a job. It is over as soon as another one is made, or the job is finished."""

    tenant_id: str
    job_id: str
    attempt: int


class JobLost(QuittanceError):
    """Another one works on the job by now, or it was cancelled: this attempt stores nothing more."""

    def __init__(self, claim: Claim) -> None:
        super().__init__(f"Attempt {claim.attempt} at {claim.job_id} is over.")
        self.claim = claim


def open_job(
    connection: Connection, *, tenant_id: str, id_: str, kind: Kind, object_id: str, now: datetime
) -> Job:
    """A new job; or the open one of this kind for this object, or the one that has this id already."""
    key = f"{kind} {object_id}"
    known = _first(connection, sa.or_(job.c.open_key == key, job.c.id == id_), tenant_id=None)
    if known is not None:
        return known
    row = {
        "tenant_id": tenant_id,
        "id": id_,
        "kind": kind,
        "object_id": object_id,
        "state": "queued",
        "step": "queued",
        "done": 0,
        "total": 0,
        "attempt": 0,
        "created_at": now,
        "open_key": key,
    }
    # One who did the same at the same time is waited for, and found below.
    insert_new(connection, job, [row], unique=["open_key"])
    made = _first(connection, job.c.open_key == key, tenant_id=None)
    assert made is not None  # noqa: S101 - it is there, whoever made it.
    return made


def find_job(connection: Connection, *, tenant_id: str | None, job_id: str) -> Job | None:
    """`tenant_id` None: of any tenant, for the operator."""
    return _first(connection, job.c.id == job_id, tenant_id=tenant_id)


def page_of_jobs(
    connection: Connection, *, tenant_id: str | None, after: tuple[datetime, str] | None, limit: int
) -> list[Job]:
    """Newest first. `tenant_id` None: of all tenants, for the operator."""
    query = sa.select(job).order_by(job.c.created_at.desc(), job.c.id.desc()).limit(limit)
    if tenant_id is not None:
        query = query.where(job.c.tenant_id == tenant_id)
    if after is not None:
        created_at, id_ = after
        query = query.where(
            sa.or_(job.c.created_at < created_at, sa.and_(job.c.created_at == created_at, job.c.id < id_))
        )
    return [_job(row) for row in connection.execute(query)]


def open_jobs(connection: Connection, *, kinds: tuple[Kind, ...] | None = None, limit: int) -> list[Job]:
    """What waits or is under way, of all tenants, oldest first."""
    query = sa.select(job).where(job.c.state.in_(OPEN)).order_by(job.c.created_at, job.c.id).limit(limit)
    if kinds is not None:
        query = query.where(job.c.kind.in_(kinds))
    return [_job(row) for row in connection.execute(query)]


def claim_job(connection: Connection, *, tenant_id: str, job_id: str, now: datetime) -> Claim | None:
    """Begin a new attempt, which ends every earlier one. None if the job is finished."""
    claimed = connection.execute(
        sa.update(job)
        .where(job.c.tenant_id == tenant_id, job.c.id == job_id, job.c.state.in_(OPEN))
        .values(
            state="running", attempt=job.c.attempt + 1, started_at=sa.func.coalesce(job.c.started_at, now)
        )
        .returning(job.c.attempt)
    ).scalar()
    return None if claimed is None else Claim(tenant_id=tenant_id, job_id=job_id, attempt=claimed)


def demand_claim(connection: Connection, claim: Claim, *, idle_most: timedelta) -> None:
    """Raise JobLost unless this attempt is the one that counts, and keep it so until the transaction ends."""
    query = sa.select(job.c.id).where(
        job.c.tenant_id == claim.tenant_id,
        job.c.id == claim.job_id,
        job.c.attempt == claim.attempt,
        job.c.state == "running",
    )
    if connection.execute(query.with_for_update()).first() is None:
        raise JobLost(claim)
    limit_idleness(connection, idle_most)


def set_progress(connection: Connection, *, claim: Claim, step: str, done: int, total: int) -> None:
    connection.execute(
        sa.update(job)
        .where(job.c.tenant_id == claim.tenant_id, job.c.id == claim.job_id)
        .values(step=step[:STEP_CHARACTERS_MAX], done=done, total=total)
    )


def finish_job(
    connection: Connection,
    *,
    tenant_id: str,
    job_id: str,
    state: Final,
    now: datetime,
    failure: str | None = None,
) -> bool:
    """False if it was finished before."""
    said = None if state != "failed" else (failure or "No reason was given.")[:FAILURE_CHARACTERS_MAX]
    changed = connection.execute(
        sa.update(job)
        .where(job.c.tenant_id == tenant_id, job.c.id == job_id, job.c.state.in_(OPEN))
        .values(state=state, step=state, finished_at=now, failure=said, open_key=None)
    )
    return changed.rowcount == 1


def do_step_once(connection: Connection, *, claim: Claim, step: str, now: datetime) -> bool:
    """True the first time. Store the step's effect in the same transaction, and only then."""
    row = {"tenant_id": claim.tenant_id, "job_id": claim.job_id, "step": step, "done_at": now}
    return insert_new(connection, job_step, [row]) == 1


def steps_done(connection: Connection, *, claim: Claim) -> set[str]:
    query = sa.select(job_step.c.step).where(
        job_step.c.tenant_id == claim.tenant_id, job_step.c.job_id == claim.job_id
    )
    return set(connection.execute(query).scalars())


def beat(connection: Connection, *, executor_id: str) -> None:
    """Say that this executor is alive."""
    row = {"id": executor_id, "seen_at": database_now(connection)}
    if insert_new(connection, job_executor, [row]) == 0:
        change = sa.update(job_executor).where(job_executor.c.id == executor_id)
        connection.execute(change.values({"seen_at": database_time(connection)}))


def alive_executors(connection: Connection, *, within: timedelta) -> set[str]:
    query = sa.select(job_executor.c.id).where(
        job_executor.c.seen_at > database_time(connection, plus=-within)
    )
    return set(connection.execute(query).scalars())


def forget_executors(connection: Connection, *, unseen_for: timedelta, also: str | None = None) -> None:
    """Those that have long been silent, and one that says good-bye."""
    long_gone = job_executor.c.seen_at < database_time(connection, plus=-unseen_for)
    connection.execute(sa.delete(job_executor).where(sa.or_(long_gone, job_executor.c.id == also)))


def _first(connection: Connection, wanted: sa.ColumnElement[bool], *, tenant_id: str | None) -> Job | None:
    query = sa.select(job).where(wanted)
    if tenant_id is not None:
        query = query.where(job.c.tenant_id == tenant_id)
    row = connection.execute(query.limit(1)).first()
    return None if row is None else _job(row)


def _job(row: Row[tuple[object, ...]]) -> Job:
    return Job(**{name: getattr(row, name) for name in Job.__slots__})
