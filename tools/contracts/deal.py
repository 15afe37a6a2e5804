"""A deal on a test node: its terms, the signatures of its parties, its transactions and what they leave.

For the gas table and for the tests that play whole deals. No key is here: the node signs for its accounts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chains.devnode import DevNode
from chains.evm import contract
from chains.evm.checksum import checksummed
from chains.evm.contract import Artifact, Receipt
from chains.rpc import RpcClient
from chains.types import Address, Hash32

ARTIFACTS = Path(__file__).resolve().parents[2] / "contracts" / "artifacts"
NOBODY = Address(bytes(20))  # As an arbiter: none. As a token: the chain's own coin.
DAY_SECONDS = 86_400
UNLIMITED = 2**256 - 1
TOKEN_NAMES = ("Test Dollar", "TUSD", 6)

_TERMS_FIELDS = (
    ("payer", "address"),
    ("payee", "address"),
    ("arbiter", "address"),
    ("token", "address"),
    ("termsHash", "bytes32"),
    ("salt", "uint64"),
    ("reviewSeconds", "uint32"),
    ("arbiterSeconds", "uint32"),
    ("latePeriodSeconds", "uint32"),
    ("lateFeeBps", "uint16"),
    ("lateFeeCapBps", "uint16"),
    ("arbiterFeeBps", "uint16"),
    ("silentPayeeBps", "uint16"),
    ("installments", "Installment[]"),
)
_INSTALLMENT_FIELDS = (("amount", "uint120"), ("dueAt", "uint40"))
_SETTLEMENT_FIELDS = (("documentHash", "bytes32"), ("validUntil", "uint256"), ("parts", "Part[]"))
_PART_FIELDS = (("index", "uint256"), ("toPayee", "uint256"), ("toPayer", "uint256"))
_PERMIT_FIELDS = (
    ("owner", "address"),
    ("spender", "address"),
    ("value", "uint256"),
    ("nonce", "uint256"),
    ("deadline", "uint256"),
)
_DOMAIN_FIELDS = (
    ("name", "string"),
    ("version", "string"),
    ("chainId", "uint256"),
    ("verifyingContract", "address"),
)


def artifact(name: str) -> Artifact:
    return Artifact.load(ARTIFACTS / f"{name}.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What both parties agree to; the fields are those of contracts/src/escrow/Terms.sol, in its order."""

    payer: Address
    payee: Address
    arbiter: Address
    token: Address
    terms_hash: bytes
    salt: int = 1
    review_seconds: int = 7 * DAY_SECONDS
    arbiter_seconds: int = 30 * DAY_SECONDS
    late_period_seconds: int = 30 * DAY_SECONDS
    late_fee_bps: int = 100
    late_fee_cap_bps: int = 500
    arbiter_fee_bps: int = 200
    silent_payee_bps: int = 5_000
    # Units of the token and the last second in time, for each installment.
    installments: tuple[tuple[int, int], ...]

    def values(self) -> tuple[Any, ...]:
        return (
            *(checksummed(who) for who in (self.payer, self.payee, self.arbiter, self.token)),
            self.terms_hash,
            self.salt,
            self.review_seconds,
            self.arbiter_seconds,
            self.late_period_seconds,
            self.late_fee_bps,
            self.late_fee_cap_bps,
            self.arbiter_fee_bps,
            self.silent_payee_bps,
            self.installments,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What a contract says of itself in a log, by the names of its ABI."""

    name: str
    args: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A node, our client on it, and a factory deployed there."""

    node: DevNode
    rpc: RpcClient
    factory: Address

    @classmethod
    def build(cls, node: DevNode, rpc: RpcClient) -> Stage:
        return cls(node=node, rpc=rpc, factory=_deployed(rpc, "DebtEscrowFactory", by=node.accounts()[9]))

    def token(self, *, holders: Sequence[Address], units: int, name: str = "TestToken") -> Address:
        """A token, of which each holder has so many units."""
        minter = self.node.accounts()[9]
        made = _deployed(self.rpc, name, *TOKEN_NAMES, by=minter)
        for holder in holders:
            self.send(name, made, "mint", holder, units, by=minter)
        return made

    def open(self, terms: Terms, *, by: Address, signers: Sequence[Address]) -> tuple[Deal, Receipt]:
        """Open the deal with the signatures of those parties who sign; the sender needs none."""
        signatures = [
            self.sign(self._typed(terms), by=party) if party in signers else b""
            for party in (terms.payer, terms.payee)
        ]
        predicted = self.predict(terms)
        receipt = self.send("DebtEscrowFactory", self.factory, "open", terms.values(), *signatures, by=by)
        return Deal(stage=self, address=predicted, terms=terms), receipt

    def predict(self, terms: Terms) -> Address:
        """Where the deal will be, or is."""
        return Address.parse(self.read("DebtEscrowFactory", self.factory, "predict", terms.values()).lower())

    def sign(self, typed: dict[str, Any], *, by: Address) -> bytes:
        """An account's EIP-712 signature, which the node makes as a wallet would."""
        return bytes.fromhex(self.node.call("eth_signTypedData_v4", by, typed)[2:])

    def send(
        self, name: str, to: Address, function: str, *args: Any, by: Address, value_wei: int = 0
    ) -> Receipt:
        return contract.transact(
            self.rpc,
            artifact=artifact(name),
            contract=to,
            name=function,
            args=args,
            sender=by,
            value_wei=value_wei,
        )

    def read(self, name: str, of: Address, function: str, *args: Any) -> Any:
        return contract.read(self.rpc, artifact=artifact(name), contract=of, name=function, args=args)

    def events(self, name: str, tx_hash: Hash32) -> list[Event]:
        """The events of a transaction that a contract's ABI knows, in their order."""
        from web3.logs import DISCARD  # noqa: PLC0415 - web3 takes two seconds to import.

        eth = contract.web3_over(self.rpc).eth
        receipt = eth.get_transaction_receipt(bytes(tx_hash))  # type: ignore[arg-type]
        abi = artifact(name).abi
        known = eth.contract(abi=abi).events
        names = [entry["name"] for entry in abi if entry["type"] == "event"]
        found = [log for name in names for log in known[name]().process_receipt(receipt, errors=DISCARD)]
        found.sort(key=lambda entry: entry["logIndex"])
        return [Event(name=entry["event"], args=dict(entry["args"])) for entry in found]

    def typed(
        self,
        *,
        domain: str,
        contract_address: Address,
        types: dict[str, Sequence[tuple[str, str]]],
        primary: str,
        message: dict[str, Any],
    ) -> dict[str, Any]:
        """EIP-712 typed data, as a wallet is handed them."""
        named = {"EIP712Domain": _DOMAIN_FIELDS, **types}
        return {
            "types": {
                name: [{"name": field, "type": kind} for field, kind in fields]
                for name, fields in named.items()
            },
            "primaryType": primary,
            "domain": {
                "name": domain,
                "version": "1",
                "chainId": self.node.chain_id,
                "verifyingContract": contract_address,
            },
            "message": message,
        }

    def _typed(self, terms: Terms) -> dict[str, Any]:
        message = dict(zip((name for name, _ in _TERMS_FIELDS), terms.values(), strict=True))
        message["installments"] = [{"amount": units, "dueAt": due} for units, due in terms.installments]
        return self.typed(
            domain="DebtEscrowFactory",
            contract_address=self.factory,
            types={"Terms": _TERMS_FIELDS, "Installment": _INSTALLMENT_FIELDS},
            primary="Terms",
            message=message,
        )


def _deployed(rpc: RpcClient, name: str, *args: Any, by: Address) -> Address:
    made = contract.deploy(rpc, artifact=artifact(name), args=args, sender=by).contract
    if made is None:
        msg = f"the node names no address for {name}"
        raise contract.BadArtifact(msg)
    return made


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What both parties sign to close installments: of each its index, units to payee and payer."""

    document_hash: bytes
    valid_until: int
    parts: tuple[tuple[int, int, int], ...]

    def values(self) -> tuple[Any, ...]:
        return (self.document_hash, self.valid_until, self.parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deal:
    """One deal on a stage."""

    stage: Stage
    address: Address
    terms: Terms

    def send(
        self, function: str, *args: Any, by: Address, at: int | None = None, value_wei: int = 0
    ) -> Receipt:
        """A transaction to the deal, in a block of the given time."""
        if at is not None:
            self.stage.node.set_next_block_time(at)
        return self.stage.send("DebtEscrow", self.address, function, *args, by=by, value_wei=value_wei)

    def read(self, function: str, *args: Any) -> Any:
        return self.stage.read("DebtEscrow", self.address, function, *args)

    def events(self, receipt: Receipt) -> list[Event]:
        return self.stage.events("DebtEscrow", receipt.tx_hash)

    def sign_settlement(self, settlement: Settlement, *, by: Address) -> bytes:
        parts = [
            dict(zip((name for name, _ in _PART_FIELDS), part, strict=True)) for part in settlement.parts
        ]
        typed = self.stage.typed(
            domain="DebtEscrow",
            contract_address=self.address,
            types={"Settlement": _SETTLEMENT_FIELDS, "Part": _PART_FIELDS},
            primary="Settlement",
            message={
                "documentHash": settlement.document_hash,
                "validUntil": settlement.valid_until,
                "parts": parts,
            },
        )
        return self.stage.sign(typed, by=by)

    def sign_permit(self, *, holder: Address, units: int, deadline: int) -> tuple[int, bytes, bytes]:
        """A holder's first EIP-2612 permit for the deal in a PermitToken: v, r and s."""
        typed = self.stage.typed(
            domain=TOKEN_NAMES[0],
            contract_address=self.terms.token,
            types={"Permit": _PERMIT_FIELDS},
            primary="Permit",
            message={
                "owner": holder,
                "spender": self.address,
                "value": units,
                "nonce": 0,
                "deadline": deadline,
            },
        )
        signature = self.stage.sign(typed, by=holder)
        return signature[64], signature[:32], signature[32:64]
