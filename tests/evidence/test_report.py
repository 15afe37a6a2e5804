"""The printed report: deterministic, whole, and unmoved by whatever text it is handed."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pypdf
import pytest

from app.evidence.report import render as render_module
from app.evidence.report.content import Change, Party, ReportContent, Row
from app.evidence.report.glyphs import PLACEHOLDER
from app.evidence.report.render import ReportFailed, render_pictures, render_report
from app.evidence.report.timeline import DueFact, MarkFact, draw_timeline, label_lanes
from tests.evidence.sample_report import (
    AGREED_AT,
    ANCHOR_HASH,
    AS_OF,
    CONTENT,
    CREATED_AT,
    MANIFEST,
    ROOT,
    day,
)

UINT256_GROUPED = f"{2**256 - 1:,}"
WORDS_TO_AVOID = ("testimony", "finding", "proof of absence", "exculpatory", "not paid", "certificate")
HOSTILE = {
    "set rule": "#set page(width: 1cm, height: 1cm)",
    "panic": "#panic(1)",
    "read": '#read("/etc/passwd") #import "x.typ"',
    "marks": "*bold* _it_ `raw` $x$ = Heading - list + item / term: x <label> @ref \\ ~ -- --- ... // /* */",
    "html": "<script>alert(1)</script><a href=x>",
    "formula": '=HYPERLINK("http://x")',
    "json": '","size_tenths":900,"x":"',
    "controls": "".join(map(chr, range(32))) + "\x7f\x85\u2028\u2029end",
    "bidi": "pay \u202e00.000,9\u202c to \u2066x\u2069 \u200f\u061c now",
    "surrogate": "half \ud800 pair",
    "noncharacters": "\ufdd0\ufffe\uffff\U0010ffff\ue000\ufeff\u00ad",
    "hebrew": "שלום לווה 3,000.00",
    "arabic": "مرحبا بالعالم ١٢٣",
    "chinese": "北京某某有限公司",
    "emoji": "👩‍👩‍👧‍👦 🏴󠁧󠁢󠁥󠁮󠁧󠁿 🇨🇳",
    "combining": "Z" + "\u0301\u0323\u0489" * 60 + "algo e\u0301\u0302 क्षि",
    "one long word": "W" * 10_000,
    "long": "long name " * 1_000,
    "wide": "﷽𒐫⸻" * 50,
    "empty": "",
    "spaces": " \t\n ",
}


def render(content: ReportContent) -> bytes:
    return render_report(
        language="en", content=content, attachments={"manifest.json": MANIFEST}, created_at=CREATED_AT
    )


def read(pdf: bytes) -> tuple[int, str]:
    reader = pypdf.PdfReader(io.BytesIO(pdf))
    return len(reader.pages), "\n".join(page.extract_text() for page in reader.pages)


def with_text(text: str) -> ReportContent:
    """The sample with foreign text wherever a party, a token or a node can put some."""
    frame, figures = CONTENT.frame, CONTENT.figures
    accounts = tuple(replace(each, valid=text, account=text) for each in frame.parties[0].accounts)
    return replace(
        CONTENT,
        frame=replace(
            frame,
            title=text.strip() or "title",
            asked_by=text,
            relation=text,
            question=text,
            parties=(Party(role=text, name=text, accounts=accounts),),
            relied_on=tuple(replace(each, text=text) for each in frame.relied_on),
            scope=(text, *frame.scope),
        ),
        figures=replace(
            figures,
            unit=text,
            rows=tuple(replace(row, timing_note=text) for row in figures.rows),
            changes=tuple(
                replace(each, token=text, contract=text, reasons=(text, text), sentence=text)
                for each in figures.changes
            ),
            timeline=replace(
                figures.timeline,
                marks=tuple(replace(mark, label=(text, text)) for mark in figures.timeline.marks),
            ),
        ),
    )


def large(*, amount: str) -> ReportContent:
    """36 installments, 200 transfers, 100 candidates."""
    dues = [
        DueFact(
            name=f"#{number}",
            due_at=day(5 * number),
            amount_units=10**6 * number,
            applied_units=10**6 * number // 2,
            undecided_units=10**5,
            amount=amount,
        )
        for number in range(1, 37)
    ]
    marks = [
        MarkFact(
            kind=("applied", "undecided", "counts-zero")[number % 3],
            at=AGREED_AT + timedelta(hours=20 * number),
            units=0 if number % 3 == 2 else 10**5 * number,
            name=amount,
        )
        for number in range(200)
    ]
    row = replace(
        CONTENT.figures.rows[1], amount=amount, applied=amount, undecided=amount, not_covered_max=amount
    )
    rows: list[Row] = [replace(row, number=str(number)) for number in range(1, 37)]
    changes: list[Change] = [
        replace(CONTENT.figures.changes[number % 3], amount=amount, counted=amount) for number in range(100)
    ]
    figures = replace(
        CONTENT.figures,
        rows=tuple(rows),
        changes=tuple(changes),
        changes_omitted=7,
        timeline=draw_timeline(agreed_at=AGREED_AT, as_of=AS_OF, dues=dues, marks=marks),
    )
    return replace(CONTENT, figures=figures)


def test_the_same_content_gives_the_same_bytes() -> None:
    assert render(CONTENT) == render(CONTENT)


def test_another_time_or_figure_gives_other_bytes() -> None:
    later = render_report(
        language="en",
        content=CONTENT,
        attachments={"manifest.json": MANIFEST},
        created_at=CREATED_AT + timedelta(seconds=1),
    )
    assert later != render(CONTENT)
    other = replace(CONTENT, figures=replace(CONTENT.figures, result="FULL"))
    assert render(other) != render(CONTENT)


def test_the_demo_fits_one_page_and_says_what_it_must() -> None:
    pages, text = read(render(CONTENT))
    flat = " ".join(text.split())
    assert pages == 1
    for expected in (
        ROOT,
        ANCHOR_HASH,
        "Compare the hash of block 413",
        "PARTIAL",
        "provider-reported · contract",
        "3,000.00 to 5,000.00 USDX",
        "This report does not decide whether the debt was paid.",
        "Not timestamped by a third party.",
        "unless an undecided transfer covers it",
        "ON TIME",
        "unknown-payer",
        "zero-value, look-alike",
        "fake-token",
        "Alleged debtor: Bob Borrower",
        CONTENT.frame.parties[1].accounts[0].account,
        "As of 2026-11-21 08:00:00 UTC",
        "Facts recorded up to 2026-11-21 08:02:00 UTC",
        "Page 1 of 1",
        CONTENT.frame.evidence_id,
    ):
        assert expected in flat, expected
    for sentence in (*CONTENT.frame.scope, *CONTENT.frame.claims, *CONTENT.frame.limits):
        assert "".join(sentence.split()) in "".join(text.split())


def test_overdue_stands_twice_and_only_the_open_one_has_the_condition() -> None:
    _, text = read(render(CONTENT))
    assert text.count("OVERDUE") == 2
    assert text.count("unless") == 1


def test_a_font_folder_is_used_and_may_be_empty(tmp_path: Path) -> None:
    pdf = render_report(
        language="en",
        content=with_text("北京"),
        attachments={},
        created_at=CREATED_AT,
        font_paths=(tmp_path,),
    )
    assert PLACEHOLDER in read(pdf)[1]


def test_words_to_avoid_are_absent() -> None:
    sources = Path("app/evidence/report").rglob("*.typ")
    _, text = read(render(CONTENT))
    for place in (text, *(source.read_text() for source in sources)):
        for word in WORDS_TO_AVOID:
            assert word not in " ".join(place.lower().split()), word


def test_the_manifest_comes_back_byte_for_byte() -> None:
    bodies = {"manifest.json": MANIFEST + b"\r\n\t\xe5\x8c\x97 \\u0000 \x01#set page()", "other.json": b""}
    pdf = render_report(language="en", content=CONTENT, attachments=bodies, created_at=CREATED_AT)
    attached = pypdf.PdfReader(io.BytesIO(pdf)).attachments
    assert {name: contents[0] for name, contents in attached.items()} == bodies


def test_an_attachment_that_is_not_text_is_refused() -> None:
    with pytest.raises(ReportFailed, match=r"manifest\.json is not UTF-8"):
        render_report(
            language="en", content=CONTENT, attachments={"manifest.json": b"\xff"}, created_at=CREATED_AT
        )


def test_what_typst_refuses_is_a_named_failure() -> None:
    untitled = replace(CONTENT, frame=replace(CONTENT.frame, title=" "))
    with pytest.raises(ReportFailed, match="missing document title") as caught:
        render(untitled)
    assert len(caught.value.diagnostics) == 1


def test_a_warning_is_a_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A template with a font that nobody has: typst would only warn, and take another."""
    folder = tmp_path / "report"
    shutil.copytree("app/evidence/report", folder)
    template = folder / "en" / "report.typ"
    template.write_text(template.read_text().replace("Libertinus Serif", "No Such Face"))
    monkeypatch.setattr(render_module, "_FOLDER", folder)
    with pytest.raises(ReportFailed, match="unknown font family: no such face"):
        render(CONTENT)


def test_the_file_declares_both_standards_tags_and_language() -> None:
    root = pypdf.PdfReader(io.BytesIO(render(CONTENT))).root_object
    metadata = root["/Metadata"]
    assert isinstance(metadata, pypdf.generic.StreamObject)
    xmp = metadata.get_data().decode()
    assert "<pdfaid:part>3</pdfaid:part>" in xmp
    assert "<pdfaid:conformance>A</pdfaid:conformance>" in xmp
    assert "<pdfuaid:part>1</pdfuaid:part>" in xmp
    marks = root["/MarkInfo"]
    assert isinstance(marks, pypdf.generic.DictionaryObject)
    assert str(marks["/Marked"]) == "True"
    assert str(root["/Lang"]) == "en"


def test_the_alternative_text_tells_the_picture() -> None:
    root = pypdf.PdfReader(io.BytesIO(render(CONTENT))).root_object
    (alt,) = _alternative_texts(root["/StructTreeRoot"])
    assert "3 due dates: #1 3,000.00, due 2026-07-04;" in " ".join(alt.split())
    assert "2 applied payments: 3,000.00, 2026-07-02; 1,000.00, 2026-08-21." in alt
    assert "1 undecided transfers, hatched: 2,000.00, 2026-08-25." in alt
    assert "2 transfers that count zero" in alt


def _alternative_texts(node: object, *, depth: int = 0) -> list[str]:
    if isinstance(node, pypdf.generic.IndirectObject):
        node = node.get_object()
    if isinstance(node, pypdf.generic.ArrayObject):
        return [text for kid in node for text in _alternative_texts(kid, depth=depth + 1)]
    if not isinstance(node, pypdf.generic.DictionaryObject) or depth > 60:
        return []
    own = [str(node["/Alt"])] if "/Alt" in node else []
    return own + _alternative_texts(node.get("/K"), depth=depth + 1)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_is_printed_or_visibly_replaced(text: str) -> None:
    pages, printed = read(render(with_text(text)))
    flat = " ".join(printed.replace("\u200b", "").split())
    assert 1 <= pages <= 20
    assert ROOT in flat
    assert "How to check this, in three steps" in flat


@pytest.mark.parametrize("name", ["set rule", "panic", "read", "html", "formula", "json", "marks"])
def test_markup_is_set_letter_by_letter(name: str) -> None:
    frame = CONTENT.frame
    party = replace(frame.parties[0], name=HOSTILE[name])
    _, printed = read(render(replace(CONTENT, frame=replace(frame, parties=(party, frame.parties[1])))))
    bare = "".join(printed.split()).replace("\u200b", "")
    assert "".join(HOSTILE[name].split()) in bare


@pytest.mark.parametrize(
    "name", ["chinese", "bidi", "noncharacters", "surrogate", "controls", "one long word"]
)
def test_what_cannot_be_printed_is_replaced_in_sight_and_said(name: str) -> None:
    frame = CONTENT.frame
    party = replace(frame.parties[0], name=HOSTILE[name])
    _, printed = read(render(replace(CONTENT, frame=replace(frame, parties=(party, frame.parties[1])))))
    assert "the exact text is in data/case.json" in printed.replace("\n", " ")
    mark = "…" if name == "one long word" else PLACEHOLDER
    line = next(line for line in printed.splitlines() if line.startswith("Creditor:"))
    assert mark in printed.partition(line[:9])[2]
    assert "\u202e" not in printed


def test_nothing_is_said_about_replacement_where_nothing_was_replaced() -> None:
    _, printed = read(render(CONTENT))
    assert "exact text" not in printed
    assert PLACEHOLDER not in printed


@pytest.mark.parametrize("amount", ["1,234,567.89", UINT256_GROUPED])
def test_a_large_case_flows_to_further_pages(amount: str) -> None:
    pages, text = read(render(large(amount=amount)))
    assert pages > 1
    flat = " ".join(text.split())
    assert "7 more, which are listed in data/ledger.json." in flat
    assert f"Page {pages} of {pages}" in flat
    assert "".join(text.split()).replace("\u200b", "").count(amount) >= 36 * 4 + 100 * 2


def test_a_large_case_stays_below_300_megabytes() -> None:
    program = (
        "from pathlib import Path\n"
        "from tests.evidence.test_report import UINT256_GROUPED, large, render\n"
        "render(large(amount=UINT256_GROUPED))\n"
        "print(Path('/proc/self/status').read_text().partition('VmHWM:')[2].split()[0])\n"
    )
    fresh = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, timeout=60)
    # In kilobytes, interpreter and test tools included. (ru_maxrss would tell of the parent's peak.)
    assert int(fresh.stdout) < 300_000


def test_a_debt_without_rows_is_printed() -> None:
    empty = draw_timeline(agreed_at=AGREED_AT, as_of=AGREED_AT, dues=[], marks=[])
    figures = replace(CONTENT.figures, rows=(), changes=(), change_notes=(), timeline=empty)
    pages, text = read(render(replace(CONTENT, figures=figures)))
    assert pages == 1
    assert "None listed." in text


def test_a_due_date_after_as_of_stays_on_the_axis() -> None:
    due = DueFact(
        name="#1", due_at=day(400), amount_units=5, applied_units=0, undecided_units=0, amount="5.00"
    )
    timeline = draw_timeline(agreed_at=AGREED_AT, as_of=AS_OF, dues=[due], marks=[])
    assert (timeline.as_of, timeline.dues[0].at) == (500, 1000)
    _, text = read(render(replace(CONTENT, figures=replace(CONTENT.figures, timeline=timeline))))
    assert "as of 2026-11-21" in " ".join(text.split())


def test_a_unit_among_billions_is_still_drawn() -> None:
    due = DueFact(
        name="#1", due_at=AS_OF, amount_units=2**256 - 1, applied_units=1, undecided_units=0, amount=""
    )
    bar = draw_timeline(agreed_at=AGREED_AT, as_of=AS_OF, dues=[due], marks=[]).dues[0]
    assert (bar.height, bar.applied, bar.undecided) == (1000, 1, 0)


def test_labels_take_the_next_lane_or_are_left_out() -> None:
    assert label_lanes(places=[0, 10, 20, 150, 160, 170], lanes=2) == [0, 1, None, 0, 1, None]


def test_pictures_are_png() -> None:
    pages = render_pictures(language="en", content=CONTENT, created_at=CREATED_AT, ppi=40)
    assert [page[:8] for page in pages] == [b"\x89PNG\r\n\x1a\n"]
