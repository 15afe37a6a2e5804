"""What a question without any record is answered with: the inflows of one account, and who said so (pure).

Nothing here knows a debt. A transfer that only some endpoints returned is kept, and marked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from app.ingest.ranges import Blocks, missing
from app.matching.passing import Origins
from chains.evm.transfers import OtherLog
from chains.types import Address, AssetId, BlockRef, ChainId, Transfer


class Flag(StrEnum):
    """What a machine can see of an inflow without any record: the stable reason codes, and `mint`."""

    UNKNOWN_PAYER = "unknown-payer"
    OTHER_ASSET = "other-asset"
    UNREGISTERED_ASSET = "unregistered-asset"
    FAKE_TOKEN = "fake-token"  # noqa: S105 - a reason code, not a secret.
    ZERO_VALUE = "zero-value"
    LOOK_ALIKE = "look-alike"
    PASS_THROUGH = "pass-through"  # noqa: S105
    INTERNAL = "internal"
    REFUNDED = "refunded"
    MINT = "mint"


class Differs(StrEnum):
    """In what an inflow is not what was asked for. It is shown all the same."""

    SENDER = "from"
    TOKEN = "token"  # noqa: S105
    AMOUNT = "amount"
    AMOUNT_UNREAD = "amount-not-read"  # The token's decimals are not known, so that nothing can be compared.


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A node by its number in the configuration and its URL without credentials, path or query."""

    number: int
    url: str

    @property
    def label(self) -> str:
        return f"endpoint {self.number} ({self.url})"


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointAnswer:
    """What one endpoint returned. `read` is the range it answered whole; what follows it failed.

    `contradiction` says in which block it is on another chain than the first endpoint.
    """

    endpoint: Endpoint
    final: BlockRef | None
    read: Blocks | None
    failure: str | None
    received: tuple[Transfer, ...] = ()
    sent: tuple[Transfer, ...] = ()
    others: tuple[OtherLog, ...] = ()
    contradiction: BlockContradiction | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockContradiction:
    """Two endpoints hold different blocks of one number, or different times of it, and call it final."""

    number: int
    first: BlockRef
    other: BlockRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Criteria:
    """What the asker is looking for: it marks inflows, and hides none."""

    sender: Address | None = None
    token: AssetId | None = None
    amount: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenShown:
    """What a contract answers about itself. None: it was not asked, or answers nothing that can be read."""

    symbol: str | None
    decimals: int | None
    registered: bool = False


UNREAD_TOKEN = TokenShown(symbol=None, decimals=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inflow:
    """A transfer to the account. `endpoints` returned it; `disputed`: others read its block and did not.

    No endpoint at all means that its transaction's receipt holds it, though eth_getLogs left it out.
    """

    transfer: Transfer
    endpoints: tuple[int, ...]
    disputed: bool
    flags: tuple[Flag, ...] = ()
    origins: Origins | None = None
    differs: tuple[Differs, ...] = ()
    signer: Address | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The time that was asked for, and the final blocks that it comes to.

    `ends_at_final`: the last block was the last final one, so that later ones may fall into the time.
    """

    since: int
    until: int | None
    first: BlockRef
    last: BlockRef
    ends_at_final: bool

    @property
    def blocks(self) -> Blocks:
        return Blocks(self.first.number, self.last.number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inflows:
    """The whole answer. `unread_transactions`: so many inflows whose transaction was not looked into."""

    chain: ChainId
    chain_name: str
    account: Address
    window: Window
    criteria: Criteria
    answers: tuple[EndpointAnswer, ...]
    inflows: tuple[Inflow, ...]
    tokens: Mapping[AssetId, TokenShown] = field(default_factory=dict)
    unread_transactions: int = 0
    knows_registry: bool = False

    def token(self, asset: AssetId) -> TokenShown:
        return self.tokens.get(asset, UNREAD_TOKEN)

    @property
    def gaps(self) -> list[Blocks]:
        """Blocks that no endpoint answered."""
        read = [each.read for each in self.answers if each.read is not None]
        return missing(self.window.blocks, read=read)

    @property
    def sent(self) -> tuple[Transfer, ...]:
        """Transfers out of the account that any endpoint returned."""
        return tuple(sorted(set().union(*(each.sent for each in self.answers)), key=lambda one: one.position))

    @property
    def others(self) -> tuple[OtherLog, ...]:
        """Logs with the Transfer topic that name the account and are no ERC-20 transfers."""
        found: set[OtherLog] = set().union(*(each.others for each in self.answers))
        return tuple(sorted(found, key=lambda one: (one.block_number, one.log_index)))

    @property
    def disputed(self) -> tuple[Inflow, ...]:
        return tuple(each for each in self.inflows if each.disputed)

    @property
    def contradicted(self) -> bool:
        """Whether the endpoints can't all be right."""
        return bool(self.disputed) or any(each.contradiction is not None for each in self.answers)

    @property
    def whole(self) -> bool:
        """Every block was answered by an endpoint, none failed, and none contradicts another."""
        failed = any(each.failure is not None for each in self.answers)
        return not self.gaps and not failed and not self.contradicted
