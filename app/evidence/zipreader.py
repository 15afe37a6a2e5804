"""Reads a zip that the one writer could have written, and no other.

Streams the file once from its first byte, keeping only names and digests. Raises nothing but
VerificationError: for a fault in a content it names that file, for any other `<container>`. Knows nothing
of bags; takes a path rule from `format`. Standard library only.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn

from app.evidence.container import CHUNK_BYTES, Measure, Meter
from app.evidence.errors import CONTAINER, VerificationError
from app.evidence.format import Limits, path_fault
from app.evidence.zipformat import (
    DIRECTORY_SIGNATURE,
    LOCAL_FIXED_BYTES,
    LOCAL_SIGNATURE,
    LocalFields,
    Member,
    Zip64Rule,
    directory,
    extra_bytes_possible,
    local_header,
    read_local_fields,
    size_with_extra,
)

_NAME_BYTES_MAX = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """Where a file's content lies in the zip, and what it came to when it was streamed."""

    path: str
    header_at: int
    content_at: int
    measure: Measure


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """A whole zip: its one top folder, its files by path relative to that folder, in order, and itself."""

    folder: str
    files: dict[str, StoredFile]
    whole: Measure


def open_regular_file(path: Path) -> BinaryIO:
    """An open handle; nothing but a regular file is ever read, and a pipe can't make this wait."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        handle = os.open(path, flags)
    except (OSError, ValueError) as error:
        reject(f"can't be opened: {_cause(error)}")
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        reject("is not a regular file")
    return os.fdopen(handle, "rb")


def reject(reason: str) -> NoReturn:
    raise VerificationError(file=CONTAINER, reason=reason)


def read_range(stream: BinaryIO, *, at: int, size: int) -> Iterator[bytes]:
    """Chunks of the file from an offset; fewer bytes than asked for if the file has shrunk."""
    try:
        stream.seek(at)
        while size > 0 and (chunk := stream.read(min(size, CHUNK_BYTES))):
            size -= len(chunk)
            yield chunk
    except OSError as error:
        reject(f"can't be read: {_cause(error)}")


def read_zip(stream: BinaryIO, *, limits: Limits, rule: Zip64Rule) -> Contents:
    return _ZipReader(stream, limits=limits, rule=rule).read()


def _cause(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or "the path can't be used")


class _ZipReader:
    """One pass over one open file."""

    def __init__(self, stream: BinaryIO, *, limits: Limits, rule: Zip64Rule) -> None:
        self._stream = stream
        self._limits = limits
        self._rule = rule
        self._whole = Meter()
        self._folder = ""
        self._files: dict[str, StoredFile] = {}
        self._wrong_checksum: str | None = None

    def read(self) -> Contents:
        try:
            self._size = os.fstat(self._stream.fileno()).st_size
            if self._size > self._limits.container_bytes_max:
                reject(f"is larger than {self._limits.container_bytes_max} bytes")
            return self._read()
        except OSError as error:
            reject(f"can't be read: {_cause(error)}")

    def _read(self) -> Contents:
        signature = self._take(len(LOCAL_SIGNATURE))
        while signature == LOCAL_SIGNATURE:
            self._read_file()
            signature = self._take(len(LOCAL_SIGNATURE))
        if not self._files:
            reject("is not a zip that starts with a file")
        if signature != DIRECTORY_SIGNATURE:
            reject("something other than a file or the zip directory follows a file")
        directory_is_right = self._directory_follows(signature)
        # A checksum belongs to its content, unless the directory at the end bears the content out: then it
        # was the header that changed.
        if self._wrong_checksum is not None and not directory_is_right:
            raise VerificationError(
                file=self._wrong_checksum, reason="the content doesn't match its checksum"
            )
        if self._wrong_checksum is not None:
            reject(f"the header of {self._wrong_checksum} doesn't match its content")
        if not directory_is_right:
            reject("the zip directory is not the one that belongs to these files")
        return Contents(folder=self._folder, files=self._files, whole=self._whole.measure())

    def _read_file(self) -> None:
        header_at = self._whole.size - len(LOCAL_SIGNATURE)
        if len(self._files) == self._limits.files_max:
            reject(f"holds more than {self._limits.files_max} files")
        fixed = LOCAL_SIGNATURE + self._take(LOCAL_FIXED_BYTES - len(LOCAL_SIGNATURE))
        fields = read_local_fields(fixed)
        if not 0 < fields.name_bytes <= _NAME_BYTES_MAX or not extra_bytes_possible(fields.extra_bytes):
            reject("a file header is not one that the writer writes")
        raw_name, extra = self._take(fields.name_bytes), self._take(fields.extra_bytes)
        path = self._path(raw_name)
        size = size_with_extra(fields.size, extra=extra)
        member = self._member(path, crc32=fields.crc32, size=size, header_at=header_at)
        if local_header(member, rule=self._rule) != fixed + raw_name + extra:
            reject(f"the header of {path} is not the one that the writer writes")
        self._stream_content(path, fields=fields, size=size, header_at=header_at)

    def _path(self, raw_name: bytes) -> str:
        """The path in the bag. The order of names, and with it their uniqueness, is the writer's."""
        folder, _, path = raw_name.decode("latin-1").partition("/")
        fault = path_fault(folder) or path_fault(path)
        if fault is not None:
            reject(f"a file name is refused: {fault}")
        if not self._files:
            self._folder = folder
        elif folder != self._folder:
            reject("the files don't stand in one folder")
        elif path <= next(reversed(self._files)):
            reject("the files are not in the order of their names")
        return path

    def _stream_content(self, path: str, *, fields: LocalFields, size: int, header_at: int) -> None:
        content_at = self._whole.size
        if size > self._size - content_at:
            reject(f"ends within {path}")
        content, left = Meter(), size
        while left > 0:
            left -= len(content.pass_on(self._take(min(left, CHUNK_BYTES))))
        measure = content.measure()
        if measure.crc32 != fields.crc32 and self._wrong_checksum is None:
            self._wrong_checksum = path
        self._files[path] = StoredFile(path=path, header_at=header_at, content_at=content_at, measure=measure)

    def _directory_follows(self, signature: bytes) -> bool:
        """Whether all the rest of the file is what the writer writes after these contents."""
        files = self._files.values()
        members = (
            self._member(
                file.path, crc32=file.measure.crc32, size=file.measure.size, header_at=file.header_at
            )
            for file in files
        )
        ahead = signature
        for record in directory(members, starts_at=self._whole.size - len(signature), rule=self._rule):
            if ahead + self._take_some(len(record) - len(ahead)) != record:
                return False
            ahead = b""
        return not self._take_some(1)

    def _member(self, path: str, *, crc32: int, size: int, header_at: int) -> Member:
        return Member(name=f"{self._folder}/{path}", crc32=crc32, size=size, header_at=header_at)

    def _take(self, size: int) -> bytes:
        data = self._take_some(size)
        if len(data) < size:
            reject("ends too early")
        return data

    def _take_some(self, size: int) -> bytes:
        return self._whole.pass_on(self._stream.read(size))
