"""Transactions, receipts and traces as a node answers them: read strictly, and every log told apart."""

from __future__ import annotations

from typing import Any

import pytest
from eth_utils.crypto import keccak

from chains.evm import execution
from chains.evm.execution import (
    COIN_LOG_ADDRESS,
    Execution,
    LogKind,
    MalformedTransaction,
    ReceiptLog,
    attempted,
    parse_execution,
    parse_transaction,
)
from chains.evm.inner_moves import FRAMES_MAX, MalformedTrace, inner_moves
from chains.evm.transfers import TRANSFER_TOPIC, account_topic
from chains.types import Address, Hash32
from tests.factories import address
from tests.support.token import calldata

TX, BLOCK = Hash32(bytes([7]) * 32), Hash32(bytes([9]) * 32)
SIGNER, TOKEN, PAYEE = address("signer"), address("token"), address("payee")
ONE_WORD = "0x" + f"{5:064x}"


def transaction(**changes: Any) -> dict[str, Any]:
    fields = {
        "hash": str(TX),
        "from": str(SIGNER),
        "to": str(TOKEN),
        "value": "0x0",
        "input": "0x",
        "blockNumber": "0x10",
        "blockHash": str(BLOCK),
    }
    return {**fields, **changes}


def log(topics: list[str], data: str = ONE_WORD, index: int = 0, **changes: Any) -> dict[str, Any]:
    fields = {
        "address": str(TOKEN),
        "topics": topics,
        "data": data,
        "blockNumber": "0x10",
        "blockHash": str(BLOCK),
        "transactionHash": str(TX),
        "logIndex": hex(index),
    }
    return {**fields, **changes}


def receipt(*logs: dict[str, Any], **changes: Any) -> dict[str, Any]:
    fields = {
        "transactionHash": str(TX),
        "blockNumber": "0x10",
        "blockHash": str(BLOCK),
        "status": "0x1",
        "gasUsed": "0x5208",
        "effectiveGasPrice": "0x3",
        "contractAddress": None,
        "logs": list(logs),
    }
    return {**fields, **changes}


def executed(*logs: dict[str, Any], **changes: Any) -> Execution:
    return parse_execution(
        receipt(*logs, **changes), transaction=parse_transaction(transaction(), tx_hash=TX)
    )


def told(topics: list[str], data: str = ONE_WORD, **changes: Any) -> ReceiptLog:
    (found,) = executed(log(topics, data, **changes)).logs
    return found


def topic(text: str) -> str:
    return "0x" + keccak(text=text).hex()


def test_the_topics_are_those_of_the_texts() -> None:
    assert topic("TransferSingle(address,address,address,uint256,uint256)") == execution.SINGLE_TOPIC
    assert topic("TransferBatch(address,address,address,uint256[],uint256[])") == execution.BATCH_TOPIC
    assert topic("Deposit(address,uint256)") == execution.DEPOSIT_TOPIC
    assert topic("Withdrawal(address,uint256)") == execution.WITHDRAWAL_TOPIC


def test_an_executed_transaction() -> None:
    found = executed()
    assert (found.block_number, found.block_hash, found.succeeded) == (16, BLOCK, True)
    assert (found.gas_used, found.gas_price_wei, found.created, found.logs) == (21_000, 3, None, ())
    assert found.transaction.sender == SIGNER
    assert executed(status="0x0").succeeded is False
    two = executed(log([str(TRANSFER_TOPIC)], index=3), log([str(TRANSFER_TOPIC)], index=5))
    assert [each.raw.log_index for each in two.logs] == [3, 5]
    assert executed(contractAddress=str(PAYEE)).created == PAYEE
    old = receipt()
    del old["status"], old["effectiveGasPrice"]
    before = parse_execution(old, transaction=parse_transaction(transaction(), tx_hash=TX))
    assert (before.succeeded, before.gas_price_wei) == (None, None)


def test_a_transaction_in_no_block() -> None:
    for missing in ({"blockNumber": None, "blockHash": None}, {"blockHash": None}):
        assert parse_transaction(transaction(**missing), tx_hash=TX).place is None
    assert parse_transaction(transaction(to=None), tx_hash=TX).recipient is None


@pytest.mark.parametrize(
    "changes",
    [
        {"hash": str(BLOCK)},
        {"hash": None},
        {"from": None},
        {"to": "0x12"},
        {"value": "5"},
        {"input": "0x1"},
        {"blockNumber": "0x010"},
    ],
)
def test_transactions_that_are_none(changes: dict[str, Any]) -> None:
    with pytest.raises(MalformedTransaction):
        parse_transaction(transaction(**changes), tx_hash=TX)


@pytest.mark.parametrize(
    "changes",
    [
        {"transactionHash": str(BLOCK)},
        {"blockHash": str(TX)},
        {"blockNumber": "0x11"},
        {"blockNumber": None},
        {"status": "0x2"},
        {"gasUsed": None},
        {"logs": None},
        {"logs": [log([str(TRANSFER_TOPIC)], transactionHash=str(BLOCK))]},
        {"logs": [log([str(TRANSFER_TOPIC)], blockNumber="0x11")]},
        {"logs": [log([str(TRANSFER_TOPIC)], index=3), log([str(TRANSFER_TOPIC)], index=3)]},
        {"logs": [log([str(TRANSFER_TOPIC)], index=4), log([str(TRANSFER_TOPIC)], index=3)]},
        {"logs": [{}] * (execution.LOGS_MAX + 1)},
        {"logs": ["no log"]},
    ],
)
def test_receipts_that_do_not_belong(changes: dict[str, Any]) -> None:
    with pytest.raises(MalformedTransaction):
        executed(**changes)


def test_what_is_no_object_is_refused() -> None:
    nothing: tuple[Any, ...] = (None, [], "0x")
    for found in nothing:
        with pytest.raises(MalformedTransaction):
            parse_transaction(found, tx_hash=TX)
        with pytest.raises(MalformedTransaction):
            parse_execution(found, transaction=parse_transaction(transaction(), tx_hash=TX))


class TestLogs:
    pair = (account_topic(SIGNER), account_topic(PAYEE))

    def test_a_token(self) -> None:
        found = told([str(TRANSFER_TOPIC), *self.pair])
        assert (found.kind, found.sender, found.recipient, found.amount_units) == (
            LogKind.TOKEN,
            SIGNER,
            PAYEE,
            5,
        )

    def test_the_chains_own_coin(self) -> None:
        found = told([str(TRANSFER_TOPIC), *self.pair], address=str(COIN_LOG_ADDRESS))
        assert (found.kind, found.amount_units) == (LogKind.COIN, 5)

    def test_an_nft(self) -> None:
        found = told([str(TRANSFER_TOPIC), *self.pair, ONE_WORD], "0x")
        assert (found.kind, found.token_id, found.amount_units) == (LogKind.NFT, 5, None)
        assert (found.sender, found.recipient) == (SIGNER, PAYEE)

    def test_an_early_token(self) -> None:
        words = "0x" + "".join(each[2:] for each in (*self.pair, ONE_WORD))
        found = told([str(TRANSFER_TOPIC)], words)
        assert (found.kind, found.sender, found.recipient, found.amount_units) == (
            LogKind.NON_INDEXED,
            SIGNER,
            PAYEE,
            5,
        )
        assert told([str(TRANSFER_TOPIC)], "0x").kind is LogKind.OTHER
        assert told([str(TRANSFER_TOPIC)], words + "00").kind is LogKind.OTHER
        dirty = "0x" + "ff" * 32 + words[66:]
        assert told([str(TRANSFER_TOPIC)], dirty).kind is LogKind.OTHER

    def test_a_collection(self) -> None:
        single = told([execution.SINGLE_TOPIC, account_topic(TOKEN), *self.pair], ONE_WORD + f"{8:064x}")
        assert (single.kind, single.token_id, single.amount_units) == (LogKind.MULTI, 5, 8)
        batch = told([execution.BATCH_TOPIC, account_topic(TOKEN), *self.pair], "0x")
        assert (batch.kind, batch.sender, batch.recipient) == (LogKind.MULTI, SIGNER, PAYEE)
        assert (batch.token_id, batch.amount_units) == (None, None)

    def test_wrapping(self) -> None:
        for first, kind in (
            (execution.DEPOSIT_TOPIC, LogKind.WRAP),
            (execution.WITHDRAWAL_TOPIC, LogKind.UNWRAP),
        ):
            found = told([first, account_topic(PAYEE)])
            assert (found.kind, found.sender, found.amount_units) == (kind, PAYEE, 5)
            assert told([first]).kind is LogKind.OTHER

    def test_anything_else(self) -> None:
        for topics in (
            [],
            [topic("Approval(address,address,uint256)"), *self.pair],
            [execution.SINGLE_TOPIC],
        ):
            assert told(topics).kind is LogKind.OTHER


class TestAttempted:
    def call(self, data: bytes, **changes: Any) -> Any:
        return attempted(parse_transaction(transaction(input="0x" + data.hex(), **changes), tx_hash=TX))

    def test_a_transfer(self) -> None:
        found = self.call(calldata("transfer(address,uint256)", PAYEE, 5))
        assert (found.contract, found.sender, found.recipient, found.amount_units) == (
            TOKEN,
            SIGNER,
            PAYEE,
            5,
        )
        other = address("holder")
        found = self.call(calldata("transferFrom(address,address,uint256)", other, PAYEE, 5))
        assert (found.sender, found.recipient, found.amount_units) == (other, PAYEE, 5)

    def test_no_transfer(self) -> None:
        good = calldata("transfer(address,uint256)", PAYEE, 5)
        assert self.call(b"") is None
        assert self.call(calldata("approve(address,uint256)", PAYEE, 5)) is None
        assert self.call(good[:-1]) is None
        assert self.call(good, to=None) is None
        assert self.call(good[:4] + b"\xff" + good[5:]) is None, "an argument wider than an address"


def frame(
    kind: str = "CALL", value: str | None = "0x5", *calls: dict[str, Any], **more: Any
) -> dict[str, Any]:
    fields = {"type": kind, "from": str(SIGNER), "to": str(PAYEE), "value": value, "calls": list(calls)}
    return {**fields, **more}


class TestTrace:
    def moves(self, *calls: dict[str, Any], **more: Any) -> list[tuple[str, int]]:
        return [(each.path, each.value_wei) for each in inner_moves(frame("CALL", "0x9", *calls, **more))]

    def test_the_top_is_not_inside(self) -> None:
        assert self.moves() == []

    def test_calls_that_pass_value_on(self) -> None:
        below = frame("CREATE2", "0x1", frame("SELFDESTRUCT", "0x2"))
        assert self.moves(frame(), below, frame("CREATE")) == [("0", 5), ("1", 1), ("1.0", 2), ("2", 5)]

    def test_calls_that_do_not(self) -> None:
        assert self.moves(frame("DELEGATECALL"), frame("STATICCALL", None), frame(value="0x0")) == []
        assert self.moves(frame("DELEGATECALL", "0x5", frame())) == [("0.0", 5)]

    def test_what_failed_took_back_what_is_below(self) -> None:
        assert self.moves(frame("CALL", "0x5", frame(), error="reverted"), frame()) == [("1", 5)]
        assert self.moves(frame(), error="out of gas") == []

    @pytest.mark.parametrize(
        "trace",
        [
            None,
            [],
            {"calls": 5},
            {"calls": ["no frame"]},
            {"value": "5"},
            {"calls": [{"value": "0x5", "type": "CALL", "from": "0x1", "to": "0x2"}]},
            {"calls": [{"value": "0x5"}]},
            {"calls": [{}] * FRAMES_MAX},
        ],
    )
    def test_traces_that_are_none(self, trace: Any) -> None:
        with pytest.raises(MalformedTrace):
            inner_moves(trace)

    def test_depth_is_no_danger(self) -> None:
        deep: dict[str, Any] = frame()
        for _ in range(5_000):
            deep = frame("CALL", "0x0", deep)
        assert len(inner_moves(deep)) == 1


def test_addresses_are_bytes() -> None:
    assert isinstance(COIN_LOG_ADDRESS, Address)
