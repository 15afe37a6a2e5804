"""What happens on the demo's chain: a loan of 9,000 in three installments, and six ways to be wrong about it.

Every block time is set, increases strictly, and lies before now: the chain starts 200 days ago.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from chains.devnode import DevNode
from chains.evm.contract import Artifact, deploy, transact
from chains.rpc import RpcClient
from chains.types import Address

DAY = 86_400
DAYS_BACK = 200
AGREED_ON_DAY = 2  # After genesis. Due days below count from the agreement.
DUE_DAYS = (60, 100, 140)
UNIT = 10**6
SYMBOL = "USDX"
_ARTIFACT = Path(__file__).resolve().parents[3] / "contracts" / "artifacts" / "TestToken.json"

Told = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """Who plays. Only creditor and debtor are declared to the service."""

    issuer: Address
    creditor: Address
    debtor: Address
    stranger: Address
    look_alike: Address
    forger: Address
    passers_by: tuple[Address, Address]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """The chain before the loan: both tokens deployed, everybody funded."""

    node: DevNode
    rpc: RpcClient
    cast: Cast
    token: Address
    fake: Address
    agreed_time: int


def resembling(address: Address) -> Address:
    """An address with the same first and last four bytes, as poisoners grind them."""
    middle = bytes(byte ^ 0xFF for byte in address[4:16])
    return Address(address[:4] + middle + address[16:])


def set_stage(*, node: DevNode, rpc: RpcClient, told: Told) -> Stage:
    """Deploy the token and its namesake, and fund everybody, before anything was agreed."""
    accounts = node.accounts()
    cast = Cast(
        issuer=accounts[0],
        creditor=accounts[1],
        debtor=accounts[2],
        stranger=accounts[3],
        look_alike=resembling(accounts[2]),
        forger=accounts[4],
        passers_by=(accounts[5], accounts[6]),
    )
    told("a token with 6 decimals is deployed, and another one with the same symbol")
    artifact = Artifact.load(_ARTIFACT)
    genesis = node.block(0).time
    clock = _Clock(node, genesis)
    clock.tick(3600)
    token = deploy(rpc, artifact=artifact, args=["Demo Dollar", SYMBOL, 6], sender=cast.issuer).contract
    clock.tick(3600)
    fake = deploy(rpc, artifact=artifact, args=["Demo Dollar", SYMBOL, 6], sender=cast.forger).contract
    assert token is not None  # noqa: S101 - a deployment's receipt names its contract.
    assert fake is not None  # noqa: S101
    stage = Stage(
        node=node,
        rpc=rpc,
        cast=cast,
        token=token,
        fake=fake,
        agreed_time=genesis + AGREED_ON_DAY * DAY,
    )
    for contract, owner, amount in (
        (token, cast.creditor, 9_000),
        (token, cast.stranger, 2_000),
        (token, cast.passers_by[0], 700),
        (fake, cast.forger, 1_000_000),
    ):
        clock.tick(60)
        _call(stage, contract, "mint", [owner, amount * UNIT], sender=cast.issuer)
    node.set_balance(cast.look_alike, wei=10**18)
    node.impersonate(cast.look_alike)
    # The token is registered at a final block, which is two behind the head.
    clock.tick(60)
    node.mine(3, seconds_apart=60)
    return stage


def lend(stage: Stage, *, told: Told) -> None:
    told("the creditor lends 9,000 to the debtor")
    _at(stage, 60)
    _transfer(stage, sender=stage.cast.creditor, to=stage.cast.debtor, amount=9_000)


def play(stage: Stage, *, told: Told) -> None:
    """Everything after the loan, in the order of time."""
    cast = stage.cast
    told("day 50: the debtor pays installment 1 in time")
    _at(stage, 50 * DAY)
    _transfer(stage, sender=cast.debtor, to=cast.creditor, amount=3_000)
    told("day 110: the debtor pays 1,000 of installment 2, ten days late")
    _at(stage, 110 * DAY)
    _transfer(stage, sender=cast.debtor, to=cast.creditor, amount=1_000)
    told("day 112: 2,000 more arrive, from a wallet that nobody declared")
    _at(stage, 112 * DAY)
    _transfer(stage, sender=cast.stranger, to=cast.creditor, amount=2_000)
    told("day 115: a transfer of nothing, from an address that resembles the debtor's")
    _at(stage, 115 * DAY)
    _transfer(stage, sender=cast.look_alike, to=cast.creditor, amount=0)
    told("day 120: 3,000 of the token with the same symbol")
    _at(stage, 120 * DAY)
    _call(stage, stage.fake, "transfer", [cast.creditor, 3_000 * UNIT], sender=cast.forger)
    told("day 130: two other wallets pay each other")
    _at(stage, 130 * DAY)
    _transfer(stage, sender=cast.passers_by[0], to=cast.passers_by[1], amount=700)
    told("day 140: installment 3 falls due; the chain goes on")
    stage.node.set_next_block_time(stage.agreed_time + 141 * DAY)
    stage.node.call("evm_mine")
    stage.node.mine(5, seconds_apart=3600)


class _Clock:
    """The next block's time, before the agreement."""

    def __init__(self, node: DevNode, start: int) -> None:
        self._node = node
        self._now = start

    def tick(self, seconds: int) -> None:
        self._now += seconds
        self._node.set_next_block_time(self._now)


def _at(stage: Stage, seconds: int) -> None:
    stage.node.set_next_block_time(stage.agreed_time + seconds)


def _transfer(stage: Stage, *, sender: Address, to: Address, amount: int) -> None:
    _call(stage, stage.token, "transfer", [to, amount * UNIT], sender=sender)


def _call(stage: Stage, contract: Address, name: str, args: list[object], *, sender: Address) -> None:
    transact(
        stage.rpc,
        artifact=Artifact.load(_ARTIFACT),
        contract=contract,
        name=name,
        args=args,
        sender=sender,
    )
