"""Answers about logs that can't be true, or that differ from what is on record: nothing of them is stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from app.assessment.values import Result
from chains.devnode import DevNode
from chains.types import Address
from tests.ingest import lies
from tests.ingest.judge import demand_truth
from tests.ingest.scene import AGREED_AT, DAY, Scene, covered, stored, truth
from tests.support.faulty_proxy import Fault, FaultyProxy, faulty_proxy


@pytest.fixture
def proxy(node: DevNode) -> Iterator[FaultyProxy]:
    with faulty_proxy(node) as running:
        yield running


def play(scene: Scene) -> None:
    """Three payments in the window, a day apart."""
    for day, units in ((1, 1), (2, 2), (3, 4)):
        scene.pay(units, at=AGREED_AT + day * DAY)
        scene.bury(2)
    scene.bury(2)


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
