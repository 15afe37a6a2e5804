"""Nodes that lag, mix up their chains, or tell two stories: coverage is never claimed on their word alone.

What a single node says consistently can't be caught here: that takes a second node, or the proof that the
headers carry. Everything in this file contradicts itself, the store, or the chain it was asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from app.assessment.values import Result
from app.db import reading
from app.ingest.model import coverage, time_mark
from chains.devnode import DevNode
from chains.types import Address, BlockRef
from tests.ingest import lies
from tests.ingest.judge import demand_truth
from tests.ingest.scene import AGREED_AT, DAY, UNIT, Scene, count, covered, first_of_window, stored, truth
from tests.support.anvil import GENESIS_AT, anvil
from tests.support.faulty_proxy import (
    Exchange,
    Fault,
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
    scene.bury(4)
    scene.follow()
    before, read = stored(scene.engine), covered(scene.engine, scene.creditor)
    scene.node.revert(fork)
    scene.pay(4, at=AGREED_AT + 2 * DAY)
    scene.bury(9)
    report = scene.follow()
    assert report.failure is not None
    assert "though it was final" in report.failure
    # Nothing of the other chain was joined to what was read of this one.
    assert stored(scene.engine) == before
    assert covered(scene.engine, scene.creditor) == read
    assert report.transfers == 0
    # An as_of in the past is not answered from the other chain either.
    found = scene.assess(debt, as_of=AGREED_AT + 2 * DAY + 5000)
    assert found.result in {Result.UNDETERMINED, Result.PARTIAL}
    if found.result is Result.PARTIAL:
        assert sum(payment.units for payment in found.attribution.payments) == 3


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
    # The blocks on record lie beyond its final one, so that nothing shows it yet; nothing is claimed either.
    assert scene.follow().failure is None
    assert covered(scene.engine, scene.creditor) == read
    scene.node.mine(read[-1].last - scene.node.block("finalized").number, seconds_apart=60)
    report = scene.follow()
    assert report.failure is not None
    assert "though it was final" in report.failure
    assert covered(scene.engine, scene.creditor) == read


def test_a_final_block_that_goes_back_takes_nothing_away(sqlite_scene: Scene, proxy: FaultyProxy) -> None:
    scene = sqlite_scene
    scene.record_debt()
    play(scene)
    scene.follow()
    before, read = stored(scene.engine), covered(scene.engine, scene.creditor)
    rows = count(scene.engine, coverage)
    proxy.fail(lies.lagging(scene.node.block("finalized").number - 4))
    report = scene.through(proxy.url).follow()
    assert report.failure is None
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


# -- the search for the start of the window


@pytest.mark.parametrize("lasting", [False, True])
def test_a_start_that_moves_while_it_is_looked_for(
    sqlite_scene: Scene, proxy: FaultyProxy, *, lasting: bool
) -> None:
    """The search is led astray by three blocks, and the last look at what it found tells another story.

    Where all the rest of the pass tells the false story, one node may tell it for ever: then the start is
    wrong on record, and it takes another node, or the headers themselves, to see that.
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
    if lasting:
        assert marks == [first + 3]
        return
    assert report.failure is not None
    assert "told two stories" in report.failure
    assert marks == [None]
    assert scene.assess(debt).result is Result.UNDETERMINED
    proxy.heal()
    assert scene.follow().failure is None
    found = scene.assess(debt)
    assert sum(payment.units for payment in found.attribution.payments) == 7


# -- logs


TRANSFER_TOPIC = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
OTHER_HASH = "0x" + "cd" * 32
LOG_LIES: dict[str, Callable[[list[Any]], Any]] = {
    "another block hash": lambda logs: [{**log, "blockHash": "0x" + "cd" * 32} for log in logs],
    "one of another hash": lambda logs: (
        [{**log, "blockHash": "0x" + "cd" * 32} for log in logs[:1]] + logs[1:]
    ),
    "another block number": lambda logs: [
        {**log, "blockNumber": hex(int(log["blockNumber"], 16) - 1)} for log in logs
    ],
    "beyond the range": lambda logs: [{**log, "blockNumber": "0xffff"} for log in logs],
    "of other accounts": lambda logs: [
        {**log, "topics": [log["topics"][0], "0x" + "00" * 12 + "77" * 20, "0x" + "00" * 12 + "78" * 20]}
        for log in logs
    ],
    "of another event": lambda logs: [
        {**log, "topics": ["0x" + "12" * 32, *log["topics"][1:]]} for log in logs
    ],
    "removed": lambda logs: [{**log, "removed": True} for log in logs],
    "two with one index": lambda logs: [*logs, *({**log, "data": "0x" + "00" * 31 + "07"} for log in logs)],
    "not an object": lambda logs: [*logs, "0x"],
    "no list": lambda logs: {"logs": logs},
    "null": lambda _: None,
    "an index beyond any": lambda logs: [{**log, "logIndex": hex(2**31)} for log in logs],
    "no index": lambda logs: [{**log, "logIndex": None} for log in logs],
    "no topics": lambda logs: [{**log, "topics": []} for log in logs],
    "an amount too wide": lambda logs: [{**log, "data": "0x" + "0g" * 32} for log in logs],
}


@pytest.mark.parametrize("name", LOG_LIES)
def test_logs_that_were_not_asked_for(sqlite_scene: Scene, proxy: FaultyProxy, name: str) -> None:
    scene = sqlite_scene.through(proxy.url)
    debt = scene.record_debt()
    play(scene)
    proxy.fail(lies.logs_changed(LOG_LIES[name]))
    report = scene.follow()
    assert report.failure is not None
    assert (stored(scene.engine), covered(scene.engine, scene.creditor)) == (set(), [])
    assert scene.assess(debt).result is Result.UNDETERMINED


HARMLESS: dict[str, Fault] = {
    "reordered": lies.logs_changed(lambda logs: logs[::-1]),
    "repeated": lies.logs_changed(lambda logs: [*logs, *logs]),
    "in capitals": lies.logs_changed(
        lambda logs: [{**log, "address": "0x" + log["address"][2:].upper()} for log in logs]
    ),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_what_changes_no_fact_is_taken(sqlite_scene: Scene, proxy: FaultyProxy, name: str) -> None:
    scene = sqlite_scene.through(proxy.url)
    scene.record_debt()
    play(scene)
    proxy.fail(HARMLESS[name])
    assert scene.follow().failure is None
    assert {each.amount_units for each in stored(scene.engine)} == {1, 2, 4}
    demand_truth(scene)


def test_a_hidden_log_goes_unnoticed_by_one_node(sqlite_scene: Scene, proxy: FaultyProxy) -> None:
    """The known limit, written down: the grade says `provider-reported` because of it."""
    scene = sqlite_scene.through(proxy.url)
    debt = scene.record_debt()
    play(scene)
    proxy.fail(lies.logs_changed(lambda logs: logs[:-1]))
    assert scene.follow().failure is None
    assert {each.amount_units for each in stored(scene.engine)} == {1, 2}
    found = scene.assess(debt)
    assert found.result is Result.PARTIAL
    assert found.grade is not None
    assert found.grade.value == "provider-reported"


def between(scene: Scene) -> Address:
    """A wallet that the creditor declares late, and that paid and was paid by watched accounts before."""
    scene.token.transfer(sender=scene.stranger, to=scene.creditor, units=8, at=AGREED_AT + 10 * DAY)
    scene.token.transfer(sender=scene.debtor, to=scene.stranger, units=16, at=AGREED_AT + 11 * DAY)
    scene.bury(4)
    return scene.stranger


def test_a_log_that_is_hidden_and_known_from_another_account(sqlite_scene: Scene, proxy: FaultyProxy) -> None:
    """What is on record from reading one party has to be in the answer for the other."""
    scene = sqlite_scene
    scene.record_debt()
    wallet = between(scene)
    scene.follow()
    before = stored(scene.engine)
    scene.bind(wallet)
    proxy.fail(lies.logs_changed(lambda logs: logs[1:]))
    report = scene.through(proxy.url).follow()
    assert report.failure is not None
    assert "on record" in report.failure
    assert covered(scene.engine, wallet) == []
    assert stored(scene.engine) == before


def test_a_transfer_that_is_told_in_two_ways(scene: Scene, proxy: FaultyProxy) -> None:
    scene.record_debt()
    wallet = between(scene)
    scene.follow()
    before = stored(scene.engine)
    scene.bind(wallet)

    def doubled(logs: list[Any]) -> list[Any]:
        return [{**log, "data": "0x" + f"{2 * int(log['data'], 16):064x}"} for log in logs]

    proxy.fail(lies.logs_changed(doubled))
    report = scene.through(proxy.url).follow()
    assert report.failure is not None
    assert "on record" in report.failure
    assert covered(scene.engine, wallet) == []
    assert stored(scene.engine) == before
    proxy.heal()
    assert scene.through(proxy.url).follow().failure is None
    assert stored(scene.engine) == {
        each for each in truth(scene.node, {*scene.parties, wallet}) if each.block_time >= AGREED_AT
    }


def test_a_transfer_with_the_place_of_another(scene: Scene, proxy: FaultyProxy) -> None:
    """The same block and index as a transfer on record, between quite other accounts."""
    scene.record_debt()
    scene.pay(1, at=AGREED_AT + DAY)
    scene.bury(3)
    scene.follow()
    before = stored(scene.engine)
    scene.bind(scene.stranger)
    paid = next(iter(before))

    def invented(_: list[Any]) -> list[Any]:
        topic = "0x" + "00" * 12 + scene.stranger.hex()
        return [
            {
                "address": str(scene.token.address),
                "topics": [
                    "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef",
                    topic,
                    topic,
                ],
                "data": "0x" + "00" * 31 + "63",
                "blockNumber": hex(paid.block_number),
                "blockHash": str(paid.block_hash),
                "transactionHash": str(paid.tx_hash),
                "logIndex": hex(paid.log_index),
            }
        ]

    proxy.fail(lies.logs_changed(invented))
    report = scene.through(proxy.url).follow()
    assert report.failure is not None
    assert "on record" in report.failure
    assert covered(scene.engine, scene.stranger) == []
    assert stored(scene.engine) == before
