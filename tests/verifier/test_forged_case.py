"""The question altered: without what follows from it, and with it, by somebody who reseals the bundle."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.clock import parse_rfc3339, to_rfc3339
from app.verifier.anchor import Anchor
from app.verifier.verdict import ACCEPTED
from app.verifier.verify import verify
from tests.journeys.played import Played
from tests.verifier.forger import CASE, LEDGER, REQUESTS, Forger
from tests.verifier.judging import Forgery, demand_rejection, judged, named

UNIT = 10**6
STRANGER = "0x90f79bf6eb2c4f870365e785982e1f101e93b906"
NOWHERE = "0x" + "ab" * 32
DAY = timedelta(days=1)
Alter = Callable[[Forger], object]


def put(pointer: str, value: object) -> Alter:
    return lambda forger: forger.set(CASE, pointer, value)


def append(pointer: str, make: Callable[[Forger], object]) -> Alter:
    def alter(forger: Forger) -> None:
        items: Any = forger.case
        for step in pointer.split("/"):
            items = items[int(step) if step.isdecimal() else step]
        forger.set(CASE, pointer, [*items, make(forger)])

    return alter


def shifted(pointer: str, by: timedelta) -> Alter:
    def alter(forger: Forger) -> None:
        value: Any = forger.case
        for step in pointer.split("/"):
            value = value[int(step) if step.isdecimal() else step]
        forger.set(CASE, pointer, to_rfc3339(parse_rfc3339(value) + by))

    return alter


def amounts(*units: int) -> Alter:
    def alter(forger: Forger) -> None:
        for index, each in enumerate(units):
            forger.set(CASE, f"debt/installments/{index}/amount_units", str(each * UNIT))
        forger.set(CASE, "debt/principal_units", str(sum(units) * UNIT))

    return alter


def fake_token(forger: Forger) -> str:
    owed = forger.case["debt"]["asset"]["asset"]
    (found,) = [each["asset"] for each in forger.case["symbols"] if each["asset"] != owed]
    return str(found)


def register_fake_token(forger: Forger) -> None:
    asset = {"asset": fake_token(forger), "symbol": "USDX", "decimals": 6}
    registered = [*forger.case["registered_assets"], asset]
    forger.set(CASE, "registered_assets", sorted(registered, key=lambda each: str(each["asset"])))


def rename_fake_token(forger: Forger) -> None:
    index = [each["asset"] for each in forger.case["symbols"]].index(fake_token(forger))
    forger.set(CASE, f"symbols/{index}/symbol", "HARMLESS")


def another_debt(forger: Forger) -> dict[str, Any]:
    debt = forger.case["debt"]
    return {
        "id": "deb_other",
        "reference": "LOAN-0",
        "assets": [debt["asset"]["asset"]],
        "agreed_at": debt["agreed_at"],
    }


def make_the_stranger_the_debtor(forger: Forger) -> None:
    """His account is added to the debtor's, asked for, and answered for."""
    (account,) = forger.case["debtor"]["accounts"]
    chain = forger.row["chain"]
    forger.set(CASE, "debtor/accounts", [account, {**account, "account": f"{chain}:{STRANGER}"}])
    forger.edit_filter(lambda asked: asked["topics"][-1].append("0x" + "00" * 12 + STRANGER[2:]))
    (log,) = [
        log
        for log in forger.json(forger.answer_path(forger.logs_to))["result"]
        if log["topics"][1].endswith(STRANGER[2:])
    ]
    forger.edit_result(forger.logs_from, lambda logs: [*logs, log])


def hide_a_block_in_a_gap(forger: Forger) -> None:
    """Block 13, which holds the unknown payer's transfer, is declared as not read, and is not asked for."""
    (account,) = forger.row["accounts"]
    gap = {"account": account, "first_block": 13, "last_block": 13, "reason": "not read"}
    forger.set(CASE, "scope/0/gaps", [gap])
    forger.drop_exchange(forger.block_number(13))
    for number in (forger.logs_from, forger.logs_to):
        params = forger.json(forger.request_path(number))["params"]
        logs = forger.json(forger.answer_path(number))["result"]
        forger.edit_request(number, lambda asked: asked[0].update(toBlock="0xc"))
        forger.edit_result(number, lambda all_: [log for log in all_ if int(log["blockNumber"], 16) < 13])
        later = [log for log in logs if int(log["blockNumber"], 16) > 13]
        forger.add_exchange("eth_getLogs", [{**params[0], "fromBlock": "0xe"}], later)


# Each changes what follows from it, and is a question that somebody might really ask.
EDITS: list[tuple[str, Alter]] = [
    ("amounts of installments", amounts(2_000, 4_000, 3_000)),
    ("the principal", amounts(1_000, 1_500, 1_500)),
    ("a due date", shifted("debt/installments/1/due_at", by=20 * DAY)),
    ("grace days", put("debt/grace_days", 400)),
    ("the tolerance", put("debt/tolerance_units", str(5_000 * UNIT))),
    ("the time zone", put("debt/time_zone", "Europe/Berlin")),
    ("the basis of the debtor's account", put("debtor/accounts/0/basis", "inference")),
    ("the basis of the creditor's account", put("creditor/accounts/0/basis", "claimed")),
    ("from when the debtor's account is his", shifted("debtor/accounts/0/from", by=80 * DAY)),
    (
        "until when the debtor's account is his",
        lambda forger: put("debtor/accounts/0/until", forger.case["debt"]["installments"][0]["due_at"])(
            forger
        ),
    ),
    ("a token's symbol", rename_fake_token),
    ("the registered assets", register_fake_token),
    ("another debt between them", append("other_debts", another_debt)),
    ("an account more of the debtor", make_the_stranger_the_debtor),
    ("a gap", hide_a_block_in_a_gap),
    ("the operator", put("operator/name", "two notaries")),
    ("the operator's relation", put("operator/relation", "appointed by the court")),
    ("the chain's name", put("scope/0/name", "Ethereum")),
    ("as_of, by a second", shifted("as_of", by=-timedelta(seconds=1))),
    ("known_at", shifted("known_at", by=DAY)),
]
# These change nothing that is computed; only the case handed over apart shows them.
SILENT_EDITS: list[tuple[str, Alter]] = [
    ("who asked", put("asked_by", "Ada Lin, the debtor")),
    ("the creditor's name", put("creditor/name", "Somebody Else")),
    ("the debtor's name", put("debtor/name", "Somebody Else")),
    ("the kind of the debt", put("debt/kind", "gift")),
    ("the reference", put("debt/reference", "LOAN-8")),
    ("a disbursement", put("debt/disbursements", ["by hand"])),
    ("the owed asset is no longer registered", put("registered_assets", [])),
    ("a text with NUL, and one that is written backwards", put("asked_by", "a\x00b \u202eterces")),
]


def alters(edits: list[tuple[str, Alter]]) -> list[object]:
    return [pytest.param(alter, id=name) for name, alter in edits]


@pytest.mark.parametrize("alter", alters(EDITS))
def test_an_edit_that_nothing_follows_is_rejected(
    alter: Alter, forger: Forger, played: Played, tmp_path: Path
) -> None:
    ledger = forger.files[LEDGER]
    alter(forger)
    forger.follow()
    assert forger.files[LEDGER] != ledger, "the edit belongs among those that change nothing"
    forger.files[LEDGER] = ledger
    verdict = judged(forger, tmp_path, anchor=played.anchor)
    demand_rejection(verdict, file=LEDGER, reason="is not what the case and the raw answers give")


@pytest.mark.parametrize("alter", alters([*EDITS, *SILENT_EDITS]))
def test_an_edit_that_all_follows_is_another_question(
    alter: Alter, forger: Forger, played: Played, tmp_path: Path
) -> None:
    """Consistent in itself, so it holds for who asked that; not for who holds the case of the real bundle."""
    alter(forger)
    forger.follow()
    verdict = judged(forger, tmp_path, anchor=played.anchor, case=played.case)
    demand_rejection(verdict, file=CASE, reason="is not the case that was asked about")
    other = judged(forger.copy(), tmp_path / "own", anchor=played.anchor)
    assert other.exit_code == ACCEPTED, other.reason


def test_a_gap_leaves_the_result_open(forger: Forger, played: Played, tmp_path: Path) -> None:
    hide_a_block_in_a_gap(forger)
    forger.follow()
    facts = judged(forger, tmp_path, anchor=played.anchor).facts
    assert facts["result"] == "UNDETERMINED"
    assert facts["grade"] is None
    assert facts["claims"] == []
    assert facts["not_covered_interval"]["min_units"] is None
    assert "further transfers may exist there: not read" in facts["scope_sentence"]


# -- windows that do not fit


def block(forger: Forger, number: int) -> dict[str, Any]:
    (found,) = [each for each in forger.json(forger.blocks_path) if each["number"] == number]
    return {name: found[name] for name in ("number", "hash", "time")}


def parent_of(forger: Forger, number: int) -> str:
    (found,) = [each for each in forger.json(forger.blocks_path) if each["number"] == number]
    return str(found["parent_hash"])


def put_row(forger: Forger, fields: dict[str, object]) -> None:
    for name, value in fields.items():
        forger.set(CASE, f"scope/0/{name}", value)


def start_a_block_later(forger: Forger) -> None:
    put_row(forger, {"before": block(forger, 10), "first": block(forger, 11)})
    forger.edit_filter(lambda asked: asked.update(fromBlock="0xb"))
    forger.drop_logs(block=10)


def start_a_block_earlier(forger: Forger) -> None:
    before = {"number": 8, "hash": parent_of(forger, 9), "time": block(forger, 9)["time"] - 60}
    put_row(forger, {"before": before, "first": block(forger, 9)})
    forger.add_block(8, {"hash": str(before["hash"]), "timestamp": hex(before["time"])})


def end_a_block_earlier(forger: Forger) -> None:
    last = {"number": 18, "hash": parent_of(forger, 19), "time": block(forger, 19)["time"] - 60}
    put_row(forger, {"last": last, "anchor": block(forger, 19)})
    forger.add_block(18, {"hash": str(last["hash"]), "timestamp": hex(last["time"])})
    forger.edit_filter(lambda asked: asked.update(toBlock="0x12"))


def end_a_block_later(forger: Forger) -> None:
    last = block(forger, 20)
    anchor = {"number": 21, "hash": NOWHERE, "time": last["time"] + 60}
    put_row(forger, {"last": last, "anchor": anchor})
    fields = {"hash": NOWHERE, "timestamp": hex(anchor["time"]), "parentHash": last["hash"]}
    forger.add_block(21, fields)


def end_before_the_start(forger: Forger) -> None:
    """As of a day on which nothing was agreed yet: the window is upside down."""
    agreed_at = parse_rfc3339(forger.case["debt"]["agreed_at"])
    forger.set(CASE, "as_of", to_rfc3339(agreed_at - timedelta(hours=1)))
    put_row(forger, {"last": block(forger, 9), "anchor": block(forger, 10)})


def no_account_at_all(forger: Forger) -> None:
    """Nobody's account is searched, and nothing says so."""
    forger.set(CASE, "creditor/accounts", [])
    put_row(forger, {"accounts": []})
    topic = "0x" + "00" * 12 + forger.case["debtor"]["accounts"][0]["account"].rpartition("0x")[2]
    forger.edit_filter(lambda asked: asked["topics"].__setitem__(-1, [topic]))
    for number, place in ((forger.logs_from, 1), (forger.logs_to, 2)):
        logs = forger.json(forger.answer_path(number))["result"]
        kept = [log for log in logs if log["topics"][place] == topic]
        forger.put_result(number, kept)
    for number in (13, 14, 15):
        forger.drop_exchange(forger.block_number(number))


def leave_out_a_chain(forger: Forger) -> None:
    """The creditor takes the same money on another chain too, where nobody looked."""
    asset = {**forger.case["debt"]["asset"], "asset": "eip155:1/erc20:0x" + "11" * 20}
    forger.set(CASE, "debt/accepted_assets", [asset])
    (account,) = forger.case["creditor"]["accounts"]
    other = {**account, "account": "eip155:1:0x" + "22" * 20}
    forger.set(CASE, "creditor/accounts", [account, other])


def leave_out_an_account(forger: Forger) -> None:
    (account,) = forger.case["creditor"]["accounts"]
    other = {**account, "account": forger.row["chain"] + ":0x" + "22" * 20}
    forger.set(CASE, "creditor/accounts", [account, other])


def hide_a_block_and_the_gap(forger: Forger) -> None:
    hide_a_block_in_a_gap(forger)
    put_row(forger, {"gaps": []})


WINDOWS = [
    Forgery("starts a block later", start_a_block_later, CASE, "starts later than the debt was agreed"),
    Forgery("starts a block earlier", start_a_block_earlier, CASE, "starts before the debt was agreed"),
    Forgery("ends a block earlier", end_a_block_earlier, CASE, "ends before as_of"),
    Forgery("ends a block later", end_a_block_later, CASE, "ends after as_of"),
    Forgery("ends before it starts", end_before_the_start, CASE, "as_of is earlier than the agreement"),
    Forgery("no block before", lambda forger: put_row(forger, {"before": None}), CASE, "no block before it"),
    Forgery("no first block", lambda forger: put_row(forger, {"first": None}), CASE, "holds no block"),
    Forgery("no account searched", no_account_at_all, CASE, "names no account, and no gap"),
    Forgery("a chain left out", leave_out_a_chain, CASE, "does not name each chain"),
    Forgery("an account left out", leave_out_an_account, CASE, "leaves out an account of the creditor"),
    Forgery(
        "accounts twice",
        lambda forger: put_row(forger, {"accounts": forger.row["accounts"] * 2}),
        CASE,
        "leaves out an account of the creditor",
    ),
    Forgery(
        "a gap of an account that is not searched",
        append(
            "scope/0/gaps",
            lambda forger: {
                "account": forger.case["debtor"]["accounts"][0]["account"],
                "first_block": 30,
                "last_block": None,
                "reason": "x",
            },
        ),
        CASE,
        "a gap of an account that was not to be searched",
    ),
    Forgery(
        "an account recorded after known_at",
        put("debtor/accounts/0/recorded_at", "2999-01-01T00:00:00Z"),
        CASE,
        "was recorded later than known_at",
    ),
    Forgery(
        "known_at before the debt was recorded",
        put("known_at", "2020-01-01T00:00:00Z"),
        CASE,
        "was recorded later than known_at",
    ),
    Forgery(
        "the gap is gone, the answers are not there",
        hide_a_block_and_the_gap,
        REQUESTS,
        "was not asked for in blocks 13-13",
    ),
    Forgery(
        "a gap that was asked for after all",
        append(
            "scope/0/gaps",
            lambda forger: {
                "account": forger.row["accounts"][0],
                "first_block": 13,
                "last_block": 13,
                "reason": "x",
            },
        ),
        REQUESTS,
        "was asked for in blocks that are not of the window",
    ),
]


@pytest.mark.parametrize("forgery", named(WINDOWS))
def test_a_window_that_does_not_fit_is_rejected(forgery: Forgery, forger: Forger, tmp_path: Path) -> None:
    """All follows, and even the anchor is the forger's own."""
    forgery.alter(forger)
    forger.follow()
    anchor = Anchor.parse("{number}:{hash}".format(**forger.row["anchor"]))
    verdict = judged(forger, tmp_path, anchor=anchor)
    demand_rejection(verdict, file=forgery.file, reason=forgery.reason)


def test_a_time_before_all_calendars(forger: Forger, played: Played, tmp_path: Path) -> None:
    """Agreed in the year 1, in a zone where it was the year 0 then: no date can show it."""
    year_one = "0001-01-01T00:00:00Z"
    for pointer in ("debt/agreed_at", "debt/installments/0/due_at"):
        forger.set(CASE, pointer, year_one)
    forger.set(CASE, "debt/time_zone", "America/New_York")
    forger.drop_exchange(forger.block_number(9))
    forger.add_block(0, {"hash": NOWHERE, "timestamp": "0x0"})
    put_row(forger, {"before": None, "first": {"number": 0, "hash": NOWHERE, "time": 0}})
    forger.edit_filter(lambda asked: asked.update(fromBlock="0x0"))
    forger.follow_answers()
    verdict = judged(forger, tmp_path, anchor=played.anchor)
    demand_rejection(verdict, file=CASE, reason="can't be assessed")


def test_no_anchor(forger: Forger, tmp_path: Path) -> None:
    """Without one nothing is tied to a chain, and there is nothing that could be typed."""
    put_row(forger, {"anchor": None})
    forger.follow()
    bundle = forger.sealed(tmp_path)
    verdict = verify(bundle=bundle, case=forger.case_file(tmp_path), anchors=())
    demand_rejection(verdict, file=CASE, reason="its window has no anchor")


def test_a_gap_behind_the_window_leaves_all_open_too(forger: Forger, played: Played, tmp_path: Path) -> None:
    """It says that the end of the window was not final yet; what lies in the window was asked for."""
    put_row(forger, {"gaps": [{"account": None, "first_block": 20, "last_block": None, "reason": "x"}]})
    forger.follow()
    verdict = judged(forger, tmp_path, anchor=played.anchor)
    assert verdict.exit_code == ACCEPTED, verdict.reason
    assert verdict.facts["result"] == "UNDETERMINED"


def test_scope_of_nothing(forger: Forger, played: Played, tmp_path: Path) -> None:
    put("scope", [])(forger)
    verdict = judged(forger, tmp_path, anchor=played.anchor)
    demand_rejection(verdict, file="VERIFY.md", reason="is not the text that belongs to this case")
