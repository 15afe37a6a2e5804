// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {DebtEscrow} from "../../src/escrow/DebtEscrow.sol";
import {Installment, Terms} from "../../src/escrow/Terms.sol";
import {TermsCodec} from "../../src/escrow/TermsCodec.sol";
import {Dollar} from "../support/Tokens.sol";
import {Test} from "../support/Vm.sol";

/// @title Properties that halmos proves for every input at once, on a deal of one installment of 1,000 dollars
/// @dev A failing `assert` for any input is a counterexample. A call that reverts is no statement, so each check lets the
/// calls revert that are not its subject.
contract Symbolic is Test {
    uint120 private constant UNIT = 1_000e6;
    uint40 private constant START = 1_800_000_000;
    uint40 private constant DUE_AT = START + 30 days;
    address private constant PAYER = address(0x1001);
    address private constant PAYEE = address(0x1002);
    address private constant ARBITER = address(0x1003);

    Dollar private usd;
    DebtEscrow private deal;

    function setUp() public {
        vm.warp(START);
        usd = new Dollar();
        deal = DebtEscrow(payable(this.openDeal(address(new DebtEscrow()), _terms())));
        usd.mint(PAYER, 10 * uint256(UNIT));
        vm.prank(PAYER);
        usd.approve(address(deal), type(uint256).max);
    }

    /// @dev A call of its own, since the codec packs what comes as calldata.
    function openDeal(address implementation, Terms calldata terms) external returns (address) {
        return Clones.cloneWithImmutableArgs(implementation, TermsCodec.pack(terms));
    }

    /// Whatever share the arbiter names, the three parts are what was held, and his fee is the agreed one.
    function check_aRulingAddsUp(uint256 payeeBps) external {
        _dispute();
        vm.prank(ARBITER);
        deal.rule(0, payeeBps);
        assert(payeeBps <= 10_000);
        assert(deal.credit(PAYER) + deal.credit(PAYEE) + deal.credit(ARBITER) == UNIT);
        assert(deal.credit(ARBITER) == UNIT * 200 / 10_000);
    }

    /// Whenever it is started and whenever it is looked at: no fee before the start, and never more than the cap.
    function check_theLateFeeIsBounded(uint32 start, uint32 wait) external {
        vm.warp(uint256(START) + start);
        (, uint256 before) = deal.amountDue(0);
        assert(before == 0);
        deal.startLateFee(0);
        assert(block.timestamp > DUE_AT);
        vm.warp(block.timestamp + wait);
        (uint256 due, uint256 fee) = deal.amountDue(0);
        assert(due == UNIT + fee);
        assert(fee >= UNIT * 100 / 10_000 && fee <= UNIT * 500 / 10_000);
    }

    /// At every second one of the two ends of a dispute is possible, and only one.
    function check_rulingAndSilenceNeverOverlap(uint64 wait) external {
        _dispute();
        vm.warp(uint256(START) + wait);
        vm.prank(ARBITER);
        (bool ruled,) = address(deal).call(abi.encodeCall(deal.rule, (0, 5_000)));
        uint256 ofArbiter = deal.credit(ARBITER);
        (bool silent,) = address(deal).call(abi.encodeCall(deal.resolveSilent, (0)));
        assert(ruled != silent);
        assert(ruled == (wait < 30 days));
        assert(ofArbiter == (ruled ? UNIT * 200 / 10_000 : 0));
    }

    /// Nobody but the payer, the payee and the arbiter moves a deposit before its deadline, whichever of these
    /// functions he calls; and he gains nothing.
    function check_strangersMoveNothing(address who, uint8 function_, uint256 word) external {
        vm.assume(who != PAYER && who != PAYEE && who != ARBITER && who != address(deal) && who != address(0));
        vm.prank(PAYER);
        deal.fund(0);
        vm.prank(who);
        (bool done,) = address(deal).call(_call(function_, who, word));
        assert(!done);
        assert(deal.credit(who) == 0);
        assert(deal.slot(0).held == UNIT);
        assert(usd.balanceOf(address(deal)) == UNIT);
    }

    /// A deposit is released exactly from its deadline on, all of it, to the payee.
    function check_theReleaseKeepsTheReview(uint32 deposit, uint32 wait) external {
        vm.warp(uint256(START) + deposit);
        vm.prank(PAYER);
        deal.fund(0);
        uint256 from = block.timestamp > DUE_AT ? block.timestamp : DUE_AT;
        vm.warp(block.timestamp + wait);
        (bool released,) = address(deal).call(abi.encodeCall(deal.release, (0)));
        assert(released == (block.timestamp >= from + 7 days));
        assert(deal.credit(PAYEE) == (released ? UNIT : 0));
    }

    function _dispute() private {
        vm.startPrank(PAYER);
        deal.fund(0);
        deal.dispute(0, 0);
        vm.stopPrank();
    }

    function _call(uint8 function_, address who, uint256 word) private view returns (bytes memory) {
        if (function_ == 0) return abi.encodeCall(deal.approve, (0));
        if (function_ == 1) return abi.encodeCall(deal.refund, (0));
        if (function_ == 2) return abi.encodeCall(deal.release, (0));
        if (function_ == 3) return abi.encodeCall(deal.dispute, (0, bytes32(word)));
        if (function_ == 4) return abi.encodeCall(deal.rule, (0, word));
        if (function_ == 5) return abi.encodeCall(deal.resolveSilent, (0));
        if (function_ == 6) return abi.encodeCall(deal.assignClaim, (who, bytes32(word)));
        if (function_ == 7) return abi.encodeCall(deal.withdraw, (PAYEE, who));
        return abi.encodeCall(deal.sweep, (address(usd), who));
    }

    function _terms() private view returns (Terms memory terms) {
        (terms.payer, terms.payee, terms.arbiter, terms.token) = (PAYER, PAYEE, ARBITER, address(usd));
        terms.termsHash = keccak256("debt record 42");
        (terms.reviewSeconds, terms.arbiterSeconds, terms.latePeriodSeconds) = (7 days, 30 days, 30 days);
        (terms.lateFeeBps, terms.lateFeeCapBps, terms.arbiterFeeBps, terms.silentPayeeBps) = (100, 500, 200, 6_000);
        terms.installments = new Installment[](1);
        terms.installments[0] = Installment(UNIT, DUE_AT);
    }
}
