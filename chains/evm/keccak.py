"""Keccak-256, the hash of everything an EVM chain commits to: `keccak256`, by the fastest code at hand.

safe-pysha3 where it is installed, else pycryptodome, else plain Python (`chains.evm.keccak_pure`). Chosen
once, at import, and only if it gives a known answer: a module named sha3 might as well hold NIST's SHA-3,
whose padding differs.
"""

from __future__ import annotations

from collections.abc import Callable

from chains.evm import keccak_pure

EMPTY_HASH = bytes.fromhex("c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470")


def by_pysha3() -> Callable[[bytes], bytes]:
    from sha3 import keccak_256  # noqa: PLC0415 - may not be installed.

    def keccak256(data: bytes) -> bytes:
        digest: bytes = keccak_256(data).digest()
        return digest

    return keccak256


def by_pycryptodome() -> Callable[[bytes], bytes]:
    from Crypto.Hash import keccak  # noqa: PLC0415 - may not be installed.

    def keccak256(data: bytes) -> bytes:
        return keccak.new(digest_bits=256, data=data).digest()

    return keccak256


def by_plain_python() -> Callable[[bytes], bytes]:
    return keccak_pure.keccak256


def choose() -> Callable[[bytes], bytes]:
    """The first that is installed and right."""
    for make in (by_pysha3, by_pycryptodome):
        try:
            found = make()
            if found(b"") == EMPTY_HASH:
                return found
        except (ImportError, AttributeError, TypeError, ValueError):
            continue
    return by_plain_python()


keccak256: Callable[[bytes], bytes] = choose()
