"""The first schema: tenants, the audit log, and chain facts."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from app.migrations.columns import bigint, blob, fixed, integer, key, refer, text, time, u256, word

revision: str = "0001"
down_revision: str | None = None
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    _create_tenants()
    _create_audit()
    _create_chains()
    _create_blocks()
    _create_reading()
    # The row whose lock orders the audit log. Before the first entry stand 32 zero bytes.
    head = sa.table("audit_head", sa.column("id"), sa.column("seq"), sa.column("previous", sa.LargeBinary))
    op.bulk_insert(head, [{"id": 1, "seq": 0, "previous": bytes(32)}])


def downgrade() -> None:
    """Facts are appended, never dropped: going back means restoring a backup."""
    msg = "there is no way back from the first schema"
    raise NotImplementedError(msg)


def _create_tenants() -> None:
    op.create_table(
        "tenant",
        text("id"),
        text("name", check="length(name) BETWEEN 1 AND 200"),
        time("created_at"),
        key("id"),
    )
    op.create_table(
        "api_key",
        text("id"),
        text("tenant_id"),
        text("name", check="length(name) BETWEEN 1 AND 200"),
        text("scopes"),
        fixed("key_hash", 32),
        time("created_at"),
        time("revoked_at", nullable=True),
        key("id"),
        refer(["tenant_id"], ["tenant.id"]),
        sa.UniqueConstraint("key_hash"),
    )
    op.create_index(None, "api_key", ["tenant_id"])
    op.create_table(
        "idempotency_key",
        text("tenant_id"),
        text("key", check="length(key) BETWEEN 1 AND 255"),
        fixed("request_digest", 32),
        word("state", "in_flight done"),
        integer("status", nullable=True, check="status BETWEEN 100 AND 599"),
        blob("body", nullable=True),
        text("content_type", nullable=True),
        text("location", nullable=True),
        time("created_at"),
        key("tenant_id", "key"),
        refer(["tenant_id"], ["tenant.id"]),
        sa.CheckConstraint("state <> 'done' OR (status IS NOT NULL AND body IS NOT NULL)", name="answer"),
    )
    op.create_index(None, "idempotency_key", ["created_at"])


def _create_audit() -> None:
    op.create_table(
        "audit_head",
        integer("id", check="id = 1"),
        bigint("seq", check="seq >= 0"),
        fixed("previous", 32),
        key("id"),
    )
    op.create_table(
        "audit_entry",
        bigint("seq", check="seq >= 1"),
        time("server_time"),
        text("actor", check="length(actor) BETWEEN 1 AND 200"),
        text("type", check="length(type) BETWEEN 1 AND 100"),
        text("object", check="length(object) BETWEEN 1 AND 200"),
        fixed("payload_digest", 32),
        fixed("previous", 32),
        fixed("leaf", 32),
        key("seq"),
        sa.UniqueConstraint("leaf"),
    )
    op.create_index(None, "audit_entry", ["object"])
    op.create_table(
        "audit_payload",
        bigint("seq"),
        text("tenant_id"),
        fixed("salt", 16),
        text("payload"),
        key("seq"),
        refer(["seq"], ["audit_entry.seq"]),
        refer(["tenant_id"], ["tenant.id"]),
    )
    op.create_index(None, "audit_payload", ["tenant_id", "seq"])


def _create_chains() -> None:
    op.create_table(
        "chain",
        text("id", check="id = 'eip155:' || CAST(reference AS TEXT)"),
        bigint("reference", check="reference >= 1"),
        text("name", check="length(name) BETWEEN 1 AND 200"),
        text("native_symbol", check="length(native_symbol) BETWEEN 1 AND 40"),
        integer("native_decimals", check="native_decimals BETWEEN 0 AND 77"),
        integer("finality_confirmations", nullable=True, check="finality_confirmations >= 1"),
        bigint("start_block", check="start_block >= 0"),
        time("created_at"),
        time("updated_at"),
        key("id"),
        sa.UniqueConstraint("reference"),
    )
    op.create_table(
        "chain_node",
        text("id"),
        text("chain_id"),
        integer("position", check="position >= 0"),
        text("url", check="length(url) BETWEEN 1 AND 2000"),
        time("created_at"),
        time("retired_at", nullable=True),
        time("checked_at", nullable=True),
        bigint("head_block", nullable=True),
        bigint("final_block", nullable=True),
        text("last_error", nullable=True),
        key("id"),
        refer(["chain_id"], ["chain.id"]),
    )
    op.create_index(None, "chain_node", ["chain_id", "position"])
    op.create_table(
        "asset",
        text("id", check="id = lower(id)"),
        text("chain_id"),
        fixed("contract", 20, nullable=True),
        text("symbol"),
        text("name"),
        integer("decimals", check="decimals BETWEEN 0 AND 77"),
        fixed("code_hash", 32, nullable=True),
        fixed("implementation", 20, nullable=True),
        fixed("implementation_code_hash", 32, nullable=True),
        bigint("registered_block_number", check="registered_block_number >= 0"),
        fixed("registered_block_hash", 32),
        bigint("registered_block_time"),
        text("unfit_for"),
        time("created_at"),
        key("id"),
        refer(["chain_id"], ["chain.id"]),
        sa.CheckConstraint("(contract IS NULL) = (code_hash IS NULL)", name="pinned"),
        sa.CheckConstraint(
            "(implementation IS NULL) = (implementation_code_hash IS NULL)", name="implementation_pinned"
        ),
    )
    op.create_index(None, "asset", ["chain_id", "contract"])


def _create_blocks() -> None:
    op.create_table(
        "block",
        text("chain_id"),
        fixed("hash", 32),
        bigint("number", check="number >= 0"),
        bigint("time", check="time >= 0"),
        fixed("parent_hash", 32, nullable=True),
        time("recorded_at"),
        key("chain_id", "hash"),
        refer(["chain_id"], ["chain.id"]),
    )
    op.create_index(None, "block", ["chain_id", "number"])
    op.create_index(None, "block", ["chain_id", "time"])
    op.create_table(
        "transfer",
        text("chain_id"),
        fixed("block_hash", 32),
        integer("log_index", check="log_index >= 0"),
        bigint("block_number", check="block_number >= 0"),
        bigint("block_time", check="block_time >= 0"),
        fixed("tx_hash", 32),
        fixed("contract", 20),
        fixed("sender", 20),
        fixed("recipient", 20),
        u256("amount_units"),
        time("recorded_at"),
        key("chain_id", "block_hash", "log_index"),
        refer(["chain_id", "block_hash"], ["block.chain_id", "block.hash"]),
    )
    op.create_index(None, "transfer", ["chain_id", "recipient", "block_number"])
    op.create_index(None, "transfer", ["chain_id", "sender", "block_number"])


def _create_reading() -> None:
    op.create_table(
        "token",
        text("chain_id"),
        fixed("contract", 20),
        text("symbol", nullable=True),
        integer("decimals", nullable=True, check="decimals BETWEEN 0 AND 77"),
        time("read_at"),
        key("chain_id", "contract"),
        refer(["chain_id"], ["chain.id"]),
    )
    op.create_table(
        "time_mark",
        text("chain_id"),
        bigint("time", check="time >= 0"),
        bigint("first_block", nullable=True, check="first_block >= 0"),
        key("chain_id", "time"),
        refer(["chain_id"], ["chain.id"]),
    )
    op.create_table(
        "watch",
        text("chain_id"),
        fixed("address", 20),
        bigint("since_time", check="since_time >= 0"),
        time("created_at"),
        key("chain_id", "address"),
        refer(["chain_id"], ["chain.id"]),
    )
    op.create_table(
        "cursor",
        text("chain_id"),
        fixed("address", 20),
        bigint("next_block", check="next_block >= 0"),
        key("chain_id", "address"),
        refer(["chain_id", "address"], ["watch.chain_id", "watch.address"]),
    )
    op.create_table(
        "coverage",
        text("id"),
        text("chain_id"),
        fixed("address", 20),
        bigint("first_block", check="first_block >= 0"),
        fixed("first_hash", 32),
        bigint("last_block"),
        fixed("last_hash", 32),
        word("kind", "erc20"),
        text("method"),
        text("node"),
        time("read_at"),
        text("answers"),
        key("id"),
        refer(["chain_id", "first_hash"], ["block.chain_id", "block.hash"]),
        refer(["chain_id", "last_hash"], ["block.chain_id", "block.hash"]),
        sa.CheckConstraint("last_block >= first_block", name="last_block"),
    )
    op.create_index(None, "coverage", ["chain_id", "address", "first_block"])
