"""The demo, played once for the journeys; and a loan beside its chain, from which tests of sealing start."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from app.db import make_engine, upgrade
from app.debts.terms import Debt
from chains.devnode import DevNode
from tests.ingest.scene import AGREED_AT, DAY, UNIT, Scene, open_scene
from tests.journeys.played import Played, played_demo
from tests.journeys.sealer import Sealer
from tests.support.clone import clone_sqlite
from tests.support.faulty_proxy import FaultyProxy, faulty_proxy


@pytest.fixture(scope="session")
def played(anvil_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Played:
    return played_demo(anvil=anvil_path, base=tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, module_node: DevNode) -> tuple[str, Scene, Debt]:
    """The loan is played and read once for the file; each test seals from a copy of the database."""
    url = f"sqlite:///{tmp_path_factory.mktemp('sealing') / 'quittance.db'}"
    upgrade(url)
    engine = make_engine(url)
    scene = open_scene(engine, module_node)
    debt = scene.record_debt()
    scene.token.transfer(sender=scene.creditor, to=scene.debtor, units=9_000 * UNIT, at=AGREED_AT + 60)
    scene.pay(3_000 * UNIT, at=AGREED_AT + 5 * DAY)
    scene.pay(2_000 * UNIT, at=AGREED_AT + 12 * DAY, sender=scene.stranger)
    module_node.set_next_block_time(AGREED_AT + 31 * DAY)
    module_node.call("evm_mine")
    scene.bury(6)
    assert scene.follow().failure is None
    engine.dispose()
    return url, scene, debt


@pytest.fixture
def engine(template: tuple[str, Scene, Debt], tmp_path: Path) -> Iterator[Engine]:
    engine = make_engine(clone_sqlite(template[0], folder=tmp_path))
    yield engine
    engine.dispose()


@pytest.fixture
def sealer(template: tuple[str, Scene, Debt], engine: Engine, tmp_path: Path) -> Sealer:
    _, scene, debt = template
    return Sealer(scene=replace(scene, engine=engine), debt=debt, folder=tmp_path / "evidence")


@pytest.fixture
def proxy(module_node: DevNode) -> Iterator[FaultyProxy]:
    with faulty_proxy(module_node) as started:
        yield started


@pytest.fixture
def second(module_node: DevNode) -> Iterator[FaultyProxy]:
    with faulty_proxy(module_node) as started:
        yield started
