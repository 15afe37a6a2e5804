"""Every way a node can misbehave ends in its named error or a retry, and never in an empty result."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace

import pytest

from chains.devnode import DevNode
from chains.errors import (
    AnswerTooLarge,
    BadAnswer,
    EgressBlocked,
    NodeError,
    NodeRateLimited,
    NodeTimeout,
    NodeUnreachable,
    RpcError,
    WrongChain,
)
from chains.evm.client import BlockNotServed, EvmClient
from chains.guard import EgressPolicy
from chains.rpc import RpcClient, RpcLimits
from chains.types import Finality
from tests.support import faulty_proxy as faults
from tests.support.faulty_proxy import Fault, FaultyProxy, faulty_proxy

LIMITS = RpcLimits(timeout_seconds=5, connect_seconds=2, attempts=3, answer_bytes_max=1_000_000)
ATTEMPTS = LIMITS.attempts


@dataclass
class Bench:
    """A proxy before the file's node, and clients of it that note down their waits and don't wait."""

    proxy: FaultyProxy
    waits: list[float]
    stack: ExitStack

    def rpc(self, limits: RpcLimits = LIMITS) -> RpcClient:
        policy = EgressPolicy.parse(f"127.0.0.1:{self.proxy.port}")
        return self.stack.enter_context(
            RpcClient(self.proxy.url, policy=policy, limits=limits, sleep=self.waits.append)
        )

    def client(self, limits: RpcLimits = LIMITS) -> EvmClient:
        return EvmClient(self.rpc(limits), self.proxy.node.chain)


@pytest.fixture
def bench(module_node: DevNode) -> Iterator[Bench]:
    with ExitStack() as stack:
        yield Bench(stack.enter_context(faulty_proxy(module_node)), [], stack)


def test_without_a_fault_the_raw_bytes_are_kept(bench: Bench) -> None:
    answer = bench.rpc().call("eth_chainId")
    assert int(answer.result, 16) == bench.proxy.node.chain_id
    assert bench.proxy.requests == [answer.request]
    assert json.loads(answer.body) == {"jsonrpc": "2.0", "id": answer.call_id, "result": answer.result}
    assert bench.waits == []


# -- faults that may pass: tried again, a bounded number of times

PASSING: dict[str, tuple[Fault, type[NodeError]]] = {
    "closed": (faults.drop, NodeUnreachable),
    "half an answer": (faults.half_answer, NodeUnreachable),
    "not HTTP": (faults.not_http, NodeUnreachable),
    "500": (faults.status(500), BadAnswer),
    "502 with a page": (faults.status(502, content=b"<html>Bad Gateway</html>"), BadAnswer),
    "503 with an error": (
        faults.status(503, content=b'{"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"busy"}}'),
        RpcError,
    ),
    "504": (faults.status(504), NodeTimeout),
    "429": (faults.status(429), NodeRateLimited),
    "429 with Retry-After": (faults.status(429, headers={"Retry-After": "3"}), NodeRateLimited),
    "429 in the answer": (faults.rpc_error(429, "Too Many Requests"), NodeRateLimited),
    "-32005": (
        faults.rpc_error(-32005, "request rate limited"),
        NodeRateLimited,
    ),
}


@pytest.mark.parametrize("name", PASSING)
def test_a_passing_fault_is_retried(bench: Bench, name: str) -> None:
    bench.proxy.fail(PASSING[name][0], times=ATTEMPTS - 1)
    assert bench.client().check_chain().result == hex(bench.proxy.node.chain_id)
    assert len(bench.proxy.requests) == ATTEMPTS
    assert len(bench.waits) == ATTEMPTS - 1


@pytest.mark.parametrize("name", PASSING)
def test_a_lasting_fault_ends_in_its_error(bench: Bench, name: str) -> None:
    fault, expected = PASSING[name]
    bench.proxy.fail(fault)
    with pytest.raises(NodeError) as caught:
        bench.client().check_chain()
    assert type(caught.value) is expected
    assert caught.value.node == bench.proxy.url
    assert len(bench.proxy.requests) == ATTEMPTS


@pytest.mark.parametrize("name", PASSING)
def test_a_passing_fault_of_a_batch_is_retried_whole(bench: Bench, name: str) -> None:
    bench.proxy.fail(PASSING[name][0], times=1)
    assert [block.number for block in bench.client().blocks([0, 0])] == [0, 0]
    assert len(set(bench.proxy.requests)) == 1


def test_waits_double_and_honour_retry_after_up_to_the_limit(bench: Bench) -> None:
    limits = replace(LIMITS, attempts=5, retry_wait_seconds=1.0, retry_wait_seconds_max=5.0)
    bench.proxy.fail(faults.drop)
    with pytest.raises(NodeUnreachable):
        bench.rpc(limits).call("eth_chainId")
    assert bench.waits == [1.0, 2.0, 4.0, 5.0]
    bench.waits.clear()
    for header, wait in (("3", 3.0), ("86400", 5.0), ("Wed, 21 Oct 2026 07:28:00 GMT", 1.0), ("-1", 1.0)):
        bench.proxy.fail(faults.status(429, headers={"Retry-After": header}), times=1)
        bench.rpc(limits).call("eth_chainId")
        assert bench.waits.pop() == wait
    assert bench.waits == []


def test_all_attempts_end_within_the_total_time(bench: Bench) -> None:
    bench.proxy.fail(faults.status(429, headers={"Retry-After": "10"}))
    limits = replace(LIMITS, attempts=100, total_seconds=9.0)
    with pytest.raises(NodeRateLimited):
        bench.rpc(limits).call("eth_chainId")
    assert bench.waits == []


def test_a_node_that_is_down_and_comes_back(bench: Bench) -> None:
    client = bench.client()
    bench.proxy.go_down()
    with pytest.raises(NodeUnreachable):
        client.check_chain()
    assert len(bench.waits) == ATTEMPTS - 1
    bench.proxy.listen()
    client.check_chain()


def test_a_write_is_not_sent_twice_over_a_broken_connection(bench: Bench) -> None:
    bench.proxy.fail(faults.drop)
    with pytest.raises(NodeUnreachable):
        bench.rpc().call("eth_sendTransaction", [{}])
    assert len(bench.proxy.requests) == 1
    # A node that says "later" has not acted.
    bench.proxy.fail(faults.status(429), times=1)
    with pytest.raises(RpcError):
        bench.rpc().call("eth_sendTransaction", [{"from": "0x" + "11" * 20}])
    assert len(bench.proxy.requests) == 3


# -- faults that stay: one attempt


def nested(depth: int) -> bytes:
    return b'{"jsonrpc":"2.0","id":1,"result":' + b"[" * depth + b"]" * depth + b"}"


LASTING: dict[str, tuple[Fault, type[NodeError]]] = {
    "an error": (faults.rpc_error(-32000, "missing trie node"), RpcError),
    "an error without an id": (
        faults.body(b'{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"parse error"}}'),
        RpcError,
    ),
    "400 with an error": (
        faults.status(400, content=b'{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"no"}}'),
        RpcError,
    ),
    "401": (faults.status(401, content=b"no key"), BadAnswer),
    "404": (faults.status(404), BadAnswer),
    "redirect": (faults.status(302, headers={"Location": "http://127.0.0.1:1/"}), BadAnswer),
    "307": (faults.status(307, headers={"Location": "http://169.254.169.254/"}), BadAnswer),
    "204": (faults.status(204), BadAnswer),
    "half of the JSON": (faults.half_json, BadAnswer),
    "garbage": (faults.body(b"\x00\xff\xfe garbage"), BadAnswer),
    "nothing": (faults.body(b""), BadAnswer),
    "a page": (faults.body(b"<html></html>"), BadAnswer),
    "an array": (faults.body(b"[]"), BadAnswer),
    "null": (faults.body(b"null"), BadAnswer),
    "a depth bomb": (faults.body(nested(100_000)), BadAnswer),
    "100 MB": (faults.flood(100_000_000, announced=True), AnswerTooLarge),
    "100 MB in chunks": (faults.flood(100_000_000, announced=False), AnswerTooLarge),
    "a gzip bomb": (faults.gzip_bomb, BadAnswer),
    "neither result nor error": (faults.altered(lambda a: {"jsonrpc": "2.0", "id": a["id"]}), BadAnswer),
    "both result and error": (
        faults.altered(lambda a: {**a, "error": {"code": 1, "message": "and"}}),
        BadAnswer,
    ),
    "another id": (faults.altered(lambda a: {**a, "id": a["id"] + 1}), BadAnswer),
    "a text id": (faults.altered(lambda a: {**a, "id": str(a["id"])}), BadAnswer),
    "a result without an id": (faults.altered(lambda a: {**a, "id": None}), BadAnswer),
    "true for the id 1": (faults.altered(lambda a: {**a, "id": True}), BadAnswer),
    "another version": (faults.altered(lambda a: {**a, "jsonrpc": "1.0"}), BadAnswer),
    "another chain": (faults.wrong_chain_id, WrongChain),
    "a chain id that is no quantity": (faults.altered_result("eth_chainId", lambda _: "0x01"), BadAnswer),
    "a number for the chain id": (faults.altered_result("eth_chainId", lambda _: 31337), BadAnswer),
    "null for the chain id": (faults.altered_result("eth_chainId", lambda _: None), BadAnswer),
}


@pytest.mark.parametrize("name", LASTING)
def test_a_lasting_fault_is_named_at_once(bench: Bench, name: str) -> None:
    fault, expected = LASTING[name]
    bench.proxy.fail(fault)
    with pytest.raises(NodeError) as caught:
        bench.client().check_chain()
    assert type(caught.value) is expected
    assert len(bench.proxy.requests) == 1
    assert bench.waits == []


def test_a_compressed_answer_is_not_unpacked(bench: Bench) -> None:
    """Even a small and true one: it was not asked for, and its raw bytes would be no plain evidence."""
    truth = bench.rpc().call("eth_chainId").body
    bench.proxy.fail(
        lambda exchange: exchange.send(gzip.compress(truth), headers={"Content-Encoding": "gzip"})
    )
    with pytest.raises(BadAnswer, match="compressed"):
        bench.rpc().call("eth_chainId")


def test_a_wrong_chain_says_which(bench: Bench) -> None:
    bench.proxy.fail(faults.wrong_chain_id)
    with pytest.raises(WrongChain) as caught:
        bench.client().check_chain()
    assert (caught.value.expected, caught.value.actual) == (bench.proxy.node.chain_id, 0xDEAD)


@pytest.mark.parametrize(
    "fault", [faults.stall, faults.drip, faults.drip_header], ids=lambda fault: fault.__name__
)
def test_a_node_that_holds_us_is_left_in_time(bench: Bench, fault: Fault) -> None:
    bench.proxy.fail(fault)
    limits = replace(LIMITS, timeout_seconds=0.4)
    started = time.monotonic()
    with pytest.raises(NodeTimeout):
        bench.rpc(limits).call("eth_chainId")
    assert time.monotonic() - started < 2.0
    assert len(bench.proxy.requests) == 1
    # The connection of the broken exchange is not used again.
    bench.proxy.heal()
    bench.client(limits).check_chain()


def test_a_url_outside_the_allow_list_gets_no_connection(bench: Bench) -> None:
    other = EgressPolicy.parse(f"127.0.0.1:{bench.proxy.port - 1}, 10.0.0.0/8:{bench.proxy.port}")
    with RpcClient(bench.proxy.url, policy=other) as rpc, pytest.raises(EgressBlocked):
        rpc.call("eth_chainId")
    assert bench.proxy.requests == []


# -- batches

NO_ID = {"jsonrpc": "2.0", "id": None}
BATCH_FAULTS = {
    "a duplicate": lambda a: [*a, a[0]],
    "one twice, one missing": lambda a: [a[0], a[0], a[2]],
    "one missing": lambda a: a[:-1],
    "one foreign": lambda a: [*a[:-1], {**a[-1], "id": 999_999}],
    "one too many": lambda a: [*a, {**a[-1], "id": 999_999}],
    "none": lambda _: [],
    "an object": lambda a: a[0],
    "a null among them": lambda a: [*a[:-1], None],
    "one without an id": lambda a: [
        *a[:-1],
        {"jsonrpc": "2.0", "id": None, "error": {"code": 1, "message": ""}},
    ],
}


@pytest.mark.parametrize("name", BATCH_FAULTS)
def test_a_batch_wants_exactly_one_answer_each(bench: Bench, name: str) -> None:
    bench.proxy.fail(faults.altered(BATCH_FAULTS[name]))
    with pytest.raises(BadAnswer):
        bench.rpc().batch([("eth_chainId", ()), ("net_version", ()), ("eth_blockNumber", ())])
    assert len(bench.proxy.requests) == 1


def test_a_batch_may_come_in_any_order(bench: Bench) -> None:
    bench.proxy.node.mine(3)
    bench.proxy.fail(faults.altered(lambda answers: answers[::-1]))
    answers = bench.client().block_answers([2, 0, 1])
    assert [answer.block.number for answer in answers] == [2, 0, 1]
    assert len({answer.answer.body for answer in answers}) == 1


def test_one_failed_call_fails_the_batch(bench: Bench) -> None:
    with pytest.raises(RpcError) as caught:
        bench.rpc().batch([("eth_chainId", ()), ("eth_noSuchMethod", ())])
    assert caught.value.code == -32601


def test_one_error_may_answer_a_whole_batch(bench: Bench) -> None:
    bench.proxy.fail(
        faults.body(b'{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"batch too large"}}')
    )
    with pytest.raises(RpcError, match="batch too large"):
        bench.rpc().batch([("eth_chainId", ()), ("eth_chainId", ())])


def test_an_empty_batch_asks_nothing(bench: Bench) -> None:
    assert bench.rpc().batch([]) == []
    assert bench.proxy.requests == []


# -- answers that can't be true

FALSE_BLOCKS = {
    "another number": lambda b: {**b, "number": "0x7"},
    "no hash": lambda b: {**b, "hash": None},
    "a short hash": lambda b: {**b, "hash": "0x12"},
    "a time beyond the calendar": lambda b: {**b, "timestamp": "0xffffffffffff"},
    "an empty object": lambda _: {},
    "a list": lambda _: [],
    "text": lambda _: "0x",
}


@pytest.mark.parametrize("name", FALSE_BLOCKS)
def test_a_false_block_is_refused(bench: Bench, name: str) -> None:
    bench.proxy.fail(faults.altered_result("eth_getBlockByNumber", FALSE_BLOCKS[name]))
    with pytest.raises(BadAnswer):
        bench.client().block(0)
    with pytest.raises(BadAnswer):
        bench.client().blocks([0, 0])


def test_a_block_that_is_not_there_is_named(bench: Bench) -> None:
    with pytest.raises(BlockNotServed, match="does not have block 0xf4240"):
        bench.client().block(1_000_000)
    bench.proxy.fail(faults.altered_result("eth_getBlockByNumber", lambda _: None))
    with pytest.raises(BlockNotServed, match="finalized"):
        bench.client().finalized(Finality())


def test_a_final_block_above_the_head_is_refused(bench: Bench) -> None:
    final, head = {"number": "0x9"}, {"number": "0x8"}
    bench.proxy.fail(
        faults.altered(
            lambda answers: [
                {**answer, "result": {**answer["result"], **number}}
                for answer, number in zip(answers, (final, head), strict=True)
            ]
        )
    )
    with pytest.raises(BadAnswer, match="above its head"):
        bench.client().finalized(Finality())
