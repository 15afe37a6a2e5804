"""Transactions as a chain commits to them: encoded from a node's full answer, hashed, held against the root.

Pure. transactionsRoot covers the whole encoding, so a transaction's hash, recipient, value and input are
proven with it; `from` is not part of it, and recovering the signer is not done here. A transaction of an
unknown type is refused by its number.
https://eips.ethereum.org/EIPS/eip-2718, -2930, -1559, -4844, -7702,
https://specs.optimism.io/protocol/deposits.html#the-deposited-transaction-type
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from chains.errors import ChainError
from chains.evm import encoding, rlp, trie
from chains.evm.encoding import BLOCK_NUMBER_MAX, BadEncoding
from chains.evm.header import Header
from chains.evm.keccak import keccak256
from chains.evm.soundness import state_sync_tx_hash
from chains.types import UINT256_MAX, Hash32

# What a block can hold at 21,000 gas each is far below; these bound what a hostile answer may cost.
TRANSACTIONS_MAX = trie.ORDERED_MAX
LIST_ITEMS_MAX = 65_536


class BadTransactions(ChainError):
    """Not transactions, or not those of the block that they are claimed for."""


class UnknownTransactionType(BadTransactions):
    def __init__(self, kind: int) -> None:
        super().__init__(f"transactions of type {kind:#x} are not known")
        self.kind = kind


class TransactionsMismatch(BadTransactions):
    """The transactions are not those that the header commits to: one is missing, added or altered."""

    def __init__(self, *, number: int, committed: bytes, computed: bytes) -> None:
        super().__init__(f"the transactions of block {number} do not give its transactionsRoot")
        self.number = number
        self.committed = committed
        self.computed = computed


def verify_transactions(header: Header, answers: Any) -> tuple[Hash32, ...]:
    """The hashes of a block's transactions, from the full ones of an eth_getBlockBy… answer, in their order.

    Raises BadTransactions unless they rebuild transactionsRoot and each has the hash that was answered.
    """
    if not isinstance(answers, list | tuple) or len(answers) > TRANSACTIONS_MAX:
        msg = f"transactions are an array of at most {TRANSACTIONS_MAX}, not {encoding.shown(answers)}"
        raise BadTransactions(msg)
    kept = [answer for answer in answers if not _is_state_sync(header, answer)]
    encoded = [encode_transaction(answer) for answer in kept]
    root = trie.ordered_root(encoded)
    if root != header.transactions_root:
        raise TransactionsMismatch(number=header.number, committed=header.transactions_root, computed=root)
    hashes = tuple([Hash32(keccak256(one)) for one in encoded])
    for index, (answer, tx_hash) in enumerate(zip(kept, hashes, strict=True)):
        _demand_place(answer, header=header, index=index, tx_hash=tx_hash)
    return hashes


def transactions_root(answers: Iterable[Any]) -> bytes:
    return trie.ordered_root([encode_transaction(answer) for answer in answers])


def transaction_hash(answer: Any) -> Hash32:
    """The hash that the fields give, whatever hash was answered with them."""
    return Hash32(keccak256(encode_transaction(answer)))


def encode_transaction(answer: Any) -> bytes:
    """What the trie under transactionsRoot holds for a full transaction. Raises BadTransactions."""
    if not isinstance(answer, dict):
        msg = f"a transaction is an object, not {encoding.shown(answer)}"
        raise BadTransactions(msg)
    try:
        kind = encoding.quantity("0x0" if answer.get("type") is None else answer["type"], most=0x7F)
        if kind not in _FIELDS:
            raise UnknownTransactionType(kind)
        items = [read(answer, name) for name, read in _FIELDS[kind]]
    except KeyError as error:
        msg = f"a transaction without {error.args[0]}"
        raise BadTransactions(msg) from error
    except (BadEncoding, TypeError) as error:
        msg = f"transaction {encoding.shown(answer.get('hash'))}: {error}"
        raise BadTransactions(msg) from error
    encoded = rlp.encode_list(items)
    return bytes((kind,)) + encoded if kind else encoded


def _is_state_sync(header: Header, answer: Any) -> bool:
    """Polygon before PIP-74 shows its state sync as a transaction that is in no root."""
    text = answer.get("hash") if isinstance(answer, dict) else None
    expected = state_sync_tx_hash(number=header.number, block_hash=header.hash)
    return isinstance(text, str) and text.lower() == str(expected)


def _demand_place(answer: Mapping[str, Any], *, header: Header, index: int, tx_hash: Hash32) -> None:
    try:
        found = (
            encoding.hash32(answer.get("hash")),
            encoding.hash32(answer.get("blockHash")),
            encoding.quantity(answer.get("blockNumber"), most=BLOCK_NUMBER_MAX),
            encoding.quantity(answer.get("transactionIndex"), most=TRANSACTIONS_MAX),
        )
    except BadEncoding as error:
        msg = f"transaction {index} of block {header.number}: {error}"
        raise BadTransactions(msg) from error
    if found != (tx_hash, header.hash, header.number, index):
        msg = f"transaction {index} of block {header.number} is answered with another hash or place"
        raise BadTransactions(msg)


# -- fields: each reads one out of an answer, and encodes it


def _number(answer: Mapping[str, Any], name: str) -> bytes:
    return rlp.encode_int(encoding.quantity(answer[name], most=UINT256_MAX))


def _data(answer: Mapping[str, Any], name: str) -> bytes:
    return rlp.encode_bytes(encoding.data(answer[name]))


def _address(answer: Mapping[str, Any], name: str) -> bytes:
    return rlp.encode_bytes(encoding.address(answer[name]))


def _recipient(answer: Mapping[str, Any], name: str) -> bytes:
    """Null where the transaction creates a contract; some nodes then leave it out."""
    value = answer.get(name)
    return rlp.EMPTY_STRING if value is None else rlp.encode_bytes(encoding.address(value))


def _hash(answer: Mapping[str, Any], name: str) -> bytes:
    return rlp.encode_bytes(encoding.hash32(answer[name]))


def _flag(answer: Mapping[str, Any], name: str) -> bytes:
    value = answer[name]
    if not isinstance(value, bool):
        msg = f"{name} is true or false, not {encoding.shown(value)}"
        raise BadEncoding(msg)
    return rlp.encode_int(int(value))


def _optional_number(answer: Mapping[str, Any], name: str) -> bytes:
    return rlp.EMPTY_STRING if answer.get(name) is None else _number(answer, name)


def _parity(answer: Mapping[str, Any], _: str) -> bytes:
    """`yParity`, for which older nodes answer `v`. Where both are there they have to agree."""
    found = [
        encoding.quantity(answer[name], most=1) for name in ("yParity", "v") if answer.get(name) is not None
    ]
    if not found or len(set(found)) != 1:
        msg = "yParity and v are missing, or differ"
        raise BadEncoding(msg)
    return rlp.encode_int(found[0])


def _access_list(answer: Mapping[str, Any], name: str) -> bytes:
    entries = []
    for entry in _listed(answer, name):
        keys = rlp.encode_list(
            rlp.encode_bytes(encoding.hash32(key)) for key in _listed(entry, "storageKeys")
        )
        entries.append(rlp.encode_list((_address(entry, "address"), keys)))
    return rlp.encode_list(entries)


def _hashes(answer: Mapping[str, Any], name: str) -> bytes:
    return rlp.encode_list(rlp.encode_bytes(encoding.hash32(one)) for one in _listed(answer, name))


def _authorizations(answer: Mapping[str, Any], name: str) -> bytes:
    """EIP-7702. Unlike a transaction's, a tuple's parity is any byte: a wrong one only makes it void."""
    return rlp.encode_list(
        rlp.encode_list(
            (
                _number(one, "chainId"),
                _address(one, "address"),
                _number(one, "nonce"),
                _number(one, "yParity" if "yParity" in one else "v"),
                _number(one, "r"),
                _number(one, "s"),
            )
        )
        for one in _listed(answer, name)
    )


def _listed(answer: Any, name: str) -> list[Any]:
    found = answer[name]
    if not isinstance(found, list) or len(found) > LIST_ITEMS_MAX:
        msg = f"{name} is an array of at most {LIST_ITEMS_MAX}"
        raise BadEncoding(msg)
    return found


_Read = Callable[[Mapping[str, Any], str], bytes]
_CALL: tuple[tuple[str, _Read], ...] = (("to", _recipient), ("value", _number), ("input", _data))
_SIGNED: tuple[tuple[str, _Read], ...] = (("yParity", _parity), ("r", _number), ("s", _number))
_FEES: tuple[tuple[str, _Read], ...] = (
    ("chainId", _number),
    ("nonce", _number),
    ("maxPriorityFeePerGas", _number),
    ("maxFeePerGas", _number),
    ("gas", _number),
)
_FIELDS: dict[int, tuple[tuple[str, _Read], ...]] = {
    0x00: (
        *(("nonce", _number), ("gasPrice", _number), ("gas", _number), *_CALL),
        *(("v", _number), ("r", _number), ("s", _number)),
    ),
    0x01: (
        *(("chainId", _number), ("nonce", _number), ("gasPrice", _number), ("gas", _number), *_CALL),
        *(("accessList", _access_list), *_SIGNED),
    ),
    0x02: (*_FEES, *_CALL, ("accessList", _access_list), *_SIGNED),
    0x03: (
        *(*_FEES, *_CALL, ("accessList", _access_list)),
        *(("maxFeePerBlobGas", _number), ("blobVersionedHashes", _hashes), *_SIGNED),
    ),
    0x04: (
        *(*_FEES, *_CALL, ("accessList", _access_list)),
        *(("authorizationList", _authorizations), *_SIGNED),
    ),
    # Arbitrum's own bookkeeping, the first transaction of each block.
    0x6A: (("chainId", _number), ("input", _data)),
    # An OP-stack deposit, which carries no signature.
    0x7E: (
        *(("sourceHash", _hash), ("from", _address), ("to", _recipient), ("mint", _optional_number)),
        *(("value", _number), ("gas", _number), ("isSystemTx", _flag), ("input", _data)),
    ),
}
