"""Reading one chain through its configured nodes: the first that answers reads, the others stand by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy.engine import Engine

from app.clock import Clock
from app.db import reading
from app.ingest.locate import demand_recorded_chain
from app.ingest.native import read_native
from app.ingest.nodes import open_node
from app.ingest.read import Progress, ReadProgress, ReadReport, read_chain
from app.ingest.store import chains as chain_store
from app.ingest.store.chains import Chain, Node
from app.ingest.store.native_coverage import is_native_read
from app.resources import Outside
from chains.errors import ChainError


def no_progress(_: ReadProgress) -> None:
    """For whoever does not watch."""


def follow_chain(
    *, engine: Engine, chain: Chain, outside: Outside, clock: Clock, progress: Progress = no_progress
) -> ReadReport:
    """Read what is missing up to the final block. What no node answers stays a gap, and is reported."""
    with reading(engine) as connection:
        nodes = chain_store.nodes(connection, chain.id)
    failures = []
    transfers = 0
    for node in nodes:
        report = _read_through(
            node, engine=engine, chain=chain, outside=outside, clock=clock, progress=progress
        )
        # A node that failed in the middle may have brought some, and they stay.
        transfers += report.transfers
        if report.failure is None:
            native = _follow_native(
                nodes,
                final=report.final_block,
                engine=engine,
                chain=chain,
                outside=outside,
                clock=clock,
                progress=progress,
            )
            return replace(report, transfers=transfers, native_failure=native)
        failures.append(report.failure)
    failure = "; ".join(failures) or "no node is configured"
    return _unread(chain, failure=failure, transfers=transfers)


def _follow_native(
    nodes: Sequence[Node],
    *,
    final: int | None,
    engine: Engine,
    chain: Chain,
    outside: Outside,
    clock: Clock,
    progress: Progress,
) -> str | None:
    """Read the native coin up to the same block by the first node that can; None, or why it is missing.

    After the Transfers: what fails here leaves them as they are.
    """
    with reading(engine) as connection:
        is_read = is_native_read(connection, chain.id)
    if final is None or not is_read:
        return None
    failures = []
    for node in nodes:
        try:
            with open_node(
                url=node.url, chain=chain.id, egress=outside.egress, limits=outside.limits
            ) as client:
                client.check_chain()
                block = client.block(final)
                demand_recorded_chain(engine=engine, client=client, final=block)
                failure = read_native(
                    engine=engine, client=client, chain=chain, final=block, clock=clock, progress=progress
                ).failure
        except ChainError as error:
            failure = str(error)
        if failure is None:
            return None
        failures.append(failure)
    return "; ".join(failures)


def _read_through(
    node: Node, *, engine: Engine, chain: Chain, outside: Outside, clock: Clock, progress: Progress
) -> ReadReport:
    try:
        with open_node(url=node.url, chain=chain.id, egress=outside.egress, limits=outside.limits) as client:
            return read_chain(
                engine=engine, client=client, chain=chain, node=node, clock=clock, progress=progress
            )
    except ChainError as error:
        # The URL itself was refused; whoever looks at the node has to see that, too.
        with engine.begin() as connection:
            chain_store.record_check(
                connection, node_id=node.id, head=None, final=None, error=str(error), now=clock()
            )
        return _unread(chain, failure=str(error), transfers=0)


def _unread(chain: Chain, *, failure: str, transfers: int) -> ReadReport:
    return ReadReport(chain=chain.id, head_block=None, final_block=None, transfers=transfers, failure=failure)
