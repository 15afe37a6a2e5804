"""Raw answers altered by somebody who reseals the whole bundle."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.verifier.verdict import ACCEPTED
from tests.journeys.played import Played
from tests.verifier.altering import (
    ANCHOR,
    LAST,
    LOAN,
    NOWHERE,
    PAID_1000,
    PAID_3000,
    STRANGER_TOPIC,
    UNKNOWN,
    edit_block,
    edit_logs,
    in_turn,
    raw,
    set_amount,
    then_follow,
)
from tests.verifier.forger import CASE, LEDGER, REQUESTS, Forger
from tests.verifier.judging import (
    ANSWER,
    BLOCKS,
    TRANSFERS,
    Forgery,
    demand_rejection,
    judged,
    named,
)


def swap_answers(forger: Forger) -> None:
    one, two = forger.answer_path(4), forger.answer_path(5)
    forger.files[one], forger.files[two] = forger.files[two], forger.files[one]


def swap_answers_with_their_ids(forger: Forger) -> None:
    one, two = forger.json(forger.answer_path(4)), forger.json(forger.answer_path(5))
    for number, answer in ((4, {**two, "id": 4}), (5, {**one, "id": 5})):
        forger.files[forger.answer_path(number)] = json.dumps(answer).encode()


def answer_with_error(forger: Forger) -> None:
    answer = {"jsonrpc": "2.0", "id": forger.logs_to, "error": {"code": -32000, "message": "busy"}}
    forger.files[forger.answer_path(forger.logs_to)] = json.dumps(answer).encode()


def null_block(forger: Forger) -> None:
    number = forger.block_number(LAST)
    answer = {"jsonrpc": "2.0", "id": number, "result": None}
    forger.files[forger.answer_path(number)] = json.dumps(answer).encode()


def drop_one_answered_block(forger: Forger) -> None:
    forger.drop_exchange(forger.block_number(UNKNOWN))


def drop_chain_id(forger: Forger) -> None:
    forger.drop_exchange(forger.numbers("eth_chainId")[0])


def batch_answer(forger: Forger) -> None:
    path = forger.answer_path(forger.logs_to)
    forger.files[path] = b"[" + forger.files[path] + b"]"


def duplicate_key(forger: Forger) -> None:
    path = forger.answer_path(forger.logs_to)
    forger.files[path] = forger.files[path].replace(b'"result":', b'"result":[],"result":')


LOGS = [
    Forgery(
        "a payment is dropped from the raw answers, nothing follows",
        lambda forger: forger.drop_logs(block=PAID_3000),
        TRANSFERS,
        "is not what the raw answers list",
    ),
    Forgery(
        "a payment is dropped from the list only",
        lambda forger: forger.edit(forger.transfers_path, lambda rows: [*rows[:1], *rows[2:]]),
        TRANSFERS,
        "is not what the raw answers list",
    ),
    Forgery(
        "a payment is dropped from the answer to `to` only, all follows",
        then_follow(lambda forger: forger.drop_logs(block=PAID_3000, numbers=(forger.logs_to,))),
        REQUESTS,
        "in one answer and missing in another",
    ),
    Forgery(
        "a payment is dropped from the answer to `from` only, all follows",
        then_follow(lambda forger: forger.drop_logs(block=PAID_3000, numbers=(forger.logs_from,))),
        REQUESTS,
        "in one answer and missing in another",
    ),
    Forgery(
        "an amount is altered in one raw answer",
        lambda forger: forger.edit_result(
            forger.logs_to, lambda logs: [*logs[:1], {**logs[1], "data": f"0x{1:064x}"}, *logs[2:]]
        ),
        REQUESTS,
        "two different logs with index",
    ),
    Forgery(
        "an amount is altered in both raw answers",
        edit_logs(set_amount(1), block=PAID_3000),
        TRANSFERS,
        "is not what the raw answers list",
    ),
    Forgery(
        "an amount is altered in the raw answers and the list",
        in_turn(edit_logs(set_amount(1), block=PAID_3000), Forger.follow_answers),
        LEDGER,
        "is not what the case and the raw answers give",
    ),
    Forgery(
        "an amount is altered in the list",
        lambda forger: forger.set(forger.transfers_path, "1/amount_units", "1"),
        TRANSFERS,
        "is not what the raw answers list",
    ),
    Forgery(
        "a payer is replaced in the raw answers",
        in_turn(
            edit_logs(lambda log: log["topics"].__setitem__(1, STRANGER_TOPIC), block=PAID_3000),
        ),
        ANSWER,
        "has a topic that was not asked for",
    ),
    Forgery(
        "a log names another hash for its block",
        edit_logs(lambda log: log.update(blockHash=NOWHERE), block=PAID_3000),
        REQUESTS,
        f"is of block {PAID_3000} {NOWHERE}",
    ),
    Forgery(
        "a log is marked as removed",
        edit_logs(lambda log: log.update(removed=True), block=PAID_3000),
        ANSWER,
        "marked as removed",
    ),
    Forgery(
        "a log lies outside the asked blocks",
        edit_logs(lambda log: log.update(blockNumber="0xff"), block=PAID_3000),
        ANSWER,
        "a log of block 255",
    ),
    Forgery(
        "a number is a flag in the list",
        lambda forger: forger.set(forger.transfers_path, "0/log_index", False),
        TRANSFERS,
        "is not what the raw answers list",
    ),
    Forgery(
        "hex in upper case in the list",
        lambda forger: forger.set(forger.transfers_path, "0/tx_hash", "0x" + "AB" * 32),
        TRANSFERS,
        "is not what the raw answers list",
    ),
    Forgery(
        "a field is added to the list",
        lambda forger: forger.set(forger.transfers_path, "0/note", "gift"),
        TRANSFERS,
        "is not what the raw answers list",
    ),
]

BLOCK_ANSWERS = [
    Forgery(
        "a block's time is altered in the raw answer",
        edit_block(PAID_3000, "timestamp", "0x6a3f0000"),
        BLOCKS,
        "is not what the raw answers say",
    ),
    Forgery(
        "a block's time is altered in the raw answer and the list",
        in_turn(edit_block(PAID_3000, "timestamp", "0x6a3f0000"), Forger.follow_answers),
        LEDGER,
        "is not what the case and the raw answers give",
    ),
    Forgery(
        "a block's time is altered in the list",
        lambda forger: forger.set(forger.blocks_path, "2/time", 1),
        BLOCKS,
        "is not what the raw answers say",
    ),
    Forgery(
        "a late block is made early, so that times fall; all follows",
        then_follow(edit_block(UNKNOWN, "timestamp", "0x69fd1e70")),
        REQUESTS,
        "has a later time than",
    ),
    Forgery(
        "a block within names another parent; all follows",
        then_follow(edit_block(PAID_1000, "parentHash", NOWHERE)),
        REQUESTS,
        f"block {PAID_1000} does not name block {PAID_3000} as its parent",
    ),
    Forgery(
        "the anchor names another parent; all follows",
        then_follow(edit_block(ANCHOR, "parentHash", NOWHERE)),
        "data/*",
        f"block {ANCHOR} does not name block {LAST} as its parent",
    ),
    Forgery(
        "the first block names another parent; all follows",
        then_follow(edit_block(LOAN, "parentHash", NOWHERE)),
        "data/*",
        "block 10 does not name block 9 as its parent",
    ),
    Forgery(
        "the anchor's hash is altered in the raw answer and the list",
        in_turn(edit_block(ANCHOR, "hash", NOWHERE), Forger.follow_answers),
        CASE,
        f"its block {ANCHOR} is not the one",
    ),
    Forgery(
        "the anchor is another block; all follows",
        in_turn(
            edit_block(ANCHOR, "hash", NOWHERE),
            lambda forger: forger.set(CASE, "scope/0/anchor/hash", NOWHERE),
            Forger.follow,
        ),
        CASE,
        "has another anchor than",
    ),
    Forgery(
        "a block number that no reader keeps exactly",
        lambda forger: forger.add_block(2**53 + 1, {"timestamp": "0x7fffffff"}),
        BLOCKS,
        "is not what the raw answers say",
    ),
    Forgery(
        "a block is null",
        null_block,
        ANSWER,
        "the node has no block 19",
    ),
    Forgery(
        "the block of a payment was not asked for",
        drop_one_answered_block,
        REQUESTS,
        f"the block {UNKNOWN} of a transfer was not asked for",
    ),
    Forgery(
        "a block that nobody needs was asked for; all follows",
        then_follow(lambda forger: forger.add_block(3, {"hash": NOWHERE, "timestamp": "0x69000000"})),
        REQUESTS,
        "block 3 was asked for without need",
    ),
    Forgery(
        "a block is answered twice, differently",
        lambda forger: forger.add_block(PAID_3000, {"hash": NOWHERE}),
        ANSWER,
        "was answered twice, differently",
    ),
]

ANSWER_FORGERIES = [
    Forgery("two answers are swapped", swap_answers, ANSWER, "the answer is to another call"),
    Forgery(
        "two answers are swapped with their ids",
        swap_answers_with_their_ids,
        ANSWER,
        "was answered when",
    ),
    Forgery("an error for an answer", answer_with_error, ANSWER, "answered with error -32000"),
    Forgery(
        "another chain's id",
        lambda forger: forger.edit_result(forger.numbers("eth_chainId")[0], lambda _: "0x1"),
        ANSWER,
        "the endpoint serves chain 1",
    ),
    Forgery("the chain id was never asked for", drop_chain_id, REQUESTS, "not asked for its chain id"),
    Forgery("an empty answer", raw(lambda forger: forger.logs_to, b""), ANSWER, "not JSON"),
    Forgery("an answer that is no JSON", raw(lambda forger: forger.logs_to, b"\xff{"), ANSWER, "not JSON"),
    Forgery("a batch for an answer", batch_answer, ANSWER, "an answer is an object"),
    Forgery("a key twice in an answer", duplicate_key, ANSWER, "not JSON"),
    Forgery(
        "an answer nested a million levels deep",
        raw(lambda forger: forger.logs_to, b"[" * 10**6),
        ANSWER,
        "nested deeper",
    ),
    Forgery(
        "an integer of a million digits",
        raw(lambda forger: forger.logs_to, b'{"jsonrpc":"2.0","id":3,"result":' + b"9" * 10**6 + b"}"),
        ANSWER,
        "not JSON",
    ),
    Forgery(
        "an answer of far too many values",
        raw(
            lambda forger: forger.logs_to,
            b'{"jsonrpc":"2.0","id":3,"result":[' + b"[]," * (12 * 10**6) + b"[]]}",
        ),
        ANSWER,
        "has more than 5000000 JSON values",
    ),
    Forgery(
        "a log that is a number",
        lambda forger: forger.edit_result(forger.logs_to, lambda _: [1]),
        ANSWER,
        "a log is an object",
    ),
    Forgery(
        "a log whose fields are lists",
        lambda forger: forger.edit_result(forger.logs_to, lambda logs: [{name: [] for name in logs[0]}]),
        ANSWER,
        "",
    ),
]


@pytest.mark.parametrize("forgery", named([*LOGS, *BLOCK_ANSWERS, *ANSWER_FORGERIES]))
def test_rejected(forgery: Forgery, forger: Forger, played: Played, tmp_path: Path) -> None:
    forgery.alter(forger)
    verdict = judged(forger, tmp_path, anchor=played.anchor)
    demand_rejection(verdict, file=forgery.file, reason=forgery.reason)


def test_resealing_alone_changes_nothing(forger: Forger, played: Played, tmp_path: Path) -> None:
    """Or else every rejection above would mean nothing."""
    forger.follow()
    verdict = judged(forger, tmp_path, anchor=played.anchor, case=played.case)
    assert verdict.exit_code == ACCEPTED, verdict.document()
    assert (tmp_path / played.bundle.name).read_bytes() == played.bundle.read_bytes()
