"""Tables of the audit log: entries without tenant or personal data, and apart from them the payloads."""

from __future__ import annotations

import sqlalchemy as sa

from app.columns import Digest, FixedBytes, UtcTime
from app.tables import at_least, define_table, not_blank

SALT_BYTES = 16

# The one row of this table is the lock that keeps the log gapless; the first migration puts it there.
audit_head = define_table(
    "audit_head",
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("previous", Digest, nullable=False),
    sa.CheckConstraint("id = 1", name="id"),
    at_least("seq", 0),
)

audit_entry = define_table(
    "audit_entry",
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("server_time", UtcTime, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("object", sa.Text, nullable=False),
    sa.Column("payload_digest", Digest, nullable=False),
    sa.Column("previous", Digest, nullable=False),
    sa.Column("leaf", Digest, nullable=False),
    at_least("seq", 1),
    not_blank("actor", longest=200),
    not_blank("type", longest=100),
    not_blank("object", longest=200),
    sa.UniqueConstraint("leaf"),
    sa.Index(None, "object"),
)

# The payload is text, not JSON: its digest is over exactly these bytes.
audit_payload = define_table(
    "audit_payload",
    sa.Column("seq", sa.BigInteger, sa.ForeignKey("audit_entry.seq"), primary_key=True, autoincrement=False),
    sa.Column("tenant_id", sa.Text, sa.ForeignKey("tenant.id"), nullable=False),
    sa.Column("salt", FixedBytes(SALT_BYTES), nullable=False),
    sa.Column("payload", sa.Text, nullable=False),
    sa.Index(None, "tenant_id", "seq"),
)
