"""Tables of tenants, their API keys, and requests already answered. Of a key only its hash is kept."""

from __future__ import annotations

import sqlalchemy as sa

from app.columns import CanonicalJson, Digest, UtcTime
from app.tables import define_table, not_blank, one_of

SCOPES = ("read", "write", "seal", "admin")
IDEMPOTENCY_STATES = ("in_flight", "done")

tenant = define_table(
    "tenant",
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    not_blank("name", longest=200),
)

api_key = define_table(
    "api_key",
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("tenant_id", sa.Text, sa.ForeignKey("tenant.id"), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("scopes", CanonicalJson, nullable=False),
    sa.Column("key_hash", Digest, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("revoked_at", UtcTime, nullable=True),
    not_blank("name", longest=200),
    sa.UniqueConstraint("key_hash"),
    sa.Index(None, "tenant_id"),
)

idempotency_key = define_table(
    "idempotency_key",
    sa.Column("tenant_id", sa.Text, sa.ForeignKey("tenant.id"), primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("request_digest", Digest, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("status", sa.Integer, nullable=True),
    sa.Column("body", sa.LargeBinary, nullable=True),
    sa.Column("content_type", sa.Text, nullable=True),
    sa.Column("location", sa.Text, nullable=True),
    sa.Column("created_at", UtcTime, nullable=False),
    not_blank("key", longest=255),
    one_of("state", IDEMPOTENCY_STATES),
    sa.CheckConstraint("status BETWEEN 100 AND 599", name="status"),
    sa.CheckConstraint("state <> 'done' OR (status IS NOT NULL AND body IS NOT NULL)", name="answer"),
    sa.Index(None, "created_at"),
)
