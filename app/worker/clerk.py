"""The clerk: says that this worker is alive, sees to it that jobs are worked on, and plans the daily ones.

It looks into our own rows only. DBOS is loaded once there is a job: who has none never pays for it.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from app.db import reading
from app.db_errors import DatabaseProblem
from app.errors import QuittanceError
from app.jobs.store import alive_executors, beat, forget_executors, open_jobs
from app.jobs.work import Bench
from app.resources import Resources
from app.worker.daily import plan_assessments

if TYPE_CHECKING:
    from app.jobs.runtime import Runtime

log = structlog.get_logger(__name__)
JOBS_MAX = 100
LOOK_SECONDS = 0.5
BEATS_PER_LIFE = 5
PLAN_SECONDS = 60.0
EXECUTORS_KEPT = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clerk:
    """Runs in a thread of its own until `stop` is set. Setting `wake` makes it look at once."""

    resources: Resources
    bench: Bench
    holder: str
    stop: threading.Event
    wake: threading.Event

    def run(self) -> None:
        heart = threading.Thread(target=self._beat_until_told, name="worker heart", daemon=True)
        heart.start()
        runtime: Runtime | None = None
        # Not at once: what was missed while nobody worked is read first.
        planned_at = time.monotonic()
        try:
            while not self.stop.is_set():
                try:
                    if time.monotonic() - planned_at >= PLAN_SECONDS:
                        plan_assessments(self.resources, now=self.resources.clock())
                        planned_at = time.monotonic()
                    runtime = self._tend(runtime)
                except QuittanceError as error:
                    log.warning("jobs were put off", reason=str(error))
                except Exception:
                    # DBOS's own errors among them: its database may be away.
                    log.exception("jobs failed")
                self.wake.wait(LOOK_SECONDS)
                self.wake.clear()
        finally:
            if runtime is not None:
                runtime.close()
            heart.join()
            self._say_good_bye()

    def _beat_until_told(self) -> None:
        """In a thread of its own: loading DBOS, or a database that is slow for once, is no death."""
        pause = self.resources.settings.lease_seconds / BEATS_PER_LIFE
        while not self.stop.is_set():
            try:
                with self.resources.engine.begin() as connection:
                    beat(connection, executor_id=self.holder)
                    forget_executors(connection, unseen_for=EXECUTORS_KEPT)
            except DatabaseProblem as error:
                log.warning("the others were not told of this life", reason=str(error))
            except Exception:
                log.exception("the others were not told of this life")
            self.stop.wait(pause)

    def _tend(self, runtime: Runtime | None) -> Runtime | None:
        life = timedelta(seconds=self.resources.settings.lease_seconds)
        with reading(self.resources.engine) as connection:
            jobs = open_jobs(connection, limit=JOBS_MAX)
            alive = alive_executors(connection, within=life)
        if runtime is None:
            if not jobs:
                return None
            from app.jobs.runtime import Runtime  # noqa: PLC0415 - loading DBOS takes half a second.

            runtime = Runtime(bench=self.bench, executor_id=self.holder)
        runtime.tend(jobs, alive={*alive, self.holder}, now=self.resources.clock())
        return runtime

    def _say_good_bye(self) -> None:
        """Others then take over at once what is left here."""
        try:
            with self.resources.engine.begin() as connection:
                forget_executors(connection, unseen_for=EXECUTORS_KEPT, also=self.holder)
        except DatabaseProblem as error:
            log.warning("the others were not told of the end", reason=str(error))
