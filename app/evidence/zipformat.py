"""The bytes of a zip around its contents: headers, directory, end records. One writer for build and verify.

Every field that the format leaves open is fixed here, so that a zip is a function of its names and
contents: stored entries, no flags, the first DOS time, Unix mode 0644, sizes in the local header, ZIP64 only
where a number doesn't fit. Holds bytes only, no files. Standard library only.
https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT (sections 4.3 and 4.5.3)
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

LOCAL_SIGNATURE = b"PK\x03\x04"
DIRECTORY_SIGNATURE = b"PK\x01\x02"
_END64_SIGNATURE = b"PK\x06\x06"
_LOCATOR64_SIGNATURE = b"PK\x06\x07"
_END_SIGNATURE = b"PK\x05\x06"

_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_RECORD = struct.Struct("<4sHHHHHHIIIHHHHHII")
_END64 = struct.Struct("<4sQHHIIQQQQ")
_LOCATOR64 = struct.Struct("<4sIQI")
_END = struct.Struct("<4sHHHHIIH")
_EXTRA_HEAD = struct.Struct("<HH")

LOCAL_FIXED_BYTES = _LOCAL.size
_EXTRA64_ID = 0x0001
_EXTRA64_LOCAL_BYTES = 20

_VERSION = 20  # 2.0: files in folders.
_VERSION_ZIP64 = 45
_UNIX = 3
_MODE = 0o100644 << 16
_DATE_1980_01_01 = (0 << 9) | (1 << 5) | 1
_FULL_16 = 0xFFFF
_FULL_32 = 0xFFFFFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class Zip64Rule:
    """From where on a number moves to its ZIP64 field. Lowered only to test that path without 4 GiB."""

    number_min: int = _FULL_32
    entries_min: int = _FULL_16


ZIP64 = Zip64Rule()


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One entry as the zip describes it; `header_at` is the offset of its local header."""

    name: str
    crc32: int
    size: int
    header_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalFields:
    """What a local header says; every other byte of it is fixed."""

    crc32: int
    name_bytes: int
    extra_bytes: int
    size: int


def local_header(member: Member, *, rule: Zip64Rule = ZIP64) -> bytes:
    extra, large = b"", member.size >= rule.number_min
    if large:
        extra = _extra64(member.size, member.size)
    fields = _entry_fields(member, shown_size=_FULL_32 if large else member.size, zip64=large)
    name = member.name.encode("ascii")
    return _LOCAL.pack(LOCAL_SIGNATURE, *fields, len(name), len(extra)) + name + extra


def read_local_fields(fixed: bytes) -> LocalFields:
    """From the fixed part of a local header. Nothing is checked: compare with `local_header` afterwards."""
    _, _, _, _, _, _, crc32, _, size, name_bytes, extra_bytes = _LOCAL.unpack(fixed)
    return LocalFields(crc32=crc32, size=size, name_bytes=name_bytes, extra_bytes=extra_bytes)


def extra_bytes_possible(extra_bytes: int) -> bool:
    return extra_bytes in {0, _EXTRA64_LOCAL_BYTES}


def size_with_extra(size: int, *, extra: bytes) -> int:
    """The size that a local header gives, taken from its ZIP64 field where there is one."""
    return int.from_bytes(extra[-8:], "little") if extra else size


def directory(members: Iterable[Member], *, starts_at: int, rule: Zip64Rule = ZIP64) -> Iterator[bytes]:
    """All that follows the last content: one record for each member, then the end records."""
    entries = size = 0
    for member in members:
        record = _directory_record(member, rule=rule)
        entries += 1
        size += len(record)
        yield record
    yield _end_records(entries=entries, size=size, starts_at=starts_at, rule=rule)


def _directory_record(member: Member, *, rule: Zip64Rule) -> bytes:
    large, far = member.size >= rule.number_min, member.header_at >= rule.number_min
    extra = b""
    if large or far:
        numbers = [member.size, member.size] if large else []
        extra = _extra64(*numbers, *([member.header_at] if far else []))
    fields = _entry_fields(member, shown_size=_FULL_32 if large else member.size, zip64=large or far)
    name = member.name.encode("ascii")
    made_by = (_UNIX << 8) | fields[0]
    shown_at = _FULL_32 if far else member.header_at
    head = _RECORD.pack(
        DIRECTORY_SIGNATURE, made_by, *fields, len(name), len(extra), 0, 0, 0, _MODE, shown_at
    )
    return head + name + extra


def _end_records(*, entries: int, size: int, starts_at: int, rule: Zip64Rule) -> bytes:
    many = entries >= rule.entries_min
    big, far = size >= rule.number_min, starts_at >= rule.number_min
    shown_entries = _FULL_16 if many else entries
    end = _END.pack(
        _END_SIGNATURE,
        0,
        0,
        shown_entries,
        shown_entries,
        _FULL_32 if big else size,
        _FULL_32 if far else starts_at,
        0,
    )
    if not (many or big or far):
        return end
    # The size field of the ZIP64 record counts what follows it.
    end64 = _END64.pack(
        _END64_SIGNATURE,
        _END64.size - 12,
        (_UNIX << 8) | _VERSION_ZIP64,
        _VERSION_ZIP64,
        0,
        0,
        entries,
        entries,
        size,
        starts_at,
    )
    return end64 + _LOCATOR64.pack(_LOCATOR64_SIGNATURE, 0, starts_at + size, 1) + end


def _entry_fields(
    member: Member, *, shown_size: int, zip64: bool
) -> tuple[int, int, int, int, int, int, int, int]:
    """The run of fields that a local header and a directory record share: version needed to sizes."""
    version = _VERSION_ZIP64 if zip64 else _VERSION
    return (version, 0, 0, 0, _DATE_1980_01_01, member.crc32, shown_size, shown_size)


def _extra64(*numbers: int) -> bytes:
    values = struct.pack(f"<{len(numbers)}Q", *numbers)
    return _EXTRA_HEAD.pack(_EXTRA64_ID, len(values)) + values
