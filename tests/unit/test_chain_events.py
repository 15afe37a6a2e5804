"""Events told apart by their shape, and the filters that ask for them."""

from __future__ import annotations

from typing import Any

import pytest
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from chains.evm.events import (
    BATCH_TOPIC,
    DEPOSIT_TOPIC,
    SINGLE_TOPIC,
    WITHDRAWAL_TOPIC,
    EventKind,
    event_filters,
    parse_event,
)
from chains.evm.transfers import NATIVE_LOG_EMITTER, TRANSFER_TOPIC, MalformedLog, OtherLog, decode_log
from chains.types import ZERO_ADDRESS, Address, Hash32

PAYER, PAYEE, TOKEN = (Address(bytes([byte]) * 20) for byte in (0x11, 0x22, 0x33))


def word(value: Address | int) -> str:
    return (value.to_bytes(32, "big") if isinstance(value, int) else bytes(12) + value).hex()


def log(
    topics: list[Hash32 | Address | int], *data: Address | int, contract: Address = TOKEN
) -> dict[str, Any]:
    return {
        "address": str(contract),
        "topics": [str(topic) if isinstance(topic, Hash32) else "0x" + word(topic) for topic in topics],
        "data": "0x" + "".join(word(value) for value in data),
        "blockNumber": "0x10",
        "blockHash": "0x" + "ab" * 32,
        "transactionHash": "0x" + "cd" * 32,
        "logIndex": "0x2",
        "removed": False,
    }


@pytest.mark.parametrize(
    ("topic", "signature"),
    [
        (DEPOSIT_TOPIC, "Deposit(address,uint256)"),
        (WITHDRAWAL_TOPIC, "Withdrawal(address,uint256)"),
        (SINGLE_TOPIC, "TransferSingle(address,address,address,uint256,uint256)"),
        (BATCH_TOPIC, "TransferBatch(address,address,address,uint256[],uint256[])"),
    ],
)
def test_topics_are_the_hashes_of_their_signatures(topic: Hash32, signature: str) -> None:
    assert bytes(topic) == keccak(text=signature)


CASES = [
    (log([TRANSFER_TOPIC, PAYER, PAYEE], 5), EventKind.ERC20, PAYER, PAYEE, 5, ()),
    (log([TRANSFER_TOPIC, ZERO_ADDRESS, PAYEE], 5), EventKind.ERC20, ZERO_ADDRESS, PAYEE, 5, ("mint",)),
    (log([TRANSFER_TOPIC, PAYER, ZERO_ADDRESS], 5), EventKind.ERC20, PAYER, ZERO_ADDRESS, 5, ("burn",)),
    (log([TRANSFER_TOPIC, PAYER, PAYEE, 9]), EventKind.ERC721, PAYER, PAYEE, None, ("erc721",)),
    (
        log([TRANSFER_TOPIC, ZERO_ADDRESS, PAYEE, 9]),
        EventKind.ERC721,
        ZERO_ADDRESS,
        PAYEE,
        None,
        ("erc721", "mint"),
    ),
    (log([TRANSFER_TOPIC], PAYER, PAYEE, 5), EventKind.NON_INDEXED, PAYER, PAYEE, 5, ("non-indexed",)),
    (log([TRANSFER_TOPIC, PAYER], PAYEE, 5), EventKind.NON_INDEXED, PAYER, PAYEE, 5, ("non-indexed",)),
    (
        log([TRANSFER_TOPIC, PAYER, PAYEE], 5, contract=NATIVE_LOG_EMITTER),
        EventKind.NATIVE_LOG,
        PAYER,
        PAYEE,
        5,
        ("native-transfer-log",),
    ),
    (log([DEPOSIT_TOPIC, PAYEE], 5), EventKind.WRAP, None, PAYEE, 5, ("wrap",)),
    (log([WITHDRAWAL_TOPIC, PAYER], 5), EventKind.UNWRAP, PAYER, None, 5, ("unwrap",)),
    (
        log([SINGLE_TOPIC, TOKEN, PAYER, PAYEE], 9, 5),
        EventKind.ERC1155_SINGLE,
        PAYER,
        PAYEE,
        5,
        ("erc1155-single",),
    ),
    (
        log([BATCH_TOPIC, TOKEN, PAYER, PAYEE], 64, 128, 1, 9, 1, 5),
        EventKind.ERC1155_BATCH,
        PAYER,
        PAYEE,
        None,
        ("erc1155-batch",),
    ),
    # A topic that is known, in no shape that is.
    (log([TRANSFER_TOPIC, PAYER, PAYEE]), EventKind.ODD, None, None, None, ("odd",)),
    (log([TRANSFER_TOPIC, PAYER, PAYEE], 5, 6), EventKind.ODD, None, None, None, ("odd",)),
    (log([TRANSFER_TOPIC, 2**200, PAYEE], 5), EventKind.ODD, None, None, None, ("odd",)),
    (log([DEPOSIT_TOPIC, PAYEE]), EventKind.ODD, None, None, None, ("odd",)),
    (log([SINGLE_TOPIC, TOKEN, PAYER, PAYEE], 9), EventKind.ODD, None, None, None, ("odd",)),
    (log([SINGLE_TOPIC, TOKEN, PAYER], 9, 5), EventKind.ODD, None, None, None, ("odd",)),
    (log([]), EventKind.ODD, None, None, None, ("odd",)),
    (log([Hash32(bytes(32)), PAYEE], 5), EventKind.ODD, None, None, None, ("odd",)),
]


@pytest.mark.parametrize(("entry", "kind", "sender", "recipient", "units", "flags"), CASES)
def test_each_shape_has_its_word(
    entry: dict[str, Any],
    kind: EventKind,
    sender: Address | None,
    recipient: Address | None,
    units: int | None,
    flags: tuple[str, ...],
) -> None:
    event = parse_event(entry)
    assert (event.kind, event.sender, event.recipient, event.amount_units) == (kind, sender, recipient, units)
    assert event.flags == flags
    assert (event.block_number, event.log_index) == (16, 2)


def test_a_native_log_is_no_token_transfer() -> None:
    """EIP-7708: the coin's move is read as such; its log would count it a second time."""
    decoded = decode_log(log([TRANSFER_TOPIC, PAYER, PAYEE], 5, contract=NATIVE_LOG_EMITTER))
    assert isinstance(decoded, OtherLog)
    assert decoded.reason == "native-transfer-log"


@pytest.mark.parametrize(
    "change",
    [
        {"removed": True},
        {"blockNumber": 16},
        {"logIndex": "0x02"},
        {"address": "0x11"},
        {"topics": ["0x11"]},
        {"topics": None},
        {"data": "0x1"},
    ],
)
def test_a_malformed_log_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(MalformedLog):
        parse_event({**log([DEPOSIT_TOPIC, PAYEE], 5), **change})


@pytest.mark.parametrize("entry", [None, 5, [], "x", {}])
def test_what_is_no_log_is_refused(entry: object) -> None:
    with pytest.raises(MalformedLog):
        parse_event(entry)


@given(
    topics=st.lists(st.binary(min_size=32, max_size=32), max_size=4),
    known=st.sampled_from([TRANSFER_TOPIC, DEPOSIT_TOPIC, WITHDRAWAL_TOPIC, SINGLE_TOPIC, BATCH_TOPIC]),
    data=st.binary(max_size=200),
)
def test_no_log_that_a_contract_can_emit_ends_the_reading(
    topics: list[bytes], known: Hash32, data: bytes
) -> None:
    entry = log([])
    entry["topics"] = [str(known), *("0x" + topic.hex() for topic in topics[:3])]
    entry["data"] = "0x" + data.hex()
    event = parse_event(entry)
    assert event.amount_units is None or 0 <= event.amount_units < 2**256


def test_the_filters_name_each_account_once_in_every_place() -> None:
    filters = event_filters(addresses=[PAYEE, PAYER, PAYEE], first_block=1, last_block=255)
    accounts = ["0x" + word(PAYER), "0x" + word(PAYEE)]
    assert [each["topics"] for each in filters] == [
        [[str(DEPOSIT_TOPIC), str(WITHDRAWAL_TOPIC)], accounts],
        [[str(SINGLE_TOPIC), str(BATCH_TOPIC)], None, accounts],
        [[str(SINGLE_TOPIC), str(BATCH_TOPIC)], None, None, accounts],
    ]
    assert all((each["fromBlock"], each["toBlock"]) == ("0x1", "0xff") for each in filters)
    with pytest.raises(ValueError, match="at least one"):
        event_filters(addresses=[], first_block=0, last_block=0)
