"""Each defence of the reading, switched off alone: then a directed lie is believed; with it, it is not.

So none of them is idle, and none is covered by another. docs/reading.md names the same ones.
"""

from __future__ import annotations

from collections.abc import Generator

import pytest

from chains.devnode import DevNode
from tests.ingest import attacks, log_attacks
from tests.ingest.attacks import Attack, Lie, SwitchOff
from tests.ingest.conftest import Proxies
from tests.ingest.scene import DAY, Scene
from tests.support.anvil import GENESIS_AT, anvil


@pytest.fixture(scope="module")
def other_chain(anvil_path: object) -> Generator[DevNode]:
    """Longer than the scene's chain, with the same accounts and nothing on it."""
    with anvil(timestamp=GENESIS_AT + 5) as started:
        started.mine(140, seconds_apart=DAY // 8)
        yield started


DEFENCES: dict[str, tuple[Lie, SwitchOff]] = {
    "chain id": (attacks.another_chain, attacks.without_chain_id),
    "recorded chain": (attacks.a_chain_that_was_replaced, attacks.without_record),
    "final block asked again": (attacks.a_chain_that_is_replaced_meanwhile, attacks.without_final_again),
    "hashes of headers": (attacks.a_time_that_fits, attacks.without_hashes),
    "order of times": (attacks.a_time_beyond_the_next, attacks.without_order),
    "hashed start of the window": (attacks.a_start_that_is_moved, attacks.without_hashed_start),
    "block hash of logs": (log_attacks.logs_of_another_block, log_attacks.without_told),
    "removed logs": (log_attacks.removed_logs, log_attacks.gullible("removed")),
    "range of logs": (log_attacks.logs_that_are_not_final, log_attacks.gullible("range")),
    "an error is no empty answer": (log_attacks.an_error_for_logs, log_attacks.gullible("errors")),
    "the record": (log_attacks.logs_that_the_record_knows, log_attacks.without_contradiction),
    "agreement": (log_attacks.one_of_two_hides, log_attacks.without_votes),
    "witnesses have the block": (log_attacks.silence_of_one_that_fell_behind, log_attacks.without_witness),
    "receipts": (log_attacks.one_node_hides, log_attacks.without_receipts),
    "headers of one chain": (log_attacks.receipts_of_another_chain, log_attacks.without_linked_headers),
    "caught nodes": (log_attacks.one_that_was_caught_before, log_attacks.without_memory),
    "size limit": (log_attacks.too_much, log_attacks.without_limit),
}


@pytest.fixture
def attack(sqlite_scene: Scene, proxies: Proxies, other_chain: DevNode) -> Attack:
    return Attack(scene=sqlite_scene, proxies=(proxies(), proxies()), other=other_chain)


@pytest.mark.parametrize("name", DEFENCES)
def test_with_it_the_lie_is_not_believed(attack: Attack, name: str) -> None:
    lie, _ = DEFENCES[name]
    assert not lie(attack)


@pytest.mark.parametrize("name", DEFENCES)
def test_without_it_the_lie_is_believed(attack: Attack, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lie, switch_off = DEFENCES[name]
    switch_off(monkeypatch)
    assert lie(attack)
