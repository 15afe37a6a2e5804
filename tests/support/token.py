"""The test contracts, deployed and called: the plain token and the odd ones of contracts/src."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from chains.devnode import DevNode
from chains.types import Address, AssetId, Hash32

ARTIFACTS = Path(__file__).resolve().parents[2] / "contracts" / "artifacts"


def artifact(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ARTIFACTS / f"{name}.json").read_text("utf-8"))
    return found


def calldata(signature: str, *values: object) -> bytes:
    """`calldata("transfer(address,uint256)", to, 5)`: the selector and the ABI-encoded values."""
    types = [kind for kind in signature.partition("(")[2].removesuffix(")").split(",") if kind]
    return keccak(text=signature)[:4] + encode(types, values)


def deploy(
    node: DevNode, name: str, *, types: Sequence[str] = (), values: Sequence[object] = (), by: Address
) -> Address:
    """Deploy one of contracts/artifacts with its constructor's arguments."""
    code = bytes.fromhex(artifact(name)["bytecode"][2:])
    return node.deploy(sender=by, code=code + encode(types, values))


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A deployed token (or emitter) and the node it lives on. Every call is a transaction of its own.

    `at` is the time of the block that the transaction goes into; None leaves it to the node's clock, which
    may give two blocks the same second.
    """

    node: DevNode
    address: Address

    @property
    def asset(self) -> AssetId:
        return AssetId(self.node.chain, self.address)

    def mint(self, *, to: Address, units: int, at: int | None = None) -> Hash32:
        return self.send("mint(address,uint256)", to, units, by=self.node.accounts()[0], at=at)

    def transfer(self, *, sender: Address, to: Address, units: int, at: int | None = None) -> Hash32:
        return self.send("transfer(address,uint256)", to, units, by=sender, at=at)

    def approve(self, *, holder: Address, spender: Address, units: int, at: int | None = None) -> Hash32:
        return self.send("approve(address,uint256)", spender, units, by=holder, at=at)

    def transfer_from(
        self, *, holder: Address, to: Address, units: int, by: Address, at: int | None = None
    ) -> Hash32:
        """With units 0 anyone may do this to anyone: the zero-value spoof."""
        return self.send("transferFrom(address,address,uint256)", holder, to, units, by=by, at=at)

    def emit_transfer(self, *, sender: Address, to: Address, units: int, at: int | None = None) -> Hash32:
        """Only the odd tokens: an event, with or without anything moved."""
        by = self.node.accounts()[0]
        return self.send("emitTransfer(address,address,uint256)", sender, to, units, by=by, at=at)

    def balance_units(self, holder: Address) -> int:
        request = {"to": self.address, "data": calldata("balanceOf(address)", holder)}
        return int(self.node.call("eth_call", request, "latest"), 16)

    def send(self, signature: str, *values: object, by: Address, at: int | None = None) -> Hash32:
        if at is not None:
            self.node.set_next_block_time(at)
        return self.node.send_transaction(sender=by, to=self.address, data=calldata(signature, *values))


def deploy_token(
    node: DevNode,
    *,
    name: str = "Test Dollar",
    symbol: str = "TUSD",
    decimals: int = 6,
    contract: str = "TestToken",
) -> Token:
    """`contract` is TestToken or EventOnlyToken, which take the same arguments."""
    address = deploy(
        node,
        contract,
        types=("string", "string", "uint8"),
        values=(name, symbol, decimals),
        by=node.accounts()[0],
    )
    return Token(node=node, address=address)
