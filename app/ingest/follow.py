"""Reading one chain through its configured nodes: what is final for good, what is above it provisionally."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.engine import Engine

from app.clock import Clock
from app.ingest.answer import Writer
from app.ingest.belief import Belief
from app.ingest.live import forget_head, read_head
from app.ingest.locate import located_watches
from app.ingest.naming import name_tokens
from app.ingest.order import demand_one_chain
from app.ingest.panel import Panel, Seat, open_panel
from app.ingest.read import Pass, Progress, ReadProgress
from app.ingest.receipts import ReceiptsCheck
from app.ingest.store.chains import Chain
from app.ingest.store.watches import Watch
from app.resources import Outside
from chains.errors import ChainError
from chains.types import BlockRef, ChainId


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadReport:
    """What one pass over a chain did. `failure` None: nothing that is final is left unread."""

    chain: ChainId
    head_block: int | None
    final_block: int | None
    transfers: int
    failure: str | None


def no_progress(_: ReadProgress) -> None:
    """For whoever does not watch."""


def follow_chain(
    *,
    engine: Engine,
    chain: Chain,
    outside: Outside,
    clock: Clock,
    progress: Progress = no_progress,
) -> ReadReport:
    """Read what is missing. What no node answers stays a gap, and is reported."""
    writer = Writer(engine=engine, chain=chain, clock=clock)
    with open_panel(engine=engine, chain=chain, outside=outside, clock=clock) as panel:
        rules = panel.rules
        if rules.stopped_at is not None:
            return _unread(chain, failure=f"{chain.id} is stopped: {'; '.join(panel.failures)}")
        final = _agreed_final(panel)
        if final is None:
            return _unread(chain, failure=_too_few(panel))
        check = ReceiptsCheck(permille=outside.receipts_permille)
        belief = Belief(panel=panel, writer=writer, check=check)
        this = Pass(belief=belief, final=final, progress=progress)
        unread = _read_final(this, panel=panel)
        if not unread:
            forget_head(writer=writer, last=final.number)
        return ReadReport(
            chain=chain.id,
            head_block=max(seat.head.number for seat in panel.seats),
            final_block=final.number,
            transfers=this.transfers,
            failure="; ".join([*panel.failures, *unread]) if unread else None,
        )


def _agreed_final(panel: Panel) -> BlockRef | None:
    """The final block of as many nodes as have to agree; one that has another there is left out."""
    while (target := panel.target) is not None:
        if all(_has(seat, target.final) for seat in panel.readers[: panel.rules.agreement]):
            return target.final
    return None


def _has(seat: Seat, final: BlockRef) -> bool:
    """Whether a node has this block; if not, it is not asked any more."""
    if seat.final.number == final.number and seat.final.hash == final.hash:
        return True
    try:
        demand_one_chain([final, seat.client.block(final.number)])
    except ChainError as error:
        seat.fail(error)
        return False
    return True


def _read_final(this: Pass, *, panel: Panel) -> list[str]:
    """Everything up to the final block, then the head. Returns why something final is missing still."""
    writer = this.belief.writer
    watches = _located(this, panel=panel)
    if watches is None:
        return ["no node told where the windows begin"]
    unread = this.read(watches)
    for seat in panel.readers[:1]:
        try:
            name_tokens(
                engine=writer.engine,
                client=seat.client,
                chain=writer.chain.id,
                final=this.final,
                clock=writer.clock,
            )
            if not unread and watches:
                addresses = [watch.address for watch in watches]
                read_head(seat=seat, writer=writer, addresses=addresses, final=this.final)
        except ChainError as error:
            seat.fail(error)
    return unread


def _located(this: Pass, *, panel: Panel) -> Sequence[Watch] | None:
    """The accounts whose window has begun; None where no node could be asked."""
    writer = this.belief.writer
    for seat in panel.readers:
        try:
            return located_watches(
                engine=writer.engine,
                client=seat.client,
                chain=writer.chain.id,
                final=this.final,
                clock=writer.clock,
            )
        except ChainError as error:
            seat.fail(error)
    return None


def _too_few(panel: Panel) -> str:
    needed = panel.rules.agreement
    answered = len(panel.readers)
    said = "; ".join(panel.failures) or "no node is configured"
    return said if needed == 1 else f"{answered} of the {needed} nodes that have to agree answered: {said}"


def _unread(chain: Chain, *, failure: str) -> ReadReport:
    return ReadReport(chain=chain.id, head_block=None, final_block=None, transfers=0, failure=failure)
