from __future__ import annotations

import json
from contextlib import suppress
from enum import IntEnum

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from app.canonical import (
    INTEGER_MAX,
    Json,
    JsonLimits,
    NotCanonical,
    NotRepresentable,
    dumps,
    loads,
    loads_any,
)
from tests.support.bag import UNTIMED

texts = st.text(st.characters(exclude_categories=["Cs"]))
scalars = st.none() | st.booleans() | st.integers(-INTEGER_MAX, INTEGER_MAX) | texts
keys = st.text(st.characters(max_codepoint=127))
values: st.SearchStrategy[Json] = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(keys, inner, max_size=6),
    max_leaves=30,
)


class One(IntEnum):
    ONE = 1


def nested(levels: int) -> object:
    value: object = 1
    for _ in range(levels):
        value = [value]
    return value


@UNTIMED
@given(values)
def test_same_text_as_an_independent_implementation_of_rfc_8785(value: Json) -> None:
    assert dumps(value) == rfc8785.dumps(value)


@UNTIMED
@given(values)
def test_reading_gives_back_what_was_written(value: Json) -> None:
    assert loads(dumps(value)) == value


@UNTIMED
@given(st.binary(max_size=60) | values.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_either_refused_or_exactly_the_text_of_their_value(data: bytes) -> None:
    with suppress(NotCanonical):
        assert dumps(loads(data)) == data


@UNTIMED
@given(values.map(dumps), st.data())
def test_a_changed_byte_is_refused_or_is_another_value(text: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(text) - 1))
    changed = bytearray(text)
    changed[at] ^= data.draw(st.integers(1, 255))
    with suppress(NotCanonical):
        assert dumps(loads(bytes(changed))) == bytes(changed)


@pytest.mark.parametrize(
    ("value", "pointer", "reason"),
    [
        (1.5, "", "float"),
        ({"a": [1, 1.0]}, "/a/1", "float"),
        ({"a": {"b/c~d": 2**53}}, "/a/b~1c~0d", "2**53"),
        (-(2**53), "", "2**53"),
        (["\ud800"], "/0", "surrogate"),
        ({"é": 1}, "", "ASCII"),
        ({1: 1}, "", "ASCII"),
        ({"a": (1,)}, "/a", "tuple"),
        ([b"x"], "/0", "bytes"),
        ([One.ONE], "/0", "One"),
        (nested(33), "/0" * 32, "32 levels"),
    ],
)
def test_what_has_no_text_is_refused_by_name_and_place(value: object, pointer: str, reason: str) -> None:
    with pytest.raises(NotRepresentable, match=reason.replace("*", r"\*")) as refused:
        dumps(value)
    assert refused.value.pointer == pointer


def test_the_deepest_allowed_value_is_written_and_read() -> None:
    assert loads(dumps(nested(32))) == nested(32)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is not JSON"),
        (b"nul", "is not JSON"),
        (b'{"a":1} ', "canonical form"),
        (b'{"a": 1}', "canonical form"),
        (b'{"b":1,"a":1}', "canonical form"),
        (b'{"a":1,"a":1}', "same key twice"),
        (b'"\\u0061"', "canonical form"),
        (b'"\\u001F"', "canonical form"),
        (b'"\\/"', "canonical form"),
        (b"-0", "canonical form"),
        (b"1.0", "not an integer"),
        (b"1e2", "not an integer"),
        (b"NaN", "not an integer"),
        (b"-Infinity", "not an integer"),
        (b"9007199254740992", "2**53"),
        (b"9" * 10_000, "2**53"),
        (b'"\xff"', "not UTF-8"),
        (b"\xef\xbb\xbf1", "is not JSON"),
        ('{"é":1}'.encode(), "ASCII"),
        (b'"\\ud800"', "surrogate"),
        (b"[" * 33 + b"]" * 33, "32 levels"),
        (b"[" * 200_000, "32 levels"),
        (b'{"a":' * 200_000, "32 levels"),
        (b'"\x1f"', "is not JSON"),
    ],
)
def test_bytes_that_are_not_canonical_are_refused_with_the_reason(data: bytes, reason: str) -> None:
    with pytest.raises(NotCanonical) as refused:
        loads(data)
    assert reason in refused.value.reason


def test_size_and_number_of_values_are_bounded() -> None:
    text = dumps([[], [], []])
    assert loads(text, limits=JsonLimits(bytes_max=len(text))) == [[], [], []]
    with pytest.raises(NotCanonical, match="bytes"):
        loads(text, limits=JsonLimits(bytes_max=len(text) - 1))
    with pytest.raises(NotCanonical, match="values"):
        loads(text, limits=JsonLimits(values_max=5))


@UNTIMED
@given(values)
def test_a_text_laid_out_otherwise_can_be_read_as_such(value: Json) -> None:
    text = json.dumps(value, indent=2).encode()
    assert loads_any(text) == value


@pytest.mark.parametrize(
    "data", [b"1.5", b'{"a":1, "a":2}', b'{"a": 9007199254740992}', b"[", b"[" * 200_000]
)
def test_but_not_what_has_no_canonical_form(data: bytes) -> None:
    with pytest.raises(NotCanonical):
        loads_any(data)
