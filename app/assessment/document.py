"""The assessment as a JSON document: one shape for the API, the CLI and the bundle's ledger (pure).

Inside a bundle all hex is lower case; the doors write EIP-55. `Forms` says which.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from app.assessment import statements
from app.assessment.values import Assessment, Gap, InstallmentState, Interval, ScopeRow
from app.matching.allocate import AllocationLine
from app.matching.attribute import Candidate, Payment
from app.money import format_units
from chains.types import AccountId, Address, AssetId, Transfer

INLINE_CANDIDATES_MAX = 100
GAP_REASON = "Part of what had to be read was not read; see scope.chains[].gaps."


@dataclass(frozen=True, slots=True, kw_only=True)
class Forms:
    """How addresses are written."""

    address: Callable[[Address], str] = str
    account: Callable[[AccountId], str] = str
    asset: Callable[[AssetId], str] = str


LOWER_CASE = Forms()


def assessment_document(assessment: Assessment, *, forms: Forms, inline_max: int | None) -> dict[str, Any]:
    """The document of `GET /v1/debts/{id}/assessment`. `inline_max` None lists every candidate."""
    debt = assessment.facts.debt
    candidates = assessment.attribution.candidates
    decimals = debt.asset.decimals
    lines = assessment.allocation.by_payment()
    return {
        "debt_id": debt.id,
        "as_of": statements.instant(assessment.as_of),
        "known_at": statements.instant(assessment.known_at),
        "result": assessment.result.value,
        "result_sentence": statements.result_sentence(assessment),
        "timing": assessment.timing.value,
        "grade": None if assessment.grade is None else assessment.grade.value,
        "tie": None if assessment.tie is None else assessment.tie.value,
        "claims": _claims(assessment, forms=forms),
        "scope_sentence": " ".join(statements.scope_sentences(assessment)),
        "principal": format_units(debt.principal_units, decimals=decimals),
        "principal_units": str(debt.principal_units),
        "applied": format_units(assessment.allocation.applied_units, decimals=decimals),
        "applied_units": str(assessment.allocation.applied_units),
        "unapplied": format_units(assessment.allocation.unapplied_units, decimals=decimals),
        "unapplied_units": str(assessment.allocation.unapplied_units),
        "not_covered": _interval(assessment.not_covered, decimals=decimals),
        "installments": [_installment(assessment, state) for state in assessment.installments],
        "payments": [
            _payment(assessment, payment, lines=lines.get(payment.transfer.id, ()), forms=forms)
            for payment in assessment.attribution.payments
        ],
        "candidates": [candidate_document(assessment, each, forms=forms) for each in candidates[:inline_max]],
        "candidates_total": len(candidates),
        "rejected": [],
        "applied_elsewhere": [],
        "tenders": [],
        "payment_claims": [],
        "unrelated_count": len(assessment.attribution.unrelated),
        "scope": {
            "chains": [_scope_row(assessment, row, forms=forms) for row in assessment.facts.scope],
            "not_searched": list(statements.NOT_SEARCHED),
        },
        "would_change": list(statements.would_change(assessment)),
    }


def transfer_document(
    transfer: Transfer, *, decimals: int | None, forms: Forms, flags: tuple[str, ...] = ()
) -> dict[str, Any]:
    """A finalized transfer. `amount` is null where the contract's decimals are not on record."""
    return {
        "id": transfer.id,
        "chain": str(transfer.chain),
        "asset": forms.asset(transfer.asset),
        "from": forms.address(transfer.sender),
        "to": forms.address(transfer.recipient),
        "amount": None if decimals is None else format_units(transfer.amount_units, decimals=decimals),
        "amount_units": str(transfer.amount_units),
        "block_number": transfer.block.number,
        "block_hash": str(transfer.block.hash),
        "block_time": statements.block_instant(transfer.block),
        "tx_hash": str(transfer.tx_hash),
        "log_index": transfer.log_index,
        "final": True,
        "flags": list(flags),
    }


def candidate_document(assessment: Assessment, candidate: Candidate, *, forms: Forms) -> dict[str, Any]:
    debt = assessment.facts.debt
    return {
        "transfer": _known_transfer(assessment, candidate.transfer, forms=forms),
        "reasons": [reason.value for reason in candidate.reasons],
        "counted": format_units(candidate.counted_units, decimals=debt.asset.decimals),
        "counted_units": str(candidate.counted_units),
        "sentence": statements.candidate_sentence(assessment, candidate),
    }


def _known_transfer(assessment: Assessment, transfer: Transfer, *, forms: Forms) -> dict[str, Any]:
    records = assessment.facts.records
    owed = {asset.id: asset for asset in records.debt.assets}
    asset = owed.get(transfer.asset) or records.registered.get(transfer.asset)
    flags = () if asset is not None else ("unregistered-asset",)
    return transfer_document(
        transfer, decimals=None if asset is None else asset.decimals, forms=forms, flags=flags
    )


def _payment(
    assessment: Assessment, payment: Payment, *, lines: Sequence[AllocationLine], forms: Forms
) -> dict[str, Any]:
    decimals = assessment.facts.debt.asset.decimals
    return {
        "transfer": _known_transfer(assessment, payment.transfer, forms=forms),
        "attributed_by": "account-pair",
        "allocations": [
            {
                "installment": line.installment,
                "head": line.head,
                "amount": format_units(line.units, decimals=decimals),
                "amount_units": str(line.units),
                "rule": line.rule,
            }
            for line in lines
        ],
    }


def _interval(interval: Interval | None, *, decimals: int) -> dict[str, Any]:
    if interval is None:
        return {"min": None, "min_units": None, "max": None, "max_units": None, "reason": GAP_REASON}
    return {
        "min": format_units(interval.min_units, decimals=decimals),
        "min_units": str(interval.min_units),
        "max": format_units(interval.max_units, decimals=decimals),
        "max_units": str(interval.max_units),
    }


def local_text(when: datetime, *, zone: str) -> str:
    return when.astimezone(ZoneInfo(zone)).isoformat(timespec="seconds")


def _installment(assessment: Assessment, state: InstallmentState) -> dict[str, Any]:
    debt = assessment.facts.debt
    decimals = debt.asset.decimals
    installment = state.installment
    return {
        "number": installment.number,
        "due_at": statements.instant(installment.due_at),
        "due_local": local_text(installment.due_at, zone=debt.time_zone),
        "due_on": None if installment.due_on is None else installment.due_on.isoformat(),
        "amount": format_units(installment.amount_units, decimals=decimals),
        "amount_units": str(installment.amount_units),
        "applied": format_units(state.applied_units, decimals=decimals),
        "applied_units": str(state.applied_units),
        "not_covered": _interval(state.not_covered, decimals=decimals),
        "timing": state.timing.value,
        "timing_condition": statements.timing_condition(assessment, state),
        "days_overdue": state.days_overdue,
        "sentence": statements.installment_sentence(assessment, state),
    }


def _claims(assessment: Assessment, *, forms: Forms) -> list[dict[str, Any]]:
    reading = assessment.facts.reading
    if assessment.grade is None or reading is None:
        return []
    sentence = statements.provider_reported(reading)
    return [
        {
            "grade": assessment.grade.value,
            "sentence": sentence,
            "chain": str(row.chain),
            "asset": forms.asset(asset.id),
            "to": [forms.account(account) for account in row.accounts],
            "from": None,
            "first_block": row.first.number,
            "last_block": row.last.number,
        }
        for row in assessment.facts.scope
        for asset in assessment.facts.debt.assets
        if asset.id.chain == row.chain and row.first is not None and row.last is not None
    ]


def _scope_row(assessment: Assessment, row: ScopeRow, *, forms: Forms) -> dict[str, Any]:
    return {
        "chain": str(row.chain),
        "chain_name": row.chain_name,
        "accounts": [forms.account(account) for account in row.accounts],
        "assets": [
            forms.asset(asset.id) for asset in assessment.facts.debt.assets if asset.id.chain == row.chain
        ],
        "first_block": None if row.first is None else row.first.number,
        "last_block": None if row.last is None else row.last.number,
        "gaps": [gap_document(gap, forms=forms) for gap in row.gaps],
    }


def gap_document(gap: Gap, *, forms: Forms) -> dict[str, Any]:
    return {
        "chain": str(gap.chain),
        "account": None if gap.account is None else forms.account(gap.account),
        "first_block": gap.first_block,
        "last_block": gap.last_block,
        "reason": gap.reason,
    }
