"""The means by which internal moves of the native coin can be read, best first, and what each misses: pure.

Nodes differ in what they keep: some trace every call, some have old states only, some neither. It knows no
node: `chains.evm.native_client` tries, and remembers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from chains.errors import BadAnswer, ChainError, NodeTimeout, RpcError
from chains.evm.bisection import TooManyChanges
from chains.evm.ranges import RangeSize, may_shrink


class Means(StrEnum):
    """Named by the question that finds the blocks, or the moves in them. In this order they are tried."""

    TRACE_FILTER = "trace_filter"
    TRACE_BLOCK = "trace_block"
    DEBUG_TRACE = "debug_traceBlockByNumber"
    BALANCES = "eth_getBalance"
    FULL_BLOCKS = "eth_getBlockByNumber"


class Internals(StrEnum):
    """What an answer knows of the moves inside of transactions."""

    READ = "read"
    # Balances say how much came and went by them, a block and an account at a time, but not from whom.
    INFERRED = "inferred"
    NOT_READ = "not read"


class Unseen(StrEnum):
    """What an answer does not show, though it may be in its blocks; in the words that the coverage prints."""

    INTERNAL_MOVES = "internal moves not read"
    # Failed transactions of senders that are not watched: their blocks need not have been looked at.
    TENDERS_OF_OTHERS = "failed attempts of other senders not read"
    WITHDRAWALS = "withdrawals not read"
    REWARDS = "block rewards not read"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """`blocks` is how many to ask for at first, `blocks_max` how many at most."""

    internals: Internals
    unseen: tuple[Unseen, ...]
    blocks: int
    blocks_max: int


SIGHT = {
    # Anvil answers for 300 blocks at once, others for more.
    Means.TRACE_FILTER: Sight(
        internals=Internals.READ,
        unseen=(Unseen.TENDERS_OF_OTHERS, Unseen.WITHDRAWALS),
        blocks=300,
        blocks_max=9_600,
    ),
    Means.TRACE_BLOCK: Sight(internals=Internals.READ, unseen=(), blocks=100, blocks_max=400),
    Means.DEBUG_TRACE: Sight(internals=Internals.READ, unseen=(Unseen.REWARDS,), blocks=100, blocks_max=400),
    Means.BALANCES: Sight(
        internals=Internals.INFERRED, unseen=(Unseen.TENDERS_OF_OTHERS,), blocks=1_000, blocks_max=8_000
    ),
    Means.FULL_BLOCKS: Sight(
        internals=Internals.NOT_READ,
        unseen=(Unseen.INTERNAL_MOVES, Unseen.REWARDS),
        blocks=100,
        blocks_max=400,
    ),
}

_METHOD_NOT_FOUND = frozenset({-32601, -32004})
# As providers word it that a method is not part of what they offer.
_NOT_OFFERED = re.compile(
    r"(?:method|namespace|module|api|tracer)\b.{0,60}\b(?:not|n't|un|dis)\s?(?:found|available|supported|allowed"
    r"|enabled|exist|whitelisted|abled|implemented)|not supported|unsupported method|upgrade your plan",
    re.IGNORECASE,
)


def is_unsupported(error: ChainError) -> bool:
    """Whether the node said that it does not have the method at all."""
    if not isinstance(error, RpcError):
        return False
    return error.code in _METHOD_NOT_FOUND or _NOT_OFFERED.search(error.message) is not None


def first_size(means: Means) -> RangeSize:
    return RangeSize(blocks=SIGHT[means].blocks, blocks_max=SIGHT[means].blocks_max)


def smaller(size: RangeSize, error: ChainError) -> RangeSize | None:
    """The size to try after this failure; None where it is one block already, or size is not what failed.

    A malformed answer is tried block by block too: one transaction that a node can't trace in a form that
    anybody reads must not hide the internal moves of the blocks around it.
    """
    if size.blocks == 1 or not is_passing(error):
        return None
    if may_shrink(error):
        return size.after_failure(error)
    return RangeSize(blocks=size.blocks // 2, blocks_max=size.blocks_max, ceiling=size.blocks // 2)


def is_passing(error: ChainError) -> bool:
    """Whether weaker means may answer where these failed. A node that is away fails at all of them."""
    return may_shrink(error) or isinstance(error, RpcError | NodeTimeout | BadAnswer | TooManyChanges)
