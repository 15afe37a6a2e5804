"""Each sentence about the inflows of an account: printed where it is true, and nowhere else."""

from __future__ import annotations

from dataclasses import replace

from app.assessment.document import LOWER_CASE
from app.assessment.inflow_statements import (
    DOES_NOT_SAY,
    LEGEND,
    NAMED_MAX,
    NOT_SEARCHED,
    SUMS_MAX,
    difference_sentences,
    gap_sentences,
    notes,
    scope_sentence,
)
from app.assessment.inflow_values import BlockContradiction, Criteria, Flag, Inflow, Inflows, TokenShown
from app.assessment.inflows import native_asset
from app.assessment.statements import block_instant
from chains.evm.execution import COIN_LOG_ADDRESS
from chains.evm.transfers import NotTransfer, OtherLog
from tests.factories import CHAIN, CREDITOR, DEBTOR, ONE, STRANGER, USDX, asset, block, day, transfer
from tests.inflow_factories import FIRST, KNOWN_TOKEN, LAST, PAID, ROUTER, answer, found

FAILED = "it answered HTTP status 404"
HALF = answer(PAID, read=(day(1), day(4)), failure=FAILED)
TAIL = (
    f"Among the things not searched: {'; '.join(NOT_SEARCHED)}; anything not named here was not searched "
    f"either. {DOES_NOT_SAY}"
)


def said(inflows: Inflows) -> str:
    """Between the block range and the limits, which every sentence ends with."""
    sentence = scope_sentence(inflows, forms=LOWER_CASE)
    head = (
        f"On Testnet (eip155:31337), of blocks {FIRST.number}-{LAST.number} ({FIRST.hash} of "
        f"{block_instant(FIRST)}; {LAST.hash} of {block_instant(LAST)}), "
    )
    assert sentence.startswith(head)
    assert sentence.endswith(f" {TAIL}")
    return sentence.removeprefix(head).removesuffix(f" {TAIL}")


def noted(inflows: Inflows) -> str:
    return " ".join(notes(inflows, forms=LOWER_CASE))


class TestScope:
    def test_nothing_found(self) -> None:
        assert said(found()) == (
            f"all of which were answered for, 0 transfers to the account {CREDITOR} were found, of any token "
            "and from anyone, by asking endpoint 1 (https://node1.example). The answer of one endpoint was "
            "compared with no other."
        )

    def test_sums_by_asset(self) -> None:
        other = asset("OTHER")
        more = (PAID, transfer(day(3), 7, token=other))
        both = found(answer(*more), answer(*more, number=2))
        assert said(both) == (
            f"all of which were answered for, 2 transfers to the account {CREDITOR} were found, of any token "
            f"and from anyone: 3.00 USDX ({USDX.id.contract}), 7 base units of ({other.id.contract}), by "
            "asking endpoint 1 (https://node1.example) and endpoint 2 (https://node2.example). The endpoints "
            "were not shown to be independent of each other."
        )
        assert f", 1 transfer to the account {CREDITOR} was found" in said(found(answer(PAID)))

    def test_the_chains_own_coin(self) -> None:
        coin = replace(PAID, contract=COIN_LOG_ADDRESS)
        tokens = {native_asset(CHAIN): TokenShown(symbol="ETH", decimals=6)}
        assert ": 3.00 ETH (the chain's own), by" in said(found(answer(coin), tokens=tokens))

    def test_what_was_not_read_is_in_the_same_sentence(self) -> None:
        gap = f"blocks {block(day(4)).number + 1}-{LAST.number}"
        assert said(found(HALF)).startswith(
            f"which were answered for except {gap}, where further transfers may exist, 1 transfer"
        )
        one = found(answer(read=(day(1), day(9)))).window
        last = replace(found(HALF), window=replace(one, last=replace(LAST, number=block(day(4)).number + 1)))
        assert f"except block {block(day(4)).number + 1}, where" in scope_sentence(last, forms=LOWER_CASE)
        assert "except" not in said(found(HALF, answer(PAID, number=2)))

    def test_many_assets_are_counted(self) -> None:
        many = [transfer(day(2), 1, token=asset(f"T{i}"), log_index=i) for i in range(SUMS_MAX + 2)]
        assert ", 2 other assets, by asking" in said(found(answer(*many)))
        assert "other asset" not in said(found(answer(*many[:SUMS_MAX])))


class TestGaps:
    def test_none(self) -> None:
        assert gap_sentences(found()) == ()
        assert gap_sentences(found(answer(), answer(number=2))) == ()

    def test_half(self) -> None:
        last = block(day(4)).number
        assert gap_sentences(found(HALF)) == (
            f"NOT READ: blocks {last + 1}-{LAST.number}. Transfers may exist there.",
            (
                f"Endpoint 1 (https://node1.example) answered for blocks {FIRST.number}-{last} and then "
                f"failed: {FAILED}."
            ),
        )

    def test_one_closes_the_gap_of_the_other(self) -> None:
        last = block(day(4)).number
        failed, alone = gap_sentences(found(HALF, answer(PAID, number=2)))
        assert "and then failed" in failed
        assert alone == (
            f"blocks {last + 1}-{LAST.number} were answered by endpoint 2 (https://node2.example) alone, and "
            "compared with nothing."
        )

    def test_one_that_never_answered(self) -> None:
        silent = answer(number=2, read=None, failure=FAILED)
        failed, alone = gap_sentences(found(answer(), silent))
        assert failed == f"Endpoint 2 (https://node2.example) answered for no block: {FAILED}."
        assert "endpoint 1 (https://node1.example) alone" in alone
        assert gap_sentences(found(silent))[0].startswith(f"NOT READ: blocks {FIRST.number}-{LAST.number}.")


class TestDifferences:
    def test_none(self) -> None:
        assert difference_sentences(found(answer(PAID), answer(PAID, number=2))) == ()

    def test_a_transfer_that_one_hides(self) -> None:
        (sentence,) = difference_sentences(found(answer(PAID), answer(number=2)))
        assert sentence == (
            f"THE ANSWERS DIFFER: the transfer of log 0 in block {PAID.block.number} (transaction "
            f"{PAID.tx_hash}) was returned by endpoint 1 (https://node1.example) and not by endpoint 2 "
            "(https://node2.example)."
        )
        unread = answer(number=2, read=None, failure=FAILED)
        assert difference_sentences(found(answer(PAID), unread)) == ()

    def test_a_transfer_that_only_a_receipt_holds(self) -> None:
        (sentence,) = difference_sentences(
            found(inflows=[Inflow(transfer=PAID, endpoints=(), disputed=True)])
        )
        assert "left out of every eth_getLogs answer, though the receipt" in sentence

    def test_a_transfer_that_the_receipt_does_not_hold(self) -> None:
        (sentence,) = difference_sentences(
            found(answer(PAID), inflows=[Inflow(transfer=PAID, endpoints=(1,), disputed=True)])
        )
        assert "returned by endpoint 1 (https://node1.example), and the receipt" in sentence

    def test_many_are_counted(self) -> None:
        many = [transfer(day(2), 1, log_index=i) for i in range(NAMED_MAX + 1)]
        sentences = difference_sentences(found(answer(*many), answer(number=2)))
        assert len(sentences) == NAMED_MAX + 1
        assert sentences[-1] == "THE ANSWERS DIFFER on 1 more transfer; each is marked in the list."

    def test_two_chains(self) -> None:
        other = replace(LAST, hash=FIRST.hash)
        apart = BlockContradiction(number=LAST.number, first=LAST, other=other)
        (sentence,) = difference_sentences(found(answer(), replace(answer(number=2), contradiction=apart)))
        assert sentence == (
            f"DIFFERENT CHAINS: endpoint 2 (https://node2.example) has block {LAST.number} as {FIRST.hash} "
            f"of {block_instant(LAST)}, where another endpoint has {LAST.hash} of {block_instant(LAST)}."
        )


class TestNotes:
    def test_nothing_to_add(self) -> None:
        assert noted(found(answer(PAID))) == ""

    def test_what_is_not_as_asked_may_be_a_payment_all_the_same(self) -> None:
        asked = Criteria(sender=DEBTOR, token=USDX.id, amount="3")
        more = [PAID, transfer(day(3), ONE, sender=STRANGER), transfer(day(4), 9)]
        assert noted(found(answer(*more), criteria=asked)) == (
            f"1 transfer is as asked with --from {DEBTOR} --token {USDX.id} --amount 3; 2 differ, or could "
            "not be compared, in sender, token or amount, and may be a payment all the same."
        )
        assert "0 transfers are as asked with --amount 5; 1 differs" in noted(
            found(answer(PAID), criteria=Criteria(amount="5"))
        )

    def test_what_left_is_not_set_off(self) -> None:
        out = [transfer(day(3), ONE, sender=CREDITOR, recipient=STRANGER)]
        assert noted(found(answer(PAID, sent=out))) == (
            f"In the same blocks 1 transfer left the account: 1.00 USDX ({USDX.id.contract}). They are not "
            "set off against what arrived."
        )
        many = [
            transfer(day(3), 1, sender=CREDITOR, recipient=STRANGER, token=asset(f"T{i}"), log_index=i)
            for i in range(SUMS_MAX + 1)
        ]
        assert ", 1 other asset. They" in noted(found(answer(sent=many)))

    def test_other_events_are_named(self) -> None:
        def events(count: int) -> Inflows:
            others = tuple(
                OtherLog(
                    block_number=5,
                    block_hash=FIRST.hash,
                    tx_hash=PAID.tx_hash,
                    log_index=index,
                    contract=ROUTER,
                    reason=NotTransfer.ERC721,
                )
                for index in range(count)
            )
            return found(replace(answer(), others=others))

        assert noted(events(1)) == (
            "1 event with the name Transfer names the account and is no ERC-20 transfer (an NFT is none), "
            "and not in the sums: block 5 log 0."
        )
        assert "events with the name Transfer name the account and are no" in noted(events(2))
        assert noted(events(NAMED_MAX + 1)).endswith("log 4 and more.")

    def test_same_symbols(self) -> None:
        copy = asset("USDX", contract="copy")
        tokens = {USDX.id: KNOWN_TOKEN, copy.id: TokenShown(symbol="usdx", decimals=6)}
        both = [PAID, transfer(day(3), 1, token=copy)]
        note = noted(found(answer(*both), tokens=tokens))
        assert note.startswith("2 contracts bear the symbol ")
        assert str(USDX.id.contract) in note
        assert str(copy.id.contract) in note
        assert noted(found(answer(PAID), tokens=tokens)) == "", "the other one did not arrive"
        assert noted(found(answer(*both), tokens={USDX.id: KNOWN_TOKEN})) == ""

    def test_transactions_not_looked_into(self) -> None:
        assert noted(replace(found(), unread_transactions=2)) == (
            "The transactions of 2 transfers were not looked into: who stands behind the sender was not "
            "searched there."
        )

    def test_a_time_that_is_not_over(self) -> None:
        assert noted(found(until=day(20))) == (
            f"Block {LAST.number} of {block_instant(LAST)} was the last final one; what comes after it until "
            "2026-01-21T00:00:00Z was not searched."
        )
        assert noted(found(until=day(9))) == ""
        assert noted(found(until=day(20), ends_at_final=False)) == ""
        assert noted(found()) == ""


def test_every_flag_has_its_meaning() -> None:
    assert set(LEGEND) == set(Flag)
