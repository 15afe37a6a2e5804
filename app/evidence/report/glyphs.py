"""What foreign text may do on the page: be read. It is never markup, and no character of it moves others.

Text in a report comes from parties, tokens and nodes. Here it is made printable: control and direction
characters, and characters that no font holds, become U+FFFD, which a reader sees; nothing is dropped in
silence. The fonts inside typst hold Latin, Greek, Cyrillic, Hebrew and Arabic. CJK fonts come with the
zh-CN report; until then a Chinese name prints as U+FFFD, and the page says where the exact text is.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from itertools import groupby

PLACEHOLDER = "\N{REPLACEMENT CHARACTER}"
ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"
_BREAK_HERE = "\N{ZERO WIDTH SPACE}"
_ISOLATE, _END_ISOLATE = "\N{FIRST STRONG ISOLATE}", "\N{POP DIRECTIONAL ISOLATE}"

# Joiners shape Persian and emoji; they move nothing.
_HARMLESS_FORMATS = "\N{ZERO WIDTH JOINER}\N{ZERO WIDTH NON-JOINER}"
_NOT_TEXT = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_RIGHT_TO_LEFT = {"R", "AL", "AN"}
# More marks than this on one letter would be printed over the lines above and below.
_MARKS_MAX = 4
# A longer run without a space gets break points, so that it wraps instead of running over its neighbour.
_RUN_MAX = 14
_LONG_RUN = re.compile(rf"\S{{{_RUN_MAX + 1},}}")
_AMOUNT = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?")
# Hashes and account ids stay whole, so that they can be copied and found; the templates give them room.
_IDENTIFIER = re.compile(
    r"\W?(?:eip155:[0-9]{1,19}:)?(?:0x)?(?:[0-9a-fA-F]{40}|[0-9a-fA-F]{64})(?::[0-9]{1,6})?\W{0,2}"
)
# All of these are in Libertinus Serif, the text face inside typst (proved by a test).
_SURELY_HELD = frozenset(map(chr, [*range(0x20, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x180)]))

FindMissing = Callable[[Collection[str]], frozenset[str]]


@dataclass(slots=True, kw_only=True)
class Printable:
    """Makes strings printable, and remembers whether any of them lost a character on the way.

    Two passes: `learn` every string, then `text` each. The fonts are asked only once, between the two,
    through `find_missing`, and only about characters that are not surely held.
    """

    find_missing: FindMissing
    changed: bool = False
    _seen: set[str] = field(default_factory=set)
    _missing: frozenset[str] | None = None

    def learn(self, raw: str, *, characters_max: int) -> None:
        normal = _normal(raw, characters_max=characters_max)
        self._seen.update(character for character in normal if character not in _SURELY_HELD)

    def text(self, raw: str, *, characters_max: int) -> str:
        """`raw` as it may be set: cut, cleaned, isolated if it runs right to left, with break points."""
        if self._missing is None:
            asked = {character for character in self._seen if _is_text(character)}
            self._missing = self.find_missing(asked) if asked else frozenset()
        normal = _normal(raw, characters_max=characters_max)
        clean = _limit_marks("".join(self._held(character) for character in normal))
        self.changed |= clean != normal or normal.endswith(ELLIPSIS) > raw.endswith(ELLIPSIS)
        broken = _LONG_RUN.sub(_break_run, clean)
        return _ISOLATE + broken + _END_ISOLATE if _runs_right_to_left(clean) else broken

    def _held(self, character: str) -> str:
        if character in _SURELY_HELD:
            return character
        missing = self._missing or frozenset()
        known = character in self._seen and _is_text(character)
        return character if known and character not in missing else PLACEHOLDER


def _normal(raw: str, *, characters_max: int) -> str:
    """Composed, with single spaces, and cut. Composing may shorten, so more is taken than is kept."""
    head = raw[: 4 * characters_max]
    normal = " ".join(unicodedata.normalize("NFC", head).split())
    if len(normal) <= characters_max and len(head) == len(raw):
        return normal
    return normal[: characters_max - 1] + ELLIPSIS


def _break_run(match: re.Match[str]) -> str:
    run = match[0]
    if _AMOUNT.fullmatch(run):
        return run.replace(",", "," + _BREAK_HERE)
    if _IDENTIFIER.fullmatch(run):
        return run
    return _BREAK_HERE.join(run[start : start + _RUN_MAX] for start in range(0, len(run), _RUN_MAX))


def _is_text(character: str) -> bool:
    return character in _HARMLESS_FORMATS or unicodedata.category(character) not in _NOT_TEXT


def _runs_right_to_left(text: str) -> bool:
    return any(unicodedata.bidirectional(character) in _RIGHT_TO_LEFT for character in text)


def _limit_marks(text: str) -> str:
    parts = []
    for is_mark, run in groupby(text, key=lambda character: unicodedata.category(character).startswith("M")):
        characters = "".join(run)
        too_many = is_mark and len(characters) > _MARKS_MAX
        parts.append(characters[:_MARKS_MAX] + PLACEHOLDER if too_many else characters)
    return "".join(parts)
