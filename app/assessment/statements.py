"""The one place for every sentence the product prints about a debt (pure).

Each sentence states what was found, how, and its limit, and is printed only where it is true. English
now; each language is one table of the same keys, so that a lawyer reviews a whole language at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from app.assessment.found import Found, sort_found
from app.assessment.values import (
    Assessment,
    InstallmentState,
    Reading,
    Result,
    ScopeRow,
    Timing,
)
from app.clock import from_unix_seconds, to_rfc3339, to_unix_seconds
from app.matching.allocate import DUE_DATE_ORDER
from app.matching.attribute import Candidate
from app.money import display_units, format_units
from chains.types import BlockRef, Transfer

DOES_NOT_DECIDE = "This report does not decide whether the debt was paid."
NOT_TIMESTAMPED = "Not timestamped by a third party."
COUNSEL = "Rules of law named here must be checked by counsel."
DISCLOSURE = "This file may be used against the person who produces it."
NO_SIGNED_STATEMENT = (
    "The creditor has signed no statement about other accounts, off-chain payment, set-off, assignment "
    "and waiver."
)
UNLESS_UNDECIDED = "unless an undecided transfer covers it"
UNLESS_UNDECIDED_EARLIER = "unless an undecided earlier transfer covers it"
NOT_SEARCHED = (
    "the native coin and moves inside transactions",
    "chains not named here",
    "accounts of the creditor that are not in list C",
    "blocks outside the range named here",
    "payment off chain, or inside a custodian such as an exchange",
    "set-off, assignment, waiver and payment to third parties",
)


def instant(when: datetime) -> str:
    """RFC 3339 in UTC, and exact: who asks again with a time that was printed gets the same answer."""
    return to_rfc3339(when)


def block_instant(block: BlockRef) -> str:
    return instant(from_unix_seconds(block.time))


def scope_sentences(assessment: Assessment) -> tuple[str, ...]:
    """One paragraph for each chain of the scope (hazards.md's scope sentence).

    What was not searched is said at the end of the last one: "not named here" is true of them all together.
    """
    rows = assessment.facts.scope
    if not rows:
        return (f"Nothing was searched. {DOES_NOT_DECIDE} {NO_SIGNED_STATEMENT}",)
    limits = (
        f"{DOES_NOT_DECIDE} Among the things not searched: {'; '.join(NOT_SEARCHED)}; anything not named "
        f"here was not searched either. {NO_SIGNED_STATEMENT}"
    )
    paragraphs = [_scope_sentence(assessment, row) for row in rows]
    return (*paragraphs[:-1], f"{paragraphs[-1]} {limits}")


def _scope_sentence(assessment: Assessment, row: ScopeRow) -> str:
    found = _found(assessment, row)
    if not row.gaps:
        return found
    reasons = "; ".join(sorted({gap.reason for gap in row.gaps}))
    return (
        f"{found} Part of what had to be read was not read, and further transfers may exist there: {reasons}."
    )


def _found(assessment: Assessment, row: ScopeRow) -> str:
    where = f"On {row.chain_name} ({row.chain}),"
    if row.first is None or row.last is None:
        times = f"from {instant(assessment.facts.debt.agreed_at)} to {instant(assessment.as_of)}"
        if row.gaps:
            return f"{where} the time {times} was not searched."
        return f"{where} no block has a time {times}, so that there was nothing to search."
    found = sort_found(assessment, row)
    assets = assessment.facts.debt.assets
    symbols = ", ".join(each.symbol for each in assets if each.id.chain == row.chain)
    count = len(found.transfers)
    sentence = (
        f"{where} blocks {row.first.number}-{row.last.number} "
        f"({row.first.hash} of {block_instant(row.first)}; {row.last.hash} of {block_instant(row.last)}), "
        f"{_count(count, 'transfer')} of {symbols} to the accounts in list C "
        f"{_one(count, 'was', 'were')} found, "
        f"{_sum(assessment, row, found.transfers)} in total: {'; '.join(_heads(assessment, row, found))}."
    )
    if found.other_tokens:
        sentence += (
            f" Besides, {_count(found.other_tokens, 'transfer')} of other tokens to these accounts "
            f"{_one(found.other_tokens, 'is', 'are')} listed among the candidates."
        )
    if found.out_of_time:
        sentence += (
            f" Not counted: {_count(found.out_of_time, 'transfer')} to these accounts outside the time for "
            "which they are on record as the creditor's."
        )
    return sentence


def _heads(assessment: Assessment, row: ScopeRow, found: Found) -> list[str]:
    """Where each transfer found belongs. Counts and amounts add up to those of the whole sentence."""
    nothing = _debt_amount(assessment, 0)
    heads = [
        f"{len(found.applied)} ({_debt_amount(assessment, found.discharged_units)}) applied to this debt",
        f"0 ({nothing}) applied to other debts between the same parties",
        f"0 ({nothing}) which the creditor says are not payments of this debt",
        f"{len(found.undecided)} ({_sum(assessment, row, found.undecided)}) not decided",
    ]
    if found.beyond_units:
        heads.append(
            f"{_debt_amount(assessment, found.beyond_units)} of those applied is beyond what was owed"
        )
    if found.idle:
        amount = _debt_amount(assessment, found.idle_units)
        heads.append(f"{len(found.idle)} ({amount}) attributed to this debt, of which nothing was applied")
    if found.internal:
        heads.append(
            f"{len(found.internal)} ({_sum(assessment, row, found.internal)}) between accounts of list C"
        )
    asset = assessment.facts.debt.asset
    if any(each.asset != asset.id for each in found.payments):
        heads.append(f"what is applied is taken at face value in {asset.symbol}, its sum rounded down")
    return heads


def _sum(assessment: Assessment, row: ScopeRow, transfers: Sequence[Transfer]) -> str:
    """Asset by asset: amounts in different assets are never added."""
    assets = [each for each in assessment.facts.debt.assets if each.id.chain == row.chain]
    sums = {each: sum(one.amount_units for one in transfers if one.asset == each.id) for each in assets}
    printed = [each for each in assets if sums[each]] or assets[:1]
    return " and ".join(
        f"{display_units(sums[each], decimals=each.decimals)} {each.symbol}" for each in printed
    )


def _debt_amount(assessment: Assessment, units: int) -> str:
    asset = assessment.facts.debt.asset
    return f"{display_units(units, decimals=asset.decimals)} {asset.symbol}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _one(number: int, one: str, more: str) -> str:
    return one if number == 1 else more


def provider_reported(reading: Reading) -> str:
    """The only sentence of this grade. ERC-721 has the same topic and is not listed: hence "ERC-20"."""
    return (
        f"Between {instant(reading.started_at)} and {instant(reading.finished_at)}, software run by "
        f"{reading.operator} ({reading.relation}) sent the {_count(reading.requests, 'request')} in "
        f"Annex P to {_count(reading.endpoints, 'endpoint')} chosen by {reading.chosen_by}. {reading.agreed} "
        "returned no ERC-20 Transfer event other than those listed, "
        f"{reading.differed} returned others (all listed), {reading.failed} failed or answered in part. "
        "The endpoints were not shown to be independent of each other and did not sign their answers."
    )


def installment_sentence(assessment: Assessment, state: InstallmentState) -> str:
    """What can be said of one installment."""
    if state.timing is Timing.UNDETERMINED:
        return "Not determined: part of what had to be read was not read."
    sentences = {
        Timing.OVERDUE: _overdue,
        Timing.NOT_YET_DUE: _not_yet_late,
        Timing.ON_TIME: _covered,
        Timing.LATE: _covered,
    }
    return sentences[state.timing](assessment, state)


def timing_condition(assessment: Assessment, state: InstallmentState) -> str:
    """What an undecided transfer may change of this timing; never to be left out where it is not empty."""
    if state.timing is Timing.OVERDUE and _may_be_covered(assessment, state):
        return UNLESS_UNDECIDED
    if state.timing is Timing.LATE and _may_be_in_time(assessment, state):
        return UNLESS_UNDECIDED_EARLIER
    return ""


def _may_be_covered(assessment: Assessment, state: InstallmentState) -> bool:
    """By candidates laid here, or by those laid elsewhere, which leave the tolerance to this installment."""
    intervals = [state.not_covered]
    if assessment.facts.debt.tolerance_units:
        intervals.append(assessment.not_covered)
    return any(each is not None and each.min_units < each.max_units for each in intervals)


def _may_be_in_time(assessment: Assessment, state: InstallmentState) -> bool:
    last_second = to_unix_seconds(assessment.facts.debt.last_day_of(state.installment))
    return any(
        each.transfer.block.time <= last_second
        for each in assessment.attribution.candidates
        if each.value_not_agreed or each.counted_units
    )


def _covered(assessment: Assessment, state: InstallmentState) -> str:
    if state.applied_units < state.installment.amount_units:
        covered = "What is not covered lies within the recorded tolerance."
    else:
        covered = (
            "Transfers covering the amount were found and applied to this installment by "
            f"{DUE_DATE_ORDER}. Whether they were made for this debt is not decided here."
        )
    if state.timing is Timing.LATE and state.covered_by is not None:
        return f"{covered} {_late(assessment, state, block=state.covered_by.transfer.block)}"
    if _came_after(assessment, state):
        return f"{covered} What came after the due time lies within the recorded tolerance."
    return covered


def _came_after(assessment: Assessment, state: InstallmentState) -> bool:
    last_day = assessment.facts.debt.last_day_of(state.installment)
    if not assessment.facts.debt.tolerance_units:
        return False
    lines = assessment.allocation.by_installment().get(state.installment.number, [])
    return any(from_unix_seconds(line.payment.transfer.block.time) > last_day for line in lines)


def _late(assessment: Assessment, state: InstallmentState, *, block: BlockRef) -> str:
    delay = from_unix_seconds(block.time) - assessment.facts.debt.last_day_of(state.installment)
    seconds = format_units(delay // timedelta(microseconds=1), decimals=6)
    condition = timing_condition(assessment, state)
    return (
        f"Late{f', {condition}' if condition else ''}: first included in block {block.number}, time "
        f"{block_instant(block)}, {seconds} {'second' if seconds == '1' else 'seconds'} after the due time"
        f"{_grace(assessment)}; block times are set by the block producer; the time of sending is not known."
    )


def _not_yet_late(assessment: Assessment, state: InstallmentState) -> str:
    if assessment.as_of <= state.installment.due_at:
        return f"Not yet due: at {instant(assessment.as_of)} the due time has not passed."
    grace = _count(assessment.facts.debt.grace_days, "day")
    return f"Not yet late: at {instant(assessment.as_of)} the {grace} of grace have not passed."


def _overdue(assessment: Assessment, state: InstallmentState) -> str:
    not_covered = state.installment.amount_units - state.applied_units
    condition = timing_condition(assessment, state)
    return (
        f"At {instant(assessment.as_of)}, after the due time{_grace(assessment)}, transfers covering "
        f"{_debt_amount(assessment, not_covered)} of this installment were not among those found "
        f"and applied{f', {condition}' if condition else ''}."
    )


def _grace(assessment: Assessment) -> str:
    days = assessment.facts.debt.grace_days
    return f" and {_count(days, 'day')} of grace" if days else ""


def candidate_sentence(assessment: Assessment, candidate: Candidate) -> str:
    """Which transfer it is, and what it would change, were it accepted."""
    transfer = candidate.transfer
    reasons = ", ".join(candidate.reasons)
    where = f"Block {transfer.block.number}, {block_instant(transfer.block)} ({reasons})"
    return f"{where}: {candidate_effect(assessment, candidate)}"


def candidate_effect(assessment: Assessment, candidate: Candidate) -> str:
    """What this transfer would change, were it accepted; for beside its row in a table."""
    if candidate.value_not_agreed:
        return f"its value in {assessment.facts.debt.asset.symbol} is not agreed; it may cover all."
    if not candidate.counted_units:
        return "shown, counts 0."
    covers = min(candidate.counted_units, assessment.not_covered.max_units if assessment.not_covered else 0)
    counted = f"{_debt_amount(assessment, candidate.counted_units)} counted"
    if covers:
        return f"{counted}; if accepted, up to {_debt_amount(assessment, covers)} more is covered."
    return f"{counted}."


def would_change(assessment: Assessment) -> tuple[str, ...]:
    """What would change the table, printed in the size of the table."""
    general = (
        "A payment that was not searched for, once it is shown: through another account, asset or chain, "
        "or off chain; a set-off, waiver, extension or assignment."
    )
    gap = "Reading what was not read." if assessment.facts.has_gap else None
    sentences = [candidate_sentence(assessment, each) for each in assessment.attribution.candidates]
    return (*sentences, *([gap] if gap else []), general)


def result_sentence(assessment: Assessment) -> str:
    """The result in one sentence that stays true whatever was not searched."""
    applied = _debt_amount(assessment, assessment.allocation.applied_units)
    owed = _debt_amount(assessment, assessment.facts.debt.principal_units)
    if assessment.result is Result.UNDETERMINED:
        return f"At least {applied} of {owed} is covered by transfers found; the rest is not determined."
    if assessment.result is Result.FULL:
        return _full(assessment, applied=applied, owed=owed)
    found = {
        Result.NONE_FOUND_IN_SCOPE: f"No transfer in the searched scope was applied to this debt of {owed}.",
        Result.PARTIAL: f"Transfers found and applied cover {applied} of {owed}.",
    }
    return f"{found[assessment.result]} {_open(assessment)}"


def _full(assessment: Assessment, *, applied: str, owed: str) -> str:
    debt = assessment.facts.debt
    least = "at least " if assessment.facts.has_gap else ""
    if assessment.allocation.applied_units == debt.principal_units:
        return f"Transfers found and applied cover the debt: {least}{applied} of {owed}."
    tolerance = _debt_amount(assessment, debt.tolerance_units)
    return (
        f"Transfers found and applied cover {least}{applied} of {owed}; what is not covered lies within the "
        f"recorded tolerance of {tolerance}."
    )


def _open(assessment: Assessment) -> str:
    """What is left, where no gap leaves it unknown."""
    interval = assessment.not_covered
    if interval is None or interval.min_units == interval.max_units:
        rest = assessment.facts.debt.principal_units - assessment.allocation.applied_units
        return f"{_debt_amount(assessment, rest)} is not covered by transfers found and applied."
    return (
        f"Between {_debt_amount(assessment, interval.min_units)} and "
        f"{_debt_amount(assessment, interval.max_units)} is not covered, depending on transfers that are not "
        "decided."
    )
