"""Attribution by account pair: which finalized transfers are payments of a debt, and which only may be.

Pure. The payer's address is evidence, never a key: whatever reached the creditor and is not attributed
stays on view as a candidate with its reasons, and ambiguity is never resolved by guessing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from app.debts.terms import AccountBinding, Basis, Debt, DebtOutline
from app.matching.resemblance import resembles, same_symbol
from app.money import Asset, rescale_units
from chains.types import Address, AssetId, Transfer


class Reason(StrEnum):
    """Stable codes that say why a transfer is a candidate and not a payment."""

    UNKNOWN_PAYER = "unknown-payer"
    OTHER_ASSET = "other-asset"
    UNREGISTERED_ASSET = "unregistered-asset"
    AMBIGUOUS = "ambiguous"
    ZERO_VALUE = "zero-value"
    LOOK_ALIKE = "look-alike"
    FAKE_TOKEN = "fake-token"  # noqa: S105 - a reason code, not a secret.
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """A transfer attributed to the debt. `units` is its face value in the debt's asset."""

    transfer: Transfer
    units: int
    bases: tuple[Basis, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A transfer that may be a payment but is not attributed.

    `counted_units` is what it could cover at face value, in the debt's asset. `value_not_agreed` marks
    another registered asset, whose value nobody agreed: while it is open, everything may be covered.
    """

    transfer: Transfer
    reasons: tuple[Reason, ...]
    counted_units: int
    value_not_agreed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    payments: tuple[Payment, ...]
    candidates: tuple[Candidate, ...]
    unrelated: tuple[Transfer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """What the parties recorded and the chain's contracts answered, as far as attribution needs it."""

    debt: Debt
    bindings: Sequence[AccountBinding]
    other_debts: Sequence[DebtOutline]
    registered: Mapping[AssetId, Asset]
    symbols: Mapping[AssetId, str]

    def bindings_of(self, party_id: str) -> list[AccountBinding]:
        return [binding for binding in self.bindings if binding.party_id == party_id]


def attribute(*, records: Records, transfers: Sequence[Transfer]) -> Attribution:
    """Judge each transfer of the window; the order of `transfers` does not matter."""
    payments: list[Payment] = []
    candidates: list[Candidate] = []
    unrelated: list[Transfer] = []
    for transfer in sorted(set(transfers), key=lambda each: each.position):
        match _judge(records, transfer):
            case Payment() as payment:
                payments.append(payment)
            case Candidate() as candidate:
                candidates.append(candidate)
            case None:
                unrelated.append(transfer)
    return Attribution(payments=tuple(payments), candidates=tuple(candidates), unrelated=tuple(unrelated))


def _judge(records: Records, transfer: Transfer) -> Payment | Candidate | None:
    when = datetime.fromtimestamp(transfer.block.time, tz=UTC)
    debt = records.debt
    creditor = _searched(records, transfer, party_id=debt.creditor_id, when=when)
    debtor = _searched(records, transfer, party_id=debt.debtor_id, when=when)
    if transfer.recipient not in creditor:
        return _misdirected(records, transfer, creditor=creditor, debtor=debtor)
    if transfer.sender in creditor:
        return Candidate(transfer=transfer, reasons=(Reason.INTERNAL,), counted_units=0)
    asset = next((each for each in debt.assets if each.id == transfer.asset), None)
    if asset is None:
        return _other_asset(records, transfer)
    return _inflow(records, transfer, asset=asset, when=when, known=creditor | debtor)


def _inflow(
    records: Records, transfer: Transfer, *, asset: Asset, when: datetime, known: Collection[Address]
) -> Payment | Candidate:
    debt = records.debt
    look_alike = (Reason.LOOK_ALIKE,) if resembles(transfer.sender, known) else ()
    if transfer.amount_units == 0:
        return Candidate(transfer=transfer, reasons=(Reason.ZERO_VALUE, *look_alike), counted_units=0)
    counted = _face_units(transfer, asset=asset, debt=debt, up=True)
    payer = _attributing(records, transfer.sender, party_id=debt.debtor_id, transfer=transfer, when=when)
    payee = _searching(records, transfer.recipient, party_id=debt.creditor_id, transfer=transfer, when=when)
    if payer is None or payee is None:
        return Candidate(
            transfer=transfer, reasons=(Reason.UNKNOWN_PAYER, *look_alike), counted_units=counted
        )
    if any(_fits(outline, transfer=transfer, when=when) for outline in records.other_debts):
        return Candidate(transfer=transfer, reasons=(Reason.AMBIGUOUS,), counted_units=counted)
    units = _face_units(transfer, asset=asset, debt=debt, up=False)
    return Payment(transfer=transfer, units=units, bases=(payer.basis, payee.basis))


def _other_asset(records: Records, transfer: Transfer) -> Candidate:
    zero = (Reason.ZERO_VALUE,) if transfer.amount_units == 0 else ()
    if transfer.asset in records.registered:
        return Candidate(
            transfer=transfer,
            reasons=(Reason.OTHER_ASSET, *zero),
            counted_units=0,
            value_not_agreed=not zero,
        )
    symbol = records.symbols.get(transfer.asset, "")
    copied = any(same_symbol(symbol, asset.symbol) for asset in records.debt.assets)
    reason = Reason.FAKE_TOKEN if copied else Reason.UNREGISTERED_ASSET
    return Candidate(transfer=transfer, reasons=(reason, *zero), counted_units=0)


def _misdirected(
    records: Records, transfer: Transfer, *, creditor: Collection[Address], debtor: Collection[Address]
) -> Candidate | None:
    """The debtor paid an address that resembles the creditor's: no inflow, but it must be seen."""
    owed = any(asset.id == transfer.asset for asset in records.debt.assets)
    paid = owed and transfer.amount_units > 0 and transfer.sender in debtor
    if paid and resembles(transfer.recipient, creditor):
        return Candidate(transfer=transfer, reasons=(Reason.LOOK_ALIKE,), counted_units=0)
    return None


def _face_units(transfer: Transfer, *, asset: Asset, debt: Debt, up: bool) -> int:
    return rescale_units(
        transfer.amount_units, decimals=asset.decimals, to_decimals=debt.asset.decimals, up=up
    )


def _fits(outline: DebtOutline, *, transfer: Transfer, when: datetime) -> bool:
    return str(transfer.asset) in outline.asset_ids and outline.agreed_at <= when


def _searched(records: Records, transfer: Transfer, *, party_id: str, when: datetime) -> set[Address]:
    return {
        binding.account.address
        for binding in records.bindings_of(party_id)
        if binding.account.chain == transfer.chain and binding.searched_at(when)
    }


def _bound(records: Records, address: Address, *, party_id: str, transfer: Transfer) -> list[AccountBinding]:
    """The party's bindings of this address on the transfer's chain, strongest basis first."""
    order = list(Basis)
    found = [
        binding
        for binding in records.bindings_of(party_id)
        if binding.account.chain == transfer.chain and binding.account.address == address
    ]
    return sorted(found, key=lambda binding: order.index(binding.basis))


def _attributing(
    records: Records, address: Address, *, party_id: str, transfer: Transfer, when: datetime
) -> AccountBinding | None:
    agreed_at = records.debt.agreed_at
    for binding in _bound(records, address, party_id=party_id, transfer=transfer):
        if binding.attributes_at(when, agreed_at=agreed_at):
            return binding
    return None


def _searching(
    records: Records, address: Address, *, party_id: str, transfer: Transfer, when: datetime
) -> AccountBinding | None:
    """The creditor's own word on his own account is enough; a mere inference is not."""
    for binding in _bound(records, address, party_id=party_id, transfer=transfer):
        if binding.basis is not Basis.INFERENCE and binding.searched_at(when):
            return binding
    return None
