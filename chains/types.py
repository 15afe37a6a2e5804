"""The values that reading a chain yields: frozen, integer, and named by CAIP ids.

Standard library only, so that the offline verifier can use them. Text forms are lower case here; the
EIP-55 form belongs to the doors (`chains.evm.checksum`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

from chains.errors import BadIdentifier

UINT256_MAX = 2**256 - 1
EVM_CHAIN_ID_MAX = 2**63 - 1

_CAIP2 = re.compile(r"eip155:([1-9][0-9]{0,18})")
_HEX = re.compile(r"0x(?:[0-9a-fA-F]{2})*")


class _FixedBytes(bytes):
    """Bytes of one fixed length whose text form is 0x-prefixed lower-case hex."""

    __slots__ = ()
    length: ClassVar[int]

    def __new__(cls, value: bytes) -> Self:
        if len(value) != cls.length:
            msg = f"{cls.__name__} takes {cls.length} bytes, not {len(value)}"
            raise BadIdentifier(msg)
        return super().__new__(cls, value)

    @classmethod
    def parse(cls, text: str) -> Self:
        """From 0x-prefixed hex of either case. Raises BadIdentifier."""
        if len(text) != 2 + 2 * cls.length or _HEX.fullmatch(text) is None:
            msg = f"{cls.__name__} takes 0x and {2 * cls.length} hex digits"
            raise BadIdentifier(msg)
        return cls(bytes.fromhex(text[2:]))

    def __str__(self) -> str:
        return "0x" + self.hex()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self})"


class Address(_FixedBytes):
    """A 20-byte account or contract address."""

    __slots__ = ()
    length = 20


class Hash32(_FixedBytes):
    """A 32-byte keccak-256 hash: of a block header, a transaction."""

    __slots__ = ()
    length = 32


ZERO_ADDRESS = Address(bytes(20))


@dataclass(frozen=True, slots=True, order=True)
class ChainId:
    """CAIP-2 id of an EVM chain, `eip155:1`."""

    reference: int

    @classmethod
    def parse(cls, text: str) -> ChainId:
        match = _CAIP2.fullmatch(text)
        if match is None or int(match[1]) > EVM_CHAIN_ID_MAX:
            msg = f"not a CAIP-2 id of an EVM chain such as eip155:1: {text[:80]!r}"
            raise BadIdentifier(msg)
        return cls(int(match[1]))

    def __str__(self) -> str:
        return f"eip155:{self.reference}"


@dataclass(frozen=True, slots=True, order=True)
class AccountId:
    """CAIP-10 id of an account, `eip155:1:0x…`."""

    chain: ChainId
    address: Address

    @classmethod
    def parse(cls, text: str) -> AccountId:
        chain, _, address = text.rpartition(":")
        return cls(ChainId.parse(chain), Address.parse(address))

    def __str__(self) -> str:
        return f"{self.chain}:{self.address}"


@dataclass(frozen=True, slots=True)
class AssetId:
    """CAIP-19 id of a fungible asset: an ERC-20 token, or the native coin (SLIP-44 number).

    Identity is chain and contract, never a symbol: symbols can be copied.
    """

    chain: ChainId
    contract: Address | None
    slip44: int | None = None

    def __post_init__(self) -> None:
        if (self.contract is None) == (self.slip44 is None):
            msg = "an asset is either a contract or a SLIP-44 coin"
            raise BadIdentifier(msg)

    @classmethod
    def parse(cls, text: str) -> AssetId:
        chain, _, asset = text.partition("/")
        namespace, _, reference = asset.partition(":")
        if namespace == "erc20":
            return cls(ChainId.parse(chain), Address.parse(reference))
        if namespace == "slip44" and re.fullmatch(r"0|[1-9][0-9]{0,9}", reference):
            return cls(ChainId.parse(chain), None, int(reference))
        msg = f"not a CAIP-19 id such as eip155:1/erc20:0x… or eip155:1/slip44:60: {text[:120]!r}"
        raise BadIdentifier(msg)

    def __str__(self) -> str:
        tail = f"slip44:{self.slip44}" if self.contract is None else f"erc20:{self.contract}"
        return f"{self.chain}/{tail}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockRef:
    """A block is its hash; number and time (seconds since 1970, UTC, set by the producer) go with it."""

    number: int
    hash: Hash32
    time: int
    parent_hash: Hash32 | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """One movement of one asset, as a finalized block records it. Appended, never edited.

    `amount_units` is the integer in the asset's base units (0 … 2**256-1).
    """

    chain: ChainId
    block: BlockRef
    tx_hash: Hash32
    log_index: int
    contract: Address
    sender: Address
    recipient: Address
    amount_units: int

    @property
    def id(self) -> str:
        """`{caip2}:{block hash}:{log index}`: names the event itself, never a row."""
        return f"{self.chain}:{self.block.hash}:{self.log_index}"

    @property
    def asset(self) -> AssetId:
        return AssetId(self.chain, self.contract)

    @property
    def position(self) -> tuple[int, str, int, int]:
        """Order in time: by block time, then chain, block and log."""
        return (self.block.time, str(self.chain), self.block.number, self.log_index)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finality:
    """When a block counts as final: the node's `finalized` tag, or a depth below its head."""

    confirmations: int | None = None

    @property
    def method(self) -> Literal["tag", "depth"]:
        return "tag" if self.confirmations is None else "depth"
