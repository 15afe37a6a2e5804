"""How a forgery is tried: sealed again, then given to the verifier with a true anchor typed by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatch
from pathlib import Path

import pytest

from app.verifier.anchor import Anchor
from app.verifier.verdict import REJECTED, Verdict
from app.verifier.verify import verify
from tests.verifier.forger import Forger

TRANSFERS, BLOCKS = "data/chain/*/transfers.json", "data/chain/*/blocks.json"
ANSWER, REQUEST = "data/providers/*.answer.json", "data/providers/*.request.json"


@dataclass(frozen=True, slots=True)
class Forgery:
    """What is altered, and the file (a pattern) and words with which it must be rejected."""

    name: str
    alter: Callable[[Forger], object]
    file: str
    reason: str
    bagged_on: date | None = None


def named(forgeries: Sequence[Forgery]) -> list[object]:
    """For parametrize: one test for each, under its name."""
    assert len({each.name for each in forgeries}) == len(forgeries), "two forgeries share a name"
    return [pytest.param(each, id=each.name) for each in forgeries]


def judged(
    forger: Forger, folder: Path, *, anchor: Anchor, case: Path | None = None, bagged_on: date | None = None
) -> Verdict:
    """Without `case` the forger's own case is handed in, as if it were the question."""
    bundle = forger.sealed(folder, bagged_on=bagged_on)
    return verify(bundle=bundle, case=case or forger.case_file(folder), anchors=(anchor,))


def demand_rejection(verdict: Verdict, *, file: str, reason: str) -> None:
    assert verdict.exit_code == REJECTED, f"accepted with exit code {verdict.exit_code}"
    assert verdict.file is not None
    assert verdict.reason is not None
    assert verdict.reason.isprintable()
    assert fnmatch(verdict.file, file), f"{verdict.file}: {verdict.reason}"
    assert reason in verdict.reason, f"{verdict.file}: {verdict.reason}"
