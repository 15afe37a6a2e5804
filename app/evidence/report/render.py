"""From content to PDF/A-3a + PDF/UA-1, by typst. The same arguments give the same bytes.

Foreign text reaches the template as JSON and is set as text, never evaluated as markup. Only the fonts
inside typst and those in `font_paths` are used, so that a page looks alike everywhere; any warning of
typst fails the report. Knows nothing of debts, chains, the store or the clock.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import typst

from app.clock import require_utc
from app.errors import QuittanceError
from app.evidence.report.content import ReportContent
from app.evidence.report.fonts import missing_characters
from app.evidence.report.glyphs import Printable

Language = Literal["en"]

_FOLDER = Path(__file__).parent
# How many characters of a string are printed: by its field, else as a name.
_NAME_CHARACTERS_MAX = 160
_SENTENCE_CHARACTERS_MAX = 6000
_FIELD_CHARACTERS_MAX = {"unit": 16, "token": 16, "reasons": 40, "label": 18, "role": 20, "basis": 20}
# The type, in tenths of a point: the largest of these that gives one page, else the last named.
_ONE_PAGE_SIZES_TENTHS = (95, 90, 85)
_SIZE_TENTHS = 90
_SENTENCES = frozenset({"scope", "claims", "limits", "statements", "question", "sentence", "text"})


class ReportFailed(QuittanceError):
    """typst refused the report, or warned of it. `diagnostics` are its own words, for the operator."""

    def __init__(self, *, diagnostics: tuple[str, ...]) -> None:
        super().__init__("The report could not be set: " + "; ".join(diagnostics)[:500])
        self.diagnostics = diagnostics


def render_report(
    *,
    language: Language,
    content: ReportContent,
    attachments: Mapping[str, bytes],
    created_at: datetime,
    font_paths: tuple[Path, ...] = (),
) -> bytes:
    """The report as a PDF that embeds `attachments` (JSON files) byte for byte. Raises ReportFailed."""
    compiler = _compiler(
        language=language,
        content=content,
        attachments=attachments,
        created_at=created_at,
        font_paths=font_paths,
    )
    (pdf,) = _compiled(
        lambda: compiler.compile_with_warnings(
            format="pdf", pdf_standards=["a-3a", "ua-1"], timestamp=require_utc(created_at)
        )
    )
    return pdf


def render_pictures(
    *,
    language: Language,
    content: ReportContent,
    created_at: datetime,
    ppi: int,
    font_paths: tuple[Path, ...] = (),
) -> tuple[bytes, ...]:
    """The same pages as PNG images, for a reader on a screen. Raises ReportFailed."""
    compiler = _compiler(
        language=language, content=content, attachments={}, created_at=created_at, font_paths=font_paths
    )
    return _compiled(lambda: compiler.compile_with_warnings(format="png", ppi=ppi))


def _compiler(
    *,
    language: Language,
    content: ReportContent,
    attachments: Mapping[str, bytes],
    created_at: datetime,
    font_paths: tuple[Path, ...],
) -> typst.Compiler:
    moment = require_utc(created_at)
    data = {
        **_printable(content, font_paths=font_paths),
        "created": [moment.year, moment.month, moment.day, moment.hour, moment.minute, moment.second],
        "attachments": [{"name": name, "text": _utf8(name, body)} for name, body in attachments.items()],
    }
    for size_tenths in _ONE_PAGE_SIZES_TENTHS:
        compiler = _typst(language=language, data=data, size_tenths=size_tenths, font_paths=font_paths)
        if _page_total(compiler) == 1:
            return compiler
    return _typst(language=language, data=data, size_tenths=_SIZE_TENTHS, font_paths=font_paths)


def _typst(
    *, language: Language, data: dict[str, Any], size_tenths: int, font_paths: tuple[Path, ...]
) -> typst.Compiler:
    return typst.Compiler(
        _FOLDER / language / "report.typ",
        root=_FOLDER,
        font_paths=list(font_paths),
        ignore_system_fonts=True,
        sys_inputs={"report": json.dumps({**data, "size_tenths": size_tenths})},
    )


def _page_total(compiler: typst.Compiler) -> int:
    try:
        return int(json.loads(compiler.query("<page-total>", field="value", one=True)))
    except typst.TypstError as error:
        raise ReportFailed(diagnostics=(error.diagnostic,)) from error


def _compiled(
    compile_: Callable[[], tuple[bytes | list[bytes] | None, list[typst.TypstWarning]]],
) -> tuple[bytes, ...]:
    try:
        output, warnings = compile_()
    except typst.TypstError as error:
        raise ReportFailed(diagnostics=(error.diagnostic,)) from error
    if warnings:
        raise ReportFailed(diagnostics=tuple(warning.diagnostic for warning in warnings))
    if output is None:
        raise ReportFailed(diagnostics=("typst returned no document",))
    return tuple(output) if isinstance(output, list) else (output,)


def _utf8(name: str, body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise ReportFailed(diagnostics=(f"attachment {name} is not UTF-8",)) from error


def _printable(content: ReportContent, *, font_paths: tuple[Path, ...]) -> dict[str, Any]:
    """The content as plain JSON whose every string can be set; `altered` says that one lost characters."""

    def find_missing(characters: Collection[str]) -> frozenset[str]:
        return missing_characters(characters=characters, font_paths=font_paths)

    printable = Printable(find_missing=find_missing)
    tree = asdict(content)
    _each_text(tree, name="", act=lambda raw, limit: _learned(printable, raw, limit))
    cleaned = _each_text(tree, name="", act=lambda raw, limit: printable.text(raw, characters_max=limit))
    return {**cleaned, "altered": printable.changed}


def _learned(printable: Printable, raw: str, limit: int) -> str:
    printable.learn(raw, characters_max=limit)
    return raw


def _each_text(node: Any, *, name: str, act: Callable[[str, int], str]) -> Any:
    """A copy of the tree with every string acted on; a sentence may be longer than a name."""
    match node:
        case str():
            whole = _SENTENCE_CHARACTERS_MAX if name in _SENTENCES else _NAME_CHARACTERS_MAX
            return act(node, _FIELD_CHARACTERS_MAX.get(name, whole))
        case dict():
            return {key: _each_text(value, name=key, act=act) for key, value in node.items()}
        case list() | tuple():
            return [_each_text(value, name=name, act=act) for value in node]
        case _:
            return node
