// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IDebtEscrow} from "../../src/escrow/IDebtEscrow.sol";
import {Deals} from "../support/Deals.sol";

contract ResolveSilentTest is Deals {
    function test_splitsAsAgreed_withoutAFee() external {
        _fund(0);
        _dispute(0);
        uint256 end = block.timestamp + 30 days;
        vm.warp(end - 1);
        _expect(IDebtEscrow.DebtEscrow_TooEarly.selector, end);
        deal.resolveSilent(0);
        vm.warp(end);
        _expectClosed(0, IDebtEscrow.Cause.ArbiterSilent, 600e6, 400e6, 0);
        vm.prank(stranger);
        deal.resolveSilent(0);
        _assertCredits(600e6, 400e6, 0);
    }

    function test_revertsUnlessDisputed() external {
        _expectStatus(0, IDebtEscrow.Status.Open);
        deal.resolveSilent(0);
        _fund(0);
        vm.warp(_dueAt(0) + 365 days);
        _expectStatus(0, IDebtEscrow.Status.Funded);
        deal.resolveSilent(0);
        _expect(IDebtEscrow.DebtEscrow_NoSuchInstallment.selector, 3);
        deal.resolveSilent(3);
    }

    function testFuzz_neverTogetherWithARuling(uint256 wait) external {
        _fund(0);
        _dispute(0);
        vm.warp(block.timestamp + _bound(wait, 30 days - 2, 30 days + 2));
        (bool silent,) = address(deal).call(abi.encodeCall(deal.resolveSilent, (0)));
        vm.prank(arbiter);
        (bool ruled,) = address(deal).call(abi.encodeCall(deal.rule, (0, 0)));
        vm.assertTrue(silent != ruled);
    }
}
