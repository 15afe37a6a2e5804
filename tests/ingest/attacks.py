"""Directed lies about who a node is and about blocks, and how the check that finds each is switched off.

An attack says whether something false was believed in the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pytest

from app.assessment.values import Result
from app.ingest.hashed import TrustedBlocks
from chains.devnode import DevNode
from chains.evm.client import EvmClient
from tests.ingest import lies
from tests.ingest.judge import demand_truth
from tests.ingest.lies import unhashed
from tests.ingest.scene import AGREED_AT, DAY, Scene, first_of_window, stored, truth
from tests.support import faulty_proxy as faults
from tests.support.faulty_proxy import Exchange, Fault, FaultyProxy

OTHER_HASH = "0x" + "cd" * 32
FOREIGN = "0x" + "77" * 20
Patch = pytest.MonkeyPatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """A ledger, two proxies before the true node, and a node of another chain."""

    scene: Scene
    proxies: tuple[FaultyProxy, FaultyProxy]
    other: DevNode

    def through_one(self, *, permille: int = 0) -> Scene:
        return self.scene.through(self.proxies[0].url, permille=permille)

    def through_both(self) -> Scene:
        return self.scene.through(*(each.url for each in self.proxies), agreement=2)

    def play(self) -> None:
        """A debt, and three payments in the window, a day apart."""
        self.scene.record_debt()
        for day, units in ((1, 1), (2, 2), (3, 4)):
            self.scene.pay(units, at=AGREED_AT + day * DAY)
            self.scene.bury(2)
        self.scene.bury(2)

    def is_believed(self) -> bool:
        """Whether something false is on record, or something is said to be read that is not there."""
        try:
            demand_truth(self.scene)
        except AssertionError:
            return True
        final = self.scene.node.block("finalized").number
        return any(each.block_number > final for each in stored(self.scene.engine))


Lie = Callable[[Attack], bool]
SwitchOff = Callable[[Patch], None]


def nothing(*_: object) -> None:
    """In place of a check."""


# -- who the node is, and which chain it is on


def another_chain(attack: Attack) -> bool:
    """A node of another chain from the first question on, which hides nothing and hashes well."""
    scene = attack.through_one()
    attack.play()
    attack.proxies[0].fail(lies.answered_by(attack.other))
    scene.follow()
    return attack.is_believed()


def without_chain_id(patch: Patch) -> None:
    patch.setattr(EvmClient, "check_chain", nothing)


def all_but_chain_id(other: DevNode) -> Fault:
    elsewhere = lies.answered_by(other)
    return lambda each: (faults.pass_on if b"eth_chainId" in each.request else elsewhere)(each)


def a_chain_that_was_replaced(attack: Attack) -> bool:
    """It says the right chain id, and what it tells from now on adjoins nothing that is on record."""
    scene = attack.through_one()
    attack.play()
    scene.follow()
    attack.proxies[0].fail(all_but_chain_id(attack.other))
    replace(scene, chain=replace(scene.chain, start_block=80)).follow()
    # So far does the true chain have to reach to be compared with.
    attack.scene.node.mine(130, seconds_apart=60)
    return attack.is_believed()


def without_record(patch: Patch) -> None:
    patch.setattr("app.ingest.panel.demand_recorded_chain", lambda **_: None)


def a_chain_that_is_replaced_meanwhile(attack: Attack) -> bool:
    """From the first question about logs on, all comes from another chain."""
    scene = attack.through_one()
    attack.play()
    attack.scene.node.mine(90, seconds_apart=3600)
    state = {"turned": False}

    def turning(exchange: Exchange) -> None:
        state["turned"] |= b"eth_getLogs" in exchange.request
        (lies.answered_by(attack.other) if state["turned"] else faults.pass_on)(exchange)

    attack.proxies[0].fail(turning)
    replace(scene, chain=replace(scene.chain, start_block=60)).follow()
    return attack.is_believed()


def without_final_again(patch: Patch) -> None:
    patch.setattr("app.ingest.answer.demand_one_chain", nothing)


# -- what it says of blocks


def paid_in(attack: Attack) -> list[int]:
    first = first_of_window(attack.scene.node)
    return sorted(each.block_number for each in truth(attack.scene.node, attack.scene.parties, first=first))


def without_times_in_logs(fault: Fault) -> Fault:
    """Some nodes tell a block's time with its logs, too; one that lies about it says nothing there."""
    bare = lies.logs_changed(
        lambda logs: [{name: log[name] for name in log if name != "blockTimestamp"} for log in logs]
    )
    return lambda exchange: (bare if b"eth_getLogs" in exchange.request else fault)(exchange)


def a_time_that_fits(attack: Attack) -> bool:
    """A minute later than it was, which no neighbour contradicts: after the due time, perhaps."""
    scene = attack.through_one()
    attack.play()
    shifted = lies.shifted_time({paid_in(attack)[1]}, seconds=60)
    attack.proxies[0].fail(without_times_in_logs(shifted))
    scene.follow()
    return attack.is_believed()


def without_hashes(patch: Patch) -> None:
    def believing(client: EvmClient, numbers: Sequence[int], *, hashable: bool) -> TrustedBlocks:
        return TrustedBlocks(blocks=client.blocks(numbers), hashed=hashable)

    patch.setattr("app.ingest.answer.hashed_blocks", believing)


def a_time_beyond_the_next(attack: Attack) -> bool:
    """In headers that nobody can hash, so that the times have nothing but each other."""
    scene = attack.through_one()
    attack.play()
    shifted = lies.shifted_time({paid_in(attack)[1]}, seconds=400 * DAY)
    attack.proxies[0].fail(without_times_in_logs(unhashed(shifted)))
    scene.follow()
    return attack.is_believed()


def without_order(patch: Patch) -> None:
    patch.setattr("app.ingest.order._demand_order", nothing)


def a_start_that_is_moved(attack: Attack) -> bool:
    """The first blocks of the window say that they are older than the agreement: what they hold is lost."""
    scene = attack.through_one()
    debt = attack.scene.record_debt()
    attack.scene.pay(9, at=AGREED_AT)
    attack.scene.bury(8)
    first = first_of_window(attack.scene.node)
    older = lies.same_time(set(range(first, first + 3)), at=AGREED_AT - 1)
    attack.proxies[0].fail(older)
    scene.follow()
    found = scene.assess(debt)
    return found.result is Result.NONE_FOUND_IN_SCOPE


def without_hashed_start(patch: Patch) -> None:
    def believing(client: EvmClient, numbers: Sequence[int], *, hashable: bool) -> TrustedBlocks:
        return TrustedBlocks(blocks=client.blocks(numbers), hashed=hashable)

    patch.setattr("app.ingest.locate.hashed_blocks", believing)
