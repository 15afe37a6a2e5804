"""What a node may try that knows how reading works: hide behind a field, wait, flood; and what fills up."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
import structlog

from app.assessment.values import Result
from app.db import reading
from app.ingest import plan
from app.ingest.follow import ReadReport
from app.ingest.ledger_model import account_set
from app.ingest.store.watches import watch_accounts
from app.worker.follow import complain
from chains.types import ChainId
from tests.ingest import lies
from tests.ingest.conftest import Proxies
from tests.ingest.scene import AGREED_AT, DAY, LIMITS, Scene, covered, first_of_window, stored, truth
from tests.support import faulty_proxy as faults
from tests.support.faulty_proxy import Exchange, Fault

HIDES = lies.logs_changed(lambda logs: logs[:-1])


def odd_headers(is_odd: Callable[[int], bool], *, time: int | None = None) -> Fault:
    """Some blocks have a field that no header known here has, and tell a time of the node's own choice."""

    def change(block: Any) -> Any:
        if block is None or not is_odd(int(block["number"], 16)):
            return block
        told = block["timestamp"] if time is None else hex(time)
        return {**block, "timestamp": told, "extDataHash": "0x" + "cd" * 32}

    return faults.altered_result("eth_getBlockByNumber", change)


def test_a_start_is_not_moved_behind_a_field_that_nobody_knows(sqlite_scene: Scene, proxies: Proxies) -> None:
    """A payment right at the start would be lost, and the window would count as read without a word."""
    proxy = proxies()
    scene = sqlite_scene.through(proxy.url, permille=1000)
    assert scene.follow().failure is None
    debt = scene.record_debt()
    scene.pay(9, at=AGREED_AT)
    scene.bury(8)
    first = first_of_window(scene.node)
    proxy.fail(odd_headers(range(first, first + 3).__contains__, time=AGREED_AT - 1))
    report = scene.follow()
    assert report.failure is not None
    assert "no node told where 1 of the windows begin" in report.failure
    assert scene.assess(debt).result is Result.UNDETERMINED
    proxy.heal()
    assert scene.follow().failure is None
    assert stored(scene.engine) == truth(scene.node, scene.parties, first=first)


def test_a_start_that_a_node_keeps_no_more_holds_up_no_other(sqlite_scene: Scene, proxies: Proxies) -> None:
    """Any tenant may ask for one; another node, asked next, may have it."""
    pruned, whole = proxies(), proxies()
    scene = sqlite_scene.through(pruned.url)
    scene.record_debt()
    scene.pay(9, at=AGREED_AT + DAY)
    scene.bury(8)
    assert scene.follow().failure is None
    with scene.engine.begin() as connection:
        accounts = [scene.account(scene.stranger)]
        watch_accounts(connection, accounts=accounts, since_time=AGREED_AT - DAY // 2, now=scene.clock())
    first = first_of_window(scene.node)
    is_gone = range(1, first - 1).__contains__
    pruned.fail(
        faults.altered_result(
            "eth_getBlockByNumber",
            lambda block: None if block is not None and is_gone(int(block["number"], 16)) else block,
        )
    )
    scene.pay(4, at=AGREED_AT + 5 * DAY)
    scene.bury(4)
    report = scene.follow()
    assert report.failure is not None
    assert "no node told where 1 of the windows begin" in report.failure
    assert stored(scene.engine) == truth(scene.node, scene.parties, first=first)
    scene = scene.through(pruned.url, whole.url)
    assert scene.follow().failure is None


def test_a_start_before_an_unknown_fork_is_found(sqlite_scene: Scene, proxies: Proxies) -> None:
    proxy = proxies()
    scene = sqlite_scene.through(proxy.url, permille=1000)
    assert scene.follow().failure is None
    scene.record_debt()
    scene.pay(9, at=AGREED_AT)
    scene.bury(8)
    first = first_of_window(scene.node)
    proxy.fail(odd_headers(lambda number: number > first + 2))
    assert scene.follow().failure is None
    assert stored(scene.engine) == truth(scene.node, scene.parties, first=first)


def test_one_that_was_caught_can_not_hide_behind_such_a_field(sqlite_scene: Scene, proxies: Proxies) -> None:
    proxy = proxies()
    scene = sqlite_scene.through(proxy.url, permille=1000)
    scene.record_debt()
    scene.pay(9, at=AGREED_AT + DAY)
    scene.bury(4)
    proxy.fail(HIDES)
    assert scene.follow().failure is not None
    scene = scene.through(proxy.url, permille=0)
    proxy.fail(lies.unhashed(HIDES))
    report = scene.follow()
    assert report.failure is not None
    assert "was caught before" in report.failure
    assert covered(scene.engine, scene.creditor) == []


def test_one_that_is_ahead_and_answers_nothing_holds_up_no_other(
    sqlite_scene: Scene, proxies: Proxies
) -> None:
    silent, honest = proxies(), proxies()
    scene = sqlite_scene.through(silent.url, honest.url)
    scene.record_debt()
    scene.pay(9, at=AGREED_AT + DAY)
    scene.bury(6)
    silent.fail(faults.rpc_error(-32000, "not now", method="eth_getLogs"))
    honest.fail(lies.lagging(scene.node.block().number - 1))
    assert scene.follow().failure is not None
    assert scene.follow().failure is None
    assert stored(scene.engine) == truth(scene.node, scene.parties, first=first_of_window(scene.node))


def one_block_at_a_time(blanks: int) -> Fault:
    """A node that lets single blocks be asked for, and puts so many blanks behind each answer."""

    def fault(exchange: Exchange) -> None:
        if b"eth_getLogs" not in exchange.request:
            return faults.pass_on(exchange)
        (asked,) = exchange.asked["params"]
        if asked["fromBlock"] != asked["toBlock"]:
            return faults.rpc_error(-32005, "at most 1 block range")(exchange)
        return exchange.send(json.dumps(exchange.truth()).encode() + b" " * blanks)

    return fault


def test_a_node_that_confirms_may_not_fill_the_memory(sqlite_scene: Scene, proxies: Proxies) -> None:
    """Its answers for one range are held together; each is within the limit, and there are many."""
    honest, floods = proxies(), proxies()
    limits = replace(LIMITS, answer_bytes_max=100_000)
    scene = sqlite_scene.through(honest.url, floods.url, limits=limits, agreement=2)
    scene.record_debt()
    scene.pay(9, at=AGREED_AT + DAY)
    scene.bury(20)
    floods.fail(one_block_at_a_time(90_000))
    report = scene.follow()
    assert report.failure is not None
    assert "more than 200000 bytes in all" in report.failure
    assert covered(scene.engine, scene.creditor) == []
    floods.fail(one_block_at_a_time(0))
    assert scene.follow().failure is None


def test_windows_of_the_future_cost_no_request(sqlite_scene: Scene, proxies: Proxies) -> None:
    """Any tenant may record as many as he likes."""
    proxy = proxies()
    scene = sqlite_scene.through(proxy.url)
    scene.record_debt()
    scene.bury(4)
    scene.follow()
    del proxy.requests[:]
    scene.follow()
    usual = len(proxy.requests)
    with scene.engine.begin() as connection:
        for years in range(20):
            accounts = [scene.account(scene.stranger)]
            since = AGREED_AT + (99 - years) * 365 * DAY
            watch_accounts(connection, accounts=accounts, since_time=since, now=scene.clock())
    del proxy.requests[:]
    scene.follow()
    assert len(proxy.requests) == usual


def test_the_head_puts_no_set_of_accounts_on_record(
    sqlite_scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With each account that is added there would be one of them all: the square of their number."""
    monkeypatch.setattr(plan, "ACCOUNTS_PER_REQUEST", 1)
    scene = sqlite_scene
    scene.record_debt()
    scene.pay(9, at=AGREED_AT + DAY)
    scene.bury(4)
    assert scene.follow().failure is None
    with reading(scene.engine) as connection:
        assert set(connection.scalars(sa.select(account_set.c.size))) == {1}


def test_the_same_failure_is_told_once() -> None:
    first = ReadReport(
        chain=ChainId(1),
        head_block=None,
        final_block=None,
        transfers=0,
        failure="no node answers",
        native_failure="no states",
    )
    with structlog.testing.capture_logs() as logs:
        complain(first)
        complain(first, before=first)
        complain(replace(first, failure=None), before=first)
        complain(first, before=replace(first, failure=None))
    assert [each["event"] for each in logs] == ["chain not read", "native coin not read", "chain not read"]
