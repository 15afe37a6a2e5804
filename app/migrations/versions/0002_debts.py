"""What people record: parties and their accounts, debts and their terms, evidence."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from app.migrations.columns import bigint, boolean, fixed, integer, key, refer, text, time, u256, word

revision: str = "0002"
down_revision: str | None = "0001"
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
    _create_parties()
    _create_debts()
    _create_terms()
    _create_evidence()


def downgrade() -> None:
    """Facts are appended, never dropped: going back means restoring a backup."""
    msg = "there is no way back from this schema"
    raise NotImplementedError(msg)


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
