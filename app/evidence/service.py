"""From a request for evidence to a sealed bundle: the row first, then the bundle, then the check.

A bundle counts as sealed only after the verifier, handed in by the door that seals, has accepted it. A
sealing that was interrupted starts again from its row, in a folder of its own; a file that no row vouches for
is thrown away.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Protocol

import structlog
from sqlalchemy.engine import Connection, Engine

from app.assessment.document import Forms, assessment_document
from app.assessment.service import Question, find_debt, load_facts, locate_window
from app.assessment.values import Facts, Grade
from app.audit.log import append
from app.clock import Clock
from app.db import reading
from app.db_errors import DatabaseProblem
from app.debts.parties import Actor
from app.errors import Conflict, Fault, InvalidInput, NotFound, QuittanceError
from app.evidence import store
from app.evidence.bundle import Built, NotSealable, Request, build_bundle, created_at
from app.evidence.case import Case, case_document
from app.evidence.store import Evidence, NewEvidence, Seal
from app.ids import new_id
from app.ingest.store.chains import Node
from app.ingest.store.chains import nodes as nodes_of
from app.jobs.store import Job, JobLost, finish_job, open_job, set_progress
from app.jobs.work import Work
from app.resources import Operator, Outside
from chains.errors import ChainError
from chains.types import ChainId

LANGUAGES = ("en",)
GRADES = tuple(grade.value for grade in Grade)
log = structlog.get_logger(__name__)


class CheckedBundle(Protocol):
    """What the verifier says of a bundle, as far as sealing needs it."""

    @property
    def ok(self) -> bool: ...
    @property
    def file(self) -> str | None: ...
    @property
    def reason(self) -> str | None: ...


Check = Callable[[Path, Path], CheckedBundle]


@dataclass(frozen=True, slots=True, kw_only=True)
class SealingTools:
    """What sealing needs besides the row. `check` takes the bundle and its case file."""

    engine: Engine
    outside: Outside
    operator: Operator
    clock: Clock
    folder: Path
    forms: Forms
    check: Check


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A request for evidence as handed in."""

    as_of: datetime | None = None
    known_at: datetime | None = None
    grade: str | None = None
    allow_lower: bool = False
    languages: tuple[str, ...] = LANGUAGES


def request_evidence(
    connection: Connection, *, actor: Actor, debt_id: str, wanted: Wanted, now: datetime
) -> Evidence:
    """Queue a bundle. Raises NotFound, or InvalidInput where it could never be built as wanted."""
    question = Question(
        tenant_id=actor.tenant_id, debt_id=debt_id, as_of=wanted.as_of, known_at=wanted.known_at
    )
    find_debt(connection, question=question, known_at=min(wanted.known_at or now, now))
    faults = [
        Fault(pointer=f"/languages/{index}", detail=f"Available now: {', '.join(LANGUAGES)}.")
        for index, language in enumerate(wanted.languages)
        if language not in LANGUAGES
    ]
    if wanted.grade is not None and wanted.grade not in GRADES and not wanted.allow_lower:
        detail = f"This grade can't be reached yet, only {', '.join(GRADES)}. Set allow_lower to take that."
        faults.append(Fault(pointer="/grade", detail=detail))
    if faults:
        raise InvalidInput(faults)
    new = NewEvidence(
        id=new_id("evi", now=now),
        tenant_id=actor.tenant_id,
        debt_id=debt_id,
        as_of=wanted.as_of,
        known_at=wanted.known_at,
        requested_grade=wanted.grade,
        allow_lower=wanted.allow_lower,
        languages=wanted.languages,
        created_at=now,
    )
    store.add(connection, new=new)
    open_job(connection, tenant_id=actor.tenant_id, id_=new.id, kind="sealing", object_id=new.id, now=now)
    append(
        connection,
        tenant_id=actor.tenant_id,
        actor=actor.name,
        type_="evidence.requested",
        object_id=new.id,
        payload={"debt_id": debt_id, "grade": wanted.grade, "languages": list(wanted.languages)},
        now=now,
    )
    return get_evidence(connection, tenant_id=actor.tenant_id, evidence_id=new.id)


def get_evidence(connection: Connection, *, tenant_id: str, evidence_id: str) -> Evidence:
    found = store.find(connection, tenant_id=tenant_id, evidence_id=evidence_id)
    if found is None:
        raise NotFound(what="evidence", id_=evidence_id)
    return found


def cancel_evidence(connection: Connection, *, tenant_id: str, evidence_id: str, now: datetime) -> Evidence:
    """Cancel one not yet sealed. Raises Conflict where it is too late; cancelling twice is fine."""
    found = get_evidence(connection, tenant_id=tenant_id, evidence_id=evidence_id)
    if not store.set_cancelled(connection, tenant_id=tenant_id, evidence_id=evidence_id):
        if found.state == "cancelled":
            return found
        msg = f"This evidence is {found.state}; only one not yet sealed can be cancelled."
        raise Conflict(msg)
    finish_job(connection, tenant_id=tenant_id, job_id=evidence_id, state="cancelled", now=now)
    return get_evidence(connection, tenant_id=tenant_id, evidence_id=evidence_id)


def seal(*, work: Work, tools: SealingTools) -> None:
    """Build, check and record one bundle. What goes wrong is recorded in the row, and raised as NotSealed.

    One that was sealed, or failed, in an earlier attempt stays as it is.
    """
    with reading(work.engine) as connection:
        row = get_evidence(connection, tenant_id=work.job.tenant_id, evidence_id=work.job.object_id)
    if row.failure is not None:
        raise NotSealed(row.failure)
    if row.state not in {"queued", "running"}:
        return
    folders = [_folder_of(row, attempt=number, tools=tools) for number in range(1, work.claim.attempt + 1)]
    tools = replace(tools, engine=work.engine)
    try:
        for folder in folders:
            # Left by an interrupted sealing: no row vouches for it.
            shutil.rmtree(folder, ignore_errors=True)
        _seal(row, folder=folders[-1], tools=tools, work=work)
    except (_Cancelled, JobLost):
        shutil.rmtree(folders[-1], ignore_errors=True)
    except DatabaseProblem:
        # It could not be recorded either. The job stays open.
        raise
    except (QuittanceError, ChainError, OSError) as error:
        log.warning("sealing failed", evidence=row.id, error=str(error))
        _fail(row, folder=folders[-1], tools=tools, failure=str(error) or type(error).__name__)
    except Exception as error:
        # Else this row would be tried again and again, and hold up every row behind it.
        log.exception("sealing failed", evidence=row.id)
        failure = f"A fault of this software ({type(error).__name__}), not of the request. It was logged."
        _fail(row, folder=folders[-1], tools=tools, failure=failure)


def give_up(connection: Connection, job: Job, failure: str) -> None:
    """The job is not attempted again."""
    row = get_evidence(connection, tenant_id=job.tenant_id, evidence_id=job.object_id)
    store.set_failed(connection, row=row, failure=failure)


def _folder_of(row: Evidence, *, attempt: int, tools: SealingTools) -> Path:
    """Each attempt has its own folder: one that sleeps and wakes can't spoil the files of a later one."""
    return tools.folder / (row.id if attempt == 1 else f"{row.id}.{attempt}")


def _fail(row: Evidence, *, folder: Path, tools: SealingTools, failure: str) -> None:
    """Nothing is left behind: half a bundle is none."""
    shutil.rmtree(folder, ignore_errors=True)
    with tools.engine.begin() as connection:
        store.set_failed(connection, row=row, failure=failure)
    raise NotSealed(failure)


class NotSealed(QuittanceError):
    """The sentence that the row says, too."""


class _Cancelled(Exception):
    """The row was cancelled while its bundle was being built."""


def _seal(row: Evidence, *, folder: Path, tools: SealingTools, work: Work) -> None:
    def step(name: str, done: int, total: int) -> None:
        with tools.engine.begin() as connection:
            set_progress(connection, claim=work.claim, step=name, done=done, total=total)
            if not store.set_progress(connection, row=row, step=name, done=done, total=total):
                raise _Cancelled

    step("loading", 0, 0)
    case, facts, nodes = _load(row, tools=tools)
    target = folder / f"quittance-{row.id}.zip"
    request = Request(
        case=case,
        facts=facts,
        nodes=nodes,
        folder=folder / "staging",
        target=target,
        forms=tools.forms,
    )
    built = build_bundle(request=request, outside=tools.outside, clock=tools.clock, step=step)
    shutil.rmtree(request.folder)
    case_path = folder / "case.json"
    case_path.write_text(json.dumps(case_document(case), indent=2, ensure_ascii=False) + "\n", "utf-8")
    step("verifying", 1, 1)
    verdict = tools.check(target, case_path)
    if not verdict.ok:
        msg = f"The verifier rejected the bundle ({verdict.file}: {verdict.reason}). Nothing was sealed."
        raise NotSealable(msg)
    with tools.engine.begin() as connection:
        if not store.set_sealed(connection, row=row, seal=_record(built, target=target, tools=tools)):
            raise _Cancelled


def _load(row: Evidence, *, tools: SealingTools) -> tuple[Case, Facts, dict[ChainId, list[Node]]]:
    now = tools.clock()
    # Nothing is known later than now.
    known_at = min(row.known_at or now, now)
    question = Question(tenant_id=row.tenant_id, debt_id=row.debt_id, as_of=row.as_of, known_at=row.known_at)
    locate_window(
        engine=tools.engine,
        question=question,
        known_at=known_at,
        outside=tools.outside,
        clock=tools.clock,
    )
    with reading(tools.engine) as connection:
        debt = find_debt(connection, question=question, known_at=known_at)
        facts, as_of = load_facts(
            connection, debt=debt, question=question, known_at=known_at, operator=tools.operator
        )
        nodes = {scope.chain: nodes_of(connection, scope.chain) for scope in facts.scope}
    case = Case(
        evidence_id=row.id,
        created_at=created_at(tools.clock()),
        as_of=as_of,
        known_at=known_at,
        operator=tools.operator.name,
        relation=tools.operator.relation,
        asked_by=f"{facts.creditor.name}, the creditor",
        records=facts.records,
        creditor=facts.creditor,
        debtor=facts.debtor,
        scope=facts.scope,
    )
    return case, facts, nodes


def _record(built: Built, *, target: Path, tools: SealingTools) -> Seal:
    document = assessment_document(built.assessment, forms=tools.forms, inline_max=0)
    return Seal(
        as_of=built.case.as_of,
        known_at=built.case.known_at,
        sealed_at=tools.clock(),
        result=document["result"],
        timing=document["timing"],
        grade=document["grade"],
        tie=document["tie"],
        root=bytes.fromhex(built.root),
        sha256=bytes.fromhex(built.digest.sha256),
        size=built.digest.size,
        anchor=",".join(built.case.anchors),
        claims=document["claims"],
        path=target,
    )
