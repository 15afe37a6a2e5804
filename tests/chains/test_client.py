"""The client on a real Anvil: what it reads is what the chain says, with the raw answers beside it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest

from chains import jsonrpc
from chains.devnode import DevNode
from chains.errors import AnswerTooLarge, BadAnswer, NodeUnreachable, RpcError, WrongChain
from chains.evm.blocks import parse_block
from chains.evm.client import EvmClient, LogsAnswer
from chains.evm.ranges import RangeSize
from chains.evm.transfers import (
    TRANSFER_TOPIC,
    NotTransfer,
    account_topic,
    merge_logs,
    parse_logs,
    to_transfer,
    transfer_filters,
)
from chains.guard import EgressPolicy
from chains.rpc import RpcClient, RpcLimits
from chains.types import UINT256_MAX, ZERO_ADDRESS, Address, ChainId, Finality, Hash32
from tests.support import faulty_proxy as faults
from tests.support.faulty_proxy import FaultyProxy, faulty_proxy
from tests.support.token import Token, deploy, deploy_token

STRANGER = Address.parse("0x00000000000000000000000000000000deadbeef")


def client_of(stack: ExitStack, node: DevNode, *, url: str | None = None, **limits: Any) -> EvmClient:
    where = url or node.url
    policy = EgressPolicy.parse(where.removeprefix("http://"))
    rpc = RpcClient(where, policy=policy, limits=RpcLimits(**limits), sleep=lambda _: None)
    return EvmClient(stack.enter_context(rpc), node.chain)


@dataclass
class Setting:
    """A chain with a token, two watched accounts, a stranger, and transfers among them."""

    node: DevNode
    token: Token
    client: EvmClient
    proxy: FaultyProxy
    stack: ExitStack

    @property
    def watched(self) -> tuple[Address, Address]:
        accounts = self.node.accounts()
        return accounts[1], accounts[2]

    @property
    def outsider(self) -> Address:
        return self.node.accounts()[3]

    def through_proxy(self, **limits: Any) -> EvmClient:
        return client_of(self.stack, self.node, url=self.proxy.url, **limits)

    def read(self, client: EvmClient | None = None) -> LogsAnswer:
        client = client or self.client
        return client.transfer_logs(addresses=self.watched, first_block=0, last_block=client.head().number)


@pytest.fixture
def setting(node: DevNode) -> Iterator[Setting]:
    with ExitStack() as stack:
        token = deploy_token(node)
        client, proxy = client_of(stack, node), stack.enter_context(faulty_proxy(node))
        yield Setting(node, token, client, proxy, stack)


def amounts(answer: LogsAnswer) -> list[int]:
    return [log.amount_units for log in answer.logs]


# -- chain and blocks


def test_it_knows_its_chain_from_another(setting: Setting) -> None:
    setting.client.check_chain()
    with pytest.raises(WrongChain) as caught:
        EvmClient(setting.client.rpc, ChainId(1)).check_chain()
    assert (caught.value.expected, caught.value.actual) == (1, setting.node.chain_id)


def test_blocks_are_those_of_the_chain(setting: Setting) -> None:
    head = setting.node.mine(120)
    assert setting.client.head() == head
    assert setting.client.block(0) == setting.node.block(0)
    numbers = [*range(head.number, -1, -1), 5, 5]
    blocks = setting.client.blocks(numbers)
    assert [block.number for block in blocks] == numbers
    assert [blocks[0], blocks[60]] == [head, setting.node.block(numbers[60])]
    for child, parent in pairwise(blocks[: head.number + 1]):
        assert child.parent_hash == parent.hash
    # 124 blocks in batches of 50.
    answers = setting.client.block_answers(numbers)
    assert len({answer.answer.request for answer in answers}) == 3
    one = answers[70]
    outcomes = jsonrpc.read_batch(
        one.answer.body, call_ids=[answer.answer.call_id for answer in answers[50:100]]
    )
    assert not isinstance(outcomes, jsonrpc.ErrorObject)
    assert parse_block(outcomes[one.answer.call_id], expected_number=numbers[70]) == one.block


def test_finality_by_tag_and_by_depth(setting: Setting) -> None:
    head = setting.node.mine(10)
    tagged = setting.client.finalized(Finality())
    assert tagged == setting.node.block("finalized")
    assert tagged.number == head.number - 2
    assert setting.client.finalized(Finality(confirmations=4)).number == head.number - 4
    assert setting.client.finalized(Finality(confirmations=0)) == head
    # A chain shorter than the depth has only its genesis block for sure.
    assert setting.client.finalized(Finality(confirmations=10_000)).number == 0


def test_the_block_at_a_time(setting: Setting) -> None:
    for gap in (1, 100, 7, 7, 86_400, 1, 1, 3600):
        setting.node.mine(7, seconds_apart=gap)
    high = setting.client.head().number
    blocks = setting.client.blocks(range(high + 1))
    for time in sorted({block.time + shift for block in blocks for shift in (-1, 0, 1)})[::9]:
        first = setting.client.first_block_at_or_after(time, low=0, high=high)
        last = setting.client.last_block_at_or_before(time, low=0, high=high)
        assert first == next((block for block in blocks if block.time >= time), None)
        assert last == next((block for block in reversed(blocks) if block.time <= time), None)


def test_the_block_at_a_time_on_one_block(setting: Setting) -> None:
    genesis = setting.client.block(0)
    assert setting.client.first_block_at_or_after(genesis.time, low=0, high=0) == genesis
    assert setting.client.last_block_at_or_before(genesis.time, low=0, high=0) == genesis
    assert setting.client.first_block_at_or_after(genesis.time + 1, low=0, high=0) is None
    assert setting.client.last_block_at_or_before(genesis.time - 1, low=0, high=0) is None


def test_a_node_with_falling_times_is_refused(setting: Setting) -> None:
    setting.node.mine(50)
    backwards = faults.altered_result(
        "eth_getBlockByNumber",
        lambda block: {**block, "timestamp": hex(2_000_000_000 - int(block["timestamp"], 16))},
    )
    setting.proxy.fail(backwards)
    with pytest.raises(BadAnswer, match="has time"):
        setting.through_proxy().first_block_at_or_after(250_000_025, low=0, high=50)


# -- transfers


def test_transfers_are_read_to_the_unit(setting: Setting) -> None:
    token, (debtor, creditor), outsider = setting.token, setting.watched, setting.outsider
    token.mint(to=debtor, units=UINT256_MAX)
    token.transfer(sender=debtor, to=creditor, units=1)
    token.transfer(sender=creditor, to=outsider, units=1)
    token.transfer(sender=debtor, to=STRANGER, units=2**255)
    token.transfer(sender=debtor, to=debtor, units=5)
    token.transfer_from(holder=debtor, to=creditor, units=0, by=outsider)
    token.transfer(sender=outsider, to=STRANGER, units=1)
    answer = setting.read()
    assert [(log.sender, log.recipient, log.amount_units) for log in answer.logs] == [
        (ZERO_ADDRESS, debtor, UINT256_MAX),
        (debtor, creditor, 1),
        (creditor, outsider, 1),
        (debtor, STRANGER, 2**255),
        (debtor, debtor, 5),
        (debtor, creditor, 0),
    ]
    assert {log.contract for log in answer.logs} == {token.address}
    assert answer.others == ()
    for log in answer.logs:
        block = setting.client.block(log.block_number)
        transfer = to_transfer(log, chain=setting.node.chain, block=block)
        assert transfer.id == f"{setting.node.chain}:{block.hash}:{log.log_index}"
        receipt = setting.node.receipt(log.tx_hash)
        assert Hash32.parse(receipt["blockHash"]) == transfer.block.hash


def test_the_kept_bytes_say_the_same_again(setting: Setting) -> None:
    """As the offline verifier does it, from request and body alone."""
    setting.token.mint(to=setting.watched[0], units=7)
    setting.token.transfer(sender=setting.watched[0], to=setting.watched[1], units=3)
    answer = setting.read()
    parts = []
    for kept in answer.answers:
        asked = json.loads(kept.request)
        result = jsonrpc.read_answer(kept.body, call_id=asked["id"])
        parts.append(parse_logs(result, asked=asked["params"][0]))
    merged = merge_logs(parts)
    assert (merged.logs, merged.others) == (answer.logs, answer.others)
    assert amounts(answer) == [7, 3]
    assert "body" not in repr(answer.answers[0])


def test_unregistered_and_odd_tokens_are_seen(setting: Setting) -> None:
    """Any contract counts, and what looks like a transfer without being one is kept with a reason."""
    debtor, creditor = setting.watched
    by = setting.node.accounts()[0]
    fake = deploy_token(setting.node, contract="EventOnlyToken")
    fake.emit_transfer(sender=debtor, to=creditor, units=3000)
    nft = Token(node=setting.node, address=deploy(setting.node, "NftEmitter", by=by))
    nft.emit_transfer(sender=debtor, to=creditor, units=42)
    unindexed = Token(node=setting.node, address=deploy(setting.node, "UnindexedToken", by=by))
    unindexed.emit_transfer(sender=debtor, to=creditor, units=43)
    raw = Token(node=setting.node, address=deploy(setting.node, "RawEmitter", by=by))
    account = bytes.fromhex(account_topic(creditor)[2:])
    dirty = b"\1" + bytes(31)
    for topics, data in (
        ([TRANSFER_TOPIC, dirty, account], bytes(32)),
        ([TRANSFER_TOPIC, account, account], bytes(31)),
        ([TRANSFER_TOPIC, account], bytes(64)),
    ):
        raw.send("emitRaw(bytes32[],bytes)", [bytes(topic) for topic in topics], data, by=by)
    answer = setting.read()
    assert [(log.contract, log.amount_units) for log in answer.logs] == [(fake.address, 3000)]
    assert [(log.contract, log.reason) for log in answer.others] == [
        (nft.address, NotTransfer.ERC721),
        (raw.address, NotTransfer.DIRTY_ACCOUNT),
        (raw.address, NotTransfer.ODD_DATA),
        (raw.address, NotTransfer.NON_INDEXED),
    ]


def test_identical_transfers_of_one_transaction_are_two(setting: Setting) -> None:
    debtor, creditor = setting.watched
    setting.token.mint(to=debtor, units=100)
    payer = deploy(setting.node, "BatchPayer", by=setting.node.accounts()[0])
    setting.token.approve(holder=debtor, spender=payer, units=100)
    batch = Token(node=setting.node, address=payer)
    batch.send(
        "pay(address,address[],uint256[],bool)",
        setting.token.address,
        [creditor, creditor],
        [50, 50],
        False,
        by=debtor,
    )
    logs = setting.read().logs[1:]
    assert [log.amount_units for log in logs] == [50, 50]
    assert logs[0].tx_hash == logs[1].tx_hash
    assert logs[0].log_index != logs[1].log_index


# -- ranges


def pay_daily(setting: Setting, *, days: int) -> list[int]:
    debtor, creditor = setting.watched
    setting.token.mint(to=debtor, units=10_000)
    for day in range(1, days + 1):
        setting.token.transfer(sender=debtor, to=creditor, units=day)
        setting.node.mine(9)
    return [10_000, *range(1, days + 1)]


def read_ranges(setting: Setting, client: EvmClient, *, size: RangeSize) -> list[LogsAnswer]:
    last = client.head().number
    parts = list(client.transfer_ranges(addresses=setting.watched, first_block=0, last_block=last, size=size))
    assert parts[0].first_block == 0
    assert parts[-1].last_block == last
    for part, following in pairwise(parts):
        assert following.first_block == part.last_block + 1
    return parts


@pytest.mark.parametrize("blocks", [1, 7, 500])
def test_ranges_join_to_the_whole(setting: Setting, blocks: int) -> None:
    paid = pay_daily(setting, days=6)
    parts = read_ranges(setting, setting.client, size=RangeSize(blocks=blocks, blocks_max=blocks))
    assert [units for part in parts for units in amounts(part)] == paid


def test_an_empty_range_asks_nothing(setting: Setting) -> None:
    ranges = setting.through_proxy().transfer_ranges(addresses=setting.watched, first_block=5, last_block=4)
    assert list(ranges) == []
    assert setting.proxy.requests == []


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        (10, "eth_getLogs is limited to a 10 block range"),
        (3, "query returned more than 10000 results"),
        (1, "Query timeout exceeded"),
    ],
)
def test_a_capped_node_is_read_in_smaller_ranges(setting: Setting, limit: int, message: str) -> None:
    paid = pay_daily(setting, days=4)
    setting.proxy.fail(faults.capped_range(limit, message))
    parts = read_ranges(setting, setting.through_proxy(), size=RangeSize())
    assert [units for part in parts for units in amounts(part)] == paid
    assert max(part.last_block - part.first_block + 1 for part in parts) <= limit


def test_an_answer_that_is_too_large_is_split(setting: Setting) -> None:
    paid = pay_daily(setting, days=6)
    client = setting.through_proxy(answer_bytes_max=2500)
    with pytest.raises(AnswerTooLarge):
        setting.read(client)
    parts = read_ranges(setting, client, size=RangeSize())
    assert [units for part in parts for units in amounts(part)] == paid


def test_what_was_read_before_a_failure_stays(setting: Setting) -> None:
    paid = pay_daily(setting, days=4)
    client = setting.through_proxy(attempts=2)
    last = client.head().number
    read: list[int] = []

    def read_on() -> None:
        parts = client.transfer_ranges(
            addresses=setting.watched,
            first_block=0,
            last_block=last,
            size=RangeSize(blocks=20, blocks_max=20),
        )
        for part in parts:
            read.extend(amounts(part))
            setting.proxy.go_down()

    with pytest.raises(NodeUnreachable):
        read_on()
    assert read == paid[: len(read)]
    assert 0 < len(read) < len(paid)


def test_a_node_without_the_method_is_not_asked_for_less(setting: Setting) -> None:
    setting.proxy.fail(faults.rpc_error(-32601, "the method eth_getLogs does not exist"))
    with pytest.raises(RpcError):
        list(setting.through_proxy().transfer_ranges(addresses=setting.watched, first_block=0, last_block=9))
    assert len(setting.proxy.requests) == 1


# -- logs that can't be true

FALSE_LOGS: dict[str, Callable[[Any], Any]] = {
    "no array": lambda _: None,
    "an object": lambda _: {},
    "a removed log": lambda logs: [*logs[:-1], {**logs[-1], "removed": True}],
    "a pending log": lambda logs: [*logs[:-1], {**logs[-1], "blockHash": None, "blockNumber": None}],
    "a log of a later block": lambda logs: [*logs[:-1], {**logs[-1], "blockNumber": "0xffff"}],
    "another account's log": lambda logs: [
        *logs[:-1],
        {**logs[-1], "topics": [logs[-1]["topics"][0], *[account_topic(STRANGER)] * 2]},
    ],
    "another event": lambda logs: [*logs[:-1], {**logs[-1], "topics": ["0x" + "11" * 32] * 3}],
    "a changed twin": lambda logs: [*logs, {**logs[-1], "data": "0x" + "22" * 32}],
    "another hash for a block": lambda logs: [
        *logs,
        {**logs[-1], "logIndex": "0x9", "blockHash": "0x" + "33" * 32},
    ],
    "an amount cut short": lambda logs: [*logs[:-1], {**logs[-1], "data": logs[-1]["data"][:-1]}],
}


@pytest.mark.parametrize("name", FALSE_LOGS)
def test_a_false_log_refuses_the_answer(setting: Setting, name: str) -> None:
    setting.token.mint(to=setting.watched[0], units=7)
    setting.token.transfer(sender=setting.watched[0], to=setting.watched[1], units=3)
    setting.proxy.fail(faults.altered_result("eth_getLogs", FALSE_LOGS[name]))
    with pytest.raises(BadAnswer):
        setting.read(setting.through_proxy())


def test_answers_that_contradict_each_other_are_refused(setting: Setting) -> None:
    """The same transfer with two amounts, once as sent and once as received."""
    setting.token.mint(to=setting.watched[0], units=7)
    setting.token.transfer(sender=setting.watched[0], to=setting.watched[1], units=3)
    client = setting.through_proxy()
    last = client.head().number
    setting.proxy.fail(
        faults.altered_result(
            "eth_getLogs", lambda logs: [{**log, "data": "0x" + "44" * 32} for log in logs]
        ),
        times=1,
    )
    with pytest.raises(BadAnswer, match="two different logs"):
        client.transfer_logs(addresses=setting.watched, first_block=0, last_block=last)


def test_repeated_logs_count_once(setting: Setting) -> None:
    setting.token.mint(to=setting.watched[0], units=7)
    setting.proxy.fail(faults.altered_result("eth_getLogs", lambda logs: [*logs, *logs[::-1]]))
    assert amounts(setting.read(setting.through_proxy())) == [7]


def test_one_node_alone_can_hide_a_log(setting: Setting) -> None:
    """Why a reading of one node is graded `provider-reported`: nothing in the answer gives this away."""
    setting.token.mint(to=setting.watched[0], units=7)
    setting.token.mint(to=setting.watched[0], units=8)
    setting.proxy.fail(faults.hidden_log)
    assert amounts(setting.read(setting.through_proxy())) == [7]
    assert amounts(setting.read()) == [7, 8]


def test_the_filters_are_what_the_node_is_asked(setting: Setting) -> None:
    setting.read(setting.through_proxy())
    asked = [json.loads(request) for request in setting.proxy.requests]
    params = [one["params"] for one in asked if one["method"] == "eth_getLogs"]
    filters = transfer_filters(addresses=setting.watched, first_block=0, last_block=1)
    assert params == [[one] for one in filters]
    assert all("address" not in one for one in filters)
