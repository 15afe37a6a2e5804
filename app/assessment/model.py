"""Dated assessments: what was found of each debt, day by day. A row is appended, never edited."""

from __future__ import annotations

import sqlalchemy as sa

from app.assessment.values import Result, Timing
from app.columns import U256, UtcTime
from app.tables import define_table, one_of

# The amounts are NULL where a gap leaves them open.
assessment_snapshot = define_table(
    "assessment_snapshot",
    sa.Column("tenant_id", sa.Text, primary_key=True),
    sa.Column("debt_id", sa.Text, primary_key=True),
    sa.Column("known_at", UtcTime, primary_key=True),
    sa.Column("as_of", UtcTime, nullable=False),
    sa.Column("result", sa.Text, nullable=False),
    sa.Column("timing", sa.Text, nullable=False),
    sa.Column("not_covered_min_units", U256, nullable=True),
    sa.Column("not_covered_max_units", U256, nullable=True),
    sa.ForeignKeyConstraint(["tenant_id", "debt_id"], ["debt.tenant_id", "debt.id"]),
    one_of("result", [each.value for each in Result]),
    one_of("timing", [each.value for each in Timing]),
)
