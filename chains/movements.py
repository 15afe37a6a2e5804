"""Moves of the native coin, and attempts that failed: the values that reading full blocks and traces yields.

Standard library only. A move of the coin leaves no event, so that its identity is its place in the
transaction's tree of calls, not a log. Nothing here knows a node or a debt.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from chains.types import Address, BlockRef, ChainId, Hash32

# Credits without a transaction come after every transaction of their block. 2**31 - 1 fits an INTEGER column.
NO_TRANSACTION_INDEX = 2**31 - 1
REASON_CHARS_MAX = 200


class NativeKind(StrEnum):
    """What moved the coin."""

    CALL = "call"
    CREATE = "create"
    SELFDESTRUCT = "selfdestruct"
    # Credits by the protocol itself, without a sender.
    WITHDRAWAL = "withdrawal"  # EIP-4895: from a validator's stake.
    REWARD = "reward"  # Of a block's producer.
    MINT = "mint"  # A deposit from the chain below (OP stack, transaction type 0x7e).
    # Not seen but concluded: a balance changed by more than the moves that were read explain.
    BALANCE = "balance"


_FLAG_OF_KIND = {
    NativeKind.CREATE: "creation",
    NativeKind.SELFDESTRUCT: "self-destruct",
    NativeKind.WITHDRAWAL: "withdrawal",
    NativeKind.REWARD: "reward",
    NativeKind.MINT: "mint",
    NativeKind.BALANCE: "inferred",
}


class TenderKind(StrEnum):
    """What a failed transaction tried to move."""

    VALUE = "value"
    ERC20_TRANSFER = "erc20-transfer"


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeTransfer:
    """One movement of the native coin in a block. Appended, never edited; `amount_units` is never 0.

    `trace_path` is "" for the transaction's own value, "0.2.1" for the second call of the third call of the
    first one in it; credits without a transaction have a word of their own there, and no `tx_hash`. A party
    is None where nobody saw it: the other side of a change of balance. Protocol credits come from the zero
    address. `method` is the question whose answer shows the move.
    """

    chain: ChainId
    block: BlockRef
    tx_hash: Hash32 | None
    tx_index: int
    trace_path: str
    kind: NativeKind
    sender: Address | None
    recipient: Address | None
    amount_units: int
    method: str

    @property
    def id(self) -> str:
        """`{caip2}:{tx hash}:{trace path}`; without a transaction, the block's hash stands in its place."""
        return f"{self.chain}:{self.tx_hash or self.block.hash}:{self.trace_path}"

    @property
    def is_internal(self) -> bool:
        """Whether a contract's code moved it, and no transaction's own value."""
        return self.kind in {NativeKind.CALL, NativeKind.CREATE, NativeKind.SELFDESTRUCT} and bool(
            self.trace_path
        )

    @property
    def flags(self) -> tuple[str, ...]:
        """Stable words for whoever reads a list of transfers."""
        level = ("internal-move",) if self.is_internal else () if self.trace_path else ("top-level",)
        kind = _FLAG_OF_KIND.get(self.kind)
        return level if kind is None else (*level, kind)

    @property
    def position(self) -> bytes:
        """Orders the moves of a transaction, and the credits without one, as they happened; unique there."""
        return _position(self.kind, self.trace_path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tender:
    """A payment that was tried, and failed: the block holds the transaction, and nothing moved.

    `to` is what the transaction called, `recipient` the account that was to be paid, `asset_contract` the
    token of an `erc20-transfer`. What was asked for is not yet known to be a token, or to be his to give.
    """

    chain: ChainId
    block: BlockRef
    tx_hash: Hash32
    tx_index: int
    sender: Address
    to: Address
    kind: TenderKind
    asset_contract: Address | None
    recipient: Address
    amount_units: int
    reason: str

    @property
    def id(self) -> str:
        return f"{self.chain}:{self.tx_hash}:{self.kind}"


def path_text(path: tuple[int, ...]) -> str:
    return ".".join(map(str, path))


def _position(kind: NativeKind, trace_path: str) -> bytes:
    # The first byte keeps the families apart: a deposit is minted before it is passed on.
    if kind is NativeKind.MINT:
        return b"\x00"
    if kind in {NativeKind.CALL, NativeKind.CREATE, NativeKind.SELFDESTRUCT}:
        steps = trace_path.split(".") if trace_path else []
        return b"\x01" + b"".join(int(step).to_bytes(4, "big") for step in steps)
    family = {NativeKind.WITHDRAWAL: b"\x02", NativeKind.REWARD: b"\x03"}.get(kind, b"\x04")
    return family + trace_path.encode("ascii")
