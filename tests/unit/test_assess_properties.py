"""What holds for every book: bounds, sums, order, replay, and that doubt never speaks against a debtor."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from app.assessment import statements
from app.assessment.document import LOWER_CASE, assessment_document
from app.assessment.found import sort_found
from app.assessment.values import Assessment, Interval, Result, Timing
from chains.types import Hash32
from tests.books import CLOSED, SIGNED, UNTIMED, Book, books
from tests.factories import DEBTOR, gap, of_creditor, of_debtor

ACCUSING = {Timing.LATE, Timing.OVERDUE}
NEVER_PRINTED = (
    *("not paid", "unpaid", "testimony", "finding", "proof of absence", "exculpatory"),
    *("certif", "defaulted", "debtor owes", "failed to pay"),
)


def printed(assessment: Assessment) -> str:
    document = assessment_document(assessment, forms=LOWER_CASE, inline_max=None)
    return json.dumps(document, sort_keys=True, ensure_ascii=False)


def bounds(assessment: Assessment) -> list[Interval | None]:
    return [assessment.not_covered, *(state.not_covered for state in assessment.installments)]


def known_bounds(assessment: Assessment) -> list[Interval]:
    found = bounds(assessment)
    return [each for each in found if each is not None]


def timings(assessment: Assessment) -> list[Timing]:
    return [assessment.timing, *(state.timing for state in assessment.installments)]


@UNTIMED
@given(book=books())
def test_no_more_is_applied_than_was_received_or_owed(book: Book) -> None:
    assessment = book.assessed()
    allocation, attribution = assessment.allocation, assessment.attribution
    decimals = {each.id: each.decimals for each in book.debt.assets}
    places = book.debt.asset.decimals
    finest = max(decimals.values())
    exact = sum(
        each.transfer.amount_units * 10 ** (finest - decimals[each.transfer.asset])
        for each in attribution.payments
    )
    received = exact // 10 ** (finest - places)
    assert sum(each.units for each in attribution.payments) == received
    assert allocation.applied_units + allocation.unapplied_units == received
    assert allocation.applied_units == min(received, book.debt.principal_units)
    assert all(state.applied_units <= state.installment.amount_units for state in assessment.installments)


@UNTIMED
@given(book=books())
def test_the_parts_add_up_to_the_whole(book: Book) -> None:
    assessment = book.assessed()
    states = assessment.installments
    whole, parts = assessment.not_covered, known_bounds(assessment)[1:]
    assert whole is not None
    assert sum(each.min_units for each in parts) == whole.min_units
    assert sum(each.max_units for each in parts) == whole.max_units
    assert sum(state.applied_units for state in states) == assessment.allocation.applied_units
    assert whole.max_units + assessment.allocation.applied_units == book.debt.principal_units
    for state, interval in zip(states, parts, strict=True):
        assert 0 <= interval.min_units <= interval.max_units
        assert interval.max_units + state.applied_units == state.installment.amount_units


@settings(UNTIMED, max_examples=250)
@given(book=books())
def test_what_is_truly_open_lies_between_the_bounds(book: Book) -> None:
    whole = book.assessed().not_covered
    assert whole is not None
    assert whole.min_units <= book.truly_open_units <= whole.max_units


@UNTIMED
@given(book=books(), data=st.data())
def test_order_repetition_and_replay_do_not_matter(book: Book, data: st.DataObject) -> None:
    sent = list(book.transfers)
    with_parent = [replace(each, block=replace(each.block, parent_hash=Hash32(bytes(32)))) for each in sent]
    once = printed(book.assessed())
    assert printed(book.assessed()) == once
    assert printed(book.assessed(data.draw(st.permutations(sent + with_parent)))) == once


@settings(UNTIMED, max_examples=150)
@given(book=books(), data=st.data())
def test_one_transfer_more_never_opens_more_nor_makes_anything_later(book: Book, data: st.DataObject) -> None:
    sent = book.transfers
    without = data.draw(st.sets(st.sampled_from(sent)) if sent else st.just(set()))
    less = book.assessed([each for each in sent if each not in without])
    more = book.assessed()
    for before, after in zip(known_bounds(less), known_bounds(more), strict=True):
        assert after.min_units <= before.min_units
        assert after.max_units <= before.max_units
    order = list(Timing)
    for earlier, later in zip(timings(less), timings(more), strict=True):
        assert order.index(later) <= order.index(earlier)


@UNTIMED
@given(book=books())
def test_candidates_never_change_the_result(book: Book) -> None:
    whole = book.assessed()
    payments = book.assessed([each.transfer for each in whole.attribution.payments])
    assert payments.result is whole.result
    assert timings(payments) == timings(whole)
    assert payments.allocation == whole.allocation
    assert [each.max_units for each in known_bounds(payments)] == [
        each.max_units for each in known_bounds(whole)
    ]
    assert all(each.min_units == each.max_units for each in known_bounds(payments))


@UNTIMED
@given(book=books())
def test_a_gap_never_yields_more_than_was_known_without_it(book: Book) -> None:
    whole, torn = book.assessed(), book.assessed(gaps=[gap()])
    full = whole.result is Result.FULL
    assert torn.result is (Result.FULL if full else Result.UNDETERMINED)
    assert torn.grade is None
    for before, after in zip(timings(whole), timings(torn), strict=True):
        assert after in {before, Timing.UNDETERMINED}
        assert after in {Timing.ON_TIME, Timing.UNDETERMINED}
    for interval in known_bounds(torn):
        assert interval == Interval(min_units=0, max_units=0)
    assert torn.allocation == whole.allocation


@UNTIMED
@given(book=books(), lost=st.data())
def test_what_a_gap_hides_contradicts_nothing_that_was_said(book: Book, lost: st.DataObject) -> None:
    """The transfers in the gap come to light: nothing determined before may turn out wrong."""
    sent = book.transfers
    hidden = lost.draw(st.sets(st.sampled_from(sent)) if sent else st.just(set()))
    torn = book.assessed([each for each in sent if each not in hidden], gaps=[gap()])
    whole = book.assessed()
    assert torn.result in {Result.UNDETERMINED, whole.result}
    for said, truth in zip(timings(torn), timings(whole), strict=True):
        assert said in {Timing.UNDETERMINED, truth}
    for known, interval in zip(bounds(torn), bounds(whole), strict=True):
        assert known in {None, interval}


@UNTIMED
@given(book=books())
def test_every_transfer_is_in_exactly_one_place(book: Book) -> None:
    attribution = book.assessed().attribution
    placed = [
        *(each.transfer for each in attribution.payments),
        *(each.transfer for each in attribution.candidates),
        *attribution.unrelated,
    ]
    assert sorted(each.id for each in placed) == sorted(each.id for each in book.transfers)
    assert all(
        each.counted_units >= 0 and not (each.counted_units and each.value_not_agreed)
        for each in attribution.candidates
    )


@UNTIMED
@given(book=books())
def test_the_heads_of_the_scope_sentence_add_up(book: Book) -> None:
    assessment = book.assessed()
    (row,) = assessment.facts.scope
    found = sort_found(assessment, row)
    list_c = {account.address for account in row.accounts}
    reached = [each for each in book.transfers if each.recipient in list_c]
    assert len(found.transfers) + found.other_tokens + found.out_of_time == len(reached)
    heads = [found.applied, found.idle, found.undecided, found.internal]
    assert sum(map(len, heads)) == len(found.transfers) == len(set(found.transfers))
    received = sum(each.units for each in (*found.applied, *found.idle))
    assert found.discharged_units + found.beyond_units + found.idle_units == received
    assert found.discharged_units == assessment.allocation.applied_units
    assert found.beyond_units + found.idle_units == assessment.allocation.unapplied_units


def all_decided(book: Book) -> Assessment:
    """The same book if every candidate that counts were a payment by the debtor, known from the start."""
    candidates = book.assessed().attribution.candidates
    payers = {each.transfer.sender for each in candidates if each.counted_units}
    bindings = [
        of_creditor(),
        of_creditor(CLOSED),
        *(of_debtor(payer) for payer in (DEBTOR, SIGNED, *payers)),
    ]
    decided = replace(book.book, bindings=bindings, other_debts=[])
    return replace(book, book=decided).assessed()


@settings(UNTIMED, max_examples=150)
@given(book=books(with_other_asset=False))
def test_what_is_late_or_overdue_without_a_condition_stays_so_whatever_is_decided(book: Book) -> None:
    assessment, decided = book.assessed(), all_decided(book)
    for before, after in zip(assessment.installments, decided.installments, strict=True):
        if before.timing in ACCUSING and not statements.timing_condition(assessment, before):
            assert after.timing in ACCUSING


@UNTIMED
@given(book=books(), torn=st.booleans())
def test_no_output_holds_a_word_that_accuses(book: Book, *, torn: bool) -> None:
    text = printed(book.assessed(gaps=[gap()] if torn else [])).lower()
    assert not [word for word in NEVER_PRINTED if word in text]
    assert "does not decide whether the debt was paid" in text
