"""A case that is not of its shape, a ledger that says more, and files that do not belong."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from app import canonical
from app.verifier.verdict import ACCEPTED
from app.verifier.verify import verify
from tests.journeys.played import Played
from tests.support.bag import forged, unpacked, with_new_sums
from tests.verifier.forger import CASE, LEDGER, REPORT, VERIFY, Forger
from tests.verifier.judging import Forgery, demand_rejection, judged, named

Alter = Callable[[Forger], object]
UINT256_MAX = 2**256 - 1
NOT_THE_LEDGER = "is not what the case and the raw answers give"


def put(pointer: str, value: object) -> Alter:
    return lambda forger: forger.set(CASE, pointer, value)


def ledger(pointer: str, value: object) -> Alter:
    return lambda forger: forger.set(LEDGER, f"assessment/{pointer}", value)


def replaced(path: str, old: bytes, new: bytes) -> Alter:
    """In the bytes of a file, so that it need not stay JSON."""

    def alter(forger: Forger) -> None:
        assert old in forger.files[path]
        forger.files[path] = forger.files[path].replace(old, new, 1)

    return alter


def upper(pointer: str) -> Alter:
    def alter(forger: Forger) -> None:
        value: Any = forger.case
        for step in pointer.split("/"):
            value = value[int(step) if step.isdecimal() else step]
        head, mark, digits = value.rpartition("0x")
        forger.set(CASE, pointer, head + mark + digits.upper())

    return alter


def many_installments(forger: Forger) -> None:
    """Of one unit each, adding up to the principal."""
    one = {**forger.case["debt"]["installments"][0], "amount_units": "1"}
    forger.set(CASE, "debt/installments", [one] * 1001)
    forger.set(CASE, "debt/principal_units", "1001")


def debt_of_nothing(forger: Forger) -> None:
    forger.set(CASE, "debt/installments", [])
    forger.set(CASE, "debt/principal_units", "0")


def swap_installments(forger: Forger) -> None:
    first, *rest = forger.case["debt"]["installments"]
    forger.set(CASE, "debt/installments", [*rest, first])


CASE_SHAPES = [
    *(
        Forgery(f"time zone {zone!a}", put("debt/time_zone", zone), CASE, "/debt/time_zone")
        for zone in (
            "../../etc/passwd",
            "/etc/passwd",
            "Asia/../../../../etc/passwd",
            "Asia",
            "Asia/",
            "",
            ".",
            "..",
            "Nowhere/Land",
            "UTC\x00",
            "UTC\n",
            "tzdata.zi",
            "__init__.py",
            "localtime",
            "right/UTC",
            "posixrules",
            "Z" * 199,
            "\u202eCTU",
        )
    ),
    Forgery(
        "due in the year 9999",
        put("debt/installments/2/due_at", "9999-12-31T23:59:59Z"),
        CASE,
        "due later than 9900",
    ),
    Forgery(
        "due in the year 1",
        put("debt/installments/0/due_at", "0001-01-01T00:00:00Z"),
        CASE,
        "due before the agreement",
    ),
    Forgery("installments not in due order", swap_installments, CASE, "not in due order"),
    Forgery("a thousand installments and one", many_installments, CASE, "an array of at most 1000 items"),
    Forgery("no installment", put("debt/installments", []), CASE, "do not add up"),
    Forgery("a debt of nothing", debt_of_nothing, CASE, "has no installment"),
    Forgery("more than was lent", put("debt/principal_units", "1"), CASE, "do not add up"),
    Forgery(
        "a tolerance above the principal",
        put("debt/tolerance_units", "9000000001"),
        CASE,
        "exceeds the principal",
    ),
    Forgery("an amount as a number", put("debt/principal_units", 9000000000), CASE, "a text of at most"),
    Forgery("an amount with an exponent", put("debt/principal_units", "9e9"), CASE, "a uint256"),
    Forgery("an amount with a leading zero", put("debt/principal_units", "09"), CASE, "a uint256"),
    Forgery("a negative amount", put("debt/tolerance_units", "-1"), CASE, "a uint256"),
    Forgery("an amount above 2**256-1", put("debt/tolerance_units", str(UINT256_MAX + 1)), CASE, "a uint256"),
    Forgery("other digits", put("debt/tolerance_units", "\u0661"), CASE, "a uint256"),
    Forgery(
        "an amount as a fraction",
        replaced(CASE, b'"grace_days":0', b'"grace_days":0.0'),
        CASE,
        "not an integer",
    ),
    Forgery(
        "an amount that is not a number",
        replaced(CASE, b'"grace_days":0', b'"grace_days":NaN'),
        CASE,
        "integer",
    ),
    Forgery(
        "an integer of ten thousand digits",
        replaced(CASE, b'"grace_days":0', b'"grace_days":1' + b"0" * 10_000),
        CASE,
        "beyond 2**53 - 1",
    ),
    Forgery("grace days that are a flag", put("debt/grace_days", False), CASE, "/debt/grace_days"),
    Forgery("grace of ten thousand years", put("debt/grace_days", 3_650_000), CASE, "/debt/grace_days"),
    Forgery("too many decimals", put("debt/asset/decimals", 78), CASE, "/debt/asset/decimals"),
    Forgery("an account in upper case", upper("creditor/accounts/0/account"), CASE, "lower-case hex"),
    Forgery("an asset in upper case", upper("debt/asset/asset"), CASE, "lower-case hex"),
    Forgery("a block's hash in upper case", upper("scope/0/anchor/hash"), CASE, "lower-case hex"),
    Forgery("an unknown basis", put("debtor/accounts/0/basis", "hearsay"), CASE, "not what it should be"),
    Forgery("a time with an offset", put("as_of", "2026-09-26T02:20:12+00:00"), CASE, "a time in UTC with Z"),
    Forgery("a time without a zone", put("as_of", "2026-09-26T02:20:12"), CASE, "not an RFC 3339 time"),
    Forgery("the 31st of February", put("as_of", "2026-02-31T00:00:00Z"), CASE, "no such time"),
    Forgery("a due day in another form", put("debt/installments/0/due_on", "20260101"), CASE, "/due_on"),
    Forgery("format 2", put("format", 2), CASE, "1 is expected"),
    Forgery("a format that is a flag", put("format", True), CASE, "1 is expected"),
    Forgery("another rule", put("rules/allocation", "largest-first/1"), CASE, "/rules"),
    Forgery("a declaration", put("declarations", ["all is well"]), CASE, "/declarations"),
    Forgery("an unknown field", put("debt/interest", "5 %"), CASE, "exactly the fields"),
    Forgery("a missing field", lambda forger: forger.remove(CASE, "debt/kind"), CASE, "exactly the fields"),
    Forgery(
        "a key twice", replaced(CASE, b'"format":1', b'"format":1,"format":1'), CASE, "the same key twice"
    ),
    Forgery("white space", replaced(CASE, b'"format":1', b'"format": 1'), CASE, "not in its canonical form"),
    Forgery("not UTF-8", replaced(CASE, b"LOAN", b"\xff\xfe\xfd\xfc"), CASE, "not UTF-8"),
    Forgery("half a surrogate pair", replaced(CASE, b"LOAN", b"\\ud800"), CASE, "surrogate"),
    Forgery(
        "nested a million levels deep",
        replaced(CASE, b'"declarations":[]', b'"declarations":' + b"[" * 10**6 + b"]" * 10**6),
        CASE,
        "nested",
    ),
    Forgery("an array for a case", lambda forger: forger.put(CASE, []), CASE, "exactly the fields"),
    Forgery("nothing for a case", lambda forger: forger.files.update({CASE: b""}), CASE, "is not JSON"),
    Forgery("another evidence id", put("evidence_id", "evi_other"), CASE, "names another evidence"),
    Forgery("an asset named twice", put("registered_assets", [None] * 2), CASE, "exactly the fields"),
    Forgery("a text that is too long", put("operator/name", "a" * 20_001), CASE, "a text of at most 20000"),
]

LEDGERS = [
    Forgery("the interval", ledger("not_covered/max_units", "9000000000"), LEDGER, NOT_THE_LEDGER),
    Forgery("what was applied", ledger("applied", "3999"), LEDGER, NOT_THE_LEDGER),
    Forgery(
        "an amount of a payment", ledger("payments/0/transfer/amount_units", "1"), LEDGER, NOT_THE_LEDGER
    ),
    Forgery("the result", ledger("result", "NONE_FOUND_IN_SCOPE"), LEDGER, NOT_THE_LEDGER),
    Forgery("the scope sentence", ledger("scope_sentence", "Nothing was paid."), LEDGER, NOT_THE_LEDGER),
    Forgery("an installment's sentence", ledger("installments/1/sentence", ""), LEDGER, NOT_THE_LEDGER),
    Forgery("the claim's sentence", ledger("claims/0/sentence", "Proven."), LEDGER, NOT_THE_LEDGER),
    Forgery(
        "a candidate", lambda forger: forger.remove(LEDGER, "assessment/candidates/0"), LEDGER, NOT_THE_LEDGER
    ),
    Forgery("a reason", ledger("candidates/1/reasons", ["zero-value"]), LEDGER, NOT_THE_LEDGER),
    Forgery("what counts", ledger("candidates/0/counted_units", "0"), LEDGER, NOT_THE_LEDGER),
    Forgery("the timing", ledger("installments/0/timing", "LATE"), LEDGER, NOT_THE_LEDGER),
    Forgery("the days overdue", ledger("installments/2/days_overdue", 365), LEDGER, NOT_THE_LEDGER),
    Forgery("the grade", ledger("grade", "events-complete"), LEDGER, NOT_THE_LEDGER),
    Forgery("the claim's grade", ledger("claims/0/grade", "events-complete"), LEDGER, NOT_THE_LEDGER),
    Forgery("the tie", ledger("tie", "signature"), LEDGER, NOT_THE_LEDGER),
    Forgery("what was not searched", ledger("scope/not_searched", []), LEDGER, NOT_THE_LEDGER),
    Forgery("what would change it", ledger("would_change", []), LEDGER, NOT_THE_LEDGER),
    Forgery("a rejected transfer", ledger("rejected", [{}]), LEDGER, NOT_THE_LEDGER),
    Forgery("an unknown field", ledger("verdict", "guilty"), LEDGER, NOT_THE_LEDGER),
    Forgery("a flag for a number", ledger("payments/0/transfer/log_index", False), LEDGER, NOT_THE_LEDGER),
    Forgery("a number for a flag", ledger("payments/0/transfer/final", 1), LEDGER, NOT_THE_LEDGER),
    Forgery("format 2", lambda forger: forger.set(LEDGER, "format", 2), LEDGER, NOT_THE_LEDGER),
    Forgery(
        "a format that is a flag", lambda forger: forger.set(LEDGER, "format", True), LEDGER, NOT_THE_LEDGER
    ),
    Forgery("no ledger at all", lambda forger: forger.put(LEDGER, None), LEDGER, NOT_THE_LEDGER),
]

FILES = [
    Forgery("VERIFY.md", replaced(VERIFY, b"1: rejected", b"1: fine"), VERIFY, "is not the text"),
    Forgery("no VERIFY.md", lambda forger: forger.files.update({VERIFY: b""}), VERIFY, "is not the text"),
    Forgery(
        "an answer that nobody asked for",
        lambda forger: forger.files.update(
            {"data/providers/000099.request.json": b"{}", "data/providers/000099.answer.json": b"{}"}
        ),
        "data/providers/000099.answer.json",
        "belongs to no request",
    ),
    Forgery(
        "another chain's files",
        lambda forger: forger.files.update(
            {"data/chain/eip155-1/blocks.json": b"[]", "data/chain/eip155-1/transfers.json": b"[]"}
        ),
        "data/chain/eip155-1/blocks.json",
        "belongs to no request and no chain",
    ),
    Forgery(
        "no list of transfers",
        lambda forger: [forger.files.pop(path) for path in (forger.transfers_path, forger.blocks_path)],
        "data/chain/*/blocks.json",
        "is missing",
    ),
    Forgery(
        "bagged on another day",
        lambda _: None,
        "bag-info.txt",
        "Bagging-Date",
        bagged_on=date(2020, 1, 1),
    ),
]


@pytest.mark.parametrize("forgery", named(CASE_SHAPES))
def test_a_case_out_of_shape_is_rejected(
    forgery: Forgery, forger: Forger, played: Played, tmp_path: Path
) -> None:
    forgery.alter(forger)
    verdict = judged(forger, tmp_path, anchor=played.anchor, case=_parsable(forger, played, tmp_path))
    demand_rejection(verdict, file=forgery.file, reason=forgery.reason)


def _parsable(forger: Forger, played: Played, folder: Path) -> Path:
    """The forger's own case, unless it is no JSON at all and would be rejected for that."""
    try:
        canonical.loads(forger.files[CASE])
    except canonical.NotCanonical:
        return played.case
    return forger.case_file(folder)


@pytest.mark.parametrize("forgery", named(LEDGERS))
def test_a_ledger_that_says_otherwise_is_rejected(
    forgery: Forgery, forger: Forger, played: Played, tmp_path: Path
) -> None:
    forgery.alter(forger)
    verdict = judged(forger, tmp_path, anchor=played.anchor, case=played.case)
    demand_rejection(verdict, file=forgery.file, reason=forgery.reason)


@pytest.mark.parametrize("forgery", named(FILES))
def test_files_that_do_not_belong_are_rejected(
    forgery: Forgery, forger: Forger, played: Played, tmp_path: Path
) -> None:
    forgery.alter(forger)
    verdict = judged(forger, tmp_path, anchor=played.anchor, case=played.case, bagged_on=forgery.bagged_on)
    demand_rejection(verdict, file=forgery.file, reason=forgery.reason)


def test_a_swapped_report_is_not_vouched_for(forger: Forger, played: Played, tmp_path: Path) -> None:
    """R can't cover what prints R; so the verdict says that the report was not checked."""
    forger.files[REPORT] = b"%PDF-1.7\nAll is well.\n"
    verdict = judged(forger, tmp_path, anchor=played.anchor, case=played.case)
    assert verdict.exit_code == ACCEPTED
    (said,) = [line for line in verdict.not_covered if REPORT in line]
    assert "not checked" in said
    assert "not by the root R" in said


@pytest.mark.parametrize("path", ["data/manifest.json", "data/headers.zz", "verifier/quittance-verify.pyz"])
def test_an_unknown_file_is_rejected(path: str, played: Played, tmp_path: Path) -> None:
    """Not even the builder writes these: the zip is made by hand, in the one writer's form."""
    files = unpacked(played.bundle)
    files[path] = files.get(path, b"") + b" "
    bundle = tmp_path / played.bundle.name
    bundle.write_bytes(forged(with_new_sums(files), folder=played.bundle.stem))
    verdict = verify(bundle=bundle, case=played.case, anchors=(played.anchor,))
    demand_rejection(verdict, file=path, reason="")
