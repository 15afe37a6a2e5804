"""Any bytes from a node are an answer, an error object, or malformed: nothing else, and never a crash."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains import jsonrpc
from chains.jsonrpc import ErrorObject, MalformedAnswer

ROOT = Path(__file__).resolve().parents[2]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


def body(value: Any) -> bytes:
    return json.dumps(value).encode()


def test_a_request_is_plain_ascii_json() -> None:
    request = jsonrpc.encode_call(call_id=7, method="eth_call", params=[{"to": "0xé"}, "latest"])
    assert request == (b'{"jsonrpc":"2.0","id":7,"method":"eth_call","params":[{"to":"0x\\u00e9"},"latest"]}')
    batch = jsonrpc.encode_batch({1: ("a", ()), 2: ("b", [None])})
    assert json.loads(batch) == [
        {"jsonrpc": "2.0", "id": 1, "method": "a", "params": []},
        {"jsonrpc": "2.0", "id": 2, "method": "b", "params": [None]},
    ]


@given(json_values)
def test_a_result_is_read_back(value: Any) -> None:
    answer = {"jsonrpc": "2.0", "id": 1, "result": value}
    assert jsonrpc.read_answer(body(answer), call_id=1) == value
    # As JSON-RPC 1.0 wanted it, and as some nodes still write it.
    assert jsonrpc.read_answer(body(answer | {"error": None}), call_id=1) == value
    assert jsonrpc.read_batch(body([answer]), call_ids=[1]) == {1: value}


MALFORMED = {
    "nothing": b"",
    "a blank": b" ",
    "a page": b"<html>",
    "half": b'{"jsonrpc":"2.0","id":1,"result":[{"a":',
    "twice": b'{"jsonrpc":"2.0","id":1,"result":1}{"jsonrpc":"2.0","id":1,"result":1}',
    "a tail": b'{"jsonrpc":"2.0","id":1,"result":1} x',
    "a comma": b'{"jsonrpc":"2.0","id":1,"result":1,}',
    "single quotes": b"{'jsonrpc':'2.0','id':1,'result':1}",
    "NaN": b'{"jsonrpc":"2.0","id":1,"result":NaN}',
    "Infinity": b'{"jsonrpc":"2.0","id":1,"result":-Infinity}',
    "a bad byte": b'{"jsonrpc":"2.0","id":1,"result":"\xff"}',
    "a mark": b'\xef\xbb\xbf{"jsonrpc":"2.0","id":1,"result":1}',
    "UTF-16": '{"jsonrpc":"2.0","id":1,"result":1}'.encode("utf-16"),
    "UTF-32": '{"jsonrpc":"2.0","id":1,"result":1}'.encode("utf-32-le"),
    "a control character": b'{"jsonrpc":"2.0","id":1,"result":"\x01"}',
    "a duplicate result": b'{"jsonrpc":"2.0","id":1,"result":1,"result":2}',
    "a duplicate id": b'{"jsonrpc":"2.0","id":2,"id":1,"result":1}',
    "a deep duplicate": b'{"jsonrpc":"2.0","id":1,"result":{"a":[{"b":1,"b":1}]}}',
    "an endless number": b'{"jsonrpc":"2.0","id":1,"result":' + b"1" * 5000 + b"}",
    "a depth bomb of arrays": b"[" * 200_000,
    "a depth bomb of objects": b'{"a":' * 200_000,
    "no version": body({"id": 1, "result": 1}),
    "version 1.0": body({"jsonrpc": "1.0", "id": 1, "result": 1}),
    "a number for the version": body({"jsonrpc": 2.0, "id": 1, "result": 1}),
    "no id": body({"jsonrpc": "2.0", "result": 1}),
    "another id": body({"jsonrpc": "2.0", "id": 2, "result": 1}),
    "a text id": body({"jsonrpc": "2.0", "id": "1", "result": 1}),
    "true for an id": body({"jsonrpc": "2.0", "id": True, "result": 1}),
    "a float for an id": body({"jsonrpc": "2.0", "id": 1.0, "result": 1}),
    "a list for an id": body({"jsonrpc": "2.0", "id": [1], "result": 1}),
    "neither": body({"jsonrpc": "2.0", "id": 1}),
    "both": body({"jsonrpc": "2.0", "id": 1, "result": None, "error": {"code": 1, "message": ""}}),
    "error null alone": body({"jsonrpc": "2.0", "id": 1, "error": None}),
    "an error of text": body({"jsonrpc": "2.0", "id": 1, "error": "no"}),
    "an error without a code": body({"jsonrpc": "2.0", "id": 1, "error": {"message": "no"}}),
    "an error without a message": body({"jsonrpc": "2.0", "id": 1, "error": {"code": 1}}),
    "a text code": body({"jsonrpc": "2.0", "id": 1, "error": {"code": "1", "message": "no"}}),
    "true for a code": body({"jsonrpc": "2.0", "id": 1, "error": {"code": True, "message": "no"}}),
    "a huge code": body({"jsonrpc": "2.0", "id": 1, "error": {"code": 2**40, "message": "no"}}),
    "an array": body([]),
    "an array of one": body([{"jsonrpc": "2.0", "id": 1, "result": 1}]),
    "a request": jsonrpc.encode_call(call_id=1, method="eth_chainId", params=()),
    "null": b"null",
    "a number": b"1",
    "text": b'"0x1"',
}


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_malformed(name: str) -> None:
    with pytest.raises(MalformedAnswer) as caught:
        jsonrpc.read_answer(MALFORMED[name], call_id=1)
    assert len(str(caught.value)) < 300
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", [name for name in MALFORMED if name != "an array of one"])
def test_what_is_malformed_in_a_batch(name: str) -> None:
    for wrapped in (MALFORMED[name], b"[" + MALFORMED[name] + b"]"):
        with pytest.raises(MalformedAnswer):
            jsonrpc.read_batch(wrapped, call_ids=[1])


@given(st.binary(max_size=200))
def test_any_bytes_are_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedAnswer):
        jsonrpc.read_answer(raw, call_id=1)
    assert jsonrpc.read_error(raw) is None


@given(json_values)
def test_any_json_is_malformed(value: Any) -> None:
    with pytest.raises(MalformedAnswer):
        jsonrpc.read_answer(body(value), call_id=1)
    with pytest.raises(MalformedAnswer):
        jsonrpc.read_batch(body(value), call_ids=[1])


@given(st.binary(min_size=1, max_size=3), st.integers(0, 60))
def test_a_damaged_answer_never_crashes(damage: bytes, at: int) -> None:
    good = body({"jsonrpc": "2.0", "id": 1, "result": {"a": "0x1", "b": [1, None]}})
    try:
        jsonrpc.read_answer(good[:at] + damage + good[at + len(damage) :], call_id=1)
    except MalformedAnswer:
        return


@given(st.permutations([1, 2, 3, 4]))
def test_a_batch_is_matched_by_id_in_any_order(order: list[int]) -> None:
    answers = [{"jsonrpc": "2.0", "id": number, "result": hex(number)} for number in order]
    outcomes = jsonrpc.read_batch(body(answers), call_ids=[1, 2, 3, 4])
    assert outcomes == {number: hex(number) for number in (1, 2, 3, 4)}


@given(st.lists(st.integers(0, 5), max_size=6))
def test_a_batch_wants_each_id_once(ids: list[int]) -> None:
    answers = body([{"jsonrpc": "2.0", "id": number, "result": None} for number in ids])
    if sorted(ids) == [1, 2, 3]:
        jsonrpc.read_batch(answers, call_ids=[1, 2, 3])
    else:
        with pytest.raises(MalformedAnswer):
            jsonrpc.read_batch(answers, call_ids=[1, 2, 3])


# -- depth

NESTS: dict[str, tuple[bytes, bytes]] = {
    "arrays": (b"[", b"]"),
    "objects": (b'{"a":', b"}"),
    "mixed": (b'[{"a":', b"}]"),
    "with closing brackets in strings": (b'["]",', b"]"),
    "with closing brackets in keys": (b'{"}":', b"}"),
    "with escaped quotes": (b'["\\"]",', b"]"),
    "with escaped backslashes": (b'["\\\\","]",', b"]"),
}


def nested(name: str, levels: int) -> bytes:
    opening, closing = NESTS[name]
    return b'{"jsonrpc":"2.0","id":1,"result":' + opening * levels + b"1" + closing * levels + b"}"


@pytest.mark.parametrize("name", NESTS)
def test_depth_is_bounded(name: str) -> None:
    jsonrpc.read_answer(nested(name, 100), call_id=1)
    for levels in (300, 100_000):
        with pytest.raises(MalformedAnswer, match="nested deeper"):
            jsonrpc.read_answer(nested(name, levels), call_id=1)


def test_brackets_in_strings_are_no_depth() -> None:
    for text in ("[" * 5000, "]" * 5000, '"[' * 5000, "\\[" * 5000, '\\"' * 5000 + "{", "\\"):
        answer = {"jsonrpc": "2.0", "id": 1, "result": [text, {text: text}]}
        assert jsonrpc.read_answer(body(answer), call_id=1) == [text, {text: text}]


@pytest.mark.parametrize("name", NESTS)
def test_a_depth_bomb_does_not_end_the_process(name: str) -> None:
    """With the recursion limit that py_ecc sets, the parser alone overflows the stack of a thread."""
    code = (
        "import sys, threading; sys.path.insert(0, sys.argv[1]); from chains import jsonrpc\n"
        "sys.setrecursionlimit(100_000)\n"
        "def read():\n"
        "    try: jsonrpc.decode_json(sys.argv[2].encode() * 1_000_000)\n"
        "    except jsonrpc.MalformedAnswer: print('malformed')\n"
        "thread = threading.Thread(target=read); thread.start(); thread.join()"
    )
    command = [sys.executable, "-I", "-c", code, str(ROOT), NESTS[name][0].decode()]
    done = subprocess.run(command, capture_output=True, timeout=60, check=True)
    assert done.stdout == b"malformed\n"


# -- errors


def error_body(code: int, message: str, *, call_id: int | None = 1) -> bytes:
    return body({"jsonrpc": "2.0", "id": call_id, "error": {"code": code, "message": message, "data": "x"}})


@pytest.mark.parametrize("call_id", [1, None])
def test_an_error_is_read_with_or_without_an_id(call_id: int | None) -> None:
    outcome = jsonrpc.read_answer(error_body(3, "execution reverted", call_id=call_id), call_id=1)
    assert outcome == ErrorObject(code=3, message="execution reverted")
    assert jsonrpc.read_batch(error_body(3, "no", call_id=None), call_ids=[1]) == ErrorObject(
        code=3, message="no"
    )


@given(st.text())
def test_a_message_is_cut_and_printable(message: str) -> None:
    outcome = jsonrpc.read_error(error_body(1, message * 50))
    assert isinstance(outcome, ErrorObject)
    assert len(outcome.message) <= 500
    assert outcome.message.isprintable()


@pytest.mark.parametrize(
    ("code", "message", "waits"),
    [
        (429, "Your app has exceeded its compute units per second capacity", True),
        (-32005, "daily request count exceeded, request rate limited", True),
        (-32005, "limit exceeded", True),
        (-32005, "query returned more than 10000 results. Try with this block range [0x1, 0x5].", False),
        (-32005, "Log response size exceeded", False),
        (-32000, "rate limited", False),
        (-32601, "the method does not exist", False),
    ],
)
def test_only_rate_limits_ask_to_wait(code: int, message: str, waits: bool) -> None:  # noqa: FBT001
    assert ErrorObject(code=code, message=message).asks_to_wait is waits
