"""What the report prints, ready to print: strings, and integers that place shapes in the picture.

Holds no rule and no rounding. Sentences that state a fact arrive here as data, from app.assessment;
headings, labels and instructions live in the templates. Must not know typst, bundles, or the store.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MarkKind = Literal["applied", "undecided", "counts-zero"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyAccount:
    """One account of a party: CAIP-10 in EIP-55 form, what ties it to the party, and when it is valid."""

    account: str
    basis: str
    valid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """`role` is a code (creditor, debtor, guarantor, assignee); the template words it."""

    role: str
    name: str
    accounts: tuple[PartyAccount, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliedOn:
    """Something the creditor relies on; `kind` is a code (contract, disbursement, due, exhibit)."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A line of the table; the totals line has no number, due date or timing."""

    number: str
    due_local: str
    due_utc: str
    amount: str
    applied: str
    applied_elsewhere: str
    rejected: str
    undecided: str
    not_covered_min: str
    not_covered_max: str
    timing: str
    timing_note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A transfer that would change the table if it were decided otherwise, and the sentence about it.

    `contract` is empty for the debt's own token: another one is named in full, since a symbol proves nothing.
    """

    time_utc: str
    amount: str
    token: str
    contract: str
    sender: str
    reasons: tuple[str, ...]
    counted: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DueBar:
    """A bar above the axis. All integers are per mille: of the axis (`at`), of the tallest bar (the rest).

    `lane` is the line of labels that has room for this one, or None when none has.
    """

    at: int
    height: int
    applied: int
    undecided: int
    lane: int | None
    label: tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A transfer below the axis: a bar, or a ring for one that counts zero."""

    kind: MarkKind
    at: int
    height: int
    lane: int | None
    label: tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """The picture: due dates above an axis, transfers below it.

    The axis starts with the agreement; it ends with `as_of`, or later if something falls due later. `as_of`
    is its place per mille, 1000 where it is the end.
    """

    start: str
    end: str
    as_of: int
    as_of_day: str
    dues: tuple[DueBar, ...]
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Who asks what, of whom, on which grounds, and how to check the answer.

    `statements` are the sentences that must be read with the result, such as that the report does not
    decide whether the debt was paid, and that no third party stamped its time. `scope` holds the scope
    sentence of each chain, `claims` the sentences of the grades reached, `limits` what was not checked.
    """

    title: str
    product: str
    evidence_id: str
    root: str
    question: str
    asked_by: str
    relation: str
    relied_on: tuple[ReliedOn, ...]
    parties: tuple[Party, ...]
    statements: tuple[str, ...]
    scope: tuple[str, ...]
    claims: tuple[str, ...]
    limits: tuple[str, ...]
    anchor_number: str
    anchor_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The answer: result, table, what would change it, and the picture, at two named times.

    `changes_omitted` counts the transfers that the list has no room for; `change_notes` are sentences
    about what would change the table besides a listed transfer.
    """

    as_of: str
    known_at: str
    unit: str
    principal: str
    result: str
    grade: str
    tie: str
    rows: tuple[Row, ...]
    totals: Row
    changes: tuple[Change, ...]
    changes_omitted: int
    change_notes: tuple[str, ...]
    timeline: Timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportContent:
    """Everything on the page that is not a heading, a label or an instruction."""

    frame: Frame
    figures: Figures
