"""The native coin's moves, attempts that failed, events that are no transfers, and whether they are read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

from app.migrations.columns import bigint, blob, boolean, fixed, integer, key, refer, text, time, u256, word

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    _create_facts()
    _create_other_logs()
    _create_setting()


def downgrade() -> None:
    """Facts are appended, never dropped: going back means restoring a backup."""
    msg = "there is no way back from this schema"
    raise NotImplementedError(msg)


def _place() -> list[sa.Column[Any]]:
    return [
        bigint("block_number", check="block_number >= 0"),
        bigint("block_time", check="block_time >= 0"),
        time("recorded_at"),
    ]


def _create_facts() -> None:
    op.create_table(
        "native_transfer",
        text("chain_id"),
        fixed("block_hash", 32),
        integer("tx_index", check="tx_index >= 0"),
        blob("position"),
        *_place(),
        fixed("tx_hash", 32, nullable=True),
        text("trace_path"),
        word("kind", "call create selfdestruct withdrawal reward mint balance"),
        fixed("sender", 20, nullable=True),
        fixed("recipient", 20, nullable=True),
        u256("amount_units"),
        text("method"),
        key("chain_id", "block_hash", "tx_index", "position"),
        refer(["chain_id", "block_hash"], ["block.chain_id", "block.hash"]),
        sa.CheckConstraint("sender IS NOT NULL OR recipient IS NOT NULL", name="party"),
    )
    op.create_index(None, "native_transfer", ["chain_id", "recipient", "block_number"])
    op.create_index(None, "native_transfer", ["chain_id", "sender", "block_number"])
    op.create_table(
        "tender",
        text("chain_id"),
        fixed("block_hash", 32),
        fixed("tx_hash", 32),
        word("kind", "value erc20-transfer"),
        *_place(),
        integer("tx_index", check="tx_index >= 0"),
        fixed("sender", 20),
        fixed("called", 20),
        fixed("asset_contract", 20, nullable=True),
        fixed("recipient", 20),
        u256("amount_units"),
        text("reason", check="length(reason) BETWEEN 1 AND 200"),
        key("chain_id", "block_hash", "tx_hash", "kind"),
        refer(["chain_id", "block_hash"], ["block.chain_id", "block.hash"]),
        sa.CheckConstraint("(kind = 'erc20-transfer') = (asset_contract IS NOT NULL)", name="token"),
    )
    op.create_index(None, "tender", ["chain_id", "recipient", "block_number"])
    op.create_index(None, "tender", ["chain_id", "sender", "block_number"])


def _create_other_logs() -> None:
    op.create_table(
        "other_log",
        text("chain_id"),
        fixed("block_hash", 32),
        integer("log_index", check="log_index >= 0"),
        bigint("block_number", check="block_number >= 0"),
        fixed("tx_hash", 32),
        fixed("contract", 20),
        text("kind", check="length(kind) BETWEEN 1 AND 40"),
        fixed("sender", 20, nullable=True),
        fixed("recipient", 20, nullable=True),
        u256("amount_units", nullable=True),
        time("recorded_at"),
        key("chain_id", "block_hash", "log_index"),
        refer(["chain_id", "block_hash"], ["block.chain_id", "block.hash"]),
    )
    op.create_index(None, "other_log", ["chain_id", "recipient", "block_number"])


def _create_setting() -> None:
    op.create_table(
        "native_setting",
        text("chain_id"),
        boolean("is_read"),
        key("chain_id"),
        refer(["chain_id"], ["chain.id"]),
    )
