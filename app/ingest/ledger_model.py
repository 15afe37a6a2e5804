"""Tables of the reading itself: what was to be read, what was, by whom, and where two answers differed.

What no row of `coverage` holds is a gap, whatever the reason. The provisional tables hold the blocks above
the final one: they are the only chain facts that are ever deleted.
"""

from __future__ import annotations

import sqlalchemy as sa

from app.columns import U256, AddressColumn, CanonicalJson, HashColumn, UtcTime
from app.ingest.model import chain_id_column
from app.tables import at_least, define_table, not_blank, one_of

COVERAGE_KINDS = ("erc20", "native")
DISAGREEMENT_KINDS = ("logs", "receipts", "chain")

# How a chain is read, and whether it may be read on. Without a row: one node's word is enough.
chain_reading = define_table(
    "chain_reading",
    chain_id_column(primary_key=True),
    # So many nodes have to give the same answer.
    sa.Column("agreement", sa.Integer, nullable=False),
    # Whether its headers give their own hashes; NULL until a node has shown it.
    sa.Column("hashable", sa.Boolean, nullable=True),
    # Set while every node that answers contradicts a block that was final.
    sa.Column("stopped_at", UtcTime, nullable=True),
    sa.Column("stopped_reason", sa.Text, nullable=True),
    sa.CheckConstraint("agreement BETWEEN 1 AND 10", name="agreement"),
    sa.CheckConstraint("(stopped_at IS NULL) = (stopped_reason IS NULL)", name="stopped"),
)

# What was learnt of a node, so that it need not be learnt again.
node_reading = define_table(
    "node_reading",
    sa.Column("node_id", sa.Text, sa.ForeignKey("chain_node.id"), primary_key=True),
    sa.Column("client_version", sa.Text, nullable=True),
    sa.Column("range_blocks", sa.Integer, nullable=True),
    sa.Column("range_ceiling", sa.Integer, nullable=True),
    at_least("range_blocks", 1),
    at_least("range_ceiling", 1),
)

watch = define_table(
    "watch",
    chain_id_column(primary_key=True),
    sa.Column("address", AddressColumn, primary_key=True),
    sa.Column("since_time", sa.BigInteger, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    at_least("since_time", 0),
)

# A time at which a window starts. Reading the chain finds the first block at or after it and the one before.
time_mark = define_table(
    "time_mark",
    chain_id_column(primary_key=True),
    sa.Column("time", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("first_block", sa.BigInteger, nullable=True),
    at_least("time", 0),
    at_least("first_block", 0),
)

# Accounts that were asked for together, named by the digest of the sorted list. Never changed.
account_set = define_table(
    "account_set",
    chain_id_column(primary_key=True),
    sa.Column("digest", HashColumn, primary_key=True),
    sa.Column("size", sa.Integer, nullable=False),
    at_least("size", 0),
)

account_set_member = define_table(
    "account_set_member",
    chain_id_column(primary_key=True, through_other=True),
    sa.Column("digest", HashColumn, primary_key=True),
    sa.Column("address", AddressColumn, primary_key=True),
    sa.ForeignKeyConstraint(["chain_id", "digest"], ["account_set.chain_id", "account_set.digest"]),
    sa.Index(None, "chain_id", "address"),
)

# One row for each range that was answered whole, for the accounts that were asked for together.
coverage = define_table(
    "coverage",
    sa.Column("id", sa.Text, primary_key=True),
    chain_id_column(through_other=True),
    sa.Column("accounts", HashColumn, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("method", sa.Text, nullable=False),
    sa.Column("first_block", sa.BigInteger, nullable=False),
    sa.Column("first_hash", HashColumn, nullable=False),
    sa.Column("last_block", sa.BigInteger, nullable=False),
    sa.Column("last_hash", HashColumn, nullable=False),
    # The nodes that gave this same answer, as URLs without keys.
    sa.Column("nodes", CanonicalJson, nullable=False),
    sa.Column("read_at", UtcTime, nullable=False),
    # Method, sha256 and size of each raw answer.
    sa.Column("answers", CanonicalJson, nullable=False),
    # Blocks whose bloom was held against the answer, with the receipts where it may hold a watched account.
    sa.Column("blocks_checked", sa.BigInteger, nullable=False),
    # What this reading left out by its method, in plain words.
    sa.Column("limits", CanonicalJson, nullable=False),
    sa.ForeignKeyConstraint(["chain_id", "accounts"], ["account_set.chain_id", "account_set.digest"]),
    sa.ForeignKeyConstraint(["chain_id", "first_hash"], ["block.chain_id", "block.hash"]),
    sa.ForeignKeyConstraint(["chain_id", "last_hash"], ["block.chain_id", "block.hash"]),
    at_least("first_block", 0),
    sa.CheckConstraint("last_block >= first_block", name="last_block"),
    at_least("blocks_checked", 0),
    one_of("kind", COVERAGE_KINDS),
    sa.Index(None, "chain_id", "accounts", "kind", "first_block"),
)

# The same in as few rows as possible, kept with it: where to read on is asked twice a second.
covered_range = define_table(
    "covered_range",
    chain_id_column(primary_key=True, through_other=True),
    sa.Column("accounts", HashColumn, primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("first_block", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("last_block", sa.BigInteger, nullable=False),
    sa.ForeignKeyConstraint(["chain_id", "accounts"], ["account_set.chain_id", "account_set.digest"]),
    at_least("first_block", 0),
    sa.CheckConstraint("last_block >= first_block", name="last_block"),
    one_of("kind", COVERAGE_KINDS),
)

# Two answers that can't both be true. Kept for ever, once for the same two answers.
disagreement = define_table(
    "disagreement",
    sa.Column("id", sa.Text, primary_key=True),
    chain_id_column(),
    sa.Column("fingerprint", HashColumn, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("first_block", sa.BigInteger, nullable=False),
    sa.Column("last_block", sa.BigInteger, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("found_at", UtcTime, nullable=False),
    sa.UniqueConstraint("chain_id", "fingerprint"),
    one_of("kind", DISAGREEMENT_KINDS),
    at_least("first_block", 0),
    sa.CheckConstraint("last_block >= first_block", name="last_block"),
    not_blank("detail", longest=2000),
)

# The raw answers of a disagreement. A body beyond the limit is named by digest and size alone.
disagreement_answer = define_table(
    "disagreement_answer",
    sa.Column("disagreement_id", sa.Text, sa.ForeignKey("disagreement.id"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("node", sa.Text, nullable=False),
    sa.Column("method", sa.Text, nullable=False),
    sa.Column("sha256", HashColumn, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    # Compressed (zlib).
    sa.Column("request", sa.LargeBinary, nullable=True),
    sa.Column("body", sa.LargeBinary, nullable=True),
    at_least("position", 0),
    at_least("size", 0),
)

provisional_block = define_table(
    "provisional_block",
    chain_id_column(primary_key=True),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("hash", HashColumn, nullable=False),
    sa.Column("time", sa.BigInteger, nullable=False),
    sa.Column("parent_hash", HashColumn, nullable=True),
    # The accounts that were asked for in this block.
    sa.Column("accounts", HashColumn, nullable=False),
    sa.Column("read_at", UtcTime, nullable=False),
    at_least("number", 0),
    at_least("time", 0),
)

provisional_transfer = define_table(
    "provisional_transfer",
    chain_id_column(primary_key=True, through_other=True),
    sa.Column("block_number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("log_index", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("tx_hash", HashColumn, nullable=False),
    sa.Column("contract", AddressColumn, nullable=False),
    sa.Column("sender", AddressColumn, nullable=False),
    sa.Column("recipient", AddressColumn, nullable=False),
    sa.Column("amount_units", U256, nullable=False),
    sa.ForeignKeyConstraint(
        ["chain_id", "block_number"], ["provisional_block.chain_id", "provisional_block.number"]
    ),
    at_least("log_index", 0),
)
