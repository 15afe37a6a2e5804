"""Bisection against simulated histories of balances: exact without code, honest with it, never unbounded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.evm.bisection import GRID, AccountState, Change, Changes, Probe, TooManyChanges, find_changes
from chains.types import Address

ONE, TWO = Address(b"\x11" * 20), Address(b"\x22" * 20)
BLOCKS_MAX = 300
# What happens to an account in a block: coins come in, and it may send some itself.
EVENTS = st.dictionaries(
    st.integers(1, BLOCKS_MAX),
    st.tuples(st.integers(0, 3), st.integers(0, 3)).filter(any),
    max_size=40,
)


@dataclass(slots=True)
class History:
    """The state of accounts after each block, and the questions asked about them."""

    states: dict[Address, list[AccountState]]
    asked: list[Probe] = field(default_factory=list)
    rounds: int = 0

    def answer(self, probes: Sequence[Probe]) -> list[AccountState]:
        self.rounds += 1
        self.asked += probes
        return [self.states[probe.account][probe.block_number] for probe in probes]

    def changed(self, account: Address, *, first: int, last: int) -> list[int]:
        states = self.states[account]
        return [n for n in range(max(first, 1), last + 1) if states[n] != states[n - 1]]


def without_code(events: dict[int, tuple[int, int]], *, blocks: int = BLOCKS_MAX) -> list[AccountState]:
    """Outflows move the nonce: the account signs each of them. 1,000 at first, so that it can pay."""
    balance, nonce = 1_000, 0
    states = [AccountState(balance, nonce)]
    for number in range(1, blocks + 1):
        came, sent = events.get(number, (0, 0))
        balance += came - sent
        nonce += 1 if sent else 0
        states.append(AccountState(balance, nonce))
    return states


def search(
    history: History, *, first: int, last: int, with_code: frozenset[Address] = frozenset()
) -> Changes:
    return find_changes(
        accounts=history.states,
        with_code=with_code,
        first_block=first,
        last_block=last,
        states=history.answer,
        probes_max=10_000,
    )


def blocks_of(changes: Sequence[Change], account: Address) -> list[int]:
    return [change.block_number for change in changes if change.account == account]


@given(one=EVENTS, two=EVENTS, ends=st.tuples(st.integers(0, BLOCKS_MAX), st.integers(0, BLOCKS_MAX)))
def test_without_code_every_changed_block_is_found(
    one: dict[int, tuple[int, int]], two: dict[int, tuple[int, int]], ends: tuple[int, int]
) -> None:
    first, last = sorted(ends)
    history = History({ONE: without_code(one), TWO: without_code(two)})
    found = search(history, first=first, last=last)
    for account in (ONE, TWO):
        assert blocks_of(found.changes, account) == history.changed(account, first=first, last=last)
    assert found.inexact == frozenset()
    for change in found.changes:
        states = history.states[change.account]
        assert (change.before, change.after) == (
            states[change.block_number - 1],
            states[change.block_number],
        )
    # Nothing is asked twice, and nothing outside of the range.
    assert len(history.asked) == len(set(history.asked))
    assert all(max(first - 1, 0) <= probe.block_number <= last for probe in history.asked)


@given(events=EVENTS)
def test_questions_are_bounded_by_the_changes(events: dict[int, tuple[int, int]]) -> None:
    history = History({ONE: without_code(events)})
    search(history, first=1, last=BLOCKS_MAX)
    changed = len(history.changed(ONE, first=1, last=BLOCKS_MAX))
    # log2(300) < 9 levels for each change, and both ends.
    assert len(history.asked) <= 2 + 9 * max(changed, 0)
    assert history.rounds <= 1 + 9


@given(balances=st.lists(st.integers(0, 2), min_size=2, max_size=200))
def test_with_code_nothing_is_invented_and_the_doubt_is_named(balances: list[int]) -> None:
    """A contract's balance may go anywhere while its nonce stands still."""
    history = History({ONE: [AccountState(balance, 1) for balance in balances]})
    last = len(balances) - 1
    found = search(history, first=1, last=last, with_code=frozenset({ONE}))
    truth = history.changed(ONE, first=1, last=last)
    assert set(blocks_of(found.changes, ONE)) <= set(truth)
    assert found.inexact == {ONE}
    if last <= GRID:
        # Every block is a part of its own.
        assert blocks_of(found.changes, ONE) == truth


def test_in_and_out_between_two_probes_is_what_a_contract_hides() -> None:
    balances = [5] * 1_000
    balances[501] = 9
    history = History({ONE: [AccountState(balance, 1) for balance in balances]})
    found = search(history, first=1, last=999, with_code=frozenset({ONE}))
    assert found.changes == ()
    assert found.inexact == {ONE}


def test_a_change_in_the_first_and_the_last_block() -> None:
    history = History({ONE: without_code({10: (1, 0), 20: (0, 1)}, blocks=20)})
    found = search(history, first=10, last=20)
    assert blocks_of(found.changes, ONE) == [10, 20]
    assert [change.balance_change_units for change in found.changes] == [1, -1]


def test_block_zero_has_nothing_before_it() -> None:
    history = History({ONE: without_code({1: (1, 0)}, blocks=1)})
    assert search(history, first=0, last=0).changes == ()
    assert blocks_of(search(history, first=0, last=1).changes, ONE) == [1]


def test_more_questions_than_allowed_are_refused_before_they_are_asked() -> None:
    events = dict.fromkeys(range(1, BLOCKS_MAX + 1), (1, 0))
    history = History({ONE: without_code(events)})
    with pytest.raises(TooManyChanges):
        find_changes(
            accounts=[ONE],
            with_code=frozenset(),
            first_block=1,
            last_block=BLOCKS_MAX,
            states=history.answer,
            probes_max=50,
        )
    assert len(history.asked) <= 50
