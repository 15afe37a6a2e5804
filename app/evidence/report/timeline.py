"""Where the picture's shapes stand: integers per mille, computed from times and base units.

Knows neither typst nor millimetres. Labels that would touch a neighbour go to the next lane or are left
out; the shape itself is always drawn, so that thinning hides words, never a transfer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.clock import to_unix_seconds
from app.evidence.report.content import DueBar, Mark, MarkKind, Timeline
from app.evidence.report.printed import printed_day

MILLE = 1000
# A label of two short lines takes about 19 mm of an axis of 130 mm.
LABEL_WIDTH = 150
DUE_LANES = 1
MARK_LANES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class DueFact:
    """An installment; `undecided_units` is what open candidates might cover of it (max less min)."""

    name: str
    due_at: datetime
    amount_units: int
    applied_units: int
    undecided_units: int
    amount: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkFact:
    """A transfer; `units` is what it counts in the debt's own base units, 0 if it counts zero."""

    kind: MarkKind
    at: datetime
    units: int
    name: str


def draw_timeline(
    *, agreed_at: datetime, as_of: datetime, dues: Sequence[DueFact], marks: Sequence[MarkFact]
) -> Timeline:
    """The axis runs from the agreement to the last of all the times given, so no due date falls off it."""
    times = [as_of, *(due.due_at for due in dues), *(mark.at for mark in marks)]
    axis = _Axis(first=agreed_at, last=max(times))
    tallest = max((*(due.amount_units for due in dues), *(mark.units for mark in marks)), default=0)
    return Timeline(
        start=printed_day(axis.first),
        end=printed_day(axis.last),
        as_of=axis.place(as_of),
        as_of_day=printed_day(as_of),
        dues=_due_bars(axis=axis, dues=sorted(dues, key=lambda due: due.due_at), tallest=tallest),
        marks=_marks(axis=axis, marks=sorted(marks, key=lambda mark: mark.at), tallest=tallest),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Axis:
    first: datetime
    last: datetime

    def place(self, moment: datetime) -> int:
        """Anything before the agreement stands at the start of the axis."""
        span, since = (to_unix_seconds(end) - to_unix_seconds(self.first) for end in (self.last, moment))
        return MILLE * max(since, 0) // span if span > 0 else MILLE


def _due_bars(*, axis: _Axis, dues: Sequence[DueFact], tallest: int) -> tuple[DueBar, ...]:
    places = [axis.place(due.due_at) for due in dues]
    lanes = label_lanes(places=places, lanes=DUE_LANES)
    return tuple(
        DueBar(
            at=at,
            height=_share(due.amount_units, tallest),
            applied=_share(due.applied_units, tallest),
            undecided=_share(due.undecided_units, tallest),
            lane=lane,
            label=(f"{due.name}  {due.amount}", f"due {printed_day(due.due_at)}"),
        )
        for due, at, lane in zip(dues, places, lanes, strict=True)
    )


def _marks(*, axis: _Axis, marks: Sequence[MarkFact], tallest: int) -> tuple[Mark, ...]:
    places = [axis.place(mark.at) for mark in marks]
    lanes = label_lanes(places=places, lanes=MARK_LANES)
    return tuple(
        Mark(
            kind=mark.kind,
            at=at,
            height=_share(mark.units, tallest),
            lane=lane,
            label=(mark.name, printed_day(mark.at)),
        )
        for mark, at, lane in zip(marks, places, lanes, strict=True)
    )


def label_lanes(*, places: Sequence[int], lanes: int) -> list[int | None]:
    """For each place, in order, the first lane whose last label leaves room for another; None if none."""
    free_from = [-LABEL_WIDTH] * lanes
    chosen: list[int | None] = []
    for at in places:
        lane = next((index for index, free in enumerate(free_from) if at >= free), None)
        if lane is not None:
            free_from[lane] = at + LABEL_WIDTH
        chosen.append(lane)
    return chosen


def _share(units: int, whole: int) -> int:
    """Per mille, rounded up, so that a transfer of one base unit is still seen."""
    return -(-MILLE * units // whole) if whole else 0
