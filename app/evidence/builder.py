"""Collects the files of one bundle in a staging folder, seals the manifest, and writes the bag.

Two phases, because the reports print the root R: `seal_manifest` fixes what R covers, after which only the
report and VERIFY.md can be added. Refuses at once what a verifier would reject later. Knows nothing of what
the files mean. Standard library only.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path

from app import canonical
from app.evidence import format as bundle_format
from app.evidence.container import (
    BytesSource,
    Entry,
    FileDigest,
    FileSource,
    Measure,
    Meter,
    Source,
    chunks_of,
    measure_bytes,
    write_zip,
)
from app.evidence.errors import (
    BundleTooLarge,
    FileMissing,
    ManifestNotSealed,
    ManifestSealed,
    PathRefused,
    StagingInUse,
)
from app.evidence.format import DEFAULT_LIMITS, Limits, ListedFile, Manifest
from app.evidence.zipformat import ZIP64, Zip64Rule

_WRITTEN_HERE = frozenset(
    {
        bundle_format.BAGIT,
        bundle_format.BAG_INFO,
        bundle_format.PAYLOAD_SUMS,
        bundle_format.TAG_SUMS,
        bundle_format.MANIFEST,
    }
)


class BagBuilder:
    """One bundle in the making. `folder` is created where it is missing, and must be empty."""

    def __init__(
        self,
        *,
        folder: Path,
        evidence_id: str,
        limits: Limits = DEFAULT_LIMITS,
        zip64: Zip64Rule = ZIP64,
    ) -> None:
        if not bundle_format.evidence_id_is_valid(evidence_id):
            raise PathRefused(
                path=evidence_id, reason="an evidence id is plain ASCII of at most 64 characters"
            )
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise StagingInUse(folder=folder)
        self._folder = folder
        self._evidence_id = evidence_id
        self._limits = limits
        self._zip64 = zip64
        self._staged: dict[str, Measure] = {}
        self._manifest: Manifest | None = None

    def add_bytes(self, path: str, data: bytes) -> ListedFile:
        return self.add_chunks(path, (data,))

    def add_json(self, path: str, value: object) -> ListedFile:
        """Adds the canonical text. Raises NotRepresentable, BundleTooLarge."""
        data = canonical.dumps(value)
        if len(data) > self._limits.json_bytes_max:
            raise BundleTooLarge(what=f"bytes of JSON in {path}", limit=self._limits.json_bytes_max)
        return self.add_bytes(path, data)

    def add_file(self, path: str, source: Path) -> ListedFile:
        """Copies the file, so that nobody can change it behind the digest."""
        with source.open("rb") as stream:
            return self.add_chunks(path, chunks_of(stream))

    def add_chunks(self, path: str, chunks: Iterable[bytes]) -> ListedFile:
        self._check_path(path)
        staged, meter = self._folder / path, Meter()
        staged.parent.mkdir(parents=True, exist_ok=True)
        try:
            with staged.open("xb") as out:
                for chunk in chunks:
                    out.write(meter.pass_on(chunk))
        except BaseException:
            staged.unlink(missing_ok=True)
            raise
        self._staged[path] = meter.measure()
        return _listed(path, self._staged[path])

    def seal_manifest(self) -> Manifest:
        """Fixes what R covers. Called again, it answers the same."""
        if self._manifest is None:
            self._manifest = bundle_format.manifest_of(evidence_id=self._evidence_id, files=self._files())
        return self._manifest

    def finish(self, *, created_on: date, target: Path) -> FileDigest:
        """Writes the bag as a zip. May be called again, as after a full disk: the same bytes come out.

        Raises TargetDiffers, SourceChanged, ManifestNotSealed, FileMissing, BundleTooLarge, OSError.
        """
        if self._manifest is None:
            raise ManifestNotSealed
        texts = {
            bundle_format.MANIFEST: self._manifest.content,
            bundle_format.BAGIT: bundle_format.BAGIT_TEXT,
        }
        payload = [file for file in self._files(texts) if bundle_format.is_payload(file.path)]
        texts[bundle_format.BAG_INFO] = bundle_format.bag_info_text(
            created_on=created_on,
            evidence_id=self._evidence_id,
            payload_bytes=sum(file.size for file in payload),
            payload_files=len(payload),
        )
        texts[bundle_format.PAYLOAD_SUMS] = b"".join(bundle_format.sums_text(payload))
        tags = [file for file in self._files(texts) if bundle_format.is_in_tag_sums(file.path)]
        texts[bundle_format.TAG_SUMS] = b"".join(bundle_format.sums_text(tags))
        missing = bundle_format.first_missing({*self._staged, *texts})
        if missing is not None:
            raise FileMissing(path=missing)
        return self._write(texts, target=target)

    def _write(self, texts: dict[str, bytes], *, target: Path) -> FileDigest:
        entries = [
            self._entry(path, FileSource(self._folder / path), of) for path, of in self._staged.items()
        ]
        entries += [self._entry(path, BytesSource(text), measure_bytes(text)) for path, text in texts.items()]
        if sum(entry.measure.size for entry in entries) > self._limits.container_bytes_max:
            raise BundleTooLarge(what="bytes in the bundle", limit=self._limits.container_bytes_max)
        return write_zip(target=target, entries=entries, rule=self._zip64)

    def _entry(self, path: str, source: Source, measure: Measure) -> Entry:
        folder = bundle_format.folder_of(self._evidence_id)
        return Entry(name=f"{folder}/{path}", source=source, measure=measure)

    def _files(self, texts: dict[str, bytes] | None = None) -> list[ListedFile]:
        """All staged files and the given texts, in the order of their paths."""
        measures = self._staged | {path: measure_bytes(text) for path, text in (texts or {}).items()}
        return [_listed(path, measures[path]) for path in sorted(measures)]

    def _check_path(self, path: str) -> None:
        fault = bundle_format.path_fault(path)
        if fault is None and (path in _WRITTEN_HERE or not bundle_format.is_known(path)):
            fault = f"format {bundle_format.FORMAT} has no such file to be added"
        if fault is None and path in self._staged:
            fault = "was added already"
        if fault is not None:
            raise PathRefused(path=path, reason=fault)
        if self._manifest is not None and bundle_format.is_in_root(path):
            raise ManifestSealed(path=path)
        if len(self._staged) + len(_WRITTEN_HERE) >= self._limits.files_max:
            raise BundleTooLarge(what="files", limit=self._limits.files_max)


def _listed(path: str, measure: Measure) -> ListedFile:
    return ListedFile(path=path, sha256=measure.sha256, size=measure.size)
