"""What was not read is named, account by account, with the reason; the next pass fills it once it can."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.assessment.values import Result
from app.db import reading
from app.ingest.gaps import ReadingGap, gaps_of
from app.ingest.ranges import Blocks
from app.ingest.store.chains import put_chain
from app.ingest.store.coverage import read_through
from chains.types import Address
from tests.ingest import lies
from tests.ingest.conftest import Proxies
from tests.ingest.judge import demand_truth
from tests.ingest.scene import AGREED_AT, DAY, Scene, covered, first_of_window, stored, truth
from tests.support import faulty_proxy as faults


def gaps(scene: Scene, address: Address | None = None) -> list[ReadingGap]:
    """Of one account, the creditor by default."""
    with reading(scene.engine) as connection:
        return gaps_of(connection, chain=scene.chain, addresses=[address or scene.creditor])


def play(scene: Scene) -> None:
    for day in (1, 2, 3):
        scene.pay(day, at=AGREED_AT + day * DAY)
        scene.bury(3)


def final(scene: Scene) -> int:
    return scene.node.block("finalized").number


def starting_at(scene: Scene, number: int) -> Scene:
    """The same chain, from whose `start_block` on it is read."""
    changed = replace(scene, chain=replace(scene.chain, start_block=number))
    with scene.engine.begin() as connection:
        urls = [scene.node.url]
        put_chain(connection, value=changed.chain, rpc_urls=urls, now=scene.clock())
    return changed


def test_nothing_is_missing_after_a_whole_pass(scene: Scene) -> None:
    scene.record_debt()
    play(scene)
    assert scene.follow().failure is None
    assert gaps(scene) == gaps(scene, scene.debtor) == []


def test_a_start_block_later_than_the_agreement_is_a_gap(scene: Scene) -> None:
    debt = scene.record_debt()
    play(scene)
    first = first_of_window(scene.node)
    cut = starting_at(scene, first + 4)
    assert cut.follow().failure is None
    (gap,) = gaps(cut)
    assert gap.blocks == Blocks(first, first + 3)
    assert gap.reason == f"the chain is read from its start_block {first + 4} on"
    assert covered(cut.engine, cut.creditor) == [Blocks(first + 4, final(cut))]
    assert cut.assess(debt).result is Result.UNDETERMINED
    # Taken back by the operator, the next pass reads what it had left out.
    whole = starting_at(cut, 0)
    assert [gap.reason for gap in gaps(whole)] == ["not read yet"]
    assert whole.follow().failure is None
    assert gaps(whole) == []
    assert stored(whole.engine) == truth(whole.node, whole.parties, first=first)
    assert whole.assess(debt).result is Result.PARTIAL


def test_what_the_operator_left_out_is_told_apart_from_the_rest(
    sqlite_scene: Scene, proxies: Proxies
) -> None:
    """One stretch of unread blocks, in which two reasons meet."""
    scene = sqlite_scene
    scene.record_debt()
    play(scene)
    first = first_of_window(scene.node)
    proxy = proxies()
    cut = replace(scene.through(proxy.url), chain=replace(scene.chain, start_block=first + 4))
    proxy.fail(lies.on_method("eth_getLogs", faults.status(404)))
    assert cut.follow().failure is not None
    left_out, failed = gaps(cut)
    assert (left_out.blocks, failed.blocks) == (Blocks(first, first + 3), Blocks(first + 4, final(cut)))
    assert "start_block" in left_out.reason
    assert f"node {proxy.url}: answered HTTP status 404" in failed.reason


FAILURES: dict[str, tuple[faults.Fault, str]] = {
    "404": (lies.on_method("eth_getLogs", faults.status(404)), "HTTP status 404"),
    "429": (
        lies.on_method("eth_getLogs", faults.status(429, headers={"Retry-After": "0"})),
        "HTTP status 429",
    ),
    "an error": (faults.rpc_error(-32000, "missing trie node", method="eth_getLogs"), "missing trie node"),
    "half an answer": (lies.on_method("eth_getLogs", faults.half_answer), "connection broke"),
    "no list": (lies.logs_changed(lambda _: None), "answers an array"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_node_that_fails_leaves_a_gap_with_its_reason(
    sqlite_scene: Scene, proxies: Proxies, name: str
) -> None:
    fault, said = FAILURES[name]
    proxy = proxies()
    scene = sqlite_scene.through(proxy.url)
    debt = scene.record_debt()
    play(scene)
    first = first_of_window(scene.node)
    proxy.fail(fault)
    assert scene.follow().failure is not None
    (gap,) = gaps(scene)
    assert gap.blocks == Blocks(first, final(scene))
    assert said in gap.reason
    assert scene.assess(debt).result is Result.UNDETERMINED
    proxy.heal()
    assert scene.follow().failure is None
    assert gaps(scene) == []
    demand_truth(scene)
    assert scene.assess(debt).result is Result.PARTIAL


def test_a_hole_in_the_middle_is_filled_by_the_next_pass(sqlite_scene: Scene, proxies: Proxies) -> None:
    """Two nodes that differ on one range leave it, and read on behind it."""
    pair = proxies(), proxies()
    scene = sqlite_scene.through(*(each.url for each in pair), agreement=2)
    scene.record_debt()
    play(scene)
    capped = faults.capped_range(3, "the block range is limited to 3")
    middle = sorted(each.block_number for each in truth(scene.node, [scene.creditor]))[-2]
    hiding = lies.logs_changed(lambda logs: [log for log in logs if int(log["blockNumber"], 16) != middle])
    pair[0].fail(capped)
    pair[1].fail(hiding)
    assert scene.follow().failure is not None
    (gap,) = gaps(scene)
    assert gap.blocks is not None
    assert gap.blocks.first <= middle <= gap.blocks.last
    assert gap.blocks.size <= 3
    with reading(scene.engine) as connection:
        assert read_through(connection, scene.chain.id) == gap.blocks.first - 1
    for each in pair:
        each.heal()
        del each.requests[:]
    assert scene.follow().failure is None
    assert gaps(scene) == []
    # Only the hole was asked for again.
    hexes = (hex(gap.blocks.first).encode(), hex(gap.blocks.last).encode())
    final_logs = [each for each in pair[1].requests if b"eth_getLogs" in each]
    assert len(final_logs) == 2
    assert all(hexes[0] in each and hexes[1] in each for each in final_logs)
    assert len(covered(scene.engine, scene.creditor)) == 1
    demand_truth(scene)


def test_a_window_that_nobody_located_is_a_gap(sqlite_scene: Scene, proxies: Proxies) -> None:
    proxy = proxies()
    scene = sqlite_scene.through(proxy.url)
    debt = scene.record_debt()
    play(scene)
    searching = lies.turns(lambda number: faults.status(404) if number > 5 else None)
    proxy.fail(searching)
    assert scene.follow().failure is not None
    (gap,) = gaps(scene)
    assert gap.blocks is None
    assert "not final yet, or no node told it" in gap.reason
    assert scene.assess(debt).result is Result.UNDETERMINED
    proxy.heal()
    assert scene.follow().failure is None
    assert gaps(scene) == []


def test_an_account_bound_later_has_its_own_gap(sqlite_scene: Scene, proxies: Proxies) -> None:
    scene = sqlite_scene
    scene.record_debt()
    play(scene)
    scene.follow()
    scene.bind(scene.stranger)
    (gap,) = gaps(scene, scene.stranger)
    assert (gap.address, gap.reason) == (scene.stranger, "not read yet")
    assert gaps(scene) == []
    scene.follow()
    assert gaps(scene, scene.stranger) == []


def test_what_is_not_final_is_no_gap(sqlite_scene: Scene) -> None:
    scene = sqlite_scene
    scene.record_debt()
    play(scene)
    scene.follow()
    scene.pay(9)
    assert gaps(scene) == []
