"""Jobs: what is to be done, how far it is, which steps are done for good, and who is alive to do it."""

from __future__ import annotations

import sqlalchemy as sa

from app.columns import UtcTime
from app.tables import at_least, define_table, not_blank, one_of

KINDS = ("sealing", "repair", "assessment")
OPEN = ("queued", "running")
STATES = (*OPEN, "done", "failed", "cancelled")

# `object_id` is what a job is about: a bundle, a chain, or a day. At most one job of a kind is open for one
# object: `open_key` names the two while it is, and nothing afterwards. `attempt` rises when a worker begins:
# one who slept meanwhile is told from the one who is at it now.
job = define_table(
    "job",
    sa.Column("tenant_id", sa.Text, sa.ForeignKey("tenant.id"), primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("object_id", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("step", sa.Text, nullable=False),
    sa.Column("done", sa.BigInteger, nullable=False),
    sa.Column("total", sa.BigInteger, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("started_at", UtcTime, nullable=True),
    sa.Column("finished_at", UtcTime, nullable=True),
    sa.Column("failure", sa.Text, nullable=True),
    sa.Column("open_key", sa.Text, nullable=True),
    sa.UniqueConstraint("open_key"),
    one_of("kind", KINDS),
    one_of("state", STATES),
    not_blank("object_id", longest=200),
    not_blank("step", longest=200),
    at_least("done", 0),
    at_least("total", 0),
    at_least("attempt", 0),
    sa.CheckConstraint("(state = 'failed') = (failure IS NOT NULL)", name="failure"),
    sa.CheckConstraint(
        "(state IN ('done', 'failed', 'cancelled')) = (finished_at IS NOT NULL)", name="finished_at"
    ),
    sa.CheckConstraint("(state IN ('queued', 'running')) = (open_key IS NOT NULL)", name="open_key"),
    sa.Index(None, "state", "created_at"),
    sa.Index(None, "tenant_id", "created_at"),
)

# A step whose effect was stored in the same transaction: done again, it does nothing.
job_step = define_table(
    "job_step",
    sa.Column("tenant_id", sa.Text, primary_key=True),
    sa.Column("job_id", sa.Text, primary_key=True),
    sa.Column("step", sa.Text, primary_key=True),
    sa.Column("done_at", UtcTime, nullable=False),
    sa.ForeignKeyConstraint(["tenant_id", "job_id"], ["job.tenant_id", "job.id"]),
    not_blank("step", longest=200),
)

# Who works off jobs, and when he last said so, by the database's clock.
job_executor = define_table(
    "job_executor",
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("seen_at", UtcTime, nullable=False),
)
