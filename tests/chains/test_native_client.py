"""The native coin's moves, read from a real node by every means it has, against what the test itself did."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from chains.devnode import DevNode
from chains.errors import BadAnswer, NodeUnreachable
from chains.evm.client import EvmClient
from chains.evm.means import Internals, Means, Unseen
from chains.evm.native_client import NativeAnswer, NativeReader
from chains.guard import EgressPolicy
from chains.movements import NativeKind, NativeTransfer, TenderKind
from chains.rpc import RpcClient, RpcLimits
from chains.types import ZERO_ADDRESS, Address, Hash32
from tests.support.anvil import anvil
from tests.support.faulty_proxy import Exchange, Fault, FaultyProxy, faulty_proxy
from tests.support.moves import REFUSE, Machine, build, put, self_destruct_code
from tests.support.signing import Account
from tests.support.token import calldata, deploy_token

TRACING = (Means.TRACE_FILTER, Means.TRACE_BLOCK, Means.DEBUG_TRACE)

# Transaction, path, from, to, wei.
Move = tuple[Hash32, str, Address, Address, int]


@dataclass(slots=True)
class Played:
    """A chain on which everything has happened, and what the test knows of it."""

    node: DevNode
    machine: Machine
    moves: set[Move] = field(default_factory=set)
    failed: dict[Hash32, TenderKind] = field(default_factory=dict)
    failed_by_others: set[Hash32] = field(default_factory=set)

    @property
    def creditor(self) -> Address:
        return self.node.accounts()[1]

    @property
    def debtor(self) -> Address:
        return self.node.accounts()[2]

    @property
    def stranger(self) -> Address:
        return self.node.accounts()[3]

    @property
    def watched(self) -> frozenset[Address]:
        return frozenset({self.creditor, self.debtor, self.machine.refusing})

    @property
    def last(self) -> int:
        return self.node.block().number

    def of(self, *accounts: Address) -> set[Move]:
        return {each for each in self.moves if {each[2], each[3]} & set(accounts)}


@pytest.fixture(scope="module")
def played(anvil_path: object) -> Iterator[Played]:
    with anvil() as node:
        yield play(node)


def play(node: DevNode) -> Played:
    played = Played(node=node, machine=build(node, by=node.accounts()[0]))
    _play_top_level(played)
    _play_internal(played)
    _play_failures(played)
    node.mine(2)
    return played


def _play_top_level(played: Played) -> None:
    node, creditor, debtor = played.node, played.creditor, played.debtor
    paid = node.send_transaction(sender=debtor, to=creditor, value=1001)
    played.moves.add((paid, "", debtor, creditor, 1001))
    # To itself, and of nothing: the second moves nothing.
    itself = node.send_transaction(sender=debtor, to=debtor, value=5)
    played.moves.add((itself, "", debtor, debtor, 5))
    node.send_transaction(sender=debtor, to=creditor, value=0)
    # Between people who are not watched.
    node.send_transaction(sender=played.stranger, to=node.accounts()[5], value=77)
    # A contract that is created with coins, and dies at once.
    code = self_destruct_code(creditor)
    made = node.send_transaction(sender=debtor, to=None, data=code, value=1009)
    contract = Address.parse(node.receipt(made)["contractAddress"])
    played.moves |= {(made, "", debtor, contract, 1009), (made, "0", contract, creditor, 1009)}


def _play_internal(played: Played) -> None:
    node, creditor, debtor, machine = played.node, played.creditor, played.debtor, played.machine
    relay = machine.relay
    one = machine.through(relay, sender=debtor, to=creditor, wei=2003)
    played.moves |= {(one, "", debtor, relay, 2003), (one, "0", relay, creditor, 2003)}
    unseen = machine.through(relay, sender=played.stranger, to=creditor, wei=2011)
    played.moves.add((unseen, "0", relay, creditor, 2011))
    deep = machine.through(machine.delegate, relay, relay, sender=debtor, to=creditor, wei=2017)
    # The delegated code is the delegating contract's own: its move lies below the DELEGATECALL.
    delegate = machine.delegate
    played.moves |= {(deep, "", debtor, delegate, 2017), (deep, "0.0.0", relay, creditor, 2017)}
    after_identity = machine.through(machine.asking, sender=debtor, to=creditor, wei=2027)
    asking = machine.asking
    played.moves |= {
        (after_identity, "", debtor, asking, 2027),
        (after_identity, "0", asking, creditor, 2027),
    }
    # Undone inside: the relay keeps the coins, though the call to the creditor went well.
    undone = machine.through(relay, machine.undo, sender=debtor, to=creditor, wei=2029)
    played.moves.add((undone, "", debtor, relay, 2029))
    dying = machine.self_destruct(sender=debtor, to=creditor, wei=2039)
    heirless = _last_created(node, dying)
    played.moves |= {
        (dying, "", debtor, machine.factory, 2039),
        (dying, "0.0", heirless, creditor, 2039),
    }
    back = machine.through(relay, sender=debtor, to=debtor, wei=2053)
    played.moves |= {(back, "", debtor, relay, 2053), (back, "0", relay, debtor, 2053)}


def _last_created(node: DevNode, tx_hash: Hash32) -> Address:
    created = node.call("trace_transaction", tx_hash)[1]
    return Address.parse(created["result"]["address"])


def _play_failures(played: Played) -> None:
    node, creditor, debtor = played.node, played.creditor, played.debtor
    refused = node.send_transaction(sender=debtor, to=played.machine.refusing, value=3001, may_revert=True)
    played.failed[refused] = TenderKind.VALUE
    token = deploy_token(node)
    for sender in (debtor, played.stranger):
        for data in (
            calldata("transfer(address,uint256)", creditor, 3011),
            calldata("transferFrom(address,address,uint256)", sender, creditor, 3019),
        ):
            failed = node.send_transaction(sender=sender, to=token.address, data=data, may_revert=True)
            played.failed[failed] = TenderKind.ERC20_TRANSFER
            if sender == played.stranger:
                played.failed_by_others.add(failed)
    # It names nobody who is watched.
    other = calldata("transfer(address,uint256)", played.stranger, 3023)
    node.send_transaction(sender=played.stranger, to=token.address, data=other, may_revert=True)


@pytest.fixture
def reader(played: Played) -> Iterator[NativeReader]:
    with RpcClient(played.node.url, policy=_policy(played.node)) as rpc:
        yield NativeReader(EvmClient(rpc, played.node.chain))


def _policy(node: DevNode) -> EgressPolicy:
    return EgressPolicy.parse(f"127.0.0.1:{node.port}")


def read(reader: NativeReader, played: Played, means: Means) -> NativeAnswer:
    return reader.read(means, accounts=played.watched, first_block=0, last_block=played.last)


def as_moves(transfers: tuple[NativeTransfer, ...]) -> set[Move]:
    found = set()
    for each in transfers:
        assert each.tx_hash is not None
        assert each.sender is not None
        assert each.recipient is not None
        found.add((each.tx_hash, each.trace_path, each.sender, each.recipient, each.amount_units))
    assert len(found) == len(transfers)
    return found


@pytest.mark.parametrize("means", TRACING)
def test_traces_show_every_move_and_none_that_was_undone(
    played: Played, reader: NativeReader, means: Means
) -> None:
    answer = read(reader, played, means)
    assert as_moves(answer.transfers) == played.of(*played.watched)
    assert answer.internals is Internals.READ
    assert answer.inexact == frozenset()
    assert answer.answers
    assert all(digest.size > 0 and len(digest.sha256) == 64 for digest in answer.answers)


def test_the_means_agree_about_identities_and_order(played: Played, reader: NativeReader) -> None:
    first, *others = (read(reader, played, means) for means in TRACING)
    ids = [each.id for each in first.transfers]
    assert len(set(ids)) == len(ids)
    for other in others:
        assert [each.id for each in other.transfers] == ids
        assert [each.kind for each in other.transfers] == [each.kind for each in first.transfers]
        assert [each.flags for each in other.transfers] == [each.flags for each in first.transfers]


def test_full_blocks_alone_show_the_top_level_and_say_so(played: Played, reader: NativeReader) -> None:
    answer = read(reader, played, Means.FULL_BLOCKS)
    assert as_moves(answer.transfers) == {each for each in played.of(*played.watched) if not each[1]}
    assert answer.internals is Internals.NOT_READ
    assert Unseen.INTERNAL_MOVES in answer.unseen
    assert [block.number for block in answer.blocks] == list(range(played.last + 1))


def test_balances_show_what_came_by_internal_moves(played: Played, reader: NativeReader) -> None:
    answer = read(reader, played, Means.BALANCES)
    seen = tuple(each for each in answer.transfers if each.kind is not NativeKind.BALANCE)
    assert as_moves(seen) == {each for each in played.of(*played.watched) if not each[1]}
    inferred = {
        (each.block.number, each.sender, each.recipient): each.amount_units
        for each in answer.transfers
        if each.kind is NativeKind.BALANCE
    }
    wanted: dict[tuple[int, Address | None, Address | None], int] = {}
    for tx_hash, path, _, recipient, units in played.of(*played.watched):
        if path and recipient in played.watched:
            number = int(played.node.receipt(tx_hash)["blockNumber"], 16)
            wanted[number, None, recipient] = units
    assert inferred == wanted
    assert len(wanted) == 7
    assert answer.internals is Internals.INFERRED
    # A contract's outflows leave no mark on its nonce.
    assert answer.inexact == {played.machine.refusing}


@pytest.mark.parametrize("means", Means)
def test_failed_attempts_are_tenders(played: Played, reader: NativeReader, means: Means) -> None:
    answer = read(reader, played, means)
    found = {each.tx_hash: each.kind for each in answer.tenders}
    assert len(found) == len(answer.tenders)
    if Unseen.TENDERS_OF_OTHERS in answer.unseen:
        # These means look into blocks that touch an account; what a stranger tried in vain touches none.
        assert found == {
            tx_hash: kind for tx_hash, kind in played.failed.items() if tx_hash not in played.failed_by_others
        }
    else:
        assert found == played.failed
    value = next(each for each in answer.tenders if each.kind is TenderKind.VALUE)
    assert (value.recipient, value.amount_units) == (played.machine.refusing, 3001)
    token = next(each for each in answer.tenders if each.kind is TenderKind.ERC20_TRANSFER)
    assert token.asset_contract == token.to
    assert (token.sender, token.recipient, token.amount_units) == (played.debtor, played.creditor, 3011)
    assert value.reason


def test_ranges_adjoin_and_choose_the_best_means(played: Played, reader: NativeReader) -> None:
    answers = list(reader.ranges(accounts=played.watched, first_block=0, last_block=played.last))
    assert {answer.means for answer in answers} == {Means.TRACE_FILTER}
    assert answers[0].first_block == 0
    assert answers[-1].last_block == played.last
    for before, after in pairwise(answers):
        assert after.first_block == before.last_block + 1


def test_a_long_range_is_cut_to_what_the_node_answers(anvil_path: object) -> None:
    """Anvil's trace_filter answers for 300 blocks."""
    with anvil() as node:
        relay = build(node, by=node.accounts()[0])
        expected = []
        for units in (11, 12, 13):
            sent = relay.through(relay.relay, sender=node.accounts()[2], to=node.accounts()[1], wei=units)
            expected.append((sent, units))
            node.call("anvil_mine", 400)
        with RpcClient(node.url, policy=_policy(node)) as rpc:
            reader = NativeReader(EvmClient(rpc, node.chain))
            answers = list(
                reader.ranges(accounts=[node.accounts()[1]], first_block=0, last_block=node.block().number)
            )
        assert {answer.means for answer in answers} == {Means.TRACE_FILTER}
        assert max(answer.last_block - answer.first_block + 1 for answer in answers) <= 300 + 1
        found = [(each.tx_hash, each.amount_units) for answer in answers for each in answer.transfers]
        assert found == expected


def test_an_account_that_delegates_is_not_called_exact(anvil_path: object) -> None:
    """EIP-7702: while it delegates, an account's coins may leave without a transaction of its own."""
    with anvil() as node:
        machine = build(node, by=node.accounts()[0])
        wallet = Account.create()
        owner = Address.parse(wallet.address)
        node.set_balance(owner, wei=10**18)
        node.mine(3)
        creditor, start = node.accounts()[1], node.block().number
        _delegate(node, wallet, to=machine.relay, nonce=0)
        # Anybody may now call it. It passes on what it is sent: in and out, the nonce unmoved.
        passed = machine.through(owner, sender=node.accounts()[3], to=creditor, wei=4001)
        _delegate(node, wallet, to=ZERO_ADDRESS, nonce=2)
        assert node.call("eth_getCode", owner, "latest") == "0x"
        node.mine(2)
        with RpcClient(node.url, policy=_policy(node)) as rpc:
            reader = NativeReader(EvmClient(rpc, node.chain))
            by_means = {
                means: reader.read(
                    means, accounts=[owner], first_block=start + 1, last_block=node.block().number
                )
                for means in Means
            }
    for means in TRACING:
        found = [(each.tx_hash, each.trace_path, each.amount_units) for each in by_means[means].transfers]
        assert found == [(passed, "", 4001), (passed, "0", 4001)], means
    # Neither end of the window has code; the nonce gave the delegation away.
    assert by_means[Means.BALANCES].inexact == {owner}
    assert [each.trace_path for each in by_means[Means.FULL_BLOCKS].transfers] == [""]


def _delegate(node: DevNode, wallet: Account, *, to: Address, nonce: int) -> None:
    authorization = wallet.sign_authorization(
        {"chainId": node.chain_id, "address": str(to), "nonce": nonce + 1}
    )
    signed = wallet.sign_transaction(
        {
            "chainId": node.chain_id,
            "nonce": nonce,
            "to": str(ZERO_ADDRESS),
            "value": 0,
            "gas": 200_000,
            "maxFeePerGas": 10**10,
            "maxPriorityFeePerGas": 10**9,
            "authorizationList": [authorization],
        }
    )
    sent = Hash32.parse(node.call("eth_sendRawTransaction", bytes(signed.raw_transaction)))
    assert node.receipt(sent)["status"] == "0x1"


def test_creditor_behind_a_contract_that_refuses(anvil_path: object) -> None:
    """A refusing account is paid by force: a dying contract asks nobody."""
    with anvil() as node:
        refusing = put(node, REFUSE, by=node.accounts()[0])
        machine = build(node, by=node.accounts()[0])
        machine.self_destruct(sender=node.accounts()[2], to=refusing, wei=5003)
        node.mine(1)
        with RpcClient(node.url, policy=_policy(node)) as rpc:
            answer = NativeReader(EvmClient(rpc, node.chain)).read(
                Means.TRACE_FILTER, accounts=[refusing], first_block=0, last_block=node.block().number
            )
    (credit,) = answer.transfers
    assert (credit.kind, credit.amount_units) == (NativeKind.SELFDESTRUCT, 5003)
    assert credit.flags == ("internal-move", "self-destruct")


# -- nodes that have less


def without(*methods: str, code: int = -32601, message: str = "Method not found") -> Fault:
    """A node that does not have these methods."""

    def fault(exchange: Exchange) -> None:
        asked = exchange.asked if isinstance(exchange.asked, list) else [exchange.asked]
        if not any(call["method"] in methods for call in asked):
            return exchange.send_json(exchange.truth())
        error = {"code": code, "message": message}
        answers = [{"jsonrpc": "2.0", "id": call["id"], "error": error} for call in asked]
        return exchange.send_json(answers if isinstance(exchange.asked, list) else answers[0])

    return fault


@pytest.mark.parametrize(
    ("missing", "means"),
    [
        ((), Means.TRACE_FILTER),
        (("trace_filter",), Means.TRACE_BLOCK),
        (("trace_filter", "trace_block"), Means.DEBUG_TRACE),
        (("trace_filter", "trace_block", "debug_traceBlockByNumber"), Means.BALANCES),
        (
            ("trace_filter", "trace_block", "debug_traceBlockByNumber", "eth_getBalance"),
            Means.FULL_BLOCKS,
        ),
    ],
)
def test_the_best_of_what_a_node_has_is_taken_and_remembered(
    played: Played, missing: tuple[str, ...], means: Means
) -> None:
    with faulty_proxy(played.node) as proxy, _reader_of(proxy) as reader:
        proxy.fail(without(*missing))
        answers = list(reader.ranges(accounts=played.watched, first_block=0, last_block=played.last))
        assert {answer.means for answer in answers} == {means}
        top_level = {each for each in as_seen(answers) if not each[1]}
        assert top_level == {each for each in played.of(*played.watched) if not each[1]}
        proxy.requests.clear()
        list(reader.ranges(accounts=played.watched, first_block=0, last_block=1))
        assert not any(method.encode() in request for request in proxy.requests for method in missing)


def as_seen(answers: list[NativeAnswer]) -> set[Move]:
    return {
        move
        for answer in answers
        for move in as_moves(tuple(each for each in answer.transfers if each.kind is not NativeKind.BALANCE))
    }


@contextmanager
def _reader_of(proxy: FaultyProxy) -> Iterator[NativeReader]:
    limits = RpcLimits(timeout_seconds=5, attempts=2, retry_wait_seconds=0.005, total_seconds=10)
    policy = EgressPolicy.parse(f"127.0.0.1:{proxy.port}")
    with RpcClient(proxy.url, policy=policy, limits=limits) as rpc:
        yield NativeReader(EvmClient(rpc, proxy.node.chain))


def test_old_states_that_are_gone_leave_full_blocks(played: Played) -> None:
    """Not a missing method, but an answer that no smaller range brings: the next means, said so."""
    tracing = without("trace_filter", "trace_block", "debug_traceBlockByNumber")
    pruned = without("eth_getBalance", "eth_getCode", code=-32000, message="missing trie node 1a2b")

    def fault(exchange: Exchange) -> None:
        (pruned if b"eth_getBalance" in exchange.request or b"eth_getCode" in exchange.request else tracing)(
            exchange
        )

    with faulty_proxy(played.node) as proxy, _reader_of(proxy) as reader:
        proxy.fail(fault)
        answers = list(reader.ranges(accounts=played.watched, first_block=0, last_block=played.last))
    assert {answer.means for answer in answers} == {Means.FULL_BLOCKS}
    assert all(answer.internals is Internals.NOT_READ for answer in answers)
    assert answers[-1].last_block == played.last


def test_old_states_that_are_gone_do_not_hide_the_newer_ones(played: Played) -> None:
    """A node with the states of the last blocks only: finding them does not take a question a block."""
    kept = 12
    tracing = without("trace_filter", "trace_block", "debug_traceBlockByNumber")

    def fault(exchange: Exchange) -> None:
        asked = exchange.asked if isinstance(exchange.asked, list) else [exchange.asked]
        states = {"eth_getBalance", "eth_getTransactionCount", "eth_getCode"}
        if any(call["method"] in states and int(call["params"][1], 16) < kept for call in asked):
            error = {"code": -32000, "message": "missing trie node 1a2b"}
            return exchange.send_json(
                [{"jsonrpc": "2.0", "id": call["id"], "error": error} for call in asked]
            )
        return tracing(exchange)

    with faulty_proxy(played.node) as proxy, _reader_of(proxy) as reader:
        proxy.fail(fault)
        answers = list(reader.ranges(accounts=played.watched, first_block=0, last_block=played.last))
        asked = len(proxy.requests)
    assert [answer.first_block for answer in answers] == [
        0,
        *(answer.last_block + 1 for answer in answers[:-1]),
    ]
    assert answers[-1].last_block == played.last
    inferred = [answer for answer in answers if answer.means is Means.BALANCES]
    assert inferred
    assert all(answer.first_block > kept for answer in inferred)
    assert asked < 8 * played.last


def test_traces_of_one_block_that_nobody_can_read_hide_no_other(played: Played) -> None:
    """The block is read by weaker means; those around it keep theirs."""
    odd = int(played.node.receipt(next(iter(played.failed)))["blockNumber"], 16)

    def fault(exchange: Exchange) -> None:
        answer = exchange.truth()
        for call, reply in zip(exchange.asked, answer, strict=True) if isinstance(answer, list) else ():
            if call["method"].startswith(("trace_", "debug_")) and call["params"][0] == hex(odd):
                reply["result"] = [{"type": "teleport"}]
        exchange.send_json(answer)

    with faulty_proxy(played.node) as proxy, _reader_of(proxy) as reader:
        proxy.fail(fault)
        answers = list(reader.ranges(accounts=played.watched, first_block=0, last_block=played.last))
    weaker = [answer for answer in answers if answer.means is not Means.TRACE_FILTER]
    assert [(answer.first_block, answer.last_block) for answer in weaker] == [(odd, odd)]
    assert weaker[0].means is Means.BALANCES
    assert as_seen(answers) == played.of(*played.watched)


def test_a_node_that_leaves_a_transaction_out_of_its_traces_is_not_believed(played: Played) -> None:
    def fault(exchange: Exchange) -> None:
        answer = exchange.truth()
        for call, reply in zip(exchange.asked, answer, strict=True) if isinstance(answer, list) else ():
            if call["method"] == "trace_block":
                reply["result"] = []
        exchange.send_json(answer)

    with faulty_proxy(played.node) as proxy, _reader_of(proxy) as reader:
        proxy.fail(fault)
        with pytest.raises(BadAnswer, match="no trace of transaction"):
            reader.read(Means.TRACE_BLOCK, accounts=played.watched, first_block=0, last_block=played.last)


def test_a_node_that_is_away_raises(played: Played) -> None:
    with faulty_proxy(played.node) as proxy, _reader_of(proxy) as reader:
        proxy.fail(lambda exchange: exchange.hang_up())
        with pytest.raises(NodeUnreachable):
            list(reader.ranges(accounts=played.watched, first_block=0, last_block=played.last))
