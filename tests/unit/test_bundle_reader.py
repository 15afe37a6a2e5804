"""Forged bundles: every checksum of the zip is right, so only the rules of the bag can reject them."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.canonical import dumps
from app.evidence.errors import CONTAINER, VerificationError
from app.evidence.format import Limits
from app.evidence.reader import open_bag
from app.evidence.zipreader import read_range
from tests.support.bag import (
    COVERED,
    EVIDENCE_ID,
    FOLDER,
    LATER,
    UNTIMED,
    build_bag,
    forged,
    rejection,
    unpacked,
    with_new_sums,
    zip_of,
)

LEDGER = "data/ledger.json"
MANIFEST = "data/manifest.json"
SUMS = "manifest-sha256.txt"
TAG_SUMS = "tagmanifest-sha256.txt"


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_bag(tmp_path_factory.mktemp("good"))


@pytest.fixture
def files(good: Path) -> dict[str, bytes]:
    return unpacked(good)


@pytest.fixture
def reject_bytes(tmp_path: Path) -> Callable[[bytes], VerificationError]:
    def reject(data: bytes) -> VerificationError:
        bundle = tmp_path / "forged.zip"
        bundle.write_bytes(data)
        return rejection(bundle)

    return reject


Reject = Callable[[bytes], VerificationError]


def test_a_good_bundle_opens_and_answers(good: Path) -> None:
    files = unpacked(good)
    with open_bag(good) as bag:
        assert bag.evidence_id == EVIDENCE_ID
        assert bag.names == tuple(sorted(files))
        assert bag.root == json.loads(files[MANIFEST])["root"]
        assert bag.container_sha256 == hashlib.sha256(good.read_bytes()).hexdigest()
        assert bag.container_size == good.stat().st_size
        assert bag.read_json("data/case.json") == {"window": [1, 2]}
        for path, data in files.items():
            assert path in bag
            assert bag.read_bytes(path, bytes_max=10_000) == data
            assert bag.sha256(path) == hashlib.sha256(data).hexdigest()
            assert bag.size(path) == len(data)


@UNTIMED
@given(payload=st.dictionaries(st.integers(0, 999_999), st.binary(max_size=2000), max_size=8))
def test_whatever_was_added_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, payload: dict[int, bytes]
) -> None:
    extra = {f"data/providers/{number:06d}.request.json": data for number, data in payload.items()}
    bundle = build_bag(tmp_path_factory.mktemp("any"), covered=COVERED | extra)
    with open_bag(bundle) as bag:
        assert {path: bag.read_bytes(path, bytes_max=2000) for path in extra} == extra


def test_the_forger_of_these_tests_makes_what_the_builder_makes(good: Path, files: dict[str, bytes]) -> None:
    assert forged(files) == good.read_bytes()
    assert with_new_sums(files) == files


@pytest.mark.parametrize("path", sorted({*COVERED, *LATER, "bagit.txt", "bag-info.txt", MANIFEST, SUMS}))
def test_a_changed_file_is_named_though_its_checksum_fits(
    files: dict[str, bytes], reject_bytes: Reject, path: str
) -> None:
    files[path] = b"x" + files[path][1:]
    assert reject_bytes(forged(files)).file == path


def test_a_changed_tag_manifest_is_named(files: dict[str, bytes], reject_bytes: Reject) -> None:
    files[TAG_SUMS] += b"\n"
    assert reject_bytes(forged(files)).file == TAG_SUMS


@pytest.mark.parametrize("path", sorted(COVERED))
def test_a_changed_file_is_named_though_both_bag_manifests_fit(
    files: dict[str, bytes], reject_bytes: Reject, path: str
) -> None:
    files[path] = b"x" + files[path][1:]
    error = reject_bytes(forged(with_new_sums(files)))
    assert (error.file, error.reason) == (path, "differs from its digest in data/manifest.json")


def manifest_with(good: dict[str, bytes], **changes: object) -> bytes:
    return dumps({**json.loads(good[MANIFEST]), **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"root": "00" * 32},
        {"evidence_id": "evd_other"},
        {"note": "more"},
        {"files": []},
        {"files": [{"path": 1}]},
        {"files": [1]},
        {"files": [{"path": "data/case.json", "sha256": "00" * 32, "size": 1, "note": "more"}]},
        {"files": {}},
        {"format": "1"},
        {"format": True},
    ],
    ids=str,
)
def test_another_manifest_is_rejected_though_both_bag_manifests_fit(
    files: dict[str, bytes], reject_bytes: Reject, changes: dict[str, object]
) -> None:
    files[MANIFEST] = manifest_with(files, **changes)
    error = reject_bytes(forged(with_new_sums(files)))
    assert (error.file, error.reason) == (MANIFEST, "is not the manifest of these files")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"[]", "is not a JSON object"),
        (b"", "is not JSON"),
        (b'{"format": 1}', "canonical form"),
        (b"[" * 100_000, "levels deep"),
        (b"\xff", "is not UTF-8"),
    ],
    ids=["list", "empty", "spaced", "deep", "binary"],
)
def test_a_manifest_that_is_no_manifest_is_rejected(
    files: dict[str, bytes], reject_bytes: Reject, text: bytes, reason: str
) -> None:
    files[MANIFEST] = text
    error = reject_bytes(forged(with_new_sums(files)))
    assert error.file == MANIFEST
    assert reason in error.reason


def test_a_manifest_that_lists_more_than_there_is_is_rejected(
    files: dict[str, bytes], reject_bytes: Reject, tmp_path: Path
) -> None:
    files[MANIFEST] = unpacked(
        build_bag(tmp_path, covered=COVERED | {"data/providers/000002.request.json": b""})
    )[MANIFEST]
    error = reject_bytes(forged(with_new_sums(files)))
    assert (error.file, error.reason) == (MANIFEST, "is not the manifest of these files")


def test_a_later_format_is_told_as_such_even_with_files_unknown_here(
    files: dict[str, bytes], reject_bytes: Reject
) -> None:
    files["data/manifest.p7s"] = b"signature"
    files[MANIFEST] = manifest_with(files, format=2)
    assert "format 2" in reject_bytes(forged(with_new_sums(files))).reason


def test_a_manifest_that_leaves_a_file_out_names_that_file(
    files: dict[str, bytes], reject_bytes: Reject, tmp_path: Path
) -> None:
    without = {path: data for path, data in COVERED.items() if path != "data/providers/000001.answer.json"}
    files[MANIFEST] = unpacked(build_bag(tmp_path, covered=without))[MANIFEST]
    error = reject_bytes(forged(with_new_sums(files)))
    assert error.file == "data/providers/000001.answer.json"
    assert error.reason == "is not listed in data/manifest.json"


@pytest.mark.parametrize(
    "path", ["README.txt", "data/extra.json", "data/manifest.p7s", "tagmanifest-sha256.txt.tsr"]
)
def test_an_unknown_file_is_named(files: dict[str, bytes], reject_bytes: Reject, path: str) -> None:
    files[path] = b"more"
    error = reject_bytes(forged(with_new_sums(files)))
    assert (error.file, error.reason) == (path, "is not a file of format 1")


def test_a_missing_file_is_named(files: dict[str, bytes], reject_bytes: Reject) -> None:
    for path in [*files]:
        if path != "data/providers/000001.answer.json":
            rest = {name: data for name, data in files.items() if name != path}
            error = reject_bytes(forged(rest))
            assert (error.file, error.reason) == (path, "is not in the bundle")


def test_a_file_taken_out_with_its_traces_in_the_bag_manifests_is_noticed(
    files: dict[str, bytes], reject_bytes: Reject
) -> None:
    del files["data/providers/000001.answer.json"]
    assert reject_bytes(forged(with_new_sums(files))).file == MANIFEST
    assert reject_bytes(forged(files)).file == SUMS


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"Bagging-Date: 2026-02-30\n",
        b"Bagging-Date: 2026-11-21\n",
        b"bagging-date: 2026-11-21\n",
        b"x" * 5000,
    ],
)
def test_another_bag_info_is_rejected(files: dict[str, bytes], reject_bytes: Reject, text: bytes) -> None:
    files["bag-info.txt"] = text
    assert reject_bytes(forged(with_new_sums(files))).file == "bag-info.txt"


def test_another_bag_declaration_is_rejected(files: dict[str, bytes], reject_bytes: Reject) -> None:
    files["bagit.txt"] = files["bagit.txt"].replace(b"1.0", b"0.97")
    assert reject_bytes(forged(with_new_sums(files))).file == "bagit.txt"


def test_a_huge_tag_manifest_is_not_read_whole(files: dict[str, bytes], reject_bytes: Reject) -> None:
    files[TAG_SUMS] = b"\n" * 100_000
    error = reject_bytes(forged(files))
    assert error.file == TAG_SUMS
    assert "larger" in error.reason


def test_the_folder_and_the_bag_must_have_one_id(files: dict[str, bytes], reject_bytes: Reject) -> None:
    assert reject_bytes(forged(files, folder="quittance-evd_other")).file == "bag-info.txt"


@pytest.mark.parametrize("folder", ["quittance", "quittance-", "quittance--a", "other", EVIDENCE_ID, ".."])
def test_a_folder_named_otherwise_is_rejected(
    files: dict[str, bytes], reject_bytes: Reject, folder: str
) -> None:
    assert reject_bytes(forged(files, folder=folder)).file == CONTAINER


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "/etc/passwd",
        "nofolder",
        "",
        FOLDER,
        f"{FOLDER}/",
        f"{FOLDER}/../evil",
        f"{FOLDER}/data/../../../evil",
        f"{FOLDER}/data//case.json",
        f"{FOLDER}/data/case.json\x00.txt",
        f"{FOLDER}/data/case.json\n",
        f"{FOLDER}/data\\case.json",
        f"{FOLDER}/C:/case.json",
        f"{FOLDER}/\x1b[31m",
        f"{FOLDER}/" + "a" * 201,
        f"{FOLDER}/" + "a" * 60_000,
        f"{FOLDER}/" + "a/" * 8 + "a",
        "other/data/case.json",
    ],
)
@pytest.mark.parametrize("place", [0, 5])
def test_names_that_climb_or_confuse_are_rejected(
    files: dict[str, bytes], reject_bytes: Reject, name: str, place: int
) -> None:
    entries = [(f"{FOLDER}/{path}", files[path]) for path in sorted(files)]
    entries.insert(place, (name, b"evil"))
    assert reject_bytes(zip_of(entries)).file == CONTAINER


def test_a_second_folder_is_told_as_such(files: dict[str, bytes], reject_bytes: Reject) -> None:
    entries = [(f"{FOLDER}/{path}", files[path]) for path in sorted(files)]
    error = reject_bytes(zip_of([*entries, ("quittance-other/z", b"")]))
    assert (error.file, error.reason) == (CONTAINER, "the files don't stand in one folder")


def test_names_out_of_order_or_twice_are_rejected(files: dict[str, bytes], reject_bytes: Reject) -> None:
    entries = [(f"{FOLDER}/{path}", files[path]) for path in sorted(files)]
    assert reject_bytes(zip_of([*entries[1:], entries[0]])).file == CONTAINER
    assert reject_bytes(zip_of([entries[0], *entries])).file == CONTAINER


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_the_same_files_zipped_by_another_tool_are_rejected(
    files: dict[str, bytes], tmp_path: Path, method: int
) -> None:
    bundle = tmp_path / "rezipped.zip"
    with zipfile.ZipFile(bundle, "w", method) as archive:
        for path in sorted(files):
            archive.writestr(f"{FOLDER}/{path}", files[path])
    assert rejection(bundle).file == CONTAINER


def test_more_files_or_bytes_than_allowed_are_rejected(good: Path) -> None:
    count, size = len(unpacked(good)), good.stat().st_size
    with open_bag(good, limits=Limits(files_max=count, container_bytes_max=size)):
        pass
    for limits in (Limits(files_max=count - 1), Limits(container_bytes_max=size - 1)):
        with pytest.raises(VerificationError) as rejected:
            open_bag(good, limits=limits)
        assert rejected.value.file == CONTAINER


def test_what_is_no_regular_file_is_rejected_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "empty").touch()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    unusable = [tmp_path / "absent", tmp_path / "nul\x00", tmp_path / "a\ud800", tmp_path / ("n" * 5000)]
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "empty", tmp_path / "loop", *unusable):
        assert rejection(path).file == CONTAINER


def test_a_file_that_cannot_be_read_is_rejected() -> None:
    # The kernel answers EIO here, as it does for a broken disk: nothing is mapped at address 0.
    memory = Path("/proc/self/mem")
    assert rejection(memory).reason == "can't be read: Input/output error"
    with memory.open("rb") as stream, pytest.raises(VerificationError, match="can't be read"):
        list(read_range(stream, at=0, size=1))


def test_reading_is_bounded_and_only_of_files_there(good: Path) -> None:
    with open_bag(good) as bag:
        with pytest.raises(VerificationError, match="larger than 3 bytes") as rejected:
            bag.read_bytes(LEDGER, bytes_max=3)
        assert rejected.value.file == LEDGER
        with pytest.raises(VerificationError, match="larger than 3 bytes"):
            bag.read_json(LEDGER, bytes_max=3)
        with pytest.raises(VerificationError, match="not in the bundle"):
            bag.read_bytes("data/absent.json", bytes_max=3)
        with pytest.raises(VerificationError, match="not in the bundle"):
            bag.sha256("data/absent.json")


def test_json_that_is_not_canonical_is_rejected_by_the_name_of_its_file(good: Path) -> None:
    with open_bag(good) as bag, pytest.raises(VerificationError, match="canonical") as rejected:
        bag.read_json("data/providers/000001.answer.json")
    assert rejected.value.file == "data/providers/000001.answer.json"


def test_a_file_changed_after_the_check_is_noticed_when_it_is_read(tmp_path: Path) -> None:
    # Larger than what a reader may still hold in its buffer.
    ledger = b'{"a":"' + b"x" * 100_000 + b'","applied":"4000"}'
    bundle = build_bag(tmp_path, covered=COVERED | {LEDGER: ledger})
    data = bundle.read_bytes()
    with open_bag(bundle) as bag:
        with bundle.open("r+b") as stream:
            stream.seek(data.index(b'"4000"'))
            stream.write(b'"9000"')
        with pytest.raises(VerificationError, match="changed while") as rejected:
            bag.read_json(LEDGER)
        assert rejected.value.file == LEDGER
        os.truncate(bundle, 100)
        with pytest.raises(VerificationError, match="changed while"):
            bag.read_bytes("data/case.json", bytes_max=100)


def test_a_file_put_in_its_place_after_the_check_is_not_read(tmp_path: Path) -> None:
    bundle = build_bag(tmp_path)
    with open_bag(bundle) as bag:
        (tmp_path / "other").write_bytes(b"something else")
        (tmp_path / "other").replace(bundle)
        assert bag.read_json(LEDGER) == {"applied": "4000"}
