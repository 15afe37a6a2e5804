"""The assessment of a debt: a pure function of facts, `as_of` and `known_at`; replay gives the same answer.

Rules are those of the domain: a gap is UNDETERMINED unless what was found covers the debt; candidates
never change the result; what is open is an interval.
"""

from __future__ import annotations

from datetime import UTC, datetime

from app.assessment.values import Assessment, Facts, Grade, InstallmentState, Interval, Result, Timing
from app.debts.terms import Basis, Debt, Installment, weakest
from app.matching.allocate import Allocation, allocate, fill
from app.matching.attribute import Attribution, Payment, attribute


def assess(*, facts: Facts, as_of: datetime, known_at: datetime) -> Assessment:
    """Judge the transfers with a block time up to `as_of`. Facts are those known at `known_at`."""
    horizon = int(as_of.timestamp())
    within = [transfer for transfer in facts.transfers if transfer.block.time <= horizon]
    attribution = attribute(records=facts.records, transfers=within)
    debt = facts.debt
    allocation = allocate(installments=debt.installments, payments=attribution.payments)
    open_max = {
        each.number: each.amount_units - allocation.applied_to(each.number) for each in debt.installments
    }
    open_min = _lay_candidates(open_max, attribution)
    has_gap = bool(facts.gaps)
    max_units = sum(open_max.values())
    result = _result(max_units=max_units, debt=debt, attribution=attribution, has_gap=has_gap)
    installments = _installments(
        debt, allocation=allocation, open_max=open_max, open_min=open_min, has_gap=has_gap, as_of=as_of
    )
    known = not has_gap or result is Result.FULL
    return Assessment(
        facts=facts,
        as_of=as_of,
        known_at=known_at,
        result=result,
        timing=max((state.timing for state in installments), key=list(Timing).index),
        grade=None if has_gap or facts.reading is None else Grade.PROVIDER_REPORTED,
        tie=_tie(facts, attribution=attribution),
        not_covered=Interval(min_units=sum(open_min.values()), max_units=max_units) if known else None,
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


def _result(*, max_units: int, debt: Debt, attribution: Attribution, has_gap: bool) -> Result:
    if max_units <= debt.tolerance_units:
        return Result.FULL
    if has_gap:
        return Result.UNDETERMINED
    return Result.PARTIAL if attribution.payments else Result.NONE_FOUND_IN_SCOPE


def _installments(
    debt: Debt,
    *,
    allocation: Allocation,
    open_max: dict[int, int],
    open_min: dict[int, int],
    has_gap: bool,
    as_of: datetime,
) -> tuple[InstallmentState, ...]:
    states = []
    tolerance_left = debt.tolerance_units
    for installment in debt.installments:
        most = open_max[installment.number]
        forgiven = min(most, tolerance_left)
        tolerance_left -= forgiven
        completed_by = allocation.last_payment_of(installment.number)
        uncovered = most > forgiven
        timing = _timing(
            debt, installment, uncovered=uncovered, has_gap=has_gap, as_of=as_of, completed_by=completed_by
        )
        states.append(
            InstallmentState(
                installment=installment,
                applied_units=allocation.applied_to(installment.number),
                not_covered=None
                if has_gap and uncovered
                else Interval(min_units=open_min[installment.number], max_units=most),
                timing=timing,
                days_overdue=_days_overdue(installment, timing, as_of=as_of, completed_by=completed_by),
                completed_by=completed_by,
            )
        )
    return tuple(states)


def _timing(
    debt: Debt,
    installment: Installment,
    *,
    uncovered: bool,
    has_gap: bool,
    as_of: datetime,
    completed_by: Payment | None,
) -> Timing:
    last_day = debt.last_day_of(installment)
    if uncovered:
        if has_gap:
            return Timing.UNDETERMINED
        return Timing.OVERDUE if as_of > last_day else Timing.NOT_YET_DUE
    if completed_by is None or block_time(completed_by) <= last_day:
        return Timing.ON_TIME
    # An earlier payment may lie in the gap, and would have made this one needless.
    return Timing.UNDETERMINED if has_gap else Timing.LATE


def _days_overdue(
    installment: Installment, timing: Timing, *, as_of: datetime, completed_by: Payment | None
) -> int | None:
    """Whole days since the due instant: until now, or until the payment that came late."""
    if timing is Timing.UNDETERMINED:
        return None
    if timing is Timing.OVERDUE:
        return (as_of - installment.due_at).days
    if timing is Timing.LATE and completed_by is not None:
        return (block_time(completed_by) - installment.due_at).days
    return 0


def block_time(payment: Payment) -> datetime:
    return datetime.fromtimestamp(payment.transfer.block.time, tz=UTC)


def _tie(facts: Facts, *, attribution: Attribution) -> Basis | None:
    """The weakest basis used: of the creditor's accounts that were searched, and of every payment."""
    searched = {account for row in facts.scope for account in row.accounts}
    bases = {
        binding.basis
        for binding in facts.records.bindings_of(facts.creditor.id)
        if binding.account in searched
    }
    return weakest(bases | {basis for payment in attribution.payments for basis in payment.bases})
