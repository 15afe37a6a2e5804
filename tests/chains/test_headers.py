"""Blocks of a real Anvil hash again to what it answered, and one altered field is enough to be refused."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from chains.devnode import DevNode
from chains.errors import BadAnswer, ChainError, RpcError
from chains.evm import header as headers_module
from chains.evm import proving
from chains.evm.block_receipts import (
    ReceiptsMismatch,
    check_receipts,
    may_have_log,
    transfers_among,
    verify_receipts,
)
from chains.evm.client import BlockNotServed, EvmClient
from chains.evm.header import BadHeader, Header, HeaderHashMismatch, decode_header, verify_header
from chains.evm.receipt import BadReceipts, decode_receipt
from chains.evm.soundness import state_sync_tx_hash
from chains.evm.transaction import (
    BadTransactions,
    TransactionsMismatch,
    transaction_hash,
    verify_transactions,
)
from chains.evm.transfers import TRANSFER_TOPIC, account_topic
from chains.evm.trie import ordered_root
from chains.guard import EgressPolicy
from chains.rpc import RpcClient
from chains.types import Address, ChainId
from tests.support import faulty_proxy as faults
from tests.support.anvil import anvil
from tests.support.faulty_proxy import FaultyProxy, faulty_proxy
from tests.support.raw_transactions import blob_transaction, set_code_transaction
from tests.support.token import Token, calldata, deploy_token

CROWD = 140  # More than 128, so that the keys of the tries get a second byte.
STRANGER = Address.parse("0x00000000000000000000000000000000deadbeef")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A chain with a block of every kind of transaction, an empty block, and a crowded one."""

    node: DevNode
    token: Token
    mixed: int
    blob: int
    empty: int
    crowd: int

    @property
    def head(self) -> int:
        return self.crowd

    def block(self, number: int) -> dict[str, Any]:
        found: dict[str, Any] = self.node.call("eth_getBlockByNumber", number, True)
        return found

    def receipts(self, number: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.node.call("eth_getBlockReceipts", number)
        return found

    def logs(self, number: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.node.call("eth_getLogs", {"fromBlock": number, "toBlock": number})
        return found

    def header(self, number: int) -> Header:
        return verify_header(self.block(number), expected_number=number)


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    # By fees, as it does by default, Anvil would try a sender's dearer transactions before his earlier ones.
    with anvil(extra=("--order", "fifo")) as node:
        yield build(node)


def build(node: DevNode) -> Scene:
    token = deploy_token(node)
    first, second, third = node.accounts()[:3]
    token.mint(to=first, units=10**12)
    node.set_automine(enabled=False)
    nonce = int(node.call("eth_getTransactionCount", first, "latest"), 16)
    pay = calldata("transfer(address,uint256)", second, 5)
    # The third account holds no tokens, so its transfer fails: mined all the same, with status 0 and no log.
    node.call("eth_sendTransaction", {"from": third, "to": token.address, "gas": 100_000, "data": pay})
    send: list[dict[str, Any]] = [
        {"to": second, "value": 1, "gasPrice": 10**10},
        {"to": second, "value": 2, "gasPrice": 10**10, "accessList": [{"address": third, "storageKeys": []}]},
        {"to": token.address, "data": pay, "maxFeePerGas": 10**11},
        {"data": b"\x60\x00\x60\x00\xf3"},
        {"to": token.address, "data": calldata("transfer(address,uint256)", third, 7)},
    ]
    for sent in send:
        node.call("eth_sendTransaction", {"from": first, "nonce": nonce, "gas": 200_000, **sent})
        nonce += 1
    raw = set_code_transaction(node, nonce=nonce, to=third, delegate=token.address)
    node.call("eth_sendRawTransaction", raw)
    mixed = node.mine().number
    raw = blob_transaction(node, nonce=nonce + 1, to=third, value=9)
    node.call("eth_sendRawTransaction", raw)
    blob = node.mine().number
    empty = node.mine().number
    for units in range(CROWD):
        data = calldata("transfer(address,uint256)", second, units)
        node.call("eth_sendTransaction", {"from": first, "to": token.address, "data": data, "gas": 100_000})
    crowd = node.mine().number
    return Scene(node=node, token=token, mixed=mixed, blob=blob, empty=empty, crowd=crowd)


def test_the_scene_has_every_kind(scene: Scene) -> None:
    kinds = {transaction["type"] for transaction in scene.block(scene.mixed)["transactions"]}
    assert kinds == {"0x0", "0x1", "0x2", "0x4"}
    assert [transaction["type"] for transaction in scene.block(scene.blob)["transactions"]] == ["0x3"]
    assert {receipt["status"] for receipt in scene.receipts(scene.mixed)} == {"0x0", "0x1"}
    assert any(receipt["contractAddress"] for receipt in scene.receipts(scene.mixed))
    assert scene.block(scene.empty)["transactions"] == []
    assert len(scene.receipts(scene.crowd)) == CROWD


# -- what is true is believed


def test_every_block_hashes_again(scene: Scene) -> None:
    parent: Header | None = None
    for number in range(scene.head + 1):
        header = scene.header(number)
        assert header.ref == scene.node.block(number)
        assert decode_header(header.rlp) == header
        assert parent is None or header.parent_hash == parent.hash
        parent = header


def test_every_block_rebuilds_its_roots(scene: Scene) -> None:
    for number in set(range(1, scene.head + 1)) - {scene.blob}:
        header, block = scene.header(number), scene.block(number)
        hashes = verify_transactions(header, block["transactions"])
        assert [str(one) for one in hashes] == [one["hash"] for one in block["transactions"]]
        found = verify_receipts(header, scene.receipts(number), tx_hashes=hashes)
        assert found.outside_root == ()
        check_receipts(header, [receipt.encoded for receipt in found.receipts])
        assert tuple(decode_receipt(receipt.encoded) for receipt in found.receipts) == found.receipts


def test_a_blob_transaction_is_hashed_without_its_blobs(scene: Scene) -> None:
    header, block = scene.header(scene.blob), scene.block(scene.blob)
    (transaction,) = block["transactions"]
    assert str(transaction_hash(transaction)) == transaction["hash"]
    verify_receipts(header, scene.receipts(scene.blob), tx_hashes=[transaction_hash(transaction)])
    # Anvil 1.7 puts the blobs under transactionsRoot, which no other chain does: real blocks show that.
    with pytest.raises(TransactionsMismatch):
        verify_transactions(header, block["transactions"])
    raw = blob_transaction(
        scene.node,
        nonce=int(transaction["nonce"], 16),
        to=Address.parse(transaction["to"]),
        value=int(transaction["value"], 16),
    )
    assert header.transactions_root == ordered_root([raw])


def test_the_logs_are_those_of_get_logs(scene: Scene) -> None:
    for number in (scene.mixed, scene.empty, scene.crowd):
        found = verify_receipts(scene.header(number), scene.receipts(number))
        seen = [
            (
                *(hex(one.log_index), hex(one.tx_index), str(one.tx_hash), str(one.log.address)),
                *([str(topic) for topic in one.log.topics], "0x" + one.log.data.hex()),
            )
            for one in found.logs()
        ]
        names = ("logIndex", "transactionIndex", "transactionHash", "address", "topics", "data")
        assert seen == [tuple(log[name] for name in names) for log in scene.logs(number)]


def test_transfers_read_from_receipts_are_those_read_from_logs(scene: Scene) -> None:
    creditor = scene.node.accounts()[1]
    with ExitStack() as stack:
        client = client_of(stack, scene.node)
        for number in (scene.mixed, scene.empty, scene.crowd):
            found = verify_receipts(scene.header(number), scene.receipts(number))
            answer = client.transfer_logs(addresses=[creditor], first_block=number, last_block=number)
            among = transfers_among(found, addresses=[creditor])
            assert (among.logs, among.others) == (answer.logs, answer.others)
            assert len(among.logs) == {scene.mixed: 1, scene.empty: 0, scene.crowd: CROWD}[number]


def test_a_bloom_rules_out_who_was_not_paid(scene: Scene) -> None:
    def may_pay(number: int, account: Address) -> bool:
        entries = [scene.token.address, TRANSFER_TOPIC, bytes.fromhex(account_topic(account)[2:])]
        return may_have_log(scene.header(number), entries)

    assert may_pay(scene.mixed, scene.node.accounts()[1])
    assert not may_pay(scene.mixed, STRANGER)
    # Nothing happened there, which the empty receiptsRoot shows; the empty bloom alone would not.
    assert not may_pay(scene.empty, scene.node.accounts()[1])


# -- what is not true is refused


def flipped(text: str) -> str:
    """Another value of the same form."""
    if text == "0x":
        return "0x00"
    return text[:-1] + ("1" if text[-1] != "1" else "2")


@pytest.mark.parametrize("name", headers_module._FIELDS)
def test_no_field_of_a_header_can_be_altered(scene: Scene, name: str) -> None:
    block = scene.block(scene.mixed)
    with pytest.raises(HeaderHashMismatch) as caught:
        verify_header({**block, name: flipped(block[name])})
    assert str(caught.value.answered) == block["hash"]
    with pytest.raises(BadHeader):
        verify_header({key: value for key, value in block.items() if key != name})
    wrongs: list[Any] = [
        None,
        5,
        [],
        {},
        "",
        "0x",
        "0xzz",
        block[name][2:],
        block[name] + "0",
        f" {block[name]}",
    ]
    for wrong in wrongs:
        if (name, wrong) == ("extraData", "0x"):
            continue
        with pytest.raises(BadHeader):
            verify_header({**block, name: wrong})


def test_another_hash_or_number_is_refused(scene: Scene) -> None:
    block = scene.block(scene.mixed)
    for answered in (flipped(block["hash"]), None, "0x12", 5):
        with pytest.raises(BadHeader):
            verify_header({**block, "hash": answered})
    with pytest.raises(BadHeader, match="when 1 was asked for"):
        verify_header(block, expected_number=1)
    shouted = "0x" + block["hash"][2:].upper()
    assert verify_header({**block, "hash": shouted}).number == scene.mixed


Alter = Callable[[list[dict[str, Any]]], Any]


def altered_log(**changes: Any) -> Alter:
    def alter(receipts: list[dict[str, Any]]) -> None:
        next(receipt for receipt in receipts if receipt["logs"])["logs"][0].update(changes)

    return alter


def altered_receipt(index: int, **changes: Any) -> Alter:
    return lambda receipts: receipts[index].update(changes)


def renumbered(receipts: list[dict[str, Any]]) -> None:
    """Consistent again in all that no root covers, as a careful liar would leave it."""
    logs = [log for receipt in receipts for log in receipt["logs"]]
    for index, receipt in enumerate(receipts):
        receipt["transactionIndex"] = hex(index)
        for log in receipt["logs"]:
            log["transactionIndex"] = hex(index)
    for index, log in enumerate(logs):
        log["logIndex"] = hex(index)


LIES: dict[str, Alter] = {
    "a log hidden": lambda receipts: next(one for one in receipts if one["logs"])["logs"].clear(),
    "a receipt dropped": lambda receipts: receipts.pop(0),
    "the last dropped": lambda receipts: receipts.pop(),
    "all dropped": lambda receipts: receipts.clear(),
    "one twice": lambda receipts: receipts.append(copy.deepcopy(receipts[0])),
    "two swapped": lambda receipts: receipts.insert(0, receipts.pop()),
    "another amount": altered_log(data="0x" + "00" * 31 + "06"),
    "another recipient": altered_log(
        topics=[str(TRANSFER_TOPIC), account_topic(STRANGER), account_topic(STRANGER)]
    ),
    "another token": altered_log(address=str(STRANGER)),
    "a topic less": altered_log(topics=[str(TRANSFER_TOPIC)]),
    "more data": altered_log(data="0x" + "00" * 33),
    "another status": altered_receipt(1, status="0x0"),
    "a root for a status": altered_receipt(1, status=None, root="0x" + "00" * 32),
    "more gas": altered_receipt(1, cumulativeGasUsed="0x1"),
    "another type": altered_receipt(1, type="0x2"),
    "a deposit": altered_receipt(1, type="0x7e"),
}


@pytest.mark.parametrize("lie", LIES)
def test_no_receipt_can_be_hidden_or_altered(scene: Scene, lie: str) -> None:
    receipts = scene.receipts(scene.mixed)
    LIES[lie](receipts)
    for receipt in receipts:
        # Derived from the logs, so a liar would make it fit.
        receipt.pop("logsBloom")
    renumbered(receipts)
    with pytest.raises(ReceiptsMismatch, match="receiptsRoot"):
        verify_receipts(scene.header(scene.mixed), receipts)


@pytest.mark.parametrize("name", ["logsBloom", "logs", "cumulativeGasUsed", "status", "transactionHash"])
@pytest.mark.parametrize("wrong", [None, 5, "", "0x", "0xzz", {}, [5], [{}], "0x" + "11" * 256])
def test_malformed_receipts_end_in_one_error(scene: Scene, name: str, wrong: object) -> None:
    receipts = scene.receipts(scene.mixed)
    if (name, wrong) == ("logsBloom", None):
        return
    receipts[1][name] = wrong
    with pytest.raises(BadReceipts):
        verify_receipts(scene.header(scene.mixed), receipts)


@pytest.mark.parametrize(
    "name",
    ["address", "topics", "data", "logIndex", "transactionHash", "blockHash", "blockNumber", "removed"],
)
@pytest.mark.parametrize("wrong", [5, "", "0xzz", {}, [5], True, "0x" + "11" * 32])
def test_malformed_logs_end_in_one_error(scene: Scene, name: str, wrong: object) -> None:
    receipts = scene.receipts(scene.mixed)
    altered_log(**{name: wrong})(receipts)
    with pytest.raises(BadReceipts):
        verify_receipts(scene.header(scene.mixed), receipts)


@pytest.mark.parametrize("name", ["transactionHash", "transactionIndex", "blockHash", "blockNumber"])
def test_a_receipt_that_contradicts_its_place_is_refused(scene: Scene, name: str) -> None:
    receipts = scene.receipts(scene.mixed)
    receipt = next(receipt for receipt in receipts if receipt["logs"])
    receipt[name] = flipped(receipt[name])
    with pytest.raises(BadReceipts, match="place"):
        verify_receipts(scene.header(scene.mixed), receipts)


def test_other_transactions_than_the_blocks_are_refused(scene: Scene) -> None:
    header, receipts = scene.header(scene.crowd), scene.receipts(scene.crowd)
    hashes = verify_transactions(header, scene.block(scene.crowd)["transactions"])
    # No root covers a receipt's transaction hash, so two that are swapped show only against the block's.
    for receipt, other in zip(receipts[:2], reversed(receipts[:2]), strict=True):
        name = other["logs"][0]["transactionHash"]
        receipt["transactionHash"] = name
    for receipt in receipts[:2]:
        receipt["logs"][0]["transactionHash"] = receipt["transactionHash"]
    verify_receipts(header, receipts)
    with pytest.raises(BadReceipts, match="other transactions"):
        verify_receipts(header, receipts, tx_hashes=hashes)


def test_a_state_sync_receipt_stays_outside(scene: Scene) -> None:
    """As Polygon answers it: one more at the end, under a hash that only this block gives."""
    header, receipts = scene.header(scene.mixed), scene.receipts(scene.mixed)
    tx_hash = state_sync_tx_hash(number=header.number, block_hash=header.hash)
    extra = {"transactionHash": str(tx_hash), "logs": "whatever", "type": "0x0"}
    found = verify_receipts(header, [*receipts, extra])
    assert found.outside_root == (tx_hash,)
    assert found.receipts == verify_receipts(header, receipts).receipts
    with pytest.raises(BadReceipts):
        verify_receipts(header, [extra, *receipts])
    transactions = scene.block(scene.mixed)["transactions"]
    assert verify_transactions(header, [*transactions, {"hash": str(tx_hash)}]) == verify_transactions(
        header, transactions
    )


UNHASHED = {
    *("hash", "blockHash", "blockNumber", "transactionIndex", "from", "blockTimestamp"),
    *("blobs", "commitments", "proofs"),
}


def test_no_field_of_a_transaction_can_be_altered(scene: Scene) -> None:
    header, block = scene.header(scene.mixed), scene.block(scene.mixed)
    verify_transactions(header, block["transactions"])
    altered = 0
    for index, transaction in enumerate(block["transactions"]):
        for name in set(transaction) - UNHASHED:
            # Decoration that follows from hashed fields: the chain from v, the price paid from the base fee.
            if (transaction["type"], name) in {("0x0", "chainId"), ("0x2", "gasPrice"), ("0x4", "gasPrice")}:
                continue
            wrongs: list[Any] = [lie_about(transaction[name]), "0xzz", 5, {}]
            for wrong in wrongs:
                transactions = copy.deepcopy(block["transactions"])
                transactions[index][name] = wrong
                with pytest.raises(BadTransactions):
                    verify_transactions(header, transactions)
                altered += 1
    assert altered > 100


def lie_about(value: Any) -> Any:
    if isinstance(value, list):
        return [*value, *value] if value else [{"address": str(STRANGER), "storageKeys": []}]
    return str(STRANGER) if value is None else flipped(value)


@pytest.mark.parametrize("name", ["hash", "blockHash", "blockNumber", "transactionIndex"])
def test_a_transaction_with_another_hash_or_place_is_refused(scene: Scene, name: str) -> None:
    transactions = scene.block(scene.mixed)["transactions"]
    for wrong in (flipped(transactions[0][name]), None, "0xzz", 5):
        with pytest.raises(BadTransactions):
            verify_transactions(
                scene.header(scene.mixed), [{**transactions[0], name: wrong}, *transactions[1:]]
            )


def test_transactions_can_not_be_dropped_or_swapped(scene: Scene) -> None:
    header, found = scene.header(scene.mixed), scene.block(scene.mixed)["transactions"]
    for lie in (found[1:], found[:-1], [found[1], found[0], *found[2:]], [], [*found, found[0]]):
        with pytest.raises(TransactionsMismatch):
            verify_transactions(header, lie)


# -- through the client


def client_of(stack: ExitStack, node: DevNode, *, url: str | None = None) -> EvmClient:
    where = url or node.url
    rpc = RpcClient(where, policy=EgressPolicy.parse(where.removeprefix("http://")), sleep=lambda _: None)
    return EvmClient(stack.enter_context(rpc), ChainId(node.chain_id))


@pytest.fixture
def client(scene: Scene) -> Iterator[EvmClient]:
    with ExitStack() as stack:
        yield client_of(stack, scene.node)


@pytest.fixture
def proxy(scene: Scene) -> Iterator[FaultyProxy]:
    with faulty_proxy(scene.node) as started:
        yield started


@pytest.fixture
def proxied(scene: Scene, proxy: FaultyProxy) -> Iterator[EvmClient]:
    with ExitStack() as stack:
        yield client_of(stack, scene.node, url=proxy.url)


def test_headers_come_in_batches(scene: Scene, client: EvmClient) -> None:
    scene.node.mine(60)
    numbers = [*range(scene.head + 60, -1, -1), 3, 3]
    found = proving.headers(client, numbers)
    assert [header.number for header, _ in found] == numbers
    assert [header.ref for header, _ in found] == client.blocks(numbers)
    assert len({answer.request for _, answer in found}) == 2
    assert proving.header(client, 2)[0] == scene.header(2)
    assert proving.headers(client, []) == []
    with pytest.raises(BlockNotServed):
        proving.header(client, 10**6)


def test_a_node_that_alters_a_header_is_named(proxied: EvmClient, proxy: FaultyProxy) -> None:
    for lie in ({"timestamp": "0x684ee1ff"}, {"logsBloom": "0x" + "00" * 256}):

        def alter(block: dict[str, Any], lie: dict[str, str] = lie) -> dict[str, Any]:
            return block | lie

        proxy.fail(faults.altered_result("eth_getBlockByNumber", alter))
        with pytest.raises(BadAnswer, match="was answered") as caught:
            proving.header(proxied, 2)
        assert caught.value.node == proxied.rpc.node


def test_receipts_are_read_whole_or_one_by_one(
    scene: Scene, client: EvmClient, proxied: EvmClient, proxy: FaultyProxy
) -> None:
    # As Anvil and Hardhat say it.
    missing = {-32601: "Method not found", -32004: "Method eth_getBlockReceipts is not supported"}
    for code, message in missing.items():
        proxy.fail(faults.rpc_error(code, message, method="eth_getBlockReceipts"))
        for number in (scene.mixed, scene.empty, scene.crowd):
            header = scene.header(number)
            whole = proving.block_receipts(client, header)
            one_by_one = proving.block_receipts(proxied, header)
            assert whole.receipts == one_by_one.receipts
            assert len(whole.answers) == 1
            assert len(one_by_one.answers) == 1 + len(whole.receipts.receipts)
            expected = {scene.mixed: 2, scene.empty: 0, scene.crowd: CROWD}
            assert len(list(whole.receipts.logs())) == expected[number]


def test_other_errors_are_not_taken_for_a_missing_method(
    scene: Scene, proxied: EvmClient, proxy: FaultyProxy
) -> None:
    proxy.fail(faults.rpc_error(-32000, "header not found", method="eth_getBlockReceipts"))
    with pytest.raises(RpcError, match="header not found"):
        proving.block_receipts(proxied, scene.header(scene.mixed))
    proxy.fail(faults.altered_result("eth_getBlockReceipts", lambda _: None))
    with pytest.raises(BlockNotServed):
        proving.block_receipts(proxied, scene.header(scene.mixed))


def hide_last_log(receipts: Any) -> Any:
    found = [receipts] if isinstance(receipts, dict) else receipts
    next((one for one in reversed(found) if one["logs"]), {"logs": [0]})["logs"].pop()
    return receipts


@pytest.mark.parametrize("method", ["eth_getBlockReceipts", "eth_getTransactionReceipt"])
def test_a_node_that_hides_a_log_is_named(
    scene: Scene, proxied: EvmClient, proxy: FaultyProxy, method: str
) -> None:
    hide = faults.altered_result(method, hide_last_log)
    missing = faults.rpc_error(-32601, "no such method", method="eth_getBlockReceipts")

    def fault(exchange: faults.Exchange) -> None:
        whole = isinstance(exchange.asked, dict) and exchange.asked["method"] == "eth_getBlockReceipts"
        return missing(exchange) if whole and method != "eth_getBlockReceipts" else hide(exchange)

    proxy.fail(fault)
    with pytest.raises(BadAnswer) as caught:
        proving.block_receipts(proxied, scene.header(scene.mixed))
    assert caught.value.node == proxied.rpc.node


def test_receipts_of_a_replaced_block_are_refused(scene: Scene, client: EvmClient) -> None:
    header = verify_header({**scene.block(scene.mixed)})
    other = scene.header(scene.empty)
    with pytest.raises(BadReceipts):
        verify_receipts(other, scene.receipts(scene.mixed))
    with pytest.raises(ChainError):
        verify_receipts(header, scene.receipts(scene.empty))
    assert proving.block_receipts(client, other).receipts.receipts == ()


@pytest.mark.parametrize("transactions", [None, 5, {}, [5], ["0x12"], "0x"])
def test_a_block_without_transaction_hashes_is_refused(
    scene: Scene, proxied: EvmClient, proxy: FaultyProxy, transactions: object
) -> None:
    missing = faults.rpc_error(-32601, "no such method", method="eth_getBlockReceipts")
    strip = faults.altered_result("eth_getBlockByHash", lambda block: {**block, "transactions": transactions})

    def fault(exchange: faults.Exchange) -> None:
        asked = exchange.asked["method"] if isinstance(exchange.asked, dict) else ""
        return missing(exchange) if asked == "eth_getBlockReceipts" else strip(exchange)

    proxy.fail(fault)
    with pytest.raises(BadAnswer):
        proving.block_receipts(proxied, scene.header(scene.mixed))
    proxy.fail(
        lambda exchange: (
            missing(exchange)
            if isinstance(exchange.asked, dict) and exchange.asked["method"] == "eth_getBlockReceipts"
            else faults.altered_result("eth_getBlockByHash", lambda _: None)(exchange)
        )
    )
    with pytest.raises(BlockNotServed):
        proving.block_receipts(proxied, scene.header(scene.mixed))
