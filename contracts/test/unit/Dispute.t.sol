// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IDebtEscrow} from "../../src/escrow/IDebtEscrow.sol";
import {Deals} from "../support/Deals.sol";

contract DisputeTest is Deals {
    function test_beginsTheArbitersTime() external {
        _fund(0);
        vm.expectEmit(address(deal));
        emit IDebtEscrow.InstallmentDisputed(TERMS_HASH, 0, payer, keccak256("photo"));
        _dispute(0);
        _assertStatus(0, IDebtEscrow.Status.Disputed);
        vm.assertEq(deal.slot(0).deadline, block.timestamp + 30 days);
        vm.assertEq(deal.slot(0).held, UNIT);
    }

    function test_isOpenToTheClaimantToo() external {
        _fund(0);
        vm.prank(payee);
        deal.dispute(0, 0);
        _assertStatus(0, IDebtEscrow.Status.Disputed);
    }

    function test_endsWithTheLastSecondBeforeTheDeadline() external {
        _fund(0);
        _fund(1);
        uint256 deadline = _dueAt(0) + 7 days;
        vm.warp(deadline);
        vm.prank(payer);
        _expect(IDebtEscrow.DebtEscrow_TooLate.selector, deadline);
        deal.dispute(0, 0);
        vm.warp(_dueAt(1) + 7 days - 1);
        _dispute(1);
    }

    function test_revertsUnlessFunded() external {
        vm.startPrank(payer);
        _expectStatus(0, IDebtEscrow.Status.Open);
        deal.dispute(0, 0);
        deal.fund(0);
        deal.dispute(0, 0);
        _expectStatus(0, IDebtEscrow.Status.Disputed);
        deal.dispute(0, 0);
        _expect(IDebtEscrow.DebtEscrow_NoSuchInstallment.selector, 3);
        deal.dispute(3, 0);
        vm.stopPrank();
    }

    function test_revertsWithoutAnArbiter() external {
        deal = _open(_termsWithoutArbiter(address(usd), 1));
        _allow(0);
        _fund(0);
        vm.prank(payer);
        _expect(IDebtEscrow.DebtEscrow_NoArbiter.selector);
        deal.dispute(0, 0);
    }

    function testFuzz_onlyTheParties(address who) external {
        vm.assume(who != payer && who != payee);
        _fund(0);
        vm.prank(who);
        _expect(IDebtEscrow.DebtEscrow_NotParty.selector, who);
        deal.dispute(0, 0);
    }
}
