// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {DebtEscrow} from "../../src/escrow/DebtEscrow.sol";
import {IDebtEscrow} from "../../src/escrow/IDebtEscrow.sol";
import {Deals} from "../support/Deals.sol";

contract FundTest is Deals {
    function test_holdsThePrincipal() external {
        vm.expectEmit(address(deal));
        emit IDebtEscrow.InstallmentFunded(TERMS_HASH, 0, payer, UNIT, 0);
        _fund(0);
        IDebtEscrow.Slot memory slot = deal.slot(0);
        vm.assertEq(slot.held, UNIT);
        vm.assertEq(slot.deadline, _dueAt(0) + 7 days);
        vm.assertEq(slot.lateFrom, 0);
        _assertStatus(0, IDebtEscrow.Status.Funded);
        vm.assertEq(deal.liabilities(), UNIT);
        vm.assertEq(usd.balanceOf(address(deal)), UNIT);
    }

    function test_countsTheReviewFromALateDeposit() external {
        vm.warp(_dueAt(0) + 1);
        _fund(0);
        vm.assertEq(deal.slot(0).deadline, _dueAt(0) + 1 + 7 days);
        vm.assertEq(deal.slot(0).held, UNIT);
    }

    function test_holdsTheLateFeeOnceStarted() external {
        _late(0);
        vm.expectEmit(address(deal));
        emit IDebtEscrow.InstallmentFunded(TERMS_HASH, 0, payer, UNIT + UNIT / 100, UNIT / 100);
        _fund(0);
        vm.assertEq(deal.liabilities(), UNIT + UNIT / 100);
    }

    function test_revertsTwice_andPastTheEnd() external {
        _fund(0);
        _expectStatus(0, IDebtEscrow.Status.Funded);
        deal.fund(0);
        _expect(IDebtEscrow.DebtEscrow_NoSuchInstallment.selector, 3);
        deal.fund(3);
    }

    function test_usesTheSurplusFirst() external {
        vm.prank(payer);
        usd.transfer(address(deal), UNIT - 1);
        usd.mint(stranger, 1);
        vm.startPrank(stranger);
        usd.approve(address(deal), 1);
        vm.assertTrue(deal.fund(0));
        vm.stopPrank();
        vm.assertEq(usd.balanceOf(stranger), 0);
        vm.assertEq(usd.balanceOf(address(deal)), UNIT);
    }

    function test_letsAnyoneAssignASurplusThatIsEnough() external {
        vm.prank(payer);
        usd.transfer(address(deal), 2 * uint256(UNIT));
        vm.startPrank(stranger);
        deal.fund(0);
        deal.fund(1);
        vm.stopPrank();
        vm.assertEq(deal.liabilities(), 2 * uint256(UNIT));
    }

    function test_letsOnlyThePayerSkip() external {
        vm.prank(payer);
        usd.transfer(address(deal), UNIT);
        vm.prank(stranger);
        _expect(IDebtEscrow.DebtEscrow_EarlierOpen.selector, 0);
        deal.fund(1);
        vm.prank(payee);
        _expect(IDebtEscrow.DebtEscrow_EarlierOpen.selector, 0);
        deal.fund(2);
        _fund(1);
        vm.prank(stranger);
        _expect(IDebtEscrow.DebtEscrow_EarlierOpen.selector, 0);
        deal.fund(2);
    }

    function test_tokenDealTakesNoNativeCoin() external {
        vm.deal(payer, 1);
        vm.prank(payer);
        _expect(IDebtEscrow.DebtEscrow_NativeNotAccepted.selector);
        deal.fund{value: 1}(0);
    }

    function test_nativeDealTakesTheValue() external {
        deal = _open(_terms(address(0), 2));
        vm.deal(payer, 3 * uint256(UNIT));
        vm.startPrank(payer);
        deal.fund{value: UNIT}(0);
        _expect(IDebtEscrow.DebtEscrow_ShortValue.selector, UNIT - 1, UNIT);
        deal.fund{value: UNIT - 1}(1);
        deal.fund{value: UNIT + 5}(1);
        vm.stopPrank();
        vm.assertEq(deal.liabilities(), 2 * uint256(UNIT));
        vm.assertEq(address(deal).balance, 2 * uint256(UNIT) + 5);
    }

    function test_revertsOnTheImplementation() external {
        DebtEscrow implementation = DebtEscrow(payable(factory.implementation()));
        _expect(IDebtEscrow.DebtEscrow_NotADeal.selector);
        implementation.fund(0);
        _expect(IDebtEscrow.DebtEscrow_NotADeal.selector);
        implementation.terms();
        vm.assertFalse(_sendsTo(address(implementation)));
    }

    function test_receivesTheNativeCoinOnlyInANativeDeal() external {
        vm.assertFalse(_sendsTo(address(deal)));
        vm.assertTrue(_sendsTo(address(_open(_terms(address(0), 1)))));
    }

    function testFuzz_holdsWhatIsDue(uint32 late, uint32 wait, uint256 surplus) external {
        vm.warp(uint256(_dueAt(0)) + 1 + late);
        deal.startLateFee(0);
        vm.warp(block.timestamp + wait);
        (uint256 due, uint256 fee) = deal.amountDue(0);
        surplus = _bound(surplus, 0, 3 * uint256(UNIT));
        vm.prank(payer);
        usd.transfer(address(deal), surplus);
        _fund(0);
        vm.assertEq(due, UNIT + fee);
        vm.assertLe(fee, uint256(UNIT) * 500 / 10_000);
        vm.assertEq(deal.liabilities(), due);
        vm.assertEq(usd.balanceOf(address(deal)), surplus > due ? surplus : due);
    }

    function _sendsTo(address account) private returns (bool sent) {
        vm.deal(stranger, 1);
        vm.prank(stranger);
        (sent,) = account.call{value: 1}("");
    }
}
