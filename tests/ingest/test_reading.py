"""What a pass over a real chain stores: every Transfer of the watched accounts in final blocks, once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from app.assessment.values import Result
from app.db import reading
from app.ingest.ledger_model import coverage, covered_range
from app.ingest.model import block, transfer
from app.ingest.plan import ACCOUNTS_PER_REQUEST
from app.ingest.ranges import Blocks
from app.ingest.read import ReadProgress
from app.ingest.store.coverage import read_through
from app.ingest.store.watches import watch_accounts
from app.matching.attribute import Reason
from chains.devnode import DevNode
from chains.types import AccountId, Address, Finality
from tests.ingest.lies import on_method
from tests.ingest.scene import AGREED_AT, DAY, UNIT, Scene, count, covered, stored, truth
from tests.support.faulty_proxy import FaultyProxy, capped_range, faulty_proxy, status
from tests.support.token import deploy_token


@pytest.fixture
def proxy(node: DevNode) -> Iterator[FaultyProxy]:
    """Without a fault, to count requests at."""
    with faulty_proxy(node) as running:
        yield running


def asked(proxy: FaultyProxy, method: str) -> list[list[Any]]:
    """The parameters of every call of a method, in order."""
    calls = [json.loads(request) for request in proxy.requests]
    flat = [call for each in calls for call in (each if isinstance(each, list) else [each])]
    return [call["params"] for call in flat if call["method"] == method]


def test_only_final_blocks_are_read(scene: Scene) -> None:
    debt = scene.record_debt()
    scene.node.mine(2, seconds_apart=DAY)
    scene.pay(3_000 * UNIT)
    scene.bury(1)
    report = scene.follow()
    head = scene.node.block().number
    assert (report.head_block, report.final_block, report.transfers) == (head, head - 2, 0)
    assert report.failure is None
    assert stored(scene.engine) == set()
    assert max(each.last for each in covered(scene.engine, scene.creditor)) == head - 2
    with reading(scene.engine) as connection:
        assert connection.execute(sa.select(sa.func.max(block.c.number))).scalar_one() == head - 2

    scene.bury(1)
    assert scene.follow().transfers == 1
    (only,) = stored(scene.engine)
    assert (only.sender, only.recipient, only.amount_units) == (scene.debtor, scene.creditor, 3_000 * UNIT)
    # The payment lies in F itself, and as_of one second before it.
    assert scene.assess(debt).result is Result.NONE_FOUND_IN_SCOPE
    scene.bury(1)
    scene.follow()
    assert scene.assess(debt).result is Result.PARTIAL


def test_both_directions_and_every_token(scene: Scene) -> None:
    debt = scene.record_debt()
    unknown = deploy_token(scene.node, symbol="TUSD")
    for to in (scene.creditor, scene.debtor, scene.stranger):
        unknown.mint(to=to, units=77)
    scene.token.transfer(sender=scene.creditor, to=scene.debtor, units=9_000 * UNIT, at=AGREED_AT + 60)
    scene.pay(1, at=AGREED_AT + DAY)
    scene.pay(2, sender=scene.stranger)
    scene.token.transfer(sender=scene.debtor, to=scene.stranger, units=3)
    scene.token.transfer(sender=scene.creditor, to=scene.creditor, units=4)
    # Of people whom nobody watches.
    scene.token.transfer(sender=scene.stranger, to=scene.issuer, units=5)
    scene.bury(3)
    report = scene.follow()
    in_window = {each for each in truth(scene.node, scene.parties) if each.block_time >= AGREED_AT}
    assert stored(scene.engine) == in_window
    assert report.transfers == len(in_window) == 5
    candidates = {
        (each.transfer.contract, each.reasons) for each in scene.assess(debt).attribution.candidates
    }
    assert candidates == {
        (scene.token.address, (Reason.UNKNOWN_PAYER,)),
        (scene.token.address, (Reason.INTERNAL,)),
    }


def test_tokens_that_nobody_registered_are_kept(sqlite_scene: Scene) -> None:
    scene = sqlite_scene
    debt = scene.record_debt()
    scene.node.set_next_block_time(AGREED_AT + 60)
    copy = deploy_token(scene.node, symbol="TUSD")
    other = deploy_token(scene.node, symbol="OTHER")
    for token in (copy, other):
        token.mint(to=scene.creditor, units=3_000 * UNIT)
    scene.bury(3)
    scene.follow()
    found = {
        each.transfer.contract: (each.reasons, each.counted_units)
        for each in scene.assess(debt).attribution.candidates
    }
    assert found == {
        copy.address: ((Reason.FAKE_TOKEN,), 0),
        other.address: ((Reason.UNREGISTERED_ASSET,), 0),
    }


def test_a_second_pass_adds_nothing(scene: Scene) -> None:
    scene.record_debt()
    scene.pay(1, at=AGREED_AT + DAY)
    scene.bury()
    scene.follow()
    tables = (block, transfer, coverage, covered_range)
    before = [count(scene.engine, table) for table in tables]
    again = scene.follow()
    assert (again.transfers, again.failure) == (0, None)
    assert [count(scene.engine, table) for table in tables] == before


def test_two_readers_at_once_store_everything_once(scene: Scene, proxy: FaultyProxy) -> None:
    """A worker and somebody at the terminal: both find it missing, both read it, and neither complains."""
    scene.record_debt()
    for day in range(1, 6):
        scene.pay(day, at=AGREED_AT + day * DAY)
        scene.bury()
    proxy.fail(capped_range(3, "the block range is limited to 3"))
    scene = scene.through(proxy.url)
    with ThreadPoolExecutor(4) as pool:
        reports = [each.result() for each in [pool.submit(scene.follow) for _ in range(4)]]
    assert [report.failure for report in reports] == [None] * 4
    start = covered(scene.engine, scene.creditor)[0].first
    assert stored(scene.engine) == truth(scene.node, scene.parties, first=start)
    assert sum(report.transfers for report in reports) == 5
    assert len(covered(scene.engine, scene.creditor)) == 1


def test_new_blocks_extend_what_was_read(sqlite_scene: Scene, proxy: FaultyProxy) -> None:
    scene = sqlite_scene
    scene.record_debt()
    scene = scene.through(proxy.url)
    scene.pay(1, at=AGREED_AT + DAY)
    scene.bury()
    scene.follow()
    (first,) = covered(scene.engine, scene.creditor)
    del proxy.requests[:]
    scene.pay(2)
    scene.bury()
    assert scene.follow().transfers == 1
    last = scene.node.block("finalized").number
    assert covered(scene.engine, scene.creditor) == [Blocks(first.first, last)]
    ranges = {(each["fromBlock"], each["toBlock"]) for (each,) in asked(proxy, "eth_getLogs")}
    head = (hex(last + 1), hex(scene.node.block().number))
    assert ranges == {(hex(first.last + 1), hex(last)), head}
    assert stored(scene.engine) == truth(scene.node, scene.parties, first=first.first)


def test_reading_starts_at_the_first_block_of_the_window(sqlite_scene: Scene) -> None:
    """What came before the agreement is not asked for: a node sees no more than it must."""
    scene = sqlite_scene
    scene.pay(5, at=AGREED_AT - 60)
    inside = scene.pay(6, at=AGREED_AT)
    scene.record_debt()
    scene.bury()
    scene.follow()
    assert {each.tx_hash for each in stored(scene.engine)} == {inside}
    number = int(scene.node.receipt(inside)["blockNumber"], 16)
    assert covered(scene.engine, scene.creditor)[0].first == number


def test_an_account_bound_later_is_read_alone_from_the_start(scene: Scene, proxy: FaultyProxy) -> None:
    debt = scene.record_debt()
    scene.pay(1, at=AGREED_AT + DAY)
    scene.token.transfer(sender=scene.debtor, to=scene.stranger, units=2, at=AGREED_AT + 2 * DAY)
    scene.bury(3)
    scene.follow()
    scene.clock.advance(60)
    before = scene.clock()
    assert scene.assess(debt).result is Result.PARTIAL
    scene.clock.advance(60)
    scene.bind(scene.stranger)
    # Until it was read there is a gap, whatever was read for the others.
    assert scene.assess(debt).result is Result.UNDETERMINED
    scene = scene.through(proxy.url)
    assert scene.follow().failure is None
    final = scene.node.block("finalized").number
    topics = {
        json.dumps(each["topics"])
        for (each,) in asked(proxy, "eth_getLogs")
        if int(each["toBlock"], 16) <= final
    }
    padded = "0x" + "00" * 12 + scene.stranger.hex()
    transfer_topic = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
    assert topics == {
        json.dumps([transfer_topic, [padded]]),
        json.dumps([transfer_topic, None, [padded]]),
    }
    now = scene.assess(debt)
    assert now.result is Result.PARTIAL
    assert sum(payment.units for payment in now.attribution.payments) == 3
    # What was known then stays what it was.
    then = scene.assess(debt, known_at=before)
    assert sum(payment.units for payment in then.attribution.payments) == 1
    assert then.result is Result.PARTIAL


def test_an_earlier_debt_widens_the_window(scene: Scene, proxy: FaultyProxy) -> None:
    scene.record_debt()
    early = scene.pay(7, at=AGREED_AT - DAY // 2)
    scene.pay(8, at=AGREED_AT + DAY)
    scene.bury()
    scene.follow()
    (first,) = covered(scene.engine, scene.creditor)
    assert early not in {each.tx_hash for each in stored(scene.engine)}
    older = scene.record_debt(agreed_at=AGREED_AT - DAY * 3 // 4, reference="LOAN-0")
    widened = scene.through(proxy.url)
    with reading(scene.engine) as connection:
        assert read_through(connection, scene.chain.id) is None
    # Nor once the start is known, while the blocks after it are not read.
    proxy.fail(on_method("eth_getLogs", status(404)))
    assert widened.follow().failure is not None
    with reading(scene.engine) as connection:
        assert read_through(connection, scene.chain.id) is None
    assert scene.assess(older).result is Result.UNDETERMINED
    proxy.heal()
    del proxy.requests[:]
    assert widened.follow().failure is None
    asked_last = max(int(each["toBlock"], 16) for (each,) in asked(proxy, "eth_getLogs"))
    assert asked_last == first.first - 1
    assert early in {each.tx_hash for each in stored(scene.engine)}
    start = covered(scene.engine, scene.creditor)
    assert len(start) == 1
    assert stored(scene.engine) == truth(scene.node, scene.parties, first=start[0].first)
    with reading(scene.engine) as connection:
        assert read_through(connection, scene.chain.id) == start[0].last


def test_many_accounts_take_several_requests(scene: Scene, proxy: FaultyProxy) -> None:
    debt = scene.record_debt()
    crowd = [Address((0xACC0 << 144 | number).to_bytes(20, "big")) for number in range(600)]
    with scene.engine.begin() as connection:
        accounts = [AccountId(scene.node.chain, each) for each in crowd]
        watch_accounts(connection, accounts=accounts, since_time=AGREED_AT, now=scene.clock())
    scene.node.set_next_block_time(AGREED_AT + 60)
    for each in (crowd[0], crowd[499], crowd[500], crowd[599]):
        scene.token.mint(to=each, units=9)
    scene.pay(3)
    scene.bury(3)
    scene = scene.through(proxy.url)
    seen: list[ReadProgress] = []
    assert scene.follow(seen.append).failure is None
    sizes = [
        len(next(each for each in params["topics"][1:] if each is not None))
        for (params,) in asked(proxy, "eth_getLogs")
        if int(params["toBlock"], 16) <= scene.node.block("finalized").number
    ]
    assert sizes == [500, 500, 102, 102]
    assert max(sizes) == ACCOUNTS_PER_REQUEST
    watched = {*crowd, *scene.parties}
    assert stored(scene.engine) == {
        each for each in truth(scene.node, watched) if each.block_time >= AGREED_AT
    }
    whole = covered(scene.engine, scene.creditor)
    assert all(covered(scene.engine, each) == whole for each in watched)
    assert (seen[-1].done, seen[-1].transfers) == (seen[-1].total, 5)
    assert scene.assess(debt).result is Result.PARTIAL


def test_progress_rises_to_its_total(sqlite_scene: Scene, proxy: FaultyProxy) -> None:
    scene = sqlite_scene
    scene.record_debt()
    scene.pay(1, at=AGREED_AT + DAY)
    scene.bury(30)
    proxy.fail(capped_range(8, "the block range is limited to 8"))
    seen: list[ReadProgress] = []
    assert scene.through(proxy.url).follow(seen.append).failure is None
    assert len(seen) >= 4
    assert [each.done for each in seen] == sorted(each.done for each in seen)
    assert {each.total for each in seen} == {seen[-1].done}
    assert seen[-1].last_block == scene.node.block("finalized").number


def test_nothing_to_watch_asks_for_no_logs(sqlite_scene: Scene, proxy: FaultyProxy) -> None:
    scene = sqlite_scene.through(proxy.url)
    assert scene.follow().failure is None
    assert asked(proxy, "eth_getLogs") == []
    assert count(scene.engine, coverage) == 0


def test_a_debt_of_today_waits_for_its_first_final_block(sqlite_scene: Scene) -> None:
    scene = sqlite_scene
    scene.bury()
    debt = scene.record_debt(agreed_at=scene.node.block().time + DAY)
    report = scene.follow()
    assert report.failure is None
    assert covered(scene.engine, scene.creditor) == []
    assert scene.assess(debt).result is Result.UNDETERMINED
    scene.node.mine(1, seconds_apart=2 * DAY)
    scene.bury(3)
    scene.follow()
    assert scene.assess(debt).result is Result.NONE_FOUND_IN_SCOPE


def test_depth_instead_of_the_tag(sqlite_scene: Scene) -> None:
    """Where a chain's node knows no `finalized` tag, a block is final so many below the head."""
    scene = sqlite_scene
    scene = replace(scene, chain=replace(scene.chain, finality=Finality(confirmations=12)))
    scene.record_debt()
    scene.node.mine(2, seconds_apart=DAY)
    scene.pay(1)
    scene.bury(11)
    assert scene.follow().transfers == 0
    assert covered(scene.engine, scene.creditor)[-1].last == scene.node.block().number - 12
    scene.bury(1)
    assert scene.follow().transfers == 1
