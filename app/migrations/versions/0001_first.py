"""The first schema: tenants, audit log, chain facts, debts, evidence."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from app.migrations.columns import bigint, blob, boolean, fixed, integer, key, refer, text, time, u256, word

revision: str = "0001"
down_revision: str | None = None
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_BASES = "contract signature admission claimed inference"
_GRADES = "events-complete sender-complete balances-explained provider-reported"
_EVENTS = (
    "extension dispute performed set_off deposited released merged novated assigned tendered"
    " payment_direction creditor_delay time_bar_raised void_alleged insolvency_stay adjudicated"
    " written_off cost correction"
)


def upgrade() -> None:
    _create_tenants()
    _create_audit()
    _create_chains()
    _create_blocks()
    _create_reading()
    _create_parties()
    _create_debts()
    _create_terms()
    _create_evidence()
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


def _create_parties() -> None:
    op.create_table(
        "party",
        text("tenant_id"),
        text("id"),
        text("name", check="length(name) BETWEEN 1 AND 500"),
        word("kind", "person firm", nullable=True),
        text("email", nullable=True, check="length(email) BETWEEN 1 AND 320"),
        text("locale", nullable=True, check="length(locale) BETWEEN 1 AND 35"),
        time("recorded_at"),
        key("tenant_id", "id"),
        refer(["tenant_id"], ["tenant.id"]),
    )
    op.create_table(
        "account_binding",
        text("tenant_id"),
        text("id"),
        text("party_id"),
        text("chain_id"),
        fixed("address", 20),
        word("basis", _BASES),
        time("valid_from", nullable=True),
        time("valid_until", nullable=True),
        text("note", nullable=True, check="length(note) <= 10000"),
        time("recorded_at"),
        key("tenant_id", "id"),
        refer(["tenant_id", "party_id"], ["party.tenant_id", "party.id"]),
        refer(["chain_id"], ["chain.id"]),
        sa.CheckConstraint("valid_from <= valid_until", name="valid_until"),
    )
    op.create_index(None, "account_binding", ["tenant_id", "chain_id", "address"])
    op.create_index(None, "account_binding", ["tenant_id", "party_id"])


def _create_debts() -> None:
    op.create_table(
        "debt",
        text("tenant_id"),
        text("id"),
        text("reference", check="length(reference) BETWEEN 1 AND 200"),
        text("creditor_id"),
        text("debtor_id"),
        word("kind", "loan sale service other"),
        text("asset_id"),
        u256("principal_units"),
        time("agreed_at"),
        text("time_zone", check="length(time_zone) BETWEEN 1 AND 100"),
        text("calendar", nullable=True),
        integer("grace_days", check="grace_days >= 0"),
        u256("tolerance_units"),
        text("allocation_rule", nullable=True),
        text("governing_law", nullable=True),
        boolean("consumer"),
        time("recorded_at"),
        key("tenant_id", "id"),
        refer(["tenant_id", "creditor_id"], ["party.tenant_id", "party.id"]),
        refer(["tenant_id", "debtor_id"], ["party.tenant_id", "party.id"]),
        refer(["asset_id"], ["asset.id"]),
        sa.UniqueConstraint("tenant_id", "reference"),
        sa.CheckConstraint("creditor_id <> debtor_id", name="parties"),
        sa.CheckConstraint("tolerance_units <= principal_units", name="tolerance"),
    )
    op.create_index(None, "debt", ["tenant_id", "creditor_id"])
    op.create_index(None, "debt", ["tenant_id", "debtor_id"])
    op.create_table(
        "installment",
        text("tenant_id"),
        text("id"),
        text("debt_id"),
        integer("position", check="position >= 1"),
        time("due_at"),
        text("due_on", nullable=True, check="length(due_on) = 10"),
        u256("amount_units"),
        key("tenant_id", "id"),
        refer(["tenant_id", "debt_id"], ["debt.tenant_id", "debt.id"]),
        sa.UniqueConstraint("tenant_id", "debt_id", "position"),
    )


def _create_terms() -> None:
    op.create_table(
        "debt_account",
        text("tenant_id"),
        text("debt_id"),
        word("role", "pay_to"),
        text("chain_id"),
        fixed("address", 20),
        key("tenant_id", "debt_id", "role", "chain_id", "address"),
        refer(["tenant_id", "debt_id"], ["debt.tenant_id", "debt.id"]),
        refer(["chain_id"], ["chain.id"]),
    )
    op.create_table(
        "accepted_asset",
        text("tenant_id"),
        text("debt_id"),
        text("asset_id"),
        key("tenant_id", "debt_id", "asset_id"),
        refer(["tenant_id", "debt_id"], ["debt.tenant_id", "debt.id"]),
        refer(["asset_id"], ["asset.id"]),
    )
    op.create_table(
        "disbursement",
        text("tenant_id"),
        text("debt_id"),
        text("transfer_id", check="transfer_id = lower(transfer_id)"),
        key("tenant_id", "debt_id", "transfer_id"),
        refer(["tenant_id", "debt_id"], ["debt.tenant_id", "debt.id"]),
    )
    op.create_table(
        "debt_event",
        text("tenant_id"),
        text("id"),
        text("debt_id"),
        word("type", _EVENTS),
        time("effective_at"),
        u256("amount_units", nullable=True),
        text("note", nullable=True, check="length(note) <= 10000"),
        text("recorded_by", check="length(recorded_by) BETWEEN 1 AND 200"),
        time("recorded_at"),
        key("tenant_id", "id"),
        refer(["tenant_id", "debt_id"], ["debt.tenant_id", "debt.id"]),
    )
    op.create_index(None, "debt_event", ["tenant_id", "debt_id", "effective_at"])


def _create_evidence() -> None:
    op.create_table(
        "evidence",
        text("tenant_id"),
        text("id"),
        text("debt_id"),
        word("state", "queued running waiting_for_timestamp sealed failed cancelled"),
        text("step"),
        bigint("done", check="done >= 0"),
        bigint("total"),
        time("as_of", nullable=True),
        time("known_at", nullable=True),
        word("requested_grade", _GRADES, nullable=True),
        boolean("allow_lower"),
        text("languages"),
        time("created_at"),
        time("sealed_at", nullable=True),
        text("failure", nullable=True, check="(state = 'failed') = (failure IS NOT NULL)"),
        word("result", "FULL NONE_FOUND_IN_SCOPE PARTIAL UNDETERMINED", nullable=True),
        word("timing", "NOT_YET_DUE ON_TIME LATE OVERDUE UNDETERMINED", nullable=True),
        word("grade", _GRADES, nullable=True),
        word("tie", _BASES, nullable=True),
        fixed("root", 32, nullable=True),
        fixed("sha256", 32, nullable=True),
        bigint("size", nullable=True, check="size >= 0"),
        text("anchor", nullable=True),
        text("claims", nullable=True),
        text("path", nullable=True),
        text("supersedes", nullable=True),
        key("tenant_id", "id"),
        refer(["tenant_id", "debt_id"], ["debt.tenant_id", "debt.id"]),
        refer(["tenant_id", "supersedes"], ["evidence.tenant_id", "evidence.id"]),
        sa.CheckConstraint("total >= done", name="total"),
        sa.CheckConstraint(
            "state <> 'sealed' OR (sealed_at IS NOT NULL AND result IS NOT NULL AND root IS NOT NULL"
            " AND sha256 IS NOT NULL AND size IS NOT NULL AND path IS NOT NULL)",
            name="sealed",
        ),
    )
    op.create_index(None, "evidence", ["state", "created_at"])
    op.create_index(None, "evidence", ["tenant_id", "debt_id", "created_at"])
