"""Block headers that can't lie: read from a node's answer or from RLP, encoded again, and hashed.

Pure. A header whose hash is recomputed has the parent, time, roots and bloom that this hash commits to; that
the hash is the chain's own only an anchor shows. Which fields a header has depends on the fork, so they are
told from the answer: the fifteen of Ethereum's beginning, then those that London to Prague appended in order.
A field that is neither of these nor known to stay out of the hash is refused by name.
https://github.com/ethereum/execution-specs - see `Header` of each fork.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chains.errors import ChainError
from chains.evm import encoding, rlp
from chains.evm.blocks import BLOCK_TIME_MAX
from chains.evm.encoding import BLOCK_NUMBER_MAX, BadEncoding
from chains.evm.keccak import keccak256
from chains.evm.rlp import BadRlp
from chains.types import UINT256_MAX, BlockRef, Hash32

# Polygon's and Clique's headers carry validators or dependencies there; nothing known exceeds 64 KiB.
EXTRA_DATA_BYTES_MAX = 256 * 1024
HEADER_BYTES_MAX = EXTRA_DATA_BYTES_MAX + 4096

# In the order of the RLP. A width in bytes; 0 stands for a number, None for data of any length.
_WIDTHS: dict[str, int | None] = {
    "parentHash": 32,
    "sha3Uncles": 32,
    "miner": 20,
    "stateRoot": 32,
    "transactionsRoot": 32,
    "receiptsRoot": 32,
    "logsBloom": 256,
    "difficulty": 0,
    "number": 0,
    "gasLimit": 0,
    "gasUsed": 0,
    "timestamp": 0,
    "extraData": None,
    "mixHash": 32,
    "nonce": 8,
    # Appended by forks, each only after the one before it.
    "baseFeePerGas": 0,  # London, EIP-1559
    "withdrawalsRoot": 32,  # Shanghai, EIP-4895
    "blobGasUsed": 0,  # Cancun, EIP-4844
    "excessBlobGas": 0,  # Cancun, EIP-4844
    "parentBeaconBlockRoot": 32,  # Cancun, EIP-4788
    "requestsHash": 32,  # Prague, EIP-7685
}
_FIELDS = tuple(_WIDTHS)
_REQUIRED = _FIELDS[:15]
_APPENDED = _FIELDS[15:]

# What nodes send along that no header hash covers.
_NOT_HASHED = frozenset(
    {
        *("hash", "size", "totalDifficulty", "transactions", "uncles", "withdrawals"),
        "author",  # OpenEthereum's and Erigon's word for the miner
        "sealFields",  # OpenEthereum: mixHash and nonce once more
        *("l1BlockNumber", "sendCount", "sendRoot"),  # Arbitrum: read out of mixHash and extraData
    }
)
_KNOWN = frozenset(_FIELDS) | _NOT_HASHED


class BadHeader(ChainError):
    """Not a header, or not the one that its hash names."""


class UnknownHeaderField(BadHeader):
    """Fields that may be part of the hash: a chain or a fork that this code does not know."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(f"header fields that are not known: {', '.join(map(encoding.shown, names[:8]))}")
        self.names = tuple(names)


class HeaderHashMismatch(BadHeader):
    """The fields do not give the hash that was answered: a lie, or a chain whose headers hash otherwise."""

    def __init__(self, *, number: int, answered: Hash32, computed: Hash32) -> None:
        super().__init__(f"header {number} has hash {computed}, but {answered} was answered")
        self.number = number
        self.answered = answered
        self.computed = computed


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """A header whose `hash` was computed here, over `rlp`."""

    number: int
    hash: Hash32
    time: int
    parent_hash: Hash32
    state_root: Hash32
    transactions_root: Hash32
    receipts_root: Hash32
    bloom: bytes
    rlp: bytes

    @property
    def ref(self) -> BlockRef:
        return BlockRef(number=self.number, hash=self.hash, time=self.time, parent_hash=self.parent_hash)


def verify_header(answer: Any, *, expected_number: int | None = None) -> Header:
    """The header of an eth_getBlockBy… answer. Raises BadHeader where its hash is not the answered one."""
    header = read_header(answer)
    answered = answer.get("hash")
    # Most answers are in lower case; the strict reading is for the others and for errors.
    if answered != "0x" + header.hash.hex():
        answered_hash = _answered_hash(answered)
        if answered_hash != header.hash:
            raise HeaderHashMismatch(number=header.number, answered=answered_hash, computed=header.hash)
    if expected_number is not None and header.number != expected_number:
        msg = f"header {header.number} was answered when {expected_number} was asked for"
        raise BadHeader(msg)
    return header


def read_header(answer: Any) -> Header:
    """The header that the fields of an answer make, whatever hash was answered with them."""
    if not isinstance(answer, Mapping):
        msg = f"a header is an object, not {encoding.shown(answer)}"
        raise BadHeader(msg)
    if not _KNOWN.issuperset(answer):
        raise UnknownHeaderField(sorted(str(name) for name in set(answer) - _KNOWN))
    try:
        return _of_texts(answer)
    except (KeyError, TypeError, ValueError) as error:
        # The fast path finds only that something is wrong; this finds what.
        raise BadHeader(_first_fault(answer)) from error


def decode_header(data: bytes) -> Header:
    """A header from its RLP, as a store or a bundle keeps it. Raises BadHeader."""
    try:
        items = rlp.decode_list(data, size_max=HEADER_BYTES_MAX, depth_max=2, items_max=2 * len(_FIELDS))
        if not len(_REQUIRED) <= len(items) <= len(_FIELDS):
            msg = f"a header has {len(_REQUIRED)} to {len(_FIELDS)} fields, not {len(items)}"
            raise BadHeader(msg)
        found = dict(zip(_FIELDS, map(_checked_item, _FIELDS, items), strict=False))
        return Header(
            number=rlp.decode_int(found["number"], most=BLOCK_NUMBER_MAX),
            hash=Hash32(keccak256(data)),
            time=rlp.decode_int(found["timestamp"], most=BLOCK_TIME_MAX),
            parent_hash=Hash32(found["parentHash"]),
            state_root=Hash32(found["stateRoot"]),
            transactions_root=Hash32(found["transactionsRoot"]),
            receipts_root=Hash32(found["receiptsRoot"]),
            bloom=found["logsBloom"],
            rlp=bytes(data),
        )
    except BadRlp as error:
        msg = f"a header's RLP: {error}"
        raise BadHeader(msg) from error


def _checked_item(name: str, item: rlp.Decoded) -> bytes:
    if not isinstance(item, bytes):
        msg = f"{name} is a list"
        raise BadHeader(msg)
    width = _WIDTHS[name]
    if width == 0:
        rlp.decode_int(item, most=UINT256_MAX)
    elif len(item) > EXTRA_DATA_BYTES_MAX if width is None else len(item) != width:
        msg = f"{name} has {len(item)} bytes"
        raise BadHeader(msg)
    return item


def _of_texts(answer: Mapping[str, Any]) -> Header:
    """The header of an answer. Any fault in it ends in a KeyError, TypeError or ValueError.

    This is the innermost loop of every proof: the hex texts are joined and turned into bytes in one step.
    """
    texts = [answer[name] for name in _REQUIRED]
    texts += [answer.get(name) for name in _APPENDED]
    while texts[-1] is None:
        texts.pop()
    encoded = [
        _data_text(text, head, length) if length else _varying_text(text, name)
        for text, (name, head, length) in zip(texts, _PLAN, strict=False)
    ]
    joined = "".join(encoded)
    payload = bytes.fromhex(joined)
    # bytes.fromhex skips blanks, which the length gives away.
    if 2 * len(payload) != len(joined):
        raise ValueError
    number, time = int(answer["number"], 16), int(answer["timestamp"], 16)
    if number > BLOCK_NUMBER_MAX or time > BLOCK_TIME_MAX:
        raise ValueError
    data = rlp.list_prefix(len(payload)) + payload
    # The first seven fields have fixed widths, so each lies where it always does.
    return Header(
        number=number,
        hash=Hash32(keccak256(data)),
        time=time,
        parent_hash=Hash32(payload[1:33]),
        state_root=Hash32(payload[88:120]),
        transactions_root=Hash32(payload[121:153]),
        receipts_root=Hash32(payload[154:186]),
        bloom=payload[189:445],
        rlp=data,
    )


# For each field: its name, and where its width is fixed the hex of its RLP prefix and the length of its text.
_PLAN = tuple(
    (name, rlp.encode_bytes(b"\xff" * width)[:-width].hex(), 2 + 2 * width) if width else (name, "", 0)
    for name, width in _WIDTHS.items()
)


def _data_text(text: str, head: str, length: int) -> str:
    if len(text) != length or text[:2] != "0x":
        raise ValueError
    return head + text[2:]


def _varying_text(text: str, name: str) -> str:
    """The hex of a number's RLP, or of the extra data's."""
    if text[:2] != "0x":
        raise ValueError
    digits = text[2:]
    if name == "extraData":
        extra = bytes.fromhex(digits)
        if len(extra) > EXTRA_DATA_BYTES_MAX or 2 * len(extra) != len(digits):
            raise ValueError
        return rlp.encode_bytes(extra).hex()
    if digits == "0":
        return "80"
    size = (len(digits) + 1) // 2
    if not 0 < size <= 32 or digits[0] == "0":
        raise ValueError
    if size == 1 and int(digits, 16) < 0x80:
        return digits.zfill(2)
    return f"{0x80 + size:02x}{digits.zfill(2 * size)}"


def _first_fault(answer: Mapping[str, Any]) -> str:
    """What is wrong with the fields, by name."""
    texts = {name: answer.get(name) for name in _FIELDS}
    last = max(at for at, name in enumerate(_FIELDS) if at < len(_REQUIRED) or texts[name] is not None)
    faults = (_fault(name, texts[name]) for name in _FIELDS[: last + 1])
    return next(filter(None, faults), "not a header")


def _fault(name: str, text: Any) -> str | None:
    if text is None:
        return f"a header without {name}"
    width = _WIDTHS[name]
    try:
        if width == 0:
            most = {"number": BLOCK_NUMBER_MAX, "timestamp": BLOCK_TIME_MAX}.get(name, UINT256_MAX)
            encoding.quantity(text, most=most)
            return None
        size = len(encoding.data(text))
    except BadEncoding as error:
        return f"{name}: {error}"
    wrong = size > EXTRA_DATA_BYTES_MAX if width is None else size != width
    return f"{name} has {size} bytes" if wrong else None


def _answered_hash(answered: Any) -> Hash32:
    try:
        return encoding.hash32(answered)
    except BadEncoding as error:
        msg = f"hash: {error}"
        raise BadHeader(msg) from error
