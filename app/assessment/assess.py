"""The assessment of a debt: a pure function of facts, `as_of` and `known_at`; replay gives the same answer.

Rules are those of the domain: a gap is UNDETERMINED unless what was found covers the debt; candidates
never change the result; what is open is an interval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from app.assessment.values import Assessment, Facts, Grade, InstallmentState, Interval, Result, Timing
from app.clock import from_unix_seconds, to_unix_seconds
from app.debts.terms import Basis, Debt, Installment, first_second, weakest
from app.matching.allocate import AllocationLine, allocate, fill, payment_reaching
from app.matching.attribute import Attribution, Payment, attribute


def assess(*, facts: Facts, as_of: datetime, known_at: datetime) -> Assessment:
    """Judge the transfers from `agreed_at` to `as_of`. Facts are those known at `known_at`."""
    debt = facts.debt
    start, end = first_second(debt.agreed_at), to_unix_seconds(as_of)
    within = [transfer for transfer in facts.transfers if start <= transfer.block.time <= end]
    attribution = attribute(records=facts.records, transfers=within)
    allocation = allocate(installments=debt.installments, payments=attribution.payments)
    lines = allocation.by_installment()
    open_max = {
        each.number: each.amount_units - sum(line.units for line in lines.get(each.number, ()))
        for each in debt.installments
    }
    open_min = _lay_candidates(open_max, attribution)
    has_gap = facts.has_gap
    max_units = sum(open_max.values())
    result = _result(max_units=max_units, debt=debt, attribution=attribution, has_gap=has_gap)
    installments = _installments(
        debt, lines=lines, open_max=open_max, open_min=open_min, has_gap=has_gap, as_of=as_of
    )
    return Assessment(
        facts=facts,
        as_of=as_of,
        known_at=known_at,
        result=result,
        timing=max((state.timing for state in installments), key=list(Timing).index),
        grade=_grade(facts),
        tie=_tie(facts, attribution=attribution),
        not_covered=_interval(sum(open_min.values()), max_units, has_gap=has_gap),
        installments=installments,
        attribution=attribution,
        allocation=allocation,
    )


def _lay_candidates(open_max: dict[int, int], attribution: Attribution) -> dict[int, int]:
    """What stays open if every candidate counts, laid after the payments by the same rule."""
    if any(candidate.value_not_agreed for candidate in attribution.candidates):
        return dict.fromkeys(open_max, 0)
    open_min = dict(open_max)
    fill(open_min, sum(candidate.counted_units for candidate in attribution.candidates))
    return open_min


def _interval(min_units: int, max_units: int, *, has_gap: bool) -> Interval | None:
    """What was not read may cover any part of what is open: then nothing is known but that all is covered."""
    return None if has_gap and max_units else Interval(min_units=min_units, max_units=max_units)


def _result(*, max_units: int, debt: Debt, attribution: Attribution, has_gap: bool) -> Result:
    if max_units <= debt.tolerance_units:
        return Result.FULL
    if has_gap:
        return Result.UNDETERMINED
    return Result.PARTIAL if attribution.payments else Result.NONE_FOUND_IN_SCOPE


def _installments(
    debt: Debt,
    *,
    lines: Mapping[int, Sequence[AllocationLine]],
    open_max: dict[int, int],
    open_min: dict[int, int],
    has_gap: bool,
    as_of: datetime,
) -> tuple[InstallmentState, ...]:
    states = []
    tolerance_left = debt.tolerance_units
    for installment in debt.installments:
        most = open_max[installment.number]
        # What is paid beyond the tolerance must not make late what was in time without it.
        covered_by = payment_reaching(
            lines.get(installment.number, ()), units=installment.amount_units - tolerance_left
        )
        timing = _timing(
            debt,
            installment,
            is_covered=most <= tolerance_left,
            has_gap=has_gap,
            as_of=as_of,
            covered_by=covered_by,
        )
        tolerance_left -= min(most, tolerance_left)
        states.append(
            InstallmentState(
                installment=installment,
                applied_units=installment.amount_units - most,
                not_covered=_interval(open_min[installment.number], most, has_gap=has_gap),
                timing=timing,
                days_overdue=_days_overdue(installment, timing, as_of=as_of, covered_by=covered_by),
                covered_by=covered_by,
            )
        )
    return tuple(states)


def _timing(
    debt: Debt,
    installment: Installment,
    *,
    is_covered: bool,
    has_gap: bool,
    as_of: datetime,
    covered_by: Payment | None,
) -> Timing:
    last_day = debt.last_day_of(installment)
    if not is_covered:
        if has_gap:
            return Timing.UNDETERMINED
        return Timing.OVERDUE if as_of > last_day else Timing.NOT_YET_DUE
    if covered_by is None or block_time(covered_by) <= last_day:
        return Timing.ON_TIME
    # An earlier payment may lie in the gap, and would have made this one needless.
    return Timing.UNDETERMINED if has_gap else Timing.LATE


def _days_overdue(
    installment: Installment, timing: Timing, *, as_of: datetime, covered_by: Payment | None
) -> int | None:
    """Whole days since the due instant: until now, or until the payment that came late."""
    if timing is Timing.UNDETERMINED:
        return None
    if timing is Timing.OVERDUE:
        return (as_of - installment.due_at).days
    if timing is Timing.LATE and covered_by is not None:
        return (block_time(covered_by) - installment.due_at).days
    return 0


def block_time(payment: Payment) -> datetime:
    return from_unix_seconds(payment.transfer.block.time)


def _grade(facts: Facts) -> Grade | None:
    """None where a gap is left, where nobody answered, or where no block lay in the window to speak of."""
    reading = facts.reading
    if facts.has_gap or reading is None or reading.agreed + reading.differed == 0:
        return None
    return Grade.PROVIDER_REPORTED if any(row.first is not None for row in facts.scope) else None


def _tie(facts: Facts, *, attribution: Attribution) -> Basis | None:
    """The weakest basis used: of the creditor's accounts that were searched, and of every payment."""
    searched = {account for row in facts.scope for account in row.accounts}
    creditor = facts.records.bindings_of(facts.creditor.id)
    bases = {
        binding.basis
        for binding in creditor
        if binding.account in searched and not any(binding.is_needless_beside(each) for each in creditor)
    }
    return weakest(bases | {basis for payment in attribution.payments for basis in payment.bases})
