"""Format 1 of a bundle: which files it holds, and the text of every file that follows from the others.

Builder and reader share these texts, so the reader compares bytes instead of interpreting them. Holds no
I/O and knows nothing of what the payload means. The page to read is docs/bundle-format.md; BagIt is RFC 8493.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date

from app import canonical, merkle

FORMAT = 1

BAGIT = "bagit.txt"
BAG_INFO = "bag-info.txt"
PAYLOAD_SUMS = "manifest-sha256.txt"
TAG_SUMS = "tagmanifest-sha256.txt"
VERIFY = "VERIFY.md"
MANIFEST = "data/manifest.json"

FILES_MAX = 200_000
CONTAINER_BYTES_MAX = 64 * 2**30
JSON_BYTES_MAX = canonical.BYTES_MAX
PATH_CHARACTERS_MAX = 200
PATH_DEPTH_MAX = 8

BAGIT_TEXT = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
BAG_INFO_BYTES_MAX = 1024
SUM_LINE_BYTES_MAX = 64 + 2 + PATH_CHARACTERS_MAX + 1

_FOLDER_PREFIX = "quittance-"
_EVIDENCE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SEGMENT = re.compile(r"[A-Za-z0-9._-]+")
_SUM_LINE = re.compile(r"^([0-9a-f]{64})  (\S+)$", re.MULTILINE)
_BAGGING_DATE = re.compile(rb"Bagging-Date: ([0-9]{4}-[0-9]{2}-[0-9]{2})\n")
_NOT_IN_ROOT = re.compile(r"data/(?:manifest\.json|manifest\.p7s|manifest\.[^/]+\.tsr|report\.[^/]+\.pdf)")

# The files of format 1, and of each whether a bundle without it is refused. A new one raises FORMAT.
_FILES: tuple[tuple[str, bool], ...] = (
    (r"bagit\.txt", True),
    (r"bag-info\.txt", True),
    (r"manifest-sha256\.txt", True),
    (r"tagmanifest-sha256\.txt", True),
    (r"VERIFY\.md", True),
    (r"data/case\.json", True),
    (r"data/manifest\.json", True),
    (r"data/ledger\.json", True),
    (r"data/report\.en\.pdf", True),
    (r"data/providers/requests\.json", True),
    (r"data/providers/[0-9]{6}\.(?:request|answer)\.json", False),
    (r"data/chain/eip155-[1-9][0-9]{0,18}/(?:transfers|blocks)\.json", False),
)
_KNOWN = re.compile("|".join(pattern for pattern, _ in _FILES))
_REQUIRED = tuple(pattern.replace("\\", "") for pattern, required in _FILES if required)

# Where the first is present, the second must be. A request whose answer never came has no answer file.
_PAIRS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(data/chain/[^/]+/)transfers\.json"), r"\1blocks.json"),
    (re.compile(r"(data/chain/[^/]+/)blocks\.json"), r"\1transfers.json"),
    (re.compile(r"(data/providers/[0-9]{6})\.answer\.json"), r"\1.request.json"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much a bundle may hold, for whoever writes it and for whoever reads one from a stranger."""

    files_max: int = FILES_MAX
    container_bytes_max: int = CONTAINER_BYTES_MAX
    json_bytes_max: int = JSON_BYTES_MAX


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedFile:
    """A file as the manifests list it: path relative to the bag, SHA-256 in hex, size."""

    path: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """data/manifest.json: its bytes, and the root R in hex that it states."""

    root: str
    content: bytes


def evidence_id_is_valid(evidence_id: str) -> bool:
    return _EVIDENCE_ID.fullmatch(evidence_id) is not None


def folder_of(evidence_id: str) -> str:
    return _FOLDER_PREFIX + evidence_id


def evidence_id_of(folder: str) -> str | None:
    """The evidence id that a bag's folder is named for; None if it is not named as ours are."""
    evidence_id = folder.removeprefix(_FOLDER_PREFIX)
    return evidence_id if evidence_id != folder and evidence_id_is_valid(evidence_id) else None


def path_fault(path: str) -> str | None:
    """Why a path can't stand in any bundle: it must mean the same on every system, and never climb."""
    if len(path) > PATH_CHARACTERS_MAX:
        return f"the path is longer than {PATH_CHARACTERS_MAX} characters"
    segments = path.split("/")
    if len(segments) > PATH_DEPTH_MAX:
        return f"the path is deeper than {PATH_DEPTH_MAX} names"
    if any(segment in {".", ".."} or not _SEGMENT.fullmatch(segment) for segment in segments):
        return "the path is not made of plain ASCII names"
    return None


def is_known(path: str) -> bool:
    return _KNOWN.fullmatch(path) is not None


def first_missing(paths: Collection[str]) -> str | None:
    """The first file that the format requires beside these and that is not among them."""
    for path in _REQUIRED:
        if path not in paths:
            return path
    for path in sorted(paths):
        for present, wanted in _PAIRS:
            match = present.fullmatch(path)
            if match is not None and match.expand(wanted) not in paths:
                return match.expand(wanted)
    return None


def is_payload(path: str) -> bool:
    return path.startswith("data/")


def is_in_root(path: str) -> bool:
    """Whether the root R covers it: all payload but the manifest itself and what is made from R."""
    return is_payload(path) and _NOT_IN_ROOT.fullmatch(path) is None


def is_in_tag_sums(path: str) -> bool:
    return not is_payload(path) and path != TAG_SUMS


def _leaf(file: ListedFile) -> bytes:
    return canonical.dumps({"path": file.path, "sha256": file.sha256, "size": file.size})


def root_of(files: Iterable[ListedFile]) -> str:
    """R in hex, over the files that it covers, in the order of their paths."""
    return merkle.root(merkle.leaf_hash(_leaf(file)) for file in files).hex()


def manifest_of(*, evidence_id: str, files: Iterable[ListedFile]) -> Manifest:
    """The manifest over the files of a bag, given in the order of their paths; R's own choice among them."""
    leaves = [_leaf(file) for file in files if is_in_root(file.path)]
    root = merkle.root(map(merkle.leaf_hash, leaves)).hex()
    # Put together from the leaves, so that each stands in the file byte for byte as R hashed it.
    head = {"evidence_id": evidence_id, "files": [], "format": FORMAT, "root": root}
    before, _, after = canonical.dumps(head).partition(b"[]")
    return Manifest(root=root, content=before + b"[" + b",".join(leaves) + b"]" + after)


def sums_text(files: Iterable[ListedFile]) -> Iterator[bytes]:
    """A BagIt manifest, as `sha256sum -c` reads it."""
    for file in files:
        yield f"{file.sha256}  {file.path}\n".encode("ascii")


def read_sums(data: bytes) -> dict[str, str]:
    """Path to digest, of the lines that look right. Only to explain a difference, never to accept a file."""
    matches = _SUM_LINE.finditer(data.decode("ascii", errors="replace"))
    return {match[2]: match[1] for match in matches}


def bag_info_text(*, created_on: date, evidence_id: str, payload_bytes: int, payload_files: int) -> bytes:
    lines = (
        f"Bagging-Date: {created_on.isoformat()}",
        f"External-Identifier: {evidence_id}",
        f"Payload-Oxum: {payload_bytes}.{payload_files}",
    )
    return "".join(f"{line}\n" for line in lines).encode("ascii")


def read_bagging_date(data: bytes) -> date | None:
    match = _BAGGING_DATE.match(data)
    if match is None:
        return None
    try:
        return date.fromisoformat(match[1].decode("ascii"))
    except ValueError:
        return None
