"""Opens a bundle of format 1 and rejects whatever the builder would not have written.

Every file that follows from the others is made again and compared; nothing of it is interpreted, except to
name the file at fault. Raises nothing but VerificationError. What the payload says is for the verifier.
Standard library only.
"""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

from app.canonical import Json
from app.evidence import format as bundle_format
from app.evidence.bag import Bag
from app.evidence.container import measure_bytes
from app.evidence.errors import VerificationError
from app.evidence.format import (
    BAG_INFO,
    BAGIT,
    DEFAULT_LIMITS,
    FORMAT,
    MANIFEST,
    PAYLOAD_SUMS,
    TAG_SUMS,
    Limits,
    ListedFile,
)
from app.evidence.zipformat import ZIP64, Zip64Rule
from app.evidence.zipreader import open_regular_file, read_zip, reject


def open_bag(path: Path, *, limits: Limits = DEFAULT_LIMITS, zip64: Zip64Rule = ZIP64) -> Bag:
    """The bundle, checked as a container and as a bag, and open: use it as a context manager."""
    stream = open_regular_file(path)
    try:
        contents = read_zip(stream, limits=limits, rule=zip64)
        evidence_id = bundle_format.evidence_id_of(contents.folder)
        if evidence_id is None:
            reject("the folder is not named quittance- and an evidence id")
        bag = Bag(stream=stream, contents=contents, evidence_id=evidence_id, limits=limits)
        _check(bag)
    except BaseException:
        stream.close()
        raise
    return bag


def _check(bag: Bag) -> None:
    files = bag.files
    payload = [file for file in files if bundle_format.is_payload(file.path)]
    stated = None if _holds(bag, MANIFEST, bag.manifest.content) else _stated_manifest(bag)
    _check_names(bag)
    if not _holds(bag, BAGIT, bundle_format.BAGIT_TEXT):
        raise VerificationError(file=BAGIT, reason="is not the declaration of BagIt 1.0 in UTF-8")
    tags = [file for file in files if bundle_format.is_in_tag_sums(file.path)]
    tag_sums = _listed_sums(bag, TAG_SUMS)
    # A manifest that the tag manifest vouches for is right, and the file that differs from it is wrong.
    vouched = tag_sums.get(PAYLOAD_SUMS) == bag.sha256(PAYLOAD_SUMS)
    _check_sums(bag, path=PAYLOAD_SUMS, files=payload, vouched=vouched)
    _check_bag_info(bag, payload=payload)
    _check_sums(bag, path=TAG_SUMS, files=tags, vouched=True)
    if stated is not None:
        _explain_manifest(bag, stated)


def _holds(bag: Bag, path: str, content: bytes) -> bool:
    """Whether the bag holds this file with exactly this content: same SHA-256, same bytes."""
    return path in bag and bag.sha256(path) == measure_bytes(content).sha256


def _stated_manifest(bag: Bag) -> dict[str, Json]:
    """What a manifest says that is not the expected one; first of all whether it is of another format."""
    stated = bag.read_json(MANIFEST)
    if not isinstance(stated, dict):
        raise VerificationError(file=MANIFEST, reason="is not a JSON object")
    number = stated.get("format")
    if type(number) is int and number != FORMAT:
        raise VerificationError(file=MANIFEST, reason=f"is of format {number}, which is not known here")
    return stated


def _check_names(bag: Bag) -> None:
    for path in bag.names:
        if not bundle_format.is_known(path):
            raise VerificationError(file=path, reason=f"is not a file of format {FORMAT}")
    missing = bundle_format.first_missing(frozenset(bag.names))
    if missing is not None:
        raise VerificationError(file=missing, reason="is not in the bundle")


def _check_bag_info(bag: Bag, *, payload: list[ListedFile]) -> None:
    data = bag.read_bytes(BAG_INFO, bytes_max=bundle_format.BAG_INFO_BYTES_MAX)
    created_on = bundle_format.read_bagging_date(data)
    if created_on is None:
        raise VerificationError(file=BAG_INFO, reason="does not start with a Bagging-Date")
    expected = bundle_format.bag_info_text(
        created_on=created_on,
        evidence_id=bag.evidence_id,
        payload_bytes=sum(file.size for file in payload),
        payload_files=len(payload),
    )
    if data != expected:
        raise VerificationError(file=BAG_INFO, reason="doesn't describe this folder and payload")


def _check_sums(bag: Bag, *, path: str, files: list[ListedFile], vouched: bool) -> None:
    if _holds(bag, path, b"".join(bundle_format.sums_text(files))):
        return
    if vouched:
        listed = _listed_sums(bag, path)
        _name_the_changed(manifest=path, listed=listed, actual={file.path: file.sha256 for file in files})
    raise VerificationError(file=path, reason="is not the manifest of these files")


def _listed_sums(bag: Bag, path: str) -> dict[str, str]:
    lines_max = len(bag.names) * bundle_format.SUM_LINE_BYTES_MAX
    return bundle_format.read_sums(bag.read_bytes(path, bytes_max=lines_max))


def _explain_manifest(bag: Bag, stated: dict[str, Json]) -> NoReturn:
    """A manifest that is sound in itself is taken to be right, and the file that differs to be wrong."""
    listed = _listed_in(stated)
    if listed is not None and bundle_format.root_of(listed) == stated.get("root"):
        _name_the_changed(
            manifest=MANIFEST,
            listed={file.path: file.sha256 for file in listed},
            actual={file.path: file.sha256 for file in bag.files if bundle_format.is_in_root(file.path)},
        )
    raise VerificationError(file=MANIFEST, reason="is not the manifest of these files")


def _listed_in(stated: dict[str, Json]) -> list[ListedFile] | None:
    rows = stated.get("files")
    if not isinstance(rows, list):
        return None
    listed = []
    for row in rows:
        match row:
            case {"path": str(path), "sha256": str(sha256), "size": int(size), **others} if not others:
                listed.append(ListedFile(path=path, sha256=sha256, size=size))
            case _:
                return None
    return listed


def _name_the_changed(*, manifest: str, listed: dict[str, str], actual: dict[str, str]) -> None:
    """Raises for the first file that differs from its manifest. Names only paths that the zip really has."""
    for path, sha256 in actual.items():
        if path not in listed:
            raise VerificationError(file=path, reason=f"is not listed in {manifest}")
        if listed[path] != sha256:
            raise VerificationError(file=path, reason=f"differs from its digest in {manifest}")
