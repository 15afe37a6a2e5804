"""Canonical JSON: RFC 8785 (JCS), narrowed to what a bundle uses, so that a value has exactly one text.

Allowed are str, int within ±(2**53 - 1), bool, None, list, and dict with ASCII keys; no floats, so that no
amount is ever rounded. Standard library only; knows nothing of bundles.
https://www.rfc-editor.org/rfc/rfc8785
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias

from chains.json_depth import is_shallow

Json: TypeAlias = "bool | int | str | list[Json] | dict[str, Json] | None"

INTEGER_MAX = 2**53 - 1
"""The largest integer that every JSON reader keeps exactly (RFC 7493, section 2.2)."""
INTEGER_TEXT_MAX = len(str(-INTEGER_MAX))
DEPTH_MAX = 32
# Beyond this a text is not even parsed; between the two it is said what is wrong with it.
_PARSED_DEPTH_MAX = 500
BYTES_MAX = 64 * 2**20
VALUES_MAX = 10_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonLimits:
    """How much JSON from a stranger is read.

    `values_max` bounds the memory that many tiny values would take: an empty list is two bytes of text and
    seventy of memory. It is held against a count of separators, so punctuation inside strings counts too.
    """

    bytes_max: int = BYTES_MAX
    depth_max: int = DEPTH_MAX
    values_max: int = VALUES_MAX


DEFAULT_LIMITS = JsonLimits()


class NotRepresentable(ValueError):
    """A value that has no canonical text here; `pointer` (RFC 6901) says where in the value it stands."""

    def __init__(self, *, reason: str, pointer: str) -> None:
        super().__init__(f"{reason} (at {pointer!a})")
        self.reason = reason
        self.pointer = pointer


class NotCanonical(ValueError):
    """Bytes that are not the canonical text of any allowed value."""

    def __init__(self, *, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def dumps(value: object) -> bytes:
    """The canonical text. Raises NotRepresentable."""
    return _dump(value, depth_max=DEPTH_MAX)


def loads(data: bytes, *, limits: JsonLimits = DEFAULT_LIMITS) -> Json:
    """The value whose canonical text is exactly `data`. Raises NotCanonical for any other bytes."""
    value, again = _read(data, limits=limits)
    if again != data:
        raise NotCanonical(reason="is JSON, but not in its canonical form (RFC 8785)")
    return value


def loads_any(data: bytes, *, limits: JsonLimits = DEFAULT_LIMITS) -> Json:
    """The value of a text that may be laid out otherwise, but holds only what has a canonical form."""
    return _read(data, limits=limits)[0]


def _read(data: bytes, *, limits: JsonLimits) -> tuple[Json, bytes]:
    _refuse_large(data, limits=limits)
    if not is_shallow(data, depth_max=_PARSED_DEPTH_MAX):
        raise NotCanonical(reason=_too_deep(limits.depth_max))
    try:
        value: Json = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_refuse_float,
            parse_constant=_refuse_float,
        )
        return value, _dump(value, depth_max=limits.depth_max)
    except (NotCanonical, NotRepresentable) as error:
        raise NotCanonical(reason=error.reason) from None
    except UnicodeDecodeError:
        raise NotCanonical(reason="is not UTF-8") from None
    except RecursionError:
        raise NotCanonical(reason=_too_deep(limits.depth_max)) from None
    except ValueError:
        raise NotCanonical(reason="is not JSON") from None


def _refuse_large(data: bytes, *, limits: JsonLimits) -> None:
    if len(data) > limits.bytes_max:
        raise NotCanonical(reason=f"has more than {limits.bytes_max} bytes of JSON")
    # Every value and every key but the first stands behind one of these.
    if sum(data.count(separator) for separator in (b",", b":", b"[", b"{")) > limits.values_max:
        raise NotCanonical(reason=f"has more than {limits.values_max} JSON values")


def _dump(value: object, *, depth_max: int) -> bytes:
    _check(value, levels_left=depth_max, depth_max=depth_max)
    # For checked values the standard encoder writes JCS: shortest escapes, lower-case \u00xx for the other
    # control characters, nothing else escaped; ASCII keys sort alike by code point and by UTF-16 unit.
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
    return text.encode("utf-8")


def _check(value: object, *, levels_left: int, depth_max: int) -> None:
    """Exact types only: a subclass, such as an IntEnum or a str with a mind of its own, is refused."""
    kind = type(value)
    if kind is str:
        _check_text(value)
    elif kind is int:
        _check_integer(value)
    elif kind is dict or kind is list:
        if levels_left == 0:
            raise NotRepresentable(reason=_too_deep(depth_max), pointer="")
        _check_children(value, levels_left=levels_left - 1, depth_max=depth_max)
    elif value is not None and kind is not bool:
        msg = f"a {kind.__name__} has no canonical form"
        raise NotRepresentable(reason=msg, pointer="")


def _check_children(container: Any, *, levels_left: int, depth_max: int) -> None:
    children = container.items() if type(container) is dict else enumerate(container)
    for key, child in children:
        if type(container) is dict and (type(key) is not str or not key.isascii()):
            raise NotRepresentable(reason="an object key is not ASCII text", pointer="")
        try:
            _check(child, levels_left=levels_left, depth_max=depth_max)
        except NotRepresentable as error:
            step = str(key).replace("~", "~0").replace("/", "~1")
            raise NotRepresentable(reason=error.reason, pointer=f"/{step}{error.pointer}") from None


def _check_text(value: Any) -> None:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise NotRepresentable(reason="a text holds half a surrogate pair", pointer="") from None


def _check_integer(value: Any) -> None:
    if not -INTEGER_MAX <= value <= INTEGER_MAX:
        raise NotRepresentable(reason="an integer is beyond 2**53 - 1; it must be text", pointer="")


def _too_deep(depth_max: int) -> str:
    return f"is nested more than {depth_max} levels deep"


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise NotCanonical(reason="names the same key twice in one object")
    return members


def _integer(text: str) -> int:
    # Python refuses to convert thousands of digits with an error of its own, so the length comes first.
    if len(text) > INTEGER_TEXT_MAX:
        raise NotCanonical(reason="holds an integer beyond 2**53 - 1")
    return int(text)


def _refuse_float(_text: str) -> NoReturn:
    raise NotCanonical(reason="holds a number that is not an integer")
