"""Reading one chain through its configured nodes: what is final for good, what is above it provisionally."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from sqlalchemy.engine import Engine

from app.clock import Clock
from app.db import reading
from app.ingest.answer import Writer
from app.ingest.belief import Belief
from app.ingest.live import forget_head, read_head
from app.ingest.locate import Located, located_watches
from app.ingest.naming import name_tokens
from app.ingest.native import NativeReport, read_native
from app.ingest.order import ChainReplaced, demand_one_chain
from app.ingest.panel import Panel, Seat, open_panel, two_chains
from app.ingest.read import Pass, Progress, ReadProgress
from app.ingest.receipts import ReceiptsCheck
from app.ingest.store.chains import Chain
from app.ingest.store.disagreements import add_disagreement, contradicted_nodes
from app.ingest.store.native_setting import is_native_read
from app.resources import Outside
from chains.errors import ChainError, NodeError
from chains.types import BlockRef, ChainId


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadReport:
    """What one pass over a chain did. `failure` None: nothing that is final is left unread.

    `native_failure` says the same of the native coin, which is read apart and holds up nothing; where it
    `is_native_cut_short`, the time for it was up, and the next pass goes on from there.
    """

    chain: ChainId
    head_block: int | None
    final_block: int | None
    transfers: int
    failure: str | None
    native_failure: str | None = None
    is_native_cut_short: bool = False


def no_progress(_: ReadProgress) -> None:
    """For whoever does not watch."""


def follow_chain(
    *,
    engine: Engine,
    chain: Chain,
    outside: Outside,
    clock: Clock,
    progress: Progress = no_progress,
    native_seconds: float = math.inf,
) -> ReadReport:
    """Read what is missing. What no node answers stays a gap, and is reported.

    The native coin is read for so long: whoever follows a chain does not let its tokens wait for it.
    """
    writer = Writer(engine=engine, chain=chain, clock=clock)
    with open_panel(engine=engine, chain=chain, outside=outside, clock=clock) as panel:
        rules = panel.rules
        if rules.stopped_at is not None:
            return _unread(chain, failure=f"{chain.id} is stopped: {'; '.join(panel.failures)}")
        final = _agreed_final(panel, writer=writer)
        if final is None:
            return _unread(chain, failure=_too_few(panel))
        belief = _belief(panel, writer=writer, permille=outside.receipts_permille)
        this = Pass(belief=belief, final=final, progress=progress)
        unread = _read_final(this, panel=panel)
        if not unread:
            forget_head(writer=writer, last=final.number)
        failure = "; ".join([*panel.failures, *unread]) if unread else None
        native = _read_native(this, panel=panel, seconds=native_seconds)
        return ReadReport(
            chain=chain.id,
            head_block=max(seat.head.number for seat in panel.seats),
            final_block=final.number,
            transfers=this.transfers,
            failure=failure,
            native_failure=native.failure,
            is_native_cut_short=native.is_cut_short,
        )


def _belief(panel: Panel, *, writer: Writer, permille: int) -> Belief:
    with reading(writer.engine) as connection:
        caught = contradicted_nodes(connection, chain_id=writer.chain.id, kind="receipts")
    return Belief(panel=panel, writer=writer, check=ReceiptsCheck(permille=permille), caught=caught)


def _agreed_final(panel: Panel, *, writer: Writer) -> BlockRef | None:
    """The newest block that enough nodes call final, or have below what they call final."""
    needed = panel.rules.agreement
    if needed == 1:
        return panel.readers[0].final if panel.readers else None
    denials: list[tuple[Seat, ChainReplaced]] = []
    for candidate in sorted(panel.readers, key=lambda seat: -seat.final.number):
        holders, denials = _holders(panel, candidate=candidate, needed=needed)
        if len(holders) >= needed:
            for seat, denial in denials:
                _put_on_record(writer, denial, between=(candidate, seat))
                seat.fail(denial)
            return candidate.final
        for seat, denial in denials:
            _put_on_record(writer, denial, between=(candidate, seat))
    return None


def _holders(
    panel: Panel, *, candidate: Seat, needed: int
) -> tuple[list[Seat], list[tuple[Seat, ChainReplaced]]]:
    """Who has this node's final block, until they are enough, and who has another one in its place."""
    holders, denials = [candidate], []
    for seat in panel.readers_of(candidate.final):
        if seat is candidate or len(holders) >= needed:
            continue
        try:
            demand_one_chain([candidate.final, _block_of(seat, candidate.final.number)])
            holders.append(seat)
        except ChainReplaced as error:
            denials.append((seat, error))
        except ChainError as error:
            seat.fail(error)
    return holders, denials


def _block_of(seat: Seat, number: int) -> BlockRef:
    return seat.final if seat.final.number == number else seat.client.block(number)


def _put_on_record(writer: Writer, denial: ChainReplaced, *, between: tuple[Seat, Seat]) -> None:
    nodes = " and ".join(seat.client.rpc.node for seat in between)
    with writer.engine.begin() as connection:
        new = two_chains(denial, detail=f"{nodes}: {denial}")
        add_disagreement(connection, chain_id=writer.chain.id, new=new, now=writer.clock())


def _read_final(this: Pass, *, panel: Panel) -> list[str]:
    """Everything up to the final block, then the head. Returns why something final is missing still."""
    writer = this.belief.writer
    located = _located(this, panel=panel)
    if located is None:
        return ["too few nodes told where the windows begin"]
    watches = located.watches
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
    if located.left:
        unread.append(f"no node told where {located.left} of the windows begin")
    return unread


def _read_native(this: Pass, *, panel: Panel, seconds: float) -> NativeReport:
    """The native coin by the first node that can, up to the same block, after everything else.

    A node that fails at it has not failed: many have neither traces nor old states. Where several have to
    agree, so many have to have the same blocks.
    """
    writer = this.belief.writer
    with reading(writer.engine) as connection:
        is_read = is_native_read(connection, writer.chain.id)
    readers = panel.readers_of(this.final)
    failures: list[str] = []

    def add_up(read: ReadProgress) -> None:
        # Who watches sees one pass: what was found of tokens is not gone while the coin is read.
        this.progress(replace(read, transfers=this.transfers + read.transfers))

    for seat in readers if is_read else ():
        witnesses = [each.client for each in readers if each is not seat][: panel.rules.agreement - 1]
        if 1 + len(witnesses) < panel.rules.agreement:
            break
        report = read_native(
            engine=writer.engine,
            client=seat.client,
            witnesses=witnesses,
            chain=writer.chain,
            final=this.final,
            clock=writer.clock,
            progress=add_up,
            seconds=seconds,
        )
        if report.failure is None:
            return report
        failures.append(report.failure)
    said = "; ".join(failures) or (_too_few(panel) if is_read else None)
    return NativeReport(transfers=0, tenders=0, failure=said, is_cut_short=False)


def _located(this: Pass, *, panel: Panel) -> Located | None:
    """The accounts whose window has begun; None where too few nodes could be asked."""
    writer = this.belief.writer
    found: Located | None = None
    asked: list[Seat] = []
    # Each turn leaves one node fewer: it fails, or has told all that it can.
    while seat := next((each for each in panel.readers_of(this.final) if each not in asked), None):
        readers = [seat, *(each for each in panel.readers_of(this.final) if each is not seat)]
        if len(readers) < panel.rules.agreement:
            return None
        witnesses = readers[1 : panel.rules.agreement]
        try:
            found = located_watches(
                engine=writer.engine,
                client=seat.client,
                witnesses=[each.client for each in witnesses],
                chain=writer.chain.id,
                final=this.final,
                rules=panel.rules,
                clock=writer.clock,
            )
        except NodeError as error:
            next((each for each in readers if each.client.rpc.node == error.node), seat).fail(error)
        except ChainError as error:
            seat.fail(error)
        else:
            if not found.left:
                return found
            asked.append(seat)
    return found


def _too_few(panel: Panel) -> str:
    needed, answered = panel.rules.agreement, len(panel.readers)
    said = "; ".join(panel.failures)
    if needed == 1:
        return said or "no node is configured"
    if answered >= needed:
        return "; ".join(["the nodes disagree on what is final", *panel.failures])
    return f"{answered} of the {needed} nodes that have to agree answered: {said}"


def _unread(chain: Chain, *, failure: str) -> ReadReport:
    return ReadReport(chain=chain.id, head_block=None, final_block=None, transfers=0, failure=failure)
