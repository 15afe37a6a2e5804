"""The table of an assessment in a narrow terminal: everything is there, whatever has to be broken for it."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from app.cli.table import assessment_lines
from chains.types import UINT256_MAX

MOST = f"{UINT256_MAX // 10**6}.{UINT256_MAX % 10**6}"


def document(*, amount: str, applied: str, timing: str) -> dict[str, Any]:
    interval = {"min": amount, "min_units": "1", "max": amount, "max_units": "1"}
    installment = {
        "number": 1000,
        "due_at": "2026-03-06T22:59:59Z",
        "amount": amount,
        "applied": applied,
        "not_covered": interval,
        "timing": timing,
        "timing_condition": "",
    }
    return {
        "result": "PARTIAL",
        "principal": amount,
        "applied": applied,
        "grade": "provider-reported",
        "tie": "contract",
        "not_covered": interval,
        "installments": [installment],
        "scope_sentence": "On [bold]one[/bold] chain.",
        "candidates": [],
        "candidates_total": 0,
    }


def columns(text: str) -> list[str]:
    """Each cell of the table's one row, put together again."""
    rows = [line.strip("│").split("│") for line in text.splitlines() if line.startswith("│")]
    return ["".join(part.strip() for part in parts) for parts in zip(*rows, strict=True)]


@pytest.mark.parametrize("width", [60, 80, 120, 1000])
@pytest.mark.parametrize("amount", ["9000", "1234567890.123456", MOST])
def test_no_digit_is_lost(width: int, amount: str) -> None:
    sink = StringIO()
    console = Console(file=sink, width=width, soft_wrap=False)
    for line in assessment_lines(document(amount=amount, applied="0.000001", timing="NOT_YET_DUE")):
        console.print(line, soft_wrap=True)
    text = sink.getvalue()
    assert "…" not in text
    cells = columns(text)
    assert cells[:4] == ["1000", "2026-03-06T22:59:59Z", amount, "0.000001"]
    assert cells[4].replace(" ", "") == f"{amount}to{amount}"
    assert cells[5] == "NOT_YET_DUE"
    assert "On [bold]one[/bold] chain." in text
