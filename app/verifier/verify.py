"""The verdict on a bundle of format 1: rebuild the container, decode the raw answers, judge again.

Trusts nothing in the bundle: the question comes from outside, so does the anchor, and the ledger is
recomputed. Pure modules only; every bad input ends in a rejection that names a file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app import canonical
from app.assessment.assess import assess
from app.assessment.document import LOWER_CASE, assessment_document
from app.assessment.values import Reading
from app.canonical import Json, JsonLimits, NotCanonical
from app.evidence.bag import Bag
from app.evidence.case import Case, case_document, parse_case
from app.evidence.errors import VerificationError
from app.evidence.exchange import REQUESTS, Exchange, parse_exchanges, reading_of
from app.evidence.format import BAG_INFO, BAG_INFO_BYTES_MAX, VERIFY, read_bagging_date
from app.evidence.instructions import verify_text
from app.evidence.reader import open_bag
from app.evidence.shape import ShapeError
from app.verifier.anchor import Anchor
from app.verifier.answers import check_answers, holds
from app.verifier.verdict import (
    ACCEPTED,
    ANSWERS_NOT_SIGNED,
    CONDITIONAL,
    HASH_NOT_RECOMPUTED,
    NO_SEAL,
    REPORT_NOT_BOUND,
    Verdict,
    rejected,
)
from app.verifier.window import check_window
from chains.types import Transfer

CASE, LEDGER = "data/case.json", "data/ledger.json"
# Decoded they take ten times their size; a case of a thousand installments has a tenth of a megabyte.
CASE_BYTES_MAX = 32 * 2**20
INDEX_BYTES_MAX = 32 * 2**20

NO_CASE = "NOT CHECKED: the question came only with the bundle; give --case with the file you were handed."
CASE_CHECKED = "data/case.json against the question"
ANCHOR_CHECKED = "the anchor against what was typed"
CHECKED = (
    "the container, byte for byte",
    "the manifests and their root R",
    "the raw answers against the listed blocks and transfers",
    "the window, its brackets and its gaps",
    "the assessment, recomputed",
)


def verify(*, bundle: Path, case: Path | None, anchors: tuple[Anchor, ...]) -> Verdict:
    """Never raises for what a bundle or a case file holds. `anchors` are those typed by hand."""
    try:
        with open_bag(bundle) as bag:
            return _verify(bag, case=case, anchors=anchors)
    except VerificationError as error:
        return rejected(file=error.file, reason=error.reason)


def _verify(bag: Bag, *, case: Path | None, anchors: tuple[Anchor, ...]) -> Verdict:
    stated = bag.read_json(CASE, bytes_max=CASE_BYTES_MAX)
    conditions, checked = [NO_CASE], [*CHECKED]
    if case is not None:
        _compare_case(stated, path=case)
        conditions, checked = [], [*CHECKED, CASE_CHECKED]
    parsed = _parse(bag, stated)
    if bag.read_bytes(VERIFY, bytes_max=2**20) != verify_text(parsed):
        raise VerificationError(file=VERIFY, reason="is not the text that belongs to this case")
    unknown = _compare_anchors(parsed, anchors)
    conditions += unknown
    checked += [] if unknown else [ANCHOR_CHECKED]
    check_window(parsed)
    exchanges = _exchanges(bag)
    transfers = check_answers(bag, case=parsed, exchanges=exchanges)
    reading = reading_of(exchanges, operator=parsed.operator, relation=parsed.relation)
    document = _judge(parsed, transfers=transfers, reading=reading)
    if not holds(bag, LEDGER, {"format": 1, "assessment": document}):
        reason = "is not what the case and the raw answers give"
        raise VerificationError(file=LEDGER, reason=reason)
    return Verdict(
        exit_code=CONDITIONAL if conditions else ACCEPTED,
        conditions=tuple(conditions),
        checked=tuple(checked),
        not_covered=(ANSWERS_NOT_SIGNED, HASH_NOT_RECOMPUTED, REPORT_NOT_BOUND, NO_SEAL),
        facts={
            "evidence_id": bag.evidence_id,
            "root": bag.root,
            "sha256": bag.container_sha256,
            "anchor": ",".join(parsed.anchors),
            "result": document["result"],
            "timing": document["timing"],
            "grade": document["grade"],
            "tie": document["tie"],
            "applied": document["applied"],
            "not_covered_interval": document["not_covered"],
            "scope_sentence": document["scope_sentence"],
            "claims": [claim["sentence"] for claim in document["claims"]],
        },
    )


def _parse(bag: Bag, stated: Json) -> Case:
    try:
        case = parse_case(stated)
    except ShapeError as error:
        raise VerificationError(file=CASE, reason=str(error)) from None
    # Read and written again it must be the same, so that nothing in it goes unread.
    if not holds(bag, CASE, case_document(case)):
        raise VerificationError(file=CASE, reason="is not in the form in which a case is written")
    if case.evidence_id != bag.evidence_id:
        raise VerificationError(file=CASE, reason="names another evidence than the bundle")
    bagged_on = read_bagging_date(bag.read_bytes(BAG_INFO, bytes_max=BAG_INFO_BYTES_MAX))
    if bagged_on != case.created_at.date():
        raise VerificationError(file=BAG_INFO, reason="has another Bagging-Date than the case")
    return case


def _compare_case(stated: Json, *, path: Path) -> None:
    """The question asked must be the question answered, whatever the white space of the file."""
    try:
        with path.open("rb") as stream:
            data = stream.read(CASE_BYTES_MAX + 1)
        if len(data) > CASE_BYTES_MAX:
            raise VerificationError(file=str(path), reason="is too large for a case")
        asked = canonical.loads_any(data, limits=JsonLimits(bytes_max=CASE_BYTES_MAX))
    except NotCanonical as error:
        raise VerificationError(file=str(path), reason=error.reason) from None
    except OSError as error:
        reason = f"can't be read: {error.strerror}"
        raise VerificationError(file=str(path), reason=reason) from None
    # As text: to Python, 1 equals true.
    if canonical.dumps(asked) != canonical.dumps(stated):
        raise VerificationError(file=CASE, reason="is not the case that was asked about")


def _compare_anchors(case: Case, typed: tuple[Anchor, ...]) -> list[str]:
    stated = [Anchor.parse(each) for each in case.anchors]
    for anchor in typed:
        if anchor not in stated:
            raise VerificationError(file=CASE, reason=f"has another anchor than {anchor}")
    return [
        f"NOT CHECKED: compare hash {anchor.hash} of block {anchor.number} with two sources you trust."
        for anchor in stated
        if anchor not in typed
    ]


def _exchanges(bag: Bag) -> list[Exchange]:
    try:
        exchanges = parse_exchanges(bag.read_json(REQUESTS, bytes_max=INDEX_BYTES_MAX))
    except ShapeError as error:
        raise VerificationError(file=REQUESTS, reason=str(error)) from None
    if not exchanges:
        raise VerificationError(file=REQUESTS, reason="lists no request")
    return exchanges


def _judge(case: Case, *, transfers: list[Transfer], reading: Reading) -> dict[str, Any]:
    facts = case.facts(transfers=transfers, reading=reading)
    if not case.records.debt.installments:
        raise VerificationError(file=CASE, reason="has no installment")
    try:
        assessment = assess(facts=facts, as_of=case.as_of, known_at=case.known_at)
        return assessment_document(assessment, forms=LOWER_CASE, inline_max=None)
    except (ValueError, OverflowError) as error:
        raise VerificationError(file=CASE, reason=f"can't be assessed: {error}") from None
