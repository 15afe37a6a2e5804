"""Keccak-256 by whichever code is there gives what everybody else's gives."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from eth_hash.auto import keccak as oracle
from hypothesis import given
from hypothesis import strategies as st

from chains.evm import keccak, keccak_pure

ROOT = Path(__file__).resolve().parents[2]
EVERY = {
    "pysha3": keccak.by_pysha3(),
    "pycryptodome": keccak.by_pycryptodome(),
    "plain": keccak.by_plain_python(),
    "chosen": keccak.keccak256,
}


@pytest.mark.parametrize("name", EVERY)
@given(data=st.binary(max_size=500))
def test_it_is_keccak(name: str, data: bytes) -> None:
    assert EVERY[name](data) == oracle(data)


@pytest.mark.parametrize("name", EVERY)
def test_it_is_keccak_around_every_block_of_the_sponge(name: str) -> None:
    rate = keccak_pure.RATE_BYTES
    for size in (0, 1, rate - 2, rate - 1, rate, rate + 1, 2 * rate - 1, 2 * rate, 2 * rate + 1, 9 * rate):
        data = bytes(index % 251 for index in range(size))
        assert EVERY[name](data) == oracle(data), size


def test_known_answers() -> None:
    assert keccak_pure.keccak256(b"") == keccak.EMPTY_HASH
    text = "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"
    assert keccak_pure.keccak256(b"abc").hex() == text


def test_the_fastest_that_is_there_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "pysha3" in keccak.choose().__qualname__
    monkeypatch.setitem(sys.modules, "sha3", None)
    assert "pycryptodome" in keccak.choose().__qualname__
    monkeypatch.setitem(sys.modules, "Crypto.Hash", None)
    assert keccak.choose() is keccak_pure.keccak256


@pytest.mark.parametrize("function", [hashlib.sha3_256, lambda _: None, 5])
def test_a_module_of_that_name_with_another_hash_is_not_taken(
    monkeypatch: pytest.MonkeyPatch, function: object
) -> None:
    impostor = ModuleType("sha3")
    vars(impostor)["keccak_256"] = function
    monkeypatch.setitem(sys.modules, "sha3", impostor)
    assert "pycryptodome" in keccak.choose().__qualname__


def test_it_needs_nothing_but_the_standard_library() -> None:
    """`-S` leaves out everything that was installed."""
    script = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from chains.evm import block_receipts, header, keccak, keccak_pure, transaction, trie_proof\n"
        "print(keccak.keccak256 is keccak_pure.keccak256, keccak.keccak256(b'abc').hex())"
    )
    answer = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert answer.stdout.split() == ["True", oracle(b"abc").hex()]
