"""The ends of a window by block times: what lies in it, what brackets it, and what remains a gap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from app.assessment.scope import NOT_FINAL_YET, NOT_LOCATED, NOTHING_READ
from app.assessment.values import Assessment, Gap, Result, ScopeRow, Timing
from app.clock import from_unix_seconds
from app.db import reading
from app.errors import InvalidInput
from app.ingest.model import block
from app.ingest.store.blocks import block_numbered
from chains.devnode import DevNode
from chains.types import BlockRef
from tests.ingest.scene import AGREED_AT, DAY, UNIT, Scene, count, covered
from tests.support.anvil import GENESIS_AT
from tests.support.faulty_proxy import faulty_proxy


def row_of(assessment: Assessment) -> ScopeRow:
    (row,) = assessment.facts.scope
    return row


def gaps(assessment: Assessment) -> list[Gap]:
    return [gap for row in assessment.facts.scope for gap in row.gaps]


def reasons(assessment: Assessment) -> list[str]:
    return [gap.reason for gap in gaps(assessment)]


def numbers(row: ScopeRow) -> list[int | None]:
    """a-1, a, b, b+1."""
    return [None if each is None else each.number for each in (row.before, row.first, row.last, row.after)]


def applied(assessment: Assessment) -> int:
    return sum(payment.units for payment in assessment.attribution.payments)


def mine_at(node: DevNode, times: Sequence[int]) -> list[BlockRef]:
    mined = []
    for time in times:
        node.set_next_block_time(time)
        node.call("evm_mine")
        mined.append(node.block())
        assert mined[-1].time == time
    return mined


def test_the_default_as_of_is_one_second_before_the_last_final_block(scene: Scene) -> None:
    debt = scene.record_debt()
    scene.pay(4, at=AGREED_AT + DAY)
    scene.bury(5)
    scene.follow()
    final = scene.node.block("finalized")
    found = scene.assess(debt)
    assert found.as_of == from_unix_seconds(final.time - 1)
    assert found.known_at == scene.clock()
    row = row_of(found)
    assert row.after == replace(final, parent_hash=row.after.parent_hash) if row.after else False
    first = next(number for number in range(final.number) if scene.node.block(number).time >= AGREED_AT)
    assert numbers(row) == [first - 1, first, final.number - 1, final.number]
    assert [each.hash for each in (row.first, row.last) if each is not None] == [
        scene.node.block(first).hash,
        scene.node.block(final.number - 1).hash,
    ]
    assert (found.result, applied(found), row.gaps) == (Result.PARTIAL, 4, ())


def test_as_of_in_the_past_asks_the_node_once(scene: Scene) -> None:
    debt = scene.record_debt()
    for day, units in ((1, 1), (3, 2), (5, 4)):
        scene.pay(units, at=AGREED_AT + day * DAY)
        scene.bury(3)
    scene.follow()
    as_of = AGREED_AT + 3 * DAY + 5000
    with reading(scene.engine) as connection:
        known = count(scene.engine, block)
        assert block_numbered(connection, chain_id=scene.chain.id, number=1) is None
    with faulty_proxy(scene.node) as proxy:
        asking = scene.through(proxy.url)
        found = asking.assess(debt, as_of=as_of)
        assert proxy.requests != []
        assert (found.result, applied(found), reasons(found)) == (Result.PARTIAL, 3, [])
        row = row_of(found)
        assert row.last is not None
        assert row.after is not None
        assert row.last.time <= as_of < row.after.time
        assert row.after.number == row.last.number + 1
        # The pair is on record now.
        assert count(scene.engine, block) > known
        del proxy.requests[:]
        again = asking.assess(debt, as_of=as_of)
        assert proxy.requests == []
        proxy.go_down()
        assert asking.assess(debt, as_of=as_of) == again == found


def test_as_of_in_the_past_while_no_node_answers_is_a_gap(sqlite_scene: Scene) -> None:
    scene = sqlite_scene
    debt = scene.record_debt()
    for day in (1, 3, 5):
        scene.pay(1, at=AGREED_AT + day * DAY)
        scene.bury(3)
    scene.follow()
    with faulty_proxy(scene.node) as proxy:
        alone = scene.through(proxy.url)
        proxy.go_down()
        found = alone.assess(debt, as_of=AGREED_AT + 3 * DAY + 5000)
    assert (found.result, reasons(found)) == (Result.UNDETERMINED, [NOT_LOCATED])
    assert found.not_covered is None


@pytest.mark.parametrize("ahead", [0, 1, 100 * DAY])
def test_as_of_at_or_after_the_last_final_block_is_a_gap(sqlite_scene: Scene, ahead: int) -> None:
    """b+1 has to be final and read: without it nobody can say that b is the last block up to as_of."""
    scene = sqlite_scene
    debt = scene.record_debt()
    scene.pay(4, at=AGREED_AT + DAY)
    scene.bury(5)
    scene.follow()
    final = scene.node.block("finalized")
    found = scene.assess(debt, as_of=final.time + ahead)
    assert found.result is Result.UNDETERMINED
    assert found.timing is Timing.UNDETERMINED
    assert reasons(found) == [NOT_FINAL_YET]
    assert [gap.first_block for gap in gaps(found)] == [final.number + 1]
    # Once a later block is final, it is none.
    scene.node.mine(1, seconds_apart=101 * DAY)
    scene.bury(2)
    scene.follow()
    later = scene.assess(debt, as_of=final.time + ahead)
    assert (later.result, applied(later), reasons(later)) == (Result.PARTIAL, 4, [])


def test_enough_found_is_full_in_spite_of_a_gap(sqlite_scene: Scene) -> None:
    scene = sqlite_scene
    debt = scene.record_debt()
    scene.pay(9_000 * UNIT, at=AGREED_AT + DAY)
    scene.bury(5)
    scene.follow()
    found = scene.assess(debt, as_of=scene.node.block("finalized").time)
    assert found.result is Result.FULL
    assert reasons(found) == [NOT_FINAL_YET]


def test_a_start_block_after_the_agreement_is_a_gap(scene: Scene) -> None:
    engine, node = scene.engine, scene.node
    debt = scene.record_debt()
    scene.pay(1, at=AGREED_AT + DAY)
    scene.pay(2, at=AGREED_AT + 2 * DAY)
    scene.bury(4)
    start = node.block().number - 4
    late = replace(scene, chain=replace(scene.chain, start_block=start))
    assert late.follow().failure is None
    assert covered(engine, scene.creditor)[0].first == start
    found = late.assess(debt)
    assert found.result is Result.UNDETERMINED
    row = row_of(found)
    assert row.first is not None
    assert [(gap.first_block, gap.last_block) for gap in row.gaps] == [(row.first.number, start - 1)]
    assert all("were not read" in reason for reason in reasons(found))
    assert found.not_covered is None
    # The earlier payment may lie in the gap: it is never passed over as if there were none.
    assert found.timing is Timing.UNDETERMINED

    assert scene.follow().failure is None
    healed = scene.assess(debt)
    assert (healed.result, applied(healed), reasons(healed)) == (Result.PARTIAL, 3, [])


def test_a_start_block_that_is_not_there_yet_reads_nothing(sqlite_scene: Scene) -> None:
    scene = replace(sqlite_scene, chain=replace(sqlite_scene.chain, start_block=10_000))
    debt = scene.record_debt()
    scene.pay(1, at=AGREED_AT + DAY)
    scene.bury(4)
    assert scene.follow().failure is None
    found = scene.assess(debt)
    assert (found.result, reasons(found)) == (Result.UNDETERMINED, [NOTHING_READ])
    assert found.as_of == found.known_at


def test_agreed_before_genesis_starts_at_block_0_and_is_no_gap(sqlite_scene: Scene) -> None:
    scene = sqlite_scene
    debt = scene.record_debt(agreed_at=GENESIS_AT - 30 * DAY)
    scene.pay(5, at=AGREED_AT + DAY)
    scene.bury(4)
    scene.follow()
    found = scene.assess(debt)
    assert (found.result, applied(found), reasons(found)) == (Result.PARTIAL, 5, [])
    assert numbers(row_of(found))[:2] == [None, 0]


def test_agreed_at_the_very_second_of_genesis(sqlite_scene: Scene) -> None:
    scene = sqlite_scene
    debt = scene.record_debt(agreed_at=GENESIS_AT)
    scene.bury(4)
    scene.follow()
    found = scene.assess(debt)
    assert (found.result, reasons(found)) == (Result.NONE_FOUND_IN_SCOPE, [])
    assert numbers(row_of(found))[:2] == [None, 0]


def test_two_agreements_a_second_apart_start_a_block_apart(sqlite_scene: Scene) -> None:
    """Block times are whole seconds, and so is the start of the window."""
    scene = sqlite_scene
    mine_at(scene.node, [AGREED_AT, AGREED_AT + 1])
    scene.bury(4)
    debt = scene.record_debt(agreed_at=AGREED_AT)
    later = scene.record_debt(agreed_at=AGREED_AT + 1, reference="LOAN-2")
    scene.follow()
    starts = [row_of(scene.assess(each)).first for each in (debt, later)]
    assert [each.time for each in starts if each is not None] == [AGREED_AT, AGREED_AT + 1]


def test_blocks_of_the_same_second(scene: Scene) -> None:
    """Several blocks may share a second: b is the last up to as_of, b+1 the first later, a the first at."""
    start = AGREED_AT + 3600
    debt = scene.record_debt(agreed_at=start)
    before = scene.pay(1, at=start - 1)
    inside = [scene.pay(2, at=start), scene.pay(4, at=start), scene.pay(8, at=start)]
    end = start + DAY
    twins = [scene.pay(units, at=end) for units in (16, 32, 64)]
    after = scene.pay(128, at=end + 1)
    scene.bury(4)
    scene.follow()
    number = {tx: int(scene.node.receipt(tx)["blockNumber"], 16) for tx in (before, *inside, *twins, after)}
    found = scene.assess(debt, as_of=end)
    expected = [number[before], number[inside[0]], number[twins[-1]], number[after]]
    assert (numbers(row_of(found)), applied(found)) == (expected, 2 + 4 + 8 + 16 + 32 + 64)
    found = scene.assess(debt, as_of=end - 1)
    expected = [number[before], number[inside[0]], number[inside[-1]], number[twins[0]]]
    assert (numbers(row_of(found)), applied(found)) == (expected, 2 + 4 + 8)
    found = scene.assess(debt, as_of=start)
    assert (numbers(row_of(found)), applied(found)) == (expected, 2 + 4 + 8)
    assert reasons(found) == []


def test_a_last_final_second_with_several_blocks(sqlite_scene: Scene) -> None:
    """F is not the first block of its second, so as_of ends before all of them."""
    scene = sqlite_scene
    debt = scene.record_debt()
    scene.pay(1, at=AGREED_AT + DAY)
    end = AGREED_AT + 2 * DAY
    for units in (2, 4, 8, 16, 32, 64):
        scene.pay(units, at=end)
    scene.follow()
    final = scene.node.block("finalized")
    assert final.time == end
    found = scene.assess(debt)
    assert found.as_of == from_unix_seconds(end - 1)
    assert (applied(found), reasons(found)) == (1, [])
    row = row_of(found)
    assert row.after is not None
    assert (row.after.time, scene.node.block(row.after.number - 1).time) == (end, AGREED_AT + DAY)


def test_an_agreement_and_as_of_between_two_blocks(sqlite_scene: Scene) -> None:
    """No block lies in that window, and both its ends are known: that is no gap."""
    scene = sqlite_scene
    mine_at(scene.node, [AGREED_AT - 100, AGREED_AT + 100])
    debt = scene.record_debt()
    scene.bury(4)
    scene.follow()
    found = scene.assess(debt, as_of=AGREED_AT + 50)
    assert (found.result, reasons(found)) == (Result.NONE_FOUND_IN_SCOPE, [])
    assert numbers(row_of(found))[1:3] == [None, None]


def test_nothing_read_is_undetermined_at_known_at(sqlite_scene: Scene) -> None:
    scene = sqlite_scene
    debt = scene.record_debt()
    found = scene.assess(debt)
    assert (found.result, found.not_covered) == (Result.UNDETERMINED, None)
    assert found.as_of == found.known_at == scene.clock()
    assert reasons(found) == [NOTHING_READ]


def test_known_at_hides_what_was_read_later(scene: Scene) -> None:
    debt = scene.record_debt()
    recorded = scene.clock()
    scene.pay(1, at=AGREED_AT + DAY)
    scene.bury(3)
    scene.clock.advance(3600)
    scene.follow()
    first_read = scene.clock()
    then = scene.assess(debt)
    scene.clock.advance(3600)
    scene.pay(2, at=AGREED_AT + 5 * DAY)
    scene.bury(3)
    scene.follow()
    assert applied(scene.assess(debt)) == 3
    replay = scene.assess(debt, known_at=first_read)
    assert (replay.result, replay.as_of, applied(replay)) == (then.result, then.as_of, 1)
    assert row_of(replay) == row_of(then)
    # Between the two passes nothing new was known; before the first nothing at all.
    assert applied(scene.assess(debt, known_at=first_read + timedelta(minutes=30))) == 1
    early = scene.assess(debt, known_at=recorded)
    assert (early.result, applied(early)) == (Result.UNDETERMINED, 0)
    # What was known then does not reach as far as this: a gap, not the later reading.
    beyond = scene.assess(debt, known_at=first_read, as_of=AGREED_AT + 5 * DAY)
    assert (beyond.result, applied(beyond)) == (Result.UNDETERMINED, 1)
    with pytest.raises(InvalidInput, match="/known_at"):
        scene.assess(debt, known_at=recorded - timedelta(seconds=1))
    with pytest.raises(InvalidInput, match="/as_of"):
        scene.assess(debt, as_of=AGREED_AT - 1)


def test_a_final_block_that_is_older_than_the_agreement(sqlite_scene: Scene) -> None:
    """Read for an older debt, but not yet for this one: nothing of this window was read."""
    scene = sqlite_scene
    scene.record_debt(agreed_at=GENESIS_AT + 60, reference="LOAN-0")
    scene.bury(3)
    scene.follow()
    debt = scene.record_debt(agreed_at=scene.node.block().time + DAY)
    scene.follow()
    found = scene.assess(debt)
    assert found.result is Result.UNDETERMINED
    assert gaps(found) != []
