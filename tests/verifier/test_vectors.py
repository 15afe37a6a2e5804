"""Bundles kept from the day format 1 was made: they verify, or are rejected, exactly as was written down."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.verifier.anchor import Anchor
from app.verifier.verdict import ACCEPTED, CONDITIONAL, REJECTED, Verdict
from app.verifier.verify import verify
from tests.support.bag import content_ranges
from tests.verifier.forger import Forger

V1 = Path(__file__).resolve().parents[1] / "vectors" / "v1"
BYTES_MAX = 300_000
EXPECTED: dict[str, Any] = json.loads((V1 / "expected.json").read_text("utf-8"))
(BUNDLE,) = (V1 / "good").glob("quittance-*.zip")
CASE = V1 / "good" / "case.json"
ANCHOR = (V1 / "good" / "anchor.txt").read_text("ascii").strip()


def altered(recipe: dict[str, Any], folder: Path) -> Path:
    """A copy of the good bundle, changed as the recipe says."""
    match recipe:
        case {"flip": {"file": str(path), "at": int(at), "mask": int(mask)}}:
            content = bytearray(BUNDLE.read_bytes())
            content[content_ranges(BUNDLE)[path][at]] ^= mask
        case {"flip": {"at": int(at), "mask": int(mask)}}:
            content = bytearray(BUNDLE.read_bytes())
            content[at] ^= mask
        case {"cut": int(size)}:
            content = bytearray(BUNDLE.read_bytes()[:-size])
        case {"append": str(text)}:
            content = bytearray(BUNDLE.read_bytes() + text.encode())
        case {"replace": {"file": str(path), "old": str(old), "new": str(new)}}:
            return _resealed(path, old=old, new=new, folder=folder)
        case _:
            pytest.fail(f"no such recipe: {recipe}")
    target = folder / BUNDLE.name
    target.write_bytes(content)
    return target


def _resealed(path: str, *, old: str, new: str, folder: Path) -> Path:
    forger = Forger(BUNDLE)
    assert old.encode() in forger.files[path], "the recipe finds nothing to replace"
    forger.files[path] = forger.files[path].replace(old.encode(), new.encode(), 1)
    return forger.sealed(folder)


def facts_of(verdict: Verdict) -> dict[str, Any]:
    sentences = ("scope_sentence", "claims")
    return {name: value for name, value in verdict.facts.items() if name not in sentences}


def test_the_good_bundle_holds() -> None:
    verdict = verify(bundle=BUNDLE, case=CASE, anchors=(Anchor.parse(ANCHOR),))
    assert verdict.exit_code == ACCEPTED, f"{verdict.file}: {verdict.reason}"
    assert facts_of(verdict) == EXPECTED["good"]["facts"]
    assert list(verdict.checked) == EXPECTED["good"]["checked"]
    assert list(verdict.not_covered) == EXPECTED["good"]["not_covered"]


def test_it_says_the_truth_of_the_demo() -> None:
    facts = EXPECTED["good"]["facts"]
    interval = facts["not_covered_interval"]
    assert (facts["result"], facts["timing"], facts["applied"]) == ("PARTIAL", "OVERDUE", "4000")
    assert (interval["min_units"], interval["max_units"]) == ("3000000000", "5000000000")
    assert (facts["grade"], facts["tie"], facts["anchor"]) == ("provider-reported", "contract", ANCHOR)


@pytest.mark.parametrize(("case", "anchors"), [(None, (ANCHOR,)), (CASE, ()), (None, ())])
def test_with_less_than_all_it_is_only_consistent(case: Path | None, anchors: tuple[str, ...]) -> None:
    verdict = verify(bundle=BUNDLE, case=case, anchors=tuple(map(Anchor.parse, anchors)))
    assert verdict.exit_code == CONDITIONAL, f"{verdict.file}: {verdict.reason}"
    assert facts_of(verdict) == EXPECTED["good"]["facts"]


@pytest.mark.parametrize("row", EXPECTED["tampered"], ids=lambda row: str(row["name"]))
def test_a_tampered_bundle_is_rejected_as_recorded(row: dict[str, Any], tmp_path: Path) -> None:
    bundle = altered(row["recipe"], tmp_path)
    verdict = verify(bundle=bundle, case=CASE, anchors=(Anchor.parse(ANCHOR),))
    assert (verdict.exit_code, verdict.file, verdict.reason) == (REJECTED, row["file"], row["reason"])


@pytest.mark.parametrize("row", EXPECTED["handed_in"], ids=lambda row: str(row["name"]))
def test_another_question_or_anchor_is_rejected_as_recorded(row: dict[str, Any], tmp_path: Path) -> None:
    case, anchor = CASE, row.get("anchor", ANCHOR)
    if "case" in row:
        text = CASE.read_text("utf-8")
        assert row["case"]["old"] in text
        case = tmp_path / "case.json"
        case.write_text(text.replace(row["case"]["old"], row["case"]["new"]), "utf-8")
    verdict = verify(bundle=BUNDLE, case=case, anchors=(Anchor.parse(anchor),))
    assert (verdict.exit_code, verdict.file, verdict.reason) == (REJECTED, row["file"], row["reason"])


def test_the_folder_is_small_and_holds_nothing_else() -> None:
    files = sorted(path.relative_to(V1).as_posix() for path in V1.rglob("*") if path.is_file())
    assert files == sorted(
        ["README.md", "expected.json", "good/anchor.txt", "good/case.json", f"good/{BUNDLE.name}"]
    )
    assert sum((V1 / name).stat().st_size for name in files) < BYTES_MAX
