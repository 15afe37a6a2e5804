"""One worker: reads every configured chain, then seals what is queued, again and again.

`quittance serve` runs it in a thread of its own. One worker for one database, so far: leases for several
come with the reading of many chains.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from app.db import reading
from app.errors import QuittanceError
from app.evidence import store as evidence_store
from app.evidence.service import SealingTools, seal
from app.ingest.follow import follow_chain
from app.ingest.store.chains import chains
from app.resources import Resources

log = structlog.get_logger(__name__)
STOP_SECONDS_MAX = 30


def work_once(*, resources: Resources, tools: SealingTools) -> None:
    """Read what is final on every chain, then seal what is queued."""
    with reading(resources.engine) as connection:
        configured = chains(connection)
    for chain in configured:
        report = follow_chain(
            engine=resources.engine, chain=chain, outside=resources.outside, clock=resources.clock
        )
        if report.failure is not None:
            log.warning("chain not read", chain=str(chain.id), failure=report.failure)
    seal_queued(tools=tools)


def seal_queued(*, tools: SealingTools) -> None:
    with reading(tools.engine) as connection:
        rows = evidence_store.unfinished(connection)
    for row in rows:
        seal(row=row, tools=tools)


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
        wake.clear()
        try:
            work_once(resources=resources, tools=tools)
        except QuittanceError as error:
            log.warning("work was put off", reason=str(error))
        except Exception:
            # A worker that dies in silence is worse than one that repeats its complaint.
            log.exception("work failed")
        wake.wait(resources.settings.follow_seconds)
