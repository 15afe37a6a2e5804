"""The main job from end to end: what the demo says is the truth of what it played, to the unit."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from app.clock import from_unix_seconds, parse_rfc3339, to_unix_seconds, utc_now
from app.evidence.reader import open_bag
from app.verifier.verify import verify
from tests.journeys.played import Played

UNIT = 10**6
PASSERS_BY_PAID_UNITS = 700 * UNIT
# The first accounts of the node's well-known mnemonic, as the demo casts them.
STRANGER = "0x90F79bf6EB2c4f870365E785982E1f101E93b906"
PASSERS_BY = ("0x9965507D1a55bcC2695C58ba16FB37d819B0A4dc", "0x976EA74026E726554dB657fA54763abd0C3a0aa9")


@pytest.fixture(scope="session")
def document(played: Played) -> dict[str, Any]:
    return played.document


@pytest.fixture(scope="session")
def assessment(played: Played) -> dict[str, Any]:
    return played.assessment


# -- the shape of what is printed


def test_stdout_is_one_object_with_the_promised_keys(played: Played, document: dict[str, Any]) -> None:
    rest = played.stdout[json.JSONDecoder().raw_decode(played.stdout)[1] :]
    assert rest.strip() == ""
    assert set(document) == {"debt_id", "assessment", "evidence", "verify", "tampered"}
    assert set(document["evidence"]) == {"id", "bundle", "report", "case", "anchor", "grade"}
    assert set(document["tampered"]) == {"ok", "file", "reason"}
    assert document["verify"]["ok"] is True
    assert document["debt_id"] == document["assessment"]["debt_id"]


def test_progress_is_told_beside_it(played: Played) -> None:
    told = ["The debt is recorded", "The chain is read", "The debt is assessed", "verified offline"]
    at = [played.stderr.find(text) for text in told]
    assert -1 not in at
    assert at == sorted(at)


@pytest.mark.parametrize("name", ["bundle", "report", "case"])
def test_every_path_is_absolute_and_there(played: Played, document: dict[str, Any], name: str) -> None:
    path = Path(document["evidence"][name])
    assert path.is_absolute()
    assert path.is_file()
    assert path.stat().st_size > 500
    assert path.is_relative_to(played.folder / "data"), "not in the ignored folder"


def test_the_case_lies_outside_the_bundle_and_equals_the_one_inside(played: Played) -> None:
    with open_bag(played.bundle) as bag:
        inside = bag.read_json("data/case.json")
        report = bag.read_bytes("data/report.en.pdf", bytes_max=2**24)
    assert json.loads(played.case.read_text("utf-8")) == inside
    assert Path(played.document["evidence"]["report"]).read_bytes() == report
    assert report.startswith(b"%PDF-")


def test_the_anchor_is_the_block_after_the_window(played: Played, document: dict[str, Any]) -> None:
    assert re.fullmatch(r"[0-9]+:0x[0-9a-f]{64}", document["evidence"]["anchor"])
    case = json.loads(played.case.read_text("utf-8"))
    (row,) = case["scope"]
    assert document["evidence"]["anchor"] == f"{row['anchor']['number']}:{row['anchor']['hash']}"
    assert row["anchor"]["number"] == row["last"]["number"] + 1


# -- the truth


def test_result_and_amounts(assessment: dict[str, Any]) -> None:
    assert assessment["result"] == "PARTIAL"
    assert (assessment["applied"], assessment["applied_units"]) == ("4000", str(4_000 * UNIT))
    assert assessment["principal_units"] == str(9_000 * UNIT)
    assert assessment["unapplied_units"] == "0"
    assert assessment["not_covered"] == {
        "min": "3000",
        "min_units": str(3_000 * UNIT),
        "max": "5000",
        "max_units": str(5_000 * UNIT),
    }
    assert assessment["grade"] == "provider-reported"
    assert assessment["tie"] == "contract"
    assert assessment["timing"] == "OVERDUE"


def test_installments(assessment: dict[str, Any]) -> None:
    rows = assessment["installments"]
    assert [row["timing"] for row in rows] == ["ON_TIME", "OVERDUE", "OVERDUE"]
    assert [row["applied_units"] for row in rows] == [str(each * UNIT) for each in (3_000, 1_000, 0)]
    assert [row["amount_units"] for row in rows] == [str(3_000 * UNIT)] * 3
    intervals = [(row["not_covered"]["min_units"], row["not_covered"]["max_units"]) for row in rows]
    assert intervals == [
        ("0", "0"),
        ("0", str(2_000 * UNIT)),
        (str(3_000 * UNIT), str(3_000 * UNIT)),
    ]


def test_due_days_count_from_the_agreement(played: Played, assessment: dict[str, Any]) -> None:
    agreed_at = parse_rfc3339(json.loads(played.case.read_text("utf-8"))["debt"]["agreed_at"])
    due = [parse_rfc3339(row["due_at"]) - agreed_at for row in assessment["installments"]]
    assert due == [timedelta(days=days) for days in (60, 100, 140)]


def test_exactly_three_candidates_with_their_reasons(assessment: dict[str, Any]) -> None:
    unknown, spoof, fake = assessment["candidates"]
    assert assessment["candidates_total"] == 3
    assert unknown["reasons"] == ["unknown-payer"]
    assert (unknown["counted_units"], unknown["transfer"]["amount_units"]) == (str(2_000 * UNIT),) * 2
    assert unknown["transfer"]["from"] == STRANGER
    assert set(spoof["reasons"]) == {"zero-value", "look-alike"}
    assert (spoof["counted_units"], spoof["transfer"]["amount_units"]) == ("0", "0")
    assert fake["reasons"] == ["fake-token"]
    assert (fake["counted_units"], fake["transfer"]["amount_units"]) == ("0", str(3_000 * UNIT))
    assert fake["transfer"]["asset"] != unknown["transfer"]["asset"]


def test_the_spoof_resembles_the_debtor(assessment: dict[str, Any]) -> None:
    debtor = assessment["payments"][0]["transfer"]["from"]
    spoof = assessment["candidates"][1]["transfer"]["from"]
    assert spoof != debtor
    assert (spoof[:10].lower(), spoof[-8:].lower()) == (debtor[:10].lower(), debtor[-8:].lower())


def test_payments_and_where_they_went(assessment: dict[str, Any]) -> None:
    allocated = [
        (
            each["transfer"]["amount_units"],
            [(a["installment"], a["amount_units"]) for a in each["allocations"]],
        )
        for each in assessment["payments"]
    ]
    assert allocated == [
        (str(3_000 * UNIT), [(1, str(3_000 * UNIT))]),
        (str(1_000 * UNIT), [(2, str(1_000 * UNIT))]),
    ]


def test_what_two_others_paid_each_other_is_nowhere(played: Played) -> None:
    """Not in the answer, not in the raw answers: nobody's accounts but the parties' were asked for."""
    with open_bag(played.bundle) as bag:
        texts = [bag.read_bytes(name, bytes_max=2**24) for name in bag.names if not name.endswith(".pdf")]
    everything = (played.stdout.encode() + b"".join(texts)).lower()
    assert STRANGER.encode().lower() in everything
    for address in PASSERS_BY:
        assert address[2:].encode().lower() not in everything
    assert str(PASSERS_BY_PAID_UNITS).encode() not in everything


def test_the_scope_sentence_counts_what_was_found(assessment: dict[str, Any]) -> None:
    sentence = assessment["scope_sentence"]
    assert "4 transfers of USDX to the accounts in list C were found, 6,000.00 USDX in total" in sentence
    assert "2 (4,000.00 USDX) applied to this debt" in sentence
    assert "2 (2,000.00 USDX) not decided" in sentence
    assert "This report does not decide whether the debt was paid." in sentence
    assert "anything not named here was not searched either" in sentence


# -- the chain behind it


def _stored_blocks(played: Played) -> list[tuple[int, int]]:
    (database,) = played.folder.rglob("quittance.sqlite3")
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return connection.execute("SELECT number, time FROM block ORDER BY number").fetchall()


def test_block_times_rise_strictly_and_none_is_later_than_the_clock(played: Played) -> None:
    blocks = _stored_blocks(played)
    assert len(blocks) >= 9
    times = [time for _, time in blocks]
    assert all(earlier < later for earlier, later in pairwise(times))
    assert from_unix_seconds(times[-1]) < utc_now()


def test_empty_blocks_follow_the_last_due_date(played: Played, assessment: dict[str, Any]) -> None:
    last_due = to_unix_seconds(parse_rfc3339(assessment["installments"][-1]["due_at"]))
    after = [number for number, time in _stored_blocks(played) if time > last_due]
    last_transfer = max(
        each["transfer"]["block_number"] for each in (*assessment["payments"], *assessment["candidates"])
    )
    assert last_transfer < after[0]
    (database,) = played.folder.rglob("quittance.sqlite3")
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        ((head,),) = connection.execute("SELECT head_block FROM chain_node").fetchall()
    assert head - after[0] >= 3, "fewer than four blocks after the last due date"


# -- the bundle


def test_the_bundle_verifies_with_the_case_and_the_anchor(played: Played, document: dict[str, Any]) -> None:
    assert document["verify"]["exit_code"] == 0
    assert document["verify"]["conditions"] == []
    again = verify(bundle=played.bundle, case=played.case, anchors=(played.anchor,))
    assert again.document() == document["verify"]


def test_the_ledger_in_the_bundle_says_what_the_api_said(played: Played, assessment: dict[str, Any]) -> None:
    """But for the claim, which counts the requests that sealing sent, and for EIP-55 against lower case."""
    with open_bag(played.bundle) as bag:
        ledger: Any = bag.read_json("data/ledger.json")
    inside, outside = dict(ledger["assessment"]), dict(assessment)
    for each in (inside, outside):
        for name in ("claims", "known_at"):
            del each[name]
    assert json.dumps(inside, sort_keys=True).lower() == json.dumps(outside, sort_keys=True).lower()


def test_one_flipped_byte_is_rejected_with_its_file(played: Played, document: dict[str, Any]) -> None:
    tampered = document["tampered"]
    assert tampered["ok"] is False
    assert tampered["reason"]
    (copy,) = played.folder.rglob("tampered.zip")
    good, bad = played.bundle.read_bytes(), copy.read_bytes()
    (changed,) = [at for at, (left, right) in enumerate(zip(good, bad, strict=True)) if left != right]
    with open_bag(played.bundle) as bag:
        content = bag.read_bytes(tampered["file"], bytes_max=2**24)
    start = good.index(content)
    assert start <= changed < start + len(content), "another file was named"
