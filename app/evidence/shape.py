"""Reading JSON of a known shape: exact fields, bounded sizes, and an error that points at what is wrong.

Pure, standard library only: the verifier reads every JSON file of a bundle with it. Knows no file.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from app.canonical import Json
from app.clock import BadTime, parse_rfc3339, to_rfc3339
from chains.errors import ChainError
from chains.types import UINT256_MAX

T = TypeVar("T")

TEXT_CHARS_MAX = 20_000
ITEMS_MAX = 1_000_000

_UNITS = re.compile(r"0|[1-9][0-9]{0,77}")


class ShapeError(ValueError):
    """A JSON value is not of the shape that the format gives it. `pointer` is RFC 6901."""

    def __init__(self, *, pointer: str, reason: str) -> None:
        super().__init__(f"{pointer or '/'}: {reason}")
        self.pointer = pointer
        self.reason = reason


class Shape:
    """A JSON value with the place it was found at."""

    __slots__ = ("_value", "pointer")

    def __init__(self, value: Json, *, pointer: str = "") -> None:
        self._value = value
        self.pointer = pointer

    def wrong(self, reason: str) -> ShapeError:
        return ShapeError(pointer=self.pointer, reason=reason)

    def fields(self, *names: str) -> tuple[Shape, ...]:
        """The values of an object that has exactly these fields."""
        if not isinstance(self._value, dict) or set(self._value) != set(names):
            msg = f"an object of exactly the fields {', '.join(sorted(names))} is expected"
            raise self.wrong(msg)
        return tuple(Shape(self._value[name], pointer=f"{self.pointer}/{name}") for name in names)

    def items(self, *, most: int = ITEMS_MAX) -> list[Shape]:
        if not isinstance(self._value, list) or len(self._value) > most:
            msg = f"an array of at most {most} items is expected"
            raise self.wrong(msg)
        return [Shape(item, pointer=f"{self.pointer}/{index}") for index, item in enumerate(self._value)]

    def text(self, *, most: int = TEXT_CHARS_MAX) -> str:
        if not isinstance(self._value, str) or len(self._value) > most:
            msg = f"a text of at most {most} characters is expected"
            raise self.wrong(msg)
        return self._value

    def integer(self, *, least: int = 0, most: int = 2**53 - 1) -> int:
        if type(self._value) is not int or not least <= self._value <= most:
            msg = f"an integer from {least} to {most} is expected"
            raise self.wrong(msg)
        return self._value

    def none_or(self, read: Callable[[Shape], T]) -> T | None:
        return None if self._value is None else read(self)

    def exactly(self, value: Json) -> None:
        if type(self._value) is not type(value) or self._value != value:
            msg = f"{value!r} is expected"
            raise self.wrong(msg)

    def units(self) -> int:
        """A uint256 as a decimal string, without leading zeros."""
        text = self.text(most=78)
        if _UNITS.fullmatch(text) is None or int(text) > UINT256_MAX:
            msg = "a uint256 as a decimal string is expected"
            raise self.wrong(msg)
        return int(text)

    def instant(self) -> datetime:
        """An RFC 3339 time in UTC, in the one form in which we write it."""
        text = self.text(most=40)
        try:
            when = parse_rfc3339(text)
        except BadTime as error:
            raise self.wrong(error.detail) from None
        if to_rfc3339(when) != text:
            msg = "a time in UTC with Z is expected"
            raise self.wrong(msg)
        return when

    def parsed(self, parse: Callable[[str], T]) -> T:
        """A CAIP id, address, hash or named word, in the one form in which we write it (lower-case hex)."""
        text = self.text(most=200)
        try:
            value = parse(text)
        except (ChainError, ValueError):
            msg = f"not what it should be: {text[:100]!r}"
            raise self.wrong(msg) from None
        if str(value) != text:
            msg = f"not in its one written form, such as lower-case hex: {text[:100]!r}"
            raise self.wrong(msg)
        return value
