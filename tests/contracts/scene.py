"""The parties of a deal on a stage, and how a refusal is looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from eth_utils.crypto import keccak

from chains.errors import RpcError
from chains.evm import contract
from chains.evm.contract import Receipt, Reverted
from chains.types import Address
from tools.contracts.deal import DAY_SECONDS, NOBODY, UNLIMITED, Deal, Stage, Terms, artifact

UNIT = 1_000_000_000
COIN = 10**18
TERMS_HASH = bytes.fromhex("5d") * 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A stage, who plays on it, and a token of which the payer and the stranger have enough."""

    stage: Stage
    token: Address
    payer: Address
    payee: Address
    arbiter: Address
    stranger: Address
    other: Address

    def terms(self, *, installments: int = 1, units: int = UNIT, token: Address | None = None) -> Terms:
        """The first is due thirty days from now, every other thirty days after the one before it."""
        now = self.stage.node.block().time
        return Terms(
            payer=self.payer,
            payee=self.payee,
            arbiter=self.arbiter,
            token=self.token if token is None else token,
            terms_hash=TERMS_HASH,
            installments=tuple((units, now + 30 * DAY_SECONDS * (n + 1)) for n in range(installments)),
        )

    def open(self, terms: Terms) -> Deal:
        """Opened by a stranger with both signatures; the payer allows the deal to take his tokens."""
        deal, _ = self.stage.open(terms, by=self.stranger, signers=[self.payer, self.payee])
        if terms.token != NOBODY:
            self.stage.send("TestToken", terms.token, "approve", deal.address, UNLIMITED, by=self.payer)
        return deal

    def units(self, who: Address) -> int:
        return int(self.stage.read("TestToken", self.token, "balanceOf", who))

    def wei(self, who: Address) -> int:
        return int(self.stage.node.call("eth_getBalance", who, "latest"), 16)

    def time_of(self, receipt: Receipt) -> int:
        return self.stage.node.block(receipt.block_number).time

    def check_empty(self, deal: Deal) -> None:
        """Nothing is owed and nothing is left."""
        assert deal.read("liabilities") == 0
        assert (self.units(deal.address), self.wei(deal.address)) == (0, 0)


def refused(deal: Deal, error: str, function: str, *args: Any, by: Address, at: int | None = None) -> None:
    """The call is mined and reverts, in a block of the given time, with this error of the ABI."""
    with pytest.raises(Reverted) as caught:
        deal.send(function, *args, by=by, at=at)
    (known,) = (it for it in artifact("DebtEscrow").abi if it["type"] == "error" and it["name"] == error)
    kinds = ",".join(entry["type"] for entry in known["inputs"])
    selector = keccak(text=f"{error}({kinds})")[:4].hex()
    data = contract.encode_call(artifact=artifact("DebtEscrow"), name=function, args=args)
    request = {"from": by, "to": deal.address, "data": data}
    # Nothing but this call is in that block, and it changed nothing: asked after it, it answers the same.
    with pytest.raises(RpcError, match=f"custom error 0x{selector}"):
        deal.stage.node.call("eth_call", request, hex(caught.value.receipt.block_number))
