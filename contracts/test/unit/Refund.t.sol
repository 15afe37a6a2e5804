// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IDebtEscrow} from "../../src/escrow/IDebtEscrow.sol";
import {Deals} from "../support/Deals.sol";

contract RefundTest is Deals {
    function _refund(uint256 index) private {
        vm.prank(payee);
        deal.refund(index);
    }

    function test_creditsThePayer() external {
        _fund(1);
        _expectClosed(1, IDebtEscrow.Cause.Refunded, 0, UNIT, 0);
        _refund(1);
        _assertCredits(0, UNIT, 0);
        _assertStatus(1, IDebtEscrow.Status.Closed);
    }

    function test_endsADispute() external {
        _fund(0);
        _dispute(0);
        _refund(0);
        _assertCredits(0, UNIT, 0);
    }

    function test_revertsWithoutADeposit() external {
        vm.prank(payee);
        _expectStatus(0, IDebtEscrow.Status.Open);
        deal.refund(0);
        _fund(0);
        _refund(0);
        vm.prank(payee);
        _expectStatus(0, IDebtEscrow.Status.Closed);
        deal.refund(0);
        vm.prank(payee);
        _expect(IDebtEscrow.DebtEscrow_NoSuchInstallment.selector, 3);
        deal.refund(3);
    }

    function testFuzz_onlyTheClaimant(address who) external {
        vm.assume(who != payee);
        _fund(0);
        vm.prank(who);
        _expect(IDebtEscrow.DebtEscrow_NotParty.selector, who);
        deal.refund(0);
    }
}
