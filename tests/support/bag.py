"""Small bundles to test with, and ways to look at and to forge one without the code under test."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from app.evidence.builder import BagBuilder
from app.evidence.errors import VerificationError
from app.evidence.reader import open_bag
from app.evidence.zipformat import ZIP64, Member, Zip64Rule, directory, local_header

EVIDENCE_ID = "evd_01JD8X5QK7ZT3M9V2B4C6N8P0R"
FOLDER = f"quittance-{EVIDENCE_ID}"
CREATED_ON = date(2026, 11, 21)

UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""For properties that write files: a busy machine is no failure."""

COVERED: dict[str, bytes] = {
    "data/case.json": b'{"window":[1,2]}',
    "data/chain/eip155-31337/blocks.json": b"[1]",
    "data/chain/eip155-31337/transfers.json": b'["t"]',
    "data/ledger.json": b'{"applied":"4000"}',
    "data/providers/000001.answer.json": b'{"jsonrpc": "2.0"}\n',
    "data/providers/000001.request.json": b"{}",
    "data/providers/requests.json": b"[]",
}
LATER: dict[str, bytes] = {"VERIFY.md": b"# Verify\n", "data/report.en.pdf": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"}


def build_bag(
    folder: Path,
    *,
    covered: Mapping[str, bytes] | None = None,
    later: Mapping[str, bytes] | None = None,
    evidence_id: str = EVIDENCE_ID,
    zip64: Zip64Rule = ZIP64,
) -> Path:
    """A finished bundle; files are added in the order of the mappings."""
    builder = BagBuilder(folder=folder / "staging", evidence_id=evidence_id, zip64=zip64)
    for path, data in (COVERED if covered is None else covered).items():
        builder.add_bytes(path, data)
    builder.seal_manifest()
    for path, data in (LATER if later is None else later).items():
        builder.add_bytes(path, data)
    target = folder / "bundle.zip"
    builder.finish(created_on=CREATED_ON, target=target)
    return target


def unpacked(bundle: Path) -> dict[str, bytes]:
    """The files by path in the bag, as Python's zipfile reads them."""
    with zipfile.ZipFile(bundle) as archive:
        return {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}


def content_ranges(bundle: Path) -> dict[str, range]:
    """Where each file's content lies, found with zipfile."""
    data, found = bundle.read_bytes(), {}
    with zipfile.ZipFile(bundle) as archive:
        for info in archive.infolist():
            head = data[info.header_offset : info.header_offset + 30]
            start = info.header_offset + 30 + int.from_bytes(head[26:28], "little")
            start += int.from_bytes(head[28:30], "little")
            found[info.filename.partition("/")[2]] = range(start, start + info.file_size)
    return found


def zip_of(files: Iterable[tuple[str, bytes]], *, rule: Zip64Rule = ZIP64) -> bytes:
    """A zip in the writer's own form, but of any names in any order: right checksums, wrong contents."""
    out, members = b"", []
    for name, data in files:
        member = Member(name=name, crc32=zlib.crc32(data), size=len(data), header_at=len(out))
        members.append(member)
        out += local_header(member, rule=rule) + data
    return out + b"".join(directory(members, starts_at=len(out), rule=rule))


def forged(files: Mapping[str, bytes], *, folder: str = FOLDER) -> bytes:
    return zip_of((f"{folder}/{path}", files[path]) for path in sorted(files))


def with_new_sums(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files with both BagIt manifests and the Payload-Oxum made to fit: what a careful forger does."""
    fixed = dict(files)
    payload = sorted(path for path in files if path.startswith("data/"))
    size = sum(len(files[path]) for path in payload)
    oxum = f"Payload-Oxum: {size}.{len(payload)}\n".encode()
    lines = files["bag-info.txt"].splitlines(keepends=True)
    fixed["bag-info.txt"] = b"".join(oxum if line.startswith(b"Payload-Oxum") else line for line in lines)
    fixed["manifest-sha256.txt"] = _sums(fixed, payload)
    tags = sorted(path for path in files if not path.startswith("data/") and path != "tagmanifest-sha256.txt")
    fixed["tagmanifest-sha256.txt"] = _sums(fixed, tags)
    return fixed


def _sums(files: Mapping[str, bytes], paths: Iterable[str]) -> bytes:
    return "".join(f"{hashlib.sha256(files[path]).hexdigest()}  {path}\n" for path in paths).encode()


def rejection(bundle: Path, *, zip64: Zip64Rule = ZIP64) -> VerificationError:
    """The error a bad bundle ends in. Anything else, acceptance included, fails the test."""
    with pytest.raises(VerificationError) as rejected:
        open_bag(bundle, zip64=zip64).close()
    assert rejected.value.file
    assert rejected.value.reason.isprintable()
    return rejected.value
