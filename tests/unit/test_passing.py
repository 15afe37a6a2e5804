"""Netting one transaction, and who stands behind what a contract passed on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.matching.passing import ORIGINS_MAX, Movement, Origins, net_units, origins
from chains.types import ZERO_ADDRESS, Address, AssetId
from tests.factories import CHAIN, USDX, address, asset

A, B, C, ROUTER, POOL = (address(name) for name in ("A", "B", "C", "router", "pool"))
OTHER = asset("OTHER").id
COIN = AssetId(CHAIN, None, 60)


def move(sender: Address, recipient: Address, units: int, *, of: AssetId = USDX.id, log: int = 0) -> Movement:
    return Movement(asset=of, sender=sender, recipient=recipient, amount_units=units, log_index=log)


def behind(*movements: Movement) -> Origins | None:
    """Of the last movement."""
    return origins(movements, leg=movements[-1])


def named(*accounts: Address, same_asset: bool = True) -> Origins:
    return Origins(accounts=tuple(sorted(accounts)), total=len(accounts), same_asset=same_asset)


def test_a_direct_transfer_has_no_origin() -> None:
    assert behind(move(A, C, 5)) is None
    assert behind(move(A, C, 5), move(C, C, 5)) is None
    assert behind(move(B, ROUTER, 5), move(A, C, 5)) is None, "somebody else's movement is not behind it"


def test_a_router_names_who_gave() -> None:
    assert behind(move(A, ROUTER, 5), move(ROUTER, C, 5)) == named(A)
    assert behind(move(A, B, 5), move(B, ROUTER, 5), move(ROUTER, C, 5)) == named(A)
    assert behind(move(A, ROUTER, 2), move(B, ROUTER, 3), move(ROUTER, C, 5)) == named(A, B)


def test_a_router_that_adds_its_own_is_named_too() -> None:
    assert behind(move(A, ROUTER, 2), move(ROUTER, C, 5)) == named(A, ROUTER)


def test_nothing_is_passed_on_by_nothing() -> None:
    assert behind(move(A, ROUTER, 0), move(ROUTER, C, 5)) is None
    assert behind(move(ZERO_ADDRESS, ROUTER, 5), move(ROUTER, C, 5)) is None


def test_a_gift_of_nothing_makes_no_origin() -> None:
    """Or a spoofed event of zero would put a name beside the payer's, or in his place."""
    spoof, elsewhere = move(B, ROUTER, 0), move(B, POOL, 9)
    assert behind(spoof, elsewhere, move(A, ROUTER, 5), move(ROUTER, C, 5)) == named(A)
    assert behind(spoof, elsewhere, move(ROUTER, C, 5)) is None


def test_a_swap_leads_through_other_assets() -> None:
    """Some pools pay before they are paid, so that the order says nothing."""
    paid, got = move(A, POOL, 7, of=OTHER), move(POOL, C, 5)
    assert origins([paid, got], leg=got) == named(A, same_asset=False)
    assert origins([got, paid], leg=got) == named(A, same_asset=False)
    coin = move(A, ROUTER, 9, of=COIN)
    hops = [coin, move(ROUTER, POOL, 9, of=OTHER), got]
    assert origins(hops, leg=got) == named(A, same_asset=False)


def test_a_station_of_an_exchange_is_no_origin_beside_the_giver() -> None:
    hops = [move(A, B, 3, of=OTHER), move(B, POOL, 7, of=COIN), move(POOL, C, 5)]
    assert behind(*hops) == named(A, same_asset=False)
    circle = [move(POOL, B, 1, of=OTHER), move(B, POOL, 7, of=COIN), move(POOL, C, 5)]
    assert behind(*circle) == named(B, same_asset=False), "it gained, but nobody else is left"


def test_the_own_asset_is_believed_before_any_other() -> None:
    """Events of an invented token can't put somebody else in the giver's place."""
    invented = move(B, ROUTER, 10**30, of=OTHER)
    assert behind(invented, move(A, ROUTER, 5), move(ROUTER, C, 5)) == named(A)


def test_movements_through_the_payee_are_not_followed() -> None:
    assert behind(move(B, C, 5), move(C, ROUTER, 5), move(ROUTER, C, 5)) is None


def test_many_origins_are_counted() -> None:
    givers = [move(address(f"giver {index}"), ROUTER, 1) for index in range(ORIGINS_MAX + 3)]
    found = behind(*givers, move(ROUTER, C, ORIGINS_MAX + 3))
    assert found is not None
    assert (len(found.accounts), found.total) == (ORIGINS_MAX, ORIGINS_MAX + 3)


def test_netting() -> None:
    net = net_units([move(A, ROUTER, 5), move(ROUTER, C, 5), move(ZERO_ADDRESS, C, 1, of=OTHER)])
    assert net == {A: {USDX.id: -5}, C: {USDX.id: 5, OTHER: 1}}
    assert net_units([move(A, A, 5), move(A, C, 0)]) == {}


@pytest.mark.parametrize("repeated", [1, 2])
@given(
    pairs=st.lists(
        st.tuples(st.sampled_from([A, B, C, ROUTER]), st.sampled_from([A, B, C, POOL]), st.integers(0, 9))
    )
)
def test_what_is_gained_is_lost(repeated: int, pairs: list[tuple[Address, Address, int]]) -> None:
    """Over all accounts nothing comes from nothing, and no origin is the payee or the sender's stranger."""
    movements = [move(*pair, log=index) for index, pair in enumerate(pairs)] * repeated
    net = net_units(movements)
    assert sum(units for held in net.values() for units in held.values()) == 0
    assert all(held and all(held.values()) for held in net.values())
    for leg in movements:
        found = origins(movements, leg=leg)
        if found is not None:
            assert leg.recipient not in found.accounts
            assert all(any(units < 0 for units in net[each].values()) for each in found.accounts)
