// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IDebtEscrow} from "../../src/escrow/IDebtEscrow.sol";
import {Deals} from "../support/Deals.sol";

contract AssignClaimTest is Deals {
    function _assign() private {
        vm.prank(payee);
        deal.assignClaim(assignee, keccak256("deed"));
    }

    function test_givesNotice() external {
        vm.expectEmit(address(deal));
        emit IDebtEscrow.ClaimAssigned(TERMS_HASH, payee, assignee, keccak256("deed"));
        _assign();
        vm.assertEq(deal.claimant(), assignee);
        vm.assertEq(deal.terms().payee, payee);
    }

    function test_movesWhatIsCreditedFromNowOn() external {
        _fund(0);
        _fund(1);
        _approve(0);
        _assign();
        _approve(1);
        vm.assertEq(deal.credit(payee), UNIT);
        vm.assertEq(deal.credit(assignee), UNIT);
    }

    function test_movesEveryRight() external {
        _fund(0);
        _fund(1);
        _assign();
        vm.startPrank(payee);
        _expect(IDebtEscrow.DebtEscrow_NotParty.selector, payee);
        deal.refund(0);
        _expect(IDebtEscrow.DebtEscrow_NotParty.selector, payee);
        deal.dispute(0, 0);
        _expect(IDebtEscrow.DebtEscrow_NotParty.selector, payee);
        deal.assignClaim(payee, 0);
        vm.stopPrank();
        vm.startPrank(assignee);
        deal.dispute(0, 0);
        deal.refund(1);
        vm.stopPrank();
        vm.prank(arbiter);
        deal.rule(0, 10_000);
        vm.assertEq(deal.credit(assignee), 980e6);
    }

    function test_movesTheSignature() external {
        _fund(0);
        _assign();
        IDebtEscrow.Settlement memory settlement = _settlement(0, UNIT, 0);
        bytes32 digest = deal.settlementDigest(settlement);
        bytes memory ofPayer = _sign(PAYER_KEY, digest);
        bytes memory ofPayee = _sign(PAYEE_KEY, digest);
        _expect(IDebtEscrow.DebtEscrow_NotConsented.selector, assignee);
        deal.settle(settlement, ofPayer, ofPayee);
        deal.settle(settlement, ofPayer, _sign(ASSIGNEE_KEY, digest));
        vm.assertEq(deal.credit(assignee), UNIT);
    }

    function test_canBeAssignedOnAndBack() external {
        _assign();
        vm.prank(assignee);
        deal.assignClaim(stranger, 0);
        vm.assertEq(deal.claimant(), stranger);
        vm.prank(stranger);
        deal.assignClaim(payee, 0);
        vm.assertEq(deal.claimant(), payee);
    }

    function test_refusesAssignees() external {
        address[5] memory refused = [address(0), address(deal), payee, payer, arbiter];
        vm.startPrank(payee);
        for (uint256 i; i < refused.length; ++i) {
            _expect(IDebtEscrow.DebtEscrow_BadAssignee.selector, refused[i]);
            deal.assignClaim(refused[i], 0);
        }
        vm.stopPrank();
    }

    function testFuzz_onlyTheClaimant(address who) external {
        vm.assume(who != payee);
        vm.prank(who);
        _expect(IDebtEscrow.DebtEscrow_NotParty.selector, who);
        deal.assignClaim(assignee, 0);
    }
}
