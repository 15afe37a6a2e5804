"""A debt that may be paid on two chains: one bundle, and an anchor for each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.clock import from_unix_seconds
from app.db import make_engine, upgrade
from app.debts.recording import NewDebt, NewInstallment, record_debt
from app.evidence.store import Evidence
from app.ingest.registry import NewChain, register_asset, store_chain
from app.verifier.anchor import Anchor
from app.verifier.verdict import ACCEPTED, CONDITIONAL, REJECTED
from app.verifier.verify import verify
from chains.devnode import DevNode
from tests.ingest.scene import AGREED_AT, DAY, LIMITS, UNIT, Scene, egress, open_scene, stage
from tests.journeys.sealer import Sealer, everything_in
from tests.support.anvil import anvil
from tests.support.token import Token


@pytest.fixture(scope="module")
def other_node(anvil_path: Path) -> Iterator[DevNode]:
    with anvil() as started:
        yield started


def on_both(scene: Scene, other: DevNode) -> tuple[Scene, Token]:
    """The second chain with its own token, and an account of each party on it."""
    token = stage(other)
    outside = replace(scene.outside, egress=egress([scene.node.url, other.url]), limits=LIMITS)
    scene = replace(scene, outside=outside)
    chain = replace(scene.chain, id=other.chain, name="Other chain")
    with scene.engine.begin() as connection:
        store_chain(connection, new=NewChain(chain=chain, rpc_urls=(other.url,)), now=scene.clock())
    register_asset(engine=scene.engine, asset_id=token.asset, outside=scene.outside, now=scene.clock())
    beyond = replace(scene, node=other, chain=chain)
    beyond.bind(other.accounts()[1], party_id=scene.creditor_id)
    beyond.bind(other.accounts()[2], party_id=scene.debtor_id)
    return scene, token


@pytest.fixture(scope="module")
def sealed(
    tmp_path_factory: pytest.TempPathFactory, module_node: DevNode, other_node: DevNode
) -> Iterator[Evidence]:
    folder = tmp_path_factory.mktemp("two-chains")
    url = f"sqlite:///{folder / 'quittance.db'}"
    upgrade(url)
    engine = make_engine(url)
    scene, token = on_both(open_scene(engine, module_node), other_node)
    with engine.begin() as connection:
        debt = record_debt(
            connection,
            actor=scene.actor,
            new=NewDebt(
                reference="LOAN-2",
                creditor_id=scene.creditor_id,
                debtor_id=scene.debtor_id,
                kind="loan",
                asset=scene.token.asset,
                accepted_assets=(token.asset,),
                principal="9000",
                agreed_at=from_unix_seconds(AGREED_AT),
                time_zone="Europe/Berlin",
                installments=(NewInstallment(amount="9000", due_at=from_unix_seconds(AGREED_AT + 10 * DAY)),),
            ),
            now=scene.clock(),
        )
    scene.pay(3_000 * UNIT, at=AGREED_AT + 5 * DAY)
    token.transfer(
        sender=other_node.accounts()[2],
        to=other_node.accounts()[1],
        units=1_000 * UNIT,
        at=AGREED_AT + 6 * DAY,
    )
    for node in (module_node, other_node):
        node.set_next_block_time(AGREED_AT + 11 * DAY)
        node.call("evm_mine")
        node.mine(6, seconds_apart=3600)
    for each in (scene, replace(scene, node=other_node, chain=replace(scene.chain, id=other_node.chain))):
        assert each.follow().failure is None
    yield Sealer(scene=scene, debt=debt, folder=folder / "evidence").sealed()
    engine.dispose()


def anchors_of(row: Evidence) -> tuple[Anchor, ...]:
    return tuple(map(Anchor.parse, (row.anchor or "").split(",")))


def test_both_chains_are_counted(sealed: Evidence) -> None:
    assert (sealed.result, sealed.timing) == ("PARTIAL", "OVERDUE")
    assert sealed.path is not None
    case = sealed.path.with_name("case.json")
    verdict = verify(bundle=sealed.path, case=case, anchors=anchors_of(sealed))
    assert verdict.exit_code == ACCEPTED, verdict.reason
    assert verdict.facts["applied"] == "4000"
    assert "Test chain" in verdict.facts["scope_sentence"]
    assert "Other chain" in verdict.facts["scope_sentence"]
    assert len(verdict.facts["claims"]) == 2


def test_each_anchor_has_to_be_typed(sealed: Evidence) -> None:
    assert sealed.path is not None
    case = sealed.path.with_name("case.json")
    one, two = anchors_of(sealed)
    for typed, open_one in ((one, two), (two, one)):
        verdict = verify(bundle=sealed.path, case=case, anchors=(typed,))
        assert verdict.exit_code == CONDITIONAL
        (question,) = verdict.conditions
        assert str(open_one.hash) in question
        assert "the anchor against what was typed" not in verdict.checked
    mixed = (one, Anchor(two.number + 1, two.hash))
    assert verify(bundle=sealed.path, case=case, anchors=mixed).exit_code == REJECTED


def test_verify_md_names_both(sealed: Evidence) -> None:
    one, two = anchors_of(sealed)
    everything = everything_in(sealed)
    assert f"--anchor {one} --anchor {two}".encode() in everything
