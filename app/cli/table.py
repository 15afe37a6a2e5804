"""An assessment on a terminal: one table, and the sentences that belong to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import JustifyMethod, RenderableType
from rich.table import Table
from rich.text import Text


def assessment_lines(document: dict[str, Any]) -> Iterator[RenderableType]:
    yield _table(document)
    interval = document["not_covered"]
    yield Text(
        f"Result {document['result']}, applied {document['applied']} of {document['principal']}, "
        f"not covered {_interval(interval)}; grade {document['grade']}, tie {document['tie']}",
        style="bold",
    )
    yield Text(document["scope_sentence"])
    yield Text(f"Candidates ({document['candidates_total']}):")
    for candidate in document["candidates"]:
        transfer = candidate["transfer"]
        yield Text(
            f"  {transfer['block_time']}  {_amount(transfer)} from {transfer['from']}: "
            f"{', '.join(candidate['reasons'])}; counts {candidate['counted']}"
        )


def _amount(transfer: dict[str, Any]) -> str:
    return transfer["amount"] or f"{transfer['amount_units']} base units"


def _interval(interval: dict[str, Any]) -> str:
    if interval["min"] is None:
        return f"undetermined: {interval['reason']}"
    return f"{interval['min']} to {interval['max']}"


def _table(document: dict[str, Any]) -> Table:
    table = Table()
    columns: tuple[tuple[str, JustifyMethod], ...] = (
        ("Installment", "right"),
        ("Due", "left"),
        ("Amount", "right"),
        ("Applied", "right"),
        ("Not covered", "right"),
        ("Timing", "left"),
    )
    for name, justify in columns:
        # Folded, never cut: half an amount is another amount.
        table.add_column(name, justify=justify, overflow="fold", min_width=20 if name == "Due" else None)
    for row in document["installments"]:
        table.add_row(
            str(row["number"]),
            row["due_at"],
            row["amount"],
            row["applied"],
            _interval(row["not_covered"]),
            _timing(row),
        )
    return table


def _timing(row: dict[str, Any]) -> str:
    """Never without its condition, where an undecided transfer may change it."""
    return " ".join(part for part in (row["timing"], row["timing_condition"]) if part)
