"""How amounts and times look on paper, in English. Exact: nothing is rounded, nothing is a float.

Must not know where a figure comes from.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from app.money import display_units, format_units

# Stands where a gap leaves a figure unknown.
NO_FIGURE = "unknown"


def decimal_places(*, amounts_units: Iterable[int], decimals: int) -> int:
    """The fewest places that print every amount exactly, so that the points of a column line up."""
    fractions = (format_units(units, decimals=decimals).partition(".")[2] for units in amounts_units)
    return max((len(fraction) for fraction in fractions), default=0)


def printed_amount(*, units: int, decimals: int, places: int = 0) -> str:
    """`9,000.00`, with zeros up to `places`. No digit that is not a trailing zero is ever left out."""
    whole, _, fraction = display_units(units, decimals=decimals).partition(".")
    fraction = fraction.ljust(places, "0")
    return f"{whole}.{fraction}" if fraction else whole


def printed_utc(moment: datetime) -> str:
    """`2026-06-01 09:30:00 UTC`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def printed_day(moment: datetime) -> str:
    """The day in UTC, for labels where the time of day stands elsewhere."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d")


def printed_local(moment: datetime, *, zone: ZoneInfo) -> str:
    """`2026-06-01 17:30:00 +08:00`: the wall clock of the debt's zone, with its offset on that day."""
    text = moment.astimezone(zone).isoformat(sep=" ", timespec="seconds")
    return f"{text[:19]} {text[19:]}"
