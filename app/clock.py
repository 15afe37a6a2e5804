"""The only reader of the clock, and the one text form of an instant (RFC 3339).

Everywhere else time is an argument, so that an assessment can be replayed. An instant is always a
timezone-aware datetime in UTC.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from app.errors import QuittanceError

Clock = Callable[[], datetime]

_RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt](?!24)[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?"
    r"(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class BadTime(QuittanceError, ValueError):
    """Text or a value that does not name one instant."""


def utc_now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 -- this is the one place that may.


def require_utc(instant: datetime) -> datetime:
    """The same instant in UTC. A naive datetime names no instant and is refused."""
    if instant.utcoffset() is None:
        msg = f"a time without a zone names no instant: {instant.isoformat()}"
        raise BadTime(msg)
    return instant.astimezone(UTC)


def to_rfc3339(instant: datetime) -> str:
    """In UTC with `Z`; microseconds only where there are any."""
    return require_utc(instant).replace(tzinfo=None).isoformat() + "Z"


def parse_rfc3339(text: str) -> datetime:
    """An instant in UTC. The offset is required, and more than microseconds are refused, not rounded."""
    if _RFC3339.fullmatch(text) is None:
        msg = f"not an RFC 3339 time with an offset, such as 2026-01-31T12:00:00Z: {text[:60]!r}"
        raise BadTime(msg)
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        msg = f"no such time: {text[:60]!r}"
        raise BadTime(msg) from error


def from_unix_seconds(seconds: int) -> datetime:
    """The instant of a block time."""
    return _EPOCH + timedelta(seconds=seconds)


def to_unix_seconds(instant: datetime) -> int:
    """Whole seconds, rounded down, as block times count them."""
    return (require_utc(instant) - _EPOCH) // timedelta(seconds=1)


def to_unix_micros(instant: datetime) -> int:
    return (require_utc(instant) - _EPOCH) // timedelta(microseconds=1)


def from_unix_micros(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)
