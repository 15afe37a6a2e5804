"""Tables of parties, accounts, debts and declared events: what people recorded, never what a chain says.

Every table carries `tenant_id` and every reference includes it, so that no row can point into another
tenant. Rows are appended; a wrong entry is corrected by an event.
"""

from __future__ import annotations

import sqlalchemy as sa

from app.columns import U256, AddressColumn, UtcTime
from app.tables import at_least, define_table, not_blank, one_of

PARTY_KINDS = ("person", "firm")
BASES = ("contract", "signature", "admission", "claimed", "inference")
DEBT_KINDS = ("loan", "sale", "service", "other")
ACCOUNT_ROLES = ("pay_to",)
EVENT_TYPES = (
    "extension", "dispute", "performed", "set_off", "deposited", "released", "merged", "novated", "assigned",
    "tendered", "payment_direction", "creditor_delay", "time_bar_raised", "void_alleged", "insolvency_stay",
    "adjudicated", "written_off", "cost", "correction",
)  # fmt: skip


def _tenant_id() -> sa.Column[str]:
    """In the primary key, so that no row can be found without it."""
    return sa.Column("tenant_id", sa.Text, primary_key=True)


def _tenant() -> sa.ForeignKeyConstraint:
    """Only where no other reference leads to a row that has it already."""
    return sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"])


def _id() -> sa.Column[str]:
    return sa.Column("id", sa.Text, primary_key=True)


def _party(column: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["tenant_id", column], ["party.tenant_id", "party.id"])


def _debt() -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["tenant_id", "debt_id"], ["debt.tenant_id", "debt.id"])


party = define_table(
    "party",
    _tenant_id(),
    _id(),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=True),
    sa.Column("email", sa.Text, nullable=True),
    sa.Column("locale", sa.Text, nullable=True),
    sa.Column("recorded_at", UtcTime, nullable=False),
    _tenant(),
    not_blank("name", longest=500),
    one_of("kind", PARTY_KINDS),
    not_blank("email", longest=320),
    not_blank("locale", longest=35),
)

account_binding = define_table(
    "account_binding",
    _tenant_id(),
    _id(),
    sa.Column("party_id", sa.Text, nullable=False),
    sa.Column("chain_id", sa.Text, sa.ForeignKey("chain.id"), nullable=False),
    sa.Column("address", AddressColumn, nullable=False),
    sa.Column("basis", sa.Text, nullable=False),
    sa.Column("valid_from", UtcTime, nullable=True),
    sa.Column("valid_until", UtcTime, nullable=True),
    sa.Column("note", sa.Text, nullable=True),
    sa.Column("recorded_at", UtcTime, nullable=False),
    _party("party_id"),
    one_of("basis", BASES),
    sa.CheckConstraint("valid_from <= valid_until", name="valid_until"),
    sa.CheckConstraint("length(note) <= 10000", name="note"),
    sa.Index(None, "tenant_id", "party_id"),
    sa.Index(None, "tenant_id", "chain_id", "address"),
)

debt = define_table(
    "debt",
    _tenant_id(),
    _id(),
    sa.Column("reference", sa.Text, nullable=False),
    sa.Column("creditor_id", sa.Text, nullable=False),
    sa.Column("debtor_id", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("asset_id", sa.Text, sa.ForeignKey("asset.id"), nullable=False),
    sa.Column("principal_units", U256, nullable=False),
    sa.Column("agreed_at", UtcTime, nullable=False),
    sa.Column("time_zone", sa.Text, nullable=False),
    sa.Column("calendar", sa.Text, nullable=True),
    sa.Column("grace_days", sa.Integer, nullable=False),
    sa.Column("tolerance_units", U256, nullable=False),
    sa.Column("allocation_rule", sa.Text, nullable=True),
    sa.Column("governing_law", sa.Text, nullable=True),
    sa.Column("consumer", sa.Boolean, nullable=False),
    sa.Column("recorded_at", UtcTime, nullable=False),
    _party("creditor_id"),
    _party("debtor_id"),
    sa.UniqueConstraint("tenant_id", "reference"),
    not_blank("reference", longest=200),
    sa.CheckConstraint("creditor_id <> debtor_id", name="parties"),
    one_of("kind", DEBT_KINDS),
    not_blank("time_zone", longest=100),
    at_least("grace_days", 0),
    sa.CheckConstraint("tolerance_units <= principal_units", name="tolerance"),
    sa.Index(None, "tenant_id", "creditor_id"),
    sa.Index(None, "tenant_id", "debtor_id"),
)

# `due_at` is always set; `due_on` says that it was agreed as a calendar day in the debt's zone.
installment = define_table(
    "installment",
    _tenant_id(),
    _id(),
    sa.Column("debt_id", sa.Text, nullable=False),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("due_at", UtcTime, nullable=False),
    sa.Column("due_on", sa.Text, nullable=True),
    sa.Column("amount_units", U256, nullable=False),
    _debt(),
    sa.UniqueConstraint("tenant_id", "debt_id", "position"),
    at_least("position", 1),
    sa.CheckConstraint("length(due_on) = 10", name="due_on"),
)

debt_account = define_table(
    "debt_account",
    _tenant_id(),
    sa.Column("debt_id", sa.Text, primary_key=True),
    sa.Column("role", sa.Text, primary_key=True),
    sa.Column("chain_id", sa.Text, sa.ForeignKey("chain.id"), primary_key=True),
    sa.Column("address", AddressColumn, primary_key=True),
    _debt(),
    one_of("role", ACCOUNT_ROLES),
)

accepted_asset = define_table(
    "accepted_asset",
    _tenant_id(),
    sa.Column("debt_id", sa.Text, primary_key=True),
    sa.Column("asset_id", sa.Text, sa.ForeignKey("asset.id"), primary_key=True),
    _debt(),
)

# `transfer_id` is the transfer's own identity, `{caip2}:{block hash}:{log index}`. It may be named before
# that block was read, so it references no row.
disbursement = define_table(
    "disbursement",
    _tenant_id(),
    sa.Column("debt_id", sa.Text, primary_key=True),
    sa.Column("transfer_id", sa.Text, primary_key=True),
    _debt(),
    sa.CheckConstraint("transfer_id = lower(transfer_id)", name="transfer_id"),
)

debt_event = define_table(
    "debt_event",
    _tenant_id(),
    _id(),
    sa.Column("debt_id", sa.Text, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("effective_at", UtcTime, nullable=False),
    sa.Column("amount_units", U256, nullable=True),
    sa.Column("note", sa.Text, nullable=True),
    sa.Column("recorded_by", sa.Text, nullable=False),
    sa.Column("recorded_at", UtcTime, nullable=False),
    _debt(),
    one_of("type", EVENT_TYPES),
    sa.CheckConstraint("length(note) <= 10000", name="note"),
    not_blank("recorded_by", longest=200),
    sa.Index(None, "tenant_id", "debt_id", "effective_at"),
)
