"""An open bundle: its names, digests and contents, read from the one handle that was checked.

Every content read later is hashed again, so that a file changed under the reader is noticed. Says nothing
of whether the bag is right: `reader` does. Standard library only.
"""

from __future__ import annotations

from types import TracebackType
from typing import BinaryIO, Self

from app import canonical
from app.canonical import Json, JsonLimits
from app.evidence.container import Meter
from app.evidence.errors import VerificationError
from app.evidence.format import Limits, ListedFile, manifest_of
from app.evidence.zipreader import Contents, StoredFile, read_range


class Bag:
    """Context manager over the file. `manifest`, and with it R, is made from the contents, not read."""

    def __init__(self, *, stream: BinaryIO, contents: Contents, evidence_id: str, limits: Limits) -> None:
        self._stream = stream
        self._contents = contents
        self._limits = limits
        self.evidence_id = evidence_id
        self.manifest = manifest_of(evidence_id=evidence_id, files=self.files)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._stream.close()

    @property
    def names(self) -> tuple[str, ...]:
        """Paths relative to the bag, in order."""
        return tuple(self._contents.files)

    @property
    def files(self) -> list[ListedFile]:
        """Every file with its digest and size, in order."""
        return [
            ListedFile(path=path, sha256=file.measure.sha256, size=file.measure.size)
            for path, file in self._contents.files.items()
        ]

    def __contains__(self, path: str) -> bool:
        return path in self._contents.files

    def sha256(self, path: str) -> str:
        return self._file(path).measure.sha256

    def size(self, path: str) -> int:
        return self._file(path).measure.size

    @property
    def root(self) -> str:
        """R in hex."""
        return self.manifest.root

    @property
    def container_sha256(self) -> str:
        return self._contents.whole.sha256

    @property
    def container_size(self) -> int:
        return self._contents.whole.size

    def read_bytes(self, path: str, *, bytes_max: int) -> bytes:
        """The content, if it is no larger than the caller is ready to hold. Raises VerificationError."""
        file = self._file(path)
        if file.measure.size > bytes_max:
            raise VerificationError(file=path, reason=f"is larger than {bytes_max} bytes")
        meter = Meter()
        chunks = read_range(self._stream, at=file.content_at, size=file.measure.size)
        content = b"".join(meter.pass_on(chunk) for chunk in chunks)
        if meter.measure() != file.measure:
            raise VerificationError(file=path, reason="changed while it was being verified")
        return content

    def read_json(self, path: str, *, bytes_max: int | None = None) -> Json:
        """The value of a canonical JSON file. Raises VerificationError."""
        limit = self._limits.json_bytes_max if bytes_max is None else bytes_max
        try:
            return canonical.loads(self.read_bytes(path, bytes_max=limit), limits=JsonLimits(bytes_max=limit))
        except canonical.NotCanonical as error:
            raise VerificationError(file=path, reason=error.reason) from None

    def _file(self, path: str) -> StoredFile:
        file = self._contents.files.get(path)
        if file is None:
            raise VerificationError(file=path, reason="is not in the bundle")
        return file
