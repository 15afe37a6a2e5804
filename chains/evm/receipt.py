"""Transaction receipts as a chain commits to them: read from a node's answer or from RLP, blooms derived.

Pure. Committed are status (or, before Byzantium, a state root), cumulative gas, bloom and logs; an OP-stack
deposit since Canyon adds its nonce and a version. Everything else in an answer (sender, gas price, even the
transaction's hash) is decoration, which no receiptsRoot covers. A receipt of an unknown type is refused by
its number, since its encoding may differ.
https://eips.ethereum.org/EIPS/eip-2718, https://eips.ethereum.org/EIPS/eip-658,
https://specs.optimism.io/protocol/deposits.html#deposit-receipt
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeGuard

from chains.errors import ChainError
from chains.evm import bloom, encoding, rlp
from chains.evm.encoding import BadEncoding
from chains.evm.rlp import BadRlp
from chains.types import Address, Hash32

RECEIPT_BYTES_MAX = 16 * 1024 * 1024
GAS_MAX = 2**64 - 1
TOPICS_MAX = 4

OP_DEPOSIT = 0x7E
# 0x01-0x04 Ethereum. 0x64-0x6a Arbitrum (0x6a seen in recorded blocks; Nitro encodes all of them alike).
# 0x7f Polygon's state sync since PIP-74.
_STANDARD_TYPES = frozenset({0x01, 0x02, 0x03, 0x04, 0x64, 0x65, 0x66, 0x68, 0x69, 0x6A, 0x7F})


class BadReceipts(ChainError):
    """Not receipts, or not those of the block that they are claimed for."""


class UnknownReceiptType(BadReceipts):
    def __init__(self, kind: int) -> None:
        super().__init__(f"receipts of type {kind:#x} are not known")
        self.kind = kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """What a contract emitted; which block, transaction and position it has is not part of it."""

    address: Address
    topics: tuple[Hash32, ...]
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """`encoded` is what the trie under receiptsRoot holds. `bloom` is derived from the logs."""

    kind: int
    bloom: int
    logs: tuple[Log, ...]
    encoded: bytes


def read_receipt(answer: Any) -> Receipt:
    """A receipt of an eth_getBlockReceipts or eth_getTransactionReceipt answer. Raises BadReceipts."""
    if not isinstance(answer, dict):
        msg = f"a receipt is an object, not {encoding.shown(answer)}"
        raise BadReceipts(msg)
    try:
        return _read(answer)
    except KeyError as error:
        msg = f"a receipt or log without {error.args[0]}"
        raise BadReceipts(msg) from error
    except (BadEncoding, TypeError) as error:
        msg = f"receipt {encoding.shown(answer.get('transactionIndex'))}: {error}"
        raise BadReceipts(msg) from error


def _read(answer: dict[str, Any]) -> Receipt:
    kind = encoding.quantity("0x0" if answer.get("type") is None else answer["type"], most=0x7F)
    answers = answer["logs"]
    if not isinstance(answers, list):
        msg = "logs are an array"
        raise BadEncoding(msg)
    read = [_read_log(one) for one in answers]
    bits = 0
    for one in read:
        bits |= one[2]
    bloom_bytes = bloom.to_bytes(bits)
    _demand_bloom(answer.get("logsBloom"), bloom_bytes)
    fields = [
        _encoded_outcome(answer),
        rlp.encode_int(encoding.quantity(answer["cumulativeGasUsed"], most=GAS_MAX)),
        _BLOOM_PREFIX + bloom_bytes,
        rlp.encode_list([one[1] for one in read]),
        *_encoded_deposit(kind, answer),
    ]
    return Receipt(
        kind=kind,
        bloom=bits,
        logs=tuple([one[0] for one in read]),
        encoded=_enveloped(kind, rlp.encode_list(fields)),
    )


def _read_log(answer: Any) -> tuple[Log, bytes, int]:
    """A log, its RLP and its bloom bits. A long proof spends most of its time here."""
    if not isinstance(answer, dict):
        msg = f"a log is an object, not {encoding.shown(answer)}"
        raise BadEncoding(msg)
    contract, encoded, bits = _contract(answer["address"])
    texts = answer["topics"]
    if not isinstance(texts, list) or len(texts) > TOPICS_MAX:
        msg = f"topics are an array of at most {TOPICS_MAX}"
        raise BadEncoding(msg)
    encoded += _TOPICS_PREFIX[len(texts)]
    topics = []
    for text in texts:
        topic, encoded_topic, topic_bits = _topic(text)
        topics.append(topic)
        encoded += encoded_topic
        bits |= topic_bits
    data = encoding.data(answer["data"])
    encoded += rlp.encode_bytes(data)
    log = Log(address=contract, topics=tuple(topics), data=data)
    return log, rlp.list_prefix(len(encoded)) + encoded, bits


# Contracts and topics repeat, within a block and from block to block. The bound is some 10 MB.
@lru_cache(maxsize=8192)
def _contract(text: str) -> tuple[Address, bytes, int]:
    """A log's address, its RLP and its bloom bits."""
    value = encoding.address(text)
    return value, b"\x94" + value, bloom.entry_bits(value)


@lru_cache(maxsize=8192)
def _topic(text: str) -> tuple[Hash32, bytes, int]:
    value = encoding.hash32(text)
    return value, b"\xa0" + value, bloom.entry_bits(value)


# What stands before 256 bytes, and before a list of so many topics.
_BLOOM_PREFIX = b"\xb9\x01\x00"
_TOPICS_PREFIX = tuple(rlp.list_prefix(33 * count) for count in range(TOPICS_MAX + 1))


def decode_receipt(encoded: bytes) -> Receipt:
    """A receipt from the bytes that a trie, a store or a bundle holds. Raises BadReceipts."""
    if not encoded or len(encoded) > RECEIPT_BYTES_MAX:
        msg = f"a receipt of {len(encoded)} bytes"
        raise BadReceipts(msg)
    # A list begins with 0xc0 or more, an envelope with the type.
    kind = encoded[0] if encoded[0] < 0x80 else 0
    try:
        items = rlp.decode_list(encoded[1:] if kind else encoded, depth_max=4)
        if len(items) not in _lengths(kind):
            msg = f"a receipt of type {kind:#x} with {len(items)} fields"
            raise BadReceipts(msg)
        outcome, gas, bloom_bytes, logs_item = items[:4]
        if outcome not in (b"", b"\x01") and not (kind == 0 and _has(outcome, 32)):
            msg = "neither a status nor a state root"
            raise BadReceipts(msg)
        for number in (gas, *items[4:]):
            rlp.decode_int(number, most=GAS_MAX)
        logs = tuple(_decode_log(item) for item in _listed(logs_item))
    except BadRlp as error:
        msg = f"a receipt's RLP: {error}"
        raise BadReceipts(msg) from error
    bits = bloom.of_entries(entry for log in logs for entry in (log.address, *log.topics))
    if bloom_bytes != bloom.to_bytes(bits):
        msg = "the bloom of a receipt is not that of its logs"
        raise BadReceipts(msg)
    return Receipt(kind=kind, bloom=bits, logs=logs, encoded=bytes(encoded))


def _lengths(kind: int) -> tuple[int, ...]:
    if kind == OP_DEPOSIT:
        return (4, 6)
    if kind and kind not in _STANDARD_TYPES:
        raise UnknownReceiptType(kind)
    return (4,)


def _enveloped(kind: int, encoded: bytes) -> bytes:
    return bytes((kind,)) + encoded if kind else encoded


def _encoded_deposit(kind: int, answer: dict[str, Any]) -> list[bytes]:
    """The two fields that a deposit's receipt has since Canyon. Before, the nonce stayed out of the hash."""
    with_fields = 6 in _lengths(kind) and answer.get("depositReceiptVersion") is not None
    return [
        rlp.encode_int(encoding.quantity(answer[name], most=GAS_MAX))
        for name in (("depositNonce", "depositReceiptVersion") if with_fields else ())
    ]


def _encoded_outcome(answer: dict[str, Any]) -> bytes:
    """Some nodes send null, or an empty root, for the one of the two that the fork does not have."""
    status, state_root = answer.get("status"), answer.get("root")
    if (status is None) == (state_root in (None, "0x")):
        msg = "a receipt has either a status or a state root"
        raise BadEncoding(msg)
    if status is None:
        return b"\xa0" + encoding.hash32(state_root)
    return rlp.encode_int(encoding.quantity(status, most=1))


def _demand_bloom(answered: Any, derived: bytes) -> None:
    if answered is None or answered == "0x" + derived.hex():
        return
    if encoding.data(answered) != derived:
        msg = "logsBloom is not the bloom of the logs"
        raise BadEncoding(msg)


def _decode_log(item: rlp.Decoded) -> Log:
    fields = _listed(item)
    if len(fields) == 3:
        contract, data, topics = fields[0], fields[2], _listed(fields[1])
        hashes = tuple([Hash32(topic) for topic in topics if _has(topic, 32)])
        whole = len(hashes) == len(topics) <= TOPICS_MAX
        if whole and _has(contract, 20) and isinstance(data, bytes):
            return Log(address=Address(contract), topics=hashes, data=data)
    msg = "not a log"
    raise BadRlp(msg)


def _listed(item: rlp.Decoded) -> list[rlp.Decoded]:
    if isinstance(item, bytes):
        msg = "a list expected, not bytes"
        raise BadRlp(msg)
    return item


def _has(item: rlp.Decoded, size: int) -> TypeGuard[bytes]:
    return isinstance(item, bytes) and len(item) == size
