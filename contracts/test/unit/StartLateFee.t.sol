// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IDebtEscrow} from "../../src/escrow/IDebtEscrow.sol";
import {Terms} from "../../src/escrow/Terms.sol";
import {Deals} from "../support/Deals.sol";

contract StartLateFeeTest is Deals {
    function test_startsOneSecondAfterTheDueDate() external {
        vm.warp(_dueAt(0));
        _expect(IDebtEscrow.DebtEscrow_TooEarly.selector, _dueAt(0) + 1);
        deal.startLateFee(0);
        vm.warp(_dueAt(0) + 1);
        vm.expectEmit(address(deal));
        emit IDebtEscrow.LateFeeStarted(TERMS_HASH, 0);
        vm.prank(stranger);
        deal.startLateFee(0);
        vm.assertEq(deal.slot(0).lateFrom, _dueAt(0) + 1);
        _assertStatus(0, IDebtEscrow.Status.Open);
    }

    function test_startsOnce() external {
        _late(0);
        vm.warp(block.timestamp + 1);
        _expect(IDebtEscrow.DebtEscrow_NoLateFee.selector);
        deal.startLateFee(0);
    }

    function test_neverRunsBackwards() external {
        vm.warp(_dueAt(0) + 100 days);
        (uint256 due, uint256 fee) = deal.amountDue(0);
        vm.assertEq(due, UNIT);
        vm.assertEq(fee, 0);
        deal.startLateFee(0);
        (, fee) = deal.amountDue(0);
        vm.assertEq(fee, UNIT / 100);
    }

    function test_growsByStartedPeriodsToTheCap() external {
        _late(0);
        uint256 from = block.timestamp;
        vm.assertEq(_feeAt(from + 30 days - 1), UNIT / 100);
        vm.assertEq(_feeAt(from + 30 days), UNIT * 2 / 100);
        vm.assertEq(_feeAt(from + 120 days), UNIT * 5 / 100);
        vm.assertEq(_feeAt(from + 3_650 days), UNIT * 5 / 100);
    }

    function test_isRefusedWhileTheMoneyIsThere() external {
        vm.prank(payer);
        usd.transfer(address(deal), UNIT);
        vm.warp(_dueAt(0) + 1);
        _expect(IDebtEscrow.DebtEscrow_MoneyIsThere.selector, UNIT);
        deal.startLateFee(0);
        vm.prank(stranger);
        deal.fund(0);
        vm.assertEq(deal.slot(0).held, UNIT);
    }

    function test_looksAtTheOpenOnesBeforeToo() external {
        vm.prank(payer);
        usd.transfer(address(deal), UNIT);
        vm.warp(_dueAt(1) + 1);
        _expect(IDebtEscrow.DebtEscrow_MoneyIsThere.selector, UNIT);
        deal.startLateFee(0);
        deal.startLateFee(1);
        vm.assertEq(deal.slot(1).lateFrom, _dueAt(1) + 1);
    }

    function test_doesNotLookAtTheSecuredOnesBefore() external {
        _fund(0);
        vm.prank(payer);
        usd.transfer(address(deal), UNIT);
        vm.warp(_dueAt(1) + 1);
        _expect(IDebtEscrow.DebtEscrow_MoneyIsThere.selector, UNIT);
        deal.startLateFee(1);
    }

    function test_doesNotTakeDepositsForSurplus() external {
        _fund(0);
        vm.warp(_dueAt(1) + 1);
        deal.startLateFee(1);
        vm.assertEq(deal.slot(1).lateFrom, block.timestamp);
    }

    function test_countsTheFeesOfThoseBefore() external {
        _late(0);
        vm.warp(_dueAt(1) + 1);
        vm.prank(payer);
        usd.transfer(address(deal), 2 * uint256(UNIT));
        deal.startLateFee(1); // 2,000 are there, but 2,020 are due.
        vm.assertEq(deal.slot(1).lateFrom, _dueAt(1) + 1);
    }

    function test_isRefusedWhenSecuredOrUnknown() external {
        _fund(0);
        vm.warp(_dueAt(0) + 1);
        _expectStatus(0, IDebtEscrow.Status.Funded);
        deal.startLateFee(0);
        _expect(IDebtEscrow.DebtEscrow_NoSuchInstallment.selector, 3);
        deal.startLateFee(3);
        _expectStatus(0, IDebtEscrow.Status.Funded);
        deal.amountDue(0);
    }

    function test_isRefusedWhereNoneWasAgreed() external {
        Terms memory terms = _terms(address(usd), 1);
        (terms.lateFeeBps, terms.lateFeeCapBps, terms.latePeriodSeconds) = (0, 0, 0);
        deal = _open(terms);
        vm.warp(_dueAt(0) + 1);
        _expect(IDebtEscrow.DebtEscrow_NoLateFee.selector);
        deal.startLateFee(0);
    }

    function testFuzz_feeIsBoundedAndGrows(uint120 amount, uint32 first, uint32 more) external {
        Terms memory terms = _terms(address(usd), 1);
        terms.installments[0].amount = amount == 0 ? 1 : amount;
        deal = _open(terms);
        _late(0);
        uint256 early = _feeAt(block.timestamp + first);
        uint256 later = _feeAt(block.timestamp + more);
        vm.assertLe(early, later);
        vm.assertLe(later, uint256(terms.installments[0].amount) * 500 / 10_000);
    }

    function _feeAt(uint256 timestamp) private returns (uint256 fee) {
        vm.warp(timestamp);
        uint256 due;
        (due, fee) = deal.amountDue(0);
        vm.assertEq(due - fee, deal.terms().installments[0].amount);
    }
}
