"""A loan on a chain, the ledger that reads it, and what the chain truly holds, asked and decoded apart.

The chain: a token with 6 decimals, agreed on a day after genesis; the creditor lends 9,000, due in three
installments. Nobody has paid anything yet: each test plays its own part.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from app.assessment.service import Question, assess_debt
from app.assessment.values import Assessment
from app.clock import from_unix_seconds
from app.db import reading
from app.debts.parties import Actor, NewAccount, NewParty, bind_account, record_party
from app.debts.recording import NewDebt, NewInstallment, record_debt
from app.debts.terms import Basis, Debt
from app.ingest.answer import Writer
from app.ingest.follow import ReadReport, follow_chain, no_progress
from app.ingest.ledger_model import account_set_member, coverage
from app.ingest.model import block, chain, transfer
from app.ingest.ranges import Blocks, merged
from app.ingest.read import Progress
from app.ingest.registry import NewChain, register_asset, store_chain
from app.ingest.store.chains import Chain
from app.ingest.store.coverage import ERC20
from app.resources import Operator, Outside
from app.tenants.service import create_tenant
from chains.devnode import DevNode
from chains.guard import EgressPolicy
from chains.rpc import RpcLimits
from chains.types import AccountId, Address, BlockRef, Finality, Hash32
from tests.support.anvil import GENESIS_AT
from tests.support.token import Token, deploy_token

DAY = 86_400
AGREED_AT = GENESIS_AT + DAY
UNIT = 10**6
NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
# Nothing here is far away: a fault should cost a test no more time than it takes to see it.
LIMITS = RpcLimits(
    timeout_seconds=5, connect_seconds=1, attempts=2, retry_wait_seconds=0.005, total_seconds=10
)
OPERATOR = Operator(name="the tests", relation="none")
TRANSFER_TOPIC = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"


@dataclass(slots=True)
class HandClock:
    """A clock that stands still until a test moves it."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: int) -> datetime:
        self.now += timedelta(seconds=seconds)
        return self.now


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Moved:
    """A transfer in full, whether the chain or the store says it."""

    block_number: int
    log_index: int
    block_hash: Hash32
    block_time: int
    tx_hash: Hash32
    contract: Address
    sender: Address
    recipient: Address
    amount_units: int


def truth(
    node: DevNode, accounts: Collection[Address], *, first: int = 0, last: int | str = "finalized"
) -> set[Moved]:
    """Every ERC-20 Transfer from or to the accounts, asked without any filter and decoded here."""
    final = node.block(last).number
    return {
        each
        for each in _everything(node, node.block().hash)
        if first <= each.block_number <= final and (each.sender in accounts or each.recipient in accounts)
    }


@cache
def _accounts(node: DevNode) -> tuple[Address, ...]:
    return node.accounts()


def block_of(node: DevNode, number: int) -> BlockRef:
    return _block_of(node, number, node.block().hash)


def blocks_of(node: DevNode, numbers: Iterable[int]) -> list[BlockRef]:
    """Many blocks of the chain as it is now."""
    head = node.block().hash
    return [_block_of(node, number, head) for number in numbers]


@cache
def _block_of(node: DevNode, number: int, _head: Hash32) -> BlockRef:
    return node.block(number)


@cache
def _everything(node: DevNode, head: Hash32) -> frozenset[Moved]:
    """Of a chain with this head, so that it is asked once."""
    found = set()
    for log in node.call("eth_getLogs", {"fromBlock": "0x0", "toBlock": "latest"}):
        topics = log["topics"]
        if len(topics) != 3 or topics[0] != TRANSFER_TOPIC or len(log["data"]) != 66:
            continue
        if topics[1][2:26] != "0" * 24 or topics[2][2:26] != "0" * 24:
            continue
        sender, recipient = (Address.parse("0x" + topic[26:]) for topic in topics[1:])
        number = int(log["blockNumber"], 16)
        found.add(
            Moved(
                block_number=number,
                log_index=int(log["logIndex"], 16),
                block_hash=Hash32.parse(log["blockHash"]),
                block_time=_block_of(node, number, head).time,
                tx_hash=Hash32.parse(log["transactionHash"]),
                contract=Address.parse(log["address"]),
                sender=sender,
                recipient=recipient,
                amount_units=int(log["data"], 16),
            )
        )
    return frozenset(found)


def first_of_window(node: DevNode) -> int:
    """The first block that is not older than the agreement."""
    head = node.block().hash
    return next(number for number in range(999) if _block_of(node, number, head).time >= AGREED_AT)


def stored(engine: Engine) -> set[Moved]:
    """Every transfer that the database holds."""
    number = transfer.c.key.op(">>")(sa.literal(20, sa.Integer)).op("&")(2**36 - 1)
    of_transfer = sa.and_(
        chain.c.number == transfer.c.key.op(">>")(sa.literal(56, sa.Integer)),
        block.c.chain_id == chain.c.id,
        block.c.number == number,
    )
    query = sa.select(
        number.label("block_number"),
        transfer.c.key.op("&")(2**20 - 1).label("log_index"),
        block.c.hash.label("block_hash"),
        block.c.time.label("block_time"),
        transfer.c.tx_hash,
        transfer.c.contract,
        transfer.c.sender,
        transfer.c.recipient,
        transfer.c.amount_units,
    ).select_from(transfer.join(chain, sa.true()).join(block, of_transfer))
    with reading(engine) as connection:
        rows = connection.execute(query).mappings().all()
    found = {Moved(**row) for row in rows}
    assert len(found) == len(rows) == count(engine, transfer)
    return found


def covered(engine: Engine, address: Address) -> list[Blocks]:
    """What the database says was read for an account, as few ranges as possible."""
    query = (
        sa.select(coverage.c.first_block, coverage.c.last_block)
        .join(account_set_member, account_set_member.c.digest == coverage.c.accounts)
        .where(account_set_member.c.address == address, coverage.c.kind == ERC20)
    )
    with reading(engine) as connection:
        return merged(Blocks(first, last) for first, last in connection.execute(query))


def count(engine: Engine, table: sa.Table) -> int:
    with reading(engine) as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()


def egress(urls: Iterable[str]) -> EgressPolicy:
    """Loopback at exactly these ports."""
    return EgressPolicy.parse(
        ", ".join(f"127.0.0.1:{url.rpartition(':')[2].partition('/')[0]}" for url in urls)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A ledger in front of a chain. Its nodes may be other than `node`: proxies before it, or liars."""

    engine: Engine
    node: DevNode
    token: Token
    chain: Chain
    outside: Outside
    clock: HandClock
    actor: Actor
    creditor_id: str
    debtor_id: str
    read_native: bool

    # -- who is who

    @property
    def issuer(self) -> Address:
        return _accounts(self.node)[0]

    @property
    def creditor(self) -> Address:
        return _accounts(self.node)[1]

    @property
    def debtor(self) -> Address:
        return _accounts(self.node)[2]

    @property
    def stranger(self) -> Address:
        return _accounts(self.node)[3]

    @property
    def parties(self) -> tuple[Address, Address]:
        return self.creditor, self.debtor

    def account(self, address: Address) -> AccountId:
        return AccountId(self.node.chain, address)

    # -- on the chain

    def pay(self, units: int, *, at: int | None = None, sender: Address | None = None) -> Hash32:
        """To the creditor, by default from the debtor."""
        return self.token.transfer(sender=sender or self.debtor, to=self.creditor, units=units, at=at)

    def bury(self, blocks: int = 2) -> None:
        """Enough blocks, an hour apart, that what lies in the head becomes final."""
        self.node.mine(blocks, seconds_apart=3600)

    # -- in the ledger

    def through(self, *urls: str, limits: RpcLimits = LIMITS, agreement: int = 1, permille: int = 0) -> Scene:
        """The same ledger, reading through these nodes from now on; no receipts are looked at by chance."""
        new = NewChain(chain=self.chain, rpc_urls=urls, agreement=agreement, read_native=self.read_native)
        with self.engine.begin() as connection:
            store_chain(connection, new=new, now=self.clock())
        outside = Outside(egress=egress(urls), limits=limits, receipts_permille=permille)
        return replace(self, outside=outside)

    def follow(self, progress: Progress = no_progress, *, native_seconds: float = math.inf) -> ReadReport:
        return follow_chain(
            engine=self.engine,
            chain=self.chain,
            outside=self.outside,
            clock=self.clock,
            progress=progress,
            native_seconds=native_seconds,
        )

    def writer(self) -> Writer:
        return Writer(engine=self.engine, chain=self.chain, clock=self.clock)

    def record_debt(self, *, agreed_at: int = AGREED_AT, reference: str = "LOAN-1") -> Debt:
        new = NewDebt(
            reference=reference,
            creditor_id=self.creditor_id,
            debtor_id=self.debtor_id,
            kind="loan",
            asset=self.token.asset,
            principal="9000",
            agreed_at=from_unix_seconds(agreed_at),
            time_zone="Asia/Shanghai",
            installments=tuple(
                NewInstallment(amount="3000", due_at=from_unix_seconds(agreed_at + days * DAY))
                for days in (10, 20, 30)
            ),
        )
        with self.engine.begin() as connection:
            return record_debt(connection, actor=self.actor, new=new, now=self.clock())

    def bind(self, address: Address, *, party_id: str | None = None) -> None:
        """By default to the creditor."""
        new = NewAccount(account=self.account(address), basis=Basis.CONTRACT)
        with self.engine.begin() as connection:
            bind_account(
                connection,
                actor=self.actor,
                party_id=party_id or self.creditor_id,
                new=new,
                now=self.clock(),
            )

    def assess(self, debt: Debt, *, as_of: int | None = None, known_at: datetime | None = None) -> Assessment:
        question = Question(
            tenant_id=self.actor.tenant_id,
            debt_id=debt.id,
            as_of=None if as_of is None else from_unix_seconds(as_of),
            known_at=known_at,
        )
        return assess_debt(
            engine=self.engine, question=question, operator=OPERATOR, outside=self.outside, clock=self.clock
        )


def open_scene(
    engine: Engine,
    node: DevNode,
    *,
    start_block: int = 0,
    token: Token | None = None,
    read_native: bool = False,
) -> Scene:
    """Deploy the token, fund everybody, mine to the agreement, and record chain, asset and parties.

    Without the native coin, unless it is asked for: the faults that most tests play are those of logs.
    """
    token = token or stage(node)
    accounts = node.accounts()
    chain = Chain(
        id=node.chain,
        name="Test chain",
        native_symbol="ETH",
        native_decimals=18,
        finality=Finality(),
        start_block=start_block,
    )
    outside = Outside(egress=egress([node.url]), limits=LIMITS)
    clock = HandClock()
    with engine.begin() as connection:
        tenant = create_tenant(connection, name="the tests", now=clock())
        new = NewChain(chain=chain, rpc_urls=(node.url,), read_native=read_native)
        store_chain(connection, new=new, now=clock())
    register_asset(engine=engine, asset_id=token.asset, outside=outside, now=clock())
    actor = Actor(tenant_id=tenant.id, name="the tests")
    ids = [
        _party(engine, actor=actor, name=name, account=AccountId(node.chain, address), now=clock())
        for name, address in (("Harbour Lending Ltd", accounts[1]), ("Ada Lin", accounts[2]))
    ]
    return Scene(
        engine=engine,
        node=node,
        token=token,
        chain=chain,
        outside=outside,
        clock=clock,
        actor=actor,
        creditor_id=ids[0],
        debtor_id=ids[1],
        read_native=read_native,
    )


def stage(node: DevNode) -> Token:
    """Before the loan: the token in a final block, and everybody with enough of it."""
    token = deploy_token(node)
    node.set_next_block_time(GENESIS_AT + 600)
    for holder in node.accounts()[:6]:
        token.mint(to=holder, units=1_000_000 * UNIT)
    node.mine(3, seconds_apart=600)
    return token


def _party(engine: Engine, *, actor: Actor, name: str, account: AccountId, now: datetime) -> str:
    new = NewParty(name=name, accounts=(NewAccount(account=account, basis=Basis.CONTRACT),))
    with engine.begin() as connection:
        return record_party(connection, actor=actor, new=new, now=now).id
