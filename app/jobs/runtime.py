"""The one module that knows DBOS: jobs as its workflows, and the reaper of those whose executor is dead.

The job row comes first. `Runtime.tend`, called again and again, starts a workflow of the row's own id for
each open row, and gives the workflows of silent executors back to their queue, since nobody else does. DBOS
keeps which workflow runs where; what a job has done is in our rows, written together with its effects.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Collection, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import structlog
from dbos import DBOS, DBOSConfig, SetWorkflowID
from sqlalchemy import event
from sqlalchemy.engine import Engine

from app.clock import to_rfc3339
from app.jobs.store import Job
from app.jobs.work import Bench

log = structlog.get_logger(__name__)
QUEUE = "quittance"
# Of the shape of the workflow, not of this software: whoever runs one version may take over from another.
WORKFLOW_VERSION = "1"
JOBS_AT_ONCE = 2
QUEUE_PAUSE_SECONDS = 0.25
RETRY_PAUSE_SECONDS = 2.0
KEPT_DAYS = 7
SWEEP_SECONDS = 3600.0
SWEEP_MAX = 500
STOP_SECONDS_MAX = 20
_OPEN = ["ENQUEUED", "DELAYED", "PENDING"]

# DBOS is one to a process, and its workflows are functions of a module: they find their bench here.
_at_work: dict[str, Bench] = {}
_only_one = threading.Lock()


class AlreadyRunning(RuntimeError):
    """Another worker of this process has DBOS; it is one to a process."""


@DBOS.workflow(name="job")
def _workflow(tenant_id: str, job_id: str) -> bool:
    """One attempt. Whether there is to be another is told by the job's row, which is open then."""
    return _attempt(tenant_id, job_id)


@DBOS.step(name="attempt")
def _attempt(tenant_id: str, job_id: str) -> bool:
    return _at_work["bench"].run(tenant_id=tenant_id, job_id=job_id)


class _Quiet(logging.Handler):
    """DBOS's own lines, as ours."""

    def emit(self, record: logging.LogRecord) -> None:
        log.log(record.levelno, "dbos", said=record.getMessage())


class Runtime:
    """DBOS, launched. `executor_id` is a name that no process ever had before."""

    def __init__(self, *, bench: Bench, executor_id: str) -> None:
        if not _only_one.acquire(blocking=False):
            raise AlreadyRunning
        started = time.monotonic()
        self._own_engine: Engine | None = None
        _at_work["bench"] = bench
        self._retry_at: dict[str, float] = {}
        self._swept_at = -SWEEP_SECONDS
        logging.getLogger("dbos").handlers[:] = [_Quiet()]
        try:
            self._own_engine = _sqlite_engine(bench.engine) if _is_sqlite(bench.engine) else None
            DBOS(config=_config(bench.engine, executor_id=executor_id, own=self._own_engine))
            DBOS.launch()
            DBOS.register_queue(
                QUEUE, worker_concurrency=JOBS_AT_ONCE, polling_interval_sec=QUEUE_PAUSE_SECONDS
            )
        except BaseException:
            self.close()
            raise
        log.info("jobs are worked on", executor=executor_id, start_seconds=_tenths(started))

    def close(self) -> None:
        """Jobs that are under way end at their next write, and stay for others."""
        DBOS.destroy(workflow_completion_timeout_sec=0)
        if self._own_engine is not None:
            self._own_engine.dispose()
        _at_work.clear()
        _only_one.release()

    def tend(self, jobs: Sequence[Job], *, alive: Collection[str], now: datetime) -> None:
        """Start what is open, take over from the dead, and clear away what is long over."""
        self._recover(alive)
        self._start(jobs)
        if time.monotonic() - self._swept_at >= SWEEP_SECONDS:
            self._swept_at = time.monotonic()
            _sweep(now - timedelta(days=KEPT_DAYS))

    def _recover(self, alive: Collection[str]) -> None:
        pending = DBOS.list_workflows(status="PENDING", load_input=False, load_output=False)
        dead = sorted({str(each.executor_id) for each in pending} - set(alive))
        if dead:
            log.warning("jobs of silent executors are taken over", executors=dead)
            # It names the dead executors in the update itself, so that of two reapers one acts. The public
            # `resume_workflows` does not: it would start what another one has just taken up a second time.
            DBOS._recover_pending_workflows(dead)  # noqa: SLF001 - pinned to 3.4.

    def _start(self, jobs: Sequence[Job]) -> None:
        if not jobs:
            return
        known = {
            each.workflow_id: each.status
            for each in DBOS.list_workflows(
                workflow_ids=[job.id for job in jobs], load_input=False, load_output=False
            )
        }
        for job in jobs:
            if job.id not in known:
                with SetWorkflowID(job.id):
                    DBOS.enqueue_workflow(QUEUE, _workflow, job.tenant_id, job.id)
            elif known[job.id] not in _OPEN and self._is_time(job.id):
                # The workflow is over and the job is not: it is to be tried again.
                DBOS.delete_workflows([job.id])

    def _is_time(self, job_id: str) -> bool:
        now = time.monotonic()
        due_at = self._retry_at.setdefault(job_id, now + RETRY_PAUSE_SECONDS)
        if now < due_at:
            return False
        del self._retry_at[job_id]
        return True


def _sweep(before: datetime) -> None:
    old = DBOS.list_workflows(
        completed_before=to_rfc3339(before), limit=SWEEP_MAX, load_input=False, load_output=False
    )
    if old:
        DBOS.delete_workflows([each.workflow_id for each in old])


def _config(engine: Engine, *, executor_id: str, own: Engine | None) -> DBOSConfig:
    return {
        "name": "quittance",
        "system_database_url": (own or engine).url.render_as_string(hide_password=False),
        "system_database_engine": own,
        "sys_db_pool_size": 5,
        # A connection for each worker that does nothing but listen is not worth a quarter of a second.
        "use_listen_notify": False,
        "executor_id": executor_id,
        "application_version": WORKFLOW_VERSION,
        "log_level": "WARNING",
        "max_executor_threads": 2 * JOBS_AT_ONCE + 4,
    }


def _is_sqlite(engine: Engine) -> bool:
    return engine.dialect.name == "sqlite"


def _sqlite_engine(ours: Engine) -> Engine:
    """A file beside ours: two commits a step, but nobody waits for our writers."""
    path = Path(f"{ours.url.database}-jobs")
    os.close(os.open(path, os.O_CREAT | os.O_RDONLY, 0o600))
    with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    engine = sa.create_engine(f"sqlite:///{path}", connect_args={"timeout": 30}, hide_parameters=True)

    def prepare(connection: Any, _entry: object) -> None:
        connection.isolation_level = "IMMEDIATE"
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")

    event.listen(engine, "connect", prepare)
    return engine


def _tenths(started: float) -> str:
    return f"{time.monotonic() - started:.1f}"
