"""What a range brings is stored together or not at all, whatever breaks in between."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError

from app.assessment.values import Result
from app.db import reading
from app.ingest.ledger_model import coverage, covered_range
from app.ingest.model import block, token, transfer
from app.ingest.read import ReadProgress
from app.ingest.store.coverage import covered_blocks
from chains.devnode import DevNode
from tests.ingest import lies
from tests.ingest.scene import AGREED_AT, DAY, Scene, count, covered, stored, truth
from tests.support.faulty_proxy import Exchange, FaultyProxy, capped_range, faulty_proxy

ROOT = Path(__file__).resolve().parents[2]
# Read before any range is, each in a transaction of its own: where the window starts.
OF_A_RANGE = (transfer, coverage, covered_range, token)


@pytest.fixture
def proxy(node: DevNode) -> Iterator[FaultyProxy]:
    with faulty_proxy(node) as running:
        yield running


def play(scene: Scene, *, payments: int = 3) -> None:
    for day in range(1, payments + 1):
        scene.pay(day, at=AGREED_AT + day * DAY)
        scene.bury(2)
    scene.bury(2)


def refuse(engine: Engine, table: str, *, when: str = "1 = 1") -> None:
    """A real constraint of the database that the insert breaks: a trigger, as schemas do have them."""
    if engine.dialect.name == "sqlite":
        trigger = f"CREATE TRIGGER refuse BEFORE INSERT ON {table} WHEN {when}"
        statements = [f"{trigger} BEGIN SELECT RAISE(ABORT, 'refused by the test'); END"]
    else:
        body = "BEGIN RAISE EXCEPTION 'refused by the test'; END"
        trigger = f"CREATE TRIGGER refuse BEFORE INSERT ON {table} FOR EACH ROW WHEN ({when})"
        statements = [
            f"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$",
            f"{trigger} EXECUTE FUNCTION refuse()",
        ]
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))


def allow(engine: Engine, table: str) -> None:
    target = "refuse" if engine.dialect.name == "sqlite" else f"refuse ON {table}"
    with engine.begin() as connection:
        connection.execute(sa.text(f"DROP TRIGGER {target}"))


def blocks_on_record(engine: Engine) -> set[int]:
    with reading(engine) as connection:
        return set(connection.execute(sa.select(block.c.number)).scalars())


@pytest.mark.parametrize("table", ["transfer", "coverage", "covered_range"])
def test_a_constraint_that_breaks_after_the_rows_undoes_them(scene: Scene, table: str) -> None:
    """Blocks, transfers, coverage and joined ranges go in in this order: whichever fails undoes all."""
    debt = scene.record_debt()
    play(scene)
    refuse(scene.engine, table)
    with pytest.raises(DBAPIError, match="refused by the test"):
        scene.follow()
    assert [count(scene.engine, each) for each in OF_A_RANGE] == [0, 0, 0, 0]
    # Only the two blocks around the start of the window, which were stored before any range.
    assert len(blocks_on_record(scene.engine)) == 2
    assert scene.assess(debt).result is Result.UNDETERMINED
    allow(scene.engine, table)
    assert scene.follow().failure is None
    start = covered(scene.engine, scene.creditor)[0].first
    assert stored(scene.engine) == truth(scene.node, scene.parties, first=start)
    assert scene.assess(debt).result is Result.PARTIAL


def test_an_earlier_range_stays_when_a_later_one_breaks(scene: Scene, proxy: FaultyProxy) -> None:
    debt = scene.record_debt()
    play(scene, payments=6)
    proxy.fail(capped_range(5, "the block range is limited to 5"))
    scene = scene.through(proxy.url)
    refuse(scene.engine, "transfer", when="(NEW.key >> 20 & 68719476735) > 16")
    with pytest.raises(DBAPIError, match="refused by the test"):
        scene.follow()
    (part,) = covered(scene.engine, scene.creditor)
    assert part.last < 17
    assert stored(scene.engine) == truth(scene.node, scene.parties, first=part.first, last=part.last)
    assert max(blocks_on_record(scene.engine)) == part.last
    found = scene.assess(debt)
    assert found.result is Result.PARTIAL
    assert found.as_of.timestamp() < scene.node.block(part.last).time
    allow(scene.engine, "transfer")
    scene.follow()
    assert stored(scene.engine) == truth(scene.node, scene.parties, first=part.first)


def test_whoever_watches_may_stop_it_between_ranges(sqlite_scene: Scene, proxy: FaultyProxy) -> None:
    """The progress call comes after the commit: an exception in it costs nothing that was read."""
    scene = sqlite_scene
    scene.record_debt()
    play(scene, payments=6)
    proxy.fail(capped_range(5, "the block range is limited to 5"))
    scene = scene.through(proxy.url)

    def stop(progress: ReadProgress) -> None:
        raise KeyboardInterrupt(progress.last_block)

    with pytest.raises(KeyboardInterrupt) as caught:
        scene.follow(stop)
    (part,) = covered(scene.engine, scene.creditor)
    assert caught.value.args == (part.last,)
    assert stored(scene.engine) == truth(scene.node, scene.parties, first=part.first, last=part.last)


# -- kill -9

READER = """
    import sys
    from app.clock import utc_now
    from app.db import make_engine, reading
    from app.ingest.follow import follow_chain
    from app.ingest.store.chains import chains
    from app.resources import Outside
    from chains.guard import EgressPolicy
    from chains.rpc import RpcLimits

    engine = make_engine(sys.argv[1])
    outside = Outside(egress=EgressPolicy.parse(sys.argv[2]), limits=RpcLimits())
    with reading(engine) as connection:
        (chain,) = chains(connection)
    print("reading", flush=True)
    report = follow_chain(engine=engine, chain=chain, outside=outside, clock=utc_now)
    print(report.failure, flush=True)
"""


def start_reader(scene: Scene, proxy: FaultyProxy) -> subprocess.Popen[bytes]:
    url = scene.engine.url.render_as_string(hide_password=False)
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(READER), url, f"127.0.0.1:{proxy.port}"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
    )


def wait_for_requests(proxy: FaultyProxy, *, more_than: int, reader: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while len(proxy.requests) <= more_than and reader.poll() is None:
        assert time.monotonic() < deadline, "the reader asks nothing"
        time.sleep(0.0005)


def hold(exchange: Exchange) -> None:
    """No answer for as long as the test lasts."""
    exchange.stopped.wait(20)


def test_killed_while_the_node_is_slow(scene: Scene, proxy: FaultyProxy) -> None:
    """SIGKILL in the middle of a pass, while it waits for an answer: what is there is whole."""
    scene.record_debt()
    play(scene, payments=8)
    scene = scene.through(proxy.url)
    capped = capped_range(4, "the block range is limited to 4")
    requests = 14
    proxy.fail(lies.turns(lambda number: hold if number >= requests else capped))
    with start_reader(scene, proxy) as reader:
        wait_for_requests(proxy, more_than=requests, reader=reader)
        reader.kill()
        assert reader.wait(10) == -9
    demand_whole(scene)
    proxy.heal()
    assert scene.follow().failure is None
    demand_whole(scene)
    assert len(covered(scene.engine, scene.creditor)) == 1


def test_killed_at_any_moment(sqlite_scene: Scene, proxy: FaultyProxy) -> None:
    """Several times in one database, some of them while it writes; then it finishes."""
    scene = sqlite_scene
    scene.record_debt()
    play(scene, payments=20)
    scene = scene.through(proxy.url)
    capped = capped_range(2, "the block range is limited to 2")
    kills = 0
    for round_number in range(3):
        proxy.fail(capped)
        start = len(proxy.requests)
        with start_reader(scene, proxy) as reader:
            assert reader.stdout is not None
            reader.stdout.readline()
            wait_for_requests(proxy, more_than=start + 14 + 3 * round_number, reader=reader)
            time.sleep(0.001 * round_number)
            reader.kill()
            kills += reader.wait(10) == -9
        demand_whole(scene)
    assert kills >= 2
    assert scene.follow().failure is None
    demand_whole(scene)
    assert len(covered(scene.engine, scene.creditor)) == 1


def demand_whole(scene: Scene) -> None:
    """Each covered range with all its transfers, none beyond one, and the joined ranges say the same."""
    for account in scene.parties:
        parts = covered(scene.engine, account)
        expected = set()
        for part in parts:
            expected |= truth(scene.node, [account], first=part.first, last=part.last)
        held = {each for each in stored(scene.engine) if account in (each.sender, each.recipient)}
        assert held == expected
        with reading(scene.engine) as connection:
            joined = covered_blocks(connection, chain_id=scene.chain.id, addresses=[account])
        assert joined[account] == parts
