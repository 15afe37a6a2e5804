// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IDebtEscrow} from "../../src/escrow/IDebtEscrow.sol";
import {Terms} from "../../src/escrow/Terms.sol";
import {Deals} from "../support/Deals.sol";

contract RuleTest is Deals {
    function _rule(uint256 index, uint256 payeeBps) private {
        vm.prank(arbiter);
        deal.rule(index, payeeBps);
    }

    function test_splitsAfterTheFee() external {
        _fund(0);
        _dispute(0);
        _expectClosed(0, IDebtEscrow.Cause.Ruled, 245e6, 735e6, 20e6);
        _rule(0, 2_500);
        _assertCredits(245e6, 735e6, 20e6);
        _assertStatus(0, IDebtEscrow.Status.Closed);
    }

    function test_splitsFromNothingToAll() external {
        _fund(0);
        _dispute(0);
        _rule(0, 0);
        _assertCredits(0, 980e6, 20e6);
        _fund(1);
        _dispute(1);
        vm.prank(arbiter);
        _expect(IDebtEscrow.DebtEscrow_BadShare.selector, 10_001);
        deal.rule(1, 10_001);
        _rule(1, 10_000);
        _assertCredits(980e6, 980e6, 40e6);
    }

    function test_endsWithTheLastSecondOfTheWindow() external {
        _fund(0);
        _fund(1);
        _dispute(0);
        _dispute(1);
        uint256 end = block.timestamp + 30 days;
        vm.warp(end - 1);
        _rule(0, 0);
        vm.warp(end);
        vm.prank(arbiter);
        _expect(IDebtEscrow.DebtEscrow_TooLate.selector, end);
        deal.rule(1, 0);
    }

    function test_revertsUnlessDisputed() external {
        vm.startPrank(arbiter);
        _expectStatus(0, IDebtEscrow.Status.Open);
        deal.rule(0, 0);
        vm.stopPrank();
        _fund(0);
        vm.startPrank(arbiter);
        _expectStatus(0, IDebtEscrow.Status.Funded);
        deal.rule(0, 0);
        _expect(IDebtEscrow.DebtEscrow_NoSuchInstallment.selector, 3);
        deal.rule(3, 0);
        vm.stopPrank();
    }

    function testFuzz_onlyTheArbiter(address who) external {
        vm.assume(who != arbiter);
        _fund(0);
        _dispute(0);
        vm.prank(who);
        _expect(IDebtEscrow.DebtEscrow_NotParty.selector, who);
        deal.rule(0, 0);
    }

    function testFuzz_partsAddUp(uint120 amount, uint16 feeBps, uint16 payeeBps, uint32 late) external {
        Terms memory terms = _terms(address(usd), 1);
        terms.installments[0].amount = amount == 0 ? 1 : amount;
        terms.arbiterFeeBps = uint16(_bound(feeBps, 0, 1_000));
        payeeBps = uint16(_bound(payeeBps, 0, 10_000));
        deal = _open(terms);
        _late(0);
        vm.warp(block.timestamp + late);
        (uint256 due,) = deal.amountDue(0);
        _allow(due);
        _fund(0);
        _dispute(0);
        _rule(0, payeeBps);
        vm.assertEq(deal.credit(payer) + deal.credit(payee) + deal.credit(arbiter), due);
        vm.assertEq(deal.liabilities(), due);
        vm.assertLe(deal.credit(arbiter), due / 10);
        vm.assertLe(deal.credit(payee), due * payeeBps / 10_000);
    }
}
