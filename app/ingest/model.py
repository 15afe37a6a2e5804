"""Tables of chain facts, stored once for all tenants: chains, blocks, transfers, assets.

A block is its hash. A transfer is appended, never edited; its identity is chain, block hash and log index,
which its key stands for: a final block has one hash.
Block times are whole seconds since 1970, as the producer set them.
"""

from __future__ import annotations

import sqlalchemy as sa

from app.columns import U256, AddressColumn, CanonicalJson, HashColumn, UtcMicros, UtcTime
from app.ingest.keys import CHAIN_NUMBER_MAX
from app.tables import at_least, define_table, not_blank

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def chain_id_column(*, primary_key: bool = False, through_other: bool = False) -> sa.Column[str]:
    """`through_other`: another reference of the row already leads to the chain."""
    references = [] if through_other else [sa.ForeignKey("chain.id")]
    return sa.Column("chain_id", sa.Text, *references, primary_key=primary_key, nullable=False)


chain = define_table(
    "chain",
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("reference", sa.BigInteger, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("native_symbol", sa.Text, nullable=False),
    sa.Column("native_decimals", sa.Integer, nullable=False),
    # NULL: the node's `finalized` tag says what is final.
    sa.Column("finality_confirmations", sa.Integer, nullable=True),
    sa.Column("start_block", sa.BigInteger, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("updated_at", UtcTime, nullable=False),
    # Stands for the chain in the keys of transfers.
    sa.Column("number", sa.Integer, nullable=False),
    sa.UniqueConstraint("reference"),
    sa.UniqueConstraint("number"),
    sa.CheckConstraint("id = 'eip155:' || CAST(reference AS TEXT)", name="id"),
    at_least("reference", 1),
    not_blank("name", longest=200),
    not_blank("native_symbol", longest=40),
    sa.CheckConstraint("native_decimals BETWEEN 0 AND 77", name="native_decimals"),
    at_least("finality_confirmations", 1),
    at_least("start_block", 0),
    sa.CheckConstraint(f"number BETWEEN 1 AND {CHAIN_NUMBER_MAX}", name="number"),
)

# A node's URL may hold the operator's key to it: it is a secret, and is printed without path or query.
chain_node = define_table(
    "chain_node",
    sa.Column("id", sa.Text, primary_key=True),
    chain_id_column(),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("retired_at", UtcTime, nullable=True),
    # What the node said when it was last asked; last_error is NULL where it answered well.
    sa.Column("checked_at", UtcTime, nullable=True),
    sa.Column("head_block", sa.BigInteger, nullable=True),
    sa.Column("final_block", sa.BigInteger, nullable=True),
    sa.Column("last_error", sa.Text, nullable=True),
    at_least("position", 0),
    not_blank("url", longest=2000),
    sa.Index(None, "chain_id", "position"),
)

# Final blocks: of each number there is one, which keeps two writers from recording two.
block = define_table(
    "block",
    chain_id_column(primary_key=True),
    sa.Column("hash", HashColumn, nullable=False),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("time", sa.BigInteger, nullable=False),
    sa.Column("parent_hash", HashColumn, nullable=True),
    sa.Column("recorded_at", UtcTime, nullable=False),
    sa.UniqueConstraint("chain_id", "hash"),
    at_least("number", 0),
    at_least("time", 0),
    sa.Index(None, "chain_id", "time"),
)

# Final transfers, the many and narrow rows: `app.ingest.keys` says what a key is made of. The hash and the
# time of the block are in its own row.
transfer = define_table(
    "transfer",
    # SQLite makes a column of just this type the place of the row itself.
    sa.Column("key", KEY, primary_key=True, autoincrement=False),
    sa.Column("tx_hash", HashColumn, nullable=False),
    sa.Column("contract", AddressColumn, nullable=False),
    sa.Column("sender", AddressColumn, nullable=False),
    sa.Column("recipient", AddressColumn, nullable=False),
    sa.Column("amount_units", U256, nullable=False),
    sa.Column("recorded_at", UtcMicros, nullable=False),
    at_least("key", 0),
    sa.Index(None, "sender", "key").ddl_if(dialect="postgresql"),
    sa.Index(None, "recipient", "key").ddl_if(dialect="postgresql"),
)

# On SQLite, which transfers an account has a part in. Rows come in sorted batches, as
# `app.ingest.store.accounts` says: kept up to date by each insert, an index would cost several times what
# the transfers do.
transfer_account = define_table(
    "transfer_account",
    sa.Column("account", AddressColumn, primary_key=True),
    sa.Column("key", sa.BigInteger, primary_key=True, autoincrement=False),
    rowid=False,
)

# Ranges of keys whose transfers are not in transfer_account yet. Whoever looks for an account looks through
# these, too, so that a reader never depends on when a batch is made.
transfer_unsorted = define_table(
    "transfer_unsorted",
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("first_key", sa.BigInteger, nullable=False),
    sa.Column("last_key", sa.BigInteger, nullable=False),
    sa.Column("transfers", sa.BigInteger, nullable=False),
    at_least("first_key", 0),
    sa.CheckConstraint("last_key >= first_key", name="last_key"),
    at_least("transfers", 1),
    sa.Index(None, "first_key"),
)

# Contracts that emitted a recorded transfer: looking through all transfers for them would take for ever.
emitter = define_table(
    "emitter",
    chain_id_column(primary_key=True),
    sa.Column("contract", AddressColumn, primary_key=True),
)

# Who may store what he reads of a chain. The epoch rises with each holder, so that one who slept through the
# end of his lease is told from the one who has it now. `asked_until`: somebody waits to go first.
# Passes over the chain are counted as they are wanted, so that who wanted one can tell when it has been made.
chain_lease = define_table(
    "chain_lease",
    chain_id_column(primary_key=True),
    sa.Column("holder", sa.Text, nullable=False),
    sa.Column("epoch", sa.BigInteger, nullable=False),
    sa.Column("expires_at", UtcTime, nullable=False),
    sa.Column("asked_until", UtcTime, nullable=True),
    sa.Column("passes_wanted", sa.BigInteger, nullable=False),
    sa.Column("passes_made", sa.BigInteger, nullable=False),
    at_least("epoch", 0),
    at_least("passes_wanted", 0),
    sa.CheckConstraint("passes_made BETWEEN 0 AND passes_wanted", name="passes_made"),
)

# Decimals and code are pinned when the asset is registered. The id is CAIP-19 in lower case.
asset = define_table(
    "asset",
    sa.Column("id", sa.Text, primary_key=True),
    chain_id_column(),
    sa.Column("contract", AddressColumn, nullable=True),
    sa.Column("symbol", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("decimals", sa.Integer, nullable=False),
    sa.Column("code_hash", HashColumn, nullable=True),
    sa.Column("implementation", AddressColumn, nullable=True),
    sa.Column("implementation_code_hash", HashColumn, nullable=True),
    sa.Column("registered_block_number", sa.BigInteger, nullable=False),
    sa.Column("registered_block_hash", HashColumn, nullable=False),
    sa.Column("registered_block_time", sa.BigInteger, nullable=False),
    sa.Column("unfit_for", CanonicalJson, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.CheckConstraint("id = lower(id)", name="id"),
    sa.CheckConstraint("decimals BETWEEN 0 AND 77", name="decimals"),
    sa.CheckConstraint("(contract IS NULL) = (code_hash IS NULL)", name="pinned"),
    sa.CheckConstraint(
        "(implementation IS NULL) = (implementation_code_hash IS NULL)", name="implementation_pinned"
    ),
    at_least("registered_block_number", 0),
    sa.Index(None, "chain_id", "contract"),
)

# What a contract that moved something answered about itself. Anybody can claim any symbol: it is shown
# and compared, and never an identity. NULL: it answered nothing that can be read.
token = define_table(
    "token",
    chain_id_column(primary_key=True),
    sa.Column("contract", AddressColumn, primary_key=True),
    sa.Column("symbol", sa.Text, nullable=True),
    sa.Column("decimals", sa.Integer, nullable=True),
    sa.Column("read_at", UtcTime, nullable=False),
    sa.CheckConstraint("decimals BETWEEN 0 AND 77", name="decimals"),
)
