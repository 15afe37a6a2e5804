"""Which characters no font at hand holds. typst itself is asked, so that the answer is never out of date.

Knows nothing of reports.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from pathlib import Path

import typst

# One character a line: the line number in a diagnostic names the character, whatever its words are.
_HEAD = (
    '#set document(title: "probe")',
    '#set text(lang: "en", font: "Libertinus Serif")',
    "#let characters = json(bytes(sys.inputs.characters))",
)
_PLACE = re.compile(r"\.typ:([0-9]+):[0-9]+")
# A page holds fewer different characters than this; a flood is not worth the time it takes.
_ASKED_MAX = 3000
_ROUNDS_MAX = 3


def missing_characters(*, characters: Collection[str], font_paths: tuple[Path, ...]) -> frozenset[str]:
    """Those of `characters` that cannot be set. Those that cannot be asked about count as missing."""
    ordered = sorted(characters)
    left, missing = ordered[:_ASKED_MAX], set(ordered[_ASKED_MAX:])
    for _ in range(_ROUNDS_MAX):
        refused = _refused(left, font_paths=font_paths)
        if not refused:
            return frozenset(missing)
        missing |= refused
        left = [character for character in left if character not in refused]
    return frozenset(missing | set(left))


def _refused(characters: list[str], *, font_paths: tuple[Path, ...]) -> set[str]:
    """PDF/A demands a glyph for every character, so exporting a page of them names those without one."""
    lines = [
        *_HEAD,
        *(f"#par(strong(characters.at({at})) + characters.at({at}))" for at in range(len(characters))),
    ]
    compiler = typst.Compiler(
        "\n".join(lines).encode(),
        font_paths=typst.Fonts(include_system_fonts=False, font_paths=list(font_paths)),
        sys_inputs={"characters": json.dumps(characters)},
    )
    try:
        compiler.compile(format="pdf", pdf_standards=["a-3a", "ua-1"], timestamp=0)
    except typst.TypstError as error:
        places = {int(line) - len(_HEAD) - 1 for line in _PLACE.findall(error.diagnostic)}
        named = {characters[place] for place in places if 0 <= place < len(characters)}
        # A diagnostic that names no character says nothing about any of them.
        return named or set(characters)
    return set()
