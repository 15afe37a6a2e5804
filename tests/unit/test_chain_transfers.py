"""Transfer events are decoded exactly, and a log that can't be what was asked for refuses the answer."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from eth_hash.auto import keccak
from hypothesis import given
from hypothesis import strategies as st

from chains.evm.transfers import (
    TRANSFER_TOPIC,
    MalformedLog,
    NotTransfer,
    OtherLog,
    RawTransferLog,
    account_topic,
    decode_log,
    merge_logs,
    parse_logs,
    to_transfer,
    transfer_filters,
)
from chains.types import UINT256_MAX, Address, BlockRef, ChainId, Hash32

addresses = st.binary(min_size=20, max_size=20).map(Address)
hashes = st.binary(min_size=32, max_size=32).map(Hash32)
amounts = st.integers(0, UINT256_MAX) | st.sampled_from([0, 1, 2**255, UINT256_MAX])
raw_logs = st.builds(
    RawTransferLog,
    block_number=st.integers(0, 2**63 - 1),
    block_hash=hashes,
    tx_hash=hashes,
    log_index=st.integers(0, 2**31 - 1),
    contract=addresses,
    sender=addresses,
    recipient=addresses,
    amount_units=amounts,
)

ROOT = Path(__file__).resolve().parents[2]
A, B, C = (Address(bytes([digit]) * 20) for digit in (0xAA, 0xBB, 0xCC))
TOKEN = Address(b"\x70" * 20)
TOPIC = str(TRANSFER_TOPIC)


def entry_of(log: RawTransferLog, **changes: Any) -> dict[str, Any]:
    """The log as a node writes it."""
    entry = {
        "address": str(log.contract),
        "topics": [TOPIC, account_topic(log.sender), account_topic(log.recipient)],
        "data": "0x" + log.amount_units.to_bytes(32, "big").hex(),
        "blockHash": str(log.block_hash),
        "blockNumber": hex(log.block_number),
        "transactionHash": str(log.tx_hash),
        "transactionIndex": "0x0",
        "logIndex": hex(log.log_index),
        "removed": False,
    }
    return entry | changes


def log_at(block: int, index: int, *, sender: Address = A, recipient: Address = B) -> RawTransferLog:
    return RawTransferLog(
        block_number=block,
        block_hash=Hash32(keccak(b"block %d" % block)),
        tx_hash=Hash32(keccak(b"tx %d %d" % (block, index))),
        log_index=index,
        contract=TOKEN,
        sender=sender,
        recipient=recipient,
        amount_units=1000 * block + index,
    )


def asked(*accounts: Address, first: int = 0, last: int = 100, side: str = "to") -> dict[str, Any]:
    filters = transfer_filters(addresses=accounts or (A, B, C), first_block=first, last_block=last)
    return filters[0 if side == "from" else 1]


def test_the_topic_is_the_hash_of_the_signature() -> None:
    assert keccak(b"Transfer(address,address,uint256)") == TRANSFER_TOPIC


@given(raw_logs)
def test_a_transfer_is_read_back_to_the_unit(log: RawTransferLog) -> None:
    assert decode_log(entry_of(log)) == log
    assert decode_log(json.loads(json.dumps(entry_of(log)))) == log


@given(raw_logs)
def test_either_case_of_hex_says_the_same(log: RawTransferLog) -> None:
    entry = entry_of(log)
    for name in ("address", "data", "blockHash", "transactionHash"):
        entry[name] = "0x" + entry[name][2:].upper()
    assert decode_log(entry) == log


# -- what is no ERC-20 Transfer

TOPICS: dict[str, tuple[Callable[[dict[str, Any]], dict[str, Any]], NotTransfer]] = {
    "four topics": (lambda e: {"topics": [*e["topics"], e["data"]], "data": "0x"}, NotTransfer.ERC721),
    "one topic": (lambda _: {"topics": [TOPIC], "data": "0x" + "00" * 96}, NotTransfer.NON_INDEXED),
    "two topics": (lambda e: {"topics": e["topics"][:2], "data": "0x" + "00" * 64}, NotTransfer.NON_INDEXED),
    "a wide sender": (
        lambda e: {"topics": [TOPIC, "0x01" + e["topics"][1][4:], e["topics"][2]]},
        NotTransfer.DIRTY_ACCOUNT,
    ),
    "a wide recipient": (
        lambda e: {"topics": [TOPIC, e["topics"][1], "0x" + "00" * 11 + "01" + e["topics"][2][26:]]},
        NotTransfer.DIRTY_ACCOUNT,
    ),
    "no data": (lambda _: {"data": "0x"}, NotTransfer.ODD_DATA),
    "31 bytes": (lambda _: {"data": "0x" + "00" * 31}, NotTransfer.ODD_DATA),
    "33 bytes": (lambda _: {"data": "0x" + "00" * 33}, NotTransfer.ODD_DATA),
    "64 bytes": (lambda _: {"data": "0x" + "00" * 64}, NotTransfer.ODD_DATA),
    "no topics": (lambda _: {"topics": []}, NotTransfer.OTHER_EVENT),
    "an Approval": (
        lambda e: {"topics": ["0x" + keccak(b"Approval(address,address,uint256)").hex(), *e["topics"][1:]]},
        NotTransfer.OTHER_EVENT,
    ),
    "five topics": (lambda e: {"topics": [*e["topics"], TOPIC, TOPIC]}, NotTransfer.OTHER_EVENT),
}


@pytest.mark.parametrize("name", TOPICS)
def test_what_is_no_transfer_is_kept_with_a_reason(name: str) -> None:
    change, reason = TOPICS[name]
    entry = entry_of(log_at(7, 3))
    other = decode_log(entry | change(entry))
    assert isinstance(other, OtherLog)
    assert (other.reason, other.block_number, other.log_index, other.contract) == (reason, 7, 3, TOKEN)


# -- what is malformed

MISSING = ["address", "topics", "data", "blockHash", "blockNumber", "transactionHash", "logIndex"]
BAD_FIELDS: list[tuple[str, Any]] = [
    ("address", "0x12"),
    ("address", None),
    ("topics", None),
    ("topics", TOPIC),
    ("topics", [TOPIC[:-2]]),
    ("topics", [TOPIC, None, TOPIC]),
    ("topics", [TOPIC, [TOPIC], TOPIC]),
    ("topics", [TOPIC, {}, TOPIC]),
    ("topics", [TOPIC] * 4 + ["0x"]),
    ("topics", {"0": TOPIC}),
    ("data", None),
    ("data", "0x0"),
    ("data", "00" * 32),
    ("data", "0x" + "00" * 31 + " 0"),
    ("data", 0),
    ("blockHash", None),
    ("blockHash", "0x" + "00" * 31),
    ("blockNumber", None),
    ("blockNumber", "0x01"),
    ("blockNumber", "pending"),
    ("blockNumber", 1),
    ("blockNumber", hex(2**63)),
    ("transactionHash", None),
    ("logIndex", None),
    ("logIndex", "-0x1"),
    ("logIndex", hex(2**31)),
    ("logIndex", ["0x1"]),
    ("removed", True),
    ("removed", 1),
    ("removed", None),
    ("removed", "false"),
]


@pytest.mark.parametrize("name", MISSING)
def test_a_missing_field_is_malformed(name: str) -> None:
    entry = entry_of(log_at(1, 1))
    del entry[name]
    with pytest.raises(MalformedLog, match=name):
        decode_log(entry)


@pytest.mark.parametrize(("name", "value"), BAD_FIELDS, ids=repr)
def test_a_bad_field_is_malformed(name: str, value: Any) -> None:
    with pytest.raises(MalformedLog):
        decode_log(entry_of(log_at(1, 1), **{name: value}))


def test_removed_may_be_left_out() -> None:
    entry = entry_of(log_at(1, 1))
    del entry["removed"]
    assert decode_log(entry) == log_at(1, 1)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=70),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from([*MISSING, "removed"]), json_values)
def test_any_json_in_a_field_is_decoded_or_malformed(name: str, value: Any) -> None:
    try:
        found = decode_log(entry_of(log_at(1, 1), **{name: value}))
    except MalformedLog:
        return
    assert isinstance(found, RawTransferLog | OtherLog)


@given(json_values)
def test_any_json_for_a_log_is_malformed(value: Any) -> None:
    with pytest.raises(MalformedLog):
        decode_log(value)
    with pytest.raises(MalformedLog):
        parse_logs([value], asked=asked())


# -- filters


def test_the_filters_ask_both_ways_and_for_any_contract() -> None:
    first, second = transfer_filters(addresses=[B, A, B], first_block=0, last_block=255)
    accounts = [account_topic(A), account_topic(B)]
    assert first == {"fromBlock": "0x0", "toBlock": "0xff", "topics": [TOPIC, accounts]}
    assert second == {"fromBlock": "0x0", "toBlock": "0xff", "topics": [TOPIC, None, accounts]}
    assert account_topic(A) == "0x" + "00" * 12 + "aa" * 20


def test_no_account_is_not_a_question() -> None:
    with pytest.raises(ValueError, match="at least one"):
        transfer_filters(addresses=[], first_block=0, last_block=1)


# -- whole answers


def test_logs_come_in_chain_order_each_once() -> None:
    logs = [log_at(9, 2), log_at(3, 5), log_at(9, 1), log_at(3, 5)]
    parsed = parse_logs([entry_of(log) for log in logs], asked=asked())
    assert parsed.logs == (log_at(3, 5), log_at(9, 1), log_at(9, 2))
    assert parsed.others == ()


def test_identical_transfers_of_one_transaction_stay_apart() -> None:
    twin = log_at(4, 1)
    other = RawTransferLog(
        block_number=twin.block_number,
        block_hash=twin.block_hash,
        tx_hash=twin.tx_hash,
        log_index=2,
        contract=twin.contract,
        sender=twin.sender,
        recipient=twin.recipient,
        amount_units=twin.amount_units,
    )
    assert parse_logs([entry_of(twin), entry_of(other)], asked=asked()).logs == (twin, other)


def test_both_answers_merge_into_one() -> None:
    both, out, into = log_at(1, 0), log_at(2, 0, recipient=C), log_at(3, 0, sender=C, recipient=A)
    nft = entry_of(log_at(2, 1))
    nft["topics"].append(TOPIC)
    sent = parse_logs([entry_of(both), entry_of(out), nft], asked=asked(A, B, side="from"))
    received = parse_logs([entry_of(both), entry_of(into), nft], asked=asked(A, B))
    merged = merge_logs([sent, received])
    assert merged.logs == (both, out, into)
    assert [other.log_index for other in merged.others] == [1]
    assert merge_logs([]).logs == ()


FOREIGN: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a block before": (entry_of(log_at(4, 0)), asked(first=5, last=9)),
    "a block after": (entry_of(log_at(10, 0)), asked(first=5, last=9)),
    "another recipient": (entry_of(log_at(5, 0, recipient=C)), asked(A, B)),
    "another sender": (entry_of(log_at(5, 0, sender=C)), asked(A, B, side="from")),
    "the account on the other side": (entry_of(log_at(5, 0, sender=A, recipient=C)), asked(A)),
    "another event": (entry_of(log_at(5, 0), topics=["0x" + "11" * 32] * 3), asked()),
    "too few topics": (entry_of(log_at(5, 0), topics=[TOPIC, account_topic(A)]), asked()),
    "no topics": (entry_of(log_at(5, 0), topics=[]), asked()),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_foreign_log_refuses_the_answer(name: str) -> None:
    entry, question = FOREIGN[name]
    with pytest.raises(MalformedLog):
        parse_logs([entry_of(log_at(5, 9)), entry], asked=question)


@pytest.mark.parametrize(
    "changes", [{"data": "0x" + "ff" * 32}, {"transactionHash": "0x" + "11" * 32}, {"address": str(A)}]
)
def test_two_logs_in_one_place_refuse_the_answer(changes: dict[str, Any]) -> None:
    with pytest.raises(MalformedLog, match="two different logs"):
        parse_logs([entry_of(log_at(5, 0)), entry_of(log_at(5, 0), **changes)], asked=asked())


def test_two_hashes_of_one_block_refuse_the_answer() -> None:
    entries = [entry_of(log_at(5, 0)), entry_of(log_at(5, 1), blockHash="0x" + "11" * 32)]
    with pytest.raises(MalformedLog, match="two hashes"):
        parse_logs(entries, asked=asked())
    parts = [parse_logs([entry], asked=asked()) for entry in entries]
    with pytest.raises(MalformedLog, match="two hashes"):
        merge_logs(parts)


@pytest.mark.parametrize("result", [None, {}, "", 0, True, "[]"], ids=repr)
def test_no_array_is_not_an_empty_one(result: Any) -> None:
    with pytest.raises(MalformedLog):
        parse_logs(result, asked=asked())


@pytest.mark.parametrize(
    "changes",
    [{"fromBlock": "latest"}, {"toBlock": None}, {"topics": None}, {"topics": ["0x12"]}, {"topics": [5]}],
)
def test_a_question_without_a_range_checks_nothing_and_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(MalformedLog):
        parse_logs([], asked=asked() | changes)


@given(st.lists(raw_logs, max_size=6), st.randoms(use_true_random=False))
def test_the_order_of_an_answer_does_not_matter(logs: list[RawTransferLog], random: Any) -> None:
    accounts = {log.recipient for log in logs} | {A}
    question = transfer_filters(addresses=accounts, first_block=0, last_block=2**63 - 1)[1]
    entries = [entry_of(log) for log in {log.block_number: log for log in logs}.values()]
    shuffled = copy.copy(entries)
    random.shuffle(shuffled)
    assert parse_logs(entries, asked=question) == parse_logs(shuffled, asked=question)
    assert len(parse_logs(entries, asked=question).logs) == len(entries)


# -- the finished value


@given(raw_logs, st.integers(0, 2**40))
def test_a_transfer_takes_its_own_block(log: RawTransferLog, time: int) -> None:
    block = BlockRef(number=log.block_number, hash=log.block_hash, time=time)
    transfer = to_transfer(log, chain=ChainId(1), block=block)
    assert transfer.id == f"eip155:1:{log.block_hash}:{log.log_index}"
    assert (transfer.block, transfer.amount_units) == (block, log.amount_units)
    assert (transfer.sender, transfer.recipient) == (log.sender, log.recipient)


def test_another_block_is_refused() -> None:
    log = log_at(5, 0)
    for block in (
        BlockRef(number=5, hash=Hash32(bytes(32)), time=1),
        BlockRef(number=6, hash=log.block_hash, time=1),
    ):
        with pytest.raises(MalformedLog):
            to_transfer(log, chain=ChainId(1), block=block)


def test_the_verifier_can_import_it_with_the_standard_library_alone() -> None:
    """`-S` leaves no site-packages, so that any third-party import fails."""
    modules = (
        "chains.jsonrpc, chains.evm.transfers, chains.evm.blocks, chains.evm.encoding, chains.evm.ranges"
    )
    code = f"import sys; sys.path.insert(0, '.'); import {modules}"
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True, timeout=60)
