"""The scope sentence: what was found adds up, and nothing is said to be searched that was not."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from app.assessment.statements import (
    DOES_NOT_DECIDE,
    NO_SIGNED_STATEMENT,
    NOT_SEARCHED,
    block_instant,
    scope_sentences,
)
from app.assessment.values import Assessment
from app.debts.terms import Basis
from tests.factories import (
    AGREED_AT,
    CREDITOR,
    DEBTOR,
    ONE,
    OTHER_CHAIN,
    STRANGER,
    address,
    assessed,
    asset,
    block,
    day,
    debt,
    gap,
    look_alike,
    of_creditor,
    of_debtor,
    records,
    scope_row,
    transfer,
)

SECOND = timedelta(seconds=1)
TAIL = (
    f"{DOES_NOT_DECIDE} Among the things not searched: {'; '.join(NOT_SEARCHED)}; anything not named here "
    f"was not searched either. {NO_SIGNED_STATEMENT}"
)
NOTHING_ELSEWHERE = (
    "0 (0.00 USDX) applied to other debts between the same parties; 0 (0.00 USDX) which the creditor says "
    "are not payments of this debt"
)
MORE = address("second account")
WETH, DAI, SIDE = asset("WETH", decimals=18), asset("DAI", decimals=18), asset("SIDE", chain=OTHER_CHAIN)


def said(assessment: Assessment) -> str:
    """What stands between the block range and the limits, which every sentence ends with."""
    (sentence,) = scope_sentences(assessment)
    first, last = block(AGREED_AT), block(assessment.as_of)
    head = (
        f"On Testnet (eip155:31337), blocks {first.number}-{last.number} ({first.hash} of "
        f"{block_instant(first)}; {last.hash} of {block_instant(last)}), "
    )
    assert sentence.startswith(head)
    assert sentence.endswith(f" {TAIL}")
    return sentence.removeprefix(head).removesuffix(f" {TAIL}")


def test_nothing_found() -> None:
    assert said(assessed()) == (
        "0 transfers of USDX to the accounts in list C were found, 0.00 USDX in total: 0 (0.00 USDX) applied "
        f"to this debt; {NOTHING_ELSEWHERE}; 0 (0.00 USDX) not decided."
    )


def test_the_demo() -> None:
    """3,000 + 1,000 applied and 2,000 + 0 not decided are the 6,000 in total of 4 transfers."""
    fake = asset("fake")
    found = assessed(
        transfer(day(50), 3000 * ONE),
        transfer(day(110), 1000 * ONE),
        transfer(day(112), 2000 * ONE, sender=STRANGER),
        transfer(day(115), 0, sender=look_alike(DEBTOR)),
        transfer(day(120), 3000 * ONE, sender=STRANGER, token=fake),
    )
    assert said(found) == (
        "4 transfers of USDX to the accounts in list C were found, 6,000.00 USDX in total: 2 (4,000.00 USDX) "
        f"applied to this debt; {NOTHING_ELSEWHERE}; 2 (2,000.00 USDX) not decided. Besides, 1 transfer of "
        "other tokens to these accounts is listed among the candidates."
    )


def test_one_is_one_and_several_are_several() -> None:
    one = said(assessed(transfer(day(1), 5 * ONE), transfer(day(2), 1, token=WETH)))
    assert one.startswith("1 transfer of USDX to the accounts in list C was found, 5.00 USDX in total")
    assert one.endswith(
        "Besides, 1 transfer of other tokens to these accounts is listed among the candidates."
    )
    sent = [
        transfer(day(number), 1, token=token, log_index=index)
        for number in (1, 2)
        for index, token in enumerate((asset(), WETH))
    ]
    more = said(assessed(*sent))
    assert more.startswith("2 transfers of USDX to the accounts in list C were found")
    assert more.endswith(
        "Besides, 2 transfers of other tokens to these accounts are listed among the candidates."
    )


def test_overpayment_is_not_said_to_be_applied() -> None:
    """8,000 + 3,500 + 5 received of 9,000 owed: 9,000 applied, 2,500 beyond it, and 5 with nothing left."""
    found = assessed(transfer(day(1), 8000 * ONE), transfer(day(2), 3500 * ONE), transfer(day(3), 5 * ONE))
    assert said(found) == (
        "3 transfers of USDX to the accounts in list C were found, 11,505.00 USDX in total: 2 (9,000.00 "
        f"USDX) applied to this debt; {NOTHING_ELSEWHERE}; 0 (0.00 USDX) not decided; 2,500.00 USDX of those "
        "applied is beyond what was owed; 1 (5.00 USDX) attributed to this debt, of which nothing was "
        "applied."
    )


def test_exactly_what_was_owed_is_not_beyond_it() -> None:
    text = said(assessed(transfer(day(1), 9000 * ONE)))
    assert "beyond" not in text
    assert "nothing was applied" not in text


def test_between_the_creditors_accounts_is_a_head_of_its_own() -> None:
    book = records(debt(), bindings=[of_creditor(), of_creditor(MORE), of_debtor()])
    found = assessed(transfer(day(1), 7 * ONE), transfer(day(2), 3 * ONE, sender=MORE), book=book)
    assert said(found) == (
        "2 transfers of USDX to the accounts in list C were found, 10.00 USDX in total: 1 (7.00 USDX) "
        f"applied to this debt; {NOTHING_ELSEWHERE}; 0 (0.00 USDX) not decided; 1 (3.00 USDX) between "
        "accounts of list C."
    )
    assert "between accounts" not in said(assessed(transfer(day(1), 7 * ONE)))


def test_amounts_in_several_assets_are_not_added() -> None:
    """1.00 USDX and 2.00 DAI applied, 4.00 DAI not decided: 3.00 USDX at face value, 6.00 DAI in total."""
    found = assessed(
        transfer(day(1), 1 * ONE),
        transfer(day(2), 2 * 10**18, token=DAI),
        transfer(day(3), 4 * 10**18, token=DAI, sender=STRANGER),
        terms=debt(accepted=(DAI,)),
    )
    assert said(found) == (
        "3 transfers of USDX, DAI to the accounts in list C were found, 1.00 USDX and 6.00 DAI in total: 2 "
        f"(3.00 USDX) applied to this debt; {NOTHING_ELSEWHERE}; 1 (4.00 DAI) not decided; what is applied "
        "is taken at face value in USDX, its sum rounded down."
    )


def test_face_value_is_said_only_where_another_asset_was_applied() -> None:
    found = assessed(
        transfer(day(1), 1 * ONE),
        transfer(day(3), 4, token=DAI, sender=STRANGER),
        terms=debt(accepted=(DAI,)),
    )
    assert "face value" not in said(found)


def test_a_payment_to_a_look_alike_is_not_among_those_to_the_accounts() -> None:
    found = assessed(transfer(day(1), 5 * ONE, recipient=look_alike(CREDITOR)))
    assert said(found).startswith("0 transfers of USDX")
    assert len(found.attribution.candidates) == 1


def test_a_payment_to_a_former_account_in_the_list_is_among_them() -> None:
    bindings = [of_creditor(valid_until=day(10)), of_debtor()]
    found = assessed(transfer(day(11), 5 * ONE), book=records(debt(), bindings=bindings))
    assert said(found).startswith(
        "1 transfer of USDX to the accounts in list C was found, 5.00 USDX in total"
    )
    assert "1 (5.00 USDX) not decided" in said(found)


def test_what_reached_an_account_outside_its_time_is_not_passed_over() -> None:
    bindings = [of_creditor(valid_until=day(10)), of_debtor()]
    sent = [transfer(day(10 + number), 5, sender=STRANGER) for number in range(3)]
    text = said(assessed(*sent, book=records(debt(), bindings=bindings)))
    assert text.startswith("1 transfer of USDX to the accounts in list C was found")
    assert text.endswith(
        " Not counted: 2 transfers to these accounts outside the time for which they are on record as the "
        "creditor's."
    )
    assert "Not counted" not in said(assessed(*sent))


def test_a_gap_is_said_with_its_reasons_once_each() -> None:
    gaps = [
        gap(reason="blocks 7-9 were not read"),
        gap(reason="blocks 1-2 were not read"),
        gap(reason="blocks 7-9 were not read"),
    ]
    text = said(assessed(gaps=gaps))
    assert text.endswith(
        " not decided. Part of what had to be read was not read, and further transfers may exist there: "
        "blocks 1-2 were not read; blocks 7-9 were not read."
    )
    assert "was not read, and further" not in said(assessed())


def test_a_window_that_was_not_read_claims_no_transfers() -> None:
    book = records(debt())
    row = replace(
        scope_row(book, as_of=day(180), gaps=[gap(reason="no final block of the window was read")]),
        before=None,
        first=None,
        last=None,
        after=None,
    )
    (sentence,) = scope_sentences(assessed(book=book, scope=(row,)))
    assert sentence == (
        "On Testnet (eip155:31337), the time from 2026-01-01T00:00:00Z to 2026-06-30T00:00:00Z was not "
        "searched. Part of what had to be read was not read, and further transfers may exist there: no final "
        f"block of the window was read. {TAIL}"
    )


def test_a_window_without_blocks_was_not_left_unread() -> None:
    book = records(debt())
    row = replace(scope_row(book, as_of=day(180)), first=None, last=None)
    (sentence,) = scope_sentences(assessed(book=book, scope=(row,)))
    assert sentence == (
        "On Testnet (eip155:31337), no block has a time from 2026-01-01T00:00:00Z to 2026-06-30T00:00:00Z, "
        f"so that there was nothing to search. {TAIL}"
    )


def test_without_a_scope_nothing_was_searched() -> None:
    (sentence,) = scope_sentences(assessed(scope=(), asked=None))
    assert sentence == f"Nothing was searched. {DOES_NOT_DECIDE} {NO_SIGNED_STATEMENT}"


class TestTwoChains:
    def paragraphs(self, *, gap_on_side: bool = False) -> tuple[str, ...]:
        bindings = [
            of_creditor(),
            of_creditor(chain=OTHER_CHAIN),
            of_debtor(),
            of_debtor(chain=OTHER_CHAIN, basis=Basis.ADMISSION, valid_from=AGREED_AT),
        ]
        book = records(debt(accepted=(SIDE,)), bindings=bindings)
        rows = (
            scope_row(book, as_of=day(180)),
            scope_row(book, as_of=day(180), chain=OTHER_CHAIN, gaps=[gap()] if gap_on_side else []),
        )
        sent = [
            transfer(day(1), 4 * ONE),
            transfer(day(2), 5 * ONE, token=SIDE),
            transfer(day(3), 0, token=SIDE),
        ]
        return scope_sentences(assessed(*sent, book=book, scope=rows))

    def test_each_counts_its_own(self) -> None:
        main, side = self.paragraphs()
        assert "1 transfer of USDX to the accounts in list C was found, 4.00 USDX in total" in main
        assert "1 (4.00 USDX) applied to this debt" in main
        assert side.startswith("On Sidenet (eip155:31338), blocks ")
        assert "2 transfers of SIDE to the accounts in list C were found, 5.00 SIDE in total" in side
        assert "1 (5.00 USDX) applied to this debt" in side
        assert "1 (0.00 SIDE) not decided" in side

    def test_neither_is_said_not_to_be_searched(self) -> None:
        """ "Chains not named here" is true only after all that were searched have been named."""
        main, side = self.paragraphs()
        assert "not searched" not in main
        assert side.endswith(TAIL)

    @pytest.mark.parametrize("gap_on_side", [True, False])
    def test_a_gap_is_said_where_it_is(self, *, gap_on_side: bool) -> None:
        main, side = self.paragraphs(gap_on_side=gap_on_side)
        assert "was not read" not in main
        assert ("was not read, and further transfers may exist there" in side) is gap_on_side
