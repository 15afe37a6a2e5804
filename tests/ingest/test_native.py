"""The native coin in the store: by every means, on both databases, and never in the way of Transfers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from app.db import reading
from app.ingest.native import INEXACT, INFERRED, ONE_NODE, NativeReport, read_native
from app.ingest.native_model import native_transfer, other_log, tender
from app.ingest.ranges import Blocks
from app.ingest.read import ReadProgress
from app.ingest.registry import NewChain, store_chain
from app.ingest.store.coverage import NATIVE, Coverage, coverage_of, covered_blocks
from app.ingest.store.native import native_touching
from chains.devnode import DevNode
from chains.evm.client import EvmClient
from chains.evm.means import Unseen
from chains.movements import NativeKind, NativeTransfer
from chains.rpc import RpcClient
from chains.types import Address
from tests.ingest.scene import AGREED_AT, DAY, LIMITS, Scene, count, egress, open_scene
from tests.support.faulty_proxy import Exchange, Fault, FaultyProxy, faulty_proxy
from tests.support.moves import Machine, build, emitter, put, word
from tests.support.token import Token, calldata

TRACES = ("trace_filter", "trace_block", "debug_traceBlockByNumber")
EVERYTHING = Blocks(0, 10_000)


def no_progress(_: ReadProgress) -> None:
    pass


@pytest.fixture
def native_scene(engine: Engine, node: DevNode, token: Token) -> Scene:
    return open_scene(engine, node, token=token, read_native=True)


@pytest.fixture
def machine(node: DevNode) -> Machine:
    return build(node, by=node.accounts()[0])


def stored(scene: Scene) -> list[NativeTransfer]:
    with reading(scene.engine) as connection:
        return native_touching(
            connection,
            chain_id=scene.node.chain,
            addresses=scene.parties,
            blocks=EVERYTHING,
            known_at=scene.clock(),
        )


def units(scene: Scene) -> list[tuple[str, int]]:
    return [(each.trace_path, each.amount_units) for each in stored(scene)]


def read_of(scene: Scene, account: Address) -> list[Blocks]:
    with reading(scene.engine) as connection:
        return covered_blocks(connection, chain_id=scene.node.chain, kind=NATIVE, addresses=[account])[
            account
        ]


def rows_of(scene: Scene, account: Address) -> list[Coverage]:
    with reading(scene.engine) as connection:
        return coverage_of(connection, chain_id=scene.node.chain, kind=NATIVE, addresses=[account])[account]


def lacking(*methods: str) -> Fault:
    def fault(exchange: Exchange) -> None:
        asked = exchange.asked if isinstance(exchange.asked, list) else [exchange.asked]
        if not any(call["method"] in methods for call in asked):
            return exchange.send_json(exchange.truth())
        error = {"code": -32601, "message": "Method not found"}
        answers = [{"jsonrpc": "2.0", "id": call["id"], "error": error} for call in asked]
        return exchange.send_json(answers if isinstance(exchange.asked, list) else answers[0])

    return fault


def play(scene: Scene, machine: Machine) -> None:
    """A payment, one through a contract, and one that fails."""
    scene.record_debt()
    scene.node.set_next_block_time(AGREED_AT + DAY)
    scene.node.send_transaction(sender=scene.debtor, to=scene.creditor, value=101)
    machine.through(machine.relay, sender=scene.stranger, to=scene.creditor, wei=103)
    failing = calldata("transfer(address,uint256)", scene.creditor, 10**30)
    scene.node.send_transaction(sender=scene.debtor, to=scene.token.address, data=failing, may_revert=True)
    scene.bury(3)


def test_moves_attempts_and_coverage_are_stored(native_scene: Scene, machine: Machine) -> None:
    scene = native_scene
    play(scene, machine)
    report = scene.follow()
    assert (report.failure, report.native_failure) == (None, None)
    assert units(scene) == [("", 101), ("0", 103)]
    with reading(scene.engine) as connection:
        (row,) = connection.execute(sa.select(tender)).all()
    rows = rows_of(scene, scene.creditor)
    assert (row.kind, row.recipient, row.sender) == ("erc20-transfer", scene.creditor, scene.debtor)
    assert row.amount_units == 10**30
    assert {each.method for each in rows} == {"trace_filter"}
    assert rows[0].limits == (str(Unseen.TENDERS_OF_OTHERS), str(Unseen.WITHDRAWALS))
    assert all(len(str(answer["sha256"])) == 64 for each in rows for answer in each.answers)
    # To the same block as the Transfers, for both accounts.
    for account in scene.parties:
        (covered,) = read_of(scene, account)
        assert covered.last == report.final_block


def test_a_second_pass_reads_only_what_is_new(native_scene: Scene, machine: Machine) -> None:
    scene = native_scene
    play(scene, machine)
    scene.follow()
    before = count(scene.engine, native_transfer)
    assert scene.follow().native_failure is None
    assert count(scene.engine, native_transfer) == before
    machine.through(machine.relay, sender=scene.stranger, to=scene.debtor, wei=107)
    scene.bury(3)
    assert scene.follow().native_failure is None
    assert units(scene)[-1] == ("0", 107)
    assert len(read_of(scene, scene.debtor)) == 1


@pytest.mark.parametrize(
    ("missing", "method", "found", "limits"),
    [
        (TRACES[:1], "trace_block", [("", 101), ("0", 103)], ()),
        (TRACES[:2], "debug_traceBlockByNumber", [("", 101), ("0", 103)], (str(Unseen.REWARDS),)),
        (TRACES, "eth_getBalance", None, (INFERRED, str(Unseen.TENDERS_OF_OTHERS))),
        (
            (*TRACES, "eth_getBalance"),
            "eth_getBlockByNumber",
            [("", 101)],
            (str(Unseen.INTERNAL_MOVES), str(Unseen.REWARDS)),
        ),
    ],
)
def test_a_node_with_less_says_what_it_did_not_show(
    native_scene: Scene,
    machine: Machine,
    missing: tuple[str, ...],
    method: str,
    found: list[tuple[str, int]] | None,
    limits: tuple[str, ...],
) -> None:
    play(native_scene, machine)
    with faulty_proxy(native_scene.node) as proxy:
        scene = native_scene.through(proxy.url)
        proxy.fail(lacking(*missing))
        report = scene.follow()
    assert (report.failure, report.native_failure) == (None, None)
    rows = rows_of(scene, scene.creditor)
    assert {(each.method, each.limits) for each in rows} == {(method, limits)}
    if found is not None:
        assert units(scene) == found
        return
    inferred = [each for each in stored(scene) if each.kind is NativeKind.BALANCE]
    assert [(each.recipient, each.sender, each.amount_units) for each in inferred] == [
        (scene.creditor, None, 103)
    ]


def test_a_node_that_fails_at_the_coin_holds_up_no_transfer(native_scene: Scene, machine: Machine) -> None:
    """Full blocks and traces both: the Transfers are read, and the coin's blocks stay a gap."""
    play(native_scene, machine)

    def fault(exchange: Exchange) -> None:
        if b"trace" in exchange.request or b"true]" in exchange.request:
            return exchange.send(b"<html>", status=200)
        return exchange.send_json(exchange.truth())

    with faulty_proxy(native_scene.node) as proxy:
        scene = native_scene.through(proxy.url)
        paid = scene.pay(5)
        scene.bury(3)
        proxy.fail(fault)
        report = scene.follow()
        assert report.failure is None
        assert report.transfers > 0
        assert paid
        assert report.native_failure is not None
        assert read_of(scene, scene.creditor) == []
        proxy.heal()
        assert scene.follow().native_failure is None
    assert units(scene) == [("", 101), ("0", 103)]


def test_the_second_node_reads_what_the_first_cannot(native_scene: Scene, machine: Machine) -> None:
    play(native_scene, machine)
    with faulty_proxy(native_scene.node) as proxy:
        new = NewChain(
            chain=native_scene.chain, rpc_urls=(proxy.url, native_scene.node.url), read_native=True
        )
        with native_scene.engine.begin() as connection:
            store_chain(connection, new=new, now=native_scene.clock())
        urls = [proxy.url, native_scene.node.url]
        scene = replace(native_scene, outside=replace(native_scene.outside, egress=egress(urls)))
        proxy.fail(_garbled_traces)
        assert scene.follow().native_failure is None
    assert units(scene) == [("", 101), ("0", 103)]


def _garbled_traces(exchange: Exchange) -> None:
    if b"true]" in exchange.request:
        return exchange.send(b"[", status=200)
    return exchange.send_json(exchange.truth())


def test_a_chain_whose_coin_is_not_read_has_no_row(
    engine: Engine, node: DevNode, token: Token, machine: Machine
) -> None:
    scene = open_scene(engine, node, token=token, read_native=False)
    play(scene, machine)
    report = scene.follow()
    assert (report.failure, report.native_failure) == (None, None)
    assert stored(scene) == []
    assert read_of(scene, scene.creditor) == []


def test_several_nodes_agree_on_the_blocks(native_scene: Scene, machine: Machine) -> None:
    """Where one of them has another block, nothing of the coin is stored."""
    play(native_scene, machine)
    with faulty_proxy(native_scene.node) as honest, faulty_proxy(native_scene.node) as other:
        scene = native_scene.through(honest.url, other.url, agreement=2)
        with through(scene, honest) as client, through(scene, other) as second:
            assert scene.follow().failure is None
            rows = rows_of(scene, scene.creditor)
            assert all(ONE_NODE in each.limits for each in rows)
            assert rows
            scene.bind(machine.relay)
            scene.record_debt(reference="LOAN-2")
            other.fail(_another_first_block)
            report = again(scene, client, witnesses=[second])
            assert report.failure is not None
            assert read_of(scene, machine.relay) == []
            other.heal()
            assert again(scene, client, witnesses=[second]).failure is None
            assert read_of(scene, machine.relay) != []


def _another_first_block(exchange: Exchange) -> None:
    """Every block that is asked for by its number has another hash."""
    answer = exchange.truth()
    for each in answer if isinstance(answer, list) else [answer]:
        if isinstance(each["result"], dict) and "hash" in each["result"]:
            each["result"]["hash"] = "0x" + "cd" * 32
    exchange.send_json(answer)


def test_when_the_time_is_up_the_next_pass_goes_on(native_scene: Scene, machine: Machine) -> None:
    """After one range at least, so that it comes to an end."""
    scene = native_scene
    play(scene, machine)
    scene.bury(1_000)
    report = scene.follow(native_seconds=0)
    assert (report.failure, report.native_failure) == (None, None)
    assert report.is_native_cut_short
    (part,) = read_of(scene, scene.creditor)
    assert part.last < (report.final_block or 0)
    for _ in range(10):
        report = scene.follow(native_seconds=0)
    (part,) = read_of(scene, scene.creditor)
    assert part.last == report.final_block
    assert units(scene) == [("", 101), ("0", 103)]


@contextmanager
def through(scene: Scene, proxy: FaultyProxy) -> Iterator[EvmClient]:
    with RpcClient(proxy.url, policy=egress([proxy.url]), limits=LIMITS) as rpc:
        yield EvmClient(rpc, scene.node.chain)


def again(scene: Scene, client: EvmClient, *, witnesses: Sequence[EvmClient] = ()) -> NativeReport:
    final = client.finalized(scene.chain.finality)
    return read_native(
        engine=scene.engine,
        client=client,
        chain=scene.chain,
        final=final,
        clock=scene.clock,
        progress=no_progress,
        witnesses=witnesses,
    )


def test_an_answer_that_leaves_out_a_recorded_move_is_refused(native_scene: Scene, machine: Machine) -> None:
    """The stranger is watched later: what is on record of the creditor has to be in his answer, too."""
    scene = native_scene
    play(scene, machine)
    assert scene.follow().native_failure is None
    scene.bind(machine.relay)
    scene.record_debt(reference="LOAN-2")

    def fault(exchange: Exchange) -> None:
        answer = exchange.truth()
        asked = exchange.asked if isinstance(exchange.asked, list) else [exchange.asked]
        replies = answer if isinstance(answer, list) else [answer]
        for call, reply in zip(asked, replies, strict=True):
            if call["method"] == "trace_block":
                reply["result"] = [each for each in reply["result"] if not each["traceAddress"]]
        exchange.send_json(answer)

    with faulty_proxy(scene.node) as proxy, through(scene, proxy) as client:
        proxy.fail(fault)
        report = again(scene, client)
        assert report.failure is not None
        assert "differ" in report.failure
        assert read_of(scene, machine.relay) == []
        proxy.heal()
        assert again(scene, client).failure is None
    assert ("0", 103) in units(scene)
    assert count(scene.engine, native_transfer) == len({each.id for each in stored(scene)}) + 1


def test_another_numbering_of_calls_is_the_same_move(native_scene: Scene, machine: Machine) -> None:
    scene = native_scene
    play(scene, machine)
    assert scene.follow().native_failure is None
    before = units(scene)
    scene.bind(machine.relay)
    scene.record_debt(reference="LOAN-2")

    def fault(exchange: Exchange) -> None:
        """A node that shows one call more than the first did."""
        answer = exchange.truth()
        asked = exchange.asked if isinstance(exchange.asked, list) else [exchange.asked]
        replies = answer if isinstance(answer, list) else [answer]
        for call, reply in zip(asked, replies, strict=True):
            if call["method"] != "trace_block":
                continue
            for each in [found for found in reply["result"] if found["traceAddress"] == [0]]:
                action = {**each["action"], "value": "0x0", "to": each["action"]["from"]}
                reply["result"].append({**each, "action": action})
                each["traceAddress"] = [1]
        exchange.send_json(answer)

    with faulty_proxy(scene.node) as proxy, through(scene, proxy) as client:
        proxy.fail(fault)
        assert again(scene, client).failure is None
    assert units(scene) == before


def test_events_that_are_no_transfers_are_kept_and_not_counted(native_scene: Scene) -> None:
    scene = native_scene
    node, by = scene.node, scene.issuer
    two, four = put(node, emitter(2), by=by), put(node, emitter(4), by=by)
    scene.record_debt()
    node.set_next_block_time(AGREED_AT + DAY)
    transfer = bytes.fromhex("ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef")
    deposit = bytes.fromhex("e1fffcc4923d04b559f4d29a8bfc6cda04eb5b0d3c460751c2402c5c5cc9109c")
    withdrawal = bytes.fromhex("7fcf532c15f0a6db0bd6d0e038bea71d30d808c7d98cb3bf7268a95bf5081b65")
    single = bytes.fromhex("c3d58168c5ae7397731d063d5bbf3d657854427343f4c083240f7aacaa2d0f62")
    creditor, debtor = scene.creditor, scene.debtor
    logs = [
        (four, [transfer, word(debtor), word(creditor), word(7)], b"", "erc721"),
        (two, [transfer, word(debtor)], word(creditor) + word(5), "non-indexed"),
        (two, [deposit, word(creditor)], word(5), "wrap"),
        (two, [withdrawal, word(creditor)], word(5), "unwrap"),
        (four, [single, word(by), word(debtor), word(creditor)], word(7) + word(5), "erc1155-single"),
    ]
    # As a client of EIP-7708 logs a move of the coin: from an address that no contract has.
    emitting = Address.parse("0xfffffffffffffffffffffffffffffffffffffffe")
    node.call("anvil_setCode", emitting, emitter(3))
    logs.append((emitting, [transfer, word(debtor), word(creditor)], word(5), "native-transfer-log"))
    for contract, topics, data, _ in logs:
        node.send_transaction(sender=by, to=contract, data=b"".join(topics) + data)
    scene.bury(3)
    before = scene.follow()
    assert (before.failure, before.native_failure, before.transfers) == (None, None, 0)
    with reading(scene.engine) as connection:
        rows = connection.execute(sa.select(other_log).order_by(other_log.c.block_number)).all()
    assert [(row.contract, row.kind) for row in rows] == [(each[0], each[3]) for each in logs]
    wrap = next(row for row in rows if row.kind == "wrap")
    assert (wrap.sender, wrap.recipient, wrap.amount_units) == (None, creditor, 5)
    assert stored(scene) == []


def test_an_account_with_code_is_marked(native_scene: Scene, machine: Machine) -> None:
    play(native_scene, machine)
    native_scene.bind(machine.relay)
    native_scene.record_debt(reference="LOAN-2")
    with faulty_proxy(native_scene.node) as proxy:
        scene = native_scene.through(proxy.url)
        proxy.fail(lacking(*TRACES))
        assert scene.follow().native_failure is None
    assert all(INEXACT in each.limits for each in rows_of(scene, machine.relay))
    assert not any(INEXACT in each.limits for each in rows_of(scene, scene.creditor))
    assert rows_of(scene, machine.relay)
