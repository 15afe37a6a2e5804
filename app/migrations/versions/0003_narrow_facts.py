"""Final facts in narrow rows: transfers by one key, their accounts beside them, one hash for each number."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from app.migrations.columns import bigint, fixed, integer, key, refer, rowid, text, time, u256

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

# As app.ingest.keys packed them when this was new.
# In SQL these operators bind alike, from left to right.
_NUMBER = "(SELECT number FROM chain WHERE chain.id = old_transfer.chain_id)"
_KEY = f"({_NUMBER} << 56) | (block_number << 20) | log_index"
_KEY_POSTGRESQL = _KEY.replace("(SELECT number", "(SELECT CAST(number AS BIGINT)")
_MICROS = {
    "sqlite": (
        "CAST(strftime('%s', substr(recorded_at, 1, 19)) AS INTEGER) * 1000000"
        " + CAST(substr(recorded_at, 21, 6) AS INTEGER)"
    ),
    "postgresql": "CAST(extract(epoch FROM recorded_at) * 1000000 AS BIGINT)",
}


def upgrade() -> None:
    dialect = op.get_bind().dialect.name
    _demand_room()
    _move_old_transfers(dialect)
    if dialect == "sqlite":
        _remake_chain()
        _remake_block()
    else:
        _number_chains()
        _number_blocks()
    _create_transfers()
    _copy_transfers(dialect)
    op.drop_table("old_transfer")


def downgrade() -> None:
    """Facts are appended, never dropped: going back means restoring a backup."""
    msg = "there is no way back from this schema"
    raise NotImplementedError(msg)


def _demand_room() -> None:
    """Before anything is changed: what the key can't name would otherwise get another transfer's key."""
    beyond = op.get_bind().scalar(
        sa.text("SELECT count(*) FROM transfer WHERE block_number >= 68719476736 OR log_index >= 1048576")
    )
    chains = op.get_bind().scalar(sa.text("SELECT count(*) FROM chain"))
    if beyond or (chains or 0) > 127:
        msg = f"{beyond} transfers and {chains} chains are recorded that the new keys have no room for"
        raise RuntimeError(msg)


def _move_old_transfers(dialect: str) -> None:
    """The names of indexes are of the whole schema, and the new table wants them."""
    for columns in ("recipient_block_number", "sender_block_number"):
        op.drop_index(f"ix_transfer_chain_id_{columns}", "transfer")
    if dialect == "postgresql":
        op.drop_constraint("fk_transfer_chain_id_block_hash_block", "transfer", type_="foreignkey")
        op.drop_constraint("pk_transfer", "transfer", type_="primary")
    op.rename_table("transfer", "old_transfer")


def _number_chains() -> None:
    op.add_column("chain", sa.Column("number", sa.Integer(), nullable=True))
    op.execute(
        "UPDATE chain SET number = placed.place FROM"
        " (SELECT id, row_number() OVER (ORDER BY created_at, reference) AS place FROM chain) AS placed"
        " WHERE placed.id = chain.id"
    )
    op.alter_column("chain", "number", nullable=False)
    op.create_unique_constraint("uq_chain_number", "chain", ["number"])
    op.create_check_constraint("number", "chain", "number BETWEEN 1 AND 127")


def _number_blocks() -> None:
    for end in ("first", "last"):
        op.drop_constraint(f"fk_coverage_chain_id_{end}_hash_block", "coverage", type_="foreignkey")
    op.drop_constraint("pk_block", "block", type_="primary")
    op.drop_index("ix_block_chain_id_number", "block")
    op.create_primary_key("pk_block", "block", ["chain_id", "number"])
    op.create_unique_constraint("uq_block_chain_id_hash", "block", ["chain_id", "hash"])
    for end in ("first", "last"):
        name = f"fk_coverage_chain_id_{end}_hash_block"
        op.create_foreign_key(name, "coverage", "block", ["chain_id", f"{end}_hash"], ["chain_id", "hash"])


def _remake_chain() -> None:
    """SQLite adds no constraint to a table: it is made anew, while its references are not watched."""
    op.execute(
        "CREATE TEMPORARY TABLE old_chain AS"
        " SELECT *, row_number() OVER (ORDER BY created_at, reference) AS number FROM chain"
    )
    op.drop_table("chain")
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
        integer("number", check="number BETWEEN 1 AND 127"),
        key("id"),
        sa.UniqueConstraint("reference"),
        sa.UniqueConstraint("number"),
    )
    op.execute("INSERT INTO chain SELECT * FROM old_chain")
    op.execute("DROP TABLE temp.old_chain")


def _remake_block() -> None:
    op.execute("CREATE TEMPORARY TABLE old_block AS SELECT * FROM block")
    op.drop_index("ix_block_chain_id_number", "block")
    op.drop_index("ix_block_chain_id_time", "block")
    op.drop_table("block")
    op.create_table(
        "block",
        text("chain_id"),
        fixed("hash", 32),
        bigint("number", check="number >= 0"),
        bigint("time", check="time >= 0"),
        fixed("parent_hash", 32, nullable=True),
        time("recorded_at"),
        key("chain_id", "number"),
        sa.UniqueConstraint("chain_id", "hash"),
        refer(["chain_id"], ["chain.id"]),
    )
    op.create_index(None, "block", ["chain_id", "time"])
    op.execute("INSERT INTO block SELECT * FROM old_block")
    op.execute("DROP TABLE temp.old_block")


def _create_transfers() -> None:
    op.create_table(
        "transfer",
        rowid("key", check="key >= 0"),
        fixed("tx_hash", 32),
        fixed("contract", 20),
        fixed("sender", 20),
        fixed("recipient", 20),
        u256("amount_units"),
        bigint("recorded_at"),
        key("key"),
    )
    op.create_table(
        "transfer_account",
        fixed("account", 20),
        bigint("key"),
        key("account", "key"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "transfer_unsorted",
        text("id"),
        bigint("first_key", check="first_key >= 0"),
        bigint("last_key", check="last_key >= first_key"),
        bigint("transfers", check="transfers >= 1"),
        key("id"),
    )
    op.create_index(None, "transfer_unsorted", ["first_key"])
    op.create_table(
        "emitter",
        text("chain_id"),
        fixed("contract", 20),
        key("chain_id", "contract"),
        refer(["chain_id"], ["chain.id"]),
    )


def _copy_transfers(dialect: str) -> None:
    packed = _KEY if dialect == "sqlite" else _KEY_POSTGRESQL
    op.execute(
        f"INSERT INTO transfer SELECT {packed}, tx_hash, contract, sender, recipient, amount_units,"  # noqa: S608
        f" {_MICROS[dialect]} FROM old_transfer ORDER BY 1"
    )
    if dialect == "postgresql":
        for side in ("sender", "recipient"):
            op.create_index(None, "transfer", [side, "key"])
    else:
        op.execute(
            "INSERT INTO transfer_account SELECT sender, key FROM transfer"
            " UNION SELECT recipient, key FROM transfer ORDER BY 1, 2"
        )
    op.execute("INSERT INTO emitter SELECT DISTINCT chain_id, contract FROM old_transfer")
