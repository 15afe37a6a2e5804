"""Recorded real blocks, read by our own client from the server that replays them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from app.db import make_engine, upgrade
from app.ingest.follow import ReadReport, follow_chain
from app.ingest.plan import ACCOUNTS_PER_REQUEST
from app.ingest.ranges import Blocks
from app.ingest.registry import NewChain, store_chain
from app.ingest.store.chains import Chain
from app.ingest.store.watches import locate_time, watch_accounts
from app.resources import Outside
from chains.devnode import DevNode, DevNodeError
from chains.errors import RpcError
from chains.evm.client import BlockNotServed, EvmClient
from chains.evm.transfers import TRANSFER_TOPIC
from chains.types import AccountId, Address, Finality
from tests.ingest.scene import LIMITS, HandClock, Moved, covered, egress, stored
from tests.nodes.starters import client_of
from tests.real.recorded import (
    CHAIN_IDS,
    Span,
    logs_of,
    manifest,
    recorded,
    replay,
    spans,
    touching,
    transfers_of,
    wallets_of,
)
from tests.support.clone import clone_sqlite

CHAINS = ("arbitrum", "base", "ethereum", "optimism", "polygon")
# Two linked blocks with hundreds of transfers each; the blocks around them have no receipts on record.
PAIR = Span(chain="ethereum", first=22_431_083, last=22_431_084)
WALLETS = 12
LATE_SECONDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """A store that reads a replayed span for some of its wallets."""

    engine: Engine
    node: DevNode
    chain: Chain
    wallets: tuple[Address, ...]

    def follow(self) -> ReadReport:
        outside = Outside(egress=egress([self.node.url]), limits=LIMITS)
        return follow_chain(engine=self.engine, chain=self.chain, outside=outside, clock=HandClock())


def open_ledger(engine: Engine, node: DevNode, *, span: Span) -> Ledger:
    """Where the window starts is put on record: the search for it would ask for block 0."""
    chain = Chain(
        id=node.chain,
        name=span.chain,
        native_symbol="ETH",
        native_decimals=18,
        finality=Finality(),
        start_block=span.first,
    )
    wallets = busiest(transfers_of(span))
    start = int(recorded(span.chain, span.first)["block"]["timestamp"], 16)
    clock = HandClock()
    with engine.begin() as connection:
        store_chain(connection, new=NewChain(chain=chain, rpc_urls=(node.url,)), now=clock())
        accounts = [AccountId(node.chain, each) for each in wallets]
        watch_accounts(connection, accounts=accounts, since_time=start, now=clock())
        locate_time(connection, chain_id=node.chain, time=start, first_block=span.first)
    return Ledger(engine=engine, node=node, chain=chain, wallets=wallets)


def busiest(moved: list[Moved]) -> tuple[Address, ...]:
    """The wallets with the most transfers, and the first and last in order, which may have but one."""
    all_of_them = wallets_of(moved)
    most = sorted(all_of_them, key=lambda wallet: -len(touching(moved, [wallet])))[:WALLETS]
    return tuple(sorted({*most, all_of_them[0], all_of_them[-1]}))


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('real-template') / 'quittance.db'}"
    upgrade(url)
    return url


@pytest.fixture
def engine(template: str, tmp_path: Path) -> Iterator[Engine]:
    made = make_engine(clone_sqlite(template, folder=tmp_path))
    yield made
    made.dispose()


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, EvmClient]]:
    """One for each chain, before all that was recorded of it."""
    log = tmp_path_factory.mktemp("replay")
    with ExitStack() as opened:
        yield {
            chain: client_before(opened, Span(chain=chain, first=0, last=2**40), log=log / chain)
            for chain in CHAINS
        }


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def client_before(stack: ExitStack, span: Span, *faults: str, log: Path) -> EvmClient:
    return client_of(stack, stack.enter_context(replay(span, *faults, log=log)))


def numbered(found: set[Moved]) -> set[tuple[int, int]]:
    return {(each.block_number, each.log_index) for each in found}


# -- the record itself


def test_the_record_is_whole() -> None:
    """A folder that lost a chain or a block would let the tests below pass by asking less."""
    present = {chain: sum(span.chain == chain for span in spans()) for chain in CHAINS}
    assert present == {"arbitrum": 1, "base": 4, "ethereum": 27, "optimism": 5, "polygon": 5}
    for row in manifest():
        if row["receipts"] is not None:
            assert len(recorded(row["chain"], row["number"])["receipts"]) == row["receipts"]
    assert sum(len(transfers_of(span)) for span in spans()) == 4_732


# -- what is read


@pytest.mark.parametrize("span", spans(), ids=str)
def test_every_wallet_of_a_span_gets_its_transfers(span: Span, clients: dict[str, EvmClient]) -> None:
    """All fields of each, and nothing that is not among the recorded receipts."""
    moved = transfers_of(span)
    wallets = wallets_of(moved) or [Address(bytes([1]) * 20)]
    client = clients[span.chain]
    times = {block.number: block.time for block in client.blocks(range(span.first, span.last + 1))}
    found, others = set(), set()
    for at in range(0, len(wallets), ACCOUNTS_PER_REQUEST):
        asked = wallets[at : at + ACCOUNTS_PER_REQUEST]
        for part in client.transfer_ranges(addresses=asked, first_block=span.first, last_block=span.last):
            others |= {(log.block_number, log.log_index) for log in part.others}
            found |= {
                Moved(
                    block_number=log.block_number,
                    log_index=log.log_index,
                    block_hash=log.block_hash,
                    block_time=times[log.block_number],
                    tx_hash=log.tx_hash,
                    contract=log.contract,
                    sender=log.sender,
                    recipient=log.recipient,
                    amount_units=log.amount_units,
                )
                for log in part.logs
            }
    assert found == set(moved)
    assert others == look_alikes(span, wallets)


def look_alikes(span: Span, wallets: list[Address]) -> set[tuple[int, int]]:
    """Logs of the span with the Transfer topic and a wallet in place, that are no ERC-20 Transfers."""
    padded = {"0x" + wallet.rjust(32, b"\0").hex() for wallet in wallets}
    matching = {
        (int(log["blockNumber"], 16), int(log["logIndex"], 16))
        for _, log in logs_of(span)
        if log["topics"][:1] == [str(TRANSFER_TOPIC)] and padded & set(log["topics"][1:3])
    }
    return matching - numbered(set(transfers_of(span)))


@pytest.mark.parametrize("chain", CHAINS)
def test_a_span_is_followed_into_the_store(chain: str, engine: Engine, tmp_path: Path) -> None:
    """The last of each chain that holds transfers, through the same door as any other node's."""
    span = next(span for span in reversed(spans()) if span.chain == chain and transfers_of(span))
    with replay(span, log=tmp_path / "log") as node:
        ledger = open_ledger(engine, node, span=span)
        report = ledger.follow()
    assert (report.failure, report.final_block) == (None, span.last)
    assert stored(engine) == touching(transfers_of(span), ledger.wallets)
    for wallet in ledger.wallets:
        assert covered(engine, wallet) == [Blocks(span.first, span.last)]


# -- what was not recorded


def test_what_is_not_recorded_becomes_a_gap(engine: Engine, tmp_path: Path) -> None:
    """Of eleven linked blocks two have receipts. The others are refused, which is not an empty answer."""
    longer = Span(chain=PAIR.chain, first=PAIR.first, last=22_431_090)
    with replay(longer, log=tmp_path / "log") as node:
        ledger = open_ledger(engine, node, span=PAIR)
        report = ledger.follow()
    assert report.failure is not None
    assert "logs of block 22431085 are not recorded" in report.failure
    assert stored(engine) == touching(transfers_of(PAIR), ledger.wallets)
    for wallet in ledger.wallets:
        assert covered(engine, wallet) == [Blocks(PAIR.first, PAIR.last)]


def test_an_unrecorded_block_in_front_is_a_gap_too(engine: Engine, tmp_path: Path) -> None:
    earlier = Span(chain=PAIR.chain, first=22_431_080, last=PAIR.last)
    with replay(earlier, log=tmp_path / "log") as node:
        ledger = open_ledger(engine, node, span=PAIR)
        with engine.begin() as connection:
            start = int(recorded(PAIR.chain, earlier.first)["block"]["timestamp"], 16)
            accounts = [AccountId(node.chain, ledger.wallets[0])]
            watch_accounts(connection, accounts=accounts, since_time=start, now=HandClock()())
            locate_time(connection, chain_id=node.chain, time=start, first_block=earlier.first)
        widened = Chain(
            **{name: getattr(ledger.chain, name) for name in Chain.__dataclass_fields__}
            | {"start_block": earlier.first}
        )
        report = follow_chain(
            engine=engine,
            chain=widened,
            outside=Outside(egress=egress([node.url]), limits=LIMITS),
            clock=HandClock(),
        )
    assert report.failure is not None
    assert "are not recorded" in report.failure
    assert all(part.first >= PAIR.first for part in covered(engine, ledger.wallets[0]))


def test_a_token_is_not_guessed_where_nothing_can_be_called(stack: ExitStack, tmp_path: Path) -> None:
    client = client_before(stack, PAIR, log=tmp_path / "log")
    with pytest.raises(RpcError) as caught:
        client.rpc.call("eth_call", [{"to": "0x" + "11" * 20, "data": "0x"}, "latest"])
    assert caught.value.method_is_missing


def test_cronos_is_not_replayed(tmp_path: Path) -> None:
    """No recorded header of it gives its own hash, so that nothing of it can be proven."""
    rows = [row for row in manifest() if row["chain"] == "cronos"]
    assert len(rows) == 7
    assert all(row["checks"]["header_hash"] is False for row in rows)
    span = Span(chain="cronos", first=0, last=2**40)
    with pytest.raises(DevNodeError, match="no recorded block"), replay(span, log=tmp_path / "log"):
        pass


# -- faults


def test_a_hidden_log_is_in_the_receipts(stack: ExitStack, tmp_path: Path) -> None:
    """The lie that one answer cannot show: the next block's receipts, and another node, still have it."""
    moved = transfers_of(PAIR)
    hidden = max(moved, key=lambda each: each.amount_units)
    fault = f"{hidden.block_number}:{hidden.log_index}"
    liar = client_before(stack, PAIR, "--hide-log", fault, log=tmp_path / "liar")
    honest = client_before(stack, PAIR, log=tmp_path / "honest")
    answers = [
        client.transfer_logs(
            addresses=[hidden.sender, hidden.recipient], first_block=PAIR.first, last_block=PAIR.last
        )
        for client in (honest, liar)
    ]
    seen = [{(log.block_number, log.log_index) for log in answer.logs} for answer in answers]
    assert seen[0] - seen[1] == {(hidden.block_number, hidden.log_index)}
    receipts = liar.rpc.call("eth_getBlockReceipts", [hex(hidden.block_number)]).result
    assert hidden.log_index in {int(log["logIndex"], 16) for each in receipts for log in each["logs"]}


@pytest.mark.parametrize(
    "faults", [("--max-range", "1"), ("--rate", "3"), ("--max-range", "1", "--rate", "4")]
)
def test_limits_cost_requests_and_nothing_else(
    engine: Engine, tmp_path: Path, faults: tuple[str, ...]
) -> None:
    with replay(PAIR, *faults, log=tmp_path / "log") as node:
        ledger = open_ledger(engine, node, span=PAIR)
        assert ledger.follow().failure is None
    assert stored(engine) == touching(transfers_of(PAIR), ledger.wallets)
    assert covered(engine, ledger.wallets[0]) == [Blocks(PAIR.first, PAIR.last)]


def test_a_node_that_lags_is_read_as_far_as_it_is(engine: Engine, tmp_path: Path) -> None:
    with replay(PAIR, "--late", str(LATE_SECONDS), log=tmp_path / "log") as node:
        ledger = open_ledger(engine, node, span=PAIR)
        for _ in range(200):
            report = ledger.follow()
            assert report.failure is None
            assert report.final_block is not None
            assert covered(engine, ledger.wallets[0]) == [Blocks(PAIR.first, report.final_block)]
            so_far = Span(chain=PAIR.chain, first=PAIR.first, last=report.final_block)
            assert stored(engine) == touching(transfers_of(so_far), ledger.wallets)
            if report.final_block == PAIR.last:
                return
    pytest.fail(f"the replayed head did not arrive within 200 passes of {LATE_SECONDS} s of lateness")


@pytest.mark.parametrize("chain", CHAINS)
def test_the_chain_is_checked_and_what_lies_between_is_refused(
    chain: str, clients: dict[str, EvmClient]
) -> None:
    """A span never touches the next one, so that the block behind it is not on record."""
    client = clients[chain]
    client.check_chain()
    assert client.chain.reference == CHAIN_IDS[chain]
    behind = 1 + next(span.last for span in spans() if span.chain == chain)
    with pytest.raises((RpcError, BlockNotServed)):
        client.block(behind)
    ask = partial(client.transfer_logs, addresses=[Address(bytes(20))], first_block=behind)
    if behind < client.head().number:
        with pytest.raises(RpcError, match="not recorded"):
            ask(last_block=behind)
    else:
        # Above its head this server, like Hardhat, says that there are none: hence the block is asked, too.
        assert ask(last_block=behind).logs == ()
