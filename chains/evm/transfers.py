"""ERC-20 Transfer events in eth_getLogs answers: the filters that ask for them, and their exact decoding.

Pure, standard library only: the offline verifier decodes enclosed answers with this same code. It knows no
node and no debt, and it believes nothing: a log outside the asked range or topics is an error, not a finding.
https://eips.ethereum.org/EIPS/eip-20 - whether a balance moved is not decided here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from chains.errors import ChainError
from chains.evm import encoding
from chains.evm.encoding import BLOCK_NUMBER_MAX, BadEncoding
from chains.types import Address, BlockRef, ChainId, Hash32, Transfer

T = TypeVar("T")

# The keccak-256 hash of the text "Transfer(address,address,uint256)".
TRANSFER_TOPIC = Hash32.parse("0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef")
LOG_INDEX_MAX = 2**31 - 1
# https://eips.ethereum.org/EIPS/eip-7708: clients will log each move of the native coin from here. It is the
# coin's move told a second time, and no token's.
NATIVE_LOG_EMITTER = Address.parse("0xfffffffffffffffffffffffffffffffffffffffe")

_ADDRESS_PADDING = bytes(12)


class MalformedLog(ChainError):
    """A log that can't be what was asked for. The whole answer is refused: it is no evidence of anything."""


class NotTransfer(StrEnum):
    """Why a log with the Transfer topic is no ERC-20 Transfer."""

    ERC721 = "erc721"  # Four topics: the token id is indexed.
    NON_INDEXED = "non-indexed"  # One or two topics: an account lies in the data, as in some old tokens.
    DIRTY_ACCOUNT = "dirty-account"  # A topic that is wider than an address.
    ODD_DATA = "odd-data"  # The data are not one 32-byte amount.
    NATIVE_LOG = "native-transfer-log"  # EIP-7708: a move of the native coin, which is counted as that.
    OTHER_EVENT = "other-event"  # No topic, another topic 0, or more topics than an event can have.


@dataclass(frozen=True, slots=True, kw_only=True)
class RawTransferLog:
    """One ERC-20 Transfer event as a node answered it, before the block's time is joined to it."""

    block_number: int
    block_hash: Hash32
    tx_hash: Hash32
    log_index: int
    contract: Address
    sender: Address
    recipient: Address
    amount_units: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherLog:
    """A log that matched the filter without being an ERC-20 Transfer: kept, so that nothing is dropped."""

    block_number: int
    block_hash: Hash32
    tx_hash: Hash32
    log_index: int
    contract: Address
    reason: NotTransfer


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedLogs:
    """One or several answers, each log once, in chain order."""

    logs: tuple[RawTransferLog, ...]
    others: tuple[OtherLog, ...]


def account_topic(account: Address) -> str:
    """An account as an indexed event argument: left-padded to 32 bytes."""
    return "0x" + (_ADDRESS_PADDING + account).hex()


def transfer_filters(
    *, addresses: Iterable[Address], first_block: int, last_block: int
) -> list[dict[str, Any]]:
    """The two eth_getLogs parameter objects for every Transfer from, and to, any of the accounts.

    There is no address filter, so that tokens which nobody registered are seen too.
    """
    topics = [account_topic(account) for account in sorted(set(addresses))]
    if not topics:
        # An empty list would mean "any account" to some nodes and "none" to others.
        msg = "transfer_filters takes at least one account"
        raise ValueError(msg)
    window = {"fromBlock": encoding.to_quantity(first_block), "toBlock": encoding.to_quantity(last_block)}
    transfer = str(TRANSFER_TOPIC)
    return [{**window, "topics": [transfer, topics]}, {**window, "topics": [transfer, None, topics]}]


def every_transfer_filter(*, first_block: int, last_block: int) -> dict[str, Any]:
    """The eth_getLogs parameter object for every Transfer of a range, whoever's it is."""
    return {
        "fromBlock": encoding.to_quantity(first_block),
        "toBlock": encoding.to_quantity(last_block),
        "topics": [str(TRANSFER_TOPIC)],
    }


def decode_log(entry: Any) -> RawTransferLog | OtherLog:
    """One entry of an eth_getLogs answer. Raises MalformedLog."""
    return _Decoder().decode(entry)


def parse_logs(result: Any, *, asked: Mapping[str, Any]) -> ParsedLogs:
    """The logs of one eth_getLogs answer, given the parameter object that was asked.

    Raises MalformedLog if one log lies outside the asked blocks or topics, if the node marks one as removed
    (a reorg), or if two logs contradict each other.
    """
    if not isinstance(result, list):
        msg = f"eth_getLogs answers an array, not {encoding.shown(result)}"
        raise MalformedLog(msg)
    wanted = _Asked.of(asked)
    decoder = _Decoder()
    found = []
    for entry in result:
        log = decoder.decode(entry)
        wanted.demand(log, entry["topics"])
        found.append(log)
    return _in_order(found)


def merge_logs(parts: Iterable[ParsedLogs]) -> ParsedLogs:
    """Several answers as one: a transfer between two watched accounts is in both."""
    found: list[RawTransferLog | OtherLog] = []
    for part in parts:
        found.extend(part.logs)
        found.extend(part.others)
    return _in_order(found)


def to_transfer(log: RawTransferLog, *, chain: ChainId, block: BlockRef) -> Transfer:
    """The finished value. The block has to be the log's own, by hash: numbers get replaced."""
    if (log.block_number, log.block_hash) != (block.number, block.hash):
        msg = (
            f"log {log.log_index} is of block {log.block_number} {log.block_hash}, "
            f"but the node's block {block.number} is {block.hash}"
        )
        raise MalformedLog(msg)
    return Transfer(
        chain=chain,
        block=block,
        tx_hash=log.tx_hash,
        log_index=log.log_index,
        contract=log.contract,
        sender=log.sender,
        recipient=log.recipient,
        amount_units=log.amount_units,
    )


class _Once(dict[str, T]):
    """Reads each text once: blocks, contracts and accounts repeat in an answer, and it is bounded by it."""

    __slots__ = ("_read",)

    def __init__(self, read: Callable[[str], T]) -> None:
        super().__init__()
        self._read = read

    def __missing__(self, text: str) -> T:
        value = self[text] = self._read(text)
        return value


class _Decoder:
    """Decodes the logs of one answer."""

    __slots__ = ("_account", "_address", "_block_number", "_hash", "_log_index")

    def __init__(self) -> None:
        self._hash = _Once(encoding.hash32)
        self._address = _Once(encoding.address)
        self._account = _Once(_read_account)
        self._block_number = _Once(lambda text: encoding.quantity(text, most=BLOCK_NUMBER_MAX))
        self._log_index = _Once(lambda text: encoding.quantity(text, most=LOG_INDEX_MAX))

    def decode(self, entry: Any) -> RawTransferLog | OtherLog:
        if not isinstance(entry, dict):
            msg = f"a log is an object, not {encoding.shown(entry)}"
            raise MalformedLog(msg)
        try:
            return self._decode(entry)
        except KeyError as error:
            msg = f"a log without {error.args[0]}"
            raise MalformedLog(msg) from error
        except (BadEncoding, TypeError) as error:
            msg = f"log {encoding.shown(entry.get('logIndex'))}: {error}"
            raise MalformedLog(msg) from error

    def _decode(self, entry: dict[str, Any]) -> RawTransferLog | OtherLog:
        if entry.get("removed", False) is not False:
            msg = f"log {encoding.shown(entry['logIndex'])} is marked as removed: its block was replaced"
            raise MalformedLog(msg)
        block_number = self._block_number[entry["blockNumber"]]
        block_hash = self._hash[entry["blockHash"]]
        tx_hash = encoding.hash32(entry["transactionHash"])
        log_index = self._log_index[entry["logIndex"]]
        contract = self._address[entry["address"]]
        amount = encoding.data(entry["data"])
        accounts = self._read_topics(entry["topics"], amount)
        if contract == NATIVE_LOG_EMITTER and not isinstance(accounts, NotTransfer):
            accounts = NotTransfer.NATIVE_LOG
        if isinstance(accounts, NotTransfer):
            return OtherLog(
                block_number=block_number,
                block_hash=block_hash,
                tx_hash=tx_hash,
                log_index=log_index,
                contract=contract,
                reason=accounts,
            )
        return RawTransferLog(
            block_number=block_number,
            block_hash=block_hash,
            tx_hash=tx_hash,
            log_index=log_index,
            contract=contract,
            sender=accounts[0],
            recipient=accounts[1],
            amount_units=int.from_bytes(amount, "big"),
        )

    def _read_topics(self, topics: Any, amount: bytes) -> tuple[Address, Address] | NotTransfer:
        if not isinstance(topics, list):
            msg = "topics are an array"
            raise BadEncoding(msg)
        # All are read even where the count is wrong, so that a malformed topic is never passed over.
        accounts = [self._account[topic] for topic in topics[1:]]
        if not 0 < len(topics) < 5 or self._hash[topics[0]] != TRANSFER_TOPIC:
            return NotTransfer.OTHER_EVENT
        if len(topics) == 4:
            return NotTransfer.ERC721
        if len(topics) < 3:
            return NotTransfer.NON_INDEXED
        sender, recipient = accounts
        if sender is None or recipient is None:
            return NotTransfer.DIRTY_ACCOUNT
        if len(amount) != 32:
            return NotTransfer.ODD_DATA
        return sender, recipient


def _read_account(topic: str) -> Address | None:
    """The account in a topic, or None where the topic is wider than an address."""
    word = encoding.hash32(topic)
    return Address(word[12:]) if word[:12] == _ADDRESS_PADDING else None


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a filter object demands of every log: its block range, and the allowed topics of each position."""

    first_block: int
    last_block: int
    topics: tuple[frozenset[str] | None, ...]

    @classmethod
    def of(cls, asked: Mapping[str, Any]) -> _Asked:
        try:
            return cls(
                encoding.quantity(asked["fromBlock"], most=BLOCK_NUMBER_MAX),
                encoding.quantity(asked["toBlock"], most=BLOCK_NUMBER_MAX),
                tuple(None if one is None else _allowed(one) for one in asked["topics"]),
            )
        except (KeyError, TypeError, BadEncoding) as error:
            msg = f"not a log filter over a range of blocks: {error}"
            raise MalformedLog(msg) from error

    def demand(self, log: RawTransferLog | OtherLog, topics: Sequence[str]) -> None:
        if not self.first_block <= log.block_number <= self.last_block:
            msg = (
                f"a log of block {log.block_number}, not of {self.first_block} to {self.last_block} as asked"
            )
            raise MalformedLog(msg)
        if len(topics) < len(self.topics):
            msg = f"log {log.log_index} of block {log.block_number} has too few topics to match the filter"
            raise MalformedLog(msg)
        for allowed, topic in zip(self.topics, topics, strict=False):
            if allowed is not None and topic not in allowed and topic.lower() not in allowed:
                msg = f"log {log.log_index} of block {log.block_number} has a topic that was not asked for"
                raise MalformedLog(msg)


def _allowed(position: str | Sequence[str]) -> frozenset[str]:
    texts = (position,) if isinstance(position, str) else position
    return frozenset(str(encoding.hash32(text)) for text in texts)


def _in_order(found: Iterable[RawTransferLog | OtherLog]) -> ParsedLogs:
    """Each log once, in chain order. Raises MalformedLog where two logs can't both be of one chain."""
    by_identity: dict[tuple[int, int], RawTransferLog | OtherLog] = {}
    hash_of: dict[int, Hash32] = {}
    for log in found:
        if hash_of.setdefault(log.block_number, log.block_hash) != log.block_hash:
            msg = f"two hashes for block {log.block_number}: the chain was replaced while it was read"
            raise MalformedLog(msg)
        known = by_identity.setdefault((log.block_number, log.log_index), log)
        if known is not log and known != log:
            msg = f"two different logs with index {log.log_index} in block {log.block_number}"
            raise MalformedLog(msg)
    ordered = [by_identity[identity] for identity in sorted(by_identity)]
    return ParsedLogs(
        logs=tuple(log for log in ordered if isinstance(log, RawTransferLog)),
        others=tuple(log for log in ordered if isinstance(log, OtherLog)),
    )
