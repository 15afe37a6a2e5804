"""The receipts of one block against its header: what they hold is all that its contracts emitted.

Pure. If the receipts rebuild receiptsRoot, no log was hidden, added or altered; the header is to be one that
was hashed (`chains.evm.header`). Which chains that is true for is `chains.evm.soundness`' to say.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from chains.evm import bloom, encoding, trie
from chains.evm.encoding import BadEncoding
from chains.evm.header import Header
from chains.evm.receipt import BadReceipts, Log, Receipt, read_receipt
from chains.evm.soundness import state_sync_tx_hash
from chains.evm.transfers import TRANSFER_TOPIC, ParsedLogs, merge_logs, parse_logs
from chains.types import Address, Hash32

RECEIPTS_MAX = trie.ORDERED_MAX
_EMPTY_BLOOM = bytes(bloom.BLOOM_BYTES)


class ReceiptsMismatch(BadReceipts):
    """The receipts are not those that the header commits to: one is missing, added or altered."""

    def __init__(self, *, number: int, field: str, committed: bytes, computed: bytes) -> None:
        super().__init__(f"the receipts of block {number} do not give its {field}")
        self.number = number
        self.field = field
        self.committed = committed
        self.computed = computed


class EmptyBloom(BadReceipts):
    """Logs under a bloom of zeros (EIP-7668): on such a chain no bloom rules anything out."""

    def __init__(self, *, number: int) -> None:
        super().__init__(f"the bloom of block {number} is empty, but its receipts hold logs")
        self.number = number


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockLog:
    """A log in its place. `tx_hash` is as answered, since receiptsRoot does not cover it."""

    log_index: int
    tx_index: int
    tx_hash: Hash32
    log: Log


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockReceipts:
    """All receipts of a block that its receiptsRoot covers, in order, and the transactions they name.

    `outside_root` are transactions whose receipts were answered but are in no root (Polygon's state sync
    before PIP-74): nothing is known of them, and an eth_getLogs answer may hold logs of theirs.
    """

    header: Header
    receipts: tuple[Receipt, ...]
    tx_hashes: tuple[Hash32, ...]
    outside_root: tuple[Hash32, ...]

    def logs(self) -> Iterator[BlockLog]:
        """Every log in chain order, numbered through the block as eth_getLogs numbers them."""
        log_index = 0
        for tx_index, receipt in enumerate(self.receipts):
            for log in receipt.logs:
                yield BlockLog(
                    log_index=log_index, tx_index=tx_index, tx_hash=self.tx_hashes[tx_index], log=log
                )
                log_index += 1


def verify_receipts(
    header: Header, answers: Any, *, tx_hashes: Sequence[bytes] | None = None
) -> BlockReceipts:
    """The receipts of an eth_getBlockReceipts answer, or of one eth_getTransactionReceipt answer each.

    `tx_hashes` are the block's, proven by its transactionsRoot (`chains.evm.transaction`), where they are
    known. Raises BadReceipts unless receiptsRoot and logsBloom are rebuilt.
    """
    kept, outside_root = _split(header, answers)
    receipts = tuple([read_receipt(answer) for answer in kept])
    _demand_roots(header, receipts)
    hashes = _demand_places(header, kept)
    if tx_hashes is not None and hashes != tuple(tx_hashes):
        msg = f"the receipts of block {header.number} name other transactions than the block holds"
        raise BadReceipts(msg)
    return BlockReceipts(header=header, receipts=receipts, tx_hashes=hashes, outside_root=outside_root)


def check_receipts(header: Header, encoded: Sequence[bytes]) -> None:
    """The same of receipts that are encoded already. Raises BadReceipts; decoding them is another step."""
    root = trie.ordered_root(encoded)
    if root != header.receipts_root:
        raise ReceiptsMismatch(
            number=header.number, field="receiptsRoot", committed=header.receipts_root, computed=root
        )


def receipts_root(receipts: Iterable[Receipt]) -> bytes:
    return trie.ordered_root([receipt.encoded for receipt in receipts])


def block_bloom(receipts: Iterable[Receipt]) -> bytes:
    bits = 0
    for receipt in receipts:
        bits |= receipt.bloom
    return bloom.to_bytes(bits)


def may_have_log(header: Header, entries: Iterable[bytes]) -> bool:
    """Whether one log with all these entries (its contract, its topics) may be in the block.

    False is a proof of absence. An empty bloom counts as one only where there are no receipts at all.
    """
    if header.bloom == _EMPTY_BLOOM:
        return header.receipts_root != trie.EMPTY_ROOT
    return bloom.may_hold(header.bloom, entries)


def transfers_among(found: BlockReceipts, *, addresses: Collection[Address]) -> ParsedLogs:
    """The Transfers from or to any of the accounts, exactly as `parse_logs` reads them out of eth_getLogs."""
    topics = {b"\0" * 12 + address for address in addresses}
    answers = [_answer(found.header, log) for log in found.logs() if _names(log.log, topics)]
    asked = {
        "fromBlock": encoding.to_quantity(found.header.number),
        "toBlock": encoding.to_quantity(found.header.number),
        "topics": [str(TRANSFER_TOPIC)],
    }
    return merge_logs([parse_logs(answers, asked=asked)])


def _names(log: Log, account_topics: Collection[bytes]) -> bool:
    return log.topics[:1] == (TRANSFER_TOPIC,) and any(topic in account_topics for topic in log.topics[1:3])


def _answer(header: Header, found: BlockLog) -> dict[str, Any]:
    """A log as a node would answer it."""
    return {
        "address": str(found.log.address),
        "topics": [str(topic) for topic in found.log.topics],
        "data": "0x" + found.log.data.hex(),
        "blockNumber": encoding.to_quantity(header.number),
        "blockHash": str(header.hash),
        "transactionHash": str(found.tx_hash),
        "transactionIndex": encoding.to_quantity(found.tx_index),
        "logIndex": encoding.to_quantity(found.log_index),
        "removed": False,
    }


def _split(header: Header, answers: Any) -> tuple[list[Any], tuple[Hash32, ...]]:
    """The receipts under the root, and the hashes of those known to be outside it."""
    if not isinstance(answers, list | tuple) or len(answers) > RECEIPTS_MAX:
        msg = f"receipts are an array of at most {RECEIPTS_MAX}, not {encoding.shown(answers)}"
        raise BadReceipts(msg)
    kept = list(answers)
    # It always comes last.
    last = kept[-1].get("transactionHash") if kept and isinstance(kept[-1], dict) else None
    if isinstance(last, str):
        expected = state_sync_tx_hash(number=header.number, block_hash=header.hash)
        if last.lower() == str(expected):
            return kept[:-1], (expected,)
    return kept, ()


def _demand_roots(header: Header, receipts: Sequence[Receipt]) -> None:
    root = receipts_root(receipts)
    if root != header.receipts_root:
        raise ReceiptsMismatch(
            number=header.number, field="receiptsRoot", committed=header.receipts_root, computed=root
        )
    computed = block_bloom(receipts)
    if computed != header.bloom:
        if header.bloom == _EMPTY_BLOOM:
            raise EmptyBloom(number=header.number)
        raise ReceiptsMismatch(
            number=header.number, field="logsBloom", committed=header.bloom, computed=computed
        )


def _demand_places(header: Header, answers: Sequence[dict[str, Any]]) -> tuple[Hash32, ...]:
    """The transactions' hashes, once all that an answer says of block and position agrees with the order.

    A root covers none of it, but an answer that contradicts itself is no evidence.
    """
    block = {"blockHash": str(header.hash), "blockNumber": encoding.to_quantity(header.number)}
    hashes = []
    log_index = 0
    for tx_index, answer in enumerate(answers):
        try:
            tx_hash = encoding.hash32(answer.get("transactionHash"))
            place = {**block, "transactionIndex": hex(tx_index), "transactionHash": str(tx_hash)}
            _demand(answer, place)
            for log in answer["logs"]:
                place["logIndex"] = hex(log_index)
                _demand(log, place)
                log_index += 1
        except BadEncoding as error:
            msg = f"receipt {tx_index} of block {header.number}: {error}"
            raise BadReceipts(msg) from error
        hashes.append(tx_hash)
    return tuple(hashes)


def _demand(answer: dict[str, Any], place: dict[str, str]) -> None:
    for name, expected in place.items():
        if answer.get(name) != expected:
            _demand_same(name, answer.get(name), expected)
    if answer.get("removed", False) is not False:
        msg = "a log is marked as removed"
        raise BadEncoding(msg)


def _demand_same(name: str, answered: Any, expected: str) -> None:
    """The slow way, for a node that answers hex digits in capitals."""
    if not isinstance(answered, str) or answered.lower() != expected:
        msg = f"{name} {encoding.shown(answered)}, where {expected} is its place"
        raise BadEncoding(msg)
