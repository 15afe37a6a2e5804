from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.canonical import NotRepresentable
from app.evidence.builder import BagBuilder
from app.evidence.errors import (
    BundleTooLarge,
    FileMissing,
    ManifestNotSealed,
    ManifestSealed,
    PathRefused,
    SourceChanged,
    StagingInUse,
)
from app.evidence.format import Limits
from app.evidence.reader import open_bag
from tests.support.bag import COVERED, CREATED_ON, EVIDENCE_ID, LATER, UNTIMED, build_bag, unpacked
from tests.unit.test_bundle_merkle import root_by_definition


@pytest.fixture
def builder(tmp_path: Path) -> BagBuilder:
    return BagBuilder(folder=tmp_path / "staging", evidence_id=EVIDENCE_ID)


def test_a_bundle_holds_what_was_added_and_the_manifests_over_it(tmp_path: Path) -> None:
    files = unpacked(build_bag(tmp_path))
    written = {
        "bagit.txt",
        "bag-info.txt",
        "manifest-sha256.txt",
        "tagmanifest-sha256.txt",
        "data/manifest.json",
    }
    assert set(files) == COVERED.keys() | LATER.keys() | written
    assert {path: files[path] for path in files if path not in written} == COVERED | LATER
    payload = [data for path, data in files.items() if path.startswith("data/")]
    oxum = f"{sum(map(len, payload))}.{len(payload)}"
    assert files["bag-info.txt"].decode().splitlines() == [
        "Bagging-Date: 2026-11-21",
        f"External-Identifier: {EVIDENCE_ID}",
        f"Payload-Oxum: {oxum}",
    ]


def test_the_manifest_lists_what_r_covers_and_r_follows_from_it(tmp_path: Path) -> None:
    text = unpacked(build_bag(tmp_path))["data/manifest.json"]
    manifest = json.loads(text)
    assert manifest["format"] == 1
    assert manifest["evidence_id"] == EVIDENCE_ID
    assert [file["path"] for file in manifest["files"]] == sorted(COVERED)
    leaves = [json.dumps(file, separators=(",", ":"), sort_keys=True).encode() for file in manifest["files"]]
    assert manifest["root"] == root_by_definition(leaves).hex()
    assert all(leaf in text for leaf in leaves)


def test_the_sealed_manifest_is_the_one_in_the_bundle(tmp_path: Path, builder: BagBuilder) -> None:
    for path, data in COVERED.items():
        builder.add_bytes(path, data)
    manifest = builder.seal_manifest()
    assert builder.seal_manifest() == manifest
    for path, data in LATER.items():
        builder.add_bytes(path, data)
    target = tmp_path / "b.zip"
    digest = builder.finish(created_on=CREATED_ON, target=target)
    assert unpacked(target)["data/manifest.json"] == manifest.content
    with open_bag(target) as bag:
        assert (bag.root, bag.container_sha256, bag.container_size) == (
            manifest.root,
            digest.sha256,
            digest.size,
        )


@UNTIMED
@given(covered=st.permutations(list(COVERED)), later=st.permutations(list(LATER)))
def test_the_order_of_adding_does_not_show(
    tmp_path_factory: pytest.TempPathFactory, covered: list[str], later: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("order")
    bundle = build_bag(folder, covered={p: COVERED[p] for p in covered}, later={p: LATER[p] for p in later})
    assert bundle.read_bytes() == build_bag(tmp_path_factory.mktemp("order")).read_bytes()


def test_a_report_and_verify_md_may_come_before_or_after_the_manifest(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    before = build_bag(tmp_path / "a", covered=LATER | COVERED, later={})
    assert before.read_bytes() == build_bag(tmp_path / "b").read_bytes()


def test_finishing_twice_gives_the_same_file(tmp_path: Path, builder: BagBuilder) -> None:
    for path, data in (COVERED | LATER).items():
        builder.add_bytes(path, data)
    builder.seal_manifest()
    first = builder.finish(created_on=CREATED_ON, target=tmp_path / "a.zip")
    assert builder.finish(created_on=CREATED_ON, target=tmp_path / "b.zip") == first
    assert builder.finish(created_on=CREATED_ON, target=tmp_path / "a.zip") == first


def test_a_file_added_is_a_copy(tmp_path: Path, builder: BagBuilder) -> None:
    source = tmp_path / "answer"
    source.write_bytes(b"as it was")
    listed = builder.add_file("data/case.json", source)
    source.write_bytes(b"changed later")
    assert builder.add_bytes("data/ledger.json", b"as it was").sha256 == listed.sha256
    assert (tmp_path / "staging/data/case.json").read_bytes() == b"as it was"


def test_json_is_written_canonically(tmp_path: Path, builder: BagBuilder) -> None:
    builder.add_json("data/case.json", {"b": [True, None], "a": "é"})
    assert (tmp_path / "staging/data/case.json").read_bytes() == '{"a":"é","b":[true,null]}'.encode()
    with pytest.raises(NotRepresentable):
        builder.add_json("data/ledger.json", {"amount": 0.5})


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "data",
        "data/",
        "data//case.json",
        "/data/case.json",
        "data/case.json/",
        "data/../data/case.json",
        "../case.json",
        "data/./case.json",
        "data\\case.json",
        "data/case.json\x00",
        "data/case.json\n",
        "data/çase.json",
        "data/" + "a" * 200,
        "a/" * 8 + "a",
        "data/CASE.json",
        "data/unknown.json",
        "verify.md",
        "data/report.fr.pdf",
        "data/providers/1.answer.json",
        "data/providers/0000001.answer.json",
        "data/providers/000001.answer.json.gz",
        "data/chain/eip155-0/blocks.json",
        "data/chain/eip155-01/blocks.json",
        "data/chain/solana-1/blocks.json",
        "bagit.txt",
        "bag-info.txt",
        "manifest-sha256.txt",
        "tagmanifest-sha256.txt",
        "data/manifest.json",
    ],
)
def test_what_a_reader_would_refuse_cannot_be_added(tmp_path: Path, builder: BagBuilder, path: str) -> None:
    with pytest.raises(PathRefused) as refused:
        builder.add_bytes(path, b"")
    assert refused.value.path == path
    assert not any((tmp_path / "staging").iterdir())


@pytest.mark.parametrize("evidence_id", ["", ".", "..", "a/b", "a b", "é", "a\n", "a" * 65, "-a", "_a"])
def test_an_evidence_id_that_is_no_folder_name_is_refused(tmp_path: Path, evidence_id: str) -> None:
    with pytest.raises(PathRefused):
        BagBuilder(folder=tmp_path / "staging", evidence_id=evidence_id)


def test_a_path_is_added_once(builder: BagBuilder) -> None:
    builder.add_bytes("data/case.json", b"1")
    with pytest.raises(PathRefused, match="already"):
        builder.add_bytes("data/case.json", b"1")


def test_nothing_that_r_covers_is_added_after_the_seal(builder: BagBuilder) -> None:
    builder.seal_manifest()
    with pytest.raises(ManifestSealed):
        builder.add_bytes("data/case.json", b"1")
    builder.add_bytes("data/report.en.pdf", b"%PDF")


def test_finishing_needs_the_seal(tmp_path: Path, builder: BagBuilder) -> None:
    with pytest.raises(ManifestNotSealed):
        builder.finish(created_on=CREATED_ON, target=tmp_path / "b.zip")


@pytest.mark.parametrize("path", sorted({*COVERED, *LATER} - {"data/providers/000001.answer.json"}))
def test_a_missing_file_is_named_and_no_bundle_is_made(tmp_path: Path, path: str) -> None:
    covered = {name: data for name, data in COVERED.items() if name != path}
    later = {name: data for name, data in LATER.items() if name != path}
    with pytest.raises(FileMissing) as refused:
        build_bag(tmp_path, covered=covered, later=later)
    assert refused.value.path == path
    assert not (tmp_path / "bundle.zip").exists()


def test_a_request_without_an_answer_is_a_bundle(tmp_path: Path) -> None:
    covered = {path: data for path, data in COVERED.items() if path != "data/providers/000001.answer.json"}
    with open_bag(build_bag(tmp_path, covered=covered)) as bag:
        assert "data/providers/000001.answer.json" not in bag


def test_a_staging_folder_in_use_is_refused(tmp_path: Path, builder: BagBuilder) -> None:
    builder.add_bytes("data/case.json", b"1")
    with pytest.raises(StagingInUse):
        BagBuilder(folder=tmp_path / "staging", evidence_id=EVIDENCE_ID)


def test_a_staged_file_that_changes_is_noticed(tmp_path: Path, builder: BagBuilder) -> None:
    for path, data in (COVERED | LATER).items():
        builder.add_bytes(path, data)
    builder.seal_manifest()
    (tmp_path / "staging/data/ledger.json").write_bytes(b'{"applied":"9000"}')
    with pytest.raises(SourceChanged):
        builder.finish(created_on=CREATED_ON, target=tmp_path / "b.zip")
    assert not (tmp_path / "b.zip").exists()


def test_a_source_that_breaks_off_leaves_no_half_file(tmp_path: Path, builder: BagBuilder) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"half"
        msg = "the other half is lost"
        raise OSError(msg)

    with pytest.raises(OSError, match="lost"):
        builder.add_chunks("data/case.json", chunks())
    builder.add_chunks("data/case.json", [b"wh", b"ole"])
    assert (tmp_path / "staging/data/case.json").read_bytes() == b"whole"


def test_limits_hold_for_the_writer_too(tmp_path: Path) -> None:
    limits = Limits(files_max=6, container_bytes_max=50, json_bytes_max=10)
    builder = BagBuilder(folder=tmp_path / "staging", evidence_id=EVIDENCE_ID, limits=limits)
    with pytest.raises(BundleTooLarge, match="JSON"):
        builder.add_json("data/case.json", "a" * 9)
    builder.add_json("data/case.json", "a" * 8)
    with pytest.raises(BundleTooLarge, match="files"):
        builder.add_bytes("data/ledger.json", b"")


def test_the_size_of_the_whole_is_limited(tmp_path: Path) -> None:
    limits = Limits(container_bytes_max=1000)
    builder = BagBuilder(folder=tmp_path / "staging", evidence_id=EVIDENCE_ID, limits=limits)
    for path, data in (COVERED | LATER).items():
        builder.add_bytes(path, data)
    builder.seal_manifest()
    with pytest.raises(BundleTooLarge):
        builder.finish(created_on=CREATED_ON, target=tmp_path / "b.zip")
