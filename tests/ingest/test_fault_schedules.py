"""Hundreds of random schedules of faults, several passes each: the store never differs from the chain unseen.

One node whose every block is held against its receipts; two that have to agree; three of which two have to.
One of them is false as well as feeble, the others only fail. Each schedule is drawn from its number alone, so
that a failure can be played again. What one node can say that no answer contradicts is in docs/reading.md.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from app.assessment.values import Result
from app.db import make_engine, reading
from app.debts.terms import Debt
from app.ingest.hashed import NOT_HASHED
from app.ingest.ranges import Blocks
from app.ingest.store.coverage import coverage_of
from app.ingest.store.provisional import provisional_transfers
from app.ingest.store.reading import set_hashable
from chains.devnode import DevNode
from chains.rpc import RpcLimits
from tests.ingest.judge import demand_honest, demand_no_blind_spot, demand_truth
from tests.ingest.scene import DAY, Scene, first_of_window, open_scene, stage, stored, truth
from tests.ingest.schedules import KeepingProxy, Schedule, Stage, schedule
from tests.support.anvil import GENESIS_AT, anvil
from tests.support.clone import clone_sqlite

SCHEDULES = 510
PASSES_MAX = 3
LIMITS = RpcLimits(
    timeout_seconds=0.2,
    connect_seconds=0.2,
    attempts=2,
    answer_bytes_max=200_000,
    retry_wait_seconds=0.001,
    retry_wait_seconds_max=0.002,
    total_seconds=1,
)
PATIENT = replace(LIMITS, timeout_seconds=20, connect_seconds=20, total_seconds=60)


@contextmanager
def keeping(node: DevNode) -> Iterator[KeepingProxy]:
    proxy = KeepingProxy(node)
    proxy.listen()
    try:
        yield proxy
    finally:
        proxy.stopped.set()
        proxy.go_down()


@pytest.fixture(scope="module")
def the_stage(module_node: DevNode) -> Iterator[Stage]:
    """A week of payments and others, in some forty blocks, some of them in one second."""
    token = stage(module_node)
    _, creditor, debtor, stranger, *_ = module_node.accounts()
    chance = random.Random("the chain")
    pairs = [(debtor, creditor), (creditor, debtor), (stranger, creditor), (debtor, stranger)]
    module_node.mine(1, seconds_apart=DAY)
    for number in range(16):
        at = module_node.block().time + chance.choice([0, 1, DAY // 4])
        sender, to = chance.choice(pairs)
        token.transfer(sender=sender, to=to, units=1 + number, at=at)
        module_node.mine(chance.randrange(2), seconds_apart=chance.choice([0, 60]))
    module_node.mine(4, seconds_apart=600)
    with ExitStack() as stack:
        other = stack.enter_context(anvil(timestamp=GENESIS_AT + 5))
        other.mine(80, seconds_apart=DAY // 8)
        proxies = tuple(stack.enter_context(keeping(module_node)) for _ in range(3))
        for proxy in proxies[1:]:
            proxy.kept = proxies[0].kept
        yield Stage(token=token, other=KeepingProxy(other), proxies=proxies)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """A ledger as it was before any schedule: chain, asset, parties and debt, and nothing read."""

    scene: Scene
    debt: Debt
    file: Path

    def restore(self) -> None:
        self.scene.engine.dispose()
        target = Path(str(self.scene.engine.url.database))
        for left in target.parent.iterdir():
            left.unlink()
        shutil.copyfile(self.file, target)


@pytest.fixture(scope="module")
def ledger(
    the_stage: Stage, sqlite_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ledger]:
    """Set up once: each schedule begins with a copy of the file."""
    folder = tmp_path_factory.mktemp("schedules")
    engine = make_engine(clone_sqlite(sqlite_template, folder=folder))
    scene = open_scene(engine, the_stage.node, token=the_stage.token)
    debt = scene.record_debt()
    engine.dispose()
    kept = tmp_path_factory.mktemp("kept") / "ledger.db"
    shutil.copyfile(str(engine.url.database), kept)
    yield Ledger(scene=scene, debt=debt, file=kept)
    engine.dispose()


def begin(ledger: Ledger, the_stage: Stage, drawn: Schedule) -> tuple[Scene, Scene]:
    """The ledger in front of the schedule's nodes: as impatient as in it, and as patient as after it."""
    ledger.restore()
    urls = [proxy.url for proxy in the_stage.proxies[: len(drawn.actors)]]
    known = ledger.scene.through(*urls, limits=LIMITS, agreement=drawn.agreement, permille=drawn.permille)
    if drawn.is_known:
        # As after any earlier pass; else a node that alters every header from the first day on is believed.
        with known.engine.begin() as connection:
            set_hashable(connection, chain_id=known.chain.id, hashable=True)
    return known, replace(known, outside=replace(known.outside, limits=PATIENT))


def unproven(scene: Scene) -> bool:
    """Whether the coverage says of some range that its blocks rest on a node's word."""
    with reading(scene.engine) as connection:
        rows = coverage_of(connection, chain_id=scene.chain.id, addresses=[scene.creditor])
    return any(NOT_HASHED in row.limits for row in rows[scene.creditor])


@pytest.mark.parametrize("seed", range(SCHEDULES))
def test_the_store_is_the_chain_or_says_what_it_lacks(seed: int, the_stage: Stage, ledger: Ledger) -> None:
    drawn = schedule(seed, the_stage)
    scene, patient = begin(ledger, the_stage, drawn)
    node, debt = the_stage.node, ledger.debt
    first, final = first_of_window(node), node.block("finalized").number
    for _ in range(PASSES_MAX):
        drawn.begin_pass()
        scene.follow()
        if unproven(scene):
            break
        demand_truth(scene)
        demand_honest(scene, debt)
        demand_no_blind_spot(scene, debt, first=first, last=final - 1)
    for proxy in the_stage.proxies:
        proxy.heal()
    healed = patient.follow()
    if unproven(scene):
        assert not drawn.is_known
        return
    assert healed.failure is None
    assert stored(scene.engine) == truth(node, scene.parties, first=first)
    assert demand_honest(patient, debt).result is Result.PARTIAL
    demand_no_blind_spot(patient, debt, first=first, last=final - 1)
    demand_head(scene, final=final)


def demand_head(scene: Scene, *, final: int) -> None:
    """What is shown provisionally is what the chain has above its final block."""
    with reading(scene.engine) as connection:
        found = provisional_transfers(
            connection,
            chain_id=scene.chain.id,
            address=scene.creditor,
            blocks=Blocks(0, 2**40),
            limit=100,
        )
    true = truth(scene.node, [scene.creditor], first=final + 1, last="latest")
    assert [each.tx_hash for each in found] == [each.tx_hash for each in sorted(true)]
