"""What is owed, by whom, in what: the values that matching and assessment judge (pure).

Standard library, `chains.types` and `app.money` only; the offline verifier uses it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from app.money import Asset
from chains.types import AccountId

GRACE_DAYS_MAX = 3650
# Room for the grace days and any zone's offset between the first and the last date that there are.
AGREED_MIN = datetime(1900, 1, 1, tzinfo=UTC)
DUE_MAX = datetime(9900, 1, 1, tzinfo=UTC)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Basis(StrEnum):
    """How an account was tied to a person, strongest first."""

    CONTRACT = "contract"
    SIGNATURE = "signature"
    ADMISSION = "admission"
    CLAIMED = "claimed"
    INFERENCE = "inference"


def weakest(bases: set[Basis]) -> Basis | None:
    order = list(Basis)
    return max(bases, key=order.index, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountBinding:
    """A party's account, as somebody declared it, and for which time."""

    party_id: str
    account: AccountId
    basis: Basis
    valid_from: datetime | None
    valid_until: datetime | None
    recorded_at: datetime

    def searched_at(self, when: datetime) -> bool:
        """For searching, a missing bound is open: a payment must not be overlooked."""
        return (self.valid_from is None or self.valid_from <= when) and (
            self.valid_until is None or when <= self.valid_until
        )

    def is_needless_beside(self, other: AccountBinding) -> bool:
        """Whether another binding of the same account is stronger and holds for the whole of its time."""
        order = list(Basis)
        stronger = order.index(other.basis) < order.index(self.basis)
        starts = other.valid_from is None or (
            self.valid_from is not None and other.valid_from <= self.valid_from
        )
        ends = other.valid_until is None or (
            self.valid_until is not None and self.valid_until <= other.valid_until
        )
        return other.account == self.account and stronger and starts and ends

    def attributes_at(self, when: datetime, *, agreed_at: datetime) -> bool:
        """For naming a payer, a missing start is closed: see docs/decisions/0004.

        A contract names its accounts from the day it was agreed; a signature or an admission speaks
        from the day it was recorded. A missing end stands until one is declared.
        """
        if self.basis in {Basis.CLAIMED, Basis.INFERENCE}:
            return False
        implied = agreed_at if self.basis is Basis.CONTRACT else self.recorded_at
        start = self.valid_from if self.valid_from is not None else implied
        return start <= when and (self.valid_until is None or when <= self.valid_until)


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """A person or firm. Never an address."""

    id: str
    name: str
    kind: str | None
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Installment:
    """A part of the principal with its own due date; `number` counts from 1 in due order."""

    number: int
    due_at: datetime
    due_on: date | None
    amount_units: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Debt:
    """A recorded debt. `installments` stand in due order and add up to the principal."""

    id: str
    reference: str
    creditor_id: str
    debtor_id: str
    kind: str
    asset: Asset
    accepted_assets: tuple[Asset, ...]
    principal_units: int
    agreed_at: datetime
    time_zone: str
    installments: tuple[Installment, ...]
    grace_days: int
    tolerance_units: int
    disbursements: tuple[str, ...]
    recorded_at: datetime

    @property
    def assets(self) -> tuple[Asset, ...]:
        return (self.asset, *self.accepted_assets)

    def last_day_of(self, installment: Installment) -> datetime:
        """The instant T after which the installment is late: periods are (start, T].

        Days of grace are calendar days in the debt's zone: one on which the clocks change may have 23 or
        25 hours. Where the clock shows T twice or not at all, the later instant counts.
        """
        if not self.grace_days:
            return installment.due_at
        zone, grace = ZoneInfo(self.time_zone), timedelta(days=self.grace_days)
        if installment.due_on is not None:
            return end_of_day(installment.due_on + grace, zone=zone)
        local = installment.due_at.astimezone(zone) + grace
        return max(local.replace(fold=fold).astimezone(UTC) for fold in (0, 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class DebtOutline:
    """Another debt between the same parties: just enough to see that a transfer fits it too."""

    id: str
    reference: str
    asset_ids: frozenset[str]
    agreed_at: datetime


def end_of_day(day: date, *, zone: ZoneInfo) -> datetime:
    """The last whole second of that calendar day in that zone. Block times are whole seconds."""
    midnight = datetime.combine(day + timedelta(days=1), time.min, tzinfo=zone)
    return midnight.astimezone(UTC) - timedelta(seconds=1)


def first_second(when: datetime) -> int:
    """The first whole second at or after an instant: block times are whole seconds since 1970."""
    return -(-(when - _EPOCH) // timedelta(seconds=1))
