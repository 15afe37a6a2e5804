"""Receipts and transactions of every type: encoded as others do, believed only if they fit the header."""

from __future__ import annotations

from typing import Any

import pytest
import rlp as oracle
from eth_bloom.bloom import BloomFilter
from eth_hash.auto import keccak
from hypothesis import given
from hypothesis import strategies as st
from trie.hexary import HexaryTrie

from chains.errors import ChainError
from chains.evm import bloom, trie
from chains.evm.block_receipts import (
    RECEIPTS_MAX,
    EmptyBloom,
    ReceiptsMismatch,
    block_bloom,
    check_receipts,
    may_have_log,
    receipts_root,
    transfers_among,
    verify_receipts,
)
from chains.evm.header import Header
from chains.evm.receipt import (
    RECEIPT_BYTES_MAX,
    BadReceipts,
    UnknownReceiptType,
    decode_receipt,
    read_receipt,
)
from chains.evm.soundness import Escape, state_sync_tx_hash, unsound
from chains.evm.transaction import (
    LIST_ITEMS_MAX,
    TRANSACTIONS_MAX,
    BadTransactions,
    TransactionsMismatch,
    UnknownTransactionType,
    encode_transaction,
    transaction_hash,
    transactions_root,
    verify_transactions,
)
from chains.evm.transfers import TRANSFER_TOPIC, NotTransfer
from chains.types import Address, ChainId, Hash32
from tests.unit.test_chain_encoding import json_values

TYPED = (0x01, 0x02, 0x03, 0x04, 0x64, 0x65, 0x66, 0x68, 0x69, 0x6A, 0x7E, 0x7F)
GAS_MAX = 2**64 - 1

# An answer, and what others make of it for the trie.
Made = tuple[dict[str, Any], bytes]

logs = st.lists(
    st.tuples(
        st.binary(min_size=20, max_size=20),
        st.lists(st.binary(min_size=32, max_size=32), max_size=4),
        st.binary(max_size=70),
    ),
    max_size=5,
)


@st.composite
def receipts(draw: st.DrawFn) -> Made:
    kind = draw(st.sampled_from((0, *TYPED)))
    held = draw(logs)
    filled = BloomFilter()
    for contract, topics, _ in held:
        filled.extend([contract, *topics])
    gas = draw(st.integers(0, GAS_MAX))
    answer: dict[str, Any] = {
        "cumulativeGasUsed": hex(gas),
        "logs": [
            {"address": hexed(contract), "topics": [hexed(topic) for topic in topics], "data": hexed(data)}
            for contract, topics, data in held
        ],
    }
    outcome: int | bytes = draw(st.integers(0, 1) | st.binary(min_size=32, max_size=32)) if kind == 0 else 1
    answer["status" if isinstance(outcome, int) else "root"] = (
        hex(outcome) if isinstance(outcome, int) else hexed(outcome)
    )
    filled_bytes = int(filled).to_bytes(256, "big")
    fields: list[Any] = [outcome, gas, filled_bytes, held]
    if kind or draw(st.booleans()):
        answer["type"] = hex(kind)
    if draw(st.booleans()):
        answer["logsBloom"] = hexed(filled_bytes)
    if kind == 0x7E:
        nonce, version = draw(st.integers(0, GAS_MAX)), draw(st.sampled_from([None, 1, 2]))
        answer["depositNonce"] = hex(nonce)
        if version is not None:
            answer["depositReceiptVersion"] = hex(version)
            fields += [nonce, version]
    encoded: bytes = oracle.encode(fields)
    return answer, bytes([kind] if kind else []) + encoded


def hexed(value: bytes) -> str:
    return "0x" + value.hex()


def header_of(
    number: int = 7,
    *,
    receipts: list[bytes] | None = None,
    bits: int = 0,
    transactions_root: bytes = trie.EMPTY_ROOT,
) -> Header:
    """A header that nobody hashed, which commits to these receipts."""
    return Header(
        number=number,
        hash=Hash32(keccak(b"block")),
        time=7,
        parent_hash=Hash32(bytes(32)),
        state_root=Hash32(bytes(32)),
        transactions_root=Hash32(transactions_root),
        receipts_root=Hash32(trie.ordered_root(receipts or [])),
        bloom=bloom.to_bytes(bits),
        rlp=b"",
    )


def placed(answers: list[dict[str, Any]], header: Header) -> list[dict[str, Any]]:
    """The answers with block and position, as a node gives them."""
    log_index = 0
    for index, answer in enumerate(answers):
        place = {
            "blockHash": str(header.hash),
            "blockNumber": hex(header.number),
            "transactionHash": hexed(keccak(b"tx %d" % index)),
            "transactionIndex": hex(index),
        }
        answer.update(place)
        for one in answer["logs"]:
            one.update(place, logIndex=hex(log_index))
            log_index += 1
    return answers


def log(contract: bytes, *topics: bytes, data: bytes = bytes(32)) -> dict[str, Any]:
    return {"address": hexed(contract), "topics": [hexed(topic) for topic in topics], "data": hexed(data)}


def plain(*held: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"type": "0x2", "status": "0x1", "cumulativeGasUsed": "0x5208", "logs": list(held)} | changes


# -- one receipt


@given(receipts())
def test_it_is_encoded_as_others_do(made: Made) -> None:
    answer, encoded = made
    receipt = read_receipt(answer)
    assert receipt.encoded == encoded
    assert receipt == decode_receipt(encoded)
    assert hex(receipt.kind) == answer.get("type", "0x0")
    assert [log(one.address, *one.topics, data=one.data) for one in receipt.logs] == answer["logs"]


@given(receipts(), st.data())
def test_damaged_bytes_are_no_receipt_or_another(made: Made, data: st.DataObject) -> None:
    encoded = bytearray(made[1])
    at = data.draw(st.integers(0, len(encoded) - 1))
    encoded[at] ^= data.draw(st.integers(1, 255))
    try:
        receipt = decode_receipt(bytes(encoded))
    except BadReceipts:
        return
    assert receipt.encoded == encoded


@given(st.binary(max_size=400))
def test_random_bytes_are_no_receipt(data: bytes) -> None:
    with pytest.raises(BadReceipts):
        decode_receipt(data)


@given(receipts(), st.data())
def test_any_json_in_a_receipt_ends_in_one_error(made: Made, data: st.DataObject) -> None:
    answer, _ = made
    where = [answer, *answer["logs"]]
    target = where[data.draw(st.integers(0, len(where) - 1))]
    target[data.draw(st.sampled_from(sorted(target)))] = data.draw(json_values)
    try:
        receipt = read_receipt(answer)
    except BadReceipts:
        return
    # Another receipt, such as one without logs, or the same where null stands for what is not there.
    assert decode_receipt(receipt.encoded) == receipt


@given(json_values)
def test_other_json_is_no_receipt(value: Any) -> None:
    with pytest.raises(BadReceipts):
        read_receipt(value)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"status": None}, "either a status or a state root"),
        ({"root": "0x" + "01" * 32}, "either a status or a state root"),
        ({"status": None, "root": "0x"}, "either a status or a state root"),
        ({"status": "0x2"}, "above 1"),
        ({"status": True}, "not a QUANTITY"),
        ({"cumulativeGasUsed": hex(2**64)}, "above"),
        ({"type": "0x80"}, "above"),
        ({"type": ""}, "not a QUANTITY"),
        ({"type": {}}, "not a QUANTITY"),
        ({"logs": None}, "logs are an array"),
        ({"logs": [5]}, "a log is an object"),
        ({"logs": [{}]}, "without address"),
        ({"logs": [log(bytes(19))]}, "20 bytes expected"),
        ({"logs": [log(bytes(20), bytes(31))]}, "32 bytes expected"),
        ({"logs": [log(bytes(20), *[bytes(32)] * 5)]}, "at most 4"),
        ({"logs": [log(bytes(20)) | {"topics": "0x"}]}, "at most 4"),
        ({"logs": [log(bytes(20)) | {"address": []}]}, "unhashable"),
        ({"logsBloom": "0x" + "00" * 255 + "01"}, "not the bloom"),
        ({"logsBloom": "0x"}, "not the bloom"),
        ({"type": "0x7e", "depositReceiptVersion": "0x1"}, "without depositNonce"),
        ({"type": "0x7e", "depositReceiptVersion": "0x1", "depositNonce": None}, "not a QUANTITY"),
    ],
)
def test_malformed_receipts_are_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadReceipts, match=reason):
        read_receipt(plain(**changes))
    with pytest.raises(BadReceipts, match="without cumulativeGasUsed"):
        read_receipt({"status": "0x1", "logs": []})


@pytest.mark.parametrize("kind", [0x05, 0x67, 0x6B, 0x7B, 0x7D])
def test_unknown_types_are_refused_by_number(kind: int) -> None:
    with pytest.raises(UnknownReceiptType, match=hex(kind)) as caught:
        read_receipt(plain(type=hex(kind)))
    assert caught.value.kind == kind
    with pytest.raises(UnknownReceiptType):
        decode_receipt(bytes([kind]) + oracle.encode([1, 5, bytes(256), []]))
    with pytest.raises(UnknownTransactionType, match=hex(kind)):
        encode_transaction({"type": hex(kind)})


def test_a_bloom_in_capitals_is_the_same() -> None:
    held = [log(bytes([index]) * 20, *[bytes([index]) * 32] * 4) for index in range(200)]
    text = bloom.to_bytes(read_receipt(plain(*held)).bloom).hex()
    assert text.upper() != text
    assert len(read_receipt(plain(*held, logsBloom="0x" + text.upper())).logs) == 200


BLOOM = bytes(256)


@pytest.mark.parametrize(
    ("encoded", "reason"),
    [
        (b"", "0 bytes"),
        (bytes(RECEIPT_BYTES_MAX + 1), "bytes"),
        (b"\x00" + oracle.encode([1, 5, BLOOM, []]), "after the item"),
        (b"\x00", "a list expected"),
        (b"\x02", "data end"),
        (b"\x02" + oracle.encode([1, 5, BLOOM]), "with 3 fields"),
        (b"\x02" + oracle.encode([1, 5, BLOOM, [], 1]), "with 5 fields"),
        (b"\x02" + oracle.encode([1, 5, BLOOM, [], 1, 1]), "with 6 fields"),
        (b"\x7e" + oracle.encode([1, 5, BLOOM, [], 1]), "with 5 fields"),
        (b"\x7e" + oracle.encode([1, 5, BLOOM, [], 1, b"\x00"]), "leading zero"),
        (b"\x02" + oracle.encode([2, 5, BLOOM, []]), "neither"),
        (b"\x02" + oracle.encode([bytes(32), 5, BLOOM, []]), "neither"),
        (oracle.encode([bytes(31), 5, BLOOM, []]), "neither"),
        (oracle.encode([[], 5, BLOOM, []]), "neither"),
        (oracle.encode([1, b"\x00", BLOOM, []]), "leading zero"),
        (oracle.encode([1, 2**64, BLOOM, []]), "above"),
        (oracle.encode([1, 5, BLOOM, b"x"]), "a list expected"),
        (oracle.encode([1, 5, BLOOM, [b"x"]]), "a list expected"),
        (oracle.encode([1, 5, BLOOM, [[bytes(20), []]]]), "not a log"),
        (oracle.encode([1, 5, BLOOM, [[bytes(19), [], b""]]]), "not a log"),
        (oracle.encode([1, 5, BLOOM, [[bytes(20), [bytes(31)], b""]]]), "not a log"),
        (oracle.encode([1, 5, BLOOM, [[bytes(20), [bytes(32)] * 5, b""]]]), "not a log"),
        (oracle.encode([1, 5, BLOOM, [[bytes(20), [], []]]]), "not a log"),
        (oracle.encode([1, 5, BLOOM, [[bytes(20), [], b""]]]), "bloom"),
        (oracle.encode([1, 5, b"\x01" + BLOOM[1:], []]), "bloom"),
        (oracle.encode([1, 5, [], []]), "bloom"),
        (oracle.encode([1, 5, BLOOM, [[bytes(20), [[[]]], b""]]]), "deeper"),
    ],
)
def test_malformed_bytes_are_refused(encoded: bytes, reason: str) -> None:
    with pytest.raises(BadReceipts, match=reason):
        decode_receipt(encoded)


# -- the receipts of a block


@given(st.lists(receipts(), max_size=20))
def test_a_block_is_believed_if_its_receipts_rebuild_the_root(
    made: list[Made],
) -> None:
    encoded = [one[1] for one in made]
    root = HexaryTrie({})
    for index, one in enumerate(encoded):
        root[oracle.encode(index)] = one
    bits = 0
    for one in encoded:
        bits |= decode_receipt(one).bloom
    header = header_of(receipts=encoded, bits=bits)
    assert header.receipts_root == root.root_hash
    answers = placed([one[0] for one in made], header)
    found = verify_receipts(header, answers)
    check_receipts(header, encoded)
    assert receipts_root(found.receipts) == root.root_hash
    assert block_bloom(found.receipts) == header.bloom
    assert [receipt.encoded for receipt in found.receipts] == encoded
    assert [str(one) for one in found.tx_hashes] == [answer["transactionHash"] for answer in answers]
    seen = [log(one.log.address, *one.log.topics, data=one.log.data) for one in found.logs()]
    assert seen == [
        {name: one[name] for name in ("address", "topics", "data")}
        for answer in answers
        for one in answer["logs"]
    ]
    assert [one.log_index for one in found.logs()] == list(range(len(seen)))
    with pytest.raises(ReceiptsMismatch):
        check_receipts(header, [*encoded, b"\xc0"])


def block(*answers: dict[str, Any]) -> tuple[Header, list[dict[str, Any]]]:
    read = [read_receipt(answer) for answer in answers]
    bits = 0
    for one in read:
        bits |= one.bloom
    header = header_of(receipts=[one.encoded for one in read], bits=bits)
    return header, placed(list(answers), header)


def test_a_lie_that_the_bloom_does_not_show_shows_in_the_root() -> None:
    """Another amount, one of two equal logs, a receipt without logs: the filter is the same."""
    token = log(b"\x01" * 20)
    header, answers = block(plain(token, {**token}), plain())
    lies: list[list[dict[str, Any]]] = [
        [answers[0] | {"logs": [token | {"data": hexed(b"\x01" * 32)}, answers[0]["logs"][1]]}, answers[1]],
        [answers[0] | {"logs": [token]}, answers[1]],
        answers[:1],
        [answers[0], answers[1] | {"status": "0x0"}],
        [answers[1], answers[0]],
    ]
    assert verify_receipts(header, answers).header == header
    for lie in lies:
        with pytest.raises(ReceiptsMismatch, match="receiptsRoot") as caught:
            verify_receipts(header, lie)
        assert (caught.value.number, caught.value.committed) == (7, header.receipts_root)
        assert block_bloom([read_receipt(answer) for answer in lie]) == header.bloom


def test_an_empty_bloom_over_logs_is_refused() -> None:
    _, answers = block(plain(log(b"\x01" * 20)))
    header = header_of(receipts=[read_receipt(answers[0]).encoded])
    with pytest.raises(EmptyBloom) as caught:
        verify_receipts(header, answers)
    assert caught.value.number == 7
    # Nor may such a bloom rule anything out, unless there is nothing that it could hold.
    assert may_have_log(header, [b"\x01" * 20])
    assert may_have_log(header, [b"\x02" * 20])
    assert not may_have_log(header_of(), [b"\x01" * 20])


def test_a_bloom_with_a_bit_more_or_less_is_refused() -> None:
    header, answers = block(plain(log(b"\x01" * 20)))
    held = bloom.from_bytes(header.bloom)
    for bits in (held | 1 << 2047, held & (held - 1)):
        other = header_of(receipts=[read_receipt(answers[0]).encoded], bits=bits)
        with pytest.raises(ReceiptsMismatch, match="logsBloom") as caught:
            verify_receipts(other, answers)
        assert (caught.value.committed, caught.value.computed) == (other.bloom, header.bloom)
    assert not may_have_log(header, [b"\x02" * 20])
    assert may_have_log(header, [b"\x01" * 20])


def test_transfers_are_told_from_other_logs() -> None:
    creditor, other = Address(b"\xcc" * 20), Address(b"\x0e" * 20)
    to, away = bytes(12) + creditor, bytes(12) + other
    token = b"\x01" * 20
    header, answers = block(
        plain(log(token, TRANSFER_TOPIC, away, to), log(token, TRANSFER_TOPIC, to, away)),
        plain(log(token, TRANSFER_TOPIC, away, away), log(token), log(token, to, to, to)),
        plain(log(token, TRANSFER_TOPIC, away, to, to), log(token, TRANSFER_TOPIC, away, away, to)),
    )
    found = transfers_among(verify_receipts(header, answers), addresses=[creditor])
    assert [one.log_index for one in found.logs] == [0, 1]
    assert [one.recipient for one in found.logs] == [creditor, other]
    assert {one.tx_hash for one in found.logs} == {Hash32.parse(answers[0]["transactionHash"])}
    assert [(one.log_index, one.reason) for one in found.others] == [(5, NotTransfer.ERC721)]
    assert transfers_among(verify_receipts(header, answers), addresses=[]).logs == ()


@pytest.mark.parametrize("answers", [None, 5, {}, "0x", [{}] * (RECEIPTS_MAX + 1), [5], [None], [[]]])
def test_other_json_is_no_list_of_receipts(answers: Any) -> None:
    with pytest.raises(BadReceipts):
        verify_receipts(header_of(), answers)


@pytest.mark.parametrize(
    "name", ["blockHash", "blockNumber", "transactionIndex", "transactionHash", "logIndex"]
)
@pytest.mark.parametrize("wrong", [None, 5, "", "0x", "0x5", "0x" + "22" * 32, [], {}, True])
def test_a_log_out_of_its_place_is_refused(name: str, wrong: Any) -> None:
    header, answers = block(plain(), plain(log(b"\x01" * 20), log(b"\x02" * 20)))
    answers[1]["logs"][1][name] = wrong
    with pytest.raises(BadReceipts, match=name):
        verify_receipts(header, answers)


def test_capitals_are_the_same_place() -> None:
    header, answers = block(plain(log(b"\x01" * 20)))
    for one in (answers[0], answers[0]["logs"][0]):
        for name in ("blockHash", "transactionHash"):
            one[name] = "0x" + one[name][2:].upper()
    assert verify_receipts(header, answers).tx_hashes == (Hash32(keccak(b"tx 0")),)


def test_a_removed_log_is_refused() -> None:
    header, answers = block(plain(log(b"\x01" * 20)))
    answers[0]["logs"][0]["removed"] = True
    with pytest.raises(BadReceipts, match="removed"):
        verify_receipts(header, answers)


# -- transactions


DEPOSIT = {
    "type": "0x7e",
    "sourceHash": "0x" + "11" * 32,
    "from": "0x" + "22" * 20,
    "to": None,
    "mint": "0x5",
    "value": "0x6",
    "gas": "0x7",
    "isSystemTx": False,
    "input": "0x1234",
}


def test_a_deposit_is_hashed_as_others_do() -> None:
    fields = [b"\x11" * 32, b"\x22" * 20, b"", 5, 6, 7, 0, b"\x12\x34"]
    assert transaction_hash(DEPOSIT) == keccak(b"\x7e" + oracle.encode(fields))
    no_mint = {name: value for name, value in DEPOSIT.items() if name not in {"mint", "to"}}
    fields[3] = 0
    assert transaction_hash(no_mint | {"isSystemTx": True}) == keccak(
        b"\x7e" + oracle.encode([*fields[:6], 1, fields[7]])
    )
    assert transaction_hash(no_mint | {"mint": None}) == keccak(b"\x7e" + oracle.encode(fields))


SIGNED = {
    "type": "0x4",
    "chainId": "0x1",
    "nonce": "0x0",
    "maxPriorityFeePerGas": "0x1",
    "maxFeePerGas": "0x2",
    "gas": "0x5208",
    "to": "0x" + "22" * 20,
    "value": "0x0",
    "input": "0x",
    "yParity": "0x1",
    "v": "0x1",
    "r": "0x3",
    "s": "0x4",
    "accessList": [{"address": "0x" + "33" * 20, "storageKeys": ["0x" + "44" * 32]}],
    "authorizationList": [
        {
            "chainId": "0x0",
            "address": "0x" + "55" * 20,
            "nonce": "0x9",
            "yParity": "0x1",
            "r": "0x6",
            "s": "0x7",
        }
    ],
}


def test_a_set_code_transaction_is_hashed_as_others_do() -> None:
    fields = [
        *(1, 0, 1, 2, 0x5208, b"\x22" * 20, 0, b"", [[b"\x33" * 20, [b"\x44" * 32]]]),
        *([[0, b"\x55" * 20, 9, 1, 6, 7]], 1, 3, 4),
    ]
    assert transaction_hash(SIGNED) == keccak(b"\x04" + oracle.encode(fields))
    older = {name: value for name, value in SIGNED.items() if name != "yParity"}
    assert transaction_hash(older) == transaction_hash(SIGNED)
    v = {**SIGNED["authorizationList"][0], "v": "0x1"}  # type: ignore[dict-item]
    del v["yParity"]
    assert transaction_hash(SIGNED | {"authorizationList": [v]}) == transaction_hash(SIGNED)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"v": "0x0"}, "yParity and v"),
        ({"v": None, "yParity": None}, "yParity and v"),
        ({"yParity": "0x2", "v": "0x2"}, "above 1"),
        ({"value": hex(2**256)}, "QUANTITY"),
        ({"to": "0x"}, "20 bytes"),
        ({"accessList": None}, "accessList is an array"),
        ({"accessList": [5]}, "not subscriptable"),
        ({"accessList": [{}]}, "without storageKeys"),
        ({"accessList": [{"address": "0x", "storageKeys": []}]}, "20 bytes"),
        ({"accessList": [{"address": "0x" + "33" * 20, "storageKeys": ["0x"]}]}, "32 bytes"),
        ({"accessList": [None] * (LIST_ITEMS_MAX + 1)}, "at most"),
        ({"authorizationList": {}}, "authorizationList is an array"),
        ({"authorizationList": [{}]}, "without chainId"),
        ({"authorizationList": [None]}, "not subscriptable"),
        ({"type": "0x3"}, "without maxFeePerBlobGas"),
        ({"type": "0x3", "maxFeePerBlobGas": "0x1", "blobVersionedHashes": ["0x"]}, "32 bytes"),
        (
            {"type": "0x7e", "sourceHash": "0x" + "11" * 32, "from": "0x" + "22" * 20, "isSystemTx": 1},
            "isSystemTx",
        ),
        ({"type": "0x2", "gas": "0x05"}, "QUANTITY"),
        ({"type": []}, "QUANTITY"),
    ],
)
def test_malformed_transactions_are_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadTransactions, match=reason):
        encode_transaction(SIGNED | changes)


@given(st.sampled_from(sorted(SIGNED)), json_values)
def test_any_json_in_a_transaction_ends_in_one_error(name: str, value: Any) -> None:
    try:
        encoded = encode_transaction(SIGNED | {name: value})
    except BadTransactions:
        return
    # No recipient, no list; or one of yParity and v, where the other says the same.
    assert value in (None, [])
    assert encoded != encode_transaction(SIGNED) or name in {"yParity", "v"}


@given(json_values)
def test_other_json_is_no_transaction(value: Any) -> None:
    with pytest.raises(BadTransactions):
        encode_transaction(value)
    with pytest.raises(ChainError):
        verify_transactions(header_of(transactions_root=bytes(32)), value)


def of_block(header: Header, *answers: dict[str, Any]) -> list[dict[str, Any]]:
    """The answers with hash and place, as a node gives them."""
    for index, answer in enumerate(answers):
        answer |= {
            "hash": str(transaction_hash(answer)),
            "blockHash": str(header.hash),
            "blockNumber": hex(header.number),
            "transactionIndex": hex(index),
        }
    return list(answers)


def test_a_blocks_transactions_rebuild_its_root() -> None:
    encoded = [encode_transaction(DEPOSIT), encode_transaction(SIGNED)]
    header = header_of(transactions_root=trie.ordered_root(encoded))
    answers = of_block(header, {**DEPOSIT}, {**SIGNED})
    hashes = verify_transactions(header, answers)
    assert [str(one) for one in hashes] == [answer["hash"] for answer in answers]
    assert transactions_root(answers) == header.transactions_root
    sync = str(state_sync_tx_hash(number=header.number, block_hash=header.hash))
    assert verify_transactions(header, [*answers, {"hash": sync}]) == hashes
    with pytest.raises(TransactionsMismatch) as caught:
        verify_transactions(header, answers[:1])
    assert caught.value.committed == header.transactions_root
    for name in ("hash", "blockHash", "blockNumber", "transactionIndex"):
        for wrong in ("0x5", "0x" + "22" * 32, None):
            lie = [answers[0], answers[1] | {name: wrong}]
            with pytest.raises(BadTransactions, match="transaction 1 of block 7"):
                verify_transactions(header, lie)


def test_receipts_name_the_transactions_of_the_block() -> None:
    header, answers = block(plain(), plain(log(b"\x01" * 20)))
    hashes = [keccak(b"tx 0"), keccak(b"tx 1")]
    assert verify_receipts(header, answers, tx_hashes=hashes).tx_hashes == tuple(hashes)
    for others in (hashes[::-1], hashes[:1], []):
        with pytest.raises(BadReceipts, match="other transactions"):
            verify_receipts(header, answers, tx_hashes=others)


def test_a_state_sync_receipt_is_outside() -> None:
    header, answers = block(plain(log(b"\x01" * 20)))
    sync = state_sync_tx_hash(number=header.number, block_hash=header.hash)
    for text in (str(sync), "0x" + sync.hex().upper()):
        found = verify_receipts(header, [*answers, {"transactionHash": text}])
        assert found.outside_root == (sync,)
        assert len(found.receipts) == 1
    with pytest.raises(BadReceipts):
        verify_receipts(header, [*answers, {"transactionHash": "0x" + "22" * 32}])


def test_there_are_not_more_transactions_than_the_limit() -> None:
    with pytest.raises(BadTransactions, match="at most"):
        verify_transactions(header_of(), [{}] * (TRANSACTIONS_MAX + 1))


# -- where it is sound


@pytest.mark.parametrize(
    ("chain", "first_block", "escape"),
    [
        *((25, 10**9, Escape.HEADERS), (324, 0, Escape.HEADERS)),
        *((137, 80_084_799, Escape.OUTSIDE_ROOT), (137, 80_084_800, None)),
        *((80002, 10**9, Escape.OUTSIDE_ROOT), (999, 10**9, Escape.OUTSIDE_ROOT)),
        (998, 1, Escape.OUTSIDE_ROOT),
        *((42161, 22_207_816, Escape.HEADERS), (42161, 22_207_817, None)),
        *((1, 0, None), (10, 0, None), (8453, 0, None), (31337, 0, None), (1_234_567_890, 0, None)),
    ],
)
def test_chains_where_something_escapes_are_named(
    chain: int, first_block: int, escape: Escape | None
) -> None:
    found = unsound(chain=ChainId(chain), first_block=first_block)
    assert (found and found.escape) == escape
    if found is not None:
        assert found.chain == ChainId(chain)
        assert len(found.detail) > 20


def test_the_hash_of_a_state_sync_is_the_blocks_own() -> None:
    """By Polygon's own rule, written out by hand for one block."""
    block_hash = Hash32(b"\xaa" * 32)
    expected = keccak(b"matic-bor-receipt-" + bytes.fromhex("00000000009502f9") + b"\xaa" * 32)
    assert state_sync_tx_hash(number=0x9502F9, block_hash=block_hash) == expected
    assert state_sync_tx_hash(number=0x9502FA, block_hash=block_hash) != expected
