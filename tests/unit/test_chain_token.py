"""What a token says of itself is somebody's text: short, printable and one line, or nothing."""

from __future__ import annotations

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from chains.evm.token import NAME_CHARS_MAX, SYMBOL_CHARS_MAX, clean_text, read_text


def word(number: int) -> bytes:
    return number.to_bytes(32, "big")


@pytest.mark.parametrize(
    ("returned", "text"),
    [
        (encode(["string"], ["USDC"]), "USDC"),
        (encode(["string"], [""]), None),
        (encode(["string"], ["USD₮"]), "USD₮"),
        (encode(["string"], ["  a \n\t b  "]), "a b"),
        (encode(["string"], ["a\u0000b\u001bc\u007fd"]), "abcd"),
        (encode(["string"], ["\u202eCDSU\u202c\u200f"]), "CDSU"),
        (encode(["string"], ["a\u200b\u200d\ufeffb"]), "ab"),
        (encode(["string"], ["<b>&\"'=1+1"]), "<b>&\"'=1+1"),
        (encode(["bytes"], [b"A\xffB\xc3"]), "AB"),
        (b"MKR".ljust(32, b"\0"), "MKR"),
        (b"\0" * 32, None),
        (b"\xff" * 32, None),
        (b"", None),
        (b"\0" * 31, None),
        (b"\0" * 33, None),
        (None, None),
        (word(32) + word(2**256 - 1), None),
        (word(32) + word(64) + b"x" * 32, None),
        (word(2**256 - 1) + word(4), None),
        (word(2**255) + word(4) + b"abcd", None),
        (word(32) + word(10) + b"x" * 9, None),
    ],
)
def test_a_text_is_read(returned: bytes | None, text: str | None) -> None:
    assert read_text(returned, chars_max=SYMBOL_CHARS_MAX) == text


@pytest.mark.parametrize("chars_max", [SYMBOL_CHARS_MAX, NAME_CHARS_MAX])
def test_a_long_text_is_cut_and_says_so(chars_max: int) -> None:
    assert read_text(encode(["string"], ["x" * 10_000]), chars_max=chars_max) == "x" * (chars_max - 1) + "…"
    assert read_text(encode(["string"], ["x" * chars_max]), chars_max=chars_max) == "x" * chars_max
    assert read_text(encode(["string"], ["\u202e" * 10_000]), chars_max=chars_max) is None


@given(st.text(), st.integers(2, 40))
def test_any_text_becomes_short_and_printable(text: str, chars_max: int) -> None:
    cleaned = clean_text(text, chars_max=chars_max)
    assert cleaned is None or (0 < len(cleaned) <= chars_max and cleaned.isprintable())
    assert cleaned is None or clean_text(cleaned, chars_max=chars_max) == cleaned


@given(st.binary(max_size=200))
def test_any_bytes_are_a_text_or_none(returned: bytes) -> None:
    for raw in (returned, word(32) + returned, word(32) + word(len(returned)) + returned):
        text = read_text(raw, chars_max=SYMBOL_CHARS_MAX)
        assert text is None or text.isprintable()
