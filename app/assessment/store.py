"""Dated assessments: appended, and found again by what the newest one of a debt says."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.assessment.model import assessment_snapshot
from app.assessment.values import Assessment
from app.db import insert_new


def add_snapshot(connection: Connection, *, tenant_id: str, assessment: Assessment) -> None:
    between = assessment.not_covered
    row = {
        "tenant_id": tenant_id,
        "debt_id": assessment.facts.debt.id,
        "known_at": assessment.known_at,
        "as_of": assessment.as_of,
        "result": assessment.result.value,
        "timing": assessment.timing.value,
        "not_covered_min_units": None if between is None else between.min_units,
        "not_covered_max_units": None if between is None else between.max_units,
    }
    insert_new(connection, assessment_snapshot, [row])


def assessed_as(*, tenant_id: str, result: str | None, timing: str | None) -> sa.Select[tuple[str]]:
    """Finds the debts whose newest dated assessment says so. One that was never assessed is none of them."""
    newest = (
        sa.select(
            assessment_snapshot.c.debt_id,
            sa.func.max(assessment_snapshot.c.known_at).label("known_at"),
        )
        .where(assessment_snapshot.c.tenant_id == tenant_id)
        .group_by(assessment_snapshot.c.debt_id)
        .subquery()
    )
    is_newest = sa.and_(
        assessment_snapshot.c.debt_id == newest.c.debt_id,
        assessment_snapshot.c.known_at == newest.c.known_at,
    )
    query = (
        sa.select(assessment_snapshot.c.debt_id)
        .join(newest, is_newest)
        .where(assessment_snapshot.c.tenant_id == tenant_id)
    )
    if result is not None:
        query = query.where(assessment_snapshot.c.result == result)
    return query if timing is None else query.where(assessment_snapshot.c.timing == timing)
