"""What must hold whatever a node did: the store against the chain, the assessment against both."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from app.assessment.values import Assessment, Result
from app.clock import to_unix_seconds
from app.db import reading
from app.debts.terms import Debt
from app.ingest.model import block
from app.ingest.ranges import Blocks
from chains.types import Address
from tests.ingest.scene import AGREED_AT, Moved, Scene, block_of, blocks_of, covered, stored, truth


def demand_truth(scene: Scene, *, accounts: Collection[Address] = ()) -> None:
    """Nothing false is on record, and what is said to be read is there whole."""
    watched = accounts or scene.parties
    true = truth(scene.node, watched, last="latest")
    held = stored(scene.engine)
    assert held <= true
    for account in watched:
        of_account = {each for each in true if account in (each.sender, each.recipient)}
        assert within(of_account, covered(scene.engine, account)) <= held
    with reading(scene.engine) as connection:
        rows = connection.execute(sa.select(block.c.number, block.c.hash, block.c.time)).all()
    for row, at in zip(rows, blocks_of(scene.node, [row.number for row in rows]), strict=True):
        assert (row.hash, row.time) == (at.hash, at.time)


def within(moved: Collection[Moved], parts: Collection[Blocks]) -> set[Moved]:
    return {each for each in moved if any(part.first <= each.block_number <= part.last for part in parts)}


def demand_honest(scene: Scene, debt: Debt, *, as_of: int | None = None) -> Assessment:
    """UNDETERMINED, or what the chain says up to that time. The debt is larger than all that is paid."""
    found = scene.assess(debt, as_of=as_of)
    if found.result is Result.UNDETERMINED:
        assert any(row.gaps for row in found.facts.scope)
        return found
    end = to_unix_seconds(found.as_of)
    inflows = [
        each
        for each in truth(scene.node, [scene.creditor], last="latest")
        if AGREED_AT <= each.block_time <= end and each.recipient == scene.creditor
    ]
    paid = [each for each in inflows if each.sender == scene.debtor and each.contract == scene.token.address]
    assert sum(payment.units for payment in found.attribution.payments) == sum(
        each.amount_units for each in paid
    )
    assert len(found.attribution.candidates) == len(inflows) - len(paid)
    assert found.result is (Result.PARTIAL if paid else Result.NONE_FOUND_IN_SCOPE)
    return found


def demand_no_blind_spot(scene: Scene, debt: Debt, *, first: int, last: int) -> None:
    """Of the window `first` to `last`, each block was read for the creditor or lies in a named gap."""
    as_of = block_of(scene.node, last + 1).time - 1
    (row,) = scene.assess(debt, as_of=as_of).facts.scope
    read = {
        number
        for part in covered(scene.engine, scene.creditor)
        for number in range(part.first, part.last + 1)
    }
    missing: set[int] = set()
    for gap in row.gaps:
        start = first if gap.first_block is None else gap.first_block
        end = last if gap.last_block is None else gap.last_block
        missing |= set(range(start, end + 1))
    assert set(range(first, last + 1)) <= read | missing
    if not row.gaps:
        assert row.first is not None
        assert row.last is not None
        assert (row.first.number, row.last.number) == (first, last)
