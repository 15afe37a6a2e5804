"""The receipts of one block against its header: what they hold is all that its contracts emitted.

Pure. If the receipts rebuild receiptsRoot, no log was hidden, added or altered; the header is to be one that
was hashed (`chains.evm.header`). Which chains that is true for is `chains.evm.soundness`' to say.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chains.evm import bloom, encoding, trie
from chains.evm.encoding import BLOCK_NUMBER_MAX, BadEncoding
from chains.evm.header import Header
from chains.evm.receipt import BadReceipts, Log, Receipt, ReceiptReader
from chains.evm.soundness import state_sync_tx_hash
from chains.evm.transfers import LOG_INDEX_MAX, TRANSFER_TOPIC, ParsedLogs, merge_logs, parse_logs
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
    """All receipts of a block, and their logs in chain order.

    `outside_root` are transactions whose receipts were answered but are in no root (Polygon's state sync
    before PIP-74): nothing is known of them, and an eth_getLogs answer may hold logs of theirs.
    """

    header: Header
    receipts: tuple[Receipt, ...]
    tx_hashes: tuple[Hash32, ...]
    logs: tuple[BlockLog, ...]
    outside_root: tuple[Hash32, ...]


def verify_receipts(
    header: Header, answers: Any, *, tx_hashes: Sequence[bytes] | None = None
) -> BlockReceipts:
    """The receipts of an eth_getBlockReceipts answer, or of one eth_getTransactionReceipt answer each.

    `tx_hashes` are the block's, proven by its transactionsRoot (`chains.evm.transaction`), where they are
    known. Raises BadReceipts unless receiptsRoot and logsBloom are rebuilt.
    """
    kept, outside_root = _split(header, answers)
    reader = ReceiptReader()
    receipts = tuple([reader.read(answer) for answer in kept])
    _demand_roots(header, receipts)
    place = _Place(header)
    hashes = tuple([place.tx_hash(answer, index) for index, answer in enumerate(kept)])
    if tx_hashes is not None and hashes != tuple(tx_hashes):
        msg = f"the receipts of block {header.number} name other transactions than the block holds"
        raise BadReceipts(msg)
    logs: list[BlockLog] = []
    for tx_index, (answer, receipt) in enumerate(zip(kept, receipts, strict=True)):
        for log_answer, log in zip(answer["logs"], receipt.logs, strict=True):
            place.demand_log(log_answer, log_index=len(logs), tx_index=tx_index, answer=answer)
            logs.append(BlockLog(log_index=len(logs), tx_index=tx_index, tx_hash=hashes[tx_index], log=log))
    return BlockReceipts(
        header=header,
        receipts=receipts,
        tx_hashes=hashes,
        logs=tuple(logs),
        outside_root=outside_root,
    )


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
    answers = [_answer(found.header, log) for log in found.logs if _names(log.log, topics)]
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
    if kept and isinstance(kept[-1], Mapping):
        # It always comes last.
        expected = state_sync_tx_hash(number=header.number, block_hash=header.hash)
        if kept[-1].get("transactionHash") in (str(expected), str(expected).upper().replace("X", "x")):
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


class _Place:
    """Holds an answer's words on block and position against the header and the order.

    A root covers none of them, but an answer that contradicts itself is no evidence.
    """

    __slots__ = ("_block", "_number")

    def __init__(self, header: Header) -> None:
        self._block = str(header.hash)
        self._number = header.number

    def tx_hash(self, answer: Mapping[str, Any], index: int) -> Hash32:
        try:
            self._demand(answer, tx_index=index)
            return encoding.hash32(answer.get("transactionHash"))
        except BadEncoding as error:
            msg = f"receipt {index} of block {self._number}: {error}"
            raise BadReceipts(msg) from error

    def demand_log(
        self, log: Mapping[str, Any], *, log_index: int, tx_index: int, answer: Mapping[str, Any]
    ) -> None:
        try:
            self._demand(log, tx_index=tx_index)
            if encoding.quantity(log.get("logIndex"), most=LOG_INDEX_MAX) != log_index:
                msg = f"logIndex {log.get('logIndex')}"
                raise BadEncoding(msg)
            if log.get("transactionHash") != answer.get("transactionHash"):
                msg = "another transactionHash than the receipt's"
                raise BadEncoding(msg)
            if log.get("removed", False) is not False:
                msg = "marked as removed"
                raise BadEncoding(msg)
        except BadEncoding as error:
            msg = f"log {log_index} of block {self._number}: {error}"
            raise BadReceipts(msg) from error

    def _demand(self, answer: Mapping[str, Any], *, tx_index: int) -> None:
        block_hash = answer.get("blockHash")
        if block_hash != self._block and str(encoding.hash32(block_hash)) != self._block:
            msg = "another blockHash than the header's"
            raise BadEncoding(msg)
        number = encoding.quantity(answer.get("blockNumber"), most=BLOCK_NUMBER_MAX)
        index = encoding.quantity(answer.get("transactionIndex"), most=RECEIPTS_MAX)
        if (number, index) != (self._number, tx_index):
            msg = f"claims to be of block {number}, transaction {index}"
            raise BadEncoding(msg)
