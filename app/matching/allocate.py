"""Allocation: which part of a payment discharges which installment (pure).

One rule so far, due-date order: the earliest due installment first (compare UPICC 2016, 6.1.12(3): the
obligation that falls due first). Rules are data with a name and a version; the claims engine adds more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.debts.terms import Installment
from app.matching.attribute import Payment

DUE_DATE_ORDER = "due-date-order/1"
PRINCIPAL = "principal"


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocationLine:
    """Units of one payment that discharge one installment, with the rule that says so."""

    payment: Payment
    installment: int
    units: int
    head: str = PRINCIPAL
    rule: str = DUE_DATE_ORDER


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    lines: tuple[AllocationLine, ...]
    unapplied_units: int

    @property
    def applied_units(self) -> int:
        return sum(line.units for line in self.lines)

    def by_installment(self) -> dict[int, list[AllocationLine]]:
        """The lines of each installment to which anything was applied, in order of time."""
        lines: dict[int, list[AllocationLine]] = {}
        for line in self.lines:
            lines.setdefault(line.installment, []).append(line)
        return lines

    def by_payment(self) -> dict[str, list[AllocationLine]]:
        """The lines of each payment of which anything was applied, by the id of its transfer."""
        lines: dict[str, list[AllocationLine]] = {}
        for line in self.lines:
            lines.setdefault(line.payment.transfer.id, []).append(line)
        return lines


def allocate(*, installments: Sequence[Installment], payments: Sequence[Payment]) -> Allocation:
    """Fill installments in due order with payments in order of time; what is left over is unapplied."""
    open_units = {each.number: each.amount_units for each in installments}
    lines: list[AllocationLine] = []
    unapplied = 0
    for payment in sorted(payments, key=lambda each: each.transfer.position):
        parts, rest = fill(open_units, payment.units)
        lines += [AllocationLine(payment=payment, installment=number, units=units) for number, units in parts]
        unapplied += rest
        # What is filled is not looked at again: there may be thousands of both.
        for number in [number for number, _ in parts if not open_units[number]]:
            del open_units[number]
    return Allocation(lines=tuple(lines), unapplied_units=unapplied)


def payment_reaching(lines: Sequence[AllocationLine], *, units: int) -> Payment | None:
    """The payment with which so much was applied; None if nothing had to be, or not so much ever was."""
    applied = 0
    for line in lines if units > 0 else ():
        applied += line.units
        if applied >= units:
            return line.payment
    return None


def fill(open_units: dict[int, int], units: int) -> tuple[list[tuple[int, int]], int]:
    """Take `units` into the open installments in their order; returns the parts and the rest.

    `open_units` (installment number to open units, in due order) is reduced in place.
    """
    parts: list[tuple[int, int]] = []
    for number, room in open_units.items():
        if not units:
            break
        part = min(room, units)
        if part:
            open_units[number] -= part
            units -= part
            parts.append((number, part))
    return parts, units
