"""Contracts that lie about themselves, or emit what is no ERC-20 Transfer: reading goes on."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa

from app.assessment.values import Result
from app.db import reading
from app.ingest.model import token as token_table
from app.ingest.naming import TOKENS_PER_PASS
from app.matching.attribute import Reason
from chains.types import Address
from tests.ingest.judge import demand_truth
from tests.ingest.scene import AGREED_AT, DAY, LIMITS, UNIT, Scene, count, covered, stored
from tests.support import faulty_proxy as faults
from tests.support.faulty_proxy import faulty_proxy
from tests.support.token import Token, calldata, deploy, deploy_token

TRANSFER = bytes.fromhex("ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef")
FOREVER = bytes.fromhex("5b603b56")  # JUMPDEST PUSH1 0x3b JUMP: until no gas is left.
A_MILLION_BYTES = bytes.fromhex("5b620f42405ff3")  # JUMPDEST PUSH3 1000000 PUSH0 RETURN
NOTHING = bytes.fromhex("5b00")  # JUMPDEST STOP
INVALID = bytes.fromhex("5bfe")  # JUMPDEST INVALID
ENDLESS_REVERT = bytes.fromhex("5b620f42405ffd")  # JUMPDEST PUSH3 1000000 PUSH0 REVERT


def pad(account: Address) -> bytes:
    return bytes(12) + account


def nasty(tail: bytes) -> bytes:
    """Code that emits a Transfer of three words of calldata, and does `tail` when asked about itself."""
    asked = bytes.fromhex("36600414603b57")  # A call of four bytes goes to 0x3b, where the tail begins.
    emit = bytes.fromhex("60206040600037602035600035") + b"\x7f" + TRANSFER + bytes.fromhex("60206000a300")
    assert len(asked + emit) == 0x3B
    return asked + emit + tail


def place(scene: Scene, code: bytes, *, number: int = 1) -> Address:
    # Low addresses, so that whoever asks in that order meets these first.
    address = Address((1 << 64 | number).to_bytes(20, "big"))
    scene.node.call("anvil_setCode", address, code)
    return address


def emit(scene: Scene, contract: Address, *, units: int = 3_000 * UNIT) -> None:
    """A Transfer from the debtor to the creditor, as the contract has it."""
    data = pad(scene.debtor) + pad(scene.creditor) + units.to_bytes(32, "big")
    scene.node.send_transaction(sender=scene.stranger, to=contract, data=data)


def begin(scene: Scene) -> None:
    scene.node.set_next_block_time(AGREED_AT + DAY)
    scene.pay(7)


def symbols(scene: Scene) -> dict[Address, str | None]:
    with reading(scene.engine) as connection:
        rows = connection.execute(sa.select(token_table.c.contract, token_table.c.symbol)).all()
    return {row.contract: row.symbol for row in rows}


def reasons(scene: Scene, debt: object) -> dict[Address, tuple[Reason, ...]]:
    found = scene.assess(debt)  # type: ignore[arg-type]
    assert found.result is Result.PARTIAL
    assert sum(payment.units for payment in found.attribution.payments) == 7
    assert all(each.counted_units == 0 for each in found.attribution.candidates)
    return {each.transfer.contract: each.reasons for each in found.attribution.candidates}


NAMES = {
    "the same": ("TUSD", Reason.FAKE_TOKEN),
    "in other letters": ("tusd", Reason.FAKE_TOKEN),
    "full width": ("\uff34\uff35\uff33\uff24", Reason.FAKE_TOKEN),
    "with a zero width space": ("TU\u200bSD", Reason.FAKE_TOKEN),
    "with a NUL": ("TUSD\0", Reason.FAKE_TOKEN),
    "within right-to-left marks": ("\u202eTUSD\u202c", Reason.FAKE_TOKEN),
    "backwards for a right-to-left mark": ("\u202eDSUT", Reason.UNREGISTERED_ASSET),
    "HTML": ("<script>alert('TUSD')</script>", Reason.UNREGISTERED_ASSET),
    "a formula": ('=HYPERLINK("http://x")', Reason.UNREGISTERED_ASSET),
    "10 kB": ("TUSD" * 2_500, Reason.UNREGISTERED_ASSET),
    "empty": ("", Reason.UNREGISTERED_ASSET),
    "blanks": ("  TUSD \n", Reason.FAKE_TOKEN),
}


def test_whatever_a_symbol_says_the_copy_is_told(sqlite_scene: Scene) -> None:
    """All of them in one chain: each is shown with its reason, cleaned and cut, and counts nothing."""
    scene = sqlite_scene
    debt = scene.record_debt()
    begin(scene)
    tokens = {}
    for name, (symbol, _) in NAMES.items():
        tokens[name] = deploy_token(scene.node, symbol=symbol, contract="EventOnlyToken")
        tokens[name].emit_transfer(sender=scene.debtor, to=scene.creditor, units=3_000 * UNIT)
    scene.bury(4)
    assert scene.follow().failure is None
    demand_truth(scene)
    found = reasons(scene, debt)
    assert {name: found[token.address] for name, token in tokens.items()} == {
        name: (reason,) for name, (_, reason) in NAMES.items()
    }
    shown = [symbol for symbol in symbols(scene).values() if symbol is not None]
    assert all(len(symbol) <= 32 and symbol.isprintable() for symbol in shown)
    assert symbols(scene)[tokens["empty"].address] is None
    assert set(symbols(scene)) == {scene.token.address, *(each.address for each in tokens.values())}


def test_contracts_that_answer_no_name(scene: Scene) -> None:
    debt = scene.record_debt()
    begin(scene)
    by = scene.issuer
    odd = {
        "reverts, endless": Token(node=scene.node, address=deploy(scene.node, "BrokenMetadataToken", by=by)),
        "bytes32": Token(node=scene.node, address=deploy(scene.node, "Bytes32Token", by=by)),
    }
    for each in odd.values():
        each.emit_transfer(sender=scene.debtor, to=scene.creditor, units=3_000 * UNIT)
    tails = [FOREVER, A_MILLION_BYTES, NOTHING, INVALID, ENDLESS_REVERT]
    placed = [place(scene, nasty(tail), number=number) for number, tail in enumerate(tails)]
    for contract in placed:
        emit(scene, contract)
    # And one that destroyed itself, or never was: the event is there, the code is not.
    gone = place(scene, nasty(NOTHING), number=99)
    emit(scene, gone)
    place(scene, b"", number=99)
    fake = deploy_token(scene.node)
    fake.mint(to=scene.creditor, units=3_000 * UNIT)
    scene.bury(4)
    assert scene.follow().failure is None
    demand_truth(scene)
    found = reasons(scene, debt)
    assert found.pop(fake.address) == (Reason.FAKE_TOKEN,)
    assert set(found) == {*placed, gone, *(each.address for each in odd.values())}
    assert set(found.values()) == {(Reason.UNREGISTERED_ASSET,)}
    named = symbols(scene)
    assert named[odd["bytes32"].address] == "B32"
    assert {named[each] for each in (*placed, gone, odd["reverts, endless"].address)} == {None}


def test_contracts_that_keep_the_node_busy_keep_up_no_other(sqlite_scene: Scene) -> None:
    """More than are asked in one pass, each with an answer beyond the limit: the fake has its turn."""
    scene = sqlite_scene
    debt = scene.record_debt()
    begin(scene)
    for number in range(TOKENS_PER_PASS + 3):
        emit(scene, place(scene, nasty(A_MILLION_BYTES), number=number), units=1)
    fake = deploy_token(scene.node)
    fake.mint(to=scene.creditor, units=3_000 * UNIT)
    scene.bury(4)
    small = replace(LIMITS, answer_bytes_max=300_000)
    scene = replace(scene, outside=replace(scene.outside, limits=small))
    for _ in range(12):
        assert scene.follow().failure is None
        if fake.address in symbols(scene):
            break
    assert reasons(scene, debt)[fake.address] == (Reason.FAKE_TOKEN,)


def test_a_node_that_knows_no_names_is_not_asked_for_all(sqlite_scene: Scene) -> None:
    """It stalls on each: after a few the pass ends, and the reading counts as done."""
    scene = sqlite_scene
    debt = scene.record_debt()
    begin(scene)
    for number in range(10):
        emit(scene, place(scene, nasty(NOTHING), number=number), units=1)
    scene.bury(4)
    with faulty_proxy(scene.node) as proxy:
        held = scene.through(proxy.url, limits=replace(LIMITS, timeout_seconds=0.3))

        def stall_names(exchange: faults.Exchange) -> None:
            (faults.stall if b"eth_getCode" in exchange.request else faults.pass_on)(exchange)

        proxy.fail(stall_names)
        assert held.follow().failure is None
        assert sum(b"eth_getCode" in request for request in proxy.requests) == 3
        assert set(reasons(held, debt).values()) == {(Reason.UNREGISTERED_ASSET,)}
        proxy.heal()
        assert scene.through(proxy.url).follow().failure is None
    assert len(symbols(scene)) == 11


# -- events that only look like it


def test_other_standards_are_not_taken_for_transfers(sqlite_scene: Scene) -> None:
    """ERC-721 has a fourth topic, an early ERC-20 has one: neither is an amount of this kind."""
    scene = sqlite_scene
    debt = scene.record_debt()
    begin(scene)
    for name in ("NftEmitter", "UnindexedToken"):
        emitter = Token(node=scene.node, address=deploy(scene.node, name, by=scene.issuer))
        emitter.emit_transfer(sender=scene.debtor, to=scene.creditor, units=3_000 * UNIT)
    scene.bury(4)
    assert scene.follow().failure is None
    assert [each.amount_units for each in stored(scene.engine)] == [7]
    assert reasons(scene, debt) == {}
    assert count(scene.engine, token_table) == 1


def raw(scene: Scene, emitter: Address, topics: list[bytes], data: bytes) -> None:
    payload = calldata("emitRaw(bytes32[],bytes)", topics, data)
    scene.node.send_transaction(sender=scene.stranger, to=emitter, data=payload)


def test_any_log_at_all(scene: Scene) -> None:
    """Every count of topics, dirty accounts and odd data beside true transfers, in between them."""
    debt = scene.record_debt()
    begin(scene)
    emitter = deploy(scene.node, "RawEmitter", by=scene.issuer)
    amount = (5).to_bytes(32, "big")
    debtor, creditor = pad(scene.debtor), pad(scene.creditor)
    dirty = b"\x01" + bytes(11) + scene.creditor
    other = bytes(range(32))
    for topics, data in (
        ([], b""),
        ([TRANSFER], amount),
        ([TRANSFER, debtor], creditor + amount),
        ([TRANSFER, creditor], amount),
        ([TRANSFER, debtor, creditor], b""),
        ([TRANSFER, debtor, creditor], amount[:31]),
        ([TRANSFER, debtor, creditor], amount + b"\0"),
        ([TRANSFER, debtor, creditor], amount * 2),
        ([TRANSFER, debtor, creditor], bytes(10_000)),
        ([TRANSFER, dirty, creditor], amount),
        ([TRANSFER, debtor, dirty], amount),
        ([TRANSFER, debtor, creditor, amount], b""),
        ([TRANSFER, debtor, creditor, amount], amount),
        ([other, debtor, creditor], amount),
        ([TRANSFER, debtor, creditor], amount),
        ([TRANSFER, creditor, debtor], (2**256 - 1).to_bytes(32, "big")),
        ([TRANSFER, bytes(32), creditor], bytes(32)),
    ):
        raw(scene, emitter, topics, data)
    scene.bury(4)
    assert scene.follow().failure is None
    demand_truth(scene)
    moved = sorted(each.amount_units for each in stored(scene.engine) if each.contract == emitter)
    assert moved == [0, 5, 2**256 - 1]
    assert covered(scene.engine, scene.creditor) == covered(scene.engine, scene.debtor)
    found = scene.assess(debt)
    assert found.result is Result.PARTIAL
    assert {each.transfer.amount_units for each in found.attribution.candidates} == {0, 5}


@pytest.mark.parametrize("name", ["TestToken", "FeeToken"])
def test_identical_transfers_of_one_transaction_are_all_kept(sqlite_scene: Scene, name: str) -> None:
    scene = sqlite_scene
    debt = scene.record_debt()
    begin(scene)
    payer = deploy(scene.node, "BatchPayer", by=scene.issuer)
    scene.token.approve(holder=scene.debtor, spender=payer, units=100 * UNIT)
    pay = calldata(
        "pay(address,address[],uint256[],bool)",
        scene.token.address,
        [scene.creditor] * 3,
        [5, 5, 5],
        False,
    )
    if name == "TestToken":
        scene.node.send_transaction(sender=scene.debtor, to=payer, data=pay)
    else:
        collector = scene.stranger
        fee = Token(
            node=scene.node,
            address=deploy(scene.node, "FeeToken", types=("address",), values=(collector,), by=scene.issuer),
        )
        fee.mint(to=scene.debtor, units=100)
        fee.transfer(sender=scene.debtor, to=scene.creditor, units=100)
    scene.bury(4)
    assert scene.follow().failure is None
    demand_truth(scene)
    expected = [5, 5, 5, 7] if name == "TestToken" else [7, 10, 90, 100]
    assert sorted(each.amount_units for each in stored(scene.engine)) == expected
    assert scene.assess(debt).result is Result.PARTIAL
