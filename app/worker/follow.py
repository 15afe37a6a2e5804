"""Following one chain: wait for its lease, look for new blocks all the time, read when there is something.

A follower stores only under the chain's lease, so that any number of workers may follow the same chains.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass

import structlog
from sqlalchemy.engine import Engine

from app.db import reading
from app.errors import QuittanceError
from app.ingest.follow import ReadReport, follow_chain
from app.ingest.lease import Held, held_lease
from app.ingest.read import ReadProgress
from app.ingest.store import chains as chain_store
from app.ingest.store.chains import Chain, Node
from app.ingest.store.leases import LeaseLost, passes, record_pass, want_pass
from app.ingest.store.watches import wanted_signature
from app.ingest.tips import Tips
from app.resources import Resources
from chains.types import ChainId

log = structlog.get_logger(__name__)
# A node that fails is asked again after longer and longer waits, up to this.
FAILURE_PAUSE_SECONDS_MAX = 15.0
# Though nothing seems to have changed: whatever else made a gap is found then.
PASS_SECONDS_MAX = 60.0
# How soon what another process wants is noticed, where nodes are asked less often.
LOOK_SECONDS_MAX = 5.0
# A chain whose reading takes longer is sealed as far as it is read.
AWAIT_SECONDS_MAX = 60.0
AWAIT_PAUSE_SECONDS = 0.05
# So long the native coin is read before new tokens are looked for again: years of it take hours.
NATIVE_SECONDS_MAX = 20.0
# How soon a lease that nobody holds any more is noticed.
IDLE_PAUSE_SECONDS_MAX = 1.0


class ReadingStopped(Exception):
    """Somebody wants the reading to end; what was stored so far is whole."""


def read_under_lease(
    held: Held,
    *,
    chain: Chain,
    resources: Resources,
    is_over: Callable[[], bool],
    native_seconds: float = math.inf,
) -> ReadReport:
    """One pass. Raises ReadingStopped between two ranges once it `is_over`, and LeaseLost."""

    def demand_time(_: ReadProgress) -> None:
        if is_over():
            raise ReadingStopped

    return follow_chain(
        engine=held.engine,
        chain=chain,
        outside=resources.outside,
        clock=resources.clock,
        progress=demand_time,
        native_seconds=native_seconds,
    )


def complain(report: ReadReport, *, before: ReadReport | None = None) -> None:
    """Of what was said of the pass `before`, nothing is said again: a node may fail for months."""
    if report.failure is not None and (before is None or report.failure != before.failure):
        log.warning("chain not read", chain=str(report.chain), failure=report.failure)
    if report.native_failure is not None and (
        before is None or report.native_failure != before.native_failure
    ):
        log.warning("native coin not read", chain=str(report.chain), failure=report.native_failure)


def await_passes(
    engine: Engine, *, chain_ids: Sequence[ChainId], look: Callable[[], None], stop: threading.Event
) -> None:
    """Have each chain read anew by whoever follows it, and wait until that is done or takes too long."""
    with engine.begin() as connection:
        wanted = {chain_id: want_pass(connection, chain_id) for chain_id in sorted(chain_ids)}
    look()
    deadline = time.monotonic() + AWAIT_SECONDS_MAX
    while wanted and time.monotonic() < deadline and not stop.wait(AWAIT_PAUSE_SECONDS):
        with reading(engine) as connection:
            wanted = {
                chain_id: number
                for chain_id, number in wanted.items()
                if passes(connection, chain_id)[1] < number
            }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ledger:
    """What our own side says of a chain: how it is configured, and what is to be read. Both may change."""

    chain: Chain
    nodes: tuple[Node, ...]
    watched: tuple[object, ...]
    passes_wanted: int

    @property
    def setting(self) -> tuple[object, ...]:
        return (self.chain, tuple((node.id, node.url) for node in self.nodes))

    @property
    def wish(self) -> tuple[object, ...]:
        return (*self.watched, self.passes_wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Follower:
    """Follows one chain in one thread until `stop` is set. Setting `wake` makes it look at once."""

    chain_id: ChainId
    resources: Resources
    holder: str
    stop: threading.Event
    wake: threading.Event

    def run(self) -> None:
        idle = min(IDLE_PAUSE_SECONDS_MAX, self.resources.settings.lease_seconds / 3)
        failures = 0
        while not self.stop.is_set():
            try:
                self._follow_while_ours()
                failures = 0
            except ReadingStopped:
                failures = 0
            except LeaseLost as error:
                log.warning("a lease was lost", chain=str(self.chain_id), reason=str(error))
            except QuittanceError as error:
                failures += 1
                log.warning("reading was put off", chain=str(self.chain_id), reason=str(error))
            except Exception:
                failures += 1
                # A follower that dies in silence is worse than one that repeats its complaint.
                log.exception("reading failed", chain=str(self.chain_id))
            self._wait(max(idle, self._pause(failures)) if failures else idle)

    def _follow_while_ours(self) -> None:
        with held_lease(
            engine=self.resources.engine,
            chain_id=self.chain_id,
            holder=self.holder,
            seconds=self.resources.settings.lease_seconds,
            when_wanted=self.wake.set,
        ) as held:
            if held is None:
                return
            while not self._is_over(held) and (ledger := self._look(held)) is not None:
                tips = Tips(chain=ledger.chain, nodes=ledger.nodes, outside=self.resources.outside)
                with closing(tips):
                    self._watch(held, tips=tips, setting=ledger.setting)

    def _watch(self, held: Held, *, tips: Tips, setting: tuple[object, ...]) -> None:
        """Until it is over, or the chain is configured anew."""
        failures = native_failures = 0
        is_woken = False
        due_at = again_at = -math.inf
        read: tuple[object, ...] | None = None
        report: ReadReport | None = None
        wish: tuple[object, ...] | None = None
        while (ledger := self._look(held)) is not None and ledger.setting == setting:
            now = time.monotonic()
            if is_woken or now >= due_at or ledger.wish != wish:
                hashes, wish = tips.hashes(), ledger.wish
                if hashes is None or read != (hashes, wish) or now >= again_at:
                    report = self._read(held, ledger, before=report)
                    read = (hashes, wish) if report.failure is None else None
                    failures = 0 if report.failure is None else failures + 1
                    native_failures = 0 if report.native_failure is None else native_failures + 1
                    again_at = time.monotonic() + self._again(report, native_failures)
                due_at = time.monotonic() + self._pause(failures)
            is_woken = self._wait(min(due_at - time.monotonic(), LOOK_SECONDS_MAX))

    def _read(self, held: Held, ledger: _Ledger, *, before: ReadReport | None) -> ReadReport:
        report = read_under_lease(
            held,
            chain=ledger.chain,
            resources=self.resources,
            is_over=lambda: self._is_over(held),
            native_seconds=NATIVE_SECONDS_MAX,
        )
        with held.engine.begin() as connection:
            record_pass(connection, lease=held.lease, wanted=ledger.passes_wanted)
        complain(report, before=before)
        return report

    def _again(self, report: ReadReport, native_failures: int) -> float:
        """After how long to read though no block is new. A coin that is not read makes no token wait."""
        if report.is_native_cut_short:
            return 0
        return self._pause(native_failures) if native_failures else PASS_SECONDS_MAX

    def _look(self, held: Held) -> _Ledger | None:
        """None where it is over, or the chain is not there."""
        if held.look() or self._is_over(held):
            return None
        with reading(self.resources.engine) as connection:
            chain = chain_store.find_chain(connection, self.chain_id)
            if chain is None:
                return None
            return _Ledger(
                chain=chain,
                nodes=tuple(chain_store.nodes(connection, self.chain_id)),
                watched=wanted_signature(connection, self.chain_id),
                passes_wanted=passes(connection, self.chain_id)[0],
            )

    def _is_over(self, held: Held) -> bool:
        return self.stop.is_set() or held.wanted.is_set()

    def _pause(self, failures: int) -> float:
        usual = self.resources.settings.follow_seconds
        return max(usual, min(FAILURE_PAUSE_SECONDS_MAX, usual * (1 << min(failures, 10))))

    def _wait(self, seconds: float) -> bool:
        """Whether somebody woke us before the time."""
        is_woken = self.stop.is_set() or self.wake.wait(seconds)
        # Only now: a call that came during the work must not be lost before the wait.
        self.wake.clear()
        return is_woken
