"""Headers of every fork are hashed as others hash them; whatever is not one ends in BadHeader."""

from __future__ import annotations

from typing import Any

import pytest
import rlp as oracle
from eth_hash.auto import keccak
from hypothesis import given
from hypothesis import strategies as st

from chains.evm.blocks import BLOCK_TIME_MAX
from chains.evm.header import (
    EXTRA_DATA_BYTES_MAX,
    BadHeader,
    HeaderHashMismatch,
    UnknownHeaderField,
    decode_header,
    read_header,
    verify_header,
)
from chains.types import UINT256_MAX, BlockRef
from tests.unit.test_chain_encoding import json_values

FIRST = (
    *("parentHash", "sha3Uncles", "miner", "stateRoot", "transactionsRoot", "receiptsRoot", "logsBloom"),
    *("difficulty", "number", "gasLimit", "gasUsed", "timestamp", "extraData", "mixHash", "nonce"),
)
# How many fields each fork's header has.
FORKS = {
    "Frontier": (),
    "London": ("baseFeePerGas",),
    "Shanghai": ("baseFeePerGas", "withdrawalsRoot"),
    "4844 alone": ("baseFeePerGas", "withdrawalsRoot", "blobGasUsed", "excessBlobGas"),
    "Cancun": ("baseFeePerGas", "withdrawalsRoot", "blobGasUsed", "excessBlobGas", "parentBeaconBlockRoot"),
    "Prague": (
        *("baseFeePerGas", "withdrawalsRoot", "blobGasUsed", "excessBlobGas", "parentBeaconBlockRoot"),
        "requestsHash",
    ),
}
SIZES = {"miner": 20, "logsBloom": 256, "nonce": 8}
NUMBERS = {
    "number": 2**63 - 1,
    "timestamp": BLOCK_TIME_MAX,
    **dict.fromkeys(
        ("difficulty", "gasLimit", "gasUsed", "baseFeePerGas", "blobGasUsed", "excessBlobGas"), UINT256_MAX
    ),
}

# An answer, and the RLP that its hash is taken over.
Made = tuple[dict[str, Any], bytes]


def value_of(name: str) -> st.SearchStrategy[Any]:
    if name in NUMBERS:
        small = st.sampled_from([0, 1, 127, 128, 255, 256, 65_535])
        return st.integers(0, NUMBERS[name]) | small
    if name == "extraData":
        return st.binary(max_size=70)
    return st.binary(min_size=SIZES.get(name, 32), max_size=SIZES.get(name, 32))


@st.composite
def headers(draw: st.DrawFn) -> Made:
    names = FIRST + FORKS[draw(st.sampled_from(sorted(FORKS)))]
    values = {name: draw(value_of(name)) for name in names}
    encoded: bytes = oracle.encode([values[name] for name in names])
    answer = {name: answered(value) for name, value in values.items()}
    return answer | {"hash": "0x" + keccak(encoded).hex()}, encoded


def answered(value: int | bytes) -> str:
    return hex(value) if isinstance(value, int) else "0x" + value.hex()


def plain() -> dict[str, Any]:
    """The same simple header every time."""
    answer = {
        name: hex(7) if name in NUMBERS else "0x" + "01" * SIZES.get(name, 32)
        for name in FIRST + FORKS["Prague"]
    }
    return answer | {"hash": str(read_header(answer).hash)}


@given(headers())
def test_its_hash_is_the_one_that_others_compute(made: Made) -> None:
    answer, encoded = made
    header = verify_header(answer)
    assert header.rlp == encoded
    assert header == decode_header(encoded) == read_header(answer)
    assert str(header.hash) == answer["hash"]
    for name, value in (
        ("parentHash", header.parent_hash),
        ("stateRoot", header.state_root),
        ("transactionsRoot", header.transactions_root),
        ("receiptsRoot", header.receipts_root),
        ("logsBloom", header.bloom),
    ):
        assert answer[name] == "0x" + value.hex()
    assert (answer["number"], answer["timestamp"]) == (hex(header.number), hex(header.time))
    assert header.ref == BlockRef(
        number=header.number, hash=header.hash, time=header.time, parent_hash=header.parent_hash
    )


@given(headers(), st.data())
def test_one_altered_field_is_another_hash(made: Made, data: st.DataObject) -> None:
    answer, _ = made
    name = data.draw(st.sampled_from(sorted(set(answer) - {"hash"})))
    other = answered(data.draw(value_of(name)))
    if other != answer[name]:
        with pytest.raises(HeaderHashMismatch) as caught:
            verify_header({**answer, name: other})
        assert str(caught.value.answered) == answer["hash"]
        assert caught.value.computed != caught.value.answered


@given(headers(), st.data())
def test_any_json_in_a_field_ends_in_one_error(made: Made, data: st.DataObject) -> None:
    answer, _ = made
    name = data.draw(st.sampled_from(sorted(answer)))
    wrong = data.draw(json_values)
    with pytest.raises(BadHeader):
        verify_header({**answer, name: wrong})


@given(json_values)
def test_other_json_is_no_header(value: Any) -> None:
    with pytest.raises(BadHeader):
        verify_header(value)


@given(st.binary(max_size=700))
def test_random_bytes_are_no_header(data: bytes) -> None:
    with pytest.raises(BadHeader):
        decode_header(data)


@given(headers(), st.data())
def test_damaged_bytes_are_no_header_or_another(made: Made, data: st.DataObject) -> None:
    encoded = bytearray(made[1])
    at = data.draw(st.integers(0, len(encoded) - 1))
    encoded[at] ^= data.draw(st.integers(1, 255))
    try:
        header = decode_header(bytes(encoded))
    except BadHeader:
        return
    assert header.rlp == encoded
    assert str(header.hash) != made[0]["hash"]


def test_unknown_fields_are_refused_by_name() -> None:
    """Such as those of Amsterdam, or of Avalanche: they may be hashed."""
    for names in (["blockAccessListHash"], ["slotNumber", "extDataHash"], [f"f{at:03}" for at in range(100)]):
        with pytest.raises(UnknownHeaderField, match=names[0]) as caught:
            verify_header(plain() | dict.fromkeys(names, "0x1"))
        assert caught.value.names == tuple(sorted(names))
        assert len(str(caught.value)) < 200
    with pytest.raises(UnknownHeaderField):
        verify_header({**plain(), 5: 6})


def test_what_no_hash_covers_may_stand_beside() -> None:
    beside: dict[str, Any] = {
        "size": "0x1",
        "totalDifficulty": None,
        "transactions": [],
        "uncles": [],
        "withdrawals": [],
        "author": "0x",
        "sealFields": [],
        "l1BlockNumber": "0x1",
        "sendCount": "0x0",
        "sendRoot": "0x",
    }
    assert verify_header(plain() | beside) == verify_header(plain())


def test_null_is_a_field_that_the_fork_does_not_have() -> None:
    frontier = {name: text for name, text in plain().items() if name in FIRST}
    assert read_header(frontier | dict.fromkeys(FORKS["Prague"])) == read_header(frontier)


@pytest.mark.parametrize("name", FORKS["Prague"][:-1])
def test_a_fork_does_not_skip_a_field(name: str) -> None:
    for answer in ({**plain(), name: None}, {key: text for key, text in plain().items() if key != name}):
        with pytest.raises(BadHeader, match=f"a header without {name}"):
            read_header(answer)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(("number", text) for text in ("0x", "0x07", "0x00", "7", "-0x7", "0x 7", "0x7 ", "0x_7", "0X7")),
        *(("number", hex(2**63)), ("timestamp", hex(BLOCK_TIME_MAX + 1)), ("difficulty", hex(2**256))),
        *(("stateRoot", "0x" + "01" * 31), ("stateRoot", "0x" + "01" * 33), ("stateRoot", "01" * 33)),
        *(
            ("stateRoot", "0x" + "01" * 31 + " 1"),
            ("stateRoot", "0x" + " " * 64),
            ("stateRoot", "0x" + "0g" * 32),
        ),
        *(("stateRoot", "0x" + "01" * 30 + "  01"), ("extraData", "0x1"), ("extraData", "0x01 01")),
        *(("extraData", "0x" + "00" * (EXTRA_DATA_BYTES_MAX + 1)), ("nonce", "0x1"), ("extraData", "1")),
        *(
            ("nonce", "0x" + "0" * 15 + "\u0661"),
            ("number", "0x\u0661"),
            ("number", [7]),
            ("miner", [1] * 42),
        ),
    ],
)
def test_each_field_is_read_strictly(name: str, text: Any) -> None:
    with pytest.raises(BadHeader, match=name):
        read_header({**plain(), name: text})


def test_the_largest_extra_data_are_read() -> None:
    header = read_header({**plain(), "extraData": "0x" + "ab" * EXTRA_DATA_BYTES_MAX})
    assert decode_header(header.rlp) == header


@pytest.mark.parametrize(
    ("at", "item", "reason"),
    [
        (0, bytes(31), "parentHash has 31 bytes"),
        (0, [bytes(32)], "parentHash is a list"),
        (0, [[[]]], "deeper"),
        (0, [], "parentHash is a list"),
        (8, b"\x00\x01", "leading zero"),
        (8, [], "number is a list"),
        (8, b"\x80" + bytes(7), "above"),
        (7, b"\x01" * 33, "above"),
        (11, b"\xff" * 8, "above"),
        (12, bytes(EXTRA_DATA_BYTES_MAX + 1), "extraData has"),
        (14, bytes(9), "nonce has 9 bytes"),
        (20, bytes(31), "requestsHash has 31 bytes"),
    ],
)
def test_each_item_is_read_strictly(at: int, item: Any, reason: str) -> None:
    items: list[Any] = oracle.decode(read_header(plain()).rlp)
    items[at] = item
    with pytest.raises(BadHeader, match=reason):
        decode_header(oracle.encode(items))


@pytest.mark.parametrize("count", [0, 14, 22])
def test_a_header_has_fifteen_to_twentyone_fields(count: int) -> None:
    items: list[Any] = [*oracle.decode(read_header(plain()).rlp), bytes(32)]
    with pytest.raises(BadHeader):
        decode_header(oracle.encode(items[:count]))


@pytest.mark.parametrize("answer", [None, "0x12", 5, {}, "0x" + "00" * 32])
def test_another_hash_is_refused(answer: Any) -> None:
    with pytest.raises(BadHeader):
        verify_header({**plain(), "hash": answer})


def test_the_number_is_the_one_that_was_asked_for() -> None:
    assert verify_header(plain(), expected_number=7).number == 7
    shouted = "0x" + plain()["hash"][2:].upper()
    assert verify_header({**plain(), "hash": shouted}, expected_number=7).number == 7
    with pytest.raises(BadHeader, match="header 7 was answered when 8 was asked for"):
        verify_header(plain(), expected_number=8)


def test_errors_show_no_more_than_a_line_of_the_answer() -> None:
    with pytest.raises(BadHeader) as caught:
        read_header({**plain(), "stateRoot": "\x1b[31m" + "x" * 10_000})
    assert len(str(caught.value)) < 200
    assert str(caught.value).isprintable()
