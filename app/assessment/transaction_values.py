"""What one transaction did, as the endpoints told it, without any record (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.assessment.inflow_values import UNREAD_TOKEN, Endpoint, TokenShown
from app.assessment.inflows import movements_of, native_asset
from app.matching.passing import Movement, Net, net_units
from chains.evm.execution import Attempt, Execution, LogKind, ReceiptLog, Transaction, attempted
from chains.evm.inner_moves import InnerMove
from chains.types import Address, AssetId, BlockRef, ChainId


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One endpoint's word. `found` None without a `failure`: it knows no such transaction.

    `held` is the block that it has at the transaction's number; `inner` None: it makes no traces.
    """

    endpoint: Endpoint
    found: Execution | Transaction | None = None
    held: BlockRef | None = None
    final: BlockRef | None = None
    inner: tuple[InnerMove, ...] | None = None
    failure: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """All that was told of a transaction. `chosen` is what is explained; the others are compared with it."""

    chain: ChainId
    chain_name: str
    account: Address | None
    told: tuple[Told, ...]
    chosen: Told
    tokens: Mapping[AssetId, TokenShown] = field(default_factory=dict)

    @property
    def transaction(self) -> Transaction:
        found = self.chosen.found
        assert found is not None  # noqa: S101 - what nobody knows is not explained.
        return found.transaction if isinstance(found, Execution) else found

    @property
    def execution(self) -> Execution | None:
        """None while no block holds the transaction."""
        found = self.chosen.found
        return found if isinstance(found, Execution) else None

    @property
    def block(self) -> BlockRef | None:
        """The block that holds it, if that is the one its chain has at this height."""
        execution, held = self.execution, self.chosen.held
        if execution is None or held is None or held.hash != execution.block_hash:
            return None
        return held

    @property
    def is_final(self) -> bool:
        block, final = self.block, self.chosen.final
        return block is not None and final is not None and block.number <= final.number

    def token(self, asset: AssetId) -> TokenShown:
        return self.tokens.get(asset, UNREAD_TOKEN)

    @property
    def movements(self) -> list[Movement]:
        """By the value it carried and by its logs."""
        return [] if self.execution is None else movements_of(self.execution, chain=self.chain)

    @property
    def inner(self) -> list[Movement]:
        """The native coin's moves inside it; none where the chain's own logs tell them already."""
        coin = native_asset(self.chain)
        if self.has_coin_logs or self.execution is None or self.execution.succeeded is False:
            return []
        return [
            Movement(
                asset=coin,
                sender=each.sender,
                recipient=each.recipient,
                amount_units=each.value_wei,
                log_index=None,
            )
            for each in self.chosen.inner or ()
        ]

    @property
    def has_coin_logs(self) -> bool:
        return self.execution is not None and any(log.kind is LogKind.COIN for log in self.execution.logs)

    @property
    def inner_unread(self) -> bool:
        """Whether the native coin may have moved unseen: no trace, and no logs of it by the chain."""
        return self.chosen.inner is None and not self.has_coin_logs

    @property
    def net(self) -> Net:
        return net_units([*self.movements, *self.inner])

    @property
    def uncounted(self) -> list[ReceiptLog]:
        """Logs that speak of something other than a fungible token's transfer."""
        logs = () if self.execution is None else self.execution.logs
        return [log for log in logs if log.kind not in {LogKind.TOKEN, LogKind.COIN, LogKind.OTHER}]

    @property
    def other_logs(self) -> int:
        logs = () if self.execution is None else self.execution.logs
        return sum(log.kind is LogKind.OTHER for log in logs)

    @property
    def attempt(self) -> Attempt | None:
        return attempted(self.transaction)

    @property
    def differing(self) -> list[Told]:
        """Endpoints that answered and said something else of the transaction than the chosen one."""
        return [
            each
            for each in self.told
            if each.failure is None
            and (
                each.found != self.chosen.found
                or _hash_of(each.held) != _hash_of(self.chosen.held)
                or (None not in (each.inner, self.chosen.inner) and each.inner != self.chosen.inner)
            )
        ]

    @property
    def whole(self) -> bool:
        """Every endpoint answered, alike, and the block that holds it is the chain's."""
        failed = any(each.failure is not None for each in self.told)
        replaced = self.execution is not None and self.block is None
        return not failed and not self.differing and not replaced


def _hash_of(block: BlockRef | None) -> bytes | None:
    return None if block is None else block.hash
