"""Recording a debt: every rule that the terms must keep, with a pointer to what breaks it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo, available_timezones

from sqlalchemy.engine import Connection

from app.audit.log import append
from app.clock import to_rfc3339
from app.debts import store
from app.debts.parties import Actor
from app.debts.terms import (
    AGREED_MIN,
    DUE_MAX,
    GRACE_DAYS_MAX,
    Debt,
    Installment,
    end_of_day,
    first_second,
)
from app.errors import Conflict, Fault, InvalidInput
from app.ids import new_id
from app.ingest.store.assets import find_asset
from app.ingest.store.watches import watch_accounts
from app.money import AmountError, Asset, format_units, parse_units
from chains.types import AssetId

INSTALLMENTS_MAX = 1000
# Names that mean something else on another machine, where the other side will check.
_MACHINE_ZONES = {"localtime", "posixrules", "Factory"}
ALLOCATION_RULES = ("due-date-order",)


class ReferenceTaken(Conflict):
    """The tenant has recorded a debt under this reference already."""

    def __init__(self, reference: str) -> None:
        super().__init__(f"A debt with the reference {reference!r} is recorded already.")
        self.reference = reference


@dataclass(frozen=True, slots=True, kw_only=True)
class NewInstallment:
    """Exactly one of `due_at` (an instant) and `due_on` (a day in the debt's zone, whole)."""

    amount: str
    due_at: datetime | None = None
    due_on: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDebt:
    """A debt as handed in. Amounts are decimal strings in the asset's unit."""

    reference: str
    creditor_id: str
    debtor_id: str
    kind: str
    asset: AssetId
    principal: str
    agreed_at: datetime
    time_zone: str
    installments: tuple[NewInstallment, ...]
    grace_days: int = 0
    disbursements: tuple[str, ...] = ()
    accepted_assets: tuple[AssetId, ...] = ()
    allocation_rule: str | None = None
    tolerance: str = "0"
    governing_law: str | None = None
    consumer: bool = False


def record_debt(connection: Connection, *, actor: Actor, new: NewDebt, now: datetime) -> Debt:
    """Store the debt, watch both parties' accounts from its date on, and log it. One transaction.

    Raises InvalidInput with pointers, or ReferenceTaken; nothing is stored then.
    """
    faults = list(_party_faults(connection, actor=actor, new=new))
    assets = _assets(connection, new, faults)
    zone = _zone(new, faults)
    _rule_faults(new, faults, now=now)
    if assets is None or zone is None or faults:
        raise InvalidInput(faults)
    debt = _terms(new, assets=assets, zone=zone, now=now)
    added = store.add_debt(
        connection,
        tenant_id=actor.tenant_id,
        value=debt,
        allocation_rule=new.allocation_rule,
        governing_law=new.governing_law,
        consumer=new.consumer,
    )
    if not added:
        raise ReferenceTaken(new.reference)
    _watch_parties(connection, actor=actor, debt=debt, now=now)
    append(
        connection,
        tenant_id=actor.tenant_id,
        actor=actor.name,
        type_="debt.recorded",
        object_id=debt.id,
        payload=_payload(new),
        now=now,
    )
    return debt


def _party_faults(connection: Connection, *, actor: Actor, new: NewDebt) -> Iterator[Fault]:
    for pointer, party_id in (("/creditor_id", new.creditor_id), ("/debtor_id", new.debtor_id)):
        if store.find_party(connection, tenant_id=actor.tenant_id, party_id=party_id) is None:
            yield Fault(pointer=pointer, detail=f"There is no party {party_id}.")
    if new.creditor_id == new.debtor_id:
        yield Fault(pointer="/debtor_id", detail="Nobody can owe himself.")


def _assets(connection: Connection, new: NewDebt, faults: list[Fault]) -> tuple[Asset, ...] | None:
    named = [("/asset", new.asset)]
    named += [(f"/accepted_assets/{index}", each) for index, each in enumerate(new.accepted_assets)]
    found = []
    for pointer, asset_id in named:
        registered = find_asset(connection, asset_id)
        if asset_id.contract is None:
            faults.append(Fault(pointer=pointer, detail="Debts in the native coin are not supported yet."))
        elif registered is None:
            detail = f"The asset {asset_id} is not registered; POST /v1/assets first."
            faults.append(Fault(pointer=pointer, detail=detail))
        else:
            found.append(registered.asset)
    if len({each.id for each in found}) < len(found):
        faults.append(Fault(pointer="/accepted_assets", detail="An asset is named twice."))
    return tuple(found) if len(found) == len(named) else None


def _zone(new: NewDebt, faults: list[Fault]) -> ZoneInfo | None:
    if new.time_zone not in available_timezones() - _MACHINE_ZONES:
        detail = "Not an IANA time zone such as Asia/Shanghai or Europe/Berlin."
        faults.append(Fault(pointer="/time_zone", detail=detail))
        return None
    return ZoneInfo(new.time_zone)


def _rule_faults(new: NewDebt, faults: list[Fault], *, now: datetime) -> None:
    if new.allocation_rule is not None and new.allocation_rule not in ALLOCATION_RULES:
        detail = f"Known rules: {', '.join(ALLOCATION_RULES)}."
        faults.append(Fault(pointer="/allocation_rule", detail=detail))
    if not 0 <= new.grace_days <= GRACE_DAYS_MAX:
        faults.append(Fault(pointer="/grace_days", detail=f"0 to {GRACE_DAYS_MAX} days."))
    if not 1 <= len(new.installments) <= INSTALLMENTS_MAX:
        detail = f"A debt has 1 to {INSTALLMENTS_MAX} installments."
        faults.append(Fault(pointer="/installments", detail=detail))
    faults += _date_faults(new, now=now)


def _date_faults(new: NewDebt, *, now: datetime) -> Iterator[Fault]:
    if new.agreed_at < AGREED_MIN:
        yield Fault(pointer="/agreed_at", detail=f"Agreed before the year {AGREED_MIN.year}.")
    if new.agreed_at > now:
        yield Fault(pointer="/agreed_at", detail="The agreement lies in the future.")
    for index, each in enumerate(new.installments):
        if (each.due_at is None) == (each.due_on is None):
            yield Fault(pointer=f"/installments/{index}", detail="Give exactly one of due_at and due_on.")
        elif (each.due_at and each.due_at > DUE_MAX) or (each.due_on and each.due_on > DUE_MAX.date()):
            yield Fault(pointer=f"/installments/{index}", detail=f"Due later than the year {DUE_MAX.year}.")


def _terms(new: NewDebt, *, assets: tuple[Asset, ...], zone: ZoneInfo, now: datetime) -> Debt:
    faults: list[Fault] = []
    decimals = assets[0].decimals
    principal = _units(new.principal, decimals=decimals, pointer="/principal", faults=faults)
    tolerance = _units(new.tolerance, decimals=decimals, pointer="/tolerance", faults=faults)
    amounts = [
        _units(each.amount, decimals=decimals, pointer=f"/installments/{index}/amount", faults=faults)
        for index, each in enumerate(new.installments)
    ]
    if not faults:
        faults += _amount_faults(asset=assets[0], principal=principal, tolerance=tolerance, amounts=amounts)
    due = [_due_at(each, zone=zone) for each in new.installments]
    faults += [
        Fault(pointer=f"/installments/{index}", detail="Due before the debt was agreed.")
        for index, each in enumerate(due)
        if each < new.agreed_at
    ]
    if faults:
        raise InvalidInput(faults)
    in_order = sorted(range(len(due)), key=lambda index: (due[index], index))
    return Debt(
        id=new_id("deb", now=now),
        reference=new.reference,
        creditor_id=new.creditor_id,
        debtor_id=new.debtor_id,
        kind=new.kind,
        asset=assets[0],
        accepted_assets=tuple(sorted(assets[1:], key=lambda each: str(each.id))),
        principal_units=principal,
        agreed_at=new.agreed_at,
        time_zone=new.time_zone,
        installments=tuple(
            Installment(
                number=number,
                due_at=due[index],
                due_on=new.installments[index].due_on,
                amount_units=amounts[index],
            )
            for number, index in enumerate(in_order, start=1)
        ),
        grace_days=new.grace_days,
        tolerance_units=tolerance,
        disbursements=tuple(sorted(set(new.disbursements))),
        recorded_at=now,
    )


def _due_at(installment: NewInstallment, *, zone: ZoneInfo) -> datetime:
    if installment.due_on is not None:
        return end_of_day(installment.due_on, zone=zone)
    assert installment.due_at is not None  # noqa: S101 - _rule_faults has refused both and neither.
    return installment.due_at


def _units(text: str, *, decimals: int, pointer: str, faults: list[Fault]) -> int:
    try:
        return parse_units(text, decimals=decimals)
    except AmountError as error:
        faults.append(Fault(pointer=pointer, detail=error.detail))
        return 0


def _amount_faults(*, asset: Asset, principal: int, tolerance: int, amounts: list[int]) -> Iterator[Fault]:
    if principal == 0:
        yield Fault(pointer="/principal", detail="A debt of nothing is no debt.")
    for index, amount in enumerate(amounts):
        if amount == 0:
            yield Fault(pointer=f"/installments/{index}/amount", detail="An installment of nothing is none.")
    if sum(amounts) != principal:
        yield Fault(
            pointer="/installments",
            detail=f"The installments add up to {_written(sum(amounts), asset)}, "
            f"the principal is {_written(principal, asset)}.",
        )
    if tolerance > principal:
        yield Fault(pointer="/tolerance", detail="The tolerance exceeds the principal.")


def _written(units: int, asset: Asset) -> str:
    return f"{format_units(units, decimals=asset.decimals)} {asset.symbol}"


def _watch_parties(connection: Connection, *, actor: Actor, debt: Debt, now: datetime) -> None:
    parties = [debt.creditor_id, debt.debtor_id]
    bindings = store.bindings_of(connection, tenant_id=actor.tenant_id, party_ids=parties)
    watch_accounts(
        connection,
        accounts=[binding.account for binding in bindings],
        since_time=first_second(debt.agreed_at),
        now=now,
    )


def _payload(new: NewDebt) -> dict[str, object]:
    """What was handed in, as the audit log keeps it."""
    return {
        "reference": new.reference,
        "creditor_id": new.creditor_id,
        "debtor_id": new.debtor_id,
        "kind": new.kind,
        "asset": str(new.asset),
        "principal": new.principal,
        "agreed_at": to_rfc3339(new.agreed_at),
        "time_zone": new.time_zone,
        "installments": [
            {
                "amount": each.amount,
                "due_at": None if each.due_at is None else to_rfc3339(each.due_at),
                "due_on": None if each.due_on is None else each.due_on.isoformat(),
            }
            for each in new.installments
        ],
        "grace_days": new.grace_days,
        "disbursements": list(new.disbursements),
        "accepted_assets": [str(each) for each in new.accepted_assets],
        "allocation_rule": new.allocation_rule,
        "tolerance": new.tolerance,
        "governing_law": new.governing_law,
        "consumer": new.consumer,
    }
