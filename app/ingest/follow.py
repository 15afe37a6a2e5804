"""Reading one chain through its configured nodes: the first that answers reads, the others stand by."""

from __future__ import annotations

from sqlalchemy.engine import Engine

from app.clock import Clock
from app.db import reading
from app.ingest.nodes import open_node
from app.ingest.read import Progress, ReadProgress, ReadReport, read_chain
from app.ingest.store import chains as chain_store
from app.ingest.store.chains import Chain
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
    for node in nodes:
        try:
            with open_node(
                url=node.url, chain=chain.id, egress=outside.egress, limits=outside.limits
            ) as client:
                report = read_chain(
                    engine=engine, client=client, chain=chain, node=node, clock=clock, progress=progress
                )
        except ChainError as error:
            failures.append(str(error))
            continue
        if report.failure is None:
            return report
        failures.append(report.failure)
    return ReadReport(
        chain=chain.id,
        head_block=None,
        final_block=None,
        transfers=0,
        failure="; ".join(failures) or "no node is configured",
    )
