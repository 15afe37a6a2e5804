"""A node that leaves logs out, or alters a block, against its own receipts: one node is enough to see it.

Each lie is told twice: with every block checked, where it is caught, and with none, where it is not. So it is
the check that finds it.
"""

from __future__ import annotations

import json
from itertools import cycle
from typing import Any

import pytest

from app.assessment.values import Result
from app.db import reading
from app.debts.terms import Debt
from app.ingest.gaps import gaps_of
from app.ingest.hashed import NOT_HASHED
from app.ingest.receipts import ReceiptsCheck
from app.ingest.store.coverage import Coverage, coverage_of
from app.ingest.store.disagreements import Disagreement, disagreements, raw_answers
from app.ingest.store.reading import reading_of_chain
from tests.ingest import lies
from tests.ingest.conftest import Proxies
from tests.ingest.judge import demand_honest, demand_truth
from tests.ingest.lies import UNHASHED, unhashed
from tests.ingest.scene import AGREED_AT, DAY, Scene, covered, first_of_window, stored, truth
from tests.support import faulty_proxy as faults
from tests.support.faulty_proxy import Exchange, Fault, FaultyProxy

FOREIGN = "0x" + "77" * 20


def play(scene: Scene) -> Debt:
    """Three payments in the window, a day apart."""
    debt = scene.record_debt()
    for day, units in ((1, 1), (2, 2), (3, 4)):
        scene.pay(units, at=AGREED_AT + day * DAY)
        scene.bury(2)
    scene.bury(2)
    return debt


def on_record(scene: Scene) -> list[Disagreement]:
    with reading(scene.engine) as connection:
        return disagreements(connection, chain_id=scene.chain.id)


def rows_of(scene: Scene) -> list[Coverage]:
    with reading(scene.engine) as connection:
        found = coverage_of(connection, chain_id=scene.chain.id, addresses=[scene.creditor])
    return found[scene.creditor]


def hashable(scene: Scene) -> bool | None:
    with reading(scene.engine) as connection:
        return reading_of_chain(connection, scene.chain.id).hashable


def is_true(scene: Scene) -> bool:
    first = first_of_window(scene.node)
    return stored(scene.engine) == truth(scene.node, scene.parties, first=first)


def added(logs: list[Any]) -> list[Any]:
    return [*logs, *({**log, "address": FOREIGN, "logIndex": "0x63"} for log in logs)]


LIES: dict[str, Fault] = {
    "hides one log": lies.logs_changed(lambda logs: logs[:-1]),
    "hides all": lies.logs_changed(lambda _: []),
    "cuts the list off": lies.logs_changed(lambda logs: logs[:1]),
    "tells another amount": lies.logs_changed(
        lambda logs: [{**log, "data": "0x" + f"{int(log['data'], 16) * 9:064x}"} for log in logs]
    ),
    "tells another token": lies.logs_changed(lambda logs: [{**log, "address": FOREIGN} for log in logs]),
    "adds a log": lies.logs_changed(added),
    "says it is an ERC-721": lies.logs_changed(
        lambda logs: [{**log, "topics": [*log["topics"], "0x" + "00" * 31 + "01"]} for log in logs]
    ),
}


@pytest.mark.parametrize("name", LIES)
def test_a_lie_about_logs_is_found_by_the_receipts(sqlite_scene: Scene, proxies: Proxies, name: str) -> None:
    proxy = proxies()
    scene = sqlite_scene.through(proxy.url, permille=1000)
    debt = play(scene)
    proxy.fail(LIES[name])
    report = scene.follow()
    assert report.failure is not None
    assert "its receipts of block" in report.failure
    assert (stored(scene.engine), covered(scene.engine, scene.creditor)) == (set(), [])
    (found,) = on_record(scene)
    assert found.kind == "receipts"
    assert {side.method for side in found.answers} == {"eth_getLogs", "eth_getBlockReceipts"}
    with reading(scene.engine) as connection:
        gaps = gaps_of(connection, chain=scene.chain)
    assert {gap.reason for gap in gaps} == {"answers about these blocks contradict each other"}
    assert scene.assess(debt, as_of=AGREED_AT + 3 * DAY + 60).result is Result.UNDETERMINED
    scene.follow()
    assert on_record(scene) == [found]
    proxy.heal()
    assert scene.follow().failure is None
    assert is_true(scene)
    demand_honest(scene, debt)


@pytest.mark.parametrize("name", LIES)
def test_without_the_check_it_is_not_found(sqlite_scene: Scene, proxies: Proxies, name: str) -> None:
    """The known limit of one node, written down; the grade says `provider-reported` because of it."""
    proxy = proxies()
    scene = sqlite_scene.through(proxy.url, permille=0)
    debt = play(scene)
    proxy.fail(LIES[name])
    assert scene.follow().failure is None
    assert not is_true(scene)
    assert {row.blocks_checked for row in rows_of(scene)} == {0}
    grade = scene.assess(debt).grade
    assert grade is not None
    assert grade.value == "provider-reported"


def test_both_answers_are_kept_byte_for_byte(scene: Scene, proxies: Proxies) -> None:
    proxy = proxies()
    scene = scene.through(proxy.url, permille=1000)
    play(scene)
    proxy.fail(LIES["hides one log"])
    scene.follow()
    (found,) = on_record(scene)
    with reading(scene.engine) as connection:
        kept = raw_answers(connection, disagreement_id=found.id)
    *logs, receipts = kept
    last = max(each.block_number for each in truth(scene.node, scene.parties))
    assert (found.blocks.first, found.blocks.last) == (last, last)
    assert [request.request for request in logs] == [
        request for request in proxy.requests if b"eth_getLogs" in request
    ][:2]
    hidden = [log for one in json.loads(receipts.body)["result"] for log in one["logs"]]
    assert all(log["blockNumber"] == hex(last) for log in hidden)
    assert len(hidden) == 1
    assert hidden[0]["transactionHash"] not in b"".join(each.body for each in logs).decode()


def test_a_node_that_was_caught_is_checked_in_every_block(sqlite_scene: Scene, proxies: Proxies) -> None:
    """Else it would be believed in the next pass, where chance draws another block."""
    proxy = proxies()
    scene = sqlite_scene.through(proxy.url, permille=1000)
    play(scene)
    proxy.fail(LIES["hides one log"])
    assert scene.follow().failure is not None
    scene = scene.through(proxy.url, permille=0)
    report = scene.follow()
    assert report.failure is not None
    assert covered(scene.engine, scene.creditor) == []
    proxy.heal()
    assert scene.follow().failure is None
    assert is_true(scene)
    assert sum(row.blocks_checked for row in rows_of(scene)) == sum(row.blocks.size for row in rows_of(scene))


def test_a_second_node_reads_where_the_first_was_caught(sqlite_scene: Scene, proxies: Proxies) -> None:
    liar, honest = proxies(), proxies()
    scene = sqlite_scene.through(liar.url, honest.url, permille=1000)
    play(scene)
    liar.fail(LIES["hides one log"])
    assert scene.follow().failure is None
    assert is_true(scene)
    assert {row.nodes for row in rows_of(scene)} == {(honest.url,)}
    assert len(on_record(scene)) == 1


# -- headers that are altered


def header(**change: str) -> Fault:
    """Every block with other fields under its true hash."""
    return faults.altered_result(
        "eth_getBlockByNumber", lambda block: None if block is None else {**block, **change}
    )


HEADERS: dict[str, Fault] = {
    "time": lies.shifted_time(range(10_000), seconds=400 * DAY),
    "bloom": header(logsBloom="0x" + "00" * 256),
    "receipts root": header(
        receiptsRoot="0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"
    ),
    "hash": header(hash="0x" + "ab" * 32),
    "parent": header(parentHash="0x" + "ab" * 32),
}


@pytest.mark.parametrize("name", HEADERS)
def test_an_altered_header_is_refused(sqlite_scene: Scene, proxies: Proxies, name: str) -> None:
    proxy = proxies()
    scene = sqlite_scene.through(proxy.url, permille=1000)
    debt = scene.record_debt()
    # The first pass shows that this chain's headers give their hashes.
    assert scene.follow().failure is None
    assert hashable(scene) is True
    before = covered(scene.engine, scene.creditor)
    for day in (1, 2):
        scene.pay(day, at=AGREED_AT + day * DAY)
        scene.bury(2)
    proxy.fail(hiding(HEADERS[name]))
    report = scene.follow()
    assert report.failure is not None
    assert covered(scene.engine, scene.creditor) == before
    assert stored(scene.engine) == set()
    demand_honest(scene, debt)
    proxy.heal()
    assert scene.follow().failure is None
    assert is_true(scene)


def hiding(fault: Fault) -> Fault:
    """The altered headers of a node that has something to hide."""
    hides = LIES["hides all"]

    def chosen(exchange: Exchange) -> None:
        (hides if b"eth_getLogs" in exchange.request else fault)(exchange)

    return chosen


def test_a_chain_is_not_held_unhashable_for_one_false_header(sqlite_scene: Scene, proxies: Proxies) -> None:
    """Nor for ever, when a node alters all of them on the first day."""
    proxy = proxies()
    scene = sqlite_scene.through(proxy.url, permille=1000)
    play(scene)
    final = scene.node.block("finalized").number
    proxy.fail(lies.shifted_time({final}, seconds=1))
    assert scene.follow().failure is not None
    assert hashable(scene) is True
    assert covered(scene.engine, scene.creditor) == []


def test_all_headers_are_altered_from_the_first_day(sqlite_scene: Scene, proxies: Proxies) -> None:
    """Such a chain may exist, so it is read; but the coverage says on what, and it is asked again."""
    proxy = proxies()
    scene = sqlite_scene.through(proxy.url, permille=1000)
    play(scene)
    proxy.fail(header(extraData="0xabcd"))
    assert scene.follow().failure is None
    assert hashable(scene) is False
    assert {(row.blocks_checked, row.limits) for row in rows_of(scene)} == {(0, (NOT_HASHED,))}
    proxy.heal()
    scene.bury(2)
    assert scene.follow().failure is None
    assert hashable(scene) is True
    newest = max(rows_of(scene), key=lambda row: row.first.number)
    assert (newest.blocks_checked, newest.limits) == (newest.blocks.size, ())


def test_a_fork_that_nobody_here_knows_is_read_and_said(sqlite_scene: Scene, proxies: Proxies) -> None:
    proxy = proxies()
    scene = sqlite_scene.through(proxy.url, permille=1000)
    debt = play(scene)
    proxy.fail(UNHASHED)
    assert scene.follow().failure is None
    assert hashable(scene) is None
    assert {(row.blocks_checked, row.limits) for row in rows_of(scene)} == {(0, (NOT_HASHED,))}
    demand_truth(scene)
    demand_honest(scene, debt)
    # One that hides behind such headers is not found: the coverage has said so.
    proxy.fail(unhashed(LIES["hides all"]))
    scene.pay(8, at=AGREED_AT + 9 * DAY)
    scene.bury(3)
    assert scene.follow().failure is None
    assert not is_true(scene)
    assert {row.limits for row in rows_of(scene)} == {(NOT_HASHED,)}


# -- how the receipts are got


def test_a_node_without_receipts_of_blocks_is_asked_one_by_one(sqlite_scene: Scene, proxies: Proxies) -> None:
    proxy = proxies()
    scene = sqlite_scene.through(proxy.url, permille=1000)
    play(scene)
    absent = faults.rpc_error(-32601, "the method does not exist", method="eth_getBlockReceipts")
    proxy.fail(absent)
    assert scene.follow().failure is None
    assert is_true(scene)
    assert any(b"eth_getTransactionReceipt" in request for request in proxy.requests)
    checked = sum(row.blocks_checked for row in rows_of(scene))
    assert checked == sum(row.blocks.size for row in rows_of(scene))
    # It is caught that way, too.
    scene.pay(8, at=AGREED_AT + 9 * DAY)
    scene.bury(3)
    hides = LIES["hides one log"]
    proxy.fail(lambda each: (hides if b"eth_getLogs" in each.request else absent)(each))
    assert scene.follow().failure is not None
    (found,) = on_record(scene)
    assert "eth_getTransactionReceipt" in {side.method for side in found.answers}


RECEIPTS: dict[str, Fault] = {
    "null": faults.altered_result("eth_getBlockReceipts", lambda _: None),
    "none": faults.altered_result("eth_getBlockReceipts", lambda _: []),
    "one less": faults.altered_result("eth_getBlockReceipts", lambda found: found[:-1]),
    "without the log": faults.altered_result(
        "eth_getBlockReceipts", lambda found: [{**each, "logs": []} for each in found]
    ),
    "refused": faults.rpc_error(-32000, "pruned", method="eth_getBlockReceipts"),
    "cut off": lies.on_method("eth_getBlockReceipts", faults.half_json),
}


@pytest.mark.parametrize("name", RECEIPTS)
def test_receipts_that_hide_the_same_are_refused(sqlite_scene: Scene, proxies: Proxies, name: str) -> None:
    """A node that won't show them, or others than its header commits to, is not believed about the logs."""
    proxy = proxies()
    scene = sqlite_scene.through(proxy.url, permille=1000)
    play(scene)
    hides, alters = LIES["hides all"], RECEIPTS[name]
    proxy.fail(lambda each: (hides if b"eth_getLogs" in each.request else alters)(each))
    assert scene.follow().failure is not None
    assert covered(scene.engine, scene.creditor) == []


def test_only_the_drawn_blocks_are_checked(sqlite_scene: Scene, proxies: Proxies) -> None:
    proxy: FaultyProxy = proxies()
    draws = cycle([499, 500])
    check = ReceiptsCheck(permille=500, below=lambda _: next(draws))
    assert check.chosen(first=10, last=15) == [10, 12, 14]
    assert ReceiptsCheck(permille=0).chosen(first=0, last=9) == []
    assert ReceiptsCheck(permille=1000).chosen(first=0, last=9) == list(range(10))
    drawn = ReceiptsCheck(permille=100).chosen(first=0, last=9_999)
    assert 700 < len(drawn) < 1_300
    scene = sqlite_scene.through(proxy.url, permille=1000)
    play(scene)
    assert scene.follow().failure is None
    # Of the blocks in which no watched account can have a log, the header alone is asked for.
    receipts = [request for request in proxy.requests if b"eth_getBlockReceipts" in request]
    blocks = {each.block_number for each in stored(scene.engine)}
    assert len(receipts) == len(blocks)


# -- what another account's reading shows


def test_a_log_that_was_hidden_and_shows_from_the_other_party(scene: Scene, proxies: Proxies) -> None:
    """It is stored, and it is on record that one of the two answers was false."""
    proxy = proxies()
    scene = scene.through(proxy.url)
    scene.record_debt()
    scene.token.transfer(sender=scene.stranger, to=scene.creditor, units=8, at=AGREED_AT + DAY)
    scene.token.transfer(sender=scene.issuer, to=scene.stranger, units=16, at=AGREED_AT + 2 * DAY)
    scene.bury(4)
    proxy.fail(LIES["hides all"])
    assert scene.follow().failure is None
    assert stored(scene.engine) == set()
    proxy.heal()
    scene.bind(scene.stranger)
    assert scene.follow().failure is None
    first = first_of_window(scene.node)
    assert stored(scene.engine) == truth(scene.node, [*scene.parties, scene.stranger], first=first)
    (found,) = on_record(scene)
    assert found.kind == "logs"
    assert "left out" in found.detail
    hidden = next(iter(truth(scene.node, [scene.creditor], first=first)))
    assert (found.blocks.first, found.blocks.last) == (hidden.block_number, hidden.block_number)
    assert {side.node for side in found.answers} == {proxy.url}


def test_two_parties_that_were_read_apart_contradict_nothing(sqlite_scene: Scene) -> None:
    """What each answer told, the other one tells again."""
    scene = sqlite_scene
    scene.record_debt()
    scene.token.transfer(sender=scene.stranger, to=scene.creditor, units=8, at=AGREED_AT + DAY)
    scene.bury(4)
    scene.follow()
    scene.bind(scene.stranger)
    assert scene.follow().failure is None
    assert on_record(scene) == []
