"""Whole deals, from opening to the last unit paid out. The deals are those of the committed artifacts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from eth_utils.crypto import keccak

from chains.evm.checksum import checksummed
from chains.evm.contract import Reverted
from tests.contracts.scene import COIN, TERMS_HASH, UNIT, Scene, refused
from tools.contracts.deal import DAY_SECONDS, NOBODY, Settlement

EVIDENCE = keccak(text="photographs of the goods")
DOCUMENT = keccak(text="settlement of the parties")
NO_HASH = bytes(32)

# enum Cause of contracts/src/escrow/IDebtEscrow.sol
APPROVED, REFUNDED, ELAPSED, RULED, ARBITER_SILENT, AGREED = range(6)
# enum Status, of the same file
FUNDED = 1


def test_happy_path(scene: Scene) -> None:
    terms = scene.terms(installments=2)
    deal = scene.open(terms)
    assert deal.address == scene.stage.predict(terms)
    assert deal.read("terms") == (*terms.values()[:-1], [*terms.installments])
    assert scene.stage.read("DebtEscrowFactory", scene.stage.factory, "isDeal", deal.address) is True

    funded = deal.send("fund", 0, by=scene.payer)
    (event,) = deal.events(funded)
    assert (event.name, event.args["termsHash"], event.args["amount"]) == (
        "InstallmentFunded",
        TERMS_HASH,
        UNIT,
    )
    held, deadline, _, status = deal.read("slot", 0)
    assert (held, status) == (UNIT, FUNDED)
    assert deadline == terms.installments[0][1] + terms.review_seconds

    # The payer accepts the first; the second is released when the time for a dispute is over.
    deal.send("approve", 0, by=scene.payer)
    deal.send("fund", 1, by=scene.payer)
    release_at = terms.installments[1][1] + terms.review_seconds
    refused(deal, "DebtEscrow_TooEarly", "release", 1, by=scene.stranger, at=release_at - 1)
    released = deal.send("release", 1, by=scene.stranger, at=release_at)
    (event,) = deal.events(released)
    assert (event.name, event.args["cause"], event.args["toPayee"]) == ("InstallmentClosed", ELAPSED, UNIT)

    deal.send("withdraw", scene.payee, scene.payee, by=scene.stranger)
    assert scene.units(scene.payee) == 2 * UNIT
    assert scene.units(scene.payer) == 98 * UNIT
    scene.check_empty(deal)


def test_late_with_a_fee(scene: Scene) -> None:
    terms = scene.terms()
    due = terms.installments[0][1]
    deal = scene.open(terms)
    refused(deal, "DebtEscrow_TooEarly", "startLateFee", 0, by=scene.payee, at=due)
    started = deal.send("startLateFee", 0, by=scene.payee, at=due + 1)
    assert [event.name for event in deal.events(started)] == ["LateFeeStarted"]
    assert deal.read("amountDue", 0) == [UNIT * 101 // 100, UNIT // 100]

    # In the second period the fee is due twice.
    late = deal.send("fund", 0, by=scene.payer, at=due + 1 + terms.late_period_seconds)
    (event,) = deal.events(late)
    assert (event.args["amount"], event.args["lateFee"]) == (UNIT * 102 // 100, UNIT * 2 // 100)
    assert deal.read("slot", 0)[1] == scene.time_of(late) + terms.review_seconds

    deal.send("approve", 0, by=scene.payer)
    deal.send("withdraw", scene.payee, scene.payee, by=scene.payee)
    assert scene.units(scene.payee) == UNIT * 102 // 100
    scene.check_empty(deal)


def test_the_late_fee_stops_at_its_cap(scene: Scene) -> None:
    terms = scene.terms()
    deal = scene.open(terms)
    due = terms.installments[0][1]
    deal.send("startLateFee", 0, by=scene.stranger, at=due + 1)
    deal.send("fund", 0, by=scene.payer, at=due + 1 + 100 * terms.late_period_seconds)
    assert deal.read("liabilities") == UNIT * 105 // 100


def test_dispute_and_ruling(scene: Scene) -> None:
    terms = scene.terms()
    deal = scene.open(terms)
    deal.send("fund", 0, by=scene.payer)
    refused(deal, "DebtEscrow_NotParty", "dispute", 0, EVIDENCE, by=scene.stranger)
    disputed = deal.send("dispute", 0, EVIDENCE, by=scene.payer)
    (event,) = deal.events(disputed)
    assert (event.args["by"], event.args["evidenceHash"]) == (checksummed(scene.payer), EVIDENCE)
    refused(deal, "DebtEscrow_NotParty", "rule", 0, 2_500, by=scene.payee)

    ruled = deal.send("rule", 0, 2_500, by=scene.arbiter)
    (event,) = deal.events(ruled)
    fee = UNIT * 2 // 100
    expected = {
        "termsHash": TERMS_HASH,
        "index": 0,
        "cause": RULED,
        "toPayee": (UNIT - fee) // 4,
        "toPayer": (UNIT - fee) * 3 // 4,
        "toArbiter": fee,
    }
    assert event.args == expected
    for who in (scene.payee, scene.payer, scene.arbiter):
        deal.send("withdraw", who, who, by=who)
    assert (scene.units(scene.payee), scene.units(scene.arbiter)) == ((UNIT - fee) // 4, fee)
    assert scene.units(scene.payer) == 99 * UNIT + (UNIT - fee) * 3 // 4
    scene.check_empty(deal)


def test_silence_of_the_arbiter(scene: Scene) -> None:
    terms = replace(scene.terms(), silent_payee_bps=3_000)
    deal = scene.open(terms)
    deal.send("fund", 0, by=scene.payer)
    disputed = deal.send("dispute", 0, NO_HASH, by=scene.payee)
    ends_at = scene.time_of(disputed) + terms.arbiter_seconds
    # A ruling and the silent split are never possible in the same second.
    refused(deal, "DebtEscrow_TooEarly", "resolveSilent", 0, by=scene.stranger, at=ends_at - 1)
    refused(deal, "DebtEscrow_TooLate", "rule", 0, 10_000, by=scene.arbiter, at=ends_at)
    (event,) = deal.events(deal.send("resolveSilent", 0, by=scene.stranger))
    assert (event.args["cause"], event.args["toArbiter"]) == (ARBITER_SILENT, 0)
    deal.send("withdraw", scene.payee, scene.payee, by=scene.stranger)
    deal.send("withdraw", scene.payer, scene.payer, by=scene.stranger)
    assert (scene.units(scene.payee), scene.units(scene.payer)) == (
        UNIT * 3 // 10,
        99 * UNIT + UNIT * 7 // 10,
    )
    scene.check_empty(deal)


def test_settlement_signed_by_both(scene: Scene) -> None:
    deal = scene.open(scene.terms(installments=3))
    deal.send("fund", 0, by=scene.payer)
    deal.send("fund", 1, by=scene.payer)
    deal.send("dispute", 1, EVIDENCE, by=scene.payee)
    settlement = Settlement(
        document_hash=DOCUMENT,
        valid_until=scene.stage.node.block().time + DAY_SECONDS,
        # One that is funded, one in dispute, and one that nobody has to fund any more.
        parts=((0, UNIT // 4, UNIT - UNIT // 4), (1, UNIT, 0), (2, 0, 0)),
    )
    payer_signs = deal.sign_settlement(settlement, by=scene.payer)
    payee_signs = deal.sign_settlement(settlement, by=scene.payee)
    only_one = (settlement.values(), payer_signs, payer_signs)
    refused(deal, "DebtEscrow_NotConsented", "settle", *only_one, by=scene.stranger)

    settled = deal.send("settle", settlement.values(), payer_signs, payee_signs, by=scene.stranger)
    events = deal.events(settled)
    assert [event.name for event in events] == 3 * ["InstallmentClosed"] + ["SettlementCarriedOut"]
    assert {event.args["cause"] for event in events[:3]} == {AGREED}
    assert events[3].args["documentHash"] == DOCUMENT
    again = (settlement.values(), payer_signs, payee_signs)
    refused(deal, "DebtEscrow_WrongStatus", "settle", *again, by=scene.stranger)
    deal.send("withdraw", scene.payee, scene.payee, by=scene.payee)
    deal.send("withdraw", scene.payer, scene.payer, by=scene.payer)
    assert scene.units(scene.payee) == UNIT + UNIT // 4
    scene.check_empty(deal)


def test_assignment_of_the_claim(scene: Scene) -> None:
    deal = scene.open(scene.terms(installments=2))
    deal.send("fund", 0, by=scene.payer)
    deal.send("approve", 0, by=scene.payer)
    refused(deal, "DebtEscrow_NotParty", "assignClaim", scene.other, DOCUMENT, by=scene.payer)
    (event,) = deal.events(deal.send("assignClaim", scene.other, DOCUMENT, by=scene.payee))
    assert (event.name, event.args["to"]) == ("ClaimAssigned", checksummed(scene.other))
    assert deal.read("claimant") == checksummed(scene.other)

    # What was credited before stays the payee's; from now on the rights are the assignee's.
    deal.send("fund", 1, by=scene.payer)
    refused(deal, "DebtEscrow_NotParty", "refund", 1, by=scene.payee)
    deal.send("approve", 1, by=scene.payer)
    for who in (scene.payee, scene.other):
        deal.send("withdraw", who, who, by=scene.stranger)
        assert scene.units(who) == UNIT
    scene.check_empty(deal)


def test_native_coin(scene: Scene) -> None:
    terms = replace(scene.terms(installments=2, units=COIN), token=NOBODY)
    deal = scene.open(terms)
    before = scene.wei(scene.payee)
    # Too much is no mistake: the rest is surplus, which the next installment uses first.
    deal.send("fund", 0, by=scene.payer, value_wei=COIN + COIN // 4)
    assert deal.read("liabilities") == COIN
    deal.send("fund", 1, by=scene.stranger, value_wei=COIN - COIN // 4)
    deal.send("approve", 0, by=scene.payer)
    deal.send("refund", 1, by=scene.payee)
    deal.send("withdraw", scene.payee, scene.payee, by=scene.stranger)
    assert scene.wei(scene.payee) == before + COIN - _gas_paid(scene)
    deal.send("withdraw", scene.payer, scene.other, by=scene.payer)
    scene.check_empty(deal)


def _gas_paid(scene: Scene) -> int:
    """What the payee paid for his own transactions, as the receipts name it."""
    paid = 0
    for number in range(1, scene.stage.node.block().number + 1):
        block = scene.stage.node.call("eth_getBlockByNumber", number, True)
        for transaction in block["transactions"]:
            if transaction["from"] == str(scene.payee).lower():
                receipt = scene.stage.node.call("eth_getTransactionReceipt", transaction["hash"])
                paid += int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16)
    return paid


def test_surplus_goes_back_to_the_payer(scene: Scene) -> None:
    deal = scene.open(scene.terms(installments=2))
    scene.stage.send("TestToken", scene.token, "transfer", deal.address, 2 * UNIT, by=scene.payer)
    deal.send("fund", 0, by=scene.payer)
    refused(deal, "DebtEscrow_NotParty", "sweep", scene.token, scene.payer, by=scene.stranger)
    deal.send("sweep", scene.token, scene.payer, by=scene.payer)
    assert scene.units(deal.address) == UNIT == deal.read("liabilities")


def test_funded_with_a_permit(scene: Scene) -> None:
    token = scene.stage.token(holders=[scene.payer], units=UNIT, name="PermitToken")
    terms = scene.terms(token=token)
    deal, _ = scene.stage.open(terms, by=scene.payer, signers=[scene.payee])
    deadline = terms.installments[0][1]
    permit = deal.sign_permit(holder=scene.payer, units=UNIT, deadline=deadline)
    # Somebody who sees the permit may use it first; the deposit comes in all the same.
    front_run = (scene.payer, deal.address, UNIT, deadline, *permit)
    scene.stage.send("PermitToken", token, "permit", *front_run, by=scene.stranger)
    deal.send("fundWithPermit", 0, UNIT, deadline, *permit, by=scene.payer)
    assert deal.read("slot", 0)[3] == FUNDED


def test_the_same_terms_open_one_deal(scene: Scene) -> None:
    terms = scene.terms()
    scene.open(terms)
    with pytest.raises(Reverted):
        scene.open(terms)
    assert scene.open(replace(terms, salt=2)).address != scene.stage.predict(terms)


def test_without_both_consents_there_is_no_deal(scene: Scene) -> None:
    terms = scene.terms()
    for signers in ([], [scene.payer], [scene.payee]):
        with pytest.raises(Reverted):
            scene.stage.open(terms, by=scene.stranger, signers=signers)
    assert scene.stage.node.call("eth_getCode", scene.stage.predict(terms), "latest") == "0x"
    # A party that sends has consented by that.
    scene.stage.open(terms, by=scene.payee, signers=[scene.payer])
