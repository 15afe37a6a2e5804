"""A bloom filter holds what was put in, and rules out what would have set another bit."""

from __future__ import annotations

import pytest
from eth_bloom.bloom import BloomFilter
from hypothesis import given
from hypothesis import strategies as st

from chains.evm import bloom
from chains.evm.bloom import BadBloom

entries = st.lists(st.binary(min_size=20, max_size=32), max_size=30)


@given(entries)
def test_it_sets_the_bits_that_others_set(held: list[bytes]) -> None:
    filled = BloomFilter()
    filled.extend(held)
    assert bloom.of_entries(held) == int(filled)
    assert bloom.from_bytes(bloom.to_bytes(bloom.of_entries(held))) == int(filled)


@given(entries, entries)
def test_it_rules_out_what_others_rule_out(held: list[bytes], asked: list[bytes]) -> None:
    filled = BloomFilter()
    filled.extend(held)
    found = bloom.to_bytes(bloom.of_entries(held))
    assert bloom.may_hold(found, asked) == all(one in filled for one in asked)
    assert bloom.may_hold(found, held)


def test_one_missing_bit_is_enough() -> None:
    bits = bloom.entry_bits(b"token")
    assert 1 <= bits.bit_count() <= 3
    one = bits & -bits
    assert bloom.may_hold(bloom.to_bytes(bits), [b"token"])
    assert not bloom.may_hold(bloom.to_bytes(bits ^ one), [b"token"])
    assert bloom.may_hold(b"\xff" * 256, [b"token", b"topic", b"account"])


@pytest.mark.parametrize("size", [0, 255, 257])
def test_a_filter_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(BadBloom):
        bloom.may_hold(bytes(size), [b"token"])
