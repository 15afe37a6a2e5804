"""The nodes of one pass: each is asked who it is and how far it is before anything of it is believed.

All are asked at once, so that one which is down holds up no other. A node that contradicts the newest block
on record is left out; where every node that answers does so, the chain is stopped until one agrees again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import structlog
from sqlalchemy.engine import Engine

from app.clock import Clock
from app.db import reading
from app.ingest.hashed import can_be_hashed
from app.ingest.locate import demand_recorded_chain
from app.ingest.nodes import open_node
from app.ingest.order import ChainReplaced
from app.ingest.ranges import Blocks
from app.ingest.store import chains as chain_store
from app.ingest.store import reading as reading_store
from app.ingest.store.chains import Chain, Node
from app.ingest.store.disagreements import NewDisagreement, add_disagreement
from app.ingest.store.reading import ChainReading, NodeReading
from app.resources import Outside
from chains.errors import ChainError, NodeError
from chains.evm.client import EvmClient
from chains.evm.ranges import LearntSize
from chains.types import BlockRef

log = structlog.get_logger(__name__)

# Nodes behind one provider differ by seconds. One that is further behind reads only when no other can.
LAG_SECONDS_MAX = 120


@dataclass(slots=True, kw_only=True)
class Seat:
    """A node that answered well. Once `failure` is set, nothing more is asked of it in this pass."""

    node: Node
    client: EvmClient
    head: BlockRef
    final: BlockRef
    client_version: str | None
    # How many blocks it lets be asked for at once: grows and shrinks while it is asked.
    size: LearntSize
    failure: str | None = None

    def fail(self, error: ChainError) -> None:
        self.failure = _named(self.client, error)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Refused:
    """A node that can't be used now; `contradicts` where it denies a block that was final."""

    node: Node
    failure: str
    contradicts: ChainReplaced | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Those who read, in the order in which they are asked; and why the others don't."""

    rules: ChainReading
    seats: tuple[Seat, ...]
    refused: tuple[str, ...] = field(default=())

    @property
    def readers(self) -> list[Seat]:
        """Those that have not failed since."""
        return [seat for seat in self.seats if seat.failure is None]

    @property
    def failures(self) -> list[str]:
        return [*self.refused, *(seat.failure for seat in self.seats if seat.failure is not None)]

    def readers_of(self, final: BlockRef) -> list[Seat]:
        """Those that have come so far."""
        return [seat for seat in self.readers if seat.final.number >= final.number]


@contextmanager
def open_panel(*, engine: Engine, chain: Chain, outside: Outside, clock: Clock) -> Iterator[Panel]:
    """Ask every node of the chain; put on record how each is, and whether the chain may be read."""
    with reading(engine) as connection:
        nodes = chain_store.nodes(connection, chain.id)
        learnt = {node.id: reading_store.reading_of_node(connection, node.id) for node in nodes}
    with ExitStack() as stack:

        def sit(node: Node) -> Seat | _Refused:
            return _sit(stack, node, engine=engine, chain=chain, outside=outside, learnt=learnt[node.id])

        if len(nodes) > 1:
            with ThreadPoolExecutor(max_workers=len(nodes)) as pool:
                found = list(pool.map(sit, nodes))
        else:
            found = [sit(node) for node in nodes]
        seats = _by_preference([each for each in found if isinstance(each, Seat)])
        refused = [each for each in found if isinstance(each, _Refused)]
        hashable = _hashable(engine, chain=chain, seats=seats)
        rules = _record(engine, chain=chain, seats=seats, refused=refused, hashable=hashable, clock=clock)
        panel = Panel(rules=rules, seats=tuple(seats), refused=tuple(each.failure for each in refused))
        try:
            yield panel
        finally:
            _record_ends(engine, seats, clock=clock)


def _sit(
    stack: ExitStack,
    node: Node,
    *,
    engine: Engine,
    chain: Chain,
    outside: Outside,
    learnt: NodeReading,
) -> Seat | _Refused:
    try:
        client = stack.enter_context(
            open_node(url=node.url, chain=chain.id, egress=outside.egress, limits=outside.limits)
        )
    except NodeError as error:
        return _Refused(node=node, failure=str(error))
    try:
        client.check_chain()
        head, final = client.ends(chain.finality)
        demand_recorded_chain(engine=engine, client=client, final=final)
        version = learnt.client_version or client.client_version()
    except ChainReplaced as error:
        return _Refused(node=node, failure=_named(client, error), contradicts=error)
    except ChainError as error:
        return _Refused(node=node, failure=_named(client, error))
    size = LearntSize(now=learnt.size)
    return Seat(node=node, client=client, head=head, final=final, client_version=version, size=size)


def _named(client: EvmClient, error: ChainError) -> str:
    return str(error) if isinstance(error, NodeError) else f"node {client.rpc.node}: {error}"


def _by_preference(seats: Sequence[Seat]) -> list[Seat]:
    """As configured, but those that lag behind last, and behind them those that failed in the last pass.

    The first one says what is final, and who has not come so far is not asked in its place: one that is a
    block ahead and answers nothing would keep the others from reading for ever.
    """
    newest = max((seat.final.time for seat in seats), default=0)

    def last(seat: Seat) -> tuple[bool, bool]:
        return seat.node.last_error is not None, newest - seat.final.time > LAG_SECONDS_MAX

    return sorted(seats, key=last)


def _hashable(engine: Engine, *, chain: Chain, seats: Sequence[Seat]) -> bool | None:
    """Whether the chain's headers give their own hashes. Asked until one node has shown it.

    That they don't is never settled: a node that alters its headers from the first day on would be believed
    for ever.
    """
    with reading(engine) as connection:
        known = reading_store.reading_of_chain(connection, chain.id).hashable
    final = min((seat.final.number for seat in seats), default=0)
    if known or final == 0:
        return known
    numbers = [final] if known is False else sorted({final, max(1, final - 1), max(1, final // 2)})
    found = can_be_hashed([seat.client for seat in seats], numbers)
    return known if found is None else found


def _record(
    engine: Engine,
    *,
    chain: Chain,
    seats: Sequence[Seat],
    refused: Sequence[_Refused],
    hashable: bool | None,
    clock: Clock,
) -> ChainReading:
    """Who can't be used and why; and whether the chain stops, or is read on."""
    contradictions = [each.contradicts for each in refused if each.contradicts is not None]
    with engine.begin() as connection:
        for each in refused:
            chain_store.record_check(
                connection, node_id=each.node.id, head=None, final=None, error=each.failure, now=clock()
            )
        rules = reading_store.reading_of_chain(connection, chain.id)
        if hashable is not None and rules.hashable is not True:
            reading_store.set_hashable(connection, chain_id=chain.id, hashable=hashable)
        for each in refused:
            if each.contradicts is not None:
                new = two_chains(each.contradicts, detail=each.failure)
                add_disagreement(connection, chain_id=chain.id, new=new, now=clock())
        if seats and rules.stopped_at is not None:
            log.warning("a stopped chain is read on: a node agrees with the record", chain=str(chain.id))
            reading_store.resume_chain(connection, chain_id=chain.id)
        elif contradictions and not seats and rules.stopped_at is None:
            reason = str(contradictions[0])
            log.error("chain stopped", chain=str(chain.id), reason=reason)
            reading_store.stop_chain(connection, chain_id=chain.id, reason=reason, now=clock())
        return reading_store.reading_of_chain(connection, chain.id)


def two_chains(found: ChainReplaced, *, detail: str) -> NewDisagreement:
    return NewDisagreement(
        kind="chain",
        blocks=Blocks(found.number, found.number),
        detail=detail,
        says=b"".join(sorted(found.hashes)),
        answers=(),
    )


def _record_ends(engine: Engine, seats: Sequence[Seat], *, clock: Clock) -> None:
    with engine.begin() as connection:
        for seat in seats:
            chain_store.record_check(
                connection,
                node_id=seat.node.id,
                head=seat.head.number,
                final=seat.final.number,
                error=seat.failure,
                now=clock(),
            )
            learnt = NodeReading(client_version=seat.client_version, size=seat.size.now)
            reading_store.record_node(connection, node_id=seat.node.id, learnt=learnt)
