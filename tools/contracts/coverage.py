"""How much of the escrow's sources the tests run through: lines and branches, from forge's own count."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from tools.contracts.tests import Amount
from tools.contracts.workshop import WorkshopFailed, forge

LINES_PERCENT_MIN = 98
BRANCHES_PERCENT_MIN = 95
COVERAGE_SECONDS_MAX = 1_200
MEASURED = "src/escrow/"
AMOUNT = Amount(fuzz_runs=64, invariant_runs=8, invariant_depth=32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    lines: int
    lines_hit: int
    branches: int
    branches_hit: int
    missed: tuple[str, ...]


def coverage() -> str:
    """Raises WorkshopFailed when it is too little, and names what was missed; else says how much."""
    with tempfile.TemporaryDirectory(prefix="quittance-coverage-") as folder:
        report = Path(folder) / "lcov.info"
        # Built apart: without the optimizer, so that each line can be counted.
        done = forge(
            "coverage",
            "--report",
            "lcov",
            "--report-file",
            str(report),
            seconds_max=COVERAGE_SECONDS_MAX,
            settings=AMOUNT.settings()
            | {"FOUNDRY_OUT": f"{folder}/out", "FOUNDRY_CACHE_PATH": f"{folder}/cache"},
        )
        if done.code != 0 or not report.is_file():
            msg = f"forge coverage failed\n{done.tail()}"
            raise WorkshopFailed(msg)
        counts = count(report.read_text("utf-8"))
    return judge(counts)


def judge(counts: Counts) -> str:
    lines = _said("lines", counts.lines_hit, counts.lines)
    said = f"{lines}, {_said('branches', counts.branches_hit, counts.branches)}"
    enough = (
        counts.lines > 0
        and 100 * counts.lines_hit >= LINES_PERCENT_MIN * counts.lines
        and 100 * counts.branches_hit >= BRANCHES_PERCENT_MIN * counts.branches
    )
    missed = f"; missed: {', '.join(counts.missed)}" if counts.missed else ""
    if not enough:
        msg = f"{said}, which is less than {LINES_PERCENT_MIN} and {BRANCHES_PERCENT_MIN} %{missed}"
        raise WorkshopFailed(msg)
    return said + missed


def count(lcov: str) -> Counts:
    """The totals of the files under MEASURED in an lcov tracefile."""
    totals = dict.fromkeys(("LF", "LH", "BRF", "BRH"), 0)
    missed: list[str] = []
    name = ""
    for line in lcov.splitlines():
        key, _, value = line.partition(":")
        if key == "SF":
            name = value
        elif name.startswith(MEASURED) and key in totals:
            totals[key] += int(value)
        elif name.startswith(MEASURED) and key in ("DA", "BRDA"):
            fields = value.split(",")
            if fields[-1] in ("0", "-"):
                missed.append(f"{name.removeprefix(MEASURED)}:{fields[0]}")
    return Counts(
        lines=totals["LF"],
        lines_hit=totals["LH"],
        branches=totals["BRF"],
        branches_hit=totals["BRH"],
        missed=tuple(dict.fromkeys(missed)),
    )


def _said(what: str, part: int, whole: int) -> str:
    """The percentage is rounded down, so that 100.0 means all of them."""
    tenths = 1_000 * part // whole if whole else 0
    return f"{part} of {whole} {what} ({tenths // 10}.{tenths % 10} %)"
