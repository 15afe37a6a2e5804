"""The lease of a chain: one holder at a time, and nothing is stored by one who no longer has it."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from functools import partial

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from app.db import guarded, reading
from app.ingest.lease import held_lease, lease_asked_for
from app.ingest.model import block
from app.ingest.store.leases import (
    Lease,
    LeaseLost,
    demand_lease,
    is_asked_for,
    passes,
    record_pass,
    release_lease,
    take_lease,
    want_pass,
)
from tests.ingest.scene import Scene, count

SHORT = timedelta(milliseconds=200)
LONG = timedelta(seconds=60)


def take(scene: Scene, holder: str, *, life: timedelta = LONG, asks: bool = False) -> Lease | None:
    with scene.engine.begin() as connection:
        return take_lease(connection, chain_id=scene.chain.id, holder=holder, time_to_live=life, asks=asks)


def taken(scene: Scene, holder: str, *, life: timedelta = LONG, asks: bool = False) -> Lease:
    lease = take(scene, holder, life=life, asks=asks)
    assert lease is not None
    return lease


def holding(engine: Engine, lease: Lease) -> Engine:
    return guarded(engine, guard=partial(demand_lease, lease=lease))


def test_one_holds_it_until_he_gives_it_up(scene: Scene) -> None:
    first = taken(scene, "a")
    assert take(scene, "b") is None
    assert take(scene, "a") is None
    with scene.engine.begin() as connection:
        release_lease(connection, first)
    second = taken(scene, "b")
    assert (first.epoch, second.epoch) == (1, 2)


def test_one_who_was_away_too_long_stores_nothing(scene: Scene) -> None:
    """Though his name is the same as the new holder's."""
    sleeper = taken(scene, "a", life=SHORT)
    time.sleep(0.3)
    taken(scene, "a")
    before = count(scene.engine, block)
    with pytest.raises(LeaseLost), holding(scene.engine, sleeper).begin() as connection:
        connection.execute(sa.delete(block))
    assert count(scene.engine, block) == before
    with reading(holding(scene.engine, sleeper)) as connection:
        assert is_asked_for(connection, sleeper)
    with scene.engine.begin() as connection:
        release_lease(connection, sleeper)
    assert take(scene, "b") is None, "he gave away what was not his"


def test_one_who_was_away_too_long_goes_on_if_nobody_came(scene: Scene) -> None:
    lease = taken(scene, "a", life=SHORT)
    time.sleep(0.3)
    with holding(scene.engine, lease).begin():
        assert True
    assert take(scene, "b") is None, "storing renews it"


def test_nobody_takes_it_while_its_holder_stores(scene: Scene) -> None:
    if scene.engine.dialect.name == "sqlite":
        # There, nobody else writes at all meanwhile.
        return
    lease = taken(scene, "a", life=timedelta(seconds=1.5))
    with holding(scene.engine, lease).begin() as connection:
        # At work, not idle: an idle session would be ended.
        connection.execute(sa.select(sa.func.pg_sleep(1.7)))
        assert take(scene, "b") is None


def test_who_asks_goes_first(scene: Scene) -> None:
    lease = taken(scene, "a")
    assert take(scene, "c", asks=True) is None
    with reading(scene.engine) as connection:
        assert is_asked_for(connection, lease)
    with scene.engine.begin() as connection:
        release_lease(connection, lease)
    assert take(scene, "b") is None
    assert taken(scene, "c", asks=True).epoch == 2


def test_a_holder_who_is_asked_gives_it_up(scene: Scene) -> None:
    engine, chain_id = scene.engine, scene.chain.id
    asked = threading.Event()

    def hold() -> None:
        with held_lease(
            engine=engine, chain_id=chain_id, holder="a", seconds=0.6, when_wanted=asked.set
        ) as held:
            assert held is not None
            ready.set()
            assert held.wanted.wait(10)

    ready = threading.Event()
    holder = threading.Thread(target=hold)
    holder.start()
    assert ready.wait(10)
    with lease_asked_for(engine=engine, chain_id=chain_id, holder="b", seconds=0.6) as mine:
        assert mine.lease.epoch == 2
        assert asked.is_set()
    holder.join(10)


def test_passes_are_counted_as_they_are_wanted(scene: Scene) -> None:
    lease = taken(scene, "a")
    with scene.engine.begin() as connection:
        assert [want_pass(connection, scene.chain.id) for _ in range(2)] == [1, 2]
        record_pass(connection, lease=lease, wanted=1)
        assert passes(connection, scene.chain.id) == (2, 1)
        record_pass(connection, lease=lease, wanted=0)
        assert passes(connection, scene.chain.id) == (2, 1)
