"""Sums of inflows, asset by asset: amounts in different assets are never added (pure)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.assessment.inflow_values import Inflow, Inflows
from app.assessment.inflows import asset_of
from chains.types import AssetId, Transfer


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    count: int
    units: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """One asset. `matching` and `disputed` are parts of what was `received`; `sent` left the account.

    Transfers of the account to itself are received and sent alike.
    """

    asset: AssetId
    received: Sum
    matching: Sum
    disputed: Sum
    sent: Sum


def totals(found: Inflows) -> list[Total]:
    """The most frequent asset first; assets that only left the account last."""
    sent_by: dict[AssetId, list[Transfer]] = {}
    for transfer in found.sent:
        sent_by.setdefault(asset_of(transfer), []).append(transfer)
    received_by: dict[AssetId, list[Inflow]] = {asset: [] for asset in sent_by}
    for each in found.inflows:
        received_by.setdefault(asset_of(each.transfer), []).append(each)
    rows = [
        Total(
            asset=asset,
            received=_sum(inflows, lambda _: True),
            matching=_sum(inflows, lambda each: not each.differs),
            disputed=_sum(inflows, lambda each: each.disputed),
            sent=Sum(
                count=len(sent_by.get(asset, ())),
                units=sum(one.amount_units for one in sent_by.get(asset, ())),
            ),
        )
        for asset, inflows in received_by.items()
    ]
    return sorted(rows, key=lambda row: (-row.received.count, str(row.asset)))


def _sum(inflows: Sequence[Inflow], chosen: Callable[[Inflow], bool]) -> Sum:
    units = [each.transfer.amount_units for each in inflows if chosen(each)]
    return Sum(count=len(units), units=sum(units))
