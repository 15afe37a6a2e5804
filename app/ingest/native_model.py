"""Tables of what is no ERC-20 Transfer: the native coin's moves, attempts that failed, and other events.

Chain facts without a tenant, appended and never edited, like those in `app.ingest.model`. What was read of
them is in the ledger's `coverage`, of kind `native`.
"""

from __future__ import annotations

import sqlalchemy as sa

from app.columns import U256, AddressColumn, HashColumn, UtcTime
from app.tables import at_least, define_table, not_blank, one_of
from chains.movements import REASON_CHARS_MAX, NativeKind, TenderKind

NATIVE_KINDS = tuple(str(kind) for kind in NativeKind)
TENDER_KINDS = tuple(str(kind) for kind in TenderKind)


def _fact(*key: sa.Column[object]) -> list[sa.Column[object] | sa.Constraint]:
    """Where a fact stands: its chain and block, then what tells it apart there; and when it was recorded."""
    return [
        sa.Column("chain_id", sa.Text, primary_key=True),
        sa.Column("block_hash", HashColumn, primary_key=True),
        *key,
        sa.Column("block_number", sa.BigInteger, nullable=False),
        sa.Column("block_time", sa.BigInteger, nullable=False),
        sa.Column("recorded_at", UtcTime, nullable=False),
        sa.ForeignKeyConstraint(["chain_id", "block_hash"], ["block.chain_id", "block.hash"]),
        at_least("block_number", 0),
        at_least("block_time", 0),
    ]


native_transfer = define_table(
    "native_transfer",
    *_fact(
        sa.Column("tx_index", sa.Integer, primary_key=True, autoincrement=False),
        # Orders the moves of a transaction as they happened.
        sa.Column("position", sa.LargeBinary, primary_key=True),
    ),
    # NULL: the protocol credited it without a transaction, or a changed balance alone tells of it.
    sa.Column("tx_hash", HashColumn, nullable=True),
    sa.Column("trace_path", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    # NULL: nobody saw the other side of a changed balance.
    sa.Column("sender", AddressColumn, nullable=True),
    sa.Column("recipient", AddressColumn, nullable=True),
    sa.Column("amount_units", U256, nullable=False),
    sa.Column("method", sa.Text, nullable=False),
    at_least("tx_index", 0),
    one_of("kind", NATIVE_KINDS),
    sa.CheckConstraint("sender IS NOT NULL OR recipient IS NOT NULL", name="party"),
    sa.Index(None, "chain_id", "recipient", "block_number"),
    sa.Index(None, "chain_id", "sender", "block_number"),
)

# Failed transactions that tried to pay somebody. `called` is what they called.
tender = define_table(
    "tender",
    *_fact(
        sa.Column("tx_hash", HashColumn, primary_key=True),
        sa.Column("kind", sa.Text, primary_key=True),
    ),
    sa.Column("tx_index", sa.Integer, nullable=False),
    sa.Column("sender", AddressColumn, nullable=False),
    sa.Column("called", AddressColumn, nullable=False),
    sa.Column("asset_contract", AddressColumn, nullable=True),
    sa.Column("recipient", AddressColumn, nullable=False),
    sa.Column("amount_units", U256, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    at_least("tx_index", 0),
    one_of("kind", TENDER_KINDS),
    sa.CheckConstraint("(kind = 'erc20-transfer') = (asset_contract IS NOT NULL)", name="token"),
    not_blank("reason", longest=REASON_CHARS_MAX),
    sa.Index(None, "chain_id", "recipient", "block_number"),
    sa.Index(None, "chain_id", "sender", "block_number"),
)

# Events that were seen and are counted as no transfer: NFTs, wrapped coins, odd shapes, EIP-7708.
other_log = define_table(
    "other_log",
    sa.Column("chain_id", sa.Text, primary_key=True),
    sa.Column("block_hash", HashColumn, primary_key=True),
    sa.Column("log_index", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("block_number", sa.BigInteger, nullable=False),
    sa.Column("tx_hash", HashColumn, nullable=False),
    sa.Column("contract", AddressColumn, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("sender", AddressColumn, nullable=True),
    sa.Column("recipient", AddressColumn, nullable=True),
    sa.Column("amount_units", U256, nullable=True),
    sa.Column("recorded_at", UtcTime, nullable=False),
    sa.ForeignKeyConstraint(["chain_id", "block_hash"], ["block.chain_id", "block.hash"]),
    at_least("log_index", 0),
    at_least("block_number", 0),
    not_blank("kind", longest=40),
    sa.Index(None, "chain_id", "recipient", "block_number"),
)

# Whether the native coin of a chain is read. Without a row it is.
native_setting = define_table(
    "native_setting",
    sa.Column("chain_id", sa.Text, sa.ForeignKey("chain.id"), primary_key=True),
    sa.Column("is_read", sa.Boolean, nullable=False),
)
