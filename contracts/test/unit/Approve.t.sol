// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IDebtEscrow} from "../../src/escrow/IDebtEscrow.sol";
import {Deals} from "../support/Deals.sol";

contract ApproveTest is Deals {
    function test_creditsTheClaimant() external {
        _late(0);
        _fund(0);
        _expectClosed(0, IDebtEscrow.Cause.Approved, UNIT + UNIT / 100, 0, 0);
        _approve(0);
        _assertCredits(UNIT + UNIT / 100, 0, 0);
        _assertStatus(0, IDebtEscrow.Status.Closed);
        vm.assertEq(deal.slot(0).held, 0);
        vm.assertEq(deal.liabilities(), UNIT + UNIT / 100);
    }

    function test_endsADispute_evenAfterTheArbitersTime() external {
        _fund(0);
        _dispute(0);
        _approve(0);
        _fund(1);
        _dispute(1);
        vm.warp(block.timestamp + 31 days);
        _approve(1);
        _assertCredits(2 * uint256(UNIT), 0, 0);
    }

    function test_revertsWithoutADeposit() external {
        vm.startPrank(payer);
        _expectStatus(0, IDebtEscrow.Status.Open);
        deal.approve(0);
        deal.fund(0);
        deal.approve(0);
        _expectStatus(0, IDebtEscrow.Status.Closed);
        deal.approve(0);
        _expect(IDebtEscrow.DebtEscrow_NoSuchInstallment.selector, 3);
        deal.approve(3);
        vm.stopPrank();
    }

    function testFuzz_onlyThePayer(address who) external {
        vm.assume(who != payer);
        _fund(0);
        vm.prank(who);
        _expect(IDebtEscrow.DebtEscrow_NotParty.selector, who);
        deal.approve(0);
    }
}
