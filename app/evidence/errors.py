"""What can go wrong with a bundle: one error for every bad bundle read, named errors for writing one.

Standard library only. Knows neither the format nor HTTP.
"""

from __future__ import annotations

from pathlib import Path

from app.errors import QuittanceError

CONTAINER = "<container>"
"""Stands for the file where a fault lies in the zip itself, outside the content of every entry."""


class VerificationError(QuittanceError):
    """A bundle is rejected. The only exception that reading a bundle raises, whatever the bytes are.

    `file` is a path relative to the bag, such as `data/ledger.json`, or `<container>`; `reason` is one
    short plain sentence.
    """

    def __init__(self, *, file: str, reason: str) -> None:
        super().__init__(f"{file}: {reason}")
        self.file = file
        self.reason = reason


class BundleError(QuittanceError):
    """A bundle could not be written."""


class PathRefused(BundleError):
    """A path, or an evidence id, that the format doesn't allow: whoever reads the bundle would reject it."""

    def __init__(self, *, path: str, reason: str) -> None:
        super().__init__(f"{path!a}: {reason}")
        self.path = path
        self.reason = reason


class ManifestSealed(BundleError):
    """A file that the root R covers was added after R had been taken."""

    def __init__(self, *, path: str) -> None:
        super().__init__(f"{path}: data/manifest.json is sealed already, so nothing it covers can be added")
        self.path = path


class ManifestNotSealed(BundleError):
    """The bundle was to be finished before data/manifest.json was sealed."""

    def __init__(self) -> None:
        super().__init__("data/manifest.json must be sealed before the bundle is finished")


class FileMissing(BundleError):
    """A file that the format requires was never added."""

    def __init__(self, *, path: str) -> None:
        super().__init__(f"{path}: the format requires this file")
        self.path = path


class BundleTooLarge(BundleError):
    """More files or bytes than the limits allow, so that a verifier with the same limits would reject it."""

    def __init__(self, *, what: str, limit: int) -> None:
        super().__init__(f"more than {limit} {what}")
        self.what = what
        self.limit = limit


class SourceChanged(BundleError):
    """A staged file no longer has the bytes that were hashed when it was added."""

    def __init__(self, *, path: str) -> None:
        super().__init__(f"{path}: changed between being hashed and being written")
        self.path = path


class StagingInUse(BundleError):
    """The staging folder already holds something; two bundles must not mix."""

    def __init__(self, *, folder: Path) -> None:
        super().__init__(f"{folder}: not empty")
        self.folder = folder


class TargetDiffers(BundleError):
    """Something else than this very bundle already stands where it should be written."""

    def __init__(self, *, target: Path) -> None:
        super().__init__(f"{target}: exists with other content; nothing was overwritten")
        self.target = target
