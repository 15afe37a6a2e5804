"""Several nodes that have to give the same answer: who is outvoted, and what is kept where nobody wins."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from app.assessment.values import Result
from app.db import reading
from app.debts.terms import Debt
from app.errors import InvalidInput
from app.ingest.gaps import gaps_of
from app.ingest.ledger_model import disagreement
from app.ingest.registry import NewChain, check_chain
from app.ingest.store.chains import nodes
from app.ingest.store.coverage import coverage_of
from app.ingest.store.disagreements import Disagreement, RawAnswer, disagreements, raw_answers
from tests.ingest import lies
from tests.ingest.conftest import Proxies
from tests.ingest.judge import demand_truth
from tests.ingest.scene import (
    AGREED_AT,
    DAY,
    Scene,
    count,
    covered,
    first_of_window,
    stored,
    truth,
)
from tests.support import faulty_proxy as faults
from tests.support.faulty_proxy import Exchange, Fault

FOREIGN = "0x" + "77" * 20
OTHER_HASH = "0x" + "cd" * 32


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


def both_sides(scene: Scene, found: Disagreement) -> list[RawAnswer]:
    with reading(scene.engine) as connection:
        return raw_answers(connection, disagreement_id=found.id)


def reasons(scene: Scene) -> set[str]:
    with reading(scene.engine) as connection:
        return {gap.reason for gap in gaps_of(connection, chain=scene.chain)}


def errors(scene: Scene) -> list[str | None]:
    with reading(scene.engine) as connection:
        return [node.last_error for node in nodes(connection, scene.chain.id)]


def demand_whole(scene: Scene) -> None:
    demand_truth(scene)
    first = first_of_window(scene.node)
    assert stored(scene.engine) == truth(scene.node, scene.parties, first=first)
    (part,) = covered(scene.engine, scene.creditor)
    assert (part.first, part.last) == (first, scene.node.block("finalized").number)


def foreign(logs: list[Any]) -> list[Any]:
    """Another token's Transfer beside each true one."""
    return [*logs, *({**log, "address": FOREIGN, "logIndex": "0x63"} for log in logs)]


DIFFERENCES: dict[str, Fault] = {
    "hides one log": lies.logs_changed(lambda logs: logs[:-1]),
    "hides the first": lies.logs_changed(lambda logs: logs[1:]),
    "answers nothing": lies.logs_changed(lambda _: []),
    "cuts off after one": lies.logs_changed(lambda logs: logs[:1]),
    "adds a foreign token's log": lies.logs_changed(foreign),
    "tells another amount": lies.logs_changed(
        lambda logs: [{**log, "data": "0x" + f"{int(log['data'], 16) + 8:064x}"} for log in logs]
    ),
    "tells another token": lies.logs_changed(lambda logs: [{**log, "address": FOREIGN} for log in logs]),
    "tells another transaction": lies.logs_changed(
        lambda logs: [{**log, "transactionHash": OTHER_HASH} for log in logs]
    ),
}


@pytest.mark.parametrize("liar", [0, 1])
@pytest.mark.parametrize("name", DIFFERENCES)
def test_two_that_differ_leave_a_gap(sqlite_scene: Scene, proxies: Proxies, name: str, liar: int) -> None:
    pair = proxies(), proxies()
    scene = sqlite_scene.through(*(each.url for each in pair), agreement=2)
    debt = play(scene)
    pair[liar].fail(DIFFERENCES[name])
    report = scene.follow()
    assert report.failure is not None
    assert "disagree" in report.failure
    assert (stored(scene.engine), covered(scene.engine, scene.creditor)) == (set(), [])
    (found,) = on_record(scene)
    assert found.kind == "logs"
    assert {side.node for side in found.answers} == {each.url for each in pair}
    assert reasons(scene) == {"answers about these blocks contradict each other"}
    assessment = scene.assess(debt, as_of=AGREED_AT + 3 * DAY + 100)
    assert assessment.result is Result.UNDETERMINED
    # Neither of them is at fault as far as anybody knows here.
    assert errors(scene) == [None, None]
    # The same again is on record already, also when the chain has grown in the meantime.
    scene.follow()
    scene.bury(2)
    scene.follow()
    assert on_record(scene) == [found]
    pair[liar].heal()
    assert scene.follow().failure is None
    demand_whole(scene)


def test_the_assessment_names_the_contradiction(sqlite_scene: Scene, proxies: Proxies) -> None:
    """The part that was read before is known; the reason of the gap behind it is not merely "not read"."""
    honest, liar = proxies(), proxies()
    scene = sqlite_scene.through(honest.url, liar.url, agreement=2)
    debt = play(scene)
    scene.follow()
    scene.pay(8, at=AGREED_AT + 9 * DAY)
    scene.bury(3)
    liar.fail(DIFFERENCES["hides one log"])
    scene.follow()
    final = scene.node.block("finalized").number
    liar.heal()
    as_of = scene.node.block(final).time - 1
    found = scene.assess(debt, as_of=as_of)
    assert found.result is Result.UNDETERMINED
    gaps = [gap for row in found.facts.scope for gap in row.gaps]
    assert any("contradict" in gap.reason for gap in gaps), gaps


def test_both_raw_answers_are_kept_byte_for_byte(scene: Scene, proxies: Proxies) -> None:
    """On both databases, each with the request it answers."""
    honest, liar = proxies(), proxies()
    scene = scene.through(honest.url, liar.url, agreement=2)
    play(scene)
    sent: list[bytes] = []

    def hides(exchange: Exchange) -> None:
        answer = exchange.truth()
        if b"eth_getLogs" in exchange.request:
            answer["result"] = answer["result"][:-1]
            # Spelled as no other node would.
            sent.append(json.dumps(answer, indent=3).encode())
            exchange.send(sent[-1])
        else:
            exchange.send_json(answer)

    liar.fail(hides)
    scene.follow()
    (found,) = on_record(scene)
    kept = both_sides(scene, found)
    assert [each.node for each in kept] == [honest.url, honest.url, liar.url, liar.url]
    assert [each.body for each in kept[2:]] == sent[:2]
    asked = [request for request in liar.requests if b"eth_getLogs" in request]
    assert [each.request for each in kept[2:]] == asked[:2]
    assert {each.method for each in kept} == {"eth_getLogs"}
    true = [request for request in honest.requests if b"eth_getLogs" in request]
    assert [each.request for each in kept[:2]] == true[:2]
    for raw, side in zip(kept, found.answers, strict=True):
        assert (side.size, side.sha256) == (len(raw.body), hashlib.sha256(raw.body).digest())
    logs = [json.loads(each.body)["result"] for each in kept]
    assert len(logs[0]) + len(logs[1]) > len(logs[2]) + len(logs[3])


@pytest.mark.parametrize("liar", [0, 1, 2])
@pytest.mark.parametrize("name", ["hides one log", "answers nothing", "adds a foreign token's log"])
def test_one_of_three_is_outvoted(sqlite_scene: Scene, proxies: Proxies, name: str, liar: int) -> None:
    three = [proxies() for _ in range(3)]
    scene = sqlite_scene.through(*(each.url for each in three), agreement=2)
    debt = play(scene)
    three[liar].fail(DIFFERENCES[name])
    report = scene.follow()
    assert report.failure is None
    demand_whole(scene)
    with reading(scene.engine) as connection:
        rows = coverage_of(connection, chain_id=scene.chain.id, addresses=[scene.creditor])
    for row in rows[scene.creditor]:
        assert len(row.nodes) == 2
        assert three[liar].url not in row.nodes
    # The third is asked only where two differ.
    assert len(on_record(scene)) == (0 if liar == 2 else 1)
    assert [error is not None for error in errors(scene)] == [at == liar < 2 for at in range(3)]
    assert scene.assess(debt).result is Result.PARTIAL


def test_three_of_three_differ(sqlite_scene: Scene, proxies: Proxies) -> None:
    three = [proxies() for _ in range(3)]
    scene = sqlite_scene.through(*(each.url for each in three), agreement=2)
    play(scene)
    three[1].fail(DIFFERENCES["hides one log"])
    three[2].fail(DIFFERENCES["hides the first"])
    assert scene.follow().failure is not None
    assert covered(scene.engine, scene.creditor) == []
    assert len(on_record(scene)) == 2
    # A third that is healed settles it.
    three[2].heal()
    assert scene.follow().failure is None
    demand_whole(scene)


def test_a_third_node_that_is_added_settles_it(sqlite_scene: Scene, proxies: Proxies) -> None:
    pair = proxies(), proxies()
    scene = sqlite_scene.through(*(each.url for each in pair), agreement=2)
    play(scene)
    pair[0].fail(DIFFERENCES["hides one log"])
    assert scene.follow().failure is not None
    third = proxies()
    scene = scene.through(*(each.url for each in pair), third.url, agreement=2)
    assert scene.follow().failure is None
    demand_whole(scene)
    assert len(on_record(scene)) == 1


STALE: dict[str, Callable[[int], Fault]] = {
    "in everything": lies.lagging,
    "only in what it says of logs": lambda head: faults.altered_result(
        "eth_getLogs", lambda logs: [log for log in logs if int(log["blockNumber"], 16) <= head]
    ),
}


@pytest.mark.parametrize("liar", [0, 1])
@pytest.mark.parametrize("name", STALE)
def test_a_stale_answer_is_no_agreement(sqlite_scene: Scene, proxies: Proxies, name: str, liar: int) -> None:
    pair = proxies(), proxies()
    scene = sqlite_scene.through(*(each.url for each in pair), agreement=2)
    debt = play(scene)
    final = scene.node.block("finalized").number
    # Once it has said who it is and how far it has come.
    pair[liar].fail(lies.since(4, STALE[name](final - 5)))
    report = scene.follow()
    assert report.failure is not None
    demand_truth(scene)
    assert scene.assess(debt, as_of=scene.node.block(final).time - 1).result is Result.UNDETERMINED
    pair[liar].heal()
    assert scene.follow().failure is None
    demand_whole(scene)


def test_two_stale_answers_do_not_agree_on_nothing(sqlite_scene: Scene, proxies: Proxies) -> None:
    """Both hide the newest logs, and the second has fallen behind: its silence is no vote."""
    pair = proxies(), proxies()
    scene = sqlite_scene.through(*(each.url for each in pair), agreement=2)
    play(scene)
    final = scene.node.block("finalized").number
    pair[0].fail(STALE["only in what it says of logs"](final - 5))
    pair[1].fail(lies.since(4, lies.lagging(final - 5)))
    report = scene.follow()
    assert report.failure is not None
    demand_truth(scene)


def test_one_that_fails_leaves_too_few(sqlite_scene: Scene, proxies: Proxies) -> None:
    pair = proxies(), proxies()
    scene = sqlite_scene.through(*(each.url for each in pair), agreement=2)
    debt = play(scene)
    pair[1].go_down()
    report = scene.follow()
    assert report.failure is not None
    assert "1 of the 2 nodes that have to agree" in report.failure
    assert "no connection" in report.failure
    assert covered(scene.engine, scene.creditor) == []
    assert scene.assess(debt).result is Result.UNDETERMINED
    assert on_record(scene) == []
    pair[1].listen()
    assert scene.follow().failure is None
    demand_whole(scene)


def test_one_that_fails_half_way_leaves_too_few(sqlite_scene: Scene, proxies: Proxies) -> None:
    """The other is not asked for the rest in vain, range by range."""
    pair = proxies(), proxies()
    scene = sqlite_scene.through(*(each.url for each in pair), agreement=2)
    play(scene)
    scene.bury(40)
    capped = faults.capped_range(2, "the block range is limited to 2")
    pair[0].fail(capped)
    pair[1].fail(lies.on_method("eth_getLogs", faults.status(404)))
    report = scene.follow()
    assert report.failure is not None
    assert "1 of the 2 nodes that have to agree" in report.failure
    assert len(report.failure) < 1000
    answered = [request for request in pair[0].requests if b"eth_getLogs" in request]
    assert len(answered) < 20
    assert covered(scene.engine, scene.creditor) == []
    # It is the one that failed which is marked, not the one that was left alone.
    assert [error is not None for error in errors(scene)] == [False, True]
    for each in pair:
        each.heal()
    assert scene.follow().failure is None
    demand_whole(scene)


def test_only_the_disputed_range_is_a_gap(sqlite_scene: Scene, proxies: Proxies) -> None:
    pair = proxies(), proxies()
    scene = sqlite_scene.through(*(each.url for each in pair), agreement=2)
    play(scene)
    capped = faults.capped_range(3, "the block range is limited to 3")
    second = sorted(each.block_number for each in truth(scene.node, scene.parties))[-2]
    hiding = lies.logs_changed(lambda logs: [log for log in logs if int(log["blockNumber"], 16) != second])

    def narrow(exchange: Exchange) -> None:
        asked = exchange.asked
        wide = isinstance(asked, dict) and asked["method"] == "eth_getLogs"
        window = asked["params"][0] if wide else {"toBlock": "0x0", "fromBlock": "0x0"}
        size = int(window["toBlock"], 16) - int(window["fromBlock"], 16)
        (capped if size >= 3 else hiding)(exchange)

    pair[0].fail(capped)
    pair[1].fail(narrow)
    report = scene.follow()
    assert report.failure is not None
    parts = covered(scene.engine, scene.creditor)
    assert len(parts) == 2
    assert parts[0].last < second < parts[1].first
    assert parts[1].first - parts[0].last <= 4
    demand_truth(scene)
    (found,) = on_record(scene)
    assert (found.blocks.first, found.blocks.last) == (second, second)


def test_more_to_agree_than_there_are(sqlite_scene: Scene) -> None:
    scene = sqlite_scene
    new = NewChain(chain=scene.chain, rpc_urls=(scene.node.url,), agreement=2)
    with pytest.raises(InvalidInput) as caught:
        check_chain(new=new, outside=scene.outside)
    assert [fault.pointer for fault in caught.value.faults] == ["/agreement"]


def test_a_node_that_never_says_the_same_twice_does_not_fill_the_disk(
    sqlite_scene: Scene, proxies: Proxies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.ingest.store.disagreements.KEPT_MAX", 3)
    honest, liar = proxies(), proxies()
    scene = sqlite_scene.through(honest.url, liar.url, agreement=2)
    play(scene)
    for number in range(5):
        told = "0x" + f"{99 + number:064x}"
        liar.fail(faults.altered_result("eth_getLogs", partial(with_amounts, told)))
        assert scene.follow().failure is not None
    assert count(scene.engine, disagreement) == 3
    assert covered(scene.engine, scene.creditor) == []


def with_amounts(told: str, logs: list[Any]) -> list[Any]:
    return [{**log, "data": told} for log in logs]
