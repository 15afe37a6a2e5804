"""Working on one job: claim it, do it, write down how it ended. Knows neither what jobs are about nor DBOS.

A job may be begun several times, by several processes; what an attempt stores goes through `Work.engine`,
which refuses it once the attempt is over. So an effect is stored at most once if it is stored together with
`do_step_once`, or if doing it again changes nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

import structlog
from sqlalchemy.engine import Connection, Engine

from app.clock import Clock
from app.db import for_tenant, guarded, reading
from app.db_errors import DatabaseProblem
from app.errors import QuittanceError
from app.jobs import store
from app.jobs.store import Claim, Job, JobLost
from chains.errors import ChainError

log = structlog.get_logger(__name__)
# A job that takes its worker down with it must not take down one after the other for ever.
ATTEMPTS_MAX = 10
# How long a transaction of a job may do nothing before the server takes its locks away.
IDLE_SECONDS_MAX = 30


class JobInterrupted(BaseException):
    """The process is to end: the job is left as it is, for another one. Nothing may take it for a failure."""


class TryAgain(QuittanceError):
    """This attempt came to nothing for a reason that may pass; the job stays open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One attempt at a job, handed to whoever knows what it is about. `demand` guards `engine`, too."""

    job: Job
    claim: Claim
    engine: Engine
    clock: Clock
    demand: Callable[[Connection], None]

    def progress(self, step: str, done: int, total: int) -> None:
        with self.engine.begin() as connection:
            store.set_progress(connection, claim=self.claim, step=step, done=done, total=total)


Handler = Callable[[Work], None]
# Called with the sentence in the transaction in which a job fails after too many attempts.
GiveUp = Callable[[Connection, Job, str], None]


def leave_it(_connection: Connection, _job: Job, _failure: str) -> None:
    """For a job about which no other row speaks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Where jobs are worked on. A handler ends well, or raises a QuittanceError whose sentence is kept."""

    engine: Engine
    clock: Clock
    handlers: Mapping[str, Handler]
    stop: threading.Event = field(default_factory=threading.Event)
    give_up: Mapping[str, GiveUp] = field(default_factory=dict)

    def run(self, *, tenant_id: str, job_id: str) -> bool:
        """Attempt a job. True if it is over, False if it is to be tried again."""
        try:
            return self._run(tenant_id=tenant_id, job_id=job_id)
        except JobLost as error:
            log.warning("a job was taken over or cancelled", job=job_id, reason=str(error))
            return True
        except (DatabaseProblem, TryAgain) as error:
            log.warning("a job was put off", job=job_id, reason=str(error))
            return False

    def _run(self, *, tenant_id: str, job_id: str) -> bool:
        own = for_tenant(self.engine, tenant_id=tenant_id)
        with own.begin() as connection:
            claim = store.claim_job(connection, tenant_id=tenant_id, job_id=job_id, now=self.clock())
        with reading(own) as connection:
            job = store.find_job(connection, tenant_id=tenant_id, job_id=job_id)
        if claim is None or job is None:
            return True
        demand = partial(self._demand, claim=claim)
        engine = guarded(own, guard=demand)
        if claim.attempt > ATTEMPTS_MAX:
            failure = f"Given up after {ATTEMPTS_MAX} attempts, each of which was cut short; see the log."
            with engine.begin() as connection:
                self.give_up.get(job.kind, leave_it)(connection, job, failure)
            self._finish(engine, claim, failure=failure)
            return True
        try:
            work = Work(job=job, claim=claim, engine=engine, clock=self.clock, demand=demand)
            self.handlers[job.kind](work)
        except (JobLost, DatabaseProblem, TryAgain):
            raise
        except (QuittanceError, ChainError, OSError) as error:
            self._finish(engine, claim, failure=str(error) or type(error).__name__)
        except Exception as error:
            log.exception("a job met a fault", job=job_id)
            raise TryAgain(type(error).__name__) from error
        else:
            self._finish(engine, claim, failure=None)
        return True

    def _demand(self, connection: Connection, claim: Claim) -> None:
        if self.stop.is_set():
            raise JobInterrupted
        store.demand_claim(connection, claim, idle_most=timedelta(seconds=IDLE_SECONDS_MAX))

    def _finish(self, engine: Engine, claim: Claim, *, failure: str | None) -> None:
        with engine.begin() as connection:
            store.finish_job(
                connection,
                tenant_id=claim.tenant_id,
                job_id=claim.job_id,
                state="done" if failure is None else "failed",
                now=self.clock(),
                failure=failure,
            )
