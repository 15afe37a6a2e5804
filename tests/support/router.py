"""One transaction that makes several calls in a row, as routers and dispersers do: hand-made creation code.

The calls are made by a contract that the transaction creates, so that its address is the station on the way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eth_utils.crypto import keccak

from chains.devnode import DevNode
from chains.types import Address, Hash32


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    to: Address
    data: bytes = b""
    value: int = 0


def next_contract(node: DevNode, sender: Address, *, after: int = 0) -> Address:
    """Where the next creation by this account will lie, after so many other transactions of it."""
    nonce = int(node.call("eth_getTransactionCount", sender, "latest"), 16) + after
    # RLP of [sender, nonce], as long as the nonce fits in its one byte.
    assert 0 < nonce < 128
    return Address(keccak(b"\xd6\x94" + sender + bytes([nonce]))[12:])


def route(node: DevNode, *, sender: Address, calls: Sequence[Call], value: int = 0) -> Hash32:
    """Send it. The contract that it creates has no code of its own in the end."""
    code = b"".join(_code(call) for call in calls) + b"\x00"
    return node.send_transaction(sender=sender, to=None, data=code, value=value)


def _code(call: Call) -> bytes:
    """The data into memory, word by word; then CALL, its arguments in the order of the stack."""
    stored = b"".join(
        b"\x7f" + call.data[at : at + 32].ljust(32, b"\0") + b"\x61" + at.to_bytes(2, "big") + b"\x52"
        for at in range(0, len(call.data), 32)
    )
    return stored + b"".join(
        (
            b"\x60\x00\x60\x00",
            b"\x61" + len(call.data).to_bytes(2, "big"),
            b"\x60\x00",
            b"\x7f" + call.value.to_bytes(32, "big"),
            b"\x73" + call.to,
            # A call that failed shows in what did not move.
            b"\x5a\xf1\x50",
        )
    )
