"""Reading ranges ahead, on a real Anvil behind a proxy: all parts in order, whatever a node makes of them."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Any

import pytest

from chains import jsonrpc
from chains.devnode import DevNode
from chains.errors import BadAnswer, NodeRateLimited, NodeUnreachable, RpcError
from chains.evm.client import EvmClient, LogBatch
from chains.evm.ranges import ANSWER_BYTES_WANTED, LearntSize, RangeSize
from chains.evm.rows import LogRow, row_of_log
from chains.evm.transfers import merge_logs, parse_logs, transfer_filters
from chains.guard import EgressPolicy
from chains.rpc import RpcClient, RpcLimits
from chains.types import Address
from tests.support import faulty_proxy as faults
from tests.support.faulty_proxy import Exchange, FaultyProxy, faulty_proxy
from tests.support.token import Token, deploy, deploy_token

WAIT_SECONDS_MAX = 10
READERS = "read-ahead"


@dataclass
class Setting:
    """A chain of 60 blocks with a transfer in most of them, and a proxy before it."""

    node: DevNode
    proxy: FaultyProxy
    stack: ExitStack
    accounts: tuple[Address, ...]
    last_block: int

    def client(self, **limits: Any) -> EvmClient:
        policy = EgressPolicy.parse(self.proxy.url.removeprefix("http://"))
        rpc = RpcClient(self.proxy.url, policy=policy, limits=RpcLimits(**limits), sleep=lambda _: None)
        return EvmClient(self.stack.enter_context(rpc), self.node.chain)

    def read(self, client: EvmClient | None = None, **how: Any) -> list[LogBatch]:
        given: dict[str, Any] = {"accounts": self.accounts, "first_block": 0, "last_block": self.last_block}
        return list((client or self.client()).log_ranges(**given | how))

    def truth(self, accounts: tuple[Address, ...] | None) -> list[LogRow]:
        """By the strict reader, over the whole range at once, past the proxy."""
        filters = transfer_filters(
            addresses=accounts or self.node.accounts(), first_block=0, last_block=self.last_block
        )
        parts = (parse_logs(self.node.call("eth_getLogs", each), asked=each) for each in filters)
        return [row_of_log(log) for log in merge_logs(parts).logs]


@pytest.fixture(scope="module")
def played(module_node: DevNode) -> tuple[Token, int]:
    holders = module_node.accounts()
    token = deploy_token(module_node)
    for index in range(56):
        token.mint(to=holders[index % 4], units=index + 1)
    address = deploy(module_node, "NftEmitter", by=holders[0])
    Token(node=module_node, address=address).emit_transfer(sender=holders[0], to=holders[1], units=9)
    return token, module_node.block().number


@pytest.fixture
def setting(module_node: DevNode, played: tuple[Token, int]) -> Iterator[Setting]:
    with ExitStack() as stack:
        proxy = stack.enter_context(faulty_proxy(module_node))
        yield Setting(module_node, proxy, stack, module_node.accounts()[:2], played[1])


def rows_of(batches: list[LogBatch]) -> list[LogRow]:
    return [row for batch in batches for row in batch.rows]


def ranges_of(batches: list[LogBatch]) -> list[tuple[int, int]]:
    return [(batch.first_block, batch.last_block) for batch in batches]


def demand_joined(batches: list[LogBatch], *, last: int) -> None:
    expected = 0
    for first, end in ranges_of(batches):
        assert first == expected
        assert end >= first
        expected = end + 1
    assert expected == last + 1


def asked_sizes(proxy: FaultyProxy) -> list[int]:
    asked = [jsonrpc.decode_json(request)["params"][0] for request in proxy.requests]
    return [int(each["toBlock"], 16) - int(each["fromBlock"], 16) + 1 for each in asked]


@pytest.mark.parametrize("ahead", [1, 2, 5])
@pytest.mark.parametrize("blocks", [1, 7, 500])
def test_the_parts_join_to_the_whole(setting: Setting, ahead: int, blocks: int) -> None:
    size = RangeSize(blocks=blocks, blocks_max=blocks)
    batches = setting.read(size=size, ahead=ahead)
    demand_joined(batches, last=setting.last_block)
    assert rows_of(batches) == setting.truth(setting.accounts)
    assert [len(batch.others) for batch in batches if batch.others] == [1]


def test_everybodys_transfers_by_one_filter(setting: Setting) -> None:
    batches = setting.read(accounts=None, size=RangeSize(blocks=9, blocks_max=9))
    assert rows_of(batches) == setting.truth(None)
    assert {len(batch.answers) for batch in batches} == {1}
    for batch in batches:
        # Anvil says when each log's block was.
        assert batch.block_times.keys() == batch.block_hashes.keys() >= {row[0] for row in batch.rows}
        for number, told in batch.block_hashes.items():
            block = setting.node.block(number)
            assert (block.hash, block.time) == (told, batch.block_times[number])


def test_the_kept_bytes_and_their_digests(setting: Setting) -> None:
    (batch,) = setting.read()
    assert len(batch.answers) == len(batch.digests) == 2
    for answer, digest, asked in zip(
        batch.answers,
        batch.digests,
        transfer_filters(addresses=setting.accounts, first_block=0, last_block=setting.last_block),
        strict=True,
    ):
        assert answer.result is None
        assert hashlib.sha256(answer.body).digest() == digest
        result = jsonrpc.read_answer(answer.body, call_id=answer.call_id)
        parsed = parse_logs(result, asked=asked)
        assert {row_of_log(log) for log in parsed.logs} <= set(batch.rows)


def test_nothing_is_asked_for_an_empty_range(setting: Setting) -> None:
    assert setting.read(first_block=5, last_block=4) == []
    assert setting.proxy.requests == []


def test_no_account_is_no_question(setting: Setting) -> None:
    with pytest.raises(ValueError, match="at least one account"):
        setting.read(accounts=())


@pytest.mark.parametrize("ahead", [1, 3])
def test_a_capped_node_teaches_the_size(setting: Setting, ahead: int) -> None:
    setting.proxy.fail(faults.capped_range(8, "the block range is limited to 8"))
    learnt = LearntSize(now=RangeSize(blocks=40))
    batches = setting.read(learnt=learnt, ahead=ahead)
    demand_joined(batches, last=setting.last_block)
    assert rows_of(batches) == setting.truth(setting.accounts)
    assert learnt.now.blocks <= 8
    # What was under way when the first was refused is asked for again in small parts, and shrinks nothing.
    assert {last - first + 1 for first, last in ranges_of(batches)[:-1]} <= {8, 1, 2, 3, 4, 5, 6, 7}
    assert max(asked_sizes(setting.proxy)) == 40
    before = len(setting.proxy.requests)
    setting.read(learnt=learnt, ahead=ahead)
    assert max(asked_sizes(setting.proxy)[before:]) <= 8


def test_a_node_that_takes_a_single_block(setting: Setting) -> None:
    setting.proxy.fail(faults.capped_range(1, "query returned more than 10000 results"))
    batches = setting.read()
    assert len(batches) == setting.last_block + 1
    assert rows_of(batches) == setting.truth(setting.accounts)


def test_large_answers_shrink_what_is_asked_for_next() -> None:
    learnt = LearntSize(now=RangeSize(blocks=100))
    learnt.succeeded(blocks=100, answer_bytes=10 * ANSWER_BYTES_WANTED)
    assert learnt.now.blocks == 10
    learnt.succeeded(blocks=10, answer_bytes=ANSWER_BYTES_WANTED // 10)
    assert learnt.now.blocks == 20
    # The end of a window was cut short: that says nothing.
    learnt.succeeded(blocks=3, answer_bytes=10)
    assert learnt.now.blocks == 20
    # Asked for when the size was larger: it is the bytes for each block that count.
    learnt.succeeded(blocks=100, answer_bytes=10 * ANSWER_BYTES_WANTED)
    assert learnt.now.blocks == 10


def test_an_error_comes_after_all_that_precedes_it(setting: Setting) -> None:
    """Although the parts behind it were asked for before it was known."""

    def fault(exchange: Exchange) -> None:
        if int(exchange.asked["params"][0]["fromBlock"], 16) == 30:
            time.sleep(0.05)
            return faults.rpc_error(-32601, "the method eth_getLogs does not exist")(exchange)
        return faults.pass_on(exchange)

    setting.proxy.fail(fault)
    ranges = setting.client().log_ranges(
        accounts=setting.accounts,
        first_block=0,
        last_block=setting.last_block,
        size=RangeSize(blocks=10, blocks_max=10),
        ahead=4,
    )
    read = [next(ranges) for _ in range(3)]
    assert ranges_of(read) == [(0, 9), (10, 19), (20, 29)]
    with pytest.raises(RpcError):
        next(ranges)
    with pytest.raises(StopIteration):
        next(ranges)


def test_a_false_answer_is_refused_in_its_turn(setting: Setting) -> None:
    def moved(logs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [log | {"blockNumber": "0xffff"} for log in logs]

    setting.proxy.fail(faults.altered_result("eth_getLogs", moved))
    with pytest.raises(BadAnswer):
        setting.read()


def test_a_node_that_is_gone(setting: Setting) -> None:
    setting.proxy.fail(faults.drop)
    with pytest.raises(NodeUnreachable):
        setting.read()


def test_closing_stops_the_threads(setting: Setting) -> None:
    size = RangeSize(blocks=2, blocks_max=2)
    ranges = setting.client().log_ranges(
        accounts=setting.accounts, first_block=0, last_block=setting.last_block, size=size, ahead=3
    )
    with closing(ranges):
        next(ranges)
        assert any(thread.name.startswith(READERS) for thread in threading.enumerate())
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while any(thread.name.startswith(READERS) for thread in threading.enumerate()):
        assert time.monotonic() < deadline, "the threads read on"
        time.sleep(0.005)
    # A part, those under way behind it, and one that was begun meanwhile.
    assert len(setting.proxy.requests) <= 2 * 5


def test_no_more_is_under_way_than_was_allowed(setting: Setting) -> None:
    """By the reader, and by the limit of the node's client whoever asks."""
    most = {"now": 0, "ever": 0}
    lock = threading.Lock()

    def slow(exchange: Exchange) -> None:
        with lock:
            most["now"] += 1
            most["ever"] = max(most["ever"], most["now"])
        time.sleep(0.02)
        # Before it is sent: whoever has the answer may ask again at once.
        answer = exchange.truth()
        with lock:
            most["now"] -= 1
        exchange.send_json(answer)

    setting.proxy.fail(slow)
    size = RangeSize(blocks=4, blocks_max=4)
    setting.read(size=size, ahead=3)
    assert most["ever"] == 3
    most["ever"] = 0
    setting.read(setting.client(requests_at_once=2), size=size, ahead=8)
    assert most["ever"] == 2


def test_a_slow_caller_is_not_read_ahead_of_without_end(setting: Setting) -> None:
    ranges = setting.client().log_ranges(
        accounts=setting.accounts,
        first_block=0,
        last_block=setting.last_block,
        size=RangeSize(blocks=1, blocks_max=1),
        ahead=2,
    )
    with closing(ranges):
        next(ranges)
        time.sleep(0.3)
        # One that was handed over and two that wait, each of two requests.
        assert len(setting.proxy.requests) <= 6


def test_a_storm_of_429_is_waited_out_or_named(setting: Setting) -> None:
    setting.proxy.fail(faults.status(429, headers={"Retry-After": "1"}), times=3)
    size = RangeSize(blocks=20, blocks_max=20)
    assert rows_of(setting.read(size=size)) == setting.truth(setting.accounts)
    setting.proxy.fail(faults.status(429, headers={"Retry-After": "999999"}))
    with pytest.raises(NodeRateLimited):
        setting.read(size=size)
