"""From an assessment to the figures of the report: formatted, checked to add up, and placed in the picture.

Pure, and decides nothing: what counts, and what it means, was settled in app.assessment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from app.assessment import statements
from app.assessment.document import Forms
from app.assessment.values import Assessment, InstallmentState, Interval
from app.clock import from_unix_seconds
from app.errors import QuittanceError
from app.evidence.report.content import Change, Figures, Row
from app.evidence.report.printed import (
    NO_FIGURE,
    decimal_places,
    printed_amount,
    printed_local,
    printed_utc,
)
from app.evidence.report.timeline import DueFact, MarkFact, draw_timeline
from app.matching.attribute import Candidate

# A longer list is for the bundle, where every transfer is.
_LISTED_MAX = 1000


class FiguresDisagree(QuittanceError):
    """The lines of the table do not add up to the debt's own figures: nothing may be printed."""


def build_figures(*, assessment: Assessment, forms: Forms) -> Figures:
    """Everything on the page that is counted. Raises FiguresDisagree."""
    _must_add_up(assessment)
    printer = _Printer.of(assessment)
    debt, candidates = assessment.facts.debt, assessment.attribution.candidates
    # What counts comes first, so that a flood of dust cannot push it off the page.
    ordered = sorted(candidates, key=lambda each: not _counts(each))
    return Figures(
        as_of=printed_utc(assessment.as_of),
        known_at=printed_utc(assessment.known_at),
        unit=debt.asset.symbol,
        principal=printer.amount(debt.principal_units),
        result=assessment.result.value,
        grade=NO_FIGURE if assessment.grade is None else assessment.grade.value,
        tie=NO_FIGURE if assessment.tie is None else assessment.tie.value,
        rows=tuple(
            printer.row(state, note=statements.timing_condition(assessment, state))
            for state in assessment.installments
        ),
        totals=printer.totals(assessment),
        changes=tuple(
            _change(assessment, candidate, printer=printer, forms=forms)
            for candidate in ordered[:_LISTED_MAX]
        ),
        changes_omitted=len(ordered[_LISTED_MAX:]),
        change_notes=statements.would_change(assessment)[len(candidates) :],
        timeline=draw_timeline(
            agreed_at=debt.agreed_at,
            as_of=assessment.as_of,
            dues=[printer.due(state) for state in assessment.installments],
            marks=_marks(assessment, ordered)[:_LISTED_MAX],
        ),
    )


def _must_add_up(assessment: Assessment) -> None:
    debt, states = assessment.facts.debt, assessment.installments
    pairs = {
        "amounts": (debt.principal_units, sum(state.installment.amount_units for state in states)),
        "applied": (assessment.allocation.applied_units, sum(state.applied_units for state in states)),
    }
    for name, (whole, parts) in pairs.items():
        if whole != parts:
            msg = f"The {name} of the installments add up to {parts} base units, the debt's own to {whole}."
            raise FiguresDisagree(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Printer:
    """Writes the amounts of one table with equal places, and times in the debt's zone."""

    decimals: int
    places: int
    zone: ZoneInfo

    @classmethod
    def of(cls, assessment: Assessment) -> _Printer:
        debt = assessment.facts.debt
        amounts = [debt.principal_units]
        for state in assessment.installments:
            amounts += [state.installment.amount_units, state.applied_units]
            if state.not_covered is not None:
                amounts += [state.not_covered.min_units, state.not_covered.max_units]
        places = decimal_places(amounts_units=amounts, decimals=debt.asset.decimals)
        return cls(decimals=debt.asset.decimals, places=places, zone=ZoneInfo(debt.time_zone))

    def amount(self, units: int) -> str:
        return printed_amount(units=units, decimals=self.decimals, places=self.places)

    def bounds(self, interval: Interval | None) -> tuple[str, str]:
        if interval is None:
            return (NO_FIGURE, NO_FIGURE)
        return (self.amount(interval.min_units), self.amount(interval.max_units))

    def undecided(self, interval: Interval | None) -> str:
        return NO_FIGURE if interval is None else self.amount(interval.max_units - interval.min_units)

    def row(self, state: InstallmentState, *, note: str) -> Row:
        # No decision can be recorded yet, so nothing is applied elsewhere and nothing is rejected.
        installment = state.installment
        low, high = self.bounds(state.not_covered)
        return Row(
            number=str(installment.number),
            due_local=printed_local(installment.due_at, zone=self.zone),
            due_utc=printed_utc(installment.due_at),
            amount=self.amount(installment.amount_units),
            applied=self.amount(state.applied_units),
            applied_elsewhere=self.amount(0),
            rejected=self.amount(0),
            undecided=self.undecided(state.not_covered),
            not_covered_min=low,
            not_covered_max=high,
            timing=state.timing.value,
            timing_note=note,
        )

    def totals(self, assessment: Assessment) -> Row:
        whole = assessment.not_covered
        low, high = self.bounds(whole)
        return Row(
            number="",
            due_local="",
            due_utc="",
            amount=self.amount(assessment.facts.debt.principal_units),
            applied=self.amount(assessment.allocation.applied_units),
            applied_elsewhere=self.amount(0),
            rejected=self.amount(0),
            undecided=self.undecided(whole),
            not_covered_min=low,
            not_covered_max=high,
            timing="",
            timing_note="",
        )

    def due(self, state: InstallmentState) -> DueFact:
        interval = state.not_covered
        return DueFact(
            name=f"#{state.installment.number}",
            due_at=state.installment.due_at,
            amount_units=state.installment.amount_units,
            applied_units=state.applied_units,
            undecided_units=0 if interval is None else interval.max_units - interval.min_units,
            amount=self.amount(state.installment.amount_units),
        )


def _counts(candidate: Candidate) -> bool:
    return candidate.value_not_agreed or candidate.counted_units > 0


def _change(assessment: Assessment, candidate: Candidate, *, printer: _Printer, forms: Forms) -> Change:
    transfer = candidate.transfer
    return Change(
        time_utc=printed_utc(_block_time(candidate)).removesuffix(" UTC"),
        amount=_face(assessment, candidate),
        token=_token(assessment, candidate),
        contract="" if transfer.asset == assessment.facts.debt.asset.id else forms.address(transfer.contract),
        sender=forms.address(transfer.sender),
        reasons=tuple(reason.value for reason in candidate.reasons),
        counted=NO_FIGURE if candidate.value_not_agreed else printer.amount(candidate.counted_units),
        sentence=_capitalized(statements.candidate_effect(assessment, candidate)),
    )


def _capitalized(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _face(assessment: Assessment, candidate: Candidate) -> str:
    """The amount in the token's own unit; in base units where nobody registered its decimals."""
    records, transfer = assessment.facts.records, candidate.transfer
    assets = {asset.id: asset for asset in records.debt.assets} | dict(records.registered)
    asset = assets.get(transfer.asset)
    if asset is None:
        return f"{transfer.amount_units:,} base units"
    return printed_amount(units=transfer.amount_units, decimals=asset.decimals)


def _token(assessment: Assessment, candidate: Candidate) -> str:
    records, asset_id = assessment.facts.records, candidate.transfer.asset
    known = {asset.id: asset.symbol for asset in (*records.debt.assets, *records.registered.values())}
    return known.get(asset_id) or records.symbols.get(asset_id, "")


def _marks(assessment: Assessment, candidates: Sequence[Candidate]) -> list[MarkFact]:
    debt = assessment.facts.debt
    applied = [
        MarkFact(
            kind="applied",
            at=from_unix_seconds(payment.transfer.block.time),
            units=payment.units,
            name=printed_amount(units=payment.units, decimals=debt.asset.decimals),
        )
        for payment in assessment.attribution.payments
    ]
    open_ones = [
        MarkFact(
            kind="undecided" if _counts(candidate) else "counts-zero",
            at=_block_time(candidate),
            units=candidate.counted_units,
            name=_counted_label(assessment, candidate),
        )
        for candidate in candidates
    ]
    return applied + open_ones


def _counted_label(assessment: Assessment, candidate: Candidate) -> str:
    """What a candidate counts, for its label in the picture."""
    if candidate.value_not_agreed:
        return candidate.reasons[0].value
    if not candidate.counted_units:
        return "0"
    decimals = assessment.facts.debt.asset.decimals
    return printed_amount(units=candidate.counted_units, decimals=decimals)


def _block_time(candidate: Candidate) -> datetime:
    return from_unix_seconds(candidate.transfer.block.time)
