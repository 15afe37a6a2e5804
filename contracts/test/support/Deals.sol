// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {DebtEscrow} from "../../src/escrow/DebtEscrow.sol";
import {DebtEscrowFactory} from "../../src/escrow/DebtEscrowFactory.sol";
import {IDebtEscrow} from "../../src/escrow/IDebtEscrow.sol";
import {Installment, Terms} from "../../src/escrow/Terms.sol";
import {Test} from "./Vm.sol";
import {Dollar} from "./Tokens.sol";

/// @title A deal over three installments of 1,000 dollars, 30 days apart, and who is in it
abstract contract Deals is Test {
    uint256 internal constant PAYER_KEY = 0xA11CE;
    uint256 internal constant PAYEE_KEY = 0xB0B;
    uint256 internal constant ASSIGNEE_KEY = 0xA55;
    uint40 internal constant START = 1_800_000_000;
    uint120 internal constant UNIT = 1_000e6;
    bytes32 internal constant TERMS_HASH = keccak256("debt record 42");

    address internal payer = vm.addr(PAYER_KEY);
    address internal payee = vm.addr(PAYEE_KEY);
    address internal assignee = vm.addr(ASSIGNEE_KEY);
    address internal arbiter = address(0xA4B1);
    address internal stranger = address(0x57A);

    DebtEscrowFactory internal factory;
    Dollar internal usd;
    DebtEscrow internal deal;

    function setUp() public virtual {
        vm.warp(START);
        factory = new DebtEscrowFactory();
        usd = new Dollar();
        deal = _open(_terms(address(usd), 3));
        _allow(1_000 * uint256(UNIT));
    }

    function _terms(address token, uint256 count) internal view returns (Terms memory terms) {
        terms.payer = payer;
        terms.payee = payee;
        terms.arbiter = arbiter;
        terms.token = token;
        terms.termsHash = TERMS_HASH;
        terms.reviewSeconds = 7 days;
        terms.arbiterSeconds = 30 days;
        terms.latePeriodSeconds = 30 days;
        terms.lateFeeBps = 100;
        terms.lateFeeCapBps = 500;
        terms.arbiterFeeBps = 200;
        terms.silentPayeeBps = 6_000;
        terms.installments = new Installment[](count);
        for (uint256 i; i < count; ++i) {
            terms.installments[i] = Installment(UNIT, _dueAt(i));
        }
    }

    function _termsWithoutArbiter(address token, uint256 count) internal view returns (Terms memory terms) {
        terms = _terms(token, count);
        (terms.arbiter, terms.arbiterSeconds, terms.arbiterFeeBps, terms.silentPayeeBps) = (address(0), 0, 0, 0);
    }

    function _dueAt(uint256 index) internal pure returns (uint40) {
        return START + uint40(30 days * (index + 1));
    }

    function _open(Terms memory terms) internal returns (DebtEscrow) {
        bytes32 digest = factory.digest(terms);
        return DebtEscrow(payable(factory.open(terms, _sign(PAYER_KEY, digest), _sign(PAYEE_KEY, digest))));
    }

    function _sign(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    /// @dev Gives the payer dollars and lets the deal pull them.
    function _allow(uint256 units) internal {
        usd.mint(payer, units);
        vm.prank(payer);
        usd.approve(address(deal), type(uint256).max);
    }

    function _fund(uint256 index) internal {
        vm.prank(payer);
        vm.assertTrue(deal.fund(index));
    }

    function _dispute(uint256 index) internal {
        vm.prank(payer);
        deal.dispute(index, keccak256("photo"));
    }

    function _approve(uint256 index) internal {
        vm.prank(payer);
        deal.approve(index);
    }

    function _late(uint256 index) internal {
        vm.warp(_dueAt(index) + 1);
        deal.startLateFee(index);
    }

    function _settlement(uint256 index, uint256 toPayee, uint256 toPayer)
        internal
        view
        returns (IDebtEscrow.Settlement memory settlement)
    {
        settlement.documentHash = keccak256("settlement");
        settlement.validUntil = block.timestamp;
        settlement.parts = new IDebtEscrow.Part[](1);
        settlement.parts[0] = IDebtEscrow.Part(index, toPayee, toPayer);
    }

    function _settle(IDebtEscrow.Settlement memory settlement) internal {
        bytes32 digest = deal.settlementDigest(settlement);
        deal.settle(settlement, _sign(PAYER_KEY, digest), _sign(PAYEE_KEY, digest));
    }

    // ---- what is expected

    function _expect(bytes4 selector) internal {
        vm.expectRevert(abi.encodeWithSelector(selector));
    }

    function _expect(bytes4 selector, uint256 value) internal {
        vm.expectRevert(abi.encodeWithSelector(selector, value));
    }

    function _expect(bytes4 selector, uint256 value, uint256 second) internal {
        vm.expectRevert(abi.encodeWithSelector(selector, value, second));
    }

    function _expect(bytes4 selector, address account) internal {
        vm.expectRevert(abi.encodeWithSelector(selector, account));
    }

    function _expectStatus(uint256 index, IDebtEscrow.Status status) internal {
        vm.expectRevert(abi.encodeWithSelector(IDebtEscrow.DebtEscrow_WrongStatus.selector, index, status));
    }

    function _expectClosed(uint256 index, IDebtEscrow.Cause cause, uint256 toPayee, uint256 toPayer, uint256 fee)
        internal
    {
        vm.expectEmit(address(deal));
        emit IDebtEscrow.InstallmentClosed(TERMS_HASH, index, cause, toPayee, toPayer, fee);
    }

    function _assertStatus(uint256 index, IDebtEscrow.Status status) internal view {
        vm.assertEq(uint256(deal.slot(index).status), uint256(status));
    }

    function _assertCredits(uint256 ofPayee, uint256 ofPayer, uint256 ofArbiter) internal view {
        vm.assertEq(deal.credit(payee), ofPayee, "payee's credit");
        vm.assertEq(deal.credit(payer), ofPayer, "payer's credit");
        vm.assertEq(deal.credit(arbiter), ofArbiter, "arbiter's credit");
    }
}
