"""The demo's truth, ready to print: 9,000.00 USDX in three installments, three candidates."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from app.evidence.report.content import (
    Change,
    Figures,
    Frame,
    Party,
    PartyAccount,
    ReliedOn,
    ReportContent,
    Row,
)
from app.evidence.report.printed import printed_local, printed_utc
from app.evidence.report.timeline import DueFact, MarkFact, draw_timeline

AGREED_AT = datetime(2026, 5, 5, 8, 0, tzinfo=UTC)
AS_OF = AGREED_AT + timedelta(days=200)
CREATED_AT = AS_OF + timedelta(minutes=2)
ROOT = "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"
ANCHOR_HASH = "0x9b1f7c3e5d2a48066cf1a7e0b9d35824716fce08a9d4b35b20f7e61c8a4d9e13"
CHAIN = "eip155:728451"
CREDITOR = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
DEBTOR = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"
UNDECLARED = "0x90F79bf6EB2c4f870365E785982E1f101E93b906"
SPOOF = "0x3C44C1f9d0A2b18E6cA3D0f7e2b96A5148bD93BC"
MINTER = "0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65"
FAKE_TOKEN = "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512"  # noqa: S105 - an address
TOKEN = "0x5FbDB2315678afecb367f032d93F642f64180aa3"  # noqa: S105 - an address
ZONE = ZoneInfo("Asia/Shanghai")
UNLESS = "unless an undecided transfer covers it"
CHANGE_NOTE = (
    "A payment that was not searched for, once it is shown: through another account, asset or chain, or "
    "off chain; a set-off, waiver, extension or assignment."
)
SCOPE = (
    f"On Anvil ({CHAIN}), blocks 1-412 "
    "(0x3b1c8d20a5e97f4460b2c3d18e7a9f05c4d6b7e8190a2f3c5d7e9b1a4c6e77f0 of 2026-05-05T08:00:12Z; "
    "0x88ad0f41c2b9e6d7305f1a8b4c9d2e7f60a1b3c5d7e9f1a2b4c6d8e0f2a4c2b9 of 2026-11-21T08:00:00Z), 4 "
    "transfers of USDX to the accounts in list C were found, 6,000.00 USDX in total: 2 (4,000.00 USDX) "
    "applied to this debt; 0 (0.00 USDX) applied to other debts between the same parties; 0 (0.00 USDX)"
    " which the creditor says are not payments of this debt; 2 (2,000.00 USDX) not decided. Besides, 1 "
    "transfer of other tokens to these accounts is listed among the candidates. This report does not "
    "decide whether the debt was paid. Among the things not searched: the native coin and moves inside "
    "transactions; chains not named here; accounts of the creditor that are not in list C; blocks "
    "outside the range named here; payment off chain, or inside a custodian such as an exchange; "
    "set-off, assignment, waiver and payment to third parties; anything not named here was not searched"
    " either. The creditor has signed no statement about other accounts, off-chain payment, set-off, "
    "assignment and waiver."
)
CLAIM = (
    "Between 2026-11-21T08:01:10Z and 2026-11-21T08:01:12Z, software run by the creditor; a party to "
    "this debt sent the 6 requests in Annex P to 1 endpoint chosen by the creditor. 1 returned no event"
    " other than those listed, 0 returned others (all listed), 0 failed or answered in part. The "
    "endpoints were not shown to be independent of each other and did not sign their answers."
)


def day(number: int) -> datetime:
    return AGREED_AT + timedelta(days=number)


def row(number: int, due: int, *figures: str, timing: str, note: str = "") -> Row:
    amount, applied, undecided, not_covered_min, not_covered_max = figures
    return Row(
        number=str(number),
        due_local=printed_local(day(due), zone=ZONE),
        due_utc=printed_utc(day(due)),
        amount=amount,
        applied=applied,
        applied_elsewhere="0.00",
        rejected="0.00",
        undecided=undecided,
        not_covered_min=not_covered_min,
        not_covered_max=not_covered_max,
        timing=timing,
        timing_note=note,
    )


ROWS = (
    row(1, 60, "3,000.00", "3,000.00", "0.00", "0.00", "0.00", timing="ON_TIME"),
    row(2, 100, "3,000.00", "1,000.00", "2,000.00", "0.00", "2,000.00", timing="OVERDUE", note=UNLESS),
    row(3, 140, "3,000.00", "0.00", "0.00", "3,000.00", "3,000.00", timing="OVERDUE"),
)
TOTALS = Row(
    number="",
    due_local="",
    due_utc="",
    amount="9,000.00",
    applied="4,000.00",
    applied_elsewhere="0.00",
    rejected="0.00",
    undecided="2,000.00",
    not_covered_min="3,000.00",
    not_covered_max="5,000.00",
    timing="",
    timing_note="",
)
CHANGES = (
    Change(
        time_utc="2026-08-25 08:00:00",
        amount="2,000.00",
        token="USDX",  # noqa: S106 - a symbol
        contract="",
        sender=UNDECLARED,
        reasons=("unknown-payer",),
        counted="2,000.00",
        sentence=(
            "Block 371, 2026-08-25T08:00:00Z (unknown-payer): 2,000.00 USDX counted; if accepted, up to "
            "2,000.00 USDX more is covered."
        ),
    ),
    Change(
        time_utc="2026-08-31 08:00:00",
        amount="0.00",
        token="USDX",  # noqa: S106 - a symbol
        contract="",
        sender=SPOOF,
        reasons=("zero-value", "look-alike"),
        counted="0.00",
        sentence="Block 377, 2026-08-31T08:00:00Z (zero-value, look-alike): shown, counts 0.",
    ),
    Change(
        time_utc="2026-09-06 08:00:00",
        amount="3,000,000,000 base units",
        token="USDX",  # noqa: S106 - a symbol
        contract=FAKE_TOKEN,
        sender=MINTER,
        reasons=("fake-token",),
        counted="0.00",
        sentence="Block 383, 2026-09-06T08:00:00Z (fake-token): shown, counts 0.",
    ),
)
TIMELINE = draw_timeline(
    agreed_at=AGREED_AT,
    as_of=AS_OF,
    dues=[
        DueFact(
            name="#1",
            due_at=day(60),
            amount_units=3000,
            applied_units=3000,
            undecided_units=0,
            amount="3,000.00",
        ),
        DueFact(
            name="#2",
            due_at=day(100),
            amount_units=3000,
            applied_units=1000,
            undecided_units=2000,
            amount="3,000.00",
        ),
        DueFact(
            name="#3",
            due_at=day(140),
            amount_units=3000,
            applied_units=0,
            undecided_units=0,
            amount="3,000.00",
        ),
    ],
    marks=[
        MarkFact(kind="applied", at=day(58), units=3000, name="3,000.00"),
        MarkFact(kind="applied", at=day(108), units=1000, name="1,000.00"),
        MarkFact(kind="undecided", at=day(112), units=2000, name="2,000.00"),
        MarkFact(kind="counts-zero", at=day(118), units=0, name="0"),
        MarkFact(kind="counts-zero", at=day(124), units=0, name="0"),
    ],
)
FIGURES = Figures(
    as_of=printed_utc(AS_OF),
    known_at=printed_utc(CREATED_AT),
    unit="USDX",
    principal="9,000.00",
    result="PARTIAL",
    grade="provider-reported",
    tie="contract",
    rows=ROWS,
    totals=TOTALS,
    changes=CHANGES,
    changes_omitted=0,
    change_notes=(CHANGE_NOTE,),
    timeline=TIMELINE,
)
FRAME = Frame(
    title="Transfers on chain and what they cover of a recorded debt",
    product="Quittance 0.1.0, evidence report for the creditor",
    evidence_id="0199a3c2-7e41-7b1c-9c55-2f6a8e1d4b07",
    root=ROOT,
    question=(
        "Which transfers does the chain Anvil (eip155:728451) record, from the day of the agreement to the "
        "time named below, from anyone to the creditor's accounts, and what do they cover of debt "
        "LOAN-2026-001?"
    ),
    asked_by="Ada Lending Ltd (creditor)",
    relation="the creditor, a party to this debt",
    relied_on=(
        ReliedOn(
            kind="contract",
            text="Loan agreement LOAN-2026-001, agreed 2026-05-05 08:00:00 UTC, 9,000.00 USDX",
        ),
        ReliedOn(
            kind="disbursement",
            text="9,000.00 USDX on 2026-05-05 08:10:00 UTC from the creditor to the alleged debtor",
        ),
        ReliedOn(kind="due", text="3,000.00 USDX each on 2026-07-04, 2026-08-13 and 2026-09-22; no grace"),
    ),
    parties=(
        Party(
            role="creditor",
            name="Ada Lending Ltd",
            accounts=(
                PartyAccount(
                    account=f"{CHAIN}:{CREDITOR}", basis="contract", valid="from 2026-05-05, no end"
                ),
            ),
        ),
        Party(
            role="debtor",
            name="Bob Borrower",
            accounts=(
                PartyAccount(account=f"{CHAIN}:{DEBTOR}", basis="contract", valid="from 2026-05-05, no end"),
            ),
        ),
    ),
    statements=(
        "This report does not decide whether the debt was paid.",
        "Not timestamped by a third party.",
    ),
    scope=(SCOPE,),
    claims=(CLAIM,),
    limits=("The hash of block 413 was compared with the node's answer; it was not recomputed.",),
    anchor_number="413",
    anchor_hash=ANCHOR_HASH,
)
CONTENT = ReportContent(frame=FRAME, figures=FIGURES)
MANIFEST = b'{"files":[],"format":1,"root":"' + ROOT.encode() + b'"}'
