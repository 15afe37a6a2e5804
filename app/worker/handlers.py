"""What each kind of job does: here jobs, which know no subject, meet sealing, reading and assessing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from functools import partial

import structlog

from app.db import for_tenant, guarded, reading
from app.errors import NotFound, QuittanceError
from app.evidence import service as sealing_service
from app.evidence.service import SealingTools
from app.ingest.follow import follow_chain
from app.ingest.lease import lease_asked_for
from app.ingest.read import ReadProgress
from app.ingest.store.chains import chains, find_chain
from app.ingest.store.leases import LeaseLost
from app.jobs.work import Bench, Handler, TryAgain, Work
from app.resources import Resources
from app.worker.daily import assess_all
from app.worker.follow import await_passes
from chains.types import ChainId

log = structlog.get_logger(__name__)
# A row is written so often and no more.
PROGRESS_PAUSE_SECONDS = 0.25


class ChainNotRead(QuittanceError):
    """What the nodes said instead of an answer."""


def bench_of(
    *,
    resources: Resources,
    tools: SealingTools,
    holder: str,
    stop: threading.Event,
    look: Callable[[], None] | None = None,
) -> Bench:
    """`look` wakes the followers of this process; without it nobody follows, and nothing is waited for."""
    return Bench(
        engine=resources.engine,
        clock=resources.clock,
        stop=stop,
        handlers={
            **sealing(tools, before=partial(_await, resources, look, stop)),
            "repair": partial(_repair, resources=resources, holder=holder),
            "assessment": partial(assess_all, resources=resources),
        },
        give_up={"sealing": sealing_service.give_up},
    )


def sealing(tools: SealingTools, *, before: Callable[[], None] = lambda: None) -> Mapping[str, Handler]:
    def handle(work: Work) -> None:
        before()
        try:
            sealing_service.seal(work=work, tools=tools)
        except QuittanceError:
            raise
        except Exception as error:
            log.exception("sealing failed", evidence=work.job.object_id)
            raise TryAgain(type(error).__name__) from error

    return {"sealing": handle}


def _await(resources: Resources, look: Callable[[], None] | None, stop: threading.Event) -> None:
    """The accounts of a bundle may have been unknown until a moment ago: unread, it could only fail."""
    if look is None:
        return
    with reading(resources.engine) as connection:
        chain_ids = tuple(chain.id for chain in chains(connection))
    await_passes(resources.engine, chain_ids=chain_ids, look=look, stop=stop)


def _repair(work: Work, *, resources: Resources, holder: str) -> None:
    """Read whatever is missing of a chain, before all who follow it."""
    chain_id = ChainId.parse(work.job.object_id)
    with reading(work.engine) as connection:
        chain = find_chain(connection, chain_id)
    if chain is None:
        raise NotFound(what="chain", id_=str(chain_id))
    written_at = -PROGRESS_PAUSE_SECONDS

    def show(read: ReadProgress) -> None:
        nonlocal written_at
        if time.monotonic() - written_at >= PROGRESS_PAUSE_SECONDS or read.done == read.total:
            written_at = time.monotonic()
            work.progress(f"block {read.last_block}", read.done, read.total)

    work.progress("waiting for the chain's lease", 0, 0)
    try:
        with lease_asked_for(
            engine=for_tenant(resources.engine, tenant_id=work.job.tenant_id),
            chain_id=chain_id,
            holder=f"{holder} {work.job.id}",
            seconds=resources.settings.lease_seconds,
            demand=work.demand,
        ) as held:
            report = follow_chain(
                # Neither without the lease nor once the job is over.
                engine=guarded(held.engine, guard=work.demand),
                chain=chain,
                outside=resources.outside,
                clock=resources.clock,
                progress=show,
            )
    except LeaseLost as error:
        raise TryAgain(str(error)) from error
    failures = [each for each in (report.failure, report.native_failure) if each is not None]
    if failures:
        raise ChainNotRead("; ".join(failures))
