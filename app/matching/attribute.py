"""Attribution by account pair: which finalized transfers are payments of a debt, and which only may be.

Pure. The payer's address is evidence, never a key: whatever reached the creditor and is not attributed
stays on view as a candidate with its reasons, and ambiguity is never resolved by guessing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from app.clock import from_unix_seconds
from app.debts.terms import AccountBinding, Basis, Debt, DebtOutline
from app.matching.resemblance import resembles, same_symbol
from app.money import Asset, rescale_units
from chains.types import Address, AssetId, Transfer


class Reason(StrEnum):
    """Stable codes that say why a transfer is a candidate and not a payment."""

    UNKNOWN_PAYER = "unknown-payer"
    OTHER_ASSET = "other-asset"
    UNREGISTERED_ASSET = "unregistered-asset"
    OTHER_ACCOUNT = "other-account"
    AMBIGUOUS = "ambiguous"
    ZERO_VALUE = "zero-value"
    LOOK_ALIKE = "look-alike"
    FAKE_TOKEN = "fake-token"  # noqa: S105 - a reason code, not a secret.
    INTERNAL = "internal"


class TransferContradicted(ValueError):
    """Two transfers bear the same id and say different things, so that neither can be relied on."""

    def __init__(self, transfer_id: str) -> None:
        super().__init__(f"the transfer {transfer_id} is given twice, differently")
        self.transfer_id = transfer_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """A transfer attributed to the debt. `units` is its face value in the debt's asset.

    Where that has a fraction of a unit, it is carried to the next payment, so that the sum is exact.
    """

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
    for transfer in sorted(_distinct(transfers), key=lambda each: each.position):
        judged = _judge(records, transfer)
        if isinstance(judged, Payment):
            payments.append(judged)
        elif isinstance(judged, Candidate):
            candidates.append(judged)
        else:
            unrelated.append(transfer)
    return Attribution(
        payments=tuple(_carried(records.debt, payments)),
        candidates=tuple(candidates),
        unrelated=tuple(unrelated),
    )


def _distinct(transfers: Sequence[Transfer]) -> Collection[Transfer]:
    """Each event once, however often and in whatever way it was read."""
    distinct: dict[str, Transfer] = {}
    for transfer in transfers:
        # A block that was read as a whole names its parent; that is no other block.
        plain = replace(transfer, block=replace(transfer.block, parent_hash=None))
        if distinct.setdefault(transfer.id, plain) != plain:
            raise TransferContradicted(transfer.id)
    return distinct.values()


def _carried(debt: Debt, payments: Sequence[Payment]) -> Iterator[Payment]:
    """Rounded down in sum, not one by one: a debtor must not fall short by the fractions of many payments."""
    decimals = {asset.id: asset.decimals for asset in debt.assets}
    finest = max(decimals.values())
    received = given = 0
    for payment in payments:
        transfer = payment.transfer
        received += rescale_units(
            transfer.amount_units, decimals=decimals[transfer.asset], to_decimals=finest, up=False
        )
        sum_units = rescale_units(received, decimals=finest, to_decimals=debt.asset.decimals, up=False)
        yield replace(payment, units=sum_units - given)
        given = sum_units


def _judge(records: Records, transfer: Transfer) -> Payment | Candidate | None:
    when = from_unix_seconds(transfer.block.time)
    debt = records.debt
    creditor = _searched(records, transfer, party_id=debt.creditor_id, when=when)
    debtor = _searched(records, transfer, party_id=debt.debtor_id, when=when)
    if transfer.recipient not in creditor:
        return _misdirected(records, transfer, creditor=creditor, debtor=debtor)
    sender = _searching(records, transfer.sender, party_id=debt.creditor_id, transfer=transfer, when=when)
    is_own = sender is not None and transfer.sender not in debtor
    if is_own or transfer.sender == transfer.recipient:
        return Candidate(transfer=transfer, reasons=(Reason.INTERNAL,), counted_units=0)
    asset = next((each for each in debt.assets if each.id == transfer.asset), None)
    if asset is None:
        return _other_asset(records, transfer)
    reasons: list[Reason] = []
    if resembles(transfer.sender, creditor | debtor):
        reasons.append(Reason.LOOK_ALIKE)
    if transfer.amount_units == 0:
        return Candidate(transfer=transfer, reasons=(Reason.ZERO_VALUE, *reasons), counted_units=0)
    # An account on record for both sides tells nobody's payment from a move between one's own.
    is_contested = sender is not None or transfer.recipient in debtor
    return _inflow(records, transfer, asset=asset, when=when, reasons=reasons, is_contested=is_contested)


def _inflow(
    records: Records,
    transfer: Transfer,
    *,
    asset: Asset,
    when: datetime,
    reasons: Sequence[Reason],
    is_contested: bool,
) -> Payment | Candidate:
    debt = records.debt
    payer = _attributing(records, transfer.sender, party_id=debt.debtor_id, transfer=transfer, when=when)
    payee = _searching(records, transfer.recipient, party_id=debt.creditor_id, transfer=transfer, when=when)
    is_ambiguous = is_contested or any(
        _fits(outline, transfer=transfer, when=when) for outline in records.other_debts
    )
    if payer is not None and payee is not None and not is_ambiguous:
        units = _face_units(transfer, asset=asset, debt=debt, up=False)
        return Payment(transfer=transfer, units=units, bases=(payer.basis, payee.basis))
    unknown = [Reason.UNKNOWN_PAYER] if payer is None else []
    unknown += [Reason.OTHER_ACCOUNT] if payee is None else []
    counted = _face_units(transfer, asset=asset, debt=debt, up=True)
    return Candidate(
        transfer=transfer, reasons=(*(unknown or [Reason.AMBIGUOUS]), *reasons), counted_units=counted
    )


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
    """The debtor paid an address that resembles the creditor's, or was his at another time.

    No inflow to the creditor as far as the records go, but it must be seen.
    """
    debt = records.debt
    asset = next((each for each in debt.assets if each.id == transfer.asset), None)
    if asset is None or transfer.amount_units == 0:
        return None
    if transfer.sender not in debtor or transfer.recipient in debtor:
        return None
    if _bound(records, transfer.recipient, party_id=debt.creditor_id, transfer=transfer):
        counted = _face_units(transfer, asset=asset, debt=debt, up=True)
        return Candidate(transfer=transfer, reasons=(Reason.OTHER_ACCOUNT,), counted_units=counted)
    if resembles(transfer.recipient, creditor):
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
