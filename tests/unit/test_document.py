"""The assessment as a document: the names of the API, amounts twice, nulls on a gap, and the forms of hex."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given

from app.assessment.document import (
    GAP_REASON,
    LOWER_CASE,
    Forms,
    assessment_document,
    local_text,
    transfer_document,
)
from app.assessment.statements import NOT_SEARCHED, scope_sentences
from app.assessment.values import Assessment
from app.canonical import dumps
from app.money import format_units
from tests.books import UNTIMED, Book, books
from tests.factories import (
    CHAIN,
    CREDITOR,
    DEBTOR,
    ONE,
    STRANGER,
    USDX,
    assessed,
    asset,
    block,
    day,
    debt,
    gap,
    installments,
    look_alike,
    records,
    transfer,
)

FAKE, WETH = asset("fake"), asset("WETH", decimals=18)
SHANGHAI = debt(time_zone="Asia/Shanghai")


def demo(*, torn: bool = False) -> Assessment:
    sent = [
        transfer(day(50), 3000 * ONE),
        transfer(day(110), 1000 * ONE),
        transfer(day(112), 2000 * ONE, sender=STRANGER),
        transfer(day(115), 0, sender=look_alike(DEBTOR)),
        transfer(day(120), 3000 * ONE, sender=STRANGER, token=FAKE),
        transfer(day(121), 5, sender=DEBTOR, recipient=STRANGER),
    ]
    book = records(SHANGHAI, symbols={FAKE.id: "USDX"})
    return assessed(*sent, book=book, as_of=day(141), gaps=[gap()] if torn else [])


def written(assessment: Assessment, *, inline_max: int | None = None) -> dict[str, Any]:
    return assessment_document(assessment, forms=LOWER_CASE, inline_max=inline_max)


def test_the_demos_figures() -> None:
    document = written(demo())
    figures = {
        "debt_id": "debt",
        "as_of": "2026-05-22T00:00:00Z",
        "known_at": "2026-05-22T00:00:00Z",
        "result": "PARTIAL",
        "timing": "OVERDUE",
        "grade": "provider-reported",
        "tie": "contract",
        "principal": "9000",
        "principal_units": "9000000000",
        "applied": "4000",
        "applied_units": "4000000000",
        "unapplied": "0",
        "unapplied_units": "0",
        "not_covered": {"min": "3000", "min_units": "3000000000", "max": "5000", "max_units": "5000000000"},
        "candidates_total": 3,
        "rejected": [],
        "applied_elsewhere": [],
        "tenders": [],
        "payment_claims": [],
        "unrelated_count": 1,
    }
    assert {name: document[name] for name in figures} == figures
    assert document["scope_sentence"] == " ".join(scope_sentences(demo()))


def test_installments() -> None:
    _, second, third = written(demo())["installments"]
    sentence = second.pop("sentence")
    assert second == {
        "number": 2,
        "due_at": "2026-04-11T00:00:00Z",
        "due_local": "2026-04-11T08:00:00+08:00",
        "due_on": None,
        "amount": "3000",
        "amount_units": "3000000000",
        "applied": "1000",
        "applied_units": "1000000000",
        "not_covered": {"min": "0", "min_units": "0", "max": "2000", "max_units": "2000000000"},
        "timing": "OVERDUE",
        "timing_condition": "unless an undecided transfer covers it",
        "days_overdue": 41,
    }
    assert "2,000.00 USDX" in sentence
    assert third["not_covered"]["min"] == third["not_covered"]["max"] == "3000"


def test_a_calendar_day_is_written_as_one() -> None:
    terms = debt(parts=installments((day(30).date(), 5)), time_zone="Europe/Berlin")
    (row,) = written(assessed(terms=terms))["installments"]
    assert (row["due_on"], row["due_at"]) == ("2026-01-31", "2026-01-31T23:59:59Z")
    assert row["due_local"] == "2026-02-01T00:59:59+01:00"


def test_payments_and_their_allocations() -> None:
    sent = transfer(day(50), 4000 * ONE)
    late = transfer(day(150), 9000 * ONE)
    (first, second) = written(assessed(sent, late))["payments"]
    line = {"head": "principal", "rule": "due-date-order/1"}
    assert first["allocations"] == [
        {"installment": 1, "amount": "3000", "amount_units": "3000000000", **line},
        {"installment": 2, "amount": "1000", "amount_units": "1000000000", **line},
    ]
    assert [each["amount"] for each in second["allocations"]] == ["2000", "3000"]
    assert first["attributed_by"] == "account-pair"
    assert first["transfer"] == {
        "id": f"{CHAIN}:{sent.block.hash}:0",
        "chain": "eip155:31337",
        "asset": str(USDX.id),
        "from": str(DEBTOR),
        "to": str(CREDITOR),
        "amount": "4000",
        "amount_units": "4000000000",
        "block_number": sent.block.number,
        "block_hash": str(sent.block.hash),
        "block_time": "2026-02-20T00:00:00Z",
        "tx_hash": str(sent.tx_hash),
        "log_index": 0,
        "final": True,
        "flags": [],
    }


def test_a_payment_of_which_nothing_was_applied_has_no_allocation() -> None:
    _, idle = written(assessed(transfer(day(1), 9000 * ONE), transfer(day(2), ONE)))["payments"]
    assert idle["allocations"] == []


def test_candidates_and_how_many_of_them_are_written() -> None:
    unknown, spoof, fake = written(demo())["candidates"]
    assert (unknown["reasons"], unknown["counted"], unknown["counted_units"]) == (
        ["unknown-payer"],
        "2000",
        "2000000000",
    )
    assert (spoof["reasons"], spoof["counted_units"]) == (["zero-value", "look-alike"], "0")
    assert (fake["reasons"], fake["counted_units"]) == (["fake-token"], "0")
    assert fake["transfer"]["amount"] is None
    assert fake["transfer"]["amount_units"] == "3000000000"
    assert fake["transfer"]["flags"] == ["unregistered-asset"]
    for inline_max, listed in ((0, 0), (2, 2), (3, 3), (100, 3), (None, 3)):
        document = written(demo(), inline_max=inline_max)
        assert (len(document["candidates"]), document["candidates_total"]) == (listed, 3)


def test_another_registered_asset_is_written_in_its_own_decimals() -> None:
    book = records(debt(), registered=[WETH])
    (candidate,) = written(assessed(transfer(day(1), 15 * 10**17, token=WETH), book=book))["candidates"]
    assert (candidate["transfer"]["amount"], candidate["transfer"]["flags"]) == ("1.5", [])


def test_on_a_gap_the_figures_are_null_and_the_reason_is_given() -> None:
    document = written(demo(torn=True))
    unknown = {"min": None, "min_units": None, "max": None, "max_units": None, "reason": GAP_REASON}
    assert document["not_covered"] == unknown
    covered, *rest = [each["not_covered"] for each in document["installments"]]
    assert covered == {"min": "0", "min_units": "0", "max": "0", "max_units": "0"}
    assert rest == [unknown, unknown]
    assert (document["grade"], document["claims"]) == (None, [])
    assert document["scope"]["chains"][0]["gaps"] == [
        {
            "chain": "eip155:31337",
            "account": f"eip155:31337:{CREDITOR}",
            "first_block": 5,
            "last_block": 9,
            "reason": "blocks 5-9 were not read for every account in list C",
        }
    ]


def test_the_scope_and_the_claim_on_it() -> None:
    document = written(demo())
    account = f"eip155:31337:{CREDITOR}"
    first, last = block(day(0)).number, block(day(141)).number
    assert document["scope"] == {
        "chains": [
            {
                "chain": "eip155:31337",
                "chain_name": "Testnet",
                "accounts": [account],
                "assets": [str(USDX.id)],
                "first_block": first,
                "last_block": last,
                "gaps": [],
            }
        ],
        "not_searched": list(NOT_SEARCHED),
    }
    (claim,) = document["claims"]
    assert claim.pop("sentence").startswith("Between ")
    assert claim == {
        "grade": "provider-reported",
        "chain": "eip155:31337",
        "asset": str(USDX.id),
        "to": [account],
        "from": None,
        "first_block": first,
        "last_block": last,
    }


def test_without_a_scope() -> None:
    document = written(assessed(scope=(), asked=None))
    assert (document["grade"], document["tie"], document["claims"]) == (None, None, [])
    assert document["scope"]["chains"] == []


def test_a_window_that_was_not_read_has_no_blocks_and_no_claim() -> None:
    whole = assessed()
    row = whole.facts.scope[0]
    unread = type(row)(
        chain=row.chain,
        chain_name=row.chain_name,
        accounts=row.accounts,
        before=None,
        first=None,
        last=None,
        after=None,
        gaps=(gap(),),
    )
    document = written(assessed(scope=(unread,)))
    assert document["claims"] == []
    (chain,) = document["scope"]["chains"]
    assert (chain["first_block"], chain["last_block"]) == (None, None)


def test_forms_write_every_address() -> None:
    upper = Forms(
        address=lambda each: str(each).upper(),
        account=lambda each: str(each).upper(),
        asset=lambda each: str(each).upper(),
    )
    plain = written(demo())
    shouted = assessment_document(demo(), forms=upper, inline_max=None)
    address = re.compile(r"0x[0-9a-f]{40}(?![0-9a-f])")
    assert address.search(json.dumps(plain)) is not None
    assert address.search(json.dumps(shouted)) is None
    assert plain == written(demo())


@pytest.mark.parametrize(
    ("zone", "text"),
    [
        ("UTC", "2026-01-01T00:00:00+00:00"),
        ("Asia/Shanghai", "2026-01-01T08:00:00+08:00"),
        ("America/New_York", "2025-12-31T19:00:00-05:00"),
    ],
)
def test_local_text(zone: str, text: str) -> None:
    assert local_text(day(0), zone=zone) == text


def test_flags_of_a_transfer() -> None:
    document = transfer_document(transfer(day(1), 5), decimals=None, forms=LOWER_CASE, flags=("a", "b"))
    assert (document["amount"], document["flags"]) == (None, ["a", "b"])


@UNTIMED
@given(book=books())
def test_every_document_is_canonical_json_and_its_texts_are_its_units(book: Book) -> None:
    document = written(book.assessed())
    assert json.loads(dumps(document)) == document
    places = book.debt.asset.decimals
    rows = [document, document["not_covered"], *document["installments"]]
    rows += [row["not_covered"] for row in document["installments"]]
    names = [("principal", "principal_units"), ("applied", "applied_units"), ("unapplied", "unapplied_units")]
    names += [("amount", "amount_units"), ("min", "min_units"), ("max", "max_units")]
    pairs = [(row[text], row[units]) for row in rows for text, units in names if units in row]
    assert len(pairs) >= 3 + 2 + 4
    for text, units in pairs:
        assert text == format_units(int(units), decimals=places)
