"""Work: who reads a chain, which jobs there are, which executors live, and the daily assessments."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from app.migrations.columns import bigint, integer, key, refer, text, time, u256, word

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "chain_lease",
        text("chain_id"),
        text("holder"),
        bigint("epoch", check="epoch >= 0"),
        time("expires_at"),
        time("asked_until", nullable=True),
        bigint("passes_wanted", check="passes_wanted >= 0"),
        bigint("passes_made", check="passes_made BETWEEN 0 AND passes_wanted"),
        key("chain_id"),
        refer(["chain_id"], ["chain.id"]),
    )
    _create_jobs()
    _create_snapshots()


def downgrade() -> None:
    """Facts are appended, never dropped: going back means restoring a backup."""
    msg = "there is no way back from this schema"
    raise NotImplementedError(msg)


def _create_jobs() -> None:
    op.create_table(
        "job",
        text("tenant_id"),
        text("id"),
        word("kind", "sealing repair assessment"),
        text("object_id", check="length(object_id) BETWEEN 1 AND 200"),
        word("state", "queued running done failed cancelled"),
        text("step", check="length(step) BETWEEN 1 AND 200"),
        bigint("done", check="done >= 0"),
        bigint("total", check="total >= 0"),
        integer("attempt", check="attempt >= 0"),
        time("created_at"),
        time("started_at", nullable=True),
        time("finished_at", nullable=True),
        text("failure", nullable=True, check="(state = 'failed') = (failure IS NOT NULL)"),
        text("open_key", nullable=True, check="(state IN ('queued', 'running')) = (open_key IS NOT NULL)"),
        key("tenant_id", "id"),
        refer(["tenant_id"], ["tenant.id"]),
        sa.UniqueConstraint("open_key"),
        sa.CheckConstraint(
            "(state IN ('done', 'failed', 'cancelled')) = (finished_at IS NOT NULL)", name="finished_at"
        ),
    )
    op.create_index(None, "job", ["state", "created_at"])
    op.create_index(None, "job", ["tenant_id", "created_at"])
    op.create_table(
        "job_step",
        text("tenant_id"),
        text("job_id"),
        text("step", check="length(step) BETWEEN 1 AND 200"),
        time("done_at"),
        key("tenant_id", "job_id", "step"),
        refer(["tenant_id", "job_id"], ["job.tenant_id", "job.id"]),
    )
    op.create_table("job_executor", text("id"), time("seen_at"), key("id"))
    # What waits to be sealed has waited without a job so far.
    op.execute(
        "INSERT INTO job"
        " (tenant_id, id, kind, object_id, state, step, done, total, attempt, created_at, open_key)"
        " SELECT tenant_id, id, 'sealing', id, 'queued', 'queued', 0, 0, 0, created_at, 'sealing ' || id"
        " FROM evidence WHERE state IN ('queued', 'running')"
    )


def _create_snapshots() -> None:
    op.create_table(
        "assessment_snapshot",
        text("tenant_id"),
        text("debt_id"),
        time("known_at"),
        time("as_of"),
        word("result", "FULL PARTIAL NONE_FOUND_IN_SCOPE UNDETERMINED"),
        word("timing", "ON_TIME NOT_YET_DUE LATE OVERDUE UNDETERMINED"),
        u256("not_covered_min_units", nullable=True),
        u256("not_covered_max_units", nullable=True),
        key("tenant_id", "debt_id", "known_at"),
        refer(["tenant_id", "debt_id"], ["debt.tenant_id", "debt.id"]),
    )
