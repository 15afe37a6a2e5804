"""Allocation in due order: every unit has one place, and none is lost or made."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from app.debts.terms import Basis
from app.matching.allocate import (
    DUE_DATE_ORDER,
    PRINCIPAL,
    Allocation,
    allocate,
    fill,
    payment_reaching,
)
from app.matching.attribute import Payment
from chains.types import UINT256_MAX
from tests.books import UNTIMED
from tests.factories import day, installments, transfer

UNITS = st.one_of(st.integers(0, 30), st.integers(0, UINT256_MAX))
AMOUNTS = st.lists(st.one_of(st.integers(1, 30), st.integers(1, UINT256_MAX)), min_size=1, max_size=5)
PAID = st.lists(st.tuples(st.integers(0, 20), UNITS), max_size=8)


def payment(at: int, units: int, *, log_index: int = 0) -> Payment:
    return Payment(
        transfer=transfer(day(at), units, log_index=log_index), units=units, bases=(Basis.CONTRACT,)
    )


def paid(sums: Sequence[tuple[int, int]]) -> list[Payment]:
    return [payment(at, units, log_index=index) for index, (at, units) in enumerate(sums)]


def allocated(amounts: Sequence[int], payments: Sequence[Payment]) -> Allocation:
    parts = installments(*((day(30 + index), units) for index, units in enumerate(amounts)))
    return allocate(installments=parts, payments=payments)


@UNTIMED
@given(amounts=AMOUNTS, sums=PAID)
def test_no_unit_is_lost_or_made(amounts: list[int], sums: list[tuple[int, int]]) -> None:
    payments = paid(sums)
    allocation = allocated(amounts, payments)
    received = sum(units for _, units in sums)
    assert allocation.applied_units + allocation.unapplied_units == received
    assert allocation.applied_units == min(received, sum(amounts))
    assert all(line.units > 0 for line in allocation.lines)
    for each in payments:
        lines = allocation.by_payment().get(each.transfer.id, [])
        assert sum(line.units for line in lines) <= each.units
        assert all(line.payment == each for line in lines)
    applied = allocation.by_installment()
    assert sum(len(lines) for lines in applied.values()) == len(allocation.lines)
    assert all(sum(line.units for line in applied[number]) <= amounts[number - 1] for number in applied)


@UNTIMED
@given(amounts=AMOUNTS, sums=PAID)
def test_nothing_goes_to_an_installment_while_an_earlier_one_is_open(
    amounts: list[int], sums: list[tuple[int, int]]
) -> None:
    applied = {
        number: sum(line.units for line in lines)
        for number, lines in allocated(amounts, paid(sums)).by_installment().items()
    }
    filled = [applied.get(number, 0) == units for number, units in enumerate(amounts, start=1)]
    begun = [number in applied for number in range(1, len(amounts) + 1)]
    assert all(filled[index] or not begun[index + 1] for index in range(len(amounts) - 1))


@UNTIMED
@given(amounts=AMOUNTS, sums=PAID, data=st.data())
def test_the_order_of_payments_does_not_matter(
    amounts: list[int], sums: list[tuple[int, int]], data: st.DataObject
) -> None:
    payments = paid(sums)
    assert allocated(amounts, data.draw(st.permutations(payments))) == allocated(amounts, payments)


@UNTIMED
@given(amounts=AMOUNTS, sums=PAID, needed=st.integers(-5, 60))
def test_payment_reaching_is_the_first_with_which_enough_was_applied(
    amounts: list[int], sums: list[tuple[int, int]], needed: int
) -> None:
    lines = allocated(amounts, paid(sums)).by_installment().get(1, [])
    reaching = payment_reaching(lines, units=needed)
    running = [sum(line.units for line in lines[: end + 1]) for end in range(len(lines))]
    enough = [line.payment for line, units in zip(lines, running, strict=True) if units >= needed]
    assert reaching == (enough[0] if enough and needed > 0 else None)


def test_two_payments_across_three_installments() -> None:
    """3,000 + 3,000 + 3,000 owed; 4,000 then 3,500 received: 3,000 | 1,000 + 2,000 | 1,500."""
    first, second = payment(1, 4000), payment(2, 3500)
    allocation = allocated([3000, 3000, 3000], [second, first])
    assert [(line.payment, line.installment, line.units) for line in allocation.lines] == [
        (first, 1, 3000),
        (first, 2, 1000),
        (second, 2, 2000),
        (second, 3, 1500),
    ]
    assert {(line.head, line.rule) for line in allocation.lines} == {(PRINCIPAL, DUE_DATE_ORDER)}
    assert (allocation.applied_units, allocation.unapplied_units) == (7500, 0)


def test_overpayment_is_left_unapplied() -> None:
    allocation = allocated([10], [payment(1, 12), payment(2, 5)])
    assert [line.units for line in allocation.lines] == [10]
    assert (allocation.applied_units, allocation.unapplied_units) == (10, 2 + 5)


def test_nothing_paid_nothing_applied() -> None:
    allocation = allocated([10], [])
    assert allocation.lines == ()
    assert (allocation.applied_units, allocation.unapplied_units) == (0, 0)
    assert not allocation.by_installment()
    assert not allocation.by_payment()


def test_fill_reduces_what_is_open_in_its_own_order() -> None:
    open_units = {2: 5, 1: 3, 3: 0}
    assert fill(open_units, 7) == ([(2, 5), (1, 2)], 0)
    assert open_units == {2: 0, 1: 1, 3: 0}
    assert fill(open_units, 4) == ([(1, 1)], 3)
    assert fill(open_units, 0) == ([], 0)
