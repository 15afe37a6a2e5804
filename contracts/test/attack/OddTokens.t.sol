// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IDebtEscrow} from "../../src/escrow/IDebtEscrow.sol";
import {Deals} from "../support/Deals.sol";
import {FeeToken, LyingToken, Mintable, NoReturnToken, RebasingToken, TwinToken} from "../support/Tokens.sol";

/// @title Tokens that don't do what ERC-20 leads to expect
contract OddTokensTest is Deals {
    function _openIn(Mintable token, uint256 count) private {
        deal = _open(_terms(address(token), count));
        token.mint(payer, 100 * uint256(UNIT));
        vm.prank(payer);
        token.approve(address(deal), type(uint256).max);
    }

    // ---- fee on transfer

    function test_feeOnTransfer_creditsWhatArrived_untilItIsWhole() external {
        FeeToken token = new FeeToken();
        _openIn(token, 1);
        vm.expectEmit(address(deal));
        emit IDebtEscrow.DepositIncomplete(TERMS_HASH, 0, payer, 990e6, 10e6);
        vm.prank(payer);
        vm.assertFalse(deal.fund(0));
        _assertStatus(0, IDebtEscrow.Status.Open);
        vm.assertEq(deal.liabilities(), 0);
        uint256 calls = 1;
        for (bool funded; !funded; ++calls) {
            vm.assertTrue(calls < 10, "each call brings 99 % of what is missing");
            vm.prank(payer);
            funded = deal.fund(0);
        }
        vm.assertEq(deal.slot(0).held, UNIT);
        vm.assertGe(token.balanceOf(address(deal)), UNIT);
        _approve(0);
        vm.assertEq(deal.withdraw(payee, payee), UNIT);
        vm.assertEq(token.balanceOf(payee), 990e6);
    }

    function test_feeOnTransfer_theIncompleteDepositIsThePayers() external {
        FeeToken token = new FeeToken();
        _openIn(token, 1);
        vm.startPrank(payer);
        deal.fund(0);
        deal.sweep(address(token), payer);
        vm.stopPrank();
        vm.assertEq(token.balanceOf(address(deal)), 0);
    }

    function test_feeOnTransfer_revertsWhereNothingArrives() external {
        FeeToken token = new FeeToken();
        _openIn(token, 1);
        token.setFee(10_000);
        vm.prank(payer);
        _expect(IDebtEscrow.DebtEscrow_NothingArrived.selector);
        deal.fund(0);
    }

    function test_lyingToken_securesNothing() external {
        _openIn(new LyingToken(), 1);
        vm.prank(payer);
        _expect(IDebtEscrow.DebtEscrow_NothingArrived.selector);
        deal.fund(0);
    }

    // ---- rebasing

    function test_rebasing_growthIsSurplus() external {
        RebasingToken token = new RebasingToken();
        _openIn(token, 1);
        _fund(0);
        token.rebase(address(deal), 5);
        vm.prank(payer);
        vm.assertEq(deal.sweep(address(token), payer), 5);
        _approve(0);
        vm.assertEq(deal.withdraw(payee, payee), UNIT);
    }

    function test_rebasing_shrinkingLocksNothing() external {
        RebasingToken token = new RebasingToken();
        _openIn(token, 2);
        _fund(0);
        _fund(1);
        token.rebase(address(deal), -int256(uint256(UNIT) * 3 / 2));
        _approve(0);
        _approve(1);
        vm.assertEq(deal.withdraw(payee, payee), UNIT / 2);
        vm.assertEq(deal.credit(payee), uint256(UNIT) * 3 / 2);
        _expect(IDebtEscrow.DebtEscrow_NothingToPay.selector);
        deal.withdraw(payee, payee);
        token.rebase(address(deal), 7);
        vm.assertEq(deal.withdraw(payee, payee), 7);
    }

    function test_rebasing_newMoneyFillsNoHole() external {
        RebasingToken token = new RebasingToken();
        _openIn(token, 2);
        _fund(0);
        token.rebase(address(deal), -1);
        vm.prank(payer);
        _expect(IDebtEscrow.DebtEscrow_Uncovered.selector, UNIT - 1, UNIT);
        deal.fund(1);
        vm.prank(payer);
        _expect(IDebtEscrow.DebtEscrow_NothingToPay.selector);
        deal.sweep(address(token), payer);
    }

    // ---- no return value, blacklist, pause

    function test_noReturn_goesAllTheWay() external {
        NoReturnToken token = new NoReturnToken();
        deal = _open(_terms(address(token), 1));
        token.mint(payer, UNIT);
        vm.startPrank(payer);
        token.approve(address(deal), UNIT);
        deal.fund(0);
        deal.approve(0);
        vm.stopPrank();
        deal.withdraw(payee, payee);
        vm.assertEq(token.balanceOf(payee), UNIT);
    }

    function test_blacklistedPayee_redirects_andBlocksNobody() external {
        _fund(0);
        _fund(1);
        _approve(0);
        usd.blacklist(payee, true);
        vm.expectRevert();
        deal.withdraw(payee, payee);
        vm.prank(payee);
        deal.refund(1);
        deal.withdraw(payer, payer);
        vm.prank(payee);
        deal.withdraw(payee, stranger);
        vm.assertEq(usd.balanceOf(stranger), UNIT);
        vm.assertEq(deal.liabilities(), 0);
    }

    function test_blacklistedDeal_waits() external {
        _fund(0);
        _approve(0);
        usd.blacklist(address(deal), true);
        vm.expectRevert();
        deal.withdraw(payee, payee);
        vm.assertEq(deal.credit(payee), UNIT);
        usd.blacklist(address(deal), false);
        deal.withdraw(payee, payee);
    }

    function test_pausedToken_stopsTransfersOnly() external {
        _fund(0);
        _fund(1);
        usd.pause(true);
        _dispute(0);
        _approve(1);
        vm.prank(payer);
        vm.expectRevert();
        deal.fund(2);
        vm.expectRevert();
        deal.withdraw(payee, payee);
        vm.prank(arbiter);
        deal.rule(0, 10_000);
        usd.pause(false);
        vm.assertEq(deal.withdraw(payee, payee), UNIT + 980e6);
    }

    // ---- two addresses, one balance

    function test_twin_cannotBeSweptThroughItsOtherAddress() external {
        TwinToken token = new TwinToken();
        _openIn(token, 1);
        _fund(0);
        address second = address(token.second());
        vm.prank(payer);
        _expect(IDebtEscrow.DebtEscrow_Uncovered.selector, 0, UNIT);
        deal.sweep(second, payer);
        _approve(0);
        vm.prank(payer);
        _expect(IDebtEscrow.DebtEscrow_Uncovered.selector, 0, UNIT);
        deal.sweep(second, payer);
    }

    function test_twin_onlyTheSurplusLeavesThroughTheOther() external {
        TwinToken token = new TwinToken();
        _openIn(token, 1);
        address second = address(token.second());
        token.mint(address(deal), 5);
        vm.prank(payer);
        deal.sweep(second, payer);
        vm.assertEq(token.balanceOf(address(deal)), 0);
    }
}
