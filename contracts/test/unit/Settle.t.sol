// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IDebtEscrow} from "../../src/escrow/IDebtEscrow.sol";
import {Terms} from "../../src/escrow/Terms.sol";
import {Wallet} from "../support/Accounts.sol";
import {Deals} from "../support/Deals.sol";

contract SettleTest is Deals {
    function test_splitsAnyWay() external {
        _fund(0);
        IDebtEscrow.Settlement memory settlement = _settlement(0, 1, UNIT - 1);
        _expectClosed(0, IDebtEscrow.Cause.Agreed, 1, UNIT - 1, 0);
        vm.expectEmit(address(deal));
        emit IDebtEscrow.SettlementCarriedOut(
            TERMS_HASH, settlement.documentHash, deal.settlementDigest(settlement)
        );
        _settle(settlement);
        _assertCredits(1, UNIT - 1, 0);
        _assertStatus(0, IDebtEscrow.Status.Closed);
    }

    function test_endsADispute_beforeAndAfterTheArbitersTime() external {
        _fund(0);
        _fund(1);
        _dispute(0);
        _dispute(1);
        _settle(_settlement(0, UNIT, 0));
        vm.warp(block.timestamp + 60 days);
        _settle(_settlement(1, 0, UNIT));
        _assertCredits(UNIT, UNIT, 0);
    }

    function test_closesAnOpenInstallmentWithNothing() external {
        _settle(_settlement(2, 0, 0));
        _assertStatus(2, IDebtEscrow.Status.Closed);
        _assertCredits(0, 0, 0);
        vm.prank(payer);
        _expectStatus(2, IDebtEscrow.Status.Closed);
        deal.fund(2);
    }

    function test_closesSeveralAtOnce() external {
        _fund(0);
        IDebtEscrow.Settlement memory settlement = _all(400e6, 600e6);
        _settle(settlement);
        for (uint256 i; i < 3; ++i) {
            _assertStatus(i, IDebtEscrow.Status.Closed);
        }
        _assertCredits(400e6, 600e6, 0);
    }

    function test_doesAllOrNothing() external {
        _fund(0);
        _fund(1);
        IDebtEscrow.Settlement memory settlement = _all(400e6, 600e6);
        (bytes memory ofPayer, bytes memory ofPayee) = _signed(settlement);
        _expect(IDebtEscrow.DebtEscrow_BadPart.selector, 1, UNIT);
        deal.settle(settlement, ofPayer, ofPayee);
        _assertStatus(0, IDebtEscrow.Status.Funded);
    }

    function test_revertsWhereThePartsDoNotAddUp() external {
        _fund(0);
        IDebtEscrow.Settlement memory less = _settlement(0, UNIT - 1, 0);
        IDebtEscrow.Settlement memory more = _settlement(0, UNIT, 1);
        (bytes memory ofPayer, bytes memory ofPayee) = _signed(less);
        _expect(IDebtEscrow.DebtEscrow_BadPart.selector, 0, UNIT);
        deal.settle(less, ofPayer, ofPayee);
        (ofPayer, ofPayee) = _signed(more);
        _expect(IDebtEscrow.DebtEscrow_BadPart.selector, 0, UNIT);
        deal.settle(more, ofPayer, ofPayee);
    }

    function test_revertsWithoutParts_pastTheEnd_andTwiceInOne() external {
        IDebtEscrow.Settlement memory settlement = _settlement(3, 0, 0);
        (bytes memory ofPayer, bytes memory ofPayee) = _signed(settlement);
        _expect(IDebtEscrow.DebtEscrow_NoSuchInstallment.selector, 3);
        deal.settle(settlement, ofPayer, ofPayee);
        settlement.parts = new IDebtEscrow.Part[](2);
        (ofPayer, ofPayee) = _signed(settlement);
        _expectStatus(0, IDebtEscrow.Status.Closed);
        deal.settle(settlement, ofPayer, ofPayee);
        settlement.parts = new IDebtEscrow.Part[](0);
        (ofPayer, ofPayee) = _signed(settlement);
        _expect(IDebtEscrow.DebtEscrow_NoParts.selector);
        deal.settle(settlement, ofPayer, ofPayee);
    }

    function test_revertsWhenCarriedOutAgain() external {
        _fund(0);
        IDebtEscrow.Settlement memory settlement = _settlement(0, UNIT, 0);
        (bytes memory ofPayer, bytes memory ofPayee) = _signed(settlement);
        deal.settle(settlement, ofPayer, ofPayee);
        _expectStatus(0, IDebtEscrow.Status.Closed);
        deal.settle(settlement, ofPayer, ofPayee);
    }

    function test_lastsToItsLastSecond() external {
        _fund(0);
        IDebtEscrow.Settlement memory settlement = _settlement(0, UNIT, 0);
        (bytes memory ofPayer, bytes memory ofPayee) = _signed(settlement);
        vm.warp(settlement.validUntil + 1);
        _expect(IDebtEscrow.DebtEscrow_TooLate.selector, settlement.validUntil + 1);
        deal.settle(settlement, ofPayer, ofPayee);
        vm.warp(settlement.validUntil);
        deal.settle(settlement, ofPayer, ofPayee);
    }

    function test_takesTheSenderAtHisWord() external {
        _fund(0);
        _fund(1);
        IDebtEscrow.Settlement memory settlement = _settlement(0, UNIT, 0);
        (bytes memory ofPayer,) = _signed(settlement);
        vm.prank(payee);
        deal.settle(settlement, ofPayer, "");
        settlement = _settlement(1, UNIT, 0);
        (, bytes memory ofPayee) = _signed(settlement);
        vm.prank(payer);
        deal.settle(settlement, "", ofPayee);
    }

    function test_needsBoth() external {
        _fund(0);
        IDebtEscrow.Settlement memory settlement = _settlement(0, UNIT, 0);
        (bytes memory ofPayer, bytes memory ofPayee) = _signed(settlement);
        _expect(IDebtEscrow.DebtEscrow_NotConsented.selector, payee);
        deal.settle(settlement, ofPayer, "");
        _expect(IDebtEscrow.DebtEscrow_NotConsented.selector, payer);
        deal.settle(settlement, "", ofPayee);
        vm.prank(arbiter);
        _expect(IDebtEscrow.DebtEscrow_NotConsented.selector, payer);
        deal.settle(settlement, ofPayee, ofPayer);
    }

    function test_asksAWalletsCode() external {
        Terms memory terms = _terms(address(usd), 1);
        terms.payee = address(new Wallet(payee));
        deal = _open(terms);
        _settle(_settlement(0, 0, 0));
        _assertStatus(0, IDebtEscrow.Status.Closed);
    }

    function testFuzz_partsAddUp(uint256 toPayee, bool disputed) external {
        toPayee = _bound(toPayee, 0, UNIT);
        _fund(0);
        if (disputed) _dispute(0);
        _settle(_settlement(0, toPayee, UNIT - toPayee));
        _assertCredits(toPayee, UNIT - toPayee, 0);
        vm.assertEq(deal.liabilities(), UNIT);
    }

    function testFuzz_everyFieldIsSigned(uint256 field, uint256 x) external view {
        IDebtEscrow.Settlement memory settlement = _settlement(0, 5, 6);
        bytes32 digest = deal.settlementDigest(settlement);
        x = _bound(x, 1, type(uint64).max);
        field = field % 6;
        if (field == 0) settlement.documentHash ^= bytes32(x);
        else if (field == 1) settlement.validUntil += x;
        else if (field == 2) settlement.parts[0].index += x;
        else if (field == 3) settlement.parts[0].toPayee += x;
        else if (field == 4) settlement.parts[0].toPayer += x;
        else settlement.parts = new IDebtEscrow.Part[](2);
        vm.assertNotEq(deal.settlementDigest(settlement), digest);
    }

    function _all(uint256 toPayee, uint256 toPayer) private view returns (IDebtEscrow.Settlement memory settlement) {
        settlement = _settlement(0, 0, 0);
        settlement.parts = new IDebtEscrow.Part[](3);
        settlement.parts[0] = IDebtEscrow.Part(0, toPayee, toPayer);
        settlement.parts[1].index = 1;
        settlement.parts[2].index = 2;
    }

    function _signed(IDebtEscrow.Settlement memory settlement)
        private
        view
        returns (bytes memory ofPayer, bytes memory ofPayee)
    {
        bytes32 digest = deal.settlementDigest(settlement);
        (ofPayer, ofPayee) = (_sign(PAYER_KEY, digest), _sign(PAYEE_KEY, digest));
    }
}
