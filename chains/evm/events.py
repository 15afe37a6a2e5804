"""Events that tell of moved value and are no plain ERC-20 Transfers, told apart by their shape: pure.

NFTs, wrapped coins, tokens of the wrong shape, and the native coin's own events (EIP-7708). None of them is
counted as an amount of an ERC-20 token; each is kept under a stable word, so that nothing that was seen is
dropped. Standard library only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from chains.evm import encoding
from chains.evm.encoding import BLOCK_NUMBER_MAX, BadEncoding
from chains.evm.transfers import (
    LOG_INDEX_MAX,
    NATIVE_LOG_EMITTER,
    TRANSFER_TOPIC,
    MalformedLog,
    account_topic,
)
from chains.types import ZERO_ADDRESS, Address, Hash32

# The keccak-256 hashes of Deposit(address,uint256) and Withdrawal(address,uint256), as wrapped coins emit
# them, and of TransferSingle(address,address,address,uint256,uint256) and
# TransferBatch(address,address,address,uint256[],uint256[]) of ERC-1155.
DEPOSIT_TOPIC = Hash32.parse("0xe1fffcc4923d04b559f4d29a8bfc6cda04eb5b0d3c460751c2402c5c5cc9109c")
WITHDRAWAL_TOPIC = Hash32.parse("0x7fcf532c15f0a6db0bd6d0e038bea71d30d808c7d98cb3bf7268a95bf5081b65")
SINGLE_TOPIC = Hash32.parse("0xc3d58168c5ae7397731d063d5bbf3d657854427343f4c083240f7aacaa2d0f62")
BATCH_TOPIC = Hash32.parse("0x4a39dc06d4c0dbc64b70af90fd698a233a518aa5d07e595d983b8c0526c8f7fb")


class EventKind(StrEnum):
    """The stable words."""

    ERC20 = "erc20"
    ERC721 = "erc721"  # A Transfer with four topics: the token's number is indexed.
    ERC1155_SINGLE = "erc1155-single"
    ERC1155_BATCH = "erc1155-batch"
    NON_INDEXED = "non-indexed"  # A Transfer with accounts in its data, as some old tokens emit it.
    WRAP = "wrap"  # Deposit: coins became units of a token that wraps them.
    UNWRAP = "unwrap"  # Withdrawal: and back again.
    NATIVE_LOG = "native-transfer-log"  # EIP-7708: tells of a move of the coin, which is counted as that.
    ODD = "odd"  # A topic of the above, and no shape of the above.


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueEvent:
    """One event. `amount_units` is None where there is no single one: an NFT, a batch, an odd event."""

    block_number: int
    block_hash: Hash32
    tx_hash: Hash32
    log_index: int
    contract: Address
    kind: EventKind
    sender: Address | None
    recipient: Address | None
    amount_units: int | None

    @property
    def flags(self) -> tuple[str, ...]:
        words = () if self.kind is EventKind.ERC20 else (str(self.kind),)
        return (*words, *mint_or_burn(sender=self.sender, recipient=self.recipient))


def mint_or_burn(*, sender: Address | None, recipient: Address | None) -> tuple[str, ...]:
    """By convention units come into being from the zero address, and end there."""
    mint = ("mint",) if sender == ZERO_ADDRESS else ()
    return (*mint, "burn") if recipient == ZERO_ADDRESS else mint


def event_filters(*, addresses: Iterable[Address], first_block: int, last_block: int) -> list[dict[str, Any]]:
    """eth_getLogs parameter objects for the events that a filter for Transfers does not find.

    What no topic names can't be asked for by account: events with all accounts in their data are not found.
    """
    topics = [account_topic(account) for account in sorted(set(addresses))]
    if not topics:
        msg = "event_filters takes at least one account"
        raise ValueError(msg)
    window = {"fromBlock": encoding.to_quantity(first_block), "toBlock": encoding.to_quantity(last_block)}
    wrapping = [str(DEPOSIT_TOPIC), str(WITHDRAWAL_TOPIC)]
    many = [str(SINGLE_TOPIC), str(BATCH_TOPIC)]
    shapes: list[list[Any]] = [[wrapping, topics], [many, None, topics], [many, None, None, topics]]
    return [{**window, "topics": shape} for shape in shapes]


def parse_event(entry: Any) -> ValueEvent:
    """One entry of an eth_getLogs answer. Raises MalformedLog."""
    try:
        if entry.get("removed", False) is not False:
            msg = "marked as removed: its block was replaced"
            raise BadEncoding(msg)
        contract = encoding.address(entry["address"])
        topics = [encoding.hash32(topic) for topic in entry["topics"]]
        shape = _shape(contract, topics, encoding.data(entry["data"]))
        return ValueEvent(
            block_number=encoding.quantity(entry["blockNumber"], most=BLOCK_NUMBER_MAX),
            block_hash=encoding.hash32(entry["blockHash"]),
            tx_hash=encoding.hash32(entry["transactionHash"]),
            log_index=encoding.quantity(entry["logIndex"], most=LOG_INDEX_MAX),
            contract=contract,
            kind=shape.kind,
            sender=shape.sender,
            recipient=shape.recipient,
            amount_units=shape.amount_units,
        )
    except (BadEncoding, KeyError, TypeError, AttributeError) as error:
        msg = f"a log: {error}"
        raise MalformedLog(msg) from error


@dataclass(frozen=True, slots=True)
class _Shape:
    kind: EventKind
    sender: Address | None = None
    recipient: Address | None = None
    amount_units: int | None = None


_ODD = _Shape(EventKind.ODD)
_WRAPPING: dict[Hash32 | None, EventKind] = {
    DEPOSIT_TOPIC: EventKind.WRAP,
    WITHDRAWAL_TOPIC: EventKind.UNWRAP,
}
_MANY: dict[Hash32 | None, EventKind] = {
    SINGLE_TOPIC: EventKind.ERC1155_SINGLE,
    BATCH_TOPIC: EventKind.ERC1155_BATCH,
}


def _shape(contract: Address, topics: Sequence[Hash32], data: bytes) -> _Shape:
    name, indexed = (topics[0], topics[1:]) if topics else (None, [])
    if name == TRANSFER_TOPIC:
        return _transfer(contract, indexed, data)
    wrapping, many = _WRAPPING.get(name), _MANY.get(name)
    if wrapping is not None:
        return _wrapping(wrapping, indexed, data)
    if many is not None:
        return _many(many, indexed, data)
    return _ODD


def _transfer(contract: Address, indexed: Sequence[bytes], data: bytes) -> _Shape:
    words = [*indexed, *_words(data)]
    if len(words) != 3 or len(data) % 32:
        return _ODD
    sender, recipient = _account(words[0]), _account(words[1])
    if sender is None or recipient is None:
        return _ODD
    if len(indexed) == 3:
        return _Shape(EventKind.ERC721, sender, recipient)
    kind = EventKind.NATIVE_LOG if contract == NATIVE_LOG_EMITTER else EventKind.ERC20
    if len(indexed) < 2:
        kind = EventKind.NON_INDEXED
    return _Shape(kind, sender, recipient, _integer(words[2]))


def _wrapping(kind: EventKind, indexed: Sequence[bytes], data: bytes) -> _Shape:
    words = [*indexed, *_words(data)]
    account = _account(words[0]) if words else None
    if len(words) != 2 or len(data) % 32 or account is None:
        return _ODD
    sender, recipient = (None, account) if kind is EventKind.WRAP else (account, None)
    return _Shape(kind, sender, recipient, _integer(words[1]))


def _many(kind: EventKind, indexed: Sequence[bytes], data: bytes) -> _Shape:
    if len(indexed) != 3:
        return _ODD
    # The first is whoever ordered it.
    sender, recipient = _account(indexed[1]), _account(indexed[2])
    if sender is None or recipient is None:
        return _ODD
    if kind is EventKind.ERC1155_BATCH:
        return _Shape(kind, sender, recipient)
    # The number of the token, then how many of it.
    return _Shape(kind, sender, recipient, _integer(data[32:])) if len(data) == 64 else _ODD


def _words(data: bytes) -> list[bytes]:
    return [data[at : at + 32] for at in range(0, min(len(data), 128), 32)]


def _account(word: bytes) -> Address | None:
    return Address(word[12:]) if len(word) == 32 and not any(word[:12]) else None


def _integer(word: bytes) -> int:
    return int.from_bytes(word, "big")
