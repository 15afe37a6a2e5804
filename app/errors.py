"""The kinds of failure that a door must tell apart. Concrete errors live beside the rule that raises them.

They carry data and a plain sentence, and know nothing of HTTP, exit codes or languages.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with what was handed in. `pointer` is a JSON pointer (RFC 6901) to it."""

    pointer: str
    detail: str

    def __str__(self) -> str:
        """The pointer is empty where the whole of it is wrong."""
        return f"{self.pointer}: {self.detail}" if self.pointer else self.detail


class QuittanceError(Exception):
    """Something this software refuses or cannot do, said in one plain sentence."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class InvalidInput(QuittanceError):
    """What was handed in breaks a rule. Nothing was stored."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(str(fault) for fault in self.faults))


class NotFound(QuittanceError):
    """No such thing, or none that the caller may know of."""

    def __init__(self, *, what: str, id_: str) -> None:
        super().__init__(f"There is no {what} {id_}.")
        self.what = what
        self.id = id_


class Conflict(QuittanceError):
    """The request is well formed, but does not fit the present state."""


class Forbidden(QuittanceError):
    """The caller is known, but not allowed to do this."""


class EnvironmentProblem(QuittanceError):
    """The node, the database, the disk or a port is not usable: for the operator to mend, not the caller."""
