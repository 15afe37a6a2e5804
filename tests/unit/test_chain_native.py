"""Full blocks, receipts and traces: what is read of them, and what is refused."""

from __future__ import annotations

import contextlib
import copy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chains.evm.blocks import MalformedBlock, MissingBlock
from chains.evm.inner import internal_transfers
from chains.evm.native import (
    FullBlock,
    MalformedFullBlock,
    parse_full_block,
    parse_receipt,
    read_token_call,
    top_level,
    transactions_of_interest,
)
from chains.evm.traces import MalformedTrace, parse_call_tracer, parse_trace_block, parse_trace_filter
from chains.movements import NativeKind, TenderKind
from chains.types import ZERO_ADDRESS, Address, ChainId, Hash32
from tests.support.token import calldata

CHAIN = ChainId(1)
PAYER, PAYEE, ROUTER, TOKEN = (Address(bytes([byte]) * 20) for byte in (0x11, 0x22, 0x33, 0x44))
WATCHED = frozenset({PAYEE})
BLOCK_HASH = "0x" + "b1" * 32
TX = "0x" + "c0" * 32


def transaction(at: int = 0, **changes: Any) -> dict[str, Any]:
    return {
        "hash": f"0x{0xC0 + at:02x}" + "c0" * 31 if at else TX,
        "blockHash": BLOCK_HASH,
        "transactionIndex": hex(at),
        "from": str(PAYER),
        "to": str(PAYEE),
        "value": "0x5",
        "input": "0x",
        "gas": "0x5208",
        **changes,
    }


def block(*transactions: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "number": "0x10",
        "hash": BLOCK_HASH,
        "timestamp": "0x64",
        "parentHash": "0x" + "a1" * 32,
        "transactions": list(transactions),
        **changes,
    }


def receipt(entry: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "transactionHash": entry["hash"],
        "blockHash": BLOCK_HASH,
        "status": "0x1",
        "gasUsed": "0x5208",
        "effectiveGasPrice": "0x2",
        "contractAddress": None,
        **changes,
    }


def parsed(*transactions: dict[str, Any], **changes: Any) -> FullBlock:
    return parse_full_block(block(*transactions, **changes), expected_number=16)


def moved(entry: dict[str, Any], **changes: Any) -> tuple[Any, Any]:
    """The transfers and tenders of a block of this one transaction, whose receipt is changed so."""
    full = parsed(entry)
    receipts = {
        each.hash: parse_receipt(receipt(entry, **changes), transaction=each, block=full.block)
        for each in transactions_of_interest(full, WATCHED)
    }
    found = top_level(full, chain=CHAIN, accounts=WATCHED, receipts=receipts, reasons={})
    return found.transfers, found.tenders


def test_a_value_that_arrived_is_a_transfer() -> None:
    ((transfer,), tenders) = moved(transaction())
    assert (transfer.sender, transfer.recipient, transfer.amount_units) == (PAYER, PAYEE, 5)
    assert transfer.id == f"eip155:1:{TX}:"
    assert transfer.flags == ("top-level",)
    assert tenders == ()


def test_a_value_that_did_not_is_a_tender() -> None:
    (transfers, (tender,)) = moved(transaction(), status="0x0")
    assert transfers == ()
    assert (tender.kind, tender.recipient, tender.amount_units) == (TenderKind.VALUE, PAYEE, 5)
    assert tender.asset_contract is None


def test_a_failed_token_call_is_a_tender_also_beside_a_value() -> None:
    data = "0x" + calldata("transferFrom(address,address,uint256)", PAYER, PAYEE, 7).hex()
    (_, (tender,)) = moved(transaction(to=str(TOKEN), value="0x9", input=data), status="0x0")
    assert (tender.kind, tender.asset_contract, tender.recipient) == (
        TenderKind.ERC20_TRANSFER,
        TOKEN,
        PAYEE,
    )
    assert tender.amount_units == 7


def test_a_token_call_that_went_well_is_read_from_its_event() -> None:
    data = "0x" + calldata("transfer(address,uint256)", PAYEE, 7).hex()
    assert moved(transaction(to=str(TOKEN), value="0x0", input=data)) == ((), ())


def test_a_creation_pays_the_account_that_the_receipt_names() -> None:
    ((transfer,), _) = moved(transaction(to=None), contractAddress=str(PAYEE))
    assert (transfer.recipient, transfer.kind) == (PAYEE, NativeKind.CREATE)
    assert transfer.flags == ("top-level", "creation")
    assert moved(transaction(to=None), contractAddress=str(ROUTER)) == ((), ())


def test_credits_without_a_transaction() -> None:
    withdrawal = {"index": "0x7", "validatorIndex": "0x1", "address": str(PAYEE), "amount": "0x3"}
    other = {**withdrawal, "index": "0x8", "address": str(PAYER)}
    full = parsed(withdrawals=[withdrawal, other])
    (credit,) = top_level(full, chain=CHAIN, accounts=WATCHED, receipts={}, reasons={}).transfers
    assert (credit.sender, credit.recipient) == (ZERO_ADDRESS, PAYEE)
    assert credit.amount_units == 3 * 10**9
    assert credit.flags == ("withdrawal",)
    assert credit.id == f"eip155:1:{BLOCK_HASH}:withdrawal-7"


def test_a_deposit_on_the_op_stack_is_minted_even_if_its_call_fails() -> None:
    entry = transaction(type="0x7e", mint="0x9", value="0x0") | {"from": str(PAYEE)}
    ((mint,), tenders) = moved(entry, status="0x0")
    assert (mint.kind, mint.recipient, mint.amount_units) == (NativeKind.MINT, PAYEE, 9)
    assert mint.flags == ("mint",)
    assert tenders == ()


def test_fees_are_all_that_the_sender_paid() -> None:
    full = parsed(transaction())
    found = parse_receipt(
        receipt(transaction(), l1Fee="0x5", blobGasUsed="0x2", blobGasPrice="0x3"),
        transaction=full.transactions[0],
        block=full.block,
    )
    assert found.fee_units == 21_000 * 2 + 5 + 6


@pytest.mark.parametrize(
    "bad",
    [
        block(TX),  # type: ignore[arg-type]
        block(transaction(blockHash="0x" + "b2" * 32)),
        block(transaction(1)),
        block(transaction(value="0x05")),
        block(transaction(value=5)),
        block(transaction(input="0x0")),
        block({**transaction(), "from": None}),
        block(withdrawals=[{}]),
        block(withdrawals=5),
        block(transactions=None),
        block(transactions={}),
    ],
)
def test_a_malformed_block_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(MalformedFullBlock):
        parse_full_block(bad, expected_number=16)


@pytest.mark.parametrize(
    "change",
    [
        {"transactionHash": "0x" + "c1" * 32},
        {"blockHash": "0x" + "b2" * 32},
        {"status": "0x2"},
        {"status": None},
        {"gasUsed": "0x05"},
    ],
)
def test_a_foreign_receipt_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(MalformedFullBlock):
        moved(transaction(), **change)


def test_without_a_receipt_nothing_is_believed() -> None:
    full = parsed(transaction())
    answers: tuple[Any, ...] = (None, [], {}, receipt(transaction(), status=None))
    for bad in answers:
        with pytest.raises(MalformedFullBlock):
            parse_receipt(bad, transaction=full.transactions[0], block=full.block)
    # As before Byzantium: nobody can tell a payment from a failed attempt.
    old = receipt(transaction())
    del old["status"]
    with pytest.raises(MalformedFullBlock, match="no status"):
        parse_receipt(old, transaction=full.transactions[0], block=full.block)


@pytest.mark.parametrize(
    ("data", "units"),
    [
        (calldata("transfer(address,uint256)", PAYEE, 7), 7),
        (calldata("transfer(address,uint256)", PAYEE, 7) + b"ref-1", 7),
        (calldata("transferFrom(address,address,uint256)", PAYER, PAYEE, 8), 8),
        (calldata("transfer(address,uint256)", PAYEE, 7)[:-1], None),
        (calldata("approve(address,uint256)", PAYEE, 7), None),
        (b"", None),
        (b"\xa9\x05\x9c\xbb" + b"\x01" * 64, None),
    ],
)
def test_token_calls(data: bytes, units: int | None) -> None:
    call = read_token_call(data)
    assert (None if call is None else (call.recipient, call.amount_units)) == (
        None if units is None else (PAYEE, units)
    )


# -- traces


def flat(path: list[int], sender: Address, to: Address, value: int, **changes: Any) -> dict[str, Any]:
    action = {"from": str(sender), "to": str(to), "value": hex(value), "callType": "call", "input": "0x"}
    action |= changes.pop("action", {})
    return {
        "action": action,
        "blockHash": BLOCK_HASH,
        "blockNumber": 16,
        "result": {"gasUsed": "0x0", "output": "0x"},
        "subtraces": 0,
        "traceAddress": path,
        "transactionHash": TX,
        "transactionPosition": 0,
        "type": "call",
        **changes,
    }


ROOT = flat([], PAYER, ROUTER, 5)
FULL = parsed(transaction(to=str(ROUTER)))


def paid(*entries: dict[str, Any]) -> list[tuple[str, int]]:
    traced = parse_trace_block(list(entries), full=FULL)
    moves = internal_transfers(traced, full=FULL, chain=CHAIN, accounts=WATCHED, method="trace_block")
    return [(each.trace_path, each.amount_units) for each in moves]


def test_an_internal_move_has_its_path() -> None:
    assert paid(ROOT, flat([0], ROUTER, TOKEN, 2), flat([0, 0], TOKEN, PAYEE, 2)) == [("0.0", 2)]


@pytest.mark.parametrize("call_type", ["delegatecall", "callcode", "staticcall"])
def test_calls_that_move_nothing(call_type: str) -> None:
    entry = flat([0], ROUTER, PAYEE, 5, action={"callType": call_type})
    assert paid(ROOT, entry, flat([0, 0], ROUTER, PAYEE, 5)) == [("0.0", 5)]


def test_what_was_reverted_moved_nothing() -> None:
    inner = flat([0, 0], TOKEN, PAYEE, 2)
    assert paid(ROOT, flat([0], ROUTER, TOKEN, 2, error="Reverted"), inner) == []
    assert paid({**ROOT, "error": "out of gas"}, flat([0], ROUTER, TOKEN, 2), inner) == []
    assert paid(ROOT, flat([0], ROUTER, PAYEE, 2, error="Reverted")) == []


def test_calls_of_precompiled_contracts_do_not_move_the_paths() -> None:
    """Nodes that show them, hide them, or hide and count them: one identity."""
    identity = flat([0], ROUTER, Address(bytes(19) + b"\x04"), 0, action={"callType": "staticcall"})
    shown = paid(ROOT, identity, flat([1], ROUTER, PAYEE, 2))
    hidden = paid(ROOT, flat([0], ROUTER, PAYEE, 2))
    counted = paid(ROOT, flat([1], ROUTER, PAYEE, 2))
    assert shown == hidden == counted == [("0", 2)]


def test_creations_and_deaths_pay() -> None:
    created = {
        "action": {"from": str(ROUTER), "value": "0x2", "init": "0x", "gas": "0x0"},
        "result": {"address": str(PAYEE), "code": "0x", "gasUsed": "0x0"},
        "type": "create",
    }
    died = {
        "action": {"address": str(ROUTER), "balance": "0x3", "refundAddress": str(PAYEE)},
        "result": None,
        "type": "suicide",
    }
    entries = (ROOT, flat([0], ROUTER, ROUTER, 0) | created, flat([1], ROUTER, ROUTER, 0) | died)
    assert paid(*entries) == [("0", 2), ("1", 3)]


def test_a_reward_is_named_as_one() -> None:
    reward = {
        "action": {"author": str(PAYEE), "rewardType": "block", "value": "0x1bc16d674ec80000"},
        "blockHash": BLOCK_HASH,
        "blockNumber": 16,
        "result": None,
        "subtraces": 0,
        "traceAddress": [],
        "transactionHash": None,
        "transactionPosition": None,
        "type": "reward",
    }
    traced = parse_trace_block([ROOT, reward], full=FULL)
    (credit,) = internal_transfers(traced, full=FULL, chain=CHAIN, accounts=WATCHED, method="trace_block")
    assert (credit.kind, credit.flags) == (NativeKind.REWARD, ("reward",))
    assert (credit.sender, credit.amount_units) == (ZERO_ADDRESS, 2 * 10**18)


@pytest.mark.parametrize(
    "entries",
    [
        [],  # A transaction without a trace: the node left it out.
        [ROOT, ROOT],
        [ROOT, flat([0, 0], TOKEN, PAYEE, 2)],
        [ROOT, flat([0], ROUTER, PAYEE, 2, transactionHash="0x" + "c1" * 32)],
        [ROOT, flat([0], ROUTER, PAYEE, 2, blockHash="0x" + "b2" * 32)],
        [ROOT, flat([0], ROUTER, PAYEE, 2, blockNumber=17)],
        [ROOT, flat([0], ROUTER, PAYEE, 2, blockNumber="0x10")],
        [ROOT, flat([-1], ROUTER, PAYEE, 2)],
        [ROOT, flat([0], ROUTER, PAYEE, 2, action={"callType": "teleport"})],
        [ROOT, flat([0], ROUTER, PAYEE, 2, type="teleport")],
        [flat([], PAYER, ROUTER, 6)],
        [flat([], TOKEN, ROUTER, 5)],
        [ROOT, None],
        None,
        {},
    ],
)
def test_malformed_traces_are_refused(entries: Any) -> None:
    with pytest.raises(MalformedTrace):
        parse_trace_block(entries, full=FULL)


def nested(*calls: dict[str, Any], **changes: Any) -> list[dict[str, Any]]:
    root = {"type": "CALL", "from": str(PAYER), "to": str(ROUTER), "value": "0x5", "calls": list(calls)}
    return [{"txHash": TX, "result": root | changes}]


def test_the_call_tracer_says_the_same() -> None:
    inner = {"type": "CALL", "from": str(TOKEN), "to": str(PAYEE), "value": "0x2"}
    outer = {"type": "CALL", "from": str(ROUTER), "to": str(TOKEN), "value": "0x2", "calls": [inner]}
    traced = parse_call_tracer(nested({"type": "STATICCALL", **_identity()}, outer), full=FULL)
    flat_traced = parse_trace_block(
        [ROOT, flat([0], ROUTER, TOKEN, 2), flat([0, 0], TOKEN, PAYEE, 2)], full=FULL
    )
    assert traced.moves == flat_traced.moves
    failed = parse_call_tracer(nested(outer, error="execution reverted"), full=FULL)
    assert failed.moves == ()
    assert failed.failed == {Hash32.parse(TX): "execution reverted"}


def _identity() -> dict[str, str]:
    return {"from": str(ROUTER), "to": str(Address(bytes(19) + b"\x04"))}


@pytest.mark.parametrize(
    "answer",
    [[], [{}], [{"txHash": TX, "error": "timeout"}], [{"txHash": "0x" + "c1" * 32, "result": {}}], None],
)
def test_a_malformed_call_trace_is_refused(answer: Any) -> None:
    with pytest.raises(MalformedTrace):
        parse_call_tracer(answer, full=FULL)


def test_a_filtered_answer_only_locates() -> None:
    entries = [flat([0], ROUTER, PAYEE, 2)]
    asked: dict[str, Any] = {"accounts": WATCHED, "first_block": 10, "last_block": 20}
    assert parse_trace_filter(entries, **asked) == {16}
    with pytest.raises(MalformedTrace, match="not of 17 to 20"):
        parse_trace_filter(entries, **(asked | {"first_block": 17}))
    with pytest.raises(MalformedTrace, match="none of the accounts"):
        parse_trace_filter(entries, **(asked | {"accounts": {TOKEN}}))


def test_a_creation_without_an_address_is_refused() -> None:
    with pytest.raises(MalformedFullBlock, match="does not say where"):
        moved(transaction(to=None))


def test_a_failed_creation_names_nobody() -> None:
    assert moved(transaction(to=None), status="0x0") == ((), ())


@pytest.mark.parametrize("change", [{"blockNumber": "0x10"}, {"action": {"from": "0x1"}}, {"action": None}])
def test_a_malformed_filtered_trace_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(MalformedTrace):
        parse_trace_filter([{**ROOT, **change}], accounts=WATCHED, first_block=10, last_block=20)


def test_the_bookkeeping_of_a_chain_may_have_no_trace() -> None:
    """Polygon's state syncs: from nobody, without gas."""
    full = parsed(transaction(to=None, value="0x0", gas="0x0") | {"from": str(ZERO_ADDRESS)})
    assert parse_trace_block([], full=full).moves == ()


def test_coins_that_went_to_nobody_are_refused() -> None:
    lost = flat([0], ROUTER, PAYEE, 2, type="create", result=None)
    with pytest.raises(MalformedTrace, match="to nobody"):
        parse_trace_block([ROOT, lost], full=FULL)


def test_places_keep_the_order_of_what_happened() -> None:
    """A deposit is minted before it is passed on; ten calls are not ordered as text."""
    kinds = [
        (NativeKind.MINT, "mint"),
        (NativeKind.CALL, ""),
        (NativeKind.CALL, "2"),
        (NativeKind.CREATE, "2.0"),
        (NativeKind.CALL, "10"),
        (NativeKind.WITHDRAWAL, "withdrawal-3"),
        (NativeKind.REWARD, "reward-0"),
        (NativeKind.BALANCE, f"balance-{PAYEE}"),
    ]
    ((known,), _) = moved(transaction())
    places = [replace(known, kind=kind, trace_path=path).position for kind, path in kinds]
    assert places == sorted(places)
    assert len(set(places)) == len(places)


ODD = st.sampled_from([None, True, 0, -1, 2**70, 1.5, "", "0x", "0x0", "0xzz", [], [None], {}, {"a": 1}, "é"])


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(leaf for key, each in inner for leaf in leaves(each, (*path, key)))]


def put_at(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    changed = copy.copy(value)
    changed[path[0]] = put_at(value[path[0]], path[1:], new)
    return changed


ENTRY = transaction(to=str(ROUTER))
WHOLE = [
    ("block", block(ENTRY, withdrawals=[{"index": "0x7", "address": str(PAYEE), "amount": "0x3"}])),
    ("receipt", receipt(ENTRY)),
    ("trace_block", [ROOT, flat([0], ROUTER, PAYEE, 2)]),
    ("trace_filter", [ROOT, flat([0], ROUTER, PAYEE, 2)]),
    ("tracer", nested({"type": "CALL", "from": str(ROUTER), "to": str(PAYEE), "value": "0x2"})),
]


@settings(max_examples=1000)
@given(at=st.sampled_from(WHOLE), pick=st.integers(0, 10_000), new=ODD)
def test_no_answer_of_a_node_ends_in_another_error(at: tuple[str, Any], pick: int, new: object) -> None:
    """One place of a good answer holds anything at all."""
    name, good = at
    places = leaves(good)
    answer = put_at(good, places[pick % len(places)], new)
    with contextlib.suppress(MalformedFullBlock, MalformedTrace, MalformedBlock, MissingBlock):
        if name == "block":
            parse_full_block(answer, expected_number=16)
        elif name == "receipt":
            parse_receipt(answer, transaction=FULL.transactions[0], block=FULL.block)
        elif name == "trace_block":
            parse_trace_block(answer, full=FULL)
        elif name == "trace_filter":
            parse_trace_filter(answer, accounts={PAYEE, PAYER}, first_block=10, last_block=20)
        else:
            parse_call_tracer(answer, full=FULL)
