from __future__ import annotations

import io
import resource
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.evidence.container import (
    BytesSource,
    Entry,
    FileDigest,
    FileSource,
    Measure,
    measure_bytes,
    write_zip,
)
from app.evidence.errors import SourceChanged, TargetDiffers
from app.evidence.format import DEFAULT_LIMITS
from app.evidence.zipformat import ZIP64, Member, Zip64Rule, directory, local_header
from app.evidence.zipreader import Contents, read_zip
from tests.support.bag import UNTIMED

NAMES = st.from_regex(r"[A-Za-z0-9_-]{1,12}(/[A-Za-z0-9_-]{1,12}){0,3}", fullmatch=True)
FILES = st.dictionaries(NAMES.map("top/".__add__), st.binary(max_size=300), min_size=1, max_size=12)
NEVER = 2**40


def write(folder: Path, files: dict[str, bytes], *, rule: Zip64Rule = ZIP64) -> Path:
    target = folder / "out.zip"
    target.unlink(missing_ok=True)
    entries = (
        Entry(name=name, source=BytesSource(data), measure=measure_bytes(data))
        for name, data in files.items()
    )
    write_zip(target=target, entries=entries, rule=rule)
    return target


def read(target: Path, *, rule: Zip64Rule = ZIP64) -> Contents:
    with target.open("rb") as stream:
        return read_zip(stream, limits=DEFAULT_LIMITS, rule=rule)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def by_zipfile(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.create_system, info.external_attr = 3, 0o100644 << 16
            archive.writestr(info, files[name])
    return out.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("zip")


@UNTIMED
@given(files=FILES)
def test_the_same_bytes_as_an_independent_writer(folder: Path, files: dict[str, bytes]) -> None:
    assert write(folder, files).read_bytes() == by_zipfile(files)


@UNTIMED
@given(
    files=FILES,
    number_min=st.sampled_from([0, 1, 40, 150, NEVER]),
    entries_min=st.sampled_from([1, 3, NEVER]),
)
def test_whatever_moves_to_zip64_both_readers_find_every_file(
    folder: Path, files: dict[str, bytes], number_min: int, entries_min: int
) -> None:
    rule = Zip64Rule(number_min=number_min, entries_min=min(entries_min, 0xFFFF))
    target = write(folder, files, rule=rule)
    with zipfile.ZipFile(target) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == files
    contents = read(target, rule=rule)
    assert contents.folder == "top"
    assert {f"top/{path}": file.measure for path, file in contents.files.items()} == {
        name: measure_bytes(data) for name, data in files.items()
    }
    assert contents.whole == measure_bytes(target.read_bytes())


@pytest.mark.parametrize(("entries", "records"), [(65_534, 0), (65_535, 1)])
def test_zip64_begins_where_sixteen_bits_end(entries: int, records: int) -> None:
    members = (Member(name=f"{number:06d}", crc32=0, size=0, header_at=0) for number in range(entries))
    data = b"".join(directory(members, starts_at=0))
    assert data[-200:].count(b"PK\x06\x06") == records
    assert len(zipfile.ZipFile(io.BytesIO(data)).namelist()) == entries


@pytest.mark.parametrize(("size", "records"), [(2**32 - 2, 0), (2**32 - 1, 1), (2**40, 1)])
def test_zip64_begins_where_thirty_two_bits_end(size: int, records: int) -> None:
    members = [
        Member(name="a", crc32=0, size=size, header_at=0),
        Member(name="b", crc32=0, size=0, header_at=size),
    ]
    data = b"".join(directory(members, starts_at=0))
    infos = zipfile.ZipFile(io.BytesIO(data)).infolist()
    assert [(info.file_size, info.compress_size) for info in infos] == [(size, size), (0, 0)]
    assert [info.header_offset for info in infos] == [0, size]
    assert len(local_header(members[0])) == 30 + 1 + 20 * records


def test_the_digest_answered_is_that_of_the_file(tmp_path: Path) -> None:
    target = tmp_path / "out.zip"
    digest = write_zip(target=target, entries=[entry("a/b", b"content")])
    measured = measure_bytes(target.read_bytes())
    assert digest == FileDigest(sha256=measured.sha256, size=measured.size)


def entry(name: str, data: bytes) -> Entry:
    return Entry(name=name, source=BytesSource(data), measure=measure_bytes(data))


def test_writing_the_same_again_leaves_the_target_alone(tmp_path: Path) -> None:
    target = tmp_path / "out.zip"
    first = write_zip(target=target, entries=[entry("a/b", b"1")])
    before = target.stat()
    assert write_zip(target=target, entries=[entry("a/b", b"1")]) == first
    assert (target.stat().st_ino, target.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert names_in(tmp_path) == ["out.zip"]


def test_a_target_with_other_bytes_is_not_overwritten(tmp_path: Path) -> None:
    target = tmp_path / "out.zip"
    target.write_bytes(b"somebody else's")
    with pytest.raises(TargetDiffers) as refused:
        write_zip(target=target, entries=[entry("a/b", b"1")])
    assert refused.value.target == target
    assert target.read_bytes() == b"somebody else's"
    assert names_in(tmp_path) == ["out.zip"]


def test_a_folder_or_a_dangling_link_in_the_way_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "folder.zip").mkdir()
    (tmp_path / "link.zip").symlink_to(tmp_path / "nowhere")
    for name in ("folder.zip", "link.zip"):
        with pytest.raises(TargetDiffers):
            write_zip(target=tmp_path / name, entries=[entry("a/b", b"1")])
    assert names_in(tmp_path) == ["folder.zip", "link.zip"]


@pytest.mark.parametrize("now", [b"hashEd", b"hashed and more", b"hash"])
def test_a_file_that_changed_since_it_was_measured_is_noticed(tmp_path: Path, now: bytes) -> None:
    source = tmp_path / "source"
    source.write_bytes(now)
    changed = Entry(name="a/b", source=FileSource(source), measure=measure_bytes(b"hashed"))
    with pytest.raises(SourceChanged):
        write_zip(target=tmp_path / "out.zip", entries=[changed])
    assert names_in(tmp_path) == ["source"]


@contextmanager
def file_size_limit(limit: int) -> Iterator[None]:
    """The operating system refuses to let a file grow beyond this, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_leaves_nothing_half_made(tmp_path: Path) -> None:
    entries = [entry("a/b", bytes(2**20)), entry("a/c", bytes(2**20))]
    with file_size_limit(3 * 2**19), pytest.raises(OSError, match="large"):
        write_zip(target=tmp_path / "out.zip", entries=entries)
    assert names_in(tmp_path) == []


def test_entries_come_out_in_one_order_whatever_order_they_came_in(tmp_path: Path) -> None:
    files = {name: name.encode() for name in ("t/b", "t/a/z", "t/a-b", "t/B", "t/a.b", "t/a")}
    first = write(tmp_path, files).read_bytes()
    assert write(tmp_path, dict(reversed(files.items()))).read_bytes() == first
    names = zipfile.ZipFile(io.BytesIO(first)).namelist()
    assert names == sorted(names, key=str.encode)


def test_measuring_nothing() -> None:
    assert measure_bytes(b"") == Measure(
        size=0, crc32=0, sha256="e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    )
