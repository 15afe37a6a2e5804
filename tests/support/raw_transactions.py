"""Signed transactions of the types that a test node does not sign by itself: blobs, and set-code.

Each returns the raw bytes for eth_sendRawTransaction. The key is that of a test node's first account, which
everybody knows.
"""

from __future__ import annotations

import hashlib

import rlp
from eth_hash.auto import keccak
from eth_keys.datatypes import PrivateKey

from chains.devnode import DevNode
from chains.types import Address

# From the mnemonic that Anvil and Hardhat print when they start.
FIRST_KEY = PrivateKey(bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"))
SECOND_KEY = PrivateKey(bytes.fromhex("59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"))

# Commitment and proof of a blob of zeros are the point at infinity, so no trusted setup is needed.
_INFINITY = b"\xc0" + bytes(47)
_BLOB = bytes(131_072)
BLOB_HASH = b"\x01" + hashlib.sha256(_INFINITY).digest()[1:]


def blob_transaction(node: DevNode, *, nonce: int, to: Address, value: int) -> bytes:
    """Type 3 with one blob of zeros, in the form that is sent over the network (EIP-4844)."""
    fields = [*_head(node, nonce=nonce, to=to, value=value), [], 10**9, [BLOB_HASH]]
    sent: bytes = rlp.encode([_signed(3, fields), [_BLOB], [_INFINITY], [_INFINITY]])
    return b"\x03" + sent


def set_code_transaction(node: DevNode, *, nonce: int, to: Address, delegate: Address) -> bytes:
    """Type 4, in which the second account lets `delegate` run as its own code (EIP-7702)."""
    tuple_ = [node.chain_id, bytes(delegate), 0]
    signature = SECOND_KEY.sign_msg_hash(keccak(b"\x05" + rlp.encode(tuple_)))
    authorization = [*tuple_, signature.v, signature.r, signature.s]
    fields = [*_head(node, nonce=nonce, to=to, value=0), [], [authorization]]
    sent: bytes = rlp.encode(_signed(4, fields))
    return b"\x04" + sent


def _head(node: DevNode, *, nonce: int, to: Address, value: int) -> list[object]:
    return [node.chain_id, nonce, 10**9, 10**11, 200_000, bytes(to), value, b""]


def _signed(kind: int, fields: list[object]) -> list[object]:
    signature = FIRST_KEY.sign_msg_hash(keccak(bytes([kind]) + rlp.encode(fields)))
    return [*fields, signature.v, signature.r, signature.s]
