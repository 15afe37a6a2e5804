"""The inflow list at any width: whatever has to be broken for it, no digit and no sentence is lost."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from app.cli.inquiry_table import inflow_lines
from chains.types import UINT256_MAX

TX, SENDER, TOKEN = "0x" + 64 * "a", "0x" + 40 * "b", "0x" + 40 * "c"
MOST = str(UINT256_MAX)
HOSTILE = "[red]USDC[/red] =1+1"


def document(*, differs: tuple[str, ...] = ()) -> dict[str, Any]:
    total = {"transfers": 1, "amount": MOST, "amount_units": MOST}
    inflow = {
        "block_time": "2026-03-06T22:59:59Z",
        "block_number": 123_456_789,
        "log_index": 1234,
        "amount": MOST,
        "amount_units": MOST,
        "symbol": HOSTILE,
        "asset": f"eip155:1/erc20:{TOKEN}",
        "from": SENDER,
        "tx_hash": TX,
        "differs_in": list(differs),
        "disputed": True,
        "exact_amount": True,
        "flags": ["pass-through"],
        "origins": [SENDER],
        "origins_total": 3,
        "origin_by_same_asset": False,
    }
    return {
        "asked_for": {"from": None, "token": None, "amount": "1" if differs else None},
        "differences": ["THE ANSWERS DIFFER: here."],
        "gap_sentences": ["NOT READ: blocks 1-2."],
        "inflows": [inflow],
        "totals": [
            {
                "asset": inflow["asset"],
                "symbol": HOSTILE,
                "received": total,
                "as_asked": total,
                "disputed": total,
                "sent": {**total, "amount": None},
            }
        ],
        "notes": ["A note."],
        "scope_sentence": "On [bold]one[/bold] chain.",
    }


def printed(found: dict[str, Any], *, width: int, narrow: bool = False) -> str:
    sink = StringIO()
    console = Console(file=sink, width=width, soft_wrap=True)
    for line in inflow_lines(found, rows=10, only=False, narrow=narrow):
        console.print(line)
    return sink.getvalue()


@pytest.mark.parametrize("width", [60, 80, 160, 240])
@pytest.mark.parametrize("narrow", [True, False])
def test_nothing_is_lost(width: int, *, narrow: bool) -> None:
    text = printed(document(differs=("amount",)), width=width, narrow=narrow)
    assert "…" not in text
    assert text.startswith("THE ANSWERS DIFFER: here.\nNOT READ: blocks 1-2.\n"), "before any figure"
    assert text.endswith("On [bold]one[/bold] chain.\n")
    digits = "".join(char for char in text if char not in "│ \n┃━┏┓┡┩╇┳─┼├┤└┘┴")
    for whole in ("123456789", "1234", "DISPUTED", "[red]USDC[/red]=1+1", "pass-through", "Anote."):
        assert whole in digits


@pytest.mark.parametrize("narrow", [True, False])
def test_hashes_and_amounts_can_be_copied(*, narrow: bool) -> None:
    """In a list at any width, in a table where there is room for it."""
    text = printed(document(), width=80 if narrow else 300, narrow=narrow)
    for whole in (TX, SENDER, TOKEN, f"{MOST} {HOSTILE}", "origin (by other assets)", "and 2 more"):
        assert whole in text
    assert "as asked" not in text, "nothing was asked for"


def test_what_is_asked_for_is_marked() -> None:
    assert "not as asked: amount" in printed(document(differs=("amount",)), width=300)
    found = document()
    found["asked_for"]["amount"] = "1"
    assert "not as asked" not in printed(found, width=300)
    assert "as asked" in printed(found, width=300)
