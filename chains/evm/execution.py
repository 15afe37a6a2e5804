"""One executed transaction as a node answers it: its receipt checked against it, and every log told apart.

Pure, standard library only. It knows no node and no debt, and it believes nothing: a receipt of another
transaction, or a log of another block, is an error and not a finding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import Any

from chains.errors import ChainError
from chains.evm import encoding
from chains.evm.encoding import BLOCK_NUMBER_MAX, BadEncoding
from chains.evm.transfers import (
    NATIVE_LOG_EMITTER,
    MalformedLog,
    NotTransfer,
    OtherLog,
    RawTransferLog,
    decode_log,
)
from chains.types import UINT256_MAX, Address, Hash32

LOGS_MAX = 20_000
# https://eips.ethereum.org/EIPS/eip-7708: the chain itself reports moves of its coin from this address.
COIN_LOG_ADDRESS = NATIVE_LOG_EMITTER

# The keccak-256 hashes of the events' texts, which a test computes again.
SINGLE_TOPIC = "0xc3d58168c5ae7397731d063d5bbf3d657854427343f4c083240f7aacaa2d0f62"
BATCH_TOPIC = "0x4a39dc06d4c0dbc64b70af90fd698a233a518aa5d07e595d983b8c0526c8f7fb"
DEPOSIT_TOPIC = "0xe1fffcc4923d04b559f4d29a8bfc6cda04eb5b0d3c460751c2402c5c5cc9109c"
WITHDRAWAL_TOPIC = "0x7fcf532c15f0a6db0bd6d0e038bea71d30d808c7d98cb3bf7268a95bf5081b65"

_TRANSFER_CALL = bytes.fromhex("a9059cbb")
_TRANSFER_FROM_CALL = bytes.fromhex("23b872dd")
_PADDING = bytes(12)


class MalformedTransaction(ChainError):
    """A transaction or receipt that can't be what was asked for, or two that contradict each other."""


class LogKind(StrEnum):
    """What a log says, as far as its form tells. Only TOKEN and COIN are counted as movements."""

    TOKEN = "erc20"  # noqa: S105 - a kind of log, not a secret.
    COIN = "native"  # EIP-7708.
    NON_INDEXED = "erc20-non-indexed"  # An early token: the accounts lie in the data.
    NFT = "erc721"
    MULTI = "erc1155"
    WRAP = "deposit"  # Deposit(address,uint256), which WETH and many vaults emit.
    UNWRAP = "withdrawal"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptLog:
    """One log of a receipt. What its kind does not have is None; a batch of ERC-1155 names no amounts."""

    kind: LogKind
    raw: RawTransferLog | OtherLog
    sender: Address | None = None
    recipient: Address | None = None
    amount_units: int | None = None
    token_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """What somebody signed. `place` is the block's number and hash, None while no block holds it."""

    tx_hash: Hash32
    sender: Address
    recipient: Address | None
    value_wei: int
    input: bytes = field(repr=False)
    place: tuple[int, Hash32] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """A mined transaction and what became of it. `succeeded` None: its receipt is older than EIP-658."""

    transaction: Transaction
    block_number: int
    block_hash: Hash32
    succeeded: bool | None
    created: Address | None
    gas_used: int
    gas_price_wei: int | None
    logs: tuple[ReceiptLog, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A token transfer that the transaction called for directly; a failed one was attempted only."""

    contract: Address
    sender: Address
    recipient: Address
    amount_units: int


def parse_transaction(found: Any, *, tx_hash: Hash32) -> Transaction:
    """The transaction of an eth_getTransactionByHash answer that is not null. Raises MalformedTransaction."""
    fields = _object(found, "a transaction")
    try:
        if encoding.hash32(fields.get("hash")) != tx_hash:
            msg = "another transaction was answered than was asked for"
            raise MalformedTransaction(msg)
        to = fields.get("to")
        return Transaction(
            tx_hash=tx_hash,
            sender=encoding.address(fields.get("from")),
            recipient=None if to is None else encoding.address(to),
            value_wei=encoding.quantity(fields.get("value"), most=UINT256_MAX),
            input=encoding.data(fields.get("input", fields.get("data"))),
            place=_place(fields),
        )
    except BadEncoding as error:
        msg = f"transaction {tx_hash}: {error}"
        raise MalformedTransaction(msg) from error


def parse_execution(found: Any, *, transaction: Transaction) -> Execution:
    """The transaction with the eth_getTransactionReceipt answer that belongs to it."""
    fields = _object(found, "a receipt")
    try:
        _demand_same(fields, transaction)
        number, block_hash = transaction.place or (0, Hash32(bytes(32)))
        created, status, price = (
            fields.get(name) for name in ("contractAddress", "status", "effectiveGasPrice")
        )
        return Execution(
            transaction=transaction,
            block_number=number,
            block_hash=block_hash,
            succeeded=None if status is None else encoding.quantity(status, most=1) == 1,
            created=None if created is None else encoding.address(created),
            gas_used=encoding.quantity(fields.get("gasUsed"), most=2**64 - 1),
            gas_price_wei=None if price is None else encoding.quantity(price, most=UINT256_MAX),
            logs=_logs(fields.get("logs"), transaction=transaction),
        )
    except (BadEncoding, MalformedLog) as error:
        msg = f"the receipt of {transaction.tx_hash}: {error}"
        raise MalformedTransaction(msg) from error


def attempted(transaction: Transaction) -> Attempt | None:
    """The transfer() or transferFrom() that the transaction itself called, if it called one."""
    called, words = transaction.input[:4], transaction.input[4:]
    count = {_TRANSFER_CALL: 2, _TRANSFER_FROM_CALL: 3}.get(called)
    if count is None or transaction.recipient is None or len(words) < 32 * count:
        return None
    parts = [words[32 * index : 32 * index + 32] for index in range(count)]
    if any(part[:12] != _PADDING for part in parts[:-1]):
        return None
    accounts = [Address(part[12:]) for part in parts[:-1]]
    return Attempt(
        contract=transaction.recipient,
        sender=transaction.sender if count == 2 else accounts[0],
        recipient=accounts[-1],
        amount_units=int.from_bytes(parts[-1], "big"),
    )


def _object(found: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(found, Mapping):
        msg = f"{what} is an object, not {encoding.shown(found)}"
        raise MalformedTransaction(msg)
    return found


def _place(fields: Mapping[str, Any]) -> tuple[int, Hash32] | None:
    """Nodes leave both fields null, or leave them out, for what no block holds yet."""
    number, block_hash = fields.get("blockNumber"), fields.get("blockHash")
    if number is None or block_hash is None:
        return None
    return encoding.quantity(number, most=BLOCK_NUMBER_MAX), encoding.hash32(block_hash)


def _demand_same(receipt: Mapping[str, Any], transaction: Transaction) -> None:
    told = (encoding.hash32(receipt.get("transactionHash")), _place(receipt))
    if transaction.place is None or told != (transaction.tx_hash, transaction.place):
        msg = f"the receipt that was answered for {transaction.tx_hash} is of another transaction or block"
        raise MalformedTransaction(msg)


def _logs(found: Any, *, transaction: Transaction) -> tuple[ReceiptLog, ...]:
    if not isinstance(found, list) or len(found) > LOGS_MAX:
        msg = f"logs are an array of at most {LOGS_MAX}"
        raise BadEncoding(msg)
    logs = tuple(_tell_apart(entry, decode_log(entry)) for entry in found)
    for log in logs:
        if (log.raw.tx_hash, (log.raw.block_number, log.raw.block_hash)) != (
            transaction.tx_hash,
            transaction.place,
        ):
            msg = f"log {log.raw.log_index} is of another transaction or block"
            raise MalformedLog(msg)
    for one, other in pairwise(logs):
        if one.raw.log_index >= other.raw.log_index:
            msg = f"log {other.raw.log_index} follows log {one.raw.log_index}"
            raise MalformedLog(msg)
    return logs


def _tell_apart(entry: Mapping[str, Any], raw: RawTransferLog | OtherLog) -> ReceiptLog:
    """The topics and the data were read strictly by decode_log, so that only their meaning is left."""
    if isinstance(raw, RawTransferLog):
        return ReceiptLog(
            kind=LogKind.TOKEN,
            raw=raw,
            sender=raw.sender,
            recipient=raw.recipient,
            amount_units=raw.amount_units,
        )
    topics, words = entry["topics"], _words(entry["data"])
    if raw.reason is NotTransfer.NATIVE_LOG:
        return _pair(LogKind.COIN, raw, topics[1], topics[2], units=int(words[0], 16))
    if raw.reason is NotTransfer.ERC721:
        return _pair(LogKind.NFT, raw, topics[1], topics[2], token_id=int(topics[3], 16))
    if raw.reason is NotTransfer.NON_INDEXED and len(topics) == 1 and len(words) == 3:
        return _pair(LogKind.NON_INDEXED, raw, words[0], words[1], units=int(words[2], 16))
    return _other_event(topics, words, raw)


def _other_event(topics: list[str], words: list[str], raw: OtherLog) -> ReceiptLog:
    first = topics[0].lower() if topics else ""
    if first == SINGLE_TOPIC and len(topics) == 4 and len(words) == 2:
        return _pair(
            LogKind.MULTI, raw, topics[2], topics[3], token_id=int(words[0], 16), units=int(words[1], 16)
        )
    if first == BATCH_TOPIC and len(topics) == 4:
        return _pair(LogKind.MULTI, raw, topics[2], topics[3])
    if first in {DEPOSIT_TOPIC, WITHDRAWAL_TOPIC} and len(topics) == 2 and len(words) == 1:
        kind = LogKind.WRAP if first == DEPOSIT_TOPIC else LogKind.UNWRAP
        return _pair(kind, raw, topics[1], topics[1], units=int(words[0], 16))
    return ReceiptLog(kind=LogKind.OTHER, raw=raw)


def _pair(
    kind: LogKind,
    raw: OtherLog,
    sender: str,
    recipient: str,
    *,
    units: int | None = None,
    token_id: int | None = None,
) -> ReceiptLog:
    """Two accounts in words of 32 bytes; a word that is wider than an address makes it just another log."""
    accounts = [bytes.fromhex(word[2:]) for word in (sender, recipient)]
    if any(account[:12] != _PADDING for account in accounts):
        return ReceiptLog(kind=LogKind.OTHER, raw=raw)
    return ReceiptLog(
        kind=kind,
        raw=raw,
        sender=Address(accounts[0][12:]),
        recipient=Address(accounts[1][12:]),
        amount_units=units,
        token_id=token_id,
    )


def _words(data: str) -> list[str]:
    """The data in words of 32 bytes; none where it is not made of whole words."""
    digits = data[2:]
    whole = range(0, len(digits), 64) if len(digits) % 64 == 0 else range(0)
    return ["0x" + digits[at : at + 64] for at in whole]
