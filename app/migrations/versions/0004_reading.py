"""The ledger of reading: one row for each answer, agreement of nodes, disagreements, the provisional head."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

from app.migrations.columns import bigint, blob, boolean, fixed, integer, key, refer, text, time, u256, word

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    _create_state()
    _replace_coverage()
    _create_disagreements()
    _create_provisional()


def downgrade() -> None:
    """Facts are appended, never dropped: going back means restoring a backup."""
    msg = "there is no way back from this schema"
    raise NotImplementedError(msg)


def _create_state() -> None:
    op.create_table(
        "chain_reading",
        text("chain_id"),
        integer("agreement", check="agreement BETWEEN 1 AND 10"),
        boolean("hashable", nullable=True),
        time("stopped_at", nullable=True),
        text("stopped_reason", nullable=True),
        key("chain_id"),
        refer(["chain_id"], ["chain.id"]),
        sa.CheckConstraint("(stopped_at IS NULL) = (stopped_reason IS NULL)", name="stopped"),
    )
    op.create_table(
        "node_reading",
        text("node_id"),
        text("client_version", nullable=True),
        integer("range_blocks", nullable=True, check="range_blocks >= 1"),
        integer("range_ceiling", nullable=True, check="range_ceiling >= 1"),
        key("node_id"),
        refer(["node_id"], ["chain_node.id"]),
    )
    op.create_table(
        "account_set",
        text("chain_id"),
        fixed("digest", 32),
        integer("size", check="size >= 0"),
        key("chain_id", "digest"),
        refer(["chain_id"], ["chain.id"]),
    )
    op.create_table(
        "account_set_member",
        text("chain_id"),
        fixed("digest", 32),
        fixed("address", 20),
        key("chain_id", "digest", "address"),
        refer(["chain_id", "digest"], ["account_set.chain_id", "account_set.digest"]),
    )
    op.create_index(None, "account_set_member", ["chain_id", "address"])


def _replace_coverage() -> None:
    """Each old row speaks of one account, and one node."""
    connection = op.get_bind()
    old = connection.execute(sa.text("SELECT * FROM coverage")).mappings().all()
    # Coverage says what was read; where to go on follows from it.
    op.drop_table("cursor")
    op.drop_table("coverage")
    op.create_table(
        "coverage",
        text("id"),
        text("chain_id"),
        fixed("accounts", 32),
        word("kind", "erc20 native"),
        text("method"),
        bigint("first_block", check="first_block >= 0"),
        fixed("first_hash", 32),
        bigint("last_block"),
        fixed("last_hash", 32),
        text("nodes"),
        time("read_at"),
        text("answers"),
        bigint("blocks_checked", check="blocks_checked >= 0"),
        text("limits"),
        key("id"),
        refer(["chain_id", "accounts"], ["account_set.chain_id", "account_set.digest"]),
        refer(["chain_id", "first_hash"], ["block.chain_id", "block.hash"]),
        refer(["chain_id", "last_hash"], ["block.chain_id", "block.hash"]),
        sa.CheckConstraint("last_block >= first_block", name="last_block"),
    )
    op.create_index(None, "coverage", ["chain_id", "accounts", "kind", "first_block"])
    op.create_table(
        "covered_range",
        text("chain_id"),
        fixed("accounts", 32),
        word("kind", "erc20 native"),
        bigint("first_block", check="first_block >= 0"),
        bigint("last_block"),
        key("chain_id", "accounts", "kind", "first_block"),
        refer(["chain_id", "accounts"], ["account_set.chain_id", "account_set.digest"]),
        sa.CheckConstraint("last_block >= first_block", name="last_block"),
    )
    for row in old:
        _carry_over(connection, dict(row))
    _fill_ranges(connection)


def _carry_over(connection: sa.Connection, row: dict[str, Any]) -> None:
    address = bytes(row.pop("address"))
    node = row.pop("node").replace("\\", "\\\\").replace('"', '\\"')
    digest = hashlib.sha256(address).digest()
    names = {"chain_id": row["chain_id"], "digest": digest}
    known = connection.execute(
        sa.text("SELECT 1 FROM account_set WHERE chain_id = :chain_id AND digest = :digest"), names
    ).first()
    if known is None:
        connection.execute(sa.text("INSERT INTO account_set VALUES (:chain_id, :digest, 1)"), names)
        connection.execute(
            sa.text("INSERT INTO account_set_member VALUES (:chain_id, :digest, :address)"),
            {**names, "address": address},
        )
    new = {**row, "accounts": digest, "nodes": f'["{node}"]', "blocks_checked": 0, "limits": "[]"}
    columns = ", ".join(new)
    values = ", ".join(f":{name}" for name in new)
    connection.execute(sa.text(f"INSERT INTO coverage ({columns}) VALUES ({values})"), new)  # noqa: S608


def _fill_ranges(connection: sa.Connection) -> None:
    """The ranges of each set, joined where they overlap or touch."""
    query = sa.text(
        "SELECT chain_id, accounts, first_block, last_block FROM coverage ORDER BY chain_id, accounts, 3"
    )
    joined: list[list[Any]] = []
    for row in connection.execute(query):
        if joined and joined[-1][:2] == [row[0], row[1]] and row[2] <= joined[-1][3] + 1:
            joined[-1][3] = max(joined[-1][3], row[3])
        else:
            joined.append(list(row))
    insert = sa.text("INSERT INTO covered_range VALUES (:chain_id, :accounts, 'erc20', :first, :last)")
    for chain_id, accounts, first, last in joined:
        connection.execute(insert, {"chain_id": chain_id, "accounts": accounts, "first": first, "last": last})


def _create_disagreements() -> None:
    op.create_table(
        "disagreement",
        text("id"),
        text("chain_id"),
        fixed("fingerprint", 32),
        word("kind", "logs receipts chain"),
        bigint("first_block", check="first_block >= 0"),
        bigint("last_block"),
        text("detail", check="length(detail) BETWEEN 1 AND 2000"),
        time("found_at"),
        key("id"),
        refer(["chain_id"], ["chain.id"]),
        sa.UniqueConstraint("chain_id", "fingerprint"),
        sa.CheckConstraint("last_block >= first_block", name="last_block"),
    )
    op.create_table(
        "disagreement_answer",
        text("disagreement_id"),
        integer("position", check="position >= 0"),
        text("node"),
        text("method"),
        fixed("sha256", 32),
        bigint("size", check="size >= 0"),
        blob("request", nullable=True),
        blob("body", nullable=True),
        key("disagreement_id", "position"),
        refer(["disagreement_id"], ["disagreement.id"]),
    )


def _create_provisional() -> None:
    op.create_table(
        "provisional_block",
        text("chain_id"),
        bigint("number", check="number >= 0"),
        fixed("hash", 32),
        bigint("time", check="time >= 0"),
        fixed("parent_hash", 32, nullable=True),
        fixed("accounts", 32),
        time("read_at"),
        key("chain_id", "number"),
        refer(["chain_id"], ["chain.id"]),
    )
    op.create_table(
        "provisional_transfer",
        text("chain_id"),
        bigint("block_number"),
        integer("log_index", check="log_index >= 0"),
        fixed("tx_hash", 32),
        fixed("contract", 20),
        fixed("sender", 20),
        fixed("recipient", 20),
        u256("amount_units"),
        key("chain_id", "block_number", "log_index"),
        refer(["chain_id", "block_number"], ["provisional_block.chain_id", "provisional_block.number"]),
    )
