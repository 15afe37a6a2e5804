"""Finding the blocks in which an account's balance or nonce changed, by asking for them at few heights: pure.

It needs no trace, only old states. What it can see, and what it cannot:

- An account *without code* can give coins away only by a transaction of its own, which raises its nonce. So
  where the nonce is the same at two heights, coins can only have come in between, and where the balance is
  the same too, none did: for such accounts the search is exact, block by block.
- An account *with code* (a contract, or one that delegates to a contract, EIP-7702) gives coins away while
  its nonce stands still. What came in and went out again between two probes is not seen. Its range is cut
  into `GRID` parts first, so that it has to be the same in each of them, and `Changes.exact` is False.
- Code that was set and cleared again inside of the range leaves none at its ends. Both raise the nonce
  (EIP-7702; a creation sets it), so that the caller has to look for code after every change of the nonce.
  One case is left: a contract made at a known address (CREATE2) which destroys itself in the same
  transaction leaves neither code nor nonce, only the balance that it took along.
- Inside of one block only the sum of what happened is seen. In-block changes that cancel out, and the
  nonce unchanged, look like a block without any.

It knows no node: the caller answers batches of questions.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from chains.errors import ChainError
from chains.types import Address

# Parts that the range of an account with code is cut into.
GRID = 64


class TooManyChanges(ChainError):
    """The range holds more changes than may be asked for at once; a shorter one holds fewer."""

    def __init__(self, *, probes_max: int) -> None:
        super().__init__(f"finding the blocks of all changes takes more than {probes_max} questions")
        self.probes_max = probes_max


@dataclass(frozen=True, slots=True, order=True)
class Probe:
    """A question: the state of an account after a block."""

    account: Address
    block_number: int


@dataclass(frozen=True, slots=True)
class AccountState:
    balance_units: int
    nonce: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A block after which an account's state is not what it was before."""

    account: Address
    block_number: int
    before: AccountState
    after: AccountState

    @property
    def balance_change_units(self) -> int:
        return self.after.balance_units - self.before.balance_units


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """All changes found, by block and account; `inexact` are the accounts of which some may be missing."""

    changes: tuple[Change, ...]
    inexact: frozenset[Address]


States = Callable[[Sequence[Probe]], Sequence[AccountState]]


def find_changes(
    *,
    accounts: Iterable[Address],
    with_code: Collection[Address],
    first_block: int,
    last_block: int,
    states: States,
    probes_max: int,
) -> Changes:
    """Every block of first_block … last_block that changed an account, as far as that can be seen.

    `states` answers many probes at once, in their order; it is asked at most once for each, a level of all
    accounts' searches at a time. Block 0 has none before it: what it gave to whom, nobody sent. Raises
    TooManyChanges before it asks for more than `probes_max`.
    """
    search = _Search(states, probes_max=probes_max)
    wanted = sorted(set(accounts))
    start = max(first_block - 1, 0)
    parts = {each: _grid(start, last_block, GRID if each in with_code else 1) for each in wanted}
    search.ask(Probe(each, number) for each in wanted for number in parts[each])
    waiting = [
        (each, low, high)
        for each in wanted
        for low, high in zip(parts[each], parts[each][1:], strict=False)
        if search.differs(each, low, high)
    ]
    found = search.narrow(waiting)
    return Changes(
        changes=tuple(sorted(found, key=lambda change: (change.block_number, change.account))),
        inexact=frozenset(wanted) & frozenset(with_code),
    )


def _grid(low: int, high: int, parts: int) -> list[int]:
    span = high - low
    return sorted({low + span * step // parts for step in range(parts + 1)})


_Interval = tuple[Address, int, int]


class _Search:
    """The states known so far, and the narrowing of intervals whose ends differ."""

    def __init__(self, states: States, *, probes_max: int) -> None:
        self._states = states
        self._left = self._most = probes_max
        self._known: dict[Probe, AccountState] = {}

    def ask(self, probes: Iterable[Probe]) -> None:
        new = sorted(set(probes) - self._known.keys())
        if len(new) > self._left:
            raise TooManyChanges(probes_max=self._most)
        self._left -= len(new)
        if new:
            self._known.update(zip(new, self._states(new), strict=True))

    def differs(self, account: Address, low: int, high: int) -> bool:
        return self._known[Probe(account, low)] != self._known[Probe(account, high)]

    def narrow(self, waiting: list[_Interval]) -> list[Change]:
        """Halve all intervals together until each is one block wide: at most 63 turns."""
        found: list[Change] = []
        while waiting:
            found += [self._change(*each) for each in waiting if each[2] - each[1] == 1]
            wide = [(each, low, high, (low + high) // 2) for each, low, high in waiting if high - low > 1]
            self.ask(Probe(each, middle) for each, _, _, middle in wide)
            halves = [
                half
                for each, low, high, middle in wide
                for half in ((each, low, middle), (each, middle, high))
            ]
            waiting = [half for half in halves if self.differs(*half)]
        return found

    def _change(self, account: Address, low: int, high: int) -> Change:
        return Change(
            account=account,
            block_number=high,
            before=self._known[Probe(account, low)],
            after=self._known[Probe(account, high)],
        )
