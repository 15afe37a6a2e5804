"""The fast reader of logs against the strict one: the same bodies accepted, the same facts in them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chains import jsonrpc
from chains.errors import ChainError
from chains.evm import fastlogs
from chains.evm.fastlogs import LogReader
from chains.evm.logmerge import Logs, merge
from chains.evm.rows import LogRow
from chains.evm.transfers import (
    NATIVE_LOG_EMITTER,
    TRANSFER_TOPIC,
    MalformedLog,
    NotTransfer,
    every_transfer_filter,
    merge_logs,
    parse_logs,
    transfer_filters,
)
from chains.jsonrpc import ErrorObject, MalformedAnswer
from chains.types import Address

CALL_ID = 7
ACCOUNTS = [Address(bytes([0xAB]) * 19 + bytes([number])) for number in range(4)]
EVERYTHING = every_transfer_filter(first_block=10, last_block=19)
FROM, TO = transfer_filters(addresses=ACCOUNTS[:2], first_block=10, last_block=19)
TRANSFER = str(TRANSFER_TOPIC)
EMITTER = str(NATIVE_LOG_EMITTER)


def word(account: Address) -> str:
    return "0x" + "00" * 12 + account.hex()


def log(block: int = 12, index: int = 0, **changed: Any) -> dict[str, Any]:
    """As geth writes one."""
    entry = {
        "address": "0x" + "c0" * 20,
        "topics": [TRANSFER, word(ACCOUNTS[0]), word(ACCOUNTS[1])],
        "data": f"0x{index + 1:064x}",
        "blockHash": f"0x{block:064x}",
        "blockNumber": hex(block),
        "blockTimestamp": hex(1_700_000_000 + block),
        "transactionHash": f"0x{block:032x}{index:032x}",
        "transactionIndex": "0x0",
        "logIndex": hex(index),
        "removed": False,
    }
    return entry | changed


def body_of(result: Any, **envelope: Any) -> bytes:
    return json.dumps(
        {"jsonrpc": "2.0", "id": CALL_ID, "result": result} | envelope, separators=(",", ":")
    ).encode()


def strictly(body: bytes, asked: Mapping[str, Any]) -> tuple[list[LogRow], Any, dict[int, Any]] | ErrorObject:
    result = jsonrpc.read_answer(body, call_id=CALL_ID)
    if isinstance(result, ErrorObject):
        return result
    parsed = parse_logs(result, asked=asked)
    rows = [
        (
            each.block_number,
            each.log_index,
            bytes(each.tx_hash),
            bytes(each.contract),
            bytes(each.sender),
            bytes(each.recipient),
            each.amount_units.to_bytes(32, "big"),
        )
        for each in parsed.logs
    ]
    hashes = {each.block_number: each.block_hash for each in parsed.logs}
    hashes |= {each.block_number: each.block_hash for each in parsed.others}
    return rows, parsed.others, hashes


def demand_same(body: bytes, asked: Mapping[str, Any]) -> Logs | None:
    """Both readers say the same of a body; None where both refuse it."""
    try:
        expected = strictly(body, asked)
    except ChainError as error:
        with pytest.raises(type(error)):
            LogReader().read(body, call_id=CALL_ID, asked=asked)
        return None
    found = LogReader().read(body, call_id=CALL_ID, asked=asked)
    if isinstance(expected, ErrorObject) or isinstance(found, ErrorObject):
        assert found == expected
        return None
    assert (found.rows, found.others, found.block_hashes) == expected
    return found


# -- what may be wrong, or merely odd, in an entry

_HEX = st.sampled_from(["0x", "0x0", "0X1", "0xg", "0x00", "", "1", "0x1 ", "0x" + "f" * 64, "0x" + "F" * 64])
_ODD: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-1, 20),
    st.floats(),
    st.just([]),
    st.just({}),
    _HEX,
    st.text(max_size=3),
)
_TOPIC = st.sampled_from(
    [
        TRANSFER,
        TRANSFER.upper().replace("X", "x"),
        *(word(account) for account in ACCOUNTS),
        word(ACCOUNTS[0]).replace("ab", "AB"),
        "0x" + "01" * 32,
        "0x" + "00" * 31,
        "0x" + " 0" * 32,
        "0X" + "00" * 32,
        "",
    ]
)
_EMITTERS = st.sampled_from([EMITTER, EMITTER.upper().replace("X", "x"), EMITTER.replace("fe", "FE")])
_CHANGES: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.fixed_dictionaries({}),
    st.fixed_dictionaries({"topics": st.lists(_TOPIC, max_size=5)}),
    st.fixed_dictionaries({"topics": st.tuples(st.just(TRANSFER), _TOPIC, _TOPIC).map(list)}),
    st.fixed_dictionaries(
        {"data": st.sampled_from(["0x", "0x" + "AB" * 32, "0x" + "ab" * 33, "0x" + "1 " * 32])}
    ),
    st.fixed_dictionaries({"address": _EMITTERS}),
    st.fixed_dictionaries({"blockTimestamp": _ODD}),
    st.fixed_dictionaries({"removed": _ODD}),
    st.fixed_dictionaries({"transactionIndex": _ODD}),
    st.fixed_dictionaries(
        {"blockNumber": st.one_of(_ODD, st.sampled_from(["0x9", "0xa", "0x13", "0x14", "0xA"]))}
    ),
    st.dictionaries(
        st.sampled_from(["address", "topics", "blockHash", "transactionHash", "logIndex", "data", "other"]),
        _ODD,
        max_size=1,
    ),
)
_DROPPED = st.one_of(st.none(), st.sampled_from([*log(), "nothing"]))


@st.composite
def entries(draw: st.DrawFn) -> Any:
    entry = log(draw(st.integers(10, 14)), draw(st.integers(0, 3)), **draw(_CHANGES))
    if draw(st.integers(0, 9)) == 0:
        entry.pop(draw(_DROPPED) or "", None)
    return (
        draw(st.one_of(st.just(entry), st.just(entry), st.just(entry), _ODD))
        if draw(st.booleans())
        else entry
    )


_ENVELOPES = st.one_of(
    st.just({}),
    st.just({}),
    st.just({}),
    st.fixed_dictionaries({"id": _ODD}),
    st.fixed_dictionaries({"jsonrpc": _ODD}),
    st.fixed_dictionaries({"error": st.one_of(_ODD, st.just({"code": -32005, "message": "slow down"}))}),
    st.fixed_dictionaries({"more": _ODD}),
)


def _escaped(body: bytes) -> bytes:
    return body.replace(b'"topics"', b'"topi\\u0063s"', 1)


def _twice(body: bytes) -> bytes:
    return body.replace(b'"removed":false', b'"removed":true,"removed":false', 1)


def _twice_and_short(body: bytes) -> bytes:
    """A second key, its length made up for by an escape that is written out longer."""
    return body.replace(b'"transactionIndex":"0x0"', b'"data":"","transactionIndex":"\\b\\b\\b"', 1)


_TEXTS: list[Callable[[bytes], bytes]] = [
    lambda body: body,
    lambda body: body,
    lambda body: body + b"\n",
    lambda body: body + b"\n\n",
    lambda body: body.replace(b":", b": "),
    lambda body: body[:-1],
    lambda body: body.replace(b"0x", b"0\xff", 1),
    lambda body: body.replace(b"false", b"NaN", 1),
    _escaped,
    _twice,
    _twice_and_short,
    lambda body: body.replace(b'"logIndex"', b'"logindex":1,"logIndex"', 1),
    lambda body: body.replace(b'"id":7', b'"id":7.0', 1),
]


@settings(max_examples=1500, deadline=None)
@given(
    st.lists(entries(), max_size=6),
    _ENVELOPES,
    st.sampled_from(_TEXTS),
    st.sampled_from([EVERYTHING, FROM, TO]),
)
@example([log()], {}, _twice, EVERYTHING)
@example([log()], {}, _twice_and_short, EVERYTHING)
@example([log(), log()], {}, _TEXTS[0], EVERYTHING)
@example([log(data="0x" + "ab" * 33), log()], {}, _TEXTS[0], EVERYTHING)
def test_both_readers_say_the_same(
    logs: list[Any], envelope: dict[str, Any], text: Callable[[bytes], bytes], asked: dict[str, Any]
) -> None:
    demand_same(text(body_of(logs, **envelope)), asked)


@settings(max_examples=300, deadline=None)
@given(st.lists(entries(), max_size=4), st.lists(entries(), max_size=4))
def test_two_answers_become_one_as_the_strict_reader_makes_them(sent: list[Any], received: list[Any]) -> None:
    parts, strict = [], []
    try:
        for result, asked in ((sent, FROM), (received, TO)):
            strict.append(parse_logs(json.loads(body_of(result))["result"], asked=asked))
            found = LogReader().read(body_of(result), call_id=CALL_ID, asked=asked)
            assert isinstance(found, Logs)
            parts.append(found)
    except ChainError:
        return
    try:
        expected = merge_logs(strict)
    except MalformedLog:
        with pytest.raises(MalformedLog):
            merge(parts)
        return
    merged = merge(parts)
    assert [row[:2] for row in merged.rows] == [(each.block_number, each.log_index) for each in expected.logs]
    assert merged.others == expected.others


def test_a_plain_answer_is_read_without_the_strict_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or nothing would be gained; odd logs among the usual ones cost no more than themselves."""
    asked_strictly: list[int] = []

    def counted(result: Any, *, asked: Mapping[str, Any]) -> Any:
        asked_strictly.append(len(result))
        return parse_logs(result, asked=asked)

    monkeypatch.setattr(fastlogs, "parse_logs", counted)
    usual = [log(block, index) for block in (10, 11) for index in range(5)]
    found = demand_same(body_of(usual), EVERYTHING)
    assert found is not None
    assert asked_strictly == []
    assert found.block_times == {10: 1_700_000_010, 11: 1_700_000_011}
    nft = log(12, 9, topics=[TRANSFER, word(ACCOUNTS[0]), word(ACCOUNTS[1]), word(ACCOUNTS[2])], data="0x")
    found = demand_same(body_of([*usual, nft]), EVERYTHING)
    assert found is not None
    assert asked_strictly == [1]
    assert len(found.others) == 1
    assert found.block_times[12] == 1_700_000_012


@pytest.mark.parametrize("emitter", [EMITTER, EMITTER.upper().replace("X", "x")])
def test_a_move_that_the_chain_itself_logs_is_no_token(emitter: str) -> None:
    """EIP-7708: the native coin's move told a second time."""
    found = demand_same(body_of([log(), log(12, 1, address=emitter)]), EVERYTHING)
    assert found is not None
    assert [row[1] for row in found.rows] == [0]
    assert [(each.log_index, each.reason) for each in found.others] == [(1, NotTransfer.NATIVE_LOG)]


def test_a_time_counts_where_all_logs_of_a_block_tell_it() -> None:
    untimed = log(11, 1)
    del untimed["blockTimestamp"]
    logs = [
        log(10),
        log(11),
        untimed,
        log(12),
        log(12, 1, blockTimestamp="0x1"),
        log(13, blockTimestamp=None),
    ]
    found = demand_same(body_of(logs), EVERYTHING)
    assert found is not None
    assert found.block_times == {10: 1_700_000_010}
    assert set(found.block_hashes) == {10, 11, 12, 13}


def test_times_of_two_answers_have_to_agree() -> None:
    def read(entry: dict[str, Any]) -> Logs:
        found = LogReader().read(body_of([entry]), call_id=CALL_ID, asked=EVERYTHING)
        assert isinstance(found, Logs)
        return found

    same = merge([read(log()), read(log(12, 1)), read(log(13))])
    assert same.block_times == {12: 1_700_000_012, 13: 1_700_000_013}
    assert merge([read(log()), read(log(12, 1, blockTimestamp="0x5"))]).block_times == {}


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        (body_of([log()], id=8), MalformedAnswer),
        (body_of([log()], id=True), MalformedAnswer),
        (body_of({}), MalformedLog),
        (body_of([log(block=20)]), MalformedLog),
        (body_of([log(removed=True)]), MalformedLog),
        (body_of([log(), log(data="0x" + "00" * 32)]), MalformedLog),
        (body_of([log(), log(12, 1, blockHash="0x" + "ee" * 32)]), MalformedLog),
        (body_of([log(), log(12, 0, topics=[TRANSFER, *[word(ACCOUNTS[0])] * 3])]), MalformedLog),
        (body_of([log(data="0x" + "zz" * 32)]), MalformedLog),
        (body_of([log(data="0x" + "1 " * 32)]), MalformedLog),
        (_twice(body_of([log()])), MalformedAnswer),
        (_twice_and_short(body_of([log()])), MalformedAnswer),
    ],
)
def test_refusals(body: bytes, refusal: type[ChainError]) -> None:
    with pytest.raises(refusal):
        LogReader().read(body, call_id=CALL_ID, asked=EVERYTHING)
    assert demand_same(body, EVERYTHING) is None
