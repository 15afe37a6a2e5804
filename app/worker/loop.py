"""One worker: reads every configured chain, then seals what is queued, again and again.

`quittance serve` runs it in a thread of its own. One worker for one database, so far: leases for several
come with the reading of many chains.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import structlog

from app.db import reading
from app.errors import QuittanceError
from app.evidence import store as evidence_store
from app.evidence.service import SealingTools, seal
from app.evidence.store import Evidence
from app.ingest.follow import follow_chain
from app.ingest.read import ReadProgress, ReadReport
from app.ingest.store.chains import Chain, chains
from app.resources import Resources

log = structlog.get_logger(__name__)
STOP_SECONDS_MAX = 30


class _Stopped(Exception):
    """Somebody wants the worker to end; what was stored so far is whole."""


def work_once(*, resources: Resources, tools: SealingTools, stop: threading.Event | None = None) -> None:
    """Read what is final on every chain, then seal what was queued before. One that fails keeps up no other.

    Once `stop` is set, it ends with the range that is being read or the bundle that is being built.
    """
    stop = stop or threading.Event()
    with reading(resources.engine) as connection:
        configured = chains(connection)
        # What comes in from now on may need accounts that this pass does not read: it is for the next.
        queued = evidence_store.unfinished(connection)
    for chain in configured:
        if not stop.is_set():
            _read(chain, resources=resources, stop=stop)
    _seal(queued, tools=tools, stop=stop)


def _read(chain: Chain, *, resources: Resources, stop: threading.Event) -> None:
    def demand_time(_: ReadProgress) -> None:
        if stop.is_set():
            raise _Stopped

    try:
        report = follow_chain(
            engine=resources.engine,
            chain=chain,
            outside=resources.outside,
            clock=resources.clock,
            progress=demand_time,
        )
    except _Stopped:
        return
    except QuittanceError as error:
        log.warning("reading was put off", chain=str(chain.id), reason=str(error))
    except Exception:
        # The other chains, and what is to be sealed, do not wait for this one's fault to be mended.
        log.exception("reading failed", chain=str(chain.id))
    else:
        _complain(report)


def _complain(report: ReadReport) -> None:
    if report.failure is not None:
        log.warning("chain not read", chain=str(report.chain), failure=report.failure)
    if report.native_failure is not None:
        log.warning("native coin not read", chain=str(report.chain), failure=report.native_failure)


def seal_queued(*, tools: SealingTools) -> None:
    """Seal what is queued, from what is read already."""
    with reading(tools.engine) as connection:
        rows = evidence_store.unfinished(connection)
    _seal(rows, tools=tools, stop=threading.Event())


def _seal(rows: Sequence[Evidence], *, tools: SealingTools, stop: threading.Event) -> None:
    """One after the other. What is wrong with one stays in its row."""
    for row in rows:
        if stop.is_set():
            return
        try:
            seal(row=row, tools=tools)
        except QuittanceError as error:
            log.warning("sealing was put off", evidence=row.id, reason=str(error))
        except Exception:
            log.exception("sealing failed", evidence=row.id)


@contextmanager
def running(*, resources: Resources, tools: SealingTools) -> Iterator[threading.Event]:
    """A worker thread for as long as the context lasts. Setting the event makes it look for work at once."""
    stop, wake = threading.Event(), threading.Event()
    thread = threading.Thread(
        target=_loop,
        kwargs={"resources": resources, "tools": tools, "stop": stop, "wake": wake},
        name="worker",
        daemon=True,
    )
    thread.start()
    try:
        yield wake
    finally:
        stop.set()
        wake.set()
        thread.join(STOP_SECONDS_MAX)


def _loop(*, resources: Resources, tools: SealingTools, stop: threading.Event, wake: threading.Event) -> None:
    while not stop.is_set():
        try:
            work_once(resources=resources, tools=tools, stop=stop)
        except QuittanceError as error:
            log.warning("work was put off", reason=str(error))
        except Exception:
            # A worker that dies in silence is worse than one that repeats its complaint.
            log.exception("work failed")
        wake.wait(resources.settings.follow_seconds)
        # Only now: a call that came during the work, or goes with a stop, must not be lost before the wait.
        wake.clear()
