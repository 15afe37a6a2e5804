"""Nodes that lag, mix up their chains, or tell two stories: coverage is never claimed on their word alone.

What a single node says consistently can't be caught here: that takes a second node, or the proof that the
headers carry. Everything in this file contradicts itself, the store, or the chain it was asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from app.assessment.values import Result
from app.db import reading
from app.ingest.ledger_model import coverage, time_mark
from app.ingest.model import block
from chains.devnode import DevNode
from chains.types import BlockRef
from tests.ingest import lies
from tests.ingest.judge import demand_truth
from tests.ingest.scene import AGREED_AT, DAY, UNIT, Scene, count, covered, first_of_window, stored
from tests.support.anvil import GENESIS_AT, anvil
from tests.support.faulty_proxy import (
    Exchange,
    FaultyProxy,
    altered_result,
    faulty_proxy,
    pass_on,
    status,
)


@pytest.fixture
def proxy(node: DevNode) -> Iterator[FaultyProxy]:
    with faulty_proxy(node) as running:
        yield running


@pytest.fixture(scope="module")
def other_chain(anvil_path: object) -> Iterator[DevNode]:
    """Longer than the scene's chain, with the same accounts and nothing on it."""
    with anvil(timestamp=GENESIS_AT + 7) as started:
        started.mine(40, seconds_apart=DAY // 2)
        yield started


def play(scene: Scene) -> None:
    """Three payments in the window, a day apart."""
    for day, units in ((1, 1), (2, 2), (3, 4)):
        scene.pay(units, at=AGREED_AT + day * DAY)
        scene.bury(2)
    scene.bury(2)


# -- a chain that was replaced beyond what counted as final


def test_a_reorg_beyond_finality_stops_the_chain(scene: Scene) -> None:
    debt = scene.record_debt()
    scene.pay(1, at=AGREED_AT + DAY)
    fork = scene.node.snapshot()
    scene.pay(2, at=AGREED_AT + 2 * DAY)
    scene.bury(8)
    scene.follow()
    before, read = stored(scene.engine), covered(scene.engine, scene.creditor)
    scene.node.revert(fork)
    scene.pay(4, at=AGREED_AT + 2 * DAY)
    scene.bury(12)
    report = scene.follow()
    assert report.failure is not None
    assert "though it was final" in report.failure
    # Nothing of the other chain was joined to what was read of this one.
    assert stored(scene.engine) == before
    assert covered(scene.engine, scene.creditor) == read
    assert report.transfers == 0
    # An as_of in the past is not answered from the other chain either.
    known = count(scene.engine, block)
    assert scene.assess(debt, as_of=AGREED_AT + 2 * DAY + 5000).result is Result.UNDETERMINED
    assert count(scene.engine, block) == known


def test_a_reorg_beyond_finality_to_a_shorter_chain(sqlite_scene: Scene) -> None:
    scene = sqlite_scene
    scene.record_debt()
    scene.pay(1, at=AGREED_AT + DAY)
    fork = scene.node.snapshot()
    scene.bury(9)
    scene.follow()
    read = covered(scene.engine, scene.creditor)
    scene.node.revert(fork)
    scene.node.mine(5, seconds_apart=60)
    # The blocks on record lie beyond its head: it may lag, or its chain may be another; it is not believed.
    report = scene.follow()
    assert report.failure is not None
    assert "does not have block" in report.failure
    assert covered(scene.engine, scene.creditor) == read
    scene.bind(scene.stranger)
    assert scene.follow().failure is not None
    assert covered(scene.engine, scene.stranger) == []
    scene.node.mine(read[-1].last - scene.node.block("finalized").number, seconds_apart=60)
    report = scene.follow()
    assert report.failure is not None
    assert "though it was final" in report.failure
    assert covered(scene.engine, scene.creditor) == read


def test_a_final_block_that_goes_back_takes_nothing_away(scene: Scene, proxy: FaultyProxy) -> None:
    scene.record_debt()
    play(scene)
    scene.follow()
    before, read = stored(scene.engine), covered(scene.engine, scene.creditor)
    rows = count(scene.engine, coverage)
    final = scene.node.block("finalized").number
    scene = scene.through(proxy.url)
    # Its head still has what is on record, only its word of what is final is older: nothing new, no fault.
    proxy.fail(lies.lagging(final + 1))
    report = scene.follow()
    assert (report.failure, report.final_block) == (None, final - 1)
    proxy.fail(lies.lagging(final - 4))
    report = scene.follow()
    assert report.failure is not None
    assert "does not have block" in report.failure
    assert (stored(scene.engine), covered(scene.engine, scene.creditor)) == (before, read)
    assert count(scene.engine, coverage) == rows


# -- a node that lags behind its siblings


@pytest.mark.parametrize("request_number", range(3, 14, 2))
def test_a_node_that_falls_back_in_mid_pass(
    sqlite_scene: Scene, proxy: FaultyProxy, request_number: int
) -> None:
    """From some request on the node knows fewer blocks than it called final."""
    scene = sqlite_scene.through(proxy.url)
    debt = scene.record_debt()
    play(scene)
    final = scene.node.block("finalized").number
    proxy.fail(lies.since(request_number, lies.lagging(final - 3)))
    report = scene.follow()
    demand_truth(scene)
    assert (report.failure is None) == (covered(scene.engine, scene.creditor) != [])
    found = scene.assess(debt)
    assert (found.result is Result.UNDETERMINED) == (report.failure is not None)
    proxy.heal()
    assert scene.follow().failure is None
    demand_truth(scene)
    assert scene.assess(debt).result is Result.PARTIAL


# -- a node that mixes up its chains

# The chain id, the head, the final block, the chain id again, the search for the start, logs, blocks, names.
REQUESTS = (0, 1, 2, 3, 4, 5, 7, 9, 11, 13)


@pytest.mark.parametrize("request_number", REQUESTS)
def test_a_node_that_switches_its_chain(
    sqlite_scene: Scene, proxy: FaultyProxy, other_chain: DevNode, request_number: int
) -> None:
    scene = sqlite_scene.through(proxy.url)
    scene.record_debt()
    play(scene)
    proxy.fail(lies.since(request_number, lies.answered_by(other_chain)))
    report = scene.follow()
    demand_truth(scene)
    # Asking for the tokens' names comes after the reading.
    done = covered(scene.engine, scene.creditor) != []
    assert done or report.failure is not None
    # Nor does it come in with the next pass, once something is on record.
    proxy.heal()
    assert scene.follow().failure is None
    scene.bury(3)
    proxy.fail(lies.since(1, lies.answered_by(other_chain)))
    assert scene.follow().failure is not None
    demand_truth(scene)


@pytest.mark.parametrize("request_number", REQUESTS)
def test_one_answer_of_another_chain(
    sqlite_scene: Scene, proxy: FaultyProxy, other_chain: DevNode, request_number: int
) -> None:
    """A single log answer of another chain, empty as it is, is what nobody could tell from a true one.

    Every other one is caught; and the logs themselves are, where they name a block.
    """
    scene = sqlite_scene.through(proxy.url)
    scene.record_debt()
    play(scene)
    proxy.fail(lies.only({request_number}, lies.answered_by(other_chain)))
    report = scene.follow()
    strayed = request_number < len(proxy.requests) and b"eth_getLogs" in proxy.requests[request_number]
    if not strayed:
        demand_truth(scene)
        assert report.failure is not None or covered(scene.engine, scene.creditor) != []


# -- blocks that contradict each other


def last_block(scene: Scene) -> BlockRef:
    return scene.node.block("finalized")


def test_a_transfer_moved_out_of_the_window_by_its_time(sqlite_scene: Scene, proxy: FaultyProxy) -> None:
    """A payment whose block claims a later time than the last one would drop out of every assessment."""
    scene = sqlite_scene
    scene = scene.through(proxy.url)
    debt = scene.record_debt()
    scene.pay(1, sender=scene.stranger, at=AGREED_AT + 60)
    paid = scene.pay(9_000 * UNIT, at=AGREED_AT + DAY)
    scene.bury(6)
    number = int(scene.node.receipt(paid)["blockNumber"], 16)
    # The start of the window is known already, so that no search for it stumbles over that block.
    proxy.fail(lies.on_method("eth_getLogs", status(404)))
    assert scene.follow().failure is not None
    for seconds in (400 * DAY, -2 * DAY):
        proxy.fail(lies.shifted_time({number}, seconds=seconds))
        report = scene.follow()
        assert report.failure is not None
        assert covered(scene.engine, scene.creditor) == []
        assert scene.assess(debt).result is Result.UNDETERMINED
    proxy.heal()
    assert scene.follow().failure is None
    assert scene.assess(debt).result is Result.FULL


def test_a_block_that_is_told_in_two_ways(scene: Scene, proxy: FaultyProxy) -> None:
    """On record with one time, answered with another: the same hash can't have both."""
    scene.record_debt()
    play(scene)
    scene.follow()
    read = covered(scene.engine, scene.creditor)
    scene.bind(scene.stranger)
    proxy.fail(lies.shifted_time({read[0].first}, seconds=1))
    report = scene.through(proxy.url).follow()
    assert report.failure is not None
    assert covered(scene.engine, scene.stranger) == []
    demand_truth(scene)


def test_a_first_block_that_does_not_follow_the_last(sqlite_scene: Scene, proxy: FaultyProxy) -> None:
    scene = sqlite_scene
    scene.record_debt()
    play(scene)
    scene.follow()
    read = covered(scene.engine, scene.creditor)
    scene.bury(4)
    following = read[-1].last + 1

    def orphaned(found: Any) -> Any:
        if found is not None and int(found["number"], 16) == following:
            found["parentHash"] = "0x" + "ab" * 32
        return found

    proxy.fail(altered_result("eth_getBlockByNumber", orphaned))
    report = scene.through(proxy.url).follow()
    assert report.failure is not None
    assert covered(scene.engine, scene.creditor) == read


def test_the_hash_of_a_block_with_another_number(scene: Scene, proxy: FaultyProxy) -> None:
    """The first block of new ones pretends to be one that was read before: no row can be both."""
    scene.record_debt()
    play(scene)
    scene.follow()
    read = covered(scene.engine, scene.creditor)
    scene.bury(8)
    known = scene.node.block(read[0].first).hash

    def pretender(found: Any) -> Any:
        if found is not None and int(found["number"], 16) == read[-1].last + 1:
            found["hash"] = str(known)
        return found

    proxy.fail(altered_result("eth_getBlockByNumber", pretender))
    report = scene.through(proxy.url).follow()
    assert report.failure is not None
    assert f"but {known} was answered" in report.failure
    assert covered(scene.engine, scene.creditor) == read
    demand_truth(scene)


def test_an_end_that_the_node_does_not_call_final_yet(sqlite_scene: Scene, proxy: FaultyProxy) -> None:
    """The store knows later blocks than this node's word of what is final: it can't vouch for b+1."""
    scene = sqlite_scene
    debt = scene.record_debt()
    play(scene)
    scene.bury(4)
    scene.follow()
    final = scene.node.block("finalized").number
    as_of = scene.node.block(final - 2).time
    scene = scene.through(proxy.url)
    proxy.fail(lies.lagging(final))
    assert scene.assess(debt, as_of=as_of).result is Result.UNDETERMINED
    proxy.heal()
    assert scene.assess(debt, as_of=as_of).result is Result.PARTIAL


# -- the search for the start of the window


@pytest.mark.parametrize("lasting", [False, True])
def test_a_start_that_moves_while_it_is_looked_for(
    sqlite_scene: Scene, proxy: FaultyProxy, *, lasting: bool
) -> None:
    """The search is led astray by three blocks, and the last look at what it found tells another story.

    Where all the rest of the pass tells the false story, it is the headers themselves that deny it.
    """
    scene = sqlite_scene.through(proxy.url)
    debt = scene.record_debt()
    play(scene)
    first = first_of_window(scene.node)
    older = lies.same_time(set(range(first, first + 3)), at=AGREED_AT - 1)

    def astray(exchange: Exchange) -> None:
        is_last_look = isinstance(exchange.asked, list) and len(exchange.asked) == 3
        (pass_on if is_last_look and not lasting else older)(exchange)

    proxy.fail(astray)
    report = scene.follow()
    with reading(scene.engine) as connection:
        marks = list(connection.execute(sa.select(time_mark.c.first_block)).scalars())
    assert report.failure is not None
    assert ("was answered" if lasting else "told two stories") in report.failure
    assert marks == [None]
    assert scene.assess(debt).result is Result.UNDETERMINED
    proxy.heal()
    assert scene.follow().failure is None
    found = scene.assess(debt)
    assert sum(payment.units for payment in found.attribution.payments) == 7
