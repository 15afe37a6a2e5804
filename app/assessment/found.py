"""What was found on one chain, sorted for the scope sentence: each transfer under exactly one head (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.assessment.values import Assessment, ScopeRow
from app.matching.attribute import Candidate, Payment, Reason
from chains.types import Transfer


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Transfers of the debt's assets to the creditor's listed accounts, and how many others reached them.

    `applied` payments discharged something, `discharged_units` in all; `beyond_units` of them did not.
    `idle` payments came when nothing was open. `out_of_time` counts transfers to an account outside the
    time for which it is on record as the creditor's.
    """

    applied: tuple[Payment, ...]
    discharged_units: int
    beyond_units: int
    idle: tuple[Payment, ...]
    undecided: tuple[Transfer, ...]
    internal: tuple[Transfer, ...]
    other_tokens: int
    out_of_time: int

    @property
    def payments(self) -> tuple[Transfer, ...]:
        return tuple(each.transfer for each in (*self.applied, *self.idle))

    @property
    def transfers(self) -> tuple[Transfer, ...]:
        return (*self.payments, *self.undecided, *self.internal)

    @property
    def idle_units(self) -> int:
        return sum(each.units for each in self.idle)


def sort_found(assessment: Assessment, row: ScopeRow) -> Found:
    """Candidates that are no inflow, such as a payment to a look-alike, are under no head here."""
    attribution = assessment.attribution
    list_c = {account.address for account in row.accounts}
    owed = {asset.id for asset in assessment.facts.debt.assets}

    def is_here(transfer: Transfer) -> bool:
        return transfer.chain == row.chain and transfer.recipient in list_c

    payments = [each for each in attribution.payments if is_here(each.transfer)]
    candidates = [each for each in attribution.candidates if is_here(each.transfer)]
    of_debt = [each for each in candidates if each.transfer.asset in owed]
    lines = assessment.allocation.by_payment()
    applied = tuple(each for each in payments if each.transfer.id in lines)
    discharged = sum(line.units for each in applied for line in lines[each.transfer.id])
    return Found(
        applied=applied,
        discharged_units=discharged,
        beyond_units=sum(each.units for each in applied) - discharged,
        idle=tuple(each for each in payments if each.transfer.id not in lines),
        undecided=_transfers(of_debt, internal=False),
        internal=_transfers(of_debt, internal=True),
        other_tokens=len(candidates) - len(of_debt),
        out_of_time=sum(is_here(each) for each in attribution.unrelated),
    )


def _transfers(candidates: Sequence[Candidate], *, internal: bool) -> tuple[Transfer, ...]:
    return tuple(each.transfer for each in candidates if (Reason.INTERNAL in each.reasons) is internal)
