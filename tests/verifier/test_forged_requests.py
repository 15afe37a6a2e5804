"""What was asked, and of whom, altered by somebody who reseals the whole bundle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.verifier.verdict import ACCEPTED
from tests.journeys.played import Played
from tests.verifier.altering import (
    LOAN,
    NOWHERE,
    PAID_3000,
    SPOOF,
    STRANGER_TOPIC,
    ask,
    entry,
    in_turn,
    then_follow,
)
from tests.verifier.forger import LEDGER, REQUESTS, Forger
from tests.verifier.judging import (
    ANSWER,
    REQUEST,
    TRANSFERS,
    Forgery,
    demand_rejection,
    judged,
    named,
)


def ask_twice(forger: Forger) -> None:
    """The same range again, so that more requests seem to have been sent."""
    for number in (forger.logs_from, forger.logs_to):
        params = forger.json(forger.request_path(number))["params"]
        forger.add_exchange("eth_getLogs", params, forger.json(forger.answer_path(number))["result"])


def ask_overlapping(forger: Forger) -> None:
    for number in (forger.logs_from, forger.logs_to):
        params = forger.json(forger.request_path(number))["params"]
        logs = forger.json(forger.answer_path(number))["result"]
        later = [log for log in logs if int(log["blockNumber"], 16) >= SPOOF]
        asked = {**params[0], "fromBlock": hex(SPOOF)}
        forger.add_exchange("eth_getLogs", [asked], later)


def ask_first_account_only(asked: dict[str, Any]) -> None:
    asked["topics"][-1] = asked["topics"][-1][:1]


def mark_failed_and_hide(forger: Forger) -> None:
    """The only endpoint is said to have failed, and its answers are gone."""
    for number in range(1, len(forger.json(REQUESTS)) + 1):
        del forger.files[forger.request_path(number)], forger.files[forger.answer_path(number)]
        entry(number, "error", "no connection")(forger)


def second_endpoint_hides_a_payment(forger: Forger) -> None:
    made = forger.add_endpoint(endpoint="http://other.example")
    forger.follow()
    forger.drop_logs(block=PAID_3000, numbers=(made[forger.logs_from], made[forger.logs_to]))


def second_endpoint_saw_more_and_failed(forger: Forger) -> None:
    """Its answers list a payment that the case does not, and count for nothing since it failed later."""
    logs = {number: forger.json(forger.answer_path(number))["result"] for number in forger_logs(forger)}
    params = {number: forger.json(forger.request_path(number))["params"] for number in logs}
    forger.drop_logs(block=PAID_3000)
    forger.drop_exchange(forger.block_number(PAID_3000))
    for number, result in logs.items():
        forger.add_exchange(
            "eth_getLogs", params[number], result, position=1, endpoint="http://other.example"
        )
    forger.add_failure()


def forger_logs(forger: Forger) -> tuple[int, int]:
    return forger.logs_from, forger.logs_to


def failed_endpoint_contradicts_itself(forger: Forger) -> None:
    """Of the two answers that it gave, one has another amount than the other."""
    for number, amount in zip(forger_logs(forger), (1, 2), strict=True):
        first, second, *rest = forger.json(forger.answer_path(number))["result"]
        forger.add_exchange(
            "eth_getLogs",
            forger.json(forger.request_path(number))["params"],
            [first, {**second, "data": f"0x{amount:064x}"}, *rest],
            position=1,
            endpoint="http://other.example",
        )
    forger.add_failure()


def split_into_two_urls(forger: Forger) -> None:
    entry(5, "endpoint", "http://other.example")(forger)


def move_second_endpoint_to_position_two(forger: Forger) -> None:
    forger.add_endpoint(position=2, endpoint="http://other.example")


def other_method(forger: Forger) -> None:
    forger.add_exchange("eth_call", [{"to": "0x" + "11" * 20}, "latest"], "0x")


def indent_request(forger: Forger) -> None:
    path = forger.request_path(4)
    forger.files[path] = json.dumps(forger.json(path)).encode()


def id_as_flag(forger: Forger) -> None:
    path = forger.request_path(1)
    forger.files[path] = forger.files[path].replace(b'"id":1', b'"id":true')


REQUEST_FORGERIES = [
    Forgery(
        "the first block of the window was not asked for",
        in_turn(
            ask(lambda asked: asked.update(fromBlock="0xb")), lambda forger: forger.drop_logs(block=LOAN)
        ),
        REQUESTS,
        "was not asked for in blocks 10-10",
    ),
    Forgery(
        "the last block of the window was not asked for",
        ask(lambda asked: asked.update(toBlock="0x12")),
        REQUESTS,
        "was not asked for in blocks 19-19",
    ),
    Forgery(
        "blocks before the window were asked for",
        ask(lambda asked: asked.update(fromBlock="0x1")),
        REQUESTS,
        "was asked for in blocks that are not of the window",
    ),
    Forgery(
        "blocks after the window were asked for",
        ask(lambda asked: asked.update(toBlock="0x7fffffffffffffff")),
        REQUESTS,
        "was asked for in blocks that are not of the window",
    ),
    Forgery(
        "all ranges were asked for twice; all follows",
        then_follow(ask_twice),
        REQUESTS,
        "was asked for twice",
    ),
    Forgery(
        "two ranges overlap; all follows",
        then_follow(ask_overlapping),
        REQUESTS,
        "was asked for twice",
    ),
    Forgery(
        "a range is upside down",
        ask(lambda asked: asked.update(fromBlock="0x13", toBlock="0xa")),
        REQUEST,
        "not a range of blocks: 19-10",
    ),
    Forgery(
        "another event was asked for",
        ask(lambda asked: asked["topics"].__setitem__(0, NOWHERE)),
        REQUEST,
        "not a filter for Transfers",
    ),
    Forgery(
        "one token only was asked for",
        ask(lambda asked: asked.update(address="0x5fbdb2315678afecb367f032d93f642f64180aa3")),
        REQUEST,
        "not a filter for Transfers",
    ),
    Forgery(
        "one account was left out of the filters",
        ask(ask_first_account_only),
        ANSWER,
        "has a topic that was not asked for",
    ),
    Forgery(
        "an account that the case doesn't name was asked for",
        ask(lambda asked: asked["topics"][-1].append(STRANGER_TOPIC)),
        REQUESTS,
        "an account was asked for that the case does not name",
    ),
    Forgery(
        "a filter's topic is wider than an address",
        ask(lambda asked: asked["topics"][-1].append(NOWHERE)),
        REQUEST,
        "wider than an address",
    ),
    Forgery(
        "only one direction was asked for",
        lambda forger: forger.drop_exchange(forger.logs_to),
        REQUESTS,
        "was not asked for in blocks 10-19",
    ),
    Forgery("another method", other_method, REQUEST, "eth_call in this form is not among"),
    Forgery("an id that is a flag", id_as_flag, REQUEST, "not a request in the form"),
    Forgery("a request in another form", indent_request, REQUEST, "not a request in the form"),
    Forgery(
        "a block was asked for with its transactions",
        lambda forger: forger.edit_request(4, lambda params: params.__setitem__(1, True)),
        REQUEST,
        "in this form is not among the requests",
    ),
]

INDEX = [
    Forgery(
        "an exchange is gone from the index",
        lambda forger: forger.edit(REQUESTS, lambda entries: entries[:-1]),
        ANSWER,
        "belongs to no request",
    ),
    Forgery(
        "an exchange without files",
        lambda forger: forger.edit(REQUESTS, lambda rows: [*rows, {**rows[-1], "number": len(rows) + 1}]),
        "data/providers/*",
        "is missing",
    ),
    Forgery("numbered twice", entry(5, "number", 4), REQUESTS, "/4/number: 5 is expected"),
    Forgery(
        "numbered with a gap",
        entry(12, "number", 13),
        REQUESTS,
        "/11/number: 12 is expected",
    ),
    Forgery("a number that is a flag", entry(1, "number", True), REQUESTS, "1 is expected"),
    Forgery("an empty index", lambda forger: forger.put(REQUESTS, []), REQUESTS, "lists no request"),
    Forgery("an index that is an object", lambda forger: forger.put(REQUESTS, {}), REQUESTS, "an array"),
    Forgery("a method under another name", entry(4, "method", "eth_getLogs"), REQUEST, "not eth_getLogs"),
    Forgery("a failure with its answer", entry(4, "error", "no connection"), ANSWER, "belongs to no request"),
    Forgery("the only endpoint failed", mark_failed_and_hide, REQUESTS, "answered in full"),
    Forgery("of another chain", entry(4, "chain", "eip155:1"), REQUESTS, "names other chains than the case"),
    Forgery("an unknown field", entry(4, "signed", True), REQUESTS, "an object of exactly the fields"),
    Forgery(
        "asked at another time",
        entry(1, "asked_at", "2020-01-01T00:00:00Z"),
        LEDGER,
        "is not what the case and the raw answers give",
    ),
    Forgery("asked at no time", entry(1, "asked_at", "2020-13-01T00:00:00Z"), REQUESTS, "no such time"),
    Forgery(
        "asked at a time in another form",
        entry(1, "asked_at", "2020-01-01T01:00:00+01:00"),
        REQUESTS,
        "a time in UTC with Z",
    ),
    Forgery(
        "an endpoint more, nothing follows",
        lambda forger: forger.add_endpoint(endpoint="http://other.example"),
        LEDGER,
        "is not what the case and the raw answers give",
    ),
    Forgery("two endpoints disagree", second_endpoint_hides_a_payment, TRANSFERS, "raw answers list"),
    Forgery(
        "an endpoint that failed had seen a payment more; all follows",
        then_follow(second_endpoint_saw_more_and_failed),
        REQUESTS,
        "that is not listed",
    ),
    Forgery(
        "an endpoint that failed contradicts itself; all follows",
        then_follow(failed_endpoint_contradicts_itself),
        REQUESTS,
        "two different logs with index",
    ),
    Forgery(
        "one endpoint under two names; all follows",
        then_follow(split_into_two_urls),
        REQUESTS,
        "two names for one endpoint",
    ),
    Forgery(
        "an endpoint is missing between two; all follows",
        then_follow(move_second_endpoint_to_position_two),
        REQUESTS,
        "endpoints are not numbered",
    ),
]


@pytest.mark.parametrize("forgery", named([*REQUEST_FORGERIES, *INDEX]))
def test_rejected(forgery: Forgery, forger: Forger, played: Played, tmp_path: Path) -> None:
    forgery.alter(forger)
    verdict = judged(forger, tmp_path, anchor=played.anchor)
    demand_rejection(verdict, file=forgery.file, reason=forgery.reason)


# -- what can't be caught, and must not be claimed


def test_endpoints_that_agree_are_counted_and_nothing_more(
    forger: Forger, played: Played, tmp_path: Path
) -> None:
    """Anybody can make up a second endpoint, since none signs: so the sentence says just that."""
    forger.add_endpoint(endpoint="http://other.example")
    forger.follow()
    verdict = judged(forger, tmp_path, anchor=played.anchor, case=played.case)
    assert verdict.exit_code == ACCEPTED, verdict.reason
    (claim,) = verdict.facts["claims"]
    assert "to 2 endpoints chosen by the operator. 2 returned no ERC-20 Transfer event" in claim
    assert "were not shown to be independent of each other and did not sign their answers" in claim


def test_an_endpoint_that_failed_is_counted_as_failed(forger: Forger, played: Played, tmp_path: Path) -> None:
    """Even if what it had answered before agrees with the rest."""
    for number in forger_logs(forger):
        forger.add_exchange(
            "eth_getLogs",
            forger.json(forger.request_path(number))["params"],
            forger.json(forger.answer_path(number))["result"],
            position=1,
            endpoint="http://other.example",
        )
    forger.add_failure()
    forger.follow()
    verdict = judged(forger, tmp_path, anchor=played.anchor, case=played.case)
    assert verdict.exit_code == ACCEPTED, verdict.reason
    (claim,) = verdict.facts["claims"]
    assert "sent the 15 requests in Annex P to 2 endpoints" in claim
    assert "1 returned no ERC-20 Transfer event other than those listed, 0 returned others" in claim
    assert "1 failed or answered in part" in claim


def test_a_payment_dropped_everywhere_is_beyond_this_grade(
    forger: Forger, played: Played, tmp_path: Path
) -> None:
    """A node that lies, or a forger who rewrites its answers, can't be told from an honest one here."""
    forger.drop_logs(block=PAID_3000)
    forger.drop_exchange(forger.block_number(PAID_3000))
    forger.follow()
    verdict = judged(forger, tmp_path, anchor=played.anchor, case=played.case)
    assert verdict.exit_code == ACCEPTED, verdict.reason
    assert verdict.facts["applied"] == "1000"
    assert verdict.facts["grade"] == "provider-reported"
    limits = " ".join(verdict.not_covered)
    assert "whether the endpoints said all, was not checked: nobody signed them" in limits
    assert "not recomputed from a header" in limits
    said = " ".join([*verdict.checked, *verdict.facts["claims"], verdict.facts["scope_sentence"]]).lower()
    for word in ("complete", "proof", "proven", "prove", "certain", "all transfers", "every transfer"):
        assert word not in said
