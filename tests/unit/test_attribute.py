"""Attribution: what is a payment, what is only a candidate and why, and what is neither."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from app.debts.terms import AccountBinding, Basis, DebtOutline
from app.matching.attribute import Attribution, Candidate, Reason, TransferContradicted, attribute
from app.money import Asset
from chains.types import Address, AssetId, Hash32, Transfer
from tests.factories import (
    AGREED_AT,
    CHAIN,
    CREDITOR,
    DEBTOR,
    ONE,
    OTHER_CHAIN,
    STRANGER,
    USDX,
    address,
    another_debt,
    asset,
    binding,
    day,
    debt,
    look_alike,
    of_creditor,
    of_debtor,
    records,
    transfer,
)

SECOND = timedelta(seconds=1)
DAY_5 = day(5)
COARSE, FINE = asset("USDC", decimals=2), asset("DAI", decimals=18)
OTHER = asset("WETH", decimals=18)
SECOND_ACCOUNT = address("second account")


def judged(
    *transfers: Transfer,
    bindings: Sequence[AccountBinding] | None = None,
    other_debts: Sequence[DebtOutline] = (),
    accepted: tuple[Asset, ...] = (),
    registered: Sequence[Asset] = (),
    symbols: dict[AssetId, str] | None = None,
) -> Attribution:
    book = records(
        debt(accepted=accepted),
        bindings=bindings,
        other_debts=other_debts,
        registered=registered,
        symbols=symbols,
    )
    return attribute(records=book, transfers=transfers)


def the_candidate(found: Attribution) -> Candidate:
    assert not found.payments
    assert not found.unrelated
    (candidate,) = found.candidates
    return candidate


def test_from_the_debtors_account_to_the_creditors_is_a_payment() -> None:
    found = judged(transfer(DAY_5, 7))
    (payment,) = found.payments
    assert (payment.units, payment.bases) == (7, (Basis.CONTRACT, Basis.CONTRACT))
    assert not found.candidates
    assert not found.unrelated


def test_from_anybody_else_it_is_a_candidate_that_counts() -> None:
    candidate = the_candidate(judged(transfer(DAY_5, 7, sender=STRANGER)))
    assert candidate.reasons == (Reason.UNKNOWN_PAYER,)
    assert candidate.counted_units == 7
    assert not candidate.value_not_agreed


def test_from_somebody_who_looks_like_the_debtor_it_counts_and_says_so() -> None:
    """Only the recipient's likeness counts 0: an inflow is an inflow, from whomever."""
    candidate = the_candidate(judged(transfer(DAY_5, 7, sender=look_alike(DEBTOR))))
    assert candidate.reasons == (Reason.UNKNOWN_PAYER, Reason.LOOK_ALIKE)
    assert candidate.counted_units == 7


@pytest.mark.parametrize("of", [DEBTOR, CREDITOR])
def test_nothing_from_a_look_alike_of_either_side(of: Address) -> None:
    candidate = the_candidate(judged(transfer(DAY_5, 0, sender=look_alike(of))))
    assert candidate.reasons == (Reason.ZERO_VALUE, Reason.LOOK_ALIKE)
    assert candidate.counted_units == 0


def test_nothing_from_the_debtor_is_no_payment() -> None:
    assert the_candidate(judged(transfer(DAY_5, 0))).reasons == (Reason.ZERO_VALUE,)


def test_the_debtor_paid_somebody_who_looks_like_the_creditor() -> None:
    candidate = the_candidate(judged(transfer(DAY_5, 7, recipient=look_alike(CREDITOR))))
    assert candidate.reasons == (Reason.LOOK_ALIKE,)
    assert candidate.counted_units == 0


@pytest.mark.parametrize(
    "sent",
    [
        transfer(DAY_5, 7, recipient=STRANGER),
        transfer(DAY_5, 0, recipient=look_alike(CREDITOR)),
        transfer(DAY_5, 7, recipient=look_alike(CREDITOR), sender=STRANGER),
        transfer(DAY_5, 7, recipient=look_alike(CREDITOR), token=OTHER),
        transfer(DAY_5, 7, recipient=DEBTOR, sender=CREDITOR),
        transfer(DAY_5, 7, recipient=address("x"), sender=address("y")),
        transfer(DAY_5, 7, recipient=DEBTOR, sender=DEBTOR),
    ],
)
def test_what_is_neither_inflow_nor_misdirected_is_unrelated(sent: Transfer) -> None:
    found = judged(sent, registered=[OTHER])
    assert found.unrelated == (sent,)
    assert not found.payments
    assert not found.candidates


def test_the_same_addresses_on_another_chain_are_other_accounts() -> None:
    elsewhere = asset(chain=OTHER_CHAIN)
    sent = transfer(DAY_5, 7, token=elsewhere)
    assert judged(sent, accepted=(elsewhere,)).unrelated == (sent,)


class TestAssets:
    def test_another_registered_asset_has_no_agreed_value(self) -> None:
        candidate = the_candidate(judged(transfer(DAY_5, 7, token=OTHER), registered=[OTHER]))
        assert candidate.reasons == (Reason.OTHER_ASSET,)
        assert (candidate.counted_units, candidate.value_not_agreed) == (0, True)

    def test_nothing_of_another_registered_asset_is_worth_nothing(self) -> None:
        candidate = the_candidate(judged(transfer(DAY_5, 0, token=OTHER), registered=[OTHER]))
        assert candidate.reasons == (Reason.OTHER_ASSET, Reason.ZERO_VALUE)
        assert (candidate.counted_units, candidate.value_not_agreed) == (0, False)

    @pytest.mark.parametrize("symbol", ["USDX", "usdx", "ＵＳＤＸ", "U\u200bSD\u2060X"])  # noqa: RUF001
    def test_the_same_symbol_at_another_contract_is_a_fake(self, symbol: str) -> None:
        fake = asset("fake")
        candidate = the_candidate(judged(transfer(DAY_5, 7, token=fake), symbols={fake.id: symbol}))
        assert candidate.reasons == (Reason.FAKE_TOKEN,)
        assert (candidate.counted_units, candidate.value_not_agreed) == (0, False)

    def test_the_symbol_of_an_accepted_asset_is_faked_too(self) -> None:
        fake = asset("fake")
        found = judged(transfer(DAY_5, 0, token=fake), accepted=(COARSE,), symbols={fake.id: "usdc"})
        assert the_candidate(found).reasons == (Reason.FAKE_TOKEN, Reason.ZERO_VALUE)

    @pytest.mark.parametrize("symbol", [None, "", "\u200b", "DOGE"])
    def test_an_unregistered_token_is_shown_and_counts_nothing(self, symbol: str | None) -> None:
        token = asset("unknown")
        symbols = {} if symbol is None else {token.id: symbol}
        found = judged(transfer(DAY_5, 7, token=token), symbols=symbols)
        assert the_candidate(found).reasons == (Reason.UNREGISTERED_ASSET,)
        assert the_candidate(found).counted_units == 0
        assert not the_candidate(found).value_not_agreed

    def test_an_accepted_asset_is_taken_at_face_value(self) -> None:
        sent = [
            transfer(DAY_5, 150, token=COARSE),  # 1.50 with 2 decimals
            transfer(day(6), 25 * 10**17, token=FINE),  # 2.5 with 18 decimals
        ]
        found = judged(*sent, accepted=(COARSE, FINE))
        assert [payment.units for payment in found.payments] == [1_500_000, 2_500_000]

    def test_an_asset_is_not_accepted_because_another_one_is(self) -> None:
        found = judged(transfer(DAY_5, 7, token=FINE), accepted=(COARSE,), registered=[FINE])
        assert the_candidate(found).reasons == (Reason.OTHER_ASSET,)

    def test_a_candidate_is_rounded_up_and_payments_down_in_sum(self) -> None:
        half = 5 * 10**11  # half a millionth, with 18 decimals
        unknown = the_candidate(judged(transfer(DAY_5, half, token=FINE, sender=STRANGER), accepted=(FINE,)))
        assert unknown.counted_units == 1
        sent = [transfer(day(5 + number), half, token=FINE) for number in range(5)]
        found = judged(*sent, accepted=(FINE,))
        # 0.5, 1.0, 1.5, 2.0, 2.5: what is left of one payment goes on to the next.
        assert [payment.units for payment in found.payments] == [0, 1, 0, 1, 0]

    def test_three_payments_with_dust_add_up_to_what_was_owed(self) -> None:
        """3,000.0000004 + 2,999.9999998 + 2,999.9999998 = 9,000; rounded one by one it is 2 units short."""
        millionth = 10**12
        amounts = [
            3000 * 10**18 + 4 * millionth // 10,
            3000 * 10**18 - 2 * millionth // 10,
            3000 * 10**18 - 2 * millionth // 10,
        ]
        sent = [transfer(day(5 + number), units, token=FINE) for number, units in enumerate(amounts)]
        assert sum(payment.units for payment in judged(*sent, accepted=(FINE,)).payments) == 9000 * ONE

    def test_dust_of_two_accepted_assets_adds_up_across_them(self) -> None:
        finer = asset("EURX", decimals=7)
        sent = [transfer(DAY_5, 5, token=finer), transfer(day(6), 5 * 10**11, token=FINE)]
        found = judged(*sent, accepted=(FINE, finer))
        assert [payment.units for payment in found.payments] == [0, 1]


class TestAnotherDebt:
    def test_what_fits_two_debts_is_attributed_to_neither(self) -> None:
        candidate = the_candidate(judged(transfer(DAY_5, 7), other_debts=[another_debt(USDX)]))
        assert candidate.reasons == (Reason.AMBIGUOUS,)
        assert candidate.counted_units == 7

    def test_a_debt_in_another_asset_or_of_a_later_day_does_not_fit(self) -> None:
        others = [another_debt(OTHER), another_debt(USDX, agreed_at=DAY_5 + SECOND)]
        assert len(judged(transfer(DAY_5, 7), other_debts=others).payments) == 1
        exactly = another_debt(USDX, agreed_at=DAY_5)
        assert the_candidate(judged(transfer(DAY_5, 7), other_debts=[exactly])).reasons == (Reason.AMBIGUOUS,)


class TestCreditorsOwnAccounts:
    def test_between_two_of_them_is_internal(self) -> None:
        bindings = [of_creditor(), of_creditor(SECOND_ACCOUNT, basis=Basis.CLAIMED), of_debtor()]
        found = judged(transfer(DAY_5, 7, sender=SECOND_ACCOUNT), bindings=bindings)
        assert the_candidate(found).reasons == (Reason.INTERNAL,)
        assert the_candidate(found).counted_units == 0

    def test_to_itself_moves_nothing(self) -> None:
        bindings = [of_creditor(basis=Basis.INFERENCE), of_debtor()]
        found = judged(transfer(DAY_5, 7, sender=CREDITOR), bindings=bindings)
        assert the_candidate(found).reasons == (Reason.INTERNAL,)

    def test_an_inference_does_not_make_a_payer_the_creditor(self) -> None:
        bindings = [of_creditor(), of_creditor(STRANGER, basis=Basis.INFERENCE), of_debtor()]
        candidate = the_candidate(judged(transfer(DAY_5, 7, sender=STRANGER), bindings=bindings))
        assert candidate.reasons == (Reason.UNKNOWN_PAYER,)
        assert candidate.counted_units == 7

    def test_an_inference_does_not_take_the_debtors_account_from_him(self) -> None:
        bindings = [of_creditor(), of_creditor(DEBTOR, basis=Basis.INFERENCE), of_debtor()]
        assert len(judged(transfer(DAY_5, 7), bindings=bindings).payments) == 1

    @pytest.mark.parametrize("basis", [Basis.CLAIMED, Basis.CONTRACT])
    def test_a_creditor_can_not_make_a_payment_internal_by_claiming_the_payers_account(
        self, basis: Basis
    ) -> None:
        bindings = [of_creditor(), of_creditor(DEBTOR, basis=basis), of_debtor()]
        candidate = the_candidate(judged(transfer(DAY_5, 7), bindings=bindings))
        assert candidate.reasons == (Reason.AMBIGUOUS,)
        assert candidate.counted_units == 7

    def test_an_account_of_both_receives_no_payment_without_a_decision(self) -> None:
        bindings = [of_creditor(), of_debtor(), of_debtor(CREDITOR, basis=Basis.CLAIMED)]
        candidate = the_candidate(judged(transfer(DAY_5, 7), bindings=bindings))
        assert candidate.reasons == (Reason.AMBIGUOUS,)
        assert candidate.counted_units == 7

    def test_internal_in_any_token(self) -> None:
        bindings = [of_creditor(), of_creditor(SECOND_ACCOUNT), of_debtor()]
        sent = transfer(DAY_5, 7, sender=SECOND_ACCOUNT, token=OTHER)
        candidate = the_candidate(judged(sent, bindings=bindings, registered=[OTHER]))
        assert candidate.reasons == (Reason.INTERNAL,)
        assert not candidate.value_not_agreed

    def test_an_account_that_is_only_inferred_receives_candidates_only(self) -> None:
        bindings = [of_creditor(basis=Basis.INFERENCE), of_debtor()]
        candidate = the_candidate(judged(transfer(DAY_5, 7), bindings=bindings))
        assert candidate.reasons == (Reason.OTHER_ACCOUNT,)
        assert candidate.counted_units == 7
        unknown = the_candidate(judged(transfer(DAY_5, 7, sender=STRANGER), bindings=bindings))
        assert unknown.reasons == (Reason.UNKNOWN_PAYER, Reason.OTHER_ACCOUNT)

    def test_his_own_word_on_his_own_account_is_enough(self) -> None:
        found = judged(transfer(DAY_5, 7), bindings=[of_creditor(basis=Basis.CLAIMED), of_debtor()])
        assert found.payments[0].bases == (Basis.CONTRACT, Basis.CLAIMED)


class TestTime:
    @pytest.mark.parametrize("basis", [Basis.CLAIMED, Basis.INFERENCE])
    def test_a_claim_or_an_inference_names_no_payer(self, basis: Basis) -> None:
        candidate = the_candidate(
            judged(transfer(DAY_5, 7), bindings=[of_creditor(), of_debtor(basis=basis, valid_from=AGREED_AT)])
        )
        assert candidate.reasons == (Reason.UNKNOWN_PAYER,)
        assert candidate.counted_units == 7

    @pytest.mark.parametrize(
        ("at", "is_payment"),
        [(day(4), False), (DAY_5, True), (day(8), True), (day(8) + SECOND, False)],
    )
    def test_a_payer_is_known_from_and_until_inclusive(self, at: datetime, *, is_payment: bool) -> None:
        bindings = [of_creditor(), of_debtor(valid_from=DAY_5, valid_until=day(8))]
        found = judged(transfer(at, 7), bindings=bindings)
        assert bool(found.payments) is is_payment
        assert is_payment or the_candidate(found).counted_units == 7

    def test_the_strongest_binding_that_holds_is_named(self) -> None:
        bindings = [
            of_creditor(),
            of_debtor(basis=Basis.ADMISSION, valid_from=AGREED_AT),
            of_debtor(basis=Basis.SIGNATURE, valid_from=day(50)),
        ]
        found = judged(transfer(DAY_5, 7), transfer(day(60), 7), bindings=bindings)
        assert [payment.bases[0] for payment in found.payments] == [Basis.ADMISSION, Basis.SIGNATURE]

    @pytest.mark.parametrize(
        ("at", "is_inflow"), [(day(4), False), (DAY_5, True), (day(8), True), (day(8) + SECOND, False)]
    )
    def test_an_account_is_the_creditors_from_and_until_inclusive(
        self, at: datetime, *, is_inflow: bool
    ) -> None:
        bindings = [of_creditor(valid_from=DAY_5, valid_until=day(8)), of_debtor()]
        unknown = judged(transfer(at, 7, sender=STRANGER), bindings=bindings)
        assert bool(unknown.candidates) is is_inflow
        assert bool(unknown.unrelated) is not is_inflow
        known = judged(transfer(at, 7), bindings=bindings)
        assert bool(known.payments) is is_inflow

    @pytest.mark.parametrize("basis", Basis)
    def test_the_debtor_paid_an_account_that_was_the_creditors_at_another_time(self, basis: Basis) -> None:
        """An `until` that the creditor sets himself must not make a payment vanish."""
        bindings = [of_creditor(valid_until=day(8)), of_debtor(basis=basis)]
        candidate = the_candidate(judged(transfer(day(9), 7), bindings=bindings))
        assert candidate.reasons == (Reason.OTHER_ACCOUNT,)
        assert candidate.counted_units == 7

    def test_the_debtors_move_between_his_own_accounts_is_none(self) -> None:
        bindings = [of_creditor(SECOND_ACCOUNT, valid_until=day(8)), of_debtor(), of_debtor(SECOND_ACCOUNT)]
        sent = transfer(day(9), 7, recipient=SECOND_ACCOUNT)
        assert judged(sent, bindings=bindings).unrelated == (sent,)


def test_order_and_repetition_do_not_matter() -> None:
    sent = [
        transfer(DAY_5, 7),
        transfer(DAY_5, 8, log_index=1),
        transfer(day(4), 9, sender=STRANGER),
        transfer(day(3), 1, recipient=STRANGER),
    ]
    # The same event, read by another way that knows the block's parent.
    again = replace(sent[0], block=replace(sent[0].block, parent_hash=Hash32(bytes(32))))
    found = judged(*sent)
    repeated = judged(*reversed(sent), *sent, again)
    assert [payment.units for payment in repeated.payments] == [7, 8]
    assert repeated.candidates == found.candidates
    assert repeated.unrelated == found.unrelated


def test_one_event_told_in_two_ways_is_refused() -> None:
    sent = transfer(DAY_5, 7)
    for other in (replace(sent, amount_units=8), replace(sent, sender=STRANGER)):
        with pytest.raises(TransferContradicted, match="given twice, differently") as refused:
            judged(sent, other)
        assert refused.value.transfer_id == sent.id


def test_identical_transfers_in_one_transaction_are_two() -> None:
    twins = [transfer(DAY_5, 7, log_index=index) for index in (0, 1)]
    assert len({each.tx_hash for each in twins}) == 1
    assert len(judged(*twins).payments) == 2


def test_a_party_is_not_an_address() -> None:
    """Bindings of third parties, and of the parties on other chains, name nobody here."""
    bindings = [
        of_creditor(),
        of_debtor(),
        of_debtor(STRANGER, chain=OTHER_CHAIN),
        binding("guarantor", SECOND_ACCOUNT),
    ]
    found = judged(
        transfer(DAY_5, 7, sender=STRANGER), transfer(day(6), 7, sender=SECOND_ACCOUNT), bindings=bindings
    )
    assert [each.reasons for each in found.candidates] == [(Reason.UNKNOWN_PAYER,)] * 2
    assert CHAIN != OTHER_CHAIN
