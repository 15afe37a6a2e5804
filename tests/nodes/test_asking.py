"""What the client asks, on each node: the answers differ in form, and not in what we take from them."""

from __future__ import annotations

import http.client
import json
from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest

from app.ingest.plan import ACCOUNTS_PER_REQUEST
from chains import jsonrpc
from chains.devnode import HOST, DevNode
from chains.errors import BadAnswer, RpcError, WrongChain
from chains.evm.client import BATCH_CALLS_MAX, BlockNotServed, EvmClient
from chains.evm.token import Unfit, read_token
from chains.evm.transfers import TRANSFER_TOPIC, account_topic
from chains.types import Address, ChainId, Finality, Hash32
from tests.ingest.scene import truth
from tests.nodes.starters import FINAL_BELOW_HEAD, client_of
from tests.support.faulty_proxy import Exchange, Fault, altered_result, faulty_proxy, pass_on, rpc_error
from tests.support.token import Token, calldata, deploy

ABOVE = 1_000


def test_the_chain_is_the_one_it_says(client: EvmClient, node: DevNode) -> None:
    client.check_chain()
    with pytest.raises(WrongChain) as caught:
        EvmClient(client.rpc, ChainId(node.chain_id + 1)).check_chain()
    assert caught.value.actual == node.chain_id


def test_what_is_final_is_the_nodes_word_or_a_depth(kind: str, client: EvmClient, node: DevNode) -> None:
    """Hardhat calls its head final, which no chain with reorgs may: there, and only there, it is so."""
    node.mine(20)
    head = node.block().number
    assert client.finalized(Finality()).number == head - FINAL_BELOW_HEAD[kind]
    assert client.finalized(Finality(confirmations=12)).number == head - 12
    assert client.finalized(Finality(confirmations=ABOVE)).number == 0


def without_final_block(answer: Any) -> Fault:
    """The tag `finalized` is answered with this, and everything else truly."""

    def fault(exchange: Exchange) -> None:
        calls = exchange.asked if isinstance(exchange.asked, list) else [exchange.asked]
        tagged = {call["id"] for call in calls if call["params"][:1] == ["finalized"]}
        found = exchange.truth()
        for each in found if isinstance(found, list) else [found]:
            if each["id"] in tagged:
                each["result"] = answer
        exchange.send_json(found)

    return fault


@pytest.mark.parametrize("answer", [None, {}, "0x1"])
def test_a_node_without_a_finalized_block_calls_nothing_final(node: DevNode, answer: Any) -> None:
    """Null, as before the merge; such a chain is configured with a depth."""
    node.mine(20)
    with faulty_proxy(node) as proxy, ExitStack() as stack:
        client = client_of(stack, node, url=proxy.url)
        proxy.fail(without_final_block(answer))
        with pytest.raises((BlockNotServed, BadAnswer)):
            client.finalized(Finality())
        assert client.finalized(Finality(confirmations=12)).number == node.block().number - 12


def test_a_node_that_refuses_the_tag_calls_nothing_final(node: DevNode) -> None:
    node.mine(20)
    with faulty_proxy(node) as proxy, ExitStack() as stack:
        client = client_of(stack, node, url=proxy.url)
        proxy.fail(rpc_error(-32602, 'invalid block tag "finalized"'))
        with pytest.raises(RpcError, match="finalized"):
            client.finalized(Finality())


def test_blocks_come_in_batches(node: DevNode) -> None:
    node.mine(2 * BATCH_CALLS_MAX, seconds_apart=7)
    numbers = range(node.block().number + 1)
    with faulty_proxy(node) as proxy, ExitStack() as stack:
        found = client_of(stack, node, url=proxy.url).blocks(numbers)
        sizes = [len(json.loads(request)) for request in proxy.requests]
    assert found == [node.block(number) for number in numbers]
    assert sizes == [BATCH_CALLS_MAX, BATCH_CALLS_MAX, len(numbers) - 2 * BATCH_CALLS_MAX]


def test_a_batch_of_a_thousand_is_answered(node: DevNode) -> None:
    """No limit was met on these nodes; ours is far below."""
    calls = dict.fromkeys(range(1, 1_001), ("eth_getBlockByNumber", ("latest", False)))
    connection = http.client.HTTPConnection(HOST, node.port, timeout=30)
    try:
        connection.request("POST", "/", jsonrpc.encode_batch(calls), {"Content-Type": "application/json"})
        answers = jsonrpc.read_batch(connection.getresponse().read(), call_ids=calls.keys())
    finally:
        connection.close()
    assert isinstance(answers, dict)
    assert {answer["hash"] for answer in answers.values()} == {str(node.block().hash)}


def test_a_block_that_is_not_there_is_an_error_in_a_batch_too(client: EvmClient, node: DevNode) -> None:
    head = node.block().number
    for numbers in ([head + 1], [0, head, head + ABOVE]):
        with pytest.raises(BlockNotServed):
            client.blocks(numbers)


def test_logs_of_either_side_of_any_token(client: EvmClient, node: DevNode, token: Token) -> None:
    first, second, third, stranger = node.accounts()[1:5]
    other = Token(node=node, address=deploy(node, "Bytes32Token", by=first))
    for sender, to in ((first, second), (second, third), (third, first), (stranger, third), (first, first)):
        token.transfer(sender=sender, to=to, units=3)
        other.emit_transfer(sender=sender, to=to, units=4)
    token.transfer(sender=stranger, to=node.accounts()[5], units=5)
    deaf = deploy(node, "UnindexedToken", by=first)
    node.send_transaction(
        sender=first,
        to=deaf,
        data=calldata("emitTransfer(address,address,uint256)", first, second, 9),
    )
    head = node.block().number
    for watched in ((first,), (second, third), (first, second, third, stranger)):
        found = client.transfer_logs(addresses=watched, first_block=0, last_block=head)
        expected = {
            (each.block_hash, each.log_index, each.contract, each.sender, each.recipient, each.amount_units)
            for each in truth(node, watched, last="latest")
        }
        assert {
            (log.block_hash, log.log_index, log.contract, log.sender, log.recipient, log.amount_units)
            for log in found.logs
        } == expected
        assert len(found.logs) == len(expected)


def test_as_many_accounts_as_we_ever_ask_for(client: EvmClient, node: DevNode, token: Token) -> None:
    crowd = [Address((0xACC0 << 144 | number).to_bytes(20, "big")) for number in range(ACCOUNTS_PER_REQUEST)]
    for to in (crowd[0], crowd[-1]):
        token.transfer(sender=node.accounts()[1], to=to, units=1)
    found = client.transfer_logs(addresses=crowd, first_block=0, last_block=node.block().number)
    assert [log.recipient for log in found.logs] == [crowd[0], crowd[-1]]


def test_logs_above_the_head_are_no_answer(kind: str, client: EvmClient, node: DevNode) -> None:
    """Anvil refuses, Hardhat says there are none: the blocks at the ends have to be asked as well."""
    head = node.block().number
    ask = partial(client.transfer_logs, addresses=node.accounts()[:2], first_block=head + ABOVE)
    if kind == "Anvil":
        with pytest.raises(RpcError, match="block height"):
            ask(last_block=head + ABOVE + 5)
    else:
        assert ask(last_block=head + ABOVE + 5).logs == ()
    with pytest.raises(BlockNotServed):
        client.blocks([head + ABOVE, head + ABOVE + 5])


def test_blocks_are_found_by_their_time(client: EvmClient, node: DevNode) -> None:
    for seconds in (1, 1, 5_000, 1, 40, 3_600, 1, 1, 90_000, 2):
        node.mine(3, seconds_apart=seconds)
    blocks = [node.block(number) for number in range(node.block().number + 1)]
    high = blocks[-1].number
    times = {block.time + step for block in blocks for step in (-1, 0, 1)}
    for time in sorted(times):
        after = client.first_block_at_or_after(time, low=0, high=high)
        before = client.last_block_at_or_before(time, low=0, high=high)
        assert after == next((block for block in blocks if block.time >= time), None)
        assert before == next((block for block in reversed(blocks) if block.time <= time), None)


def test_a_token_is_read_at_its_block(client: EvmClient, node: DevNode, token: Token) -> None:
    facts = read_token(client, token.address, node.block())
    assert (facts.symbol, facts.name, facts.decimals) == ("TUSD", "Test Dollar", 6)
    assert facts.code_hash is not None
    assert facts.unfit_for == ()
    before = node.block(0)
    assert read_token(client, token.address, before).unfit_for == (Unfit.NO_CODE,)


def test_a_contract_that_reverts_is_not_a_node_that_fails(client: EvmClient, node: DevNode) -> None:
    by = node.accounts()[0]
    broken = read_token(client, deploy(node, "BrokenMetadataToken", by=by), node.block())
    assert (broken.name, broken.symbol, broken.decimals) == (None, None, None)
    old = read_token(client, deploy(node, "Bytes32Token", by=by), node.block())
    assert (old.symbol, old.decimals, old.unfit_for) == ("B32", None, (Unfit.NO_DECIMALS,))


def test_a_block_of_another_chain_is_not_asked_at(client: EvmClient, node: DevNode, token: Token) -> None:
    """By its hash (EIP-1898): the state of whatever has its number now would be another's."""
    replaced = Hash32(bytes([7]) * 32)
    at = {"blockHash": str(replaced), "requireCanonical": True}
    with pytest.raises(RpcError) as caught:
        client.rpc.call("eth_getCode", [str(token.address), at])
    assert not caught.value.method_is_missing


def refusing_hashes(otherwise: Fault) -> Fault:
    refusal = rpc_error(-32602, "invalid argument 1: cannot unmarshal object into string")
    return lambda exchange: (refusal if b'"blockHash"' in exchange.request else otherwise)(exchange)


def test_a_node_without_blocks_by_hash_is_asked_by_number(node: DevNode, token: Token) -> None:
    """As Ganache, and gateways that say -32602 to an object in place of a number."""
    with faulty_proxy(node) as proxy, ExitStack() as stack:
        client = client_of(stack, node, url=proxy.url)
        proxy.fail(refusing_hashes(pass_on))
        assert read_token(client, token.address, node.block()).symbol == "TUSD"
        replaced = altered_result("eth_getBlockByNumber", lambda found: found | {"hash": "0x" + "77" * 32})
        proxy.fail(refusing_hashes(replaced))
        with pytest.raises(BadAnswer, match="replaced block"):
            read_token(client, token.address, node.block())


def test_the_times_in_logs_are_not_needed(node: DevNode, token: Token) -> None:
    """Both nodes put blockTimestamp into a log, Ganache and many gateways do not; the blocks are asked."""
    first, second = node.accounts()[1:3]
    token.transfer(sender=first, to=second, units=3)
    head = node.block().number
    topics = [str(TRANSFER_TOPIC), [account_topic(first)]]
    asked = {"fromBlock": hex(head), "toBlock": hex(head), "topics": topics}
    (log,) = node.call("eth_getLogs", asked)
    assert int(log["blockTimestamp"], 16) == node.block().time
    with faulty_proxy(node) as proxy, ExitStack() as stack:
        client = client_of(stack, node, url=proxy.url)

        def without(logs: Any) -> Any:
            return [{name: log[name] for name in log if name != "blockTimestamp"} for log in logs]

        proxy.fail(altered_result("eth_getLogs", without))
        found = client.transfer_logs(addresses=[first], first_block=head, last_block=head)
        assert [each.recipient for each in found.logs] == [second]
