"""The starter of the test node, and the token that the demo and the tests use, on a real Anvil."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from chains.devnode import DevNode, DevNodeError, Reverted, start_dev_node
from chains.errors import NodeUnreachable, RpcError
from chains.types import Address
from tests.support.anvil import GENESIS_AT, anvil
from tests.support.token import calldata, deploy, deploy_token

TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
STRANGER = Address.parse("0x00000000000000000000000000000000deadbeef")


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def topic(address: Address) -> str:
    return "0x" + address.rjust(32, b"\0").hex()


def test_the_node_is_ours_and_stops_with_its_user(anvil_path: Path) -> None:
    with start_dev_node(anvil=anvil_path, timestamp=GENESIS_AT, chain_id=987_654_321) as node:
        assert int(node.call("eth_chainId"), 16) == node.chain_id == 987_654_321
        assert str(node.chain) == "eip155:987654321"
        assert node.url == f"http://127.0.0.1:{node.port}"
        assert is_running(node.pid)
    assert not is_running(node.pid)
    with pytest.raises(NodeUnreachable):
        node.call("eth_chainId")


def test_the_node_stops_when_its_user_fails(anvil_path: Path) -> None:
    def use_and_fail(seen: list[int]) -> None:
        with anvil() as node:
            seen.append(node.pid)
            raise LookupError

    pids: list[int] = []
    with pytest.raises(LookupError):
        use_and_fail(pids)
    assert not is_running(pids[0])


def test_two_nodes_at_once_are_two_chains(node: DevNode) -> None:
    with anvil() as other:
        assert (other.port, other.pid) != (node.port, node.pid)
        assert other.chain_id != node.chain_id
        other.mine()
        assert (node.block().number, other.block().number) == (0, 1)


def test_a_program_that_is_not_anvil_is_named(tmp_path: Path) -> None:
    impostor = tmp_path / "anvil"
    impostor.write_text("#!/bin/sh\necho 'no node here'\nexit 7\n")
    impostor.chmod(0o755)
    with (
        pytest.raises(DevNodeError, match=r"exit code 7.*no node here"),
        start_dev_node(anvil=impostor, timestamp=None, chain_id=1),
    ):
        pass
    with (
        pytest.raises(DevNodeError, match="could not be started"),
        start_dev_node(anvil=tmp_path / "absent", timestamp=None, chain_id=1),
    ):
        pass


def test_times_are_what_the_test_says(node: DevNode) -> None:
    assert node.block(0).time == GENESIS_AT
    node.set_next_block_time(GENESIS_AT + 500)
    first, second, *_ = node.accounts()
    receipt = node.receipt(node.send_transaction(sender=first, to=second, value=5))
    assert receipt["status"] == "0x1"
    assert node.block().time == GENESIS_AT + 500
    assert node.mine(3, seconds_apart=2).time == GENESIS_AT + 506
    with pytest.raises(RpcError):
        node.set_next_block_time(GENESIS_AT)


def test_the_finalized_block_is_two_below_the_head(node: DevNode) -> None:
    node.mine(5)
    finalized = node.block("finalized")
    assert (node.block().number, finalized.number) == (5, 3)
    assert node.block(4).parent_hash == finalized.hash


def test_snapshot_and_revert(node: DevNode) -> None:
    before = node.block()
    snapshot = node.snapshot()
    node.mine(2)
    node.revert(snapshot)
    assert node.block() == before
    with pytest.raises((DevNodeError, RpcError)):
        node.revert(snapshot)


def test_token_moves_balances_and_says_so(node: DevNode) -> None:
    _, alice, bob, *_ = node.accounts()
    token = deploy_token(node)
    token.mint(to=alice, units=9_000_000_000)
    receipt = node.receipt(token.transfer(sender=alice, to=bob, units=3_000_000_000, at=GENESIS_AT + 900))
    assert (token.balance_units(alice), token.balance_units(bob)) == (6_000_000_000, 3_000_000_000)
    (log,) = receipt["logs"]
    assert log["topics"] == [TRANSFER, topic(alice), topic(bob)]
    assert int(log["data"], 16) == 3_000_000_000
    with pytest.raises(Reverted):
        token.transfer(sender=bob, to=alice, units=3_000_000_001)


def test_anyone_can_spoof_a_transfer_of_nothing(node: DevNode) -> None:
    _, creditor, spoofer, *_ = node.accounts()
    token = deploy_token(node)
    receipt = node.receipt(token.transfer_from(holder=STRANGER, to=creditor, units=0, by=spoofer))
    (log,) = receipt["logs"]
    assert log["topics"] == [TRANSFER, topic(STRANGER), topic(creditor)]
    assert int(log["data"], 16) == 0
    with pytest.raises(Reverted):
        token.transfer_from(holder=STRANGER, to=creditor, units=1, by=spoofer)


def test_an_impersonated_address_sends(node: DevNode) -> None:
    token = deploy_token(node)
    node.set_balance(STRANGER, wei=10**18)
    node.impersonate(STRANGER)
    receipt = node.receipt(token.transfer(sender=STRANGER, to=node.accounts()[1], units=0))
    assert receipt["from"] == str(STRANGER)
    node.stop_impersonating(STRANGER)
    with pytest.raises(RpcError):
        token.transfer(sender=STRANGER, to=node.accounts()[1], units=0)


def test_the_event_only_token_moves_nothing(node: DevNode) -> None:
    _, alice, bob, *_ = node.accounts()
    token = deploy_token(node, contract="EventOnlyToken", symbol="<b>\u202eTUSD" + "x" * 10_000)
    (log,) = node.receipt(token.emit_transfer(sender=alice, to=bob, units=2**256 - 1))["logs"]
    assert log["topics"] == [TRANSFER, topic(alice), topic(bob)]
    assert int(log["data"], 16) == 2**256 - 1
    assert token.balance_units(bob) == 0


@pytest.mark.parametrize(
    ("name", "topics", "data_bytes"),
    [("NftEmitter", 4, 0), ("UnindexedToken", 1, 96), ("Bytes32Token", 3, 32)],
)
def test_odd_tokens_emit_what_they_are_named_for(
    module_node: DevNode, name: str, topics: int, data_bytes: int
) -> None:
    by, alice, bob, *_ = module_node.accounts()
    address = deploy(module_node, name, by=by)
    data = calldata("emitTransfer(address,address,uint256)", alice, bob, 7)
    (log,) = module_node.receipt(module_node.send_transaction(sender=by, to=address, data=data))["logs"]
    assert log["topics"][0] == TRANSFER
    assert (len(log["topics"]), len(log["data"]) // 2 - 1) == (topics, data_bytes)


def test_a_batch_makes_several_transfers_in_one_transaction_or_none(node: DevNode) -> None:
    _, alice, bob, *_ = node.accounts()
    token = deploy_token(node)
    batch = deploy(node, "BatchPayer", by=alice)
    token.mint(to=alice, units=100)
    token.approve(holder=alice, spender=batch, units=100)
    pay = "pay(address,address[],uint256[],bool)"
    data = calldata(pay, token.address, [bob, bob], [5, 5], False)
    logs = node.receipt(node.send_transaction(sender=alice, to=batch, data=data))["logs"]
    assert [(log["topics"][2], int(log["data"], 16)) for log in logs] == [(topic(bob), 5)] * 2
    fails = calldata(pay, token.address, [bob], [5], True)
    with pytest.raises(Reverted):
        node.send_transaction(sender=alice, to=batch, data=fails)
    kept = node.receipt(node.send_transaction(sender=alice, to=batch, data=fails, may_revert=True))
    assert (kept["status"], kept["logs"], token.balance_units(bob)) == ("0x0", [], 10)


@pytest.mark.parametrize("count", range(5))
def test_the_raw_emitter_emits_any_topics_and_any_data(module_node: DevNode, count: int) -> None:
    by = module_node.accounts()[0]
    address = deploy(module_node, "RawEmitter", by=by)
    topics = [bytes([number + 1]) * 32 for number in range(count)]
    data = calldata("emitRaw(bytes32[],bytes)", topics, b"odd")
    (log,) = module_node.receipt(module_node.send_transaction(sender=by, to=address, data=data))["logs"]
    assert log["topics"] == ["0x" + raw.hex() for raw in topics]
    assert log["data"] == "0x" + b"odd".hex()
