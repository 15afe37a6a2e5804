"""A deterministic zip on disk: written streamed and put in place in one step, read from its first byte on.

The reader parses local headers in order, rebuilds every header and record with `zipformat` and demands the
same bytes to the end of the file; so nothing in a zip is left to interpretation. Knows nothing of bags or
formats. Standard library only.
"""

from __future__ import annotations

import hashlib
import io
import os
import secrets
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from app.evidence.errors import SourceChanged, TargetDiffers
from app.evidence.zipformat import ZIP64, Member, Zip64Rule, directory, local_header

CHUNK_BYTES = 2**20


class Source(Protocol):
    """Content that can be read from its start, more than once."""

    def open(self) -> BinaryIO: ...


@dataclass(frozen=True, slots=True)
class BytesSource:
    data: bytes

    def open(self) -> BinaryIO:
        return io.BytesIO(self.data)


@dataclass(frozen=True, slots=True)
class FileSource:
    path: Path

    def open(self) -> BinaryIO:
        return self.path.open("rb")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """What a stream of bytes came to; `sha256` is hex."""

    size: int
    crc32: int
    sha256: str


class Meter:
    """Counts and hashes bytes as they pass."""

    def __init__(self) -> None:
        self.size = 0
        self._crc32 = 0
        self._sha256 = hashlib.sha256()

    def pass_on(self, chunk: bytes) -> bytes:
        self.size += len(chunk)
        self._crc32 = zlib.crc32(chunk, self._crc32)
        self._sha256.update(chunk)
        return chunk

    def measure(self) -> Measure:
        return Measure(size=self.size, crc32=self._crc32, sha256=self._sha256.hexdigest())


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file to be written, measured before: its header goes ahead of its content."""

    name: str
    source: Source
    measure: Measure


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDigest:
    """A finished file: its SHA-256 in hex and its size."""

    sha256: str
    size: int


def measure_bytes(data: bytes) -> Measure:
    meter = Meter()
    meter.pass_on(data)
    return meter.measure()


def chunks_of(stream: BinaryIO) -> Iterator[bytes]:
    while chunk := stream.read(CHUNK_BYTES):
        yield chunk


def write_zip(*, target: Path, entries: Iterable[Entry], rule: Zip64Rule = ZIP64) -> FileDigest:
    """Write the entries, ordered by name, and put the file in place whole.

    The target appears only when every byte is on disk; a failure, a full disk included, leaves nothing
    behind. A target that exists with the same bytes is left as it is, since writing again after a crash must
    succeed. Raises TargetDiffers, SourceChanged, OSError.
    """
    partial = target.with_name(f".{target.name}.{secrets.token_hex(6)}.part")
    try:
        with partial.open("xb") as out:
            digest = _write_entries(out, entries=entries, rule=rule)
            out.flush()
            os.fsync(out.fileno())
        if os.path.lexists(target):
            _demand_same(target, digest)
        else:
            partial.replace(target)
            _fsync_folder(target.parent)
    finally:
        with suppress(FileNotFoundError):
            partial.unlink()
    return digest


def _write_entries(out: BinaryIO, *, entries: Iterable[Entry], rule: Zip64Rule) -> FileDigest:
    whole, members = Meter(), []
    for entry in sorted(entries, key=lambda entry: entry.name):
        member = Member(
            name=entry.name, crc32=entry.measure.crc32, size=entry.measure.size, header_at=whole.size
        )
        members.append(member)
        out.write(whole.pass_on(local_header(member, rule=rule)))
        content = Meter()
        with entry.source.open() as stream:
            out.writelines(whole.pass_on(content.pass_on(chunk)) for chunk in chunks_of(stream))
        if content.measure() != entry.measure:
            raise SourceChanged(path=entry.name)
    records = directory(members, starts_at=whole.size, rule=rule)
    out.writelines(whole.pass_on(record) for record in records)
    measured = whole.measure()
    return FileDigest(sha256=measured.sha256, size=measured.size)


def _demand_same(target: Path, digest: FileDigest) -> None:
    if not target.is_file():
        raise TargetDiffers(target=target)
    there = Meter()
    with target.open("rb") as stream:
        for chunk in chunks_of(stream):
            there.pass_on(chunk)
    measured = there.measure()
    if (measured.sha256, measured.size) != (digest.sha256, digest.size):
        raise TargetDiffers(target=target)


def _fsync_folder(folder: Path) -> None:
    # The rename itself must survive a power cut as well.
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
