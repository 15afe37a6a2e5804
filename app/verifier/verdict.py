"""What the verifier answers: accepted, conditionally accepted, or rejected with the file at fault."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

ACCEPTED, REJECTED, CONDITIONAL = 0, 1, 4

HASH_NOT_RECOMPUTED = (
    "The hash of the anchor block was compared with the enclosed answer of the node; it was not recomputed "
    "from a header."
)
REPORT_NOT_BOUND = (
    "data/report.en.pdf was not checked: it is bound by the bag's manifests, not by the root R, and whoever "
    "can rewrite the bundle can rewrite it."
)
ANSWERS_NOT_SIGNED = (
    "The enclosed answers agree with each other and with the ledger; whether they are what the endpoints "
    "said, and whether the endpoints said all, was not checked: nobody signed them."
)
NO_SEAL = "There is no signature and no timestamp of a third party to check."


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`exit_code` 0: all holds; 4: consistent, but `conditions` are open; 1: rejected."""

    exit_code: int
    conditions: tuple[str, ...] = ()
    checked: tuple[str, ...] = ()
    not_covered: tuple[str, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)
    file: str | None = None
    reason: str | None = None

    @property
    def ok(self) -> bool:
        """Whether the bundle is consistent in itself; `exit_code` says if that is all that was asked."""
        return self.exit_code != REJECTED

    def document(self) -> dict[str, Any]:
        if not self.ok:
            return {"ok": False, "exit_code": self.exit_code, "file": self.file, "reason": self.reason}
        return {
            "ok": True,
            "exit_code": self.exit_code,
            "conditions": list(self.conditions),
            "checked": list(self.checked),
            "not_covered": list(self.not_covered),
            **self.facts,
        }


def rejected(*, file: str, reason: str) -> Verdict:
    return Verdict(exit_code=REJECTED, file=file, reason=reason)
