"""The one place for every sentence the product prints about a debt (pure).

Each sentence states what was found, how, and its limit, and is printed only where it is true. English
now; each language is one table of the same keys, so that a lawyer reviews a whole language at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from app.assessment.values import (
    Assessment,
    InstallmentState,
    Reading,
    Result,
    ScopeRow,
    Timing,
)
from app.matching.allocate import DUE_DATE_ORDER
from app.matching.attribute import Candidate, Reason
from app.money import display_units
from chains.types import BlockRef

DOES_NOT_DECIDE = "This report does not decide whether the debt was paid."
NOT_TIMESTAMPED = "Not timestamped by a third party."
COUNSEL = "Rules of law named here must be checked by counsel."
DISCLOSURE = "This file may be used against the person who produces it."
NO_SIGNED_STATEMENT = (
    "The creditor has signed no statement about other accounts, off-chain payment, set-off, assignment "
    "and waiver."
)
UNLESS_UNDECIDED = "unless an undecided transfer covers it"
NOT_SEARCHED = (
    "the native coin and moves inside transactions",
    "chains not named here",
    "accounts of the creditor that are not in list C",
    "blocks outside the range named here",
    "payment off chain, or inside a custodian such as an exchange",
    "set-off, assignment, waiver and payment to third parties",
)


def instant(when: datetime) -> str:
    """RFC 3339 in UTC, to the second."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def block_instant(block: BlockRef) -> str:
    return instant(datetime.fromtimestamp(block.time, tz=UTC))


def scope_sentences(assessment: Assessment) -> tuple[str, ...]:
    """One paragraph for each chain of the scope (hazards.md's scope sentence)."""
    rows = assessment.facts.scope
    if not rows:
        return ("Nothing was searched: no account of the creditor is recorded on a known chain.",)
    return tuple(_scope_sentence(assessment, row) for row in rows)


def _scope_sentence(assessment: Assessment, row: ScopeRow) -> str:
    parts = [_found(assessment, row)]
    if row.gaps:
        parts.append(
            "Part of what had to be read was not read, and further transfers may exist there: "
            + "; ".join(sorted({gap.reason for gap in row.gaps}))
            + "."
        )
    parts += [
        DOES_NOT_DECIDE,
        (
            f"Among the things not searched: {'; '.join(NOT_SEARCHED)}; "
            "anything not named here was not searched either."
        ),
        NO_SIGNED_STATEMENT,
    ]
    return " ".join(parts)


def _found(assessment: Assessment, row: ScopeRow) -> str:
    if row.first is None or row.last is None:
        return f"On {row.chain_name} ({row.chain}), no block of the window was read."
    debt = assessment.facts.debt
    owed = {asset.id: asset for asset in debt.assets}
    to_creditor = {account.address for account in row.accounts}
    candidates = [
        each
        for each in assessment.attribution.candidates
        if each.transfer.chain == row.chain and each.transfer.recipient in to_creditor
    ]
    payments = [each for each in assessment.attribution.payments if each.transfer.chain == row.chain]
    undecided = [each for each in candidates if each.transfer.asset in owed]
    internal = [each for each in undecided if Reason.INTERNAL in each.reasons]
    undecided = [each for each in undecided if Reason.INTERNAL not in each.reasons]
    others = [each for each in candidates if each.transfer.asset not in owed]
    found = [payment.transfer for payment in payments]
    found += [candidate.transfer for candidate in (*undecided, *internal)]
    total = _sum([(each.asset, each.amount_units) for each in found], assessment)
    applied = sum(line.units for line in assessment.allocation.lines if line.payment in payments)
    beyond = sum(payment.units for payment in payments) - applied
    clauses = [
        f"{len(payments)} ({_debt_amount(assessment, applied)}) applied to this debt",
        f"0 ({_debt_amount(assessment, 0)}) applied to other debts between the same parties",
        f"0 ({_debt_amount(assessment, 0)}) which the creditor says are not payments of this debt",
        f"{len(undecided)} ({_candidates_sum(undecided, assessment)}) not decided",
    ]
    if beyond:
        clauses.append(f"{_debt_amount(assessment, beyond)} of the payments exceed what was owed")
    if internal:
        clauses.append(f"{len(internal)} between accounts of list C")
    symbols = ", ".join(asset.symbol for asset in debt.assets if asset.id.chain == row.chain)
    sentence = (
        f"On {row.chain_name} ({row.chain}), blocks {row.first.number}-{row.last.number} "
        f"({row.first.hash} of {block_instant(row.first)}; {row.last.hash} of {block_instant(row.last)}), "
        f"{_count(len(found), 'transfer')} of {symbols} to the accounts in list C "
        f"{'was' if len(found) == 1 else 'were'} found, {total} in total: {'; '.join(clauses)}."
    )
    if others:
        sentence += (
            f" Besides, {_count(len(others), 'transfer')} of other tokens to these accounts "
            f"{'is' if len(others) == 1 else 'are'} listed among the candidates."
        )
    return sentence


def _sum(amounts: Sequence[tuple[object, int]], assessment: Assessment) -> str:
    parts = []
    for asset in assessment.facts.debt.assets:
        units = sum(amount for asset_id, amount in amounts if asset_id == asset.id)
        if units or asset.id == assessment.facts.debt.asset.id:
            parts.append(f"{display_units(units, decimals=asset.decimals)} {asset.symbol}")
    return " and ".join(parts)


def _candidates_sum(candidates: Sequence[Candidate], assessment: Assessment) -> str:
    return _sum([(each.transfer.asset, each.transfer.amount_units) for each in candidates], assessment)


def _debt_amount(assessment: Assessment, units: int) -> str:
    asset = assessment.facts.debt.asset
    return f"{display_units(units, decimals=asset.decimals)} {asset.symbol}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def provider_reported(reading: Reading) -> str:
    """The only sentence of this grade. An ERC-721 event has the same topic and is not listed: hence ERC-20."""
    return (
        f"Between {instant(reading.started_at)} and {instant(reading.finished_at)}, software run by "
        f"{reading.operator} ({reading.relation}) sent the {reading.requests} requests in Annex P to "
        f"{_count(reading.endpoints, 'endpoint')} chosen by {reading.chosen_by}. {reading.agreed} returned "
        f"no ERC-20 Transfer event other than those listed, {reading.differed} returned others (all listed), "
        f"{reading.failed} failed or answered in part. The endpoints were not shown to be independent of "
        "each other and did not sign their answers."
    )


def installment_sentence(assessment: Assessment, state: InstallmentState) -> str:
    """What can be said of one installment."""
    match state.timing:
        case Timing.UNDETERMINED:
            return "Not determined: part of what had to be read was not read."
        case Timing.OVERDUE:
            return _overdue(assessment, state)
        case Timing.NOT_YET_DUE:
            return f"Not yet due at {instant(assessment.as_of)}."
        case Timing.ON_TIME:
            return _covered(state)
        case Timing.LATE:
            return f"{_covered(state)} {_late(assessment, state)}"


def _covered(state: InstallmentState) -> str:
    if state.not_covered is not None and state.not_covered.max_units > 0:
        return "What is not covered lies within the agreed tolerance."
    return (
        "Transfers covering the amount were found and applied to this installment by "
        f"{DUE_DATE_ORDER}. Whether they were made for this debt is not decided here."
    )


def _late(assessment: Assessment, state: InstallmentState) -> str:
    if state.completed_by is None:  # pragma: no cover - LATE has a covering block by definition.
        return ""
    block = state.completed_by.transfer.block
    due = assessment.facts.debt.last_day_of(state.installment)
    undecided_before = any(
        each.value_not_agreed or each.counted_units
        for each in assessment.attribution.candidates
        if each.transfer.block.time <= due.timestamp()
    )
    unless = " Unless an undecided earlier transfer covers it." if undecided_before else ""
    return (
        f"Late: first included in block {block.number}, time {block_instant(block)}, "
        f"{block.time - int(due.timestamp())} seconds after the due time; block times are set by the block "
        f"producer; the time of sending is not known.{unless}"
    )


def _overdue(assessment: Assessment, state: InstallmentState) -> str:
    interval = state.not_covered
    if interval is None:  # pragma: no cover - OVERDUE is never said on a gap.
        return ""
    text = (
        f"At {instant(assessment.as_of)}, after the due time, transfers covering "
        f"{_debt_amount(assessment, interval.max_units)} of this installment were not among those found "
        "and applied"
    )
    return f"{text}, {UNLESS_UNDECIDED}." if interval.min_units < interval.max_units else f"{text}."


def candidate_sentence(assessment: Assessment, candidate: Candidate) -> str:
    """What this transfer would change, were it accepted."""
    transfer = candidate.transfer
    reasons = ", ".join(candidate.reasons)
    where = f"Block {transfer.block.number}, {block_instant(transfer.block)} ({reasons}):"
    if candidate.value_not_agreed:
        return f"{where} its value in {assessment.facts.debt.asset.symbol} is not agreed; it may cover all."
    if candidate.counted_units:
        covers = min(
            candidate.counted_units, assessment.not_covered.max_units if assessment.not_covered else 0
        )
        counted = f"{where} {_debt_amount(assessment, candidate.counted_units)} counted"
        if covers:
            return f"{counted}; if accepted, up to {_debt_amount(assessment, covers)} more is covered."
        return f"{counted}."
    return f"{where} shown, counts 0."


def would_change(assessment: Assessment) -> tuple[str, ...]:
    """What would change the table, printed in the size of the table."""
    general = (
        "A payment that was not searched for, once it is shown: through another account, asset or chain, "
        "or off chain; a set-off, waiver, extension or assignment."
    )
    gap = "Reading what was not read." if assessment.facts.gaps else None
    sentences = [candidate_sentence(assessment, each) for each in assessment.attribution.candidates]
    return (*sentences, *([gap] if gap else []), general)


def result_sentence(assessment: Assessment) -> str:
    """The result in one sentence that stays true whatever was not searched."""
    applied = _debt_amount(assessment, assessment.allocation.applied_units)
    owed = _debt_amount(assessment, assessment.facts.debt.principal_units)
    match assessment.result:
        case Result.UNDETERMINED:
            return f"At least {applied} of {owed} is covered by transfers found; the rest is not determined."
        case Result.FULL:
            return f"Transfers found and applied cover the debt: {applied} of {owed}."
        case Result.NONE_FOUND_IN_SCOPE:
            return f"No transfer in the searched scope was applied to this debt of {owed}.{_open(assessment)}"
        case Result.PARTIAL:
            return f"Transfers found and applied cover {applied} of {owed}.{_open(assessment)}"


def _open(assessment: Assessment) -> str:
    interval = assessment.not_covered
    if interval is None:  # pragma: no cover - only UNDETERMINED lacks the interval.
        return ""
    if interval.min_units == interval.max_units:
        return f" {_debt_amount(assessment, interval.max_units)} is not covered by them."
    return (
        f" Between {_debt_amount(assessment, interval.min_units)} and "
        f"{_debt_amount(assessment, interval.max_units)} is not covered by them, depending on transfers "
        "that are not decided."
    )
