"""A recorded loan beside its chain, and one worker that seals: what the tests of sealing start from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from app.api.fields import CHECKSUMMED
from app.clock import from_unix_seconds
from app.db import reading
from app.debts.terms import Debt
from app.evidence.service import Check, SealingTools, Wanted, cancel_evidence, get_evidence, request_evidence
from app.evidence.store import Evidence
from app.main import check_bundle
from app.verifier.verdict import Verdict
from app.verifier.verify import verify
from app.worker.loop import seal_queued
from tests.ingest.scene import OPERATOR, Scene
from tests.support.bag import unpacked


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealer:
    """`check` is what sealing asks of every bundle before it counts; the real verifier by default."""

    scene: Scene
    debt: Debt
    folder: Path
    check: Check = check_bundle

    def through(self, *urls: str) -> Sealer:
        """The chain's nodes from now on."""
        return replace(self, scene=self.scene.through(*urls))

    def checked_by(self, check: Callable[[Path, Path], Verdict]) -> Sealer:
        return replace(self, check=check)

    @property
    def tools(self) -> SealingTools:
        return SealingTools(
            engine=self.scene.engine,
            outside=self.scene.outside,
            operator=OPERATOR,
            clock=self.scene.clock,
            folder=self.folder,
            forms=CHECKSUMMED,
            check=self.check,
        )

    def ask(self, *, as_of: int | None = None) -> str:
        """Queue a bundle; its id."""
        wanted = Wanted(as_of=None if as_of is None else from_unix_seconds(as_of))
        with self.scene.engine.begin() as connection:
            row = request_evidence(
                connection,
                actor=self.scene.actor,
                debt_id=self.debt.id,
                wanted=wanted,
                now=self.scene.clock(),
            )
        return row.id

    def work(self) -> None:
        seal_queued(tools=self.tools)

    def row(self, evidence_id: str) -> Evidence:
        with reading(self.scene.engine) as connection:
            return get_evidence(connection, tenant_id=self.scene.actor.tenant_id, evidence_id=evidence_id)

    def cancel(self, evidence_id: str) -> None:
        with self.scene.engine.begin() as connection:
            cancel_evidence(
                connection,
                tenant_id=self.scene.actor.tenant_id,
                evidence_id=evidence_id,
                now=self.scene.clock(),
            )

    def sealed(self, *, as_of: int | None = None) -> Evidence:
        """Ask, work, and demand that it was sealed."""
        evidence_id = self.ask(as_of=as_of)
        self.work()
        row = self.row(evidence_id)
        assert row.state == "sealed", row.failure
        return row

    def failure(self, *, as_of: int | None = None) -> str:
        """Ask, work, and demand that it failed, with nothing left of it. The sentence."""
        evidence_id = self.ask(as_of=as_of)
        self.work()
        row = self.row(evidence_id)
        assert row.state == "failed", row.state
        assert row.failure
        assert (row.path, row.root, row.sha256, row.result, row.sealed_at) == (None,) * 5
        assert self.left_of(evidence_id) == []
        return row.failure

    def left_of(self, evidence_id: str) -> list[str]:
        """The files in the evidence folder that belong to this id, of whatever attempt."""
        return sorted(
            path.relative_to(home).as_posix()
            for home in self.folder.glob(f"{evidence_id}*")
            for path in home.rglob("*")
            if path.is_file()
        )


def verdict_on(row: Evidence) -> Verdict:
    """Verified from the outside, as the one it was handed to would."""
    assert row.path is not None
    return verify(bundle=row.path, case=row.path.with_name("case.json"), anchors=())


def everything_in(row: Evidence) -> bytes:
    assert row.path is not None
    return b"".join(unpacked(row.path).values())


def claim_of(row: Evidence) -> str:
    claim: dict[str, Any]
    (claim,) = row.claims
    return str(claim["sentence"])
