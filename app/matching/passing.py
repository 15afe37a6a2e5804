"""One transaction's movements, netted per account, and who stands behind one that was passed on (pure).

A router, a disperser or a swap receives from one account and pays another in the same transaction. The
event that reaches the payee then names the contract; the movements before it lead back to the payer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chains.types import ZERO_ADDRESS, Address, AssetId

ORIGINS_MAX = 10

Net = dict[Address, dict[AssetId, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """One asset from one account to another. `log_index` is None for the native coin, moved by a call."""

    asset: AssetId
    sender: Address
    recipient: Address
    amount_units: int
    log_index: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Origins:
    """The accounts that gave what a movement passed on. `total` counts those that are not listed, too.

    `same_asset` False: something was exchanged on the way, so that other contracts' events are relied on.
    """

    accounts: tuple[Address, ...]
    total: int
    same_asset: bool


def net_units(movements: Iterable[Movement]) -> Net:
    """What each account gained (or lost) of each asset. What comes out as nothing is left out.

    The zero address is nobody: what comes from it was created, and what goes to it destroyed.
    """
    net: Net = {}
    for each in movements:
        for account, units in ((each.sender, -each.amount_units), (each.recipient, each.amount_units)):
            if account != ZERO_ADDRESS:
                held = net.setdefault(account, {})
                held[each.asset] = held.get(each.asset, 0) + units
    kept = {
        account: {asset: units for asset, units in held.items() if units} for account, held in net.items()
    }
    return {account: held for account, held in kept.items() if held}


def origins(movements: Sequence[Movement], *, leg: Movement) -> Origins | None:
    """Who gave what the sender of `leg` passed on within the same transaction; None if nobody did.

    Movements of the leg's own asset are followed first: another contract's events could be anybody's
    invention, and are believed only where these lead nowhere.
    """
    if leg.sender == leg.recipient:
        return None
    for same_asset in (True, False):
        followed = [each for each in movements if each.asset == leg.asset or not same_asset]
        found = _givers(followed, leg=leg, same_asset=same_asset)
        if found:
            listed = tuple(sorted(found))[:ORIGINS_MAX]
            return Origins(accounts=listed, total=len(found), same_asset=same_asset)
    return None


def _givers(movements: Sequence[Movement], *, leg: Movement, same_asset: bool) -> set[Address]:
    behind = _behind(movements, leg=leg)
    if not behind:
        return set()
    net = net_units(movements)
    losers = {account for account in behind if any(units < 0 for units in net.get(account, {}).values())}
    # Whoever also gained is a station of an exchange, unless nobody else is left.
    givers = {account for account in losers if all(units < 0 for units in net[account].values())} or losers
    if givers and same_asset and net.get(leg.sender, {}).get(leg.asset, 0) < 0:
        # It gave more than it received: a part of it was its own.
        givers.add(leg.sender)
    return givers


def _behind(movements: Sequence[Movement], *, leg: Movement) -> set[Address]:
    """Every account from which movements lead to the leg's sender, whatever their order: pools pay first."""
    givers_of: dict[Address, set[Address]] = {}
    for each in movements:
        if each.amount_units:
            givers_of.setdefault(each.recipient, set()).add(each.sender)
    seen = {leg.sender, leg.recipient, ZERO_ADDRESS}
    left = [leg.sender]
    found: set[Address] = set()
    while left:
        for giver in givers_of.get(left.pop(), set()) - seen:
            seen.add(giver)
            found.add(giver)
            left.append(giver)
    return found
