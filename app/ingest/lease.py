"""Holding a chain's lease: taken, renewed beside the reading, and given back.

A holder reads through `Held.engine`, whose every storing transaction demands the lease first. So what he
read while he had it is stored, and nothing that he brings after it passed to another.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

import structlog
from sqlalchemy.engine import Connection, Engine

from app.db import guarded, reading
from app.db_errors import DatabaseProblem
from app.errors import EnvironmentProblem
from app.ingest.store.leases import (
    Lease,
    LeaseLost,
    demand_lease,
    is_asked_for,
    release_lease,
    take_lease,
)
from chains.types import ChainId

log = structlog.get_logger(__name__)
# Two renewals may fail before a lease ends.
RENEWALS_PER_LIFE = 3
ASK_PAUSE_SECONDS_MAX = 0.2


class ChainIsRead(EnvironmentProblem):
    """Another one is reading the chain, and did not give it up in time."""

    def __init__(self, chain: ChainId) -> None:
        super().__init__(f"{chain} is being read by another worker, which did not give it up in time.")
        self.chain = chain


def new_holder() -> str:
    """A name for a worker that no other one ever had."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(8)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A lease while it is held. Once `wanted` is set, another one has it or asks for it: give it up."""

    lease: Lease
    engine: Engine
    wanted: threading.Event = field(default_factory=threading.Event)

    def look(self) -> bool:
        """Ask now whether it is wanted."""
        with reading(self.engine) as connection:
            if is_asked_for(connection, self.lease):
                self.wanted.set()
        return self.wanted.is_set()


@contextmanager
def held_lease(
    *,
    engine: Engine,
    chain_id: ChainId,
    holder: str,
    seconds: float,
    asks: bool = False,
    when_wanted: Callable[[], None] = lambda: None,
) -> Iterator[Held | None]:
    """The chain's lease for as long as the context lasts; None if another one holds it.

    `when_wanted` is called, from another thread, when `wanted` is set.
    """
    with engine.begin() as connection:
        lease = take_lease(
            connection,
            chain_id=chain_id,
            holder=holder,
            time_to_live=timedelta(seconds=seconds),
            asks=asks,
        )
    if lease is None:
        yield None
        return
    held = Held(lease=lease, engine=guarded(engine, guard=partial(demand_lease, lease=lease)))
    stop = threading.Event()
    name = f"lease {chain_id}"
    keeper = threading.Thread(target=_keep, args=(held, stop, when_wanted), name=name, daemon=True)
    keeper.start()
    try:
        yield held
    finally:
        stop.set()
        keeper.join()
        _release(engine, lease)


@contextmanager
def lease_asked_for(
    *,
    engine: Engine,
    chain_id: ChainId,
    holder: str,
    seconds: float,
    demand: Callable[[Connection], None] = lambda _: None,
) -> Iterator[Held]:
    """The same for one whom the others let in: waits for the holder to give it up. Raises ChainIsRead.

    The holder ends the range that he is reading, and that may take as long as a node may take to answer.
    What `demand` raises ends the waiting.
    """
    asking = guarded(engine, guard=demand)
    deadline = time.monotonic() + 4 * seconds + 60
    while time.monotonic() < deadline:
        with asking.begin():
            pass
        with held_lease(engine=engine, chain_id=chain_id, holder=holder, seconds=seconds, asks=True) as held:
            if held is not None:
                yield held
                return
        time.sleep(min(ASK_PAUSE_SECONDS_MAX, seconds / RENEWALS_PER_LIFE))
    raise ChainIsRead(chain_id)


def _keep(held: Held, stop: threading.Event, when_wanted: Callable[[], None]) -> None:
    """Renew until told to stop. A node may take longer to answer than a lease lasts."""
    pause = held.lease.time_to_live / timedelta(seconds=1) / RENEWALS_PER_LIFE
    while not stop.wait(pause):
        try:
            with held.engine.begin():
                pass  # The guard of this engine renews the lease.
            if held.look():
                when_wanted()
        except LeaseLost:
            held.wanted.set()
            when_wanted()
            return
        except DatabaseProblem as error:
            log.warning("a lease was not renewed", chain=str(held.lease.chain), reason=str(error))


def _release(engine: Engine, lease: Lease) -> None:
    try:
        with engine.begin() as connection:
            release_lease(connection, lease)
    except DatabaseProblem as error:
        # It ends by itself.
        log.warning("a lease was not given back", chain=str(lease.chain), reason=str(error))
