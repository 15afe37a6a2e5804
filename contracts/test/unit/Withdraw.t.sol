// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IDebtEscrow} from "../../src/escrow/IDebtEscrow.sol";
import {Terms} from "../../src/escrow/Terms.sol";
import {Refuser} from "../support/Accounts.sol";
import {Deals} from "../support/Deals.sol";

contract WithdrawTest is Deals {
    function test_sendsTheCredit() external {
        _fund(0);
        _approve(0);
        vm.expectEmit(address(deal));
        emit IDebtEscrow.Withdrawn(TERMS_HASH, payee, payee, UNIT);
        vm.prank(stranger);
        vm.assertEq(deal.withdraw(payee, payee), UNIT);
        vm.assertEq(usd.balanceOf(payee), UNIT);
        vm.assertEq(deal.credit(payee), 0);
        vm.assertEq(deal.liabilities(), 0);
    }

    function test_sendsTheNativeCoin() external {
        deal = _open(_terms(address(0), 1));
        vm.deal(payer, UNIT);
        vm.startPrank(payer);
        deal.fund{value: UNIT}(0);
        deal.approve(0);
        vm.stopPrank();
        deal.withdraw(payee, payee);
        vm.assertEq(payee.balance, UNIT);
    }

    function test_letsOnlyTheAccountRedirect() external {
        _fund(0);
        _approve(0);
        address[3] memory others = [payer, arbiter, stranger];
        for (uint256 i; i < others.length; ++i) {
            vm.prank(others[i]);
            _expect(IDebtEscrow.DebtEscrow_NotParty.selector, others[i]);
            deal.withdraw(payee, others[i]);
        }
        vm.prank(payee);
        deal.withdraw(payee, stranger);
        vm.assertEq(usd.balanceOf(stranger), UNIT);
    }

    function test_letsAPayeeThatTakesNoCoinRedirect() external {
        Terms memory terms = _terms(address(0), 1);
        terms.payee = address(new Refuser());
        deal = _open(terms);
        vm.deal(payer, UNIT);
        vm.startPrank(payer);
        deal.fund{value: UNIT}(0);
        deal.approve(0);
        vm.stopPrank();
        vm.expectRevert();
        deal.withdraw(terms.payee, terms.payee);
        vm.assertEq(deal.credit(terms.payee), UNIT);
        vm.prank(terms.payee);
        deal.withdraw(terms.payee, stranger);
        vm.assertEq(stranger.balance, UNIT);
    }

    function test_revertsToNobodyAndToItself() external {
        _fund(0);
        _approve(0);
        vm.startPrank(payee);
        _expect(IDebtEscrow.DebtEscrow_BadRecipient.selector, address(0));
        deal.withdraw(payee, address(0));
        _expect(IDebtEscrow.DebtEscrow_BadRecipient.selector, address(deal));
        deal.withdraw(payee, address(deal));
        vm.stopPrank();
    }

    function test_revertsWithNothingToPay() external {
        _fund(0);
        _expect(IDebtEscrow.DebtEscrow_NothingToPay.selector);
        deal.withdraw(payee, payee);
        _approve(0);
        deal.withdraw(payee, payee);
        _expect(IDebtEscrow.DebtEscrow_NothingToPay.selector);
        deal.withdraw(payee, payee);
    }

    function test_revertsOnTheImplementation() external {
        IDebtEscrow implementation = IDebtEscrow(factory.implementation());
        _expect(IDebtEscrow.DebtEscrow_NotADeal.selector);
        implementation.withdraw(payee, payee);
    }
}
