// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IDebtEscrow} from "../../src/escrow/IDebtEscrow.sol";
import {Deals} from "../support/Deals.sol";

contract ReleaseTest is Deals {
    function test_releasesFromTheDeadlineOn() external {
        _fund(0);
        uint256 deadline = _dueAt(0) + 7 days;
        vm.warp(deadline - 1);
        _expect(IDebtEscrow.DebtEscrow_TooEarly.selector, deadline);
        deal.release(0);
        vm.warp(deadline);
        _expectClosed(0, IDebtEscrow.Cause.Elapsed, UNIT, 0, 0);
        vm.prank(stranger);
        deal.release(0);
        _assertCredits(UNIT, 0, 0);
    }

    function test_leavesALateDepositItsReview() external {
        vm.warp(_dueAt(0) + 100 days);
        _fund(0);
        _expect(IDebtEscrow.DebtEscrow_TooEarly.selector, block.timestamp + 7 days);
        deal.release(0);
    }

    function test_revertsUnlessFunded() external {
        _expectStatus(0, IDebtEscrow.Status.Open);
        deal.release(0);
        _fund(0);
        _dispute(0);
        vm.warp(block.timestamp + 365 days);
        _expectStatus(0, IDebtEscrow.Status.Disputed);
        deal.release(0);
        _approve(0);
        _expectStatus(0, IDebtEscrow.Status.Closed);
        deal.release(0);
        _expect(IDebtEscrow.DebtEscrow_NoSuchInstallment.selector, 3);
        deal.release(3);
    }
}
