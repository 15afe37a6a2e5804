"""From an assessment and what the sealing knows to the content of the report, in English.

Pure. Sentences that state a fact come from app.assessment.statements; what is put together here are the
question and labels beside recorded values. Must not know typst or the store.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from app.assessment import statements
from app.assessment.document import Forms
from app.assessment.values import Assessment
from app.debts.terms import AccountBinding, Installment
from app.evidence.report.content import Frame, Party, PartyAccount, ReliedOn, ReportContent
from app.evidence.report.figures import build_figures
from app.evidence.report.printed import printed_amount, printed_day, printed_utc
from chains.types import BlockRef

TITLE = "Transfers on chain and what they cover of a recorded debt"
NO_ANCHOR = "none"
_DUE_DATES_MAX = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealing:
    """What the report says of its own making. `root` is R in hex; `limits` are sentences.

    `asked_by` names who asked; `relation` names the operator of the software and what he is to the
    parties.
    """

    product: str
    evidence_id: str
    root: str
    asked_by: str
    relation: str
    limits: tuple[str, ...]
    anchor: BlockRef | None


def build_content(*, assessment: Assessment, sealing: Sealing, forms: Forms) -> ReportContent:
    """Everything that the template prints as data. `forms` writes addresses, in EIP-55 on paper."""
    facts = assessment.facts
    anchor = sealing.anchor
    frame = Frame(
        title=TITLE,
        product=sealing.product,
        evidence_id=sealing.evidence_id,
        root=sealing.root,
        question=_question(assessment),
        asked_by=sealing.asked_by,
        relation=sealing.relation,
        relied_on=_relied_on(assessment),
        parties=(
            _party(
                assessment, role="creditor", party_id=facts.creditor.id, name=facts.creditor.name, forms=forms
            ),
            _party(assessment, role="debtor", party_id=facts.debtor.id, name=facts.debtor.name, forms=forms),
        ),
        statements=(statements.DOES_NOT_DECIDE, statements.NOT_TIMESTAMPED),
        scope=statements.scope_sentences(assessment),
        claims=_claims(assessment),
        limits=sealing.limits,
        anchor_number=NO_ANCHOR if anchor is None else str(anchor.number),
        anchor_hash=NO_ANCHOR if anchor is None else str(anchor.hash),
    )
    return ReportContent(frame=frame, figures=build_figures(assessment=assessment, forms=forms))


def _question(assessment: Assessment) -> str:
    debt = assessment.facts.debt
    chains = ", ".join(f"{row.chain_name} ({row.chain})" for row in assessment.facts.scope)
    return (
        f"Which transfers does {chains or 'no chain'} record, from {printed_utc(debt.agreed_at)} to "
        f"{printed_utc(assessment.as_of)}, from anyone to the creditor's accounts, and what do they cover of "
        f"debt {debt.reference}?"
    )


def _relied_on(assessment: Assessment) -> tuple[ReliedOn, ...]:
    debt = assessment.facts.debt
    principal = _amount(assessment, debt.principal_units)
    contract = f"{debt.reference}; agreed {printed_utc(debt.agreed_at)}; {principal}"
    return (
        ReliedOn(kind="contract", text=contract),
        *(ReliedOn(kind="disbursement", text=transfer_id) for transfer_id in debt.disbursements),
        ReliedOn(kind="due", text=_due_dates(assessment, debt.installments)),
    )


def _due_dates(assessment: Assessment, installments: tuple[Installment, ...]) -> str:
    debt = assessment.facts.debt
    shown = "; ".join(
        f"{_amount(assessment, each.amount_units)} on {printed_day(each.due_at)}"
        for each in installments[:_DUE_DATES_MAX]
    )
    more = len(installments[_DUE_DATES_MAX:])
    grace = f"grace {debt.grace_days} days" if debt.grace_days else "no grace"
    return f"{shown}{f'; and {more} more in the table' if more else ''}; {grace}"


def _amount(assessment: Assessment, units: int) -> str:
    asset = assessment.facts.debt.asset
    return f"{printed_amount(units=units, decimals=asset.decimals)} {asset.symbol}"


def _party(assessment: Assessment, *, role: str, party_id: str, name: str, forms: Forms) -> Party:
    accounts = (
        PartyAccount(account=forms.account(each.account), basis=each.basis.value, valid=_valid(each))
        for each in assessment.facts.records.bindings_of(party_id)
    )
    return Party(role=role, name=name, accounts=tuple(accounts))


def _valid(binding: AccountBinding) -> str:
    start, end = _bound(binding.valid_from), _bound(binding.valid_until)
    first = f"from {start}" if start else "no start recorded"
    last = f"until {end}" if end else "no end recorded"
    return f"{first}, {last}"


def _bound(moment: datetime | None) -> str:
    return "" if moment is None else printed_utc(moment)


def _claims(assessment: Assessment) -> tuple[str, ...]:
    reading = assessment.facts.reading
    if assessment.grade is None or reading is None:
        return ()
    return (statements.provider_reported(reading),)
