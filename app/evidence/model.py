"""The table of evidence: one row for each bundle asked for, from the request to the seal.

A sealed row never changes; a correction is a new row that names the one it supersedes.
"""

from __future__ import annotations

import sqlalchemy as sa

from app.columns import CanonicalJson, Digest, UtcTime
from app.tables import at_least, define_table, one_of

STATES = ("queued", "running", "waiting_for_timestamp", "sealed", "failed", "cancelled")
RESULTS = ("FULL", "NONE_FOUND_IN_SCOPE", "PARTIAL", "UNDETERMINED")
TIMINGS = ("NOT_YET_DUE", "ON_TIME", "LATE", "OVERDUE", "UNDETERMINED")
GRADES = ("events-complete", "sender-complete", "balances-explained", "provider-reported")
TIES = ("contract", "signature", "admission", "claimed", "inference")

evidence = define_table(
    "evidence",
    sa.Column("tenant_id", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("debt_id", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("step", sa.Text, nullable=False),
    sa.Column("done", sa.BigInteger, nullable=False),
    sa.Column("total", sa.BigInteger, nullable=False),
    sa.Column("as_of", UtcTime, nullable=True),
    sa.Column("known_at", UtcTime, nullable=True),
    sa.Column("requested_grade", sa.Text, nullable=True),
    sa.Column("allow_lower", sa.Boolean, nullable=False),
    sa.Column("languages", CanonicalJson, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("sealed_at", UtcTime, nullable=True),
    sa.Column("failure", sa.Text, nullable=True),
    sa.Column("result", sa.Text, nullable=True),
    sa.Column("timing", sa.Text, nullable=True),
    sa.Column("grade", sa.Text, nullable=True),
    sa.Column("tie", sa.Text, nullable=True),
    sa.Column("root", Digest, nullable=True),
    sa.Column("sha256", Digest, nullable=True),
    sa.Column("size", sa.BigInteger, nullable=True),
    sa.Column("anchor", sa.Text, nullable=True),
    sa.Column("claims", CanonicalJson, nullable=True),
    sa.Column("path", sa.Text, nullable=True),
    sa.Column("supersedes", sa.Text, nullable=True),
    sa.ForeignKeyConstraint(["tenant_id", "debt_id"], ["debt.tenant_id", "debt.id"]),
    sa.ForeignKeyConstraint(["tenant_id", "supersedes"], ["evidence.tenant_id", "evidence.id"]),
    one_of("state", STATES),
    at_least("done", 0),
    sa.CheckConstraint("total >= done", name="total"),
    one_of("requested_grade", GRADES),
    one_of("result", RESULTS),
    one_of("timing", TIMINGS),
    one_of("grade", GRADES),
    one_of("tie", TIES),
    at_least("size", 0),
    sa.CheckConstraint(
        "state <> 'sealed' OR (sealed_at IS NOT NULL AND result IS NOT NULL AND root IS NOT NULL"
        " AND sha256 IS NOT NULL AND size IS NOT NULL AND path IS NOT NULL)",
        name="sealed",
    ),
    sa.CheckConstraint("(state = 'failed') = (failure IS NOT NULL)", name="failure"),
    sa.Index(None, "tenant_id", "debt_id", "created_at"),
    # Whoever seals looks for work across all tenants.
    sa.Index(None, "state", "created_at"),
)
