"""The facts that an assessment rests on, and what it answers (pure, frozen)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from app.debts.terms import Basis, Debt, Installment, Party
from app.matching.allocate import Allocation
from app.matching.attribute import Attribution, Payment, Records
from chains.types import AccountId, BlockRef, ChainId, Transfer


class Result(StrEnum):
    FULL = "FULL"
    PARTIAL = "PARTIAL"
    NONE_FOUND_IN_SCOPE = "NONE_FOUND_IN_SCOPE"
    UNDETERMINED = "UNDETERMINED"


class Timing(StrEnum):
    """Of an installment; a debt shows the worst, in this order."""

    ON_TIME = "ON_TIME"
    NOT_YET_DUE = "NOT_YET_DUE"
    LATE = "LATE"
    OVERDUE = "OVERDUE"
    UNDETERMINED = "UNDETERMINED"


class Grade(StrEnum):
    """How a chain fact was checked. The stronger ones come with the proof of completeness."""

    PROVIDER_REPORTED = "provider-reported"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A part of the scope that was not read. `account` None: no account of that chain was."""

    chain: ChainId
    account: AccountId | None
    first_block: int | None
    last_block: int | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeRow:
    """What had to be read on one chain: accounts of the creditor, from block a to block b.

    `before` (a-1) and `after` (b+1, the anchor) bracket the window by time; `before` is None where the
    window starts with the chain itself.
    """

    chain: ChainId
    chain_name: str
    accounts: tuple[AccountId, ...]
    before: BlockRef | None
    first: BlockRef | None
    last: BlockRef | None
    after: BlockRef | None
    gaps: tuple[Gap, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How the listed answers were obtained: the numbers of the provider-reported sentence.

    `agreed` endpoints returned no event other than those listed, `differed` returned others, `failed`
    failed or answered in part; together they are all endpoints asked.
    """

    started_at: datetime
    finished_at: datetime
    requests: int
    agreed: int
    differed: int
    failed: int
    operator: str
    relation: str
    chosen_by: str

    @property
    def endpoints(self) -> int:
        return self.agreed + self.differed + self.failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that an assessment may look at, recorded no later than `known_at`."""

    records: Records
    creditor: Party
    debtor: Party
    transfers: Sequence[Transfer]
    scope: tuple[ScopeRow, ...]
    reading: Reading | None

    @property
    def debt(self) -> Debt:
        return self.records.debt

    @property
    def has_gap(self) -> bool:
        """Whether something that had to be read was not. Without a scope, nothing was."""
        return not self.scope or any(row.gaps for row in self.scope)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """What is not covered: `max_units` counts no candidate, `min_units` all that may count."""

    min_units: int
    max_units: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallmentState:
    """`not_covered` is None where a gap leaves it open.

    `covered_by` is the payment that left no more open than the tolerance; None where there is none, or
    where the tolerance alone is enough.
    """

    installment: Installment
    applied_units: int
    not_covered: Interval | None
    timing: Timing
    days_overdue: int | None
    covered_by: Payment | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    facts: Facts
    as_of: datetime
    known_at: datetime
    result: Result
    timing: Timing
    grade: Grade | None
    tie: Basis | None
    not_covered: Interval | None
    installments: tuple[InstallmentState, ...]
    attribution: Attribution
    allocation: Allocation
