"""The worker: a follower for each configured chain, and a clerk for the jobs.

`quittance serve` runs it beside the API, `quittance worker` alone; any number of them may share a PostgreSQL
database, and who reads a chain is settled by its lease.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from app.db import reading
from app.errors import QuittanceError
from app.evidence.service import SealingTools
from app.ingest.follow import ReadReport
from app.ingest.lease import held_lease, new_holder
from app.ingest.store.chains import Chain, chains
from app.jobs.store import Job, alive_executors, open_jobs
from app.jobs.work import Bench
from app.resources import Resources
from app.worker.clerk import JOBS_MAX, Clerk
from app.worker.follow import Follower, ReadingStopped, complain, read_under_lease
from app.worker.handlers import bench_of, sealing
from chains.types import ChainId

log = structlog.get_logger(__name__)
STOP_SECONDS_MAX = 30
# How soon a chain that was configured by another process is followed.
LOOK_SECONDS_MAX = 5.0


def work_once(
    *, resources: Resources, tools: SealingTools, stop: threading.Event | None = None
) -> list[ReadReport]:
    """Read what is final on every chain, then seal what was queued before. One that fails keeps up no other.

    Once `stop` is set, it ends with the range that is being read or the bundle that is being built.
    A chain that another worker is reading is left to it.
    """
    stop = stop or threading.Event()
    with reading(resources.engine) as connection:
        configured = chains(connection)
        # What comes in from now on may need accounts that this pass does not read: it is for the next.
        # Where a worker is alive, jobs are its business.
        life = timedelta(seconds=resources.settings.lease_seconds)
        is_done_elsewhere = bool(alive_executors(connection, within=life))
        queued = [] if is_done_elsewhere else open_jobs(connection, limit=JOBS_MAX)
    holder = new_holder()
    reports = [
        _read(chain, resources=resources, holder=holder, stop=stop)
        for chain in configured
        if not stop.is_set()
    ]
    bench = bench_of(resources=resources, tools=tools, holder=holder, stop=stop)
    _work_on(queued, bench=bench)
    return [report for report in reports if report is not None]


def _read(chain: Chain, *, resources: Resources, holder: str, stop: threading.Event) -> ReadReport | None:
    try:
        with held_lease(
            engine=resources.engine,
            chain_id=chain.id,
            holder=holder,
            seconds=resources.settings.lease_seconds,
        ) as held:
            if held is None:
                return None
            report = read_under_lease(held, chain=chain, resources=resources, is_over=stop.is_set)
    except ReadingStopped:
        return None
    except QuittanceError as error:
        log.warning("reading was put off", chain=str(chain.id), reason=str(error))
        return None
    except Exception:
        # The other chains, and what is to be sealed, do not wait for this one's fault to be mended.
        log.exception("reading failed", chain=str(chain.id))
        return None
    complain(report)
    return report


def seal_queued(*, tools: SealingTools) -> None:
    """Seal what is queued, from what is read already, without a worker."""
    with reading(tools.engine) as connection:
        queued = open_jobs(connection, kinds=("sealing",), limit=JOBS_MAX)
    _work_on(queued, bench=Bench(engine=tools.engine, clock=tools.clock, handlers=sealing(tools)))


def _work_on(jobs: Sequence[Job], *, bench: Bench) -> None:
    """One after the other. What is wrong with one keeps up no other."""
    for job in jobs:
        if bench.stop.is_set():
            return
        bench.run(tenant_id=job.tenant_id, job_id=job.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """The threads of one worker: one that looks for chains, one for each chain, one for jobs."""

    resources: Resources
    tools: SealingTools
    holder: str = field(default_factory=new_holder)
    stop: threading.Event = field(default_factory=threading.Event)
    wake: threading.Event = field(default_factory=threading.Event)
    clerk_wake: threading.Event = field(default_factory=threading.Event)
    followers: dict[ChainId, tuple[threading.Thread, threading.Event]] = field(default_factory=dict)

    def look(self) -> None:
        """Make every thread look for work at once."""
        self.wake.set()
        self.clerk_wake.set()
        for _, wake in tuple(self.followers.values()):
            wake.set()

    def run(self) -> None:
        bench = bench_of(
            resources=self.resources,
            tools=self.tools,
            holder=self.holder,
            stop=self.stop,
            look=self.look,
        )
        clerk = Clerk(
            resources=self.resources, bench=bench, holder=self.holder, stop=self.stop, wake=self.clerk_wake
        )
        thread = threading.Thread(target=clerk.run, name="worker jobs", daemon=True)
        thread.start()
        while not self.stop.is_set():
            try:
                self._follow_all()
            except QuittanceError as error:
                log.warning("work was put off", reason=str(error))
            except Exception:
                # A worker that dies in silence is worse than one that repeats its complaint.
                log.exception("work failed")
            self.wake.wait(min(LOOK_SECONDS_MAX, self.resources.settings.follow_seconds))
            # Only now: a call that came during the work, or with a stop, must not be lost before the wait.
            self.wake.clear()
        self.look()
        for each, _ in ((thread, None), *self.followers.values()):
            each.join(STOP_SECONDS_MAX)

    def _follow_all(self) -> None:
        with reading(self.resources.engine) as connection:
            configured = chains(connection)
        for chain in configured:
            if chain.id not in self.followers:
                self.followers[chain.id] = self._start(chain.id)

    def _start(self, chain_id: ChainId) -> tuple[threading.Thread, threading.Event]:
        wake = threading.Event()
        follower = Follower(
            chain_id=chain_id, resources=self.resources, holder=self.holder, stop=self.stop, wake=wake
        )
        thread = threading.Thread(target=follower.run, name=f"worker {chain_id}", daemon=True)
        thread.start()
        return thread, wake


@contextmanager
def running(*, resources: Resources, tools: SealingTools) -> Iterator[Worker]:
    """A worker for as long as the context lasts."""
    worker = Worker(resources=resources, tools=tools)
    thread = threading.Thread(target=worker.run, name="worker", daemon=True)
    thread.start()
    try:
        yield worker
    finally:
        worker.stop.set()
        worker.look()
        thread.join(2 * STOP_SECONDS_MAX)
