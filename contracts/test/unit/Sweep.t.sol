// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IDebtEscrow} from "../../src/escrow/IDebtEscrow.sol";
import {Forcer} from "../support/Accounts.sol";
import {Deals} from "../support/Deals.sol";
import {FeeToken} from "../support/Tokens.sol";

contract SweepTest is Deals {
    function test_returnsTheSurplusOnly() external {
        _fund(0);
        _fund(1);
        _approve(1);
        usd.mint(address(deal), 7);
        vm.expectEmit(address(deal));
        emit IDebtEscrow.Swept(TERMS_HASH, address(usd), payer, 7);
        uint256 before = usd.balanceOf(payer);
        vm.prank(payer);
        vm.assertEq(deal.sweep(address(usd), payer), 7);
        vm.assertEq(usd.balanceOf(payer), before + 7);
        vm.assertEq(usd.balanceOf(address(deal)), 2 * uint256(UNIT));
    }

    function test_returnsAForeignTokenAndForcedCoin() external {
        _fund(0);
        FeeToken foreign = new FeeToken();
        foreign.mint(address(deal), 100);
        vm.deal(address(this), 5);
        new Forcer{value: 5}(payable(address(deal)));
        vm.startPrank(payer);
        deal.sweep(address(foreign), stranger);
        deal.sweep(address(0), payer);
        vm.stopPrank();
        vm.assertEq(foreign.balanceOf(stranger), 99);
        vm.assertEq(payer.balance, 5);
    }

    function test_returnsTheSurplusOfANativeDeal() external {
        deal = _open(_terms(address(0), 1));
        vm.deal(payer, UNIT + 3);
        vm.startPrank(payer);
        deal.fund{value: UNIT + 3}(0);
        deal.sweep(address(0), payer);
        vm.stopPrank();
        vm.assertEq(payer.balance, 3);
        vm.assertEq(address(deal).balance, UNIT);
    }

    function test_revertsWithNothingToPay() external {
        _fund(0);
        vm.startPrank(payer);
        _expect(IDebtEscrow.DebtEscrow_NothingToPay.selector);
        deal.sweep(address(usd), payer);
        _expect(IDebtEscrow.DebtEscrow_NothingToPay.selector);
        deal.sweep(address(0), payer);
        vm.stopPrank();
    }

    function test_revertsToNobodyAndToItself() external {
        usd.mint(address(deal), 7);
        vm.startPrank(payer);
        _expect(IDebtEscrow.DebtEscrow_BadRecipient.selector, address(0));
        deal.sweep(address(usd), address(0));
        _expect(IDebtEscrow.DebtEscrow_BadRecipient.selector, address(deal));
        deal.sweep(address(usd), address(deal));
        vm.stopPrank();
    }

    function testFuzz_isThePayersWhileSomethingIsOpen(address who) external {
        vm.assume(who != payer);
        usd.mint(address(deal), 7);
        vm.prank(who);
        _expect(IDebtEscrow.DebtEscrow_NotParty.selector, who);
        deal.sweep(address(usd), payer);
        _fund(0);
        _fund(2);
        vm.prank(who);
        _expect(IDebtEscrow.DebtEscrow_NotParty.selector, who);
        deal.sweep(address(usd), payer);
    }

    function test_isAnyonesForThePayerOnceNothingIsOpen() external {
        for (uint256 i; i < 3; ++i) {
            _fund(i);
        }
        usd.mint(address(deal), 7);
        vm.startPrank(stranger);
        _expect(IDebtEscrow.DebtEscrow_NotParty.selector, stranger);
        deal.sweep(address(usd), stranger);
        deal.sweep(address(usd), payer);
        vm.stopPrank();
        vm.assertEq(usd.balanceOf(address(deal)), 3 * uint256(UNIT));
    }

    function test_isAnyonesForThePayerAfterAYear() external {
        usd.mint(address(deal), 7);
        vm.warp(uint256(_dueAt(2)) + 365 days);
        vm.startPrank(stranger);
        _expect(IDebtEscrow.DebtEscrow_NotParty.selector, stranger);
        deal.sweep(address(usd), payer);
        vm.warp(uint256(_dueAt(2)) + 365 days + 1);
        deal.sweep(address(usd), payer);
        vm.stopPrank();
        vm.assertEq(usd.balanceOf(address(deal)), 0);
    }
}
