"""On which chains headers and receipts prove what happened, and where something escapes them. Pure.

A chain that is not named here counts as sound: whether its headers can be hashed again is seen at the first
one. Named are those where the hashes would agree and the conclusion be wrong, or where it is known beforehand
that they can't agree. It decides nothing about a single block.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from chains.evm.keccak import keccak256
from chains.types import ChainId, Hash32


class Escape(StrEnum):
    """Why headers and receipts do not show every event."""

    HEADERS = "headers-not-hashable"  # The block hash is not taken over an Ethereum header.
    OUTSIDE_ROOT = "receipts-outside-root"  # Some receipts lie outside receiptsRoot and the bloom.


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsound:
    """`before` is the block from which on the chain is sound; None: it never is."""

    chain: ChainId
    escape: Escape
    detail: str
    before: int | None = None


_TABLE = (
    Unsound(
        chain=ChainId(25),
        escape=Escape.HEADERS,
        detail="Cronos: block hashes and roots are Tendermint's, so neither headers nor receipts hash again",
    ),
    Unsound(
        chain=ChainId(324),
        escape=Escape.HEADERS,
        detail="zkSync Era: block hashes are not taken over an Ethereum header, and its roots are zero",
    ),
    Unsound(
        chain=ChainId(137),
        escape=Escape.OUTSIDE_ROOT,
        detail="Polygon before block 80084800 (PIP-74): deposits arrive by receipts outside receiptsRoot",
        before=80_084_800,
    ),
    Unsound(
        chain=ChainId(80002),
        escape=Escape.OUTSIDE_ROOT,
        detail="Polygon Amoy: its block of PIP-74 is not recorded here",
    ),
    # Its eth_getBlockReceipts leaves them out; eth_getSystemTxsByBlockNumber shows them.
    Unsound(
        chain=ChainId(999),
        escape=Escape.OUTSIDE_ROOT,
        detail="HyperEVM: tokens arrive from HyperCore by system transactions outside receiptsRoot",
    ),
    Unsound(
        chain=ChainId(998),
        escape=Escape.OUTSIDE_ROOT,
        detail="HyperEVM testnet: tokens arrive from HyperCore by system transactions outside receiptsRoot",
    ),
    Unsound(
        chain=ChainId(42161),
        escape=Escape.HEADERS,
        detail="Arbitrum One before block 22207817 (Nitro): block hashes are not those of Ethereum headers",
        before=22_207_817,
    ),
)
_BY_CHAIN = {entry.chain: entry for entry in _TABLE}


def unsound(*, chain: ChainId, first_block: int) -> Unsound | None:
    """Why a window from `first_block` on can't be proven complete from headers and receipts, or None."""
    found = _BY_CHAIN.get(chain)
    if found is None or (found.before is not None and first_block >= found.before):
        return None
    return found


def state_sync_tx_hash(*, number: int, block_hash: Hash32) -> Hash32:
    """The hash under which Polygon's Bor shows a block's state-sync receipt, which PIP-74 did away with.

    Such a receipt is in no root. It is known by this hash alone, so no other receipt can pass for one.
    """
    return Hash32(keccak256(b"matic-bor-receipt-" + number.to_bytes(8, "big") + block_hash))
