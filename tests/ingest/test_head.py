"""The blocks above the final one: shown, replaced whole when the chain is, and never assessed."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from app.assessment.values import Result
from app.db import reading
from app.debts.terms import Debt
from app.ingest.ledger_model import provisional_block, provisional_transfer
from app.ingest.live import forget_head
from app.ingest.model import transfer
from app.ingest.ranges import Blocks
from app.ingest.store.provisional import provisional_blocks, provisional_transfers
from chains.types import Address, BlockRef, Transfer
from tests.ingest import lies
from tests.ingest.conftest import Proxies
from tests.ingest.scene import AGREED_AT, DAY, Scene, count, covered, stored, truth
from tests.support import faulty_proxy as faults

FINAL_DEPTH = 2


def open_debt(scene: Scene) -> Debt:
    """One payment that is final, and nothing above it."""
    debt = scene.record_debt()
    scene.pay(1, at=AGREED_AT + DAY)
    scene.bury(3)
    assert scene.follow().failure is None
    return debt


def head_of(scene: Scene) -> list[BlockRef]:
    with reading(scene.engine) as connection:
        return provisional_blocks(connection, chain_id=scene.chain.id)


def shown(scene: Scene, address: Address | None = None) -> list[Transfer]:
    """The provisional transfers of an account, the creditor's by default."""
    with reading(scene.engine) as connection:
        return provisional_transfers(
            connection,
            chain_id=scene.chain.id,
            address=address or scene.creditor,
            blocks=Blocks(0, 2**40),
            limit=100,
        )


def amounts(scene: Scene, address: Address | None = None) -> list[int]:
    return [each.amount_units for each in shown(scene, address)]


def demand_head(scene: Scene) -> None:
    """What is shown is what the node has above what was read as final, for every watched account."""
    final, head = covered(scene.engine, scene.creditor)[-1].last, scene.node.block().number
    expected = [scene.node.block(number) for number in range(final + 1, head + 1)]
    assert [(each.number, each.hash, each.time) for each in head_of(scene)] == [
        (each.number, each.hash, each.time) for each in expected
    ]
    for address in scene.parties:
        true = truth(scene.node, [address], first=final + 1, last="latest")
        assert [(each.block.hash, each.log_index, each.amount_units) for each in shown(scene, address)] == [
            (each.block_hash, each.log_index, each.amount_units) for each in sorted(true)
        ]


def test_what_is_not_final_is_shown_and_not_assessed(scene: Scene) -> None:
    debt = open_debt(scene)
    before = scene.assess(debt)
    scene.pay(2)
    scene.pay(4)
    report = scene.follow()
    assert report.failure is None
    assert amounts(scene) == [2, 4]
    demand_head(scene)
    assert {each.amount_units for each in stored(scene.engine)} == {1}
    found = scene.assess(debt)
    assert sum(payment.units for payment in found.attribution.payments) in {0, 1}
    assert found.attribution.candidates == before.attribution.candidates == ()
    # Once they are final they are facts, and nothing else any more.
    scene.bury(FINAL_DEPTH)
    assert scene.follow().failure is None
    assert amounts(scene) == []
    assert {each.amount_units for each in stored(scene.engine)} == {1, 2, 4}
    demand_head(scene)


def test_a_payment_in_full_that_is_not_final_leaves_the_debt_open(sqlite_scene: Scene) -> None:
    scene = sqlite_scene
    debt = open_debt(scene)
    scene.pay(9_000 * 10**6)
    scene.follow()
    assert amounts(scene) == [9_000 * 10**6]
    assert scene.assess(debt).result is not Result.FULL
    scene.bury(FINAL_DEPTH + 1)
    scene.follow()
    assert scene.assess(debt).result is Result.FULL


def test_a_reorg_replaces_the_head_whole(scene: Scene) -> None:
    open_debt(scene)
    fork = scene.node.snapshot()
    scene.pay(2)
    scene.pay(4)
    scene.follow()
    gone = head_of(scene)
    assert amounts(scene) == [2, 4]
    scene.node.revert(fork)
    scene.node.mine(1, seconds_apart=77)
    scene.pay(8)
    assert scene.follow().failure is None
    assert amounts(scene) == [8]
    demand_head(scene)
    assert not {each.hash for each in gone[1:]} & {each.hash for each in head_of(scene)}
    assert {each.amount_units for each in stored(scene.engine)} == {1}


def test_a_reorg_to_a_shorter_chain(sqlite_scene: Scene) -> None:
    scene = sqlite_scene
    open_debt(scene)
    fork = scene.node.snapshot()
    scene.pay(2)
    scene.follow()
    scene.node.revert(fork)
    scene.follow()
    assert amounts(scene) == []
    demand_head(scene)


@pytest.mark.parametrize("depth", [1, 2])
def test_a_reorg_keeps_what_it_did_not_reach(scene: Scene, depth: int) -> None:
    """By the node's own `anvil_reorg`; the blocks below are not even written anew."""
    open_debt(scene)
    scene.pay(2)
    scene.pay(4)
    scene.follow()
    before = read_times(scene)
    scene.clock.advance(60)
    reorg(scene, depth)
    assert scene.follow().failure is None
    # Anvil puts empty blocks in their place.
    assert amounts(scene) == [2, 4][: 2 - depth]
    demand_head(scene)
    after = read_times(scene)
    assert [at == before[number] for number, at in sorted(after.items())] == [True] * (2 - depth) + [
        False
    ] * depth


def reorg(scene: Scene, depth: int) -> None:
    """Anvil takes the depth as a plain number, not as hex like every other one."""
    call = {"jsonrpc": "2.0", "id": 1, "method": "anvil_reorg", "params": [depth, []]}
    assert scene.node._post(json.dumps(call).encode())["result"] is None


def read_times(scene: Scene) -> dict[int, object]:
    with reading(scene.engine) as connection:
        query = sa.select(provisional_block.c.number, provisional_block.c.read_at)
        return {number: at for number, at in connection.execute(query)}  # noqa: C416 - rows are no pairs.


def test_new_blocks_are_added_to_the_head(sqlite_scene: Scene, proxies: Proxies) -> None:
    scene = sqlite_scene
    proxy = proxies()
    open_debt(scene)
    scene = scene.through(proxy.url)
    scene.pay(2)
    scene.follow()
    first = read_times(scene)
    scene.clock.advance(60)
    scene.pay(4)
    scene.follow()
    demand_head(scene)
    number = scene.node.block().number
    assert read_times(scene)[number - 1] == first[number - 1]
    # Where nothing has changed nothing is written, and no log is asked for.
    del proxy.requests[:]
    scene.clock.advance(60)
    scene.follow()
    assert read_times(scene) == {number - 1: first[number - 1], number: read_times(scene)[number]}
    assert not any(b"eth_getLogs" in request for request in proxy.requests)


def test_a_new_account_reads_the_head_anew(scene: Scene) -> None:
    open_debt(scene)
    scene.token.transfer(sender=scene.issuer, to=scene.stranger, units=16)
    scene.pay(2)
    scene.follow()
    assert amounts(scene, scene.stranger) == []
    scene.bind(scene.stranger)
    assert scene.follow().failure is None
    assert amounts(scene, scene.stranger) == [16]
    demand_head(scene)


FAILURES = {
    "down": faults.drop,
    "logs refused": faults.rpc_error(-32601, "no such method", method="eth_getLogs"),
    "garbage": lies.on_method("eth_getLogs", faults.half_json),
    "logs of another block": lies.logs_changed(
        lambda logs: [{**log, "blockHash": "0x" + "cd" * 32} for log in logs]
    ),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_node_that_fails_leaves_the_head_as_it_was(
    sqlite_scene: Scene, proxies: Proxies, name: str
) -> None:
    scene = sqlite_scene
    proxy = proxies()
    scene = scene.through(proxy.url)
    open_debt(scene)
    scene.pay(2)
    scene.follow()
    before = head_of(scene), amounts(scene)
    scene.pay(4)
    proxy.fail(FAILURES[name])
    scene.follow()
    known = {each.number for each in head_of(scene)}
    # What has become final meanwhile may go; nothing else does, and nothing comes.
    assert head_of(scene) == [each for each in before[0] if each.number in known]
    assert amounts(scene) == [2] == before[1]
    proxy.heal()
    assert scene.follow().failure is None
    demand_head(scene)


def test_a_second_node_shows_the_head_where_the_first_fails(sqlite_scene: Scene, proxies: Proxies) -> None:
    first, second = proxies(), proxies()
    scene = sqlite_scene.through(first.url, second.url)
    open_debt(scene)
    scene.pay(2)
    above = hex(scene.node.block("finalized").number + 1)

    def no_head(exchange: faults.Exchange) -> None:
        asked = exchange.asked
        of_head = isinstance(asked, dict) and asked["method"] == "eth_getLogs"
        fails = of_head and asked["params"][0]["fromBlock"] == above
        (faults.status(404) if fails else faults.pass_on)(exchange)

    first.fail(no_head)
    assert scene.follow().failure is None
    assert amounts(scene) == [2]
    demand_head(scene)


def test_two_readers_at_once_show_each_block_once(scene: Scene) -> None:
    open_debt(scene)
    scene.pay(2)
    scene.pay(4)
    with ThreadPoolExecutor(4) as pool:
        reports = [each.result() for each in [pool.submit(scene.follow) for _ in range(4)]]
    assert [report.failure for report in reports] == [None] * 4
    demand_head(scene)


def test_the_head_is_not_read_while_something_final_is_missing(sqlite_scene: Scene, proxies: Proxies) -> None:
    """Else a list would end in provisional transfers behind a hole that nobody sees."""
    scene = sqlite_scene
    proxy = proxies()
    open_debt(scene)
    scene.bury(3)
    scene.pay(2)
    scene = scene.through(proxy.url)
    proxy.fail(lies.on_method("eth_getLogs", faults.status(404)))
    assert scene.follow().failure is not None
    assert amounts(scene) == []


def test_nothing_of_the_head_is_ever_a_fact(scene: Scene) -> None:
    """The tables of facts are the same whether the head was read or not."""
    open_debt(scene)
    scene.pay(2)
    scene.follow()
    facts = stored(scene.engine), covered(scene.engine, scene.creditor), count(scene.engine, transfer)
    assert count(scene.engine, provisional_transfer) == 1
    writer = scene.writer()
    forget_head(writer=writer)
    assert count(scene.engine, provisional_block) == 0
    after = stored(scene.engine), covered(scene.engine, scene.creditor), count(scene.engine, transfer)
    assert after == facts
