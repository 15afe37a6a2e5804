"""What was recorded of 85 real blocks is found again: which of their hashes recompute, and which do not."""

from __future__ import annotations

import functools
import gzip
import json
import os
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import rlp as oracle

from chains.evm import header as headers_module
from chains.evm import trie
from chains.evm.block_receipts import (
    block_bloom,
    may_have_log,
    receipts_root,
    transfers_among,
    verify_receipts,
)
from chains.evm.header import (
    BadHeader,
    Header,
    HeaderHashMismatch,
    UnknownHeaderField,
    decode_header,
    verify_header,
)
from chains.evm.keccak import keccak256
from chains.evm.receipt import BadReceipts, Receipt, decode_receipt, read_receipt
from chains.evm.soundness import unsound
from chains.evm.transaction import transaction_hash, transactions_root, verify_transactions
from chains.evm.transfers import TRANSFER_TOPIC, merge_logs, parse_logs
from chains.evm.trie_proof import BadProof, check_proof, make_proof
from chains.types import Address, ChainId
from tests.conftest import REAL_BLOCKS

FOLDER = Path(os.environ[REAL_BLOCKS]) / "data"
CHAIN_IDS = {
    "ethereum": 1,
    "optimism": 10,
    "cronos": 25,
    "polygon": 137,
    "hyperliquid": 999,
    "base": 8453,
    "arbitrum": 42161,
}
# At import, so that a folder without them is an error, not an empty list of tests.
MANIFEST: list[dict[str, Any]] = json.loads((FOLDER / "manifest.json").read_text("utf-8"))
ROWS = {f"{row['chain']}-{row['number']}": row for row in MANIFEST}
every_block = pytest.mark.parametrize("name", ROWS)


@functools.lru_cache(maxsize=4)
def recorded(name: str) -> dict[str, Any]:
    row = ROWS[name]
    packed = (FOLDER / "blocks" / row["chain"] / f"{row['number']}.json.gz").read_bytes()
    found: dict[str, Any] = json.loads(gzip.decompress(packed))
    return found


def read(name: str) -> list[Receipt]:
    return [read_receipt(answer) for answer in recorded(name)["receipts"]]


def text(value: bytes) -> str:
    return "0x" + value.hex()


def test_they_are_all_there() -> None:
    assert len(ROWS) == len(MANIFEST) == 85
    assert {row["chain"] for row in MANIFEST} == set(CHAIN_IDS)
    results = Counter((check, result) for row in MANIFEST for check, result in row["checks"].items())
    # So that a manifest with nothing in it proves nothing.
    assert results[("header_hash", True)] == 77
    assert results[("header_hash", False)] == 7
    assert results[("tx_root", True)] == 76
    assert results[("receipts_root", True)] == 48
    assert results[("receipts_root", False)] == 6
    assert results[("bloom", False)] == 2


# -- what was recorded of each block


def header_hash(name: str) -> bool:
    block = recorded(name)["block"]
    return bool(str(headers_module.read_header(block).hash) == block["hash"])


def tx_root(name: str) -> bool:
    block = recorded(name)["block"]
    return bool(text(transactions_root(block["transactions"])) == block["transactionsRoot"])


def tx_hashes(name: str) -> bool:
    transactions = recorded(name)["block"]["transactions"]
    return all(str(transaction_hash(one)) == one["hash"] for one in transactions)


def withdrawals_root(name: str) -> bool:
    block = recorded(name)["block"]
    encoded = [
        oracle.encode(
            [
                *(int(one["index"], 16), int(one["validatorIndex"], 16)),
                *(bytes.fromhex(one["address"][2:]), int(one["amount"], 16)),
            ]
        )
        for one in block["withdrawals"]
    ]
    return bool(text(trie.ordered_root(encoded)) == block["withdrawalsRoot"])


def receipts_root_(name: str) -> bool:
    return bool(text(receipts_root(read(name))) == recorded(name)["block"]["receiptsRoot"])


def bloom(name: str) -> bool:
    return bool(text(block_bloom(read(name))) == recorded(name)["block"]["logsBloom"])


def receipt_blooms(name: str) -> bool:
    """Reading refuses a receipt whose bloom is not that of its logs."""
    return all("logsBloom" in answer for answer in recorded(name)["receipts"]) and bool(read(name))


CHECKS: dict[str, Callable[[str], bool]] = {
    "header_hash": header_hash,
    "tx_root": tx_root,
    "tx_hashes": tx_hashes,
    "withdrawals_root": withdrawals_root,
    "receipts_root": receipts_root_,
    "bloom": bloom,
    "receipt_blooms": receipt_blooms,
}


@every_block
def test_the_recorded_checks_are_reproduced(name: str) -> None:
    recorded_checks = {check: result for check, result in ROWS[name]["checks"].items() if result is not None}
    assert {check: CHECKS[check](name) for check in recorded_checks} == recorded_checks


# -- what follows from them


@every_block
def test_a_header_is_believed_where_it_hashes_again(name: str) -> None:
    row, block = ROWS[name], recorded(name)["block"]
    if not row["has_header"]:
        assert block is None
        return
    if row["checks"]["header_hash"] is False:
        with pytest.raises(HeaderHashMismatch):
            verify_header(block)
        # Known beforehand, so that nobody blames the node.
        assert unsound(chain=ChainId(CHAIN_IDS[row["chain"]]), first_block=row["number"])
        return
    header = verify_header(block, expected_number=row["number"])
    assert (str(header.hash), str(header.parent_hash), header.time) == (
        *(row["hash"], row["parent"]),
        row["timestamp"],
    )
    assert decode_header(header.rlp) == header
    assert oracle.encode(oracle.decode(header.rlp)) == header.rlp


@every_block
def test_no_hashed_field_of_a_real_header_can_be_altered(name: str) -> None:
    block = recorded(name)["block"]
    if not ROWS[name]["checks"].get("header_hash"):
        return
    for field in headers_module._FIELDS:
        if block.get(field) is None:
            continue
        other = block[field][:-1] + ("1" if block[field][-1] != "1" else "2")
        with pytest.raises(BadHeader):
            verify_header({**block, field: "0x00" if block[field] == "0x" else other})
    with pytest.raises(UnknownHeaderField, match="blockAccessListHash"):
        verify_header({**block, "blockAccessListHash": "0x" + "00" * 32})


@every_block
def test_receipts_are_believed_where_they_rebuild_the_root(name: str) -> None:
    row, block = ROWS[name], recorded(name)["block"]
    checks = row["checks"]
    if not checks.get("header_hash") or checks.get("receipts_root") is None:
        return
    header, answers = verify_header(block), recorded(name)["receipts"]
    hashes = None
    if checks["tx_root"]:
        hashes = verify_transactions(header, block["transactions"])
        assert len(hashes) == row["txs"]
    found = verify_receipts(header, answers, tx_hashes=hashes)
    assert (len(found.receipts), len(list(found.logs()))) == (row["receipts"], row["logs"])
    assert tuple(decode_receipt(receipt.encoded) for receipt in found.receipts) == found.receipts
    with pytest.raises(BadReceipts):
        verify_receipts(header, answers[:-1])
    # The bloom is the sum of the logs', so each log passes it.
    for one in list(found.logs())[:: max(1, row["logs"] // 20)]:
        assert may_have_log(header, [one.log.address, *one.log.topics])


@every_block
def test_a_receipt_of_a_real_block_can_be_proven(name: str) -> None:
    if not ROWS[name]["checks"].get("receipts_root"):
        return
    encoded = [receipt.encoded for receipt in read(name)]
    root, nodes = trie.ordered_nodes(encoded)
    for index in {0, len(encoded) // 2, len(encoded) - 1, len(encoded)}:
        proof = make_proof(root=root, key=trie.ordered_key(index), nodes=nodes)
        found = check_proof(root=root, key=trie.ordered_key(index), proof=proof)
        assert found == (encoded[index] if index < len(encoded) else None)


@every_block
def test_transfers_are_those_that_the_logs_hold(name: str) -> None:
    """Once from proven receipts, once from the same block's logs as eth_getLogs would list them."""
    if not (ROWS[name]["checks"].get("header_hash") and ROWS[name]["checks"].get("receipts_root")):
        return
    header = verify_header(recorded(name)["block"])
    found = verify_receipts(header, recorded(name)["receipts"])
    answer = [
        log
        for receipt in recorded(name)["receipts"]
        for log in receipt["logs"]
        if log["topics"][:1] == [str(TRANSFER_TOPIC)]
    ]
    number = hex(header.number)
    asked = {"fromBlock": number, "toBlock": number, "topics": [str(TRANSFER_TOPIC)]}
    everything = merge_logs([parse_logs(answer, asked=asked)])
    accounts = {log.recipient for log in everything.logs[::7]}
    among = transfers_among(found, addresses=accounts)
    assert among.logs == tuple(
        log for log in everything.logs if log.sender in accounts or log.recipient in accounts
    )
    assert len(among.logs) >= len(everything.logs[::7])


def test_a_bloom_with_every_bit_set_rules_nothing_out() -> None:
    header = verify_header(recorded("ethereum-15537394")["block"])
    assert header.bloom == b"\xff" * 256
    assert may_have_log(header, [b"\x01" * 20])


# -- eleven linked headers


SCENARIO: dict[str, Any] = json.loads(
    (FOLDER / "scenario_nonpayment_22431080_22431090.json").read_text("utf-8")
)


def may_pay(header: Header, wallet: str) -> bool:
    return may_have_log(header, [TRANSFER_TOPIC, bytes(12) + Address.parse(wallet)])


def test_headers_alone_show_who_was_not_paid() -> None:
    first, last = SCENARIO["range"]
    headers = [verify_header(recorded(f"ethereum-{number}")["block"]) for number in range(first, last + 1)]
    assert all(child.parent_hash == parent.hash for parent, child in pairwise(headers))
    assert len(SCENARIO["header_only"]) >= 60
    for wallet in SCENARIO["header_only"]:
        assert not any(may_pay(header, wallet) for header in headers), wallet
    for entry in SCENARIO["needs_receipts"]:
        assert [header.number for header in headers if may_pay(header, entry["wallet"])] == entry[
            "maybe_blocks"
        ]


def test_receipts_show_the_rest() -> None:
    """Where a bloom leaves it open, the proven receipts tell who was paid and who was not."""
    blocks = {}
    for number in (22431083, 22431084):
        answer = recorded(f"ethereum-{number}")
        blocks[number] = verify_receipts(verify_header(answer["block"]), answer["receipts"])

    def received(number: int, wallet: str) -> int:
        account = Address.parse(wallet)
        found = transfers_among(blocks[number], addresses=[account])
        every = (*found.logs, *found.others)
        assert not every or may_pay(blocks[number].header, wallet)
        return sum(log.recipient == account for log in found.logs)

    for entry in SCENARIO["needs_receipts"]:
        assert [received(number, entry["wallet"]) for number in entry["maybe_blocks"]] == [0] * len(
            entry["maybe_blocks"]
        )
    assert len(SCENARIO["paid_in_83_84"]) >= 60
    for wallet in SCENARIO["paid_in_83_84"]:
        assert sum(received(number, wallet) for number in blocks) > 0, wallet


# -- recorded eth_getProof answers


PROOFS: list[dict[str, Any]] = json.loads((FOLDER / "proofs.json").read_text("utf-8"))


def data(text_: str) -> bytes:
    return bytes.fromhex(text_[2:])


@pytest.mark.parametrize("at", range(len(PROOFS)))
def test_recorded_account_proofs_hold(at: int) -> None:
    found = PROOFS[at]
    name, answer = f"{found['chain']}-{found['number']}", found["proof"]
    header = verify_header(recorded(name)["block"])
    assert (str(header.hash), str(header.state_root)) == (found["blockHash"], found["stateRoot"])
    key = keccak256(data(answer["address"]))
    nodes = [data(node) for node in answer["accountProof"]]
    account = check_proof(root=header.state_root, key=key, proof=nodes)
    assert account == oracle.encode(
        [
            *(int(answer["nonce"], 16), int(answer["balance"], 16)),
            *(data(answer["storageHash"]), data(answer["codeHash"])),
        ]
    )
    for slot in answer["storageProof"]:
        key = keccak256(int(slot["key"], 16).to_bytes(32, "big"))
        value = check_proof(
            root=data(answer["storageHash"]), key=key, proof=[data(one) for one in slot["proof"]]
        )
        assert value == (oracle.encode(int(slot["value"], 16)) if int(slot["value"], 16) else None)
    for lie in (nodes[:-1], nodes[1:], [*nodes, nodes[-1]], [*nodes[:-1], nodes[-1] + b"\0"]):
        with pytest.raises(BadProof):
            check_proof(root=header.state_root, key=keccak256(data(answer["address"])), proof=lie)


def test_there_are_proofs() -> None:
    assert len(PROOFS) == 13
    assert sum(len(found["proof"]["storageProof"]) for found in PROOFS) >= 2
