"""Random debts with what the chain records about them, and the truth that only the generator knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from app.assessment.assess import assess
from app.assessment.values import Assessment, Gap
from app.debts.terms import Basis, Debt
from app.matching.attribute import Records, attribute
from app.money import Asset
from chains.types import Address, Transfer
from tests.factories import (
    AGREED_AT,
    CREDITOR,
    DEBTOR,
    STRANGER,
    address,
    another_debt,
    asset,
    day,
    debt,
    facts,
    installments,
    look_alike,
    of_creditor,
    of_debtor,
    records,
    transfer,
)

# A busy machine is no fault of the code.
UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
AS_OF = day(40)
CLOSED = address("an account of the creditor until day 25")
SIGNED = address("an account of the debtor, signed on day 20")
CLAIMED = address("an account that the creditor calls the debtor's")
VALUED, UNKNOWN, FAKE = asset("WETH", decimals=18), asset("unknown"), asset("fake")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A transfer, and what it is truly worth to the debt in the debt's unit: 0 where it is no payment."""

    transfer: Transfer
    worth: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    book: Records
    entries: tuple[Entry, ...]
    as_of: datetime = AS_OF

    @property
    def debt(self) -> Debt:
        return self.book.debt

    @property
    def transfers(self) -> tuple[Transfer, ...]:
        return tuple(entry.transfer for entry in self.entries)

    @property
    def truly_open_units(self) -> int:
        """What was truly received is a whole number of units, rounded down once."""
        worth = sum((entry.worth for entry in self.entries), start=Fraction(0))
        return max(0, self.debt.principal_units - int(worth * 10**self.debt.asset.decimals))

    def assessed(
        self, transfers: Sequence[Transfer] | None = None, *, gaps: Sequence[Gap] = ()
    ) -> Assessment:
        chosen = self.transfers if transfers is None else transfers
        found = facts(*chosen, book=self.book, as_of=self.as_of, gaps=gaps)
        return assess(facts=found, as_of=self.as_of, known_at=self.as_of)


_OWED = [asset(decimals=places) for places in (6, 0, 2, 18)]
_ACCEPTED = [asset(f"A{places}", decimals=places) for places in (7, 0, 2, 18)]
_AMOUNTS = st.integers(1, 40) | st.integers(1, 10**24)
_PARTS = st.lists(st.tuples(st.integers(1, 50), _AMOUNTS), min_size=1, max_size=4)


def _debt(
    owed: Asset, accepted: list[Asset], parts: list[tuple[int, int]], share: int, grace_days: int, zone: str
) -> Debt:
    """`share` is the tolerance in thousandths of the principal."""
    ordered = sorted(parts)
    principal = sum(units for _, units in ordered)
    return debt(
        parts=installments(*((day(due), units) for due, units in ordered)),
        owed=owed,
        accepted=tuple(accepted),
        grace_days=grace_days,
        tolerance_units=principal * share // 1000,
        time_zone=zone,
    )


DEBTS = st.builds(
    _debt,
    st.sampled_from(_OWED),
    st.lists(st.sampled_from(_ACCEPTED), unique=True, max_size=2),
    _PARTS,
    st.sampled_from([0, 0, 0, 30, 100, 250]) | st.integers(0, 1000),
    st.sampled_from([0, 0, 3]),
    st.sampled_from(["UTC", "Europe/Berlin"]),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    """An entry before the debt is known: picks from the lists that the debt makes."""

    sender: int
    recipient: int
    token: int
    edge: int
    seconds: int
    part: int
    thousandths: int
    dust: int
    is_payment: bool
    is_dear: bool


# Weighted: most senders are the debtor, most recipients the creditor, most tokens are owed.
_SENDERS = (*(DEBTOR,) * 6, SIGNED, CLAIMED, *(STRANGER,) * 3, look_alike(DEBTOR), CREDITOR, CLOSED)
_RECIPIENTS = (*(CREDITOR,) * 12, *(CLOSED,) * 3, look_alike(CREDITOR), address("anybody"), DEBTOR)
_DRAFTS = st.builds(
    _Draft,
    sender=st.integers(0, len(_SENDERS) - 1),
    recipient=st.integers(0, len(_RECIPIENTS) - 1),
    token=st.integers(0, 13),
    edge=st.integers(0, 20),
    seconds=st.sampled_from([-1, 0, 1]) | st.integers(-3 * 86_400, 3 * 86_400),
    part=st.integers(0, 3),
    thousandths=st.sampled_from([0, 250, 500, 750, 900, 970, 1000, 1000, 1100]) | st.integers(0, 2000),
    dust=st.sampled_from([0, 0, 1, 5]) | st.integers(0, 10**12),
    is_payment=st.booleans(),
    is_dear=st.booleans(),
)


@st.composite
def books(draw: st.DrawFn, *, with_other_asset: bool = True) -> Book:
    """Most books hold several transfers: two payments tell more about a rule than none."""
    owed = draw(DEBTS)
    bindings = [
        of_creditor(),
        of_creditor(CLOSED, basis=Basis.CLAIMED, valid_until=day(25)),
        of_debtor(),
        of_debtor(SIGNED, basis=Basis.SIGNATURE, recorded_at=day(20)),
        of_debtor(CLAIMED, basis=Basis.CLAIMED),
    ]
    has_another = draw(st.integers(0, 5)) == 5
    others = [another_debt(owed.assets[-1], agreed_at=day(10))] if has_another else []
    book = records(
        owed, bindings=bindings, other_debts=others, registered=[VALUED], symbols={FAKE.id: owed.asset.symbol}
    )
    # Another asset that is worth something makes every lower bound 0, so that few books have one.
    rest = [VALUED, UNKNOWN, FAKE] if with_other_asset and draw(st.integers(0, 3)) == 3 else [UNKNOWN, FAKE]
    drafts = draw(st.lists(_DRAFTS, max_size=2) | st.lists(_DRAFTS, min_size=4, max_size=9))
    entries = [_entry(draft, book, rest=rest, log_index=index) for index, draft in enumerate(drafts)]
    return Book(book=book, entries=tuple(entries))


def _entry(draft: _Draft, book: Records, *, rest: Sequence[Asset], log_index: int) -> Entry:
    owed = book.debt
    tokens = [*(each for each in owed.assets for _ in range(10 // len(owed.assets))), *rest]
    token = tokens[draft.token % len(tokens)]
    part = owed.installments[draft.part % len(owed.installments)]
    exact = Fraction(
        part.amount_units * draft.thousandths * 10**token.decimals, 1000 * 10**owed.asset.decimals
    )
    units = int(exact) + (draft.dust if draft.thousandths else 0)
    sent = transfer(
        _time(draft, owed),
        units,
        sender=_SENDERS[draft.sender],
        recipient=_RECIPIENTS[draft.recipient],
        token=token,
        log_index=log_index,
    )
    if not (_is_attributed(sent, book) or (draft.is_payment and _may_pay(sent, owed))):
        return Entry(transfer=sent, worth=Fraction(0))
    face = Fraction(units, 10**token.decimals)
    return Entry(transfer=sent, worth=face * 1000 if token == VALUED and draft.is_dear else face)


def _time(draft: _Draft, owed: Debt) -> datetime:
    """Near an edge: of the window, of an account's time, of a due time; often within a second of it."""
    edges = [*(owed.last_day_of(each) for each in owed.installments), AGREED_AT, AS_OF, day(20), day(25)]
    when = edges[draft.edge % len(edges)] + timedelta(seconds=draft.seconds)
    return min(max(when, AGREED_AT), AS_OF)


def _is_attributed(sent: Transfer, book: Records) -> bool:
    """An attributed payment is taken for one: the software can't know better, and says so."""
    return bool(attribute(records=book, transfers=[sent]).payments)


def _may_pay(sent: Transfer, owed: Debt) -> bool:
    """An inflow in an asset with a value, from outside, to an account that was the creditor's then."""
    in_time = sent.recipient == CREDITOR or sent.block.time <= int(day(25).timestamp())
    own: set[Address] = {CREDITOR} | ({CLOSED} if sent.block.time <= int(day(25).timestamp()) else set())
    has_value = sent.asset in {each.id for each in (*owed.assets, VALUED)}
    return sent.recipient in {CREDITOR, CLOSED} and in_time and sent.sender not in own and has_value
