"""Tiny contracts that move the native coin in every way the EVM has, written as bytes.

No compiler: each is a few opcodes, and what it does is in its name.
"""

from __future__ import annotations

from dataclasses import dataclass

from chains.devnode import DevNode
from chains.types import Address, Hash32

# Calls the account in its first word with the value it was sent; the rest of its calldata go along.
_COPY_REST = "60203603 80 6020 5f 37"
_CALL = "5f 5f 82 5f 34 5f35 5a f1 50"
RELAY = bytes.fromhex(_COPY_REST + _CALL + "00")
# The same, and then undoes it: whoever called it goes on as if it had gone well.
UNDO = bytes.fromhex(_COPY_REST + _CALL + "5f5ffd")
# Runs another contract's code as its own.
DELEGATE = bytes.fromhex(_COPY_REST + "5f 5f 82 5f 5f35 5a f4 50 00")
# Asks the identity contract at address 4, which is a part of the client, and then calls as RELAY does.
ASK_AND_RELAY = bytes.fromhex("5f5f5f5f60045afa50" + _COPY_REST + _CALL + "00")
# Creates a contract from its calldata, and gives it the value.
CREATE = bytes.fromhex("36 5f 5f 37 36 5f 34 f0 50 00")
REFUSE = bytes.fromhex("5f5ffd")
# Emits a log with the topics and data of its calldata: a count word, that many topics, the rest as data.
_TOPICS = {0: "a0", 1: "a1", 2: "a2", 3: "a3", 4: "a4"}


def emitter(topics: int) -> bytes:
    """Code that logs its calldata: the first words as topics, what follows as data."""
    loads = "".join(f"60{32 * at:02x}35" for at in reversed(range(topics)))
    at = f"60{32 * topics:02x}"
    return bytes.fromhex(f"{at}3603 80 {at}5f37 {loads} 60{topics * 32:02x}3603 5f {_TOPICS[topics]} 00")


def word(value: Address | int | bytes) -> bytes:
    if isinstance(value, int):
        return value.to_bytes(32, "big")
    return bytes(32 - len(value)) + value


def self_destruct_code(heir: Address) -> bytes:
    """Creation code that gives what it has to the heir, and leaves nothing behind."""
    return b"\x73" + heir + b"\xff"


def put(node: DevNode, code: bytes, *, by: Address) -> Address:
    """Deploy this run-time code."""
    size = f"61{len(code):04x}"
    return node.deploy(sender=by, code=bytes.fromhex(f"{size}600c5f39{size}5ff3") + code)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """All of them, deployed on one chain."""

    node: DevNode
    relay: Address
    undo: Address
    delegate: Address
    asking: Address
    factory: Address
    refusing: Address

    def through(self, *contracts: Address, sender: Address, to: Address, wei: int) -> Hash32:
        """Send coins through these contracts, the first of them called by the transaction, on to `to`."""
        first, *others = contracts
        data = b"".join(word(each) for each in (*others, to))
        return self._send(sender=sender, to=first, data=data, wei=wei)

    def self_destruct(self, *, sender: Address, to: Address, wei: int) -> Hash32:
        """A contract that a contract creates, which dies at once and leaves its coins to `to`."""
        return self._send(sender=sender, to=self.factory, data=self_destruct_code(to), wei=wei)

    def _send(self, *, sender: Address, to: Address, data: bytes, wei: int) -> Hash32:
        """With gas to spare: an estimate is too low where the outer call swallows the inner one's failure."""
        request = {"from": sender, "to": to, "data": data, "value": wei, "gas": 500_000}
        sent = Hash32.parse(self.node.call("eth_sendTransaction", request))
        if self.node.call("anvil_getAutomine") is True:
            assert self.node.receipt(sent)["status"] == "0x1"
        return sent


def build(node: DevNode, *, by: Address) -> Machine:
    relay, undo, delegate, asking, factory, refusing = (
        put(node, code, by=by) for code in (RELAY, UNDO, DELEGATE, ASK_AND_RELAY, CREATE, REFUSE)
    )
    return Machine(
        node=node,
        relay=relay,
        undo=undo,
        delegate=delegate,
        asking=asking,
        factory=factory,
        refusing=refusing,
    )
