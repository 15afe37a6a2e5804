"""Evidence rows: from the request to the seal. Every query names the tenant."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from app.evidence.model import evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One bundle asked for, and how far it has come."""

    id: str
    tenant_id: str
    debt_id: str
    state: str
    step: str
    done: int
    total: int
    as_of: datetime | None
    known_at: datetime | None
    created_at: datetime
    sealed_at: datetime | None
    failure: str | None
    result: str | None
    timing: str | None
    grade: str | None
    tie: str | None
    root: bytes | None
    sha256: bytes | None
    size: int | None
    anchor: str | None
    claims: list[dict[str, Any]]
    path: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """What is recorded once a bundle was checked: then, and only then, it counts as sealed."""

    as_of: datetime
    known_at: datetime
    sealed_at: datetime
    result: str
    timing: str
    grade: str | None
    tie: str | None
    root: bytes
    sha256: bytes
    size: int
    anchor: str
    claims: list[dict[str, Any]]
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvidence:
    """A bundle asked for. None: as_of by the domain's rule, known_at the time of sealing."""

    id: str
    tenant_id: str
    debt_id: str
    as_of: datetime | None
    known_at: datetime | None
    requested_grade: str | None
    allow_lower: bool
    languages: tuple[str, ...]
    created_at: datetime


def add(connection: Connection, *, new: NewEvidence) -> None:
    connection.execute(
        sa.insert(evidence).values(
            tenant_id=new.tenant_id,
            id=new.id,
            debt_id=new.debt_id,
            state="queued",
            step="queued",
            done=0,
            total=0,
            as_of=new.as_of,
            known_at=new.known_at,
            requested_grade=new.requested_grade,
            allow_lower=new.allow_lower,
            languages=list(new.languages),
            created_at=new.created_at,
        )
    )


def find(connection: Connection, *, tenant_id: str, evidence_id: str) -> Evidence | None:
    query = sa.select(evidence).where(evidence.c.tenant_id == tenant_id, evidence.c.id == evidence_id)
    row = connection.execute(query).first()
    return None if row is None else _evidence(row)


def of_debt(connection: Connection, *, tenant_id: str, debt_id: str) -> list[Evidence]:
    query = (
        sa.select(evidence)
        .where(evidence.c.tenant_id == tenant_id, evidence.c.debt_id == debt_id)
        .order_by(evidence.c.created_at, evidence.c.id)
    )
    return [_evidence(row) for row in connection.execute(query)]


def set_progress(connection: Connection, *, row: Evidence, step: str, done: int, total: int) -> bool:
    """False if the row was cancelled or finished meanwhile: then stop."""
    changed = connection.execute(
        sa.update(evidence)
        .where(
            evidence.c.tenant_id == row.tenant_id,
            evidence.c.id == row.id,
            evidence.c.state.in_(["queued", "running"]),
        )
        .values(state="running", step=step, done=done, total=total)
    )
    return changed.rowcount == 1


def set_sealed(connection: Connection, *, row: Evidence, seal: Seal) -> bool:
    """False if the row was cancelled meanwhile."""
    changed = connection.execute(
        sa.update(evidence)
        .where(evidence.c.tenant_id == row.tenant_id, evidence.c.id == row.id, evidence.c.state == "running")
        .values(
            state="sealed",
            step="sealed",
            as_of=seal.as_of,
            known_at=seal.known_at,
            sealed_at=seal.sealed_at,
            result=seal.result,
            timing=seal.timing,
            grade=seal.grade,
            tie=seal.tie,
            root=seal.root,
            sha256=seal.sha256,
            size=seal.size,
            anchor=seal.anchor,
            claims=seal.claims,
            path=str(seal.path),
        )
    )
    return changed.rowcount == 1


def set_failed(connection: Connection, *, row: Evidence, failure: str) -> None:
    connection.execute(
        sa.update(evidence)
        .where(
            evidence.c.tenant_id == row.tenant_id,
            evidence.c.id == row.id,
            evidence.c.state.in_(["queued", "running"]),
        )
        .values(state="failed", step="failed", failure=failure[:2000])
    )


def set_cancelled(connection: Connection, *, tenant_id: str, evidence_id: str) -> bool:
    changed = connection.execute(
        sa.update(evidence)
        .where(
            evidence.c.tenant_id == tenant_id,
            evidence.c.id == evidence_id,
            evidence.c.state.in_(["queued", "running"]),
        )
        .values(state="cancelled", step="cancelled")
    )
    return changed.rowcount == 1


def _evidence(row: Row[tuple[object, ...]]) -> Evidence:
    return Evidence(
        id=row.id,
        tenant_id=row.tenant_id,
        debt_id=row.debt_id,
        state=row.state,
        step=row.step,
        done=row.done,
        total=row.total,
        as_of=row.as_of,
        known_at=row.known_at,
        created_at=row.created_at,
        sealed_at=row.sealed_at,
        failure=row.failure,
        result=row.result,
        timing=row.timing,
        grade=row.grade,
        tie=row.tie,
        root=row.root,
        sha256=row.sha256,
        size=row.size,
        anchor=row.anchor,
        claims=row.claims or [],
        path=None if row.path is None else Path(row.path),
    )
