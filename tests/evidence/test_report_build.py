"""From a real assessment to the printed figures: the demo's truth, without a chain."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import timedelta

import pypdf
import pytest

from app.assessment.assess import assess
from app.assessment.document import LOWER_CASE
from app.assessment.values import Assessment, Facts, Reading, ScopeRow
from app.debts.terms import AccountBinding, Basis, Debt, Installment, Party
from app.evidence.report.build import Sealing, build_content
from app.evidence.report.content import ReportContent
from app.evidence.report.figures import FiguresDisagree
from app.evidence.report.render import render_report
from app.matching.attribute import Records
from app.money import Asset
from chains.types import AccountId, Address, AssetId, BlockRef, ChainId, Hash32, Transfer
from tests.evidence import sample_report as sample

CHAIN = ChainId.parse(sample.CHAIN)
TOKEN = Address.parse(sample.TOKEN)
FAKE = Address.parse(sample.FAKE_TOKEN)
CREDITOR = Address.parse(sample.CREDITOR)
DEBTOR = Address.parse(sample.DEBTOR)
USDX = Asset(id=AssetId(CHAIN, TOKEN), symbol="USDX", decimals=6)
ONE = 10**6


def block(number: int) -> BlockRef:
    seconds = int(sample.day(number).timestamp())
    return BlockRef(number=number, hash=Hash32(number.to_bytes(32, "big")), time=seconds)


def transfer(on: int, *, sender: str, units: int, contract: Address = TOKEN) -> Transfer:
    return Transfer(
        chain=CHAIN,
        block=block(on),
        tx_hash=Hash32(bytes(32)),
        log_index=0,
        contract=contract,
        sender=Address.parse(sender),
        recipient=CREDITOR,
        amount_units=units,
    )


def binding(party_id: str, address: Address) -> AccountBinding:
    return AccountBinding(
        party_id=party_id,
        account=AccountId(CHAIN, address),
        basis=Basis.CONTRACT,
        valid_from=None,
        valid_until=None,
        recorded_at=sample.AGREED_AT,
    )


def debt() -> Debt:
    return Debt(
        id="debt",
        reference="LOAN-2026-001",
        creditor_id="creditor",
        debtor_id="debtor",
        kind="loan",
        asset=USDX,
        accepted_assets=(),
        principal_units=9000 * ONE,
        agreed_at=sample.AGREED_AT,
        time_zone="Asia/Shanghai",
        installments=tuple(
            Installment(number=number, due_at=sample.day(due), due_on=None, amount_units=3000 * ONE)
            for number, due in ((1, 60), (2, 100), (3, 140))
        ),
        grace_days=0,
        tolerance_units=0,
        disbursements=(f"{CHAIN}:{block(1).hash}:0",),
        recorded_at=sample.AGREED_AT,
    )


TRANSFERS = (
    transfer(58, sender=sample.DEBTOR, units=3000 * ONE),
    transfer(108, sender=sample.DEBTOR, units=1000 * ONE),
    transfer(112, sender=sample.UNDECLARED, units=2000 * ONE),
    transfer(118, sender=sample.SPOOF, units=0),
    transfer(124, sender=sample.MINTER, units=3000 * ONE, contract=FAKE),
)


def assessment(*transfers: Transfer, symbols: dict[AssetId, str] | None = None) -> Assessment:
    records = Records(
        debt=debt(),
        bindings=(binding("creditor", CREDITOR), binding("debtor", DEBTOR)),
        other_debts=(),
        registered={USDX.id: USDX},
        symbols={AssetId(CHAIN, FAKE): "USDX"} if symbols is None else symbols,
    )
    people = [
        Party(id=id_, name=name, kind=None, recorded_at=sample.AGREED_AT)
        for id_, name in (("creditor", "Ada Lending Ltd"), ("debtor", "Bob Borrower"))
    ]
    row = ScopeRow(
        chain=CHAIN,
        chain_name="Anvil",
        accounts=(AccountId(CHAIN, CREDITOR),),
        before=block(0),
        first=block(1),
        last=block(199),
        after=block(201),
        gaps=(),
    )
    reading = Reading(
        started_at=sample.AS_OF,
        finished_at=sample.AS_OF,
        requests=6,
        agreed=1,
        differed=0,
        failed=0,
        operator="the creditor",
        relation="a party",
        chosen_by="the creditor",
    )
    facts = Facts(
        records=records,
        creditor=people[0],
        debtor=people[1],
        transfers=transfers,
        scope=(row,),
        reading=reading,
    )
    return assess(facts=facts, as_of=sample.AS_OF, known_at=sample.CREATED_AT)


def content(judged: Assessment) -> ReportContent:
    sealing = Sealing(
        product="Quittance 0.1.0",
        evidence_id="id",
        root=sample.ROOT,
        asked_by="Ada Lending Ltd",
        relation="the creditor",
        limits=("The hash of block 201 was not recomputed.",),
        anchor=block(201),
    )
    return build_content(assessment=judged, sealing=sealing, forms=LOWER_CASE)


def test_the_figures_are_those_of_the_demo() -> None:
    figures = content(assessment(*TRANSFERS)).figures
    for built, written in zip((*figures.rows, figures.totals), (*sample.ROWS, sample.TOTALS), strict=True):
        assert built == written
    assert (figures.result, figures.grade, figures.tie) == ("PARTIAL", "provider-reported", "contract")
    assert figures.timeline == sample.TIMELINE
    for change, expected in zip(figures.changes, sample.CHANGES, strict=True):
        assert change.reasons == expected.reasons
        assert (change.amount, change.token, change.counted) == (
            expected.amount,
            expected.token,
            expected.counted,
        )
        assert change.time_utc == expected.time_utc
    assert [change.contract for change in figures.changes] == ["", "", str(FAKE)]


def test_the_built_report_fits_one_page() -> None:
    pdf = render_report(
        language="en",
        content=content(assessment(*TRANSFERS)),
        attachments={"manifest.json": sample.MANIFEST},
        created_at=sample.CREATED_AT,
    )
    assert len(pypdf.PdfReader(io.BytesIO(pdf)).pages) == 1


def test_the_frame_names_question_grounds_and_ties() -> None:
    frame = content(assessment(*TRANSFERS)).frame
    assert "Anvil (eip155:728451)" in frame.question
    assert "debt LOAN-2026-001?" in frame.question
    assert [item.kind for item in frame.relied_on] == ["contract", "disbursement", "due"]
    assert "3,000.00 USDX on 2026-07-04" in frame.relied_on[-1].text
    assert [party.role for party in frame.parties] == ["creditor", "debtor"]
    assert frame.parties[1].accounts[0].basis == "contract"
    assert frame.parties[1].accounts[0].valid == "no start recorded, no end recorded"
    assert frame.anchor_number == "201"
    assert len(frame.scope) == len(frame.claims) == 1


def test_what_counts_comes_before_a_flood_of_dust() -> None:
    dust = [
        replace(transfer(20, sender=sample.SPOOF, units=0), log_index=number) for number in range(1, 1200)
    ]
    figures = content(assessment(*dust, *TRANSFERS)).figures
    assert figures.changes[0].reasons == ("unknown-payer",)
    assert len(figures.changes) == 1000
    assert figures.changes_omitted == 1202 - 1000
    assert [mark.kind for mark in figures.timeline.marks].count("applied") == 2
    assert [mark.kind for mark in figures.timeline.marks].count("undecided") == 1


def test_amounts_of_a_column_have_equal_places_and_lose_no_digit() -> None:
    odd = transfer(58, sender=sample.DEBTOR, units=3000 * ONE - 1)
    figures = content(assessment(odd)).figures
    assert figures.rows[0].applied == "2,999.999999"
    assert figures.rows[0].amount == "3,000.000000"
    assert figures.rows[0].not_covered_max == "0.000001"
    assert figures.changes == ()


def test_rows_that_do_not_add_up_are_never_printed() -> None:
    judged = assessment(*TRANSFERS)
    wrong = replace(judged.installments[0], applied_units=1)
    with pytest.raises(FiguresDisagree, match="applied"):
        content(replace(judged, installments=(wrong, *judged.installments[1:])))


def test_a_due_time_just_before_midnight_keeps_its_second_and_offset() -> None:
    late = sample.day(60) + timedelta(hours=7, minutes=59, seconds=59)
    judged = assessment(*TRANSFERS)
    state = judged.installments[0]
    moved = replace(state, installment=replace(state.installment, due_at=late))
    row = content(replace(judged, installments=(moved, *judged.installments[1:]))).figures.rows[0]
    assert row.due_local == "2026-07-04 23:59:59 +08:00"
    assert row.due_utc == "2026-07-04 15:59:59 UTC"
