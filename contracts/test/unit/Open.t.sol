// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {DebtEscrow} from "../../src/escrow/DebtEscrow.sol";
import {IDebtEscrow} from "../../src/escrow/IDebtEscrow.sol";
import {IDebtEscrowFactory} from "../../src/escrow/IDebtEscrowFactory.sol";
import {Terms} from "../../src/escrow/Terms.sol";
import {Flaw} from "../../src/escrow/TermsRules.sol";
import {Refuser, Wallet} from "../support/Accounts.sol";
import {Deals} from "../support/Deals.sol";

contract OpenTest is Deals {
    function _other() private view returns (Terms memory terms) {
        terms = _terms(address(usd), 2);
        terms.salt = 1;
    }

    function test_opensWhereItWasPredicted() external {
        Terms memory terms = _other();
        address where = factory.predict(terms);
        vm.expectEmit(address(factory));
        emit IDebtEscrowFactory.DealOpened(TERMS_HASH, payer, payee, where, factory.digest(terms));
        DebtEscrow opened = _open(terms);
        vm.assertEq(address(opened), where);
        vm.assertEq(keccak256(abi.encode(opened.terms())), keccak256(abi.encode(terms)));
        vm.assertEq(opened.claimant(), payee);
        vm.assertEq(opened.liabilities(), 0);
    }

    function test_takesTheSenderAtHisWord() external {
        Terms memory terms = _other();
        bytes memory signature = _sign(PAYER_KEY, factory.digest(terms));
        vm.prank(payee);
        factory.open(terms, signature, "");
        terms.salt = 2;
        signature = _sign(PAYEE_KEY, factory.digest(terms));
        vm.prank(payer);
        factory.open(terms, "", signature);
    }

    function test_refusesAMissingOrForeignSignature() external {
        Terms memory terms = _other();
        bytes memory ofPayer = _sign(PAYER_KEY, factory.digest(terms));
        bytes memory ofPayee = _sign(PAYEE_KEY, factory.digest(terms));
        _expect(IDebtEscrowFactory.DebtEscrowFactory_NotConsented.selector, payee);
        factory.open(terms, ofPayer, "");
        _expect(IDebtEscrowFactory.DebtEscrowFactory_NotConsented.selector, payer);
        factory.open(terms, "", ofPayee);
        _expect(IDebtEscrowFactory.DebtEscrowFactory_NotConsented.selector, payer);
        factory.open(terms, ofPayee, ofPayer);
        terms.installments[0].amount += 1;
        _expect(IDebtEscrowFactory.DebtEscrowFactory_NotConsented.selector, payer);
        factory.open(terms, ofPayer, ofPayee);
    }

    function test_asksAWalletsCode() external {
        Terms memory terms = _other();
        terms.payee = address(new Wallet(payee));
        DebtEscrow opened = _open(terms);
        vm.assertEq(opened.claimant(), terms.payee);
        terms.salt = 2;
        bytes32 digest = factory.digest(terms);
        _expect(IDebtEscrowFactory.DebtEscrowFactory_NotConsented.selector, terms.payee);
        factory.open(terms, _sign(PAYER_KEY, digest), _sign(ASSIGNEE_KEY, digest));
        terms.payee = address(new Refuser());
        _open(terms);
    }

    function test_refusesTheSameTermsTwice() external {
        Terms memory terms = _terms(address(usd), 3);
        bytes32 digest = factory.digest(terms);
        (bytes memory first, bytes memory second) = (_sign(PAYER_KEY, digest), _sign(PAYEE_KEY, digest));
        _expect(IDebtEscrowFactory.DebtEscrowFactory_AlreadyOpen.selector, address(deal));
        factory.open(terms, first, second);
    }

    function test_opensWithOneAndWith36Installments() external {
        _open(_terms(address(usd), 1));
        Terms memory terms = _terms(address(usd), 36);
        terms.installments[35].amount = type(uint120).max;
        terms.installments[35].dueAt = type(uint40).max;
        vm.assertEq(keccak256(abi.encode(_open(terms).terms())), keccak256(abi.encode(terms)));
    }

    function test_opensOnTheFirstDueDate_andNotAfter() external {
        Terms memory terms = _other();
        vm.warp(_dueAt(0) + 1);
        _refuses(terms, Flaw.Expired);
        vm.warp(_dueAt(0));
        _open(terms);
    }

    function test_opensWithoutArbiterAndWithoutLateFee() external {
        Terms memory terms = _termsWithoutArbiter(address(0), 1);
        (terms.lateFeeBps, terms.lateFeeCapBps, terms.latePeriodSeconds) = (0, 0, 0);
        _open(terms);
    }

    function test_refusesParties() external {
        Terms memory terms = _other();
        terms.payer = address(0);
        _refuses(terms, Flaw.Parties);
        terms = _other();
        terms.payee = address(0);
        _refuses(terms, Flaw.Parties);
        terms.payee = payer;
        _refuses(terms, Flaw.Parties);
    }

    function test_refusesArbiters() external {
        Terms memory terms = _other();
        terms.arbiter = payer;
        _refuses(terms, Flaw.Arbiter);
        terms.arbiter = payee;
        _refuses(terms, Flaw.Arbiter);
    }

    function test_refusesArbitersTerms() external {
        Terms memory terms = _other();
        terms.arbiterSeconds = 1 days - 1;
        _refuses(terms, Flaw.ArbiterSeconds);
        terms.arbiterSeconds = 180 days + 1;
        _refuses(terms, Flaw.ArbiterSeconds);
        terms = _other();
        terms.arbiterFeeBps = 1_001;
        _refuses(terms, Flaw.ArbiterFee);
        terms = _other();
        terms.silentPayeeBps = 10_001;
        _refuses(terms, Flaw.SilentShare);
    }

    function test_refusesTermsOfAnArbiterWithoutOne() external {
        Terms memory terms = _termsWithoutArbiter(address(usd), 1);
        terms.arbiterSeconds = 1 days;
        _refuses(terms, Flaw.ArbiterSeconds);
        terms = _termsWithoutArbiter(address(usd), 1);
        terms.arbiterFeeBps = 1;
        _refuses(terms, Flaw.ArbiterFee);
        terms = _termsWithoutArbiter(address(usd), 1);
        terms.silentPayeeBps = 1;
        _refuses(terms, Flaw.SilentShare);
    }

    function test_refusesATokenWithoutCode_andNoTermsHash() external {
        Terms memory terms = _other();
        terms.token = address(0xdead);
        _refuses(terms, Flaw.Token);
        terms = _other();
        terms.termsHash = 0;
        _refuses(terms, Flaw.TermsHash);
    }

    function test_refusesReviewTimes() external {
        Terms memory terms = _other();
        terms.reviewSeconds = 1 hours - 1;
        _refuses(terms, Flaw.ReviewSeconds);
        terms.reviewSeconds = 365 days + 1;
        _refuses(terms, Flaw.ReviewSeconds);
    }

    function test_refusesLateFees() external {
        Terms memory terms = _other();
        terms.lateFeeCapBps = 10_001;
        _refuses(terms, Flaw.LateFee);
        terms.lateFeeCapBps = 99;
        _refuses(terms, Flaw.LateFee);
        terms = _other();
        terms.latePeriodSeconds = 1 days - 1;
        _refuses(terms, Flaw.LateFee);
        terms = _other();
        terms.lateFeeBps = 0;
        _refuses(terms, Flaw.LateFee);
        terms.lateFeeCapBps = 0;
        _refuses(terms, Flaw.LateFee);
    }

    function test_takesTheOutermostValues() external {
        Terms memory terms = _other();
        (terms.arbiterSeconds, terms.arbiterFeeBps, terms.silentPayeeBps) = (1 days, 1_000, 10_000);
        (terms.reviewSeconds, terms.lateFeeCapBps, terms.latePeriodSeconds) = (1 hours, 10_000, 1 days);
        terms.lateFeeBps = 10_000;
        terms.installments[1].dueAt = terms.installments[0].dueAt;
        _open(terms);
        (terms.arbiterSeconds, terms.reviewSeconds) = (180 days, 365 days);
        _open(terms);
    }

    function test_refusesInstallments() external {
        _refuses(_terms(address(usd), 0), Flaw.Count);
        _refuses(_terms(address(usd), 37), Flaw.Count);
        Terms memory terms = _other();
        terms.installments[1].amount = 0;
        _refuses(terms, Flaw.Amount);
        terms = _other();
        terms.installments[1].dueAt = terms.installments[0].dueAt - 1;
        _refuses(terms, Flaw.DueAt);
    }

    function testFuzz_termsComeBackAsTheyWentIn(Terms memory terms) external {
        terms.payer = payer;
        terms.payee = payee;
        if (terms.arbiter == payer || terms.arbiter == payee || terms.arbiter == address(0)) terms.arbiter = arbiter;
        terms.arbiterSeconds = uint32(_bound(terms.arbiterSeconds, 1 days, 180 days));
        terms.arbiterFeeBps = uint16(_bound(terms.arbiterFeeBps, 0, 1_000));
        terms.silentPayeeBps = uint16(_bound(terms.silentPayeeBps, 0, 10_000));
        terms.token = address(0);
        terms.termsHash |= bytes32(uint256(1));
        terms.reviewSeconds = uint32(_bound(terms.reviewSeconds, 1 hours, 365 days));
        terms.lateFeeBps = uint16(_bound(terms.lateFeeBps, 1, 10_000));
        terms.lateFeeCapBps = uint16(_bound(terms.lateFeeCapBps, terms.lateFeeBps, 10_000));
        terms.latePeriodSeconds = uint32(_bound(terms.latePeriodSeconds, 1 days, type(uint32).max));
        vm.assume(terms.installments.length != 0);
        uint256 count = terms.installments.length < 36 ? terms.installments.length : 36;
        if (terms.installments.length > 36) terms.installments = _terms(address(0), 36).installments;
        uint256 dueAt = START;
        for (uint256 i; i < count; ++i) {
            if (terms.installments[i].amount == 0) terms.installments[i].amount = 1;
            dueAt = _bound(terms.installments[i].dueAt, dueAt, dueAt + 1_000 days);
            terms.installments[i].dueAt = uint40(dueAt);
        }
        vm.assertEq(keccak256(abi.encode(_open(terms).terms())), keccak256(abi.encode(terms)));
    }

    function testFuzz_everyFieldIsSignedAndInTheAddress(uint256 field, uint256 x) external view {
        Terms memory terms = _terms(address(usd), 3);
        (bytes32 digest, address where) = (factory.digest(terms), factory.predict(terms));
        x = _bound(x, 1, 10_000);
        field = field % 15;
        if (field == 0) terms.payer = address(uint160(terms.payer) ^ uint160(x));
        else if (field == 1) terms.payee = address(uint160(terms.payee) ^ uint160(x));
        else if (field == 2) terms.arbiter = address(uint160(terms.arbiter) ^ uint160(x));
        else if (field == 3) terms.token = address(uint160(terms.token) ^ uint160(x));
        else if (field == 4) terms.termsHash ^= bytes32(x);
        else if (field == 5) terms.salt ^= uint64(x);
        else if (field == 6) terms.reviewSeconds += uint32(x);
        else if (field == 7) terms.arbiterSeconds += uint32(x);
        else if (field == 8) terms.latePeriodSeconds += uint32(x);
        else if (field == 9) terms.lateFeeBps += uint16(x);
        else if (field == 10) terms.lateFeeCapBps += uint16(x);
        else if (field == 11) terms.arbiterFeeBps += uint16(x);
        else if (field == 12) terms.silentPayeeBps += uint16(x);
        else if (field == 13) terms.installments[x % 3].amount += uint120(x);
        else terms.installments[x % 3].dueAt += uint40(x);
        vm.assertNotEq(factory.digest(terms), digest);
        vm.assertTrue(factory.predict(terms) != where);
    }

    function _refuses(Terms memory terms, Flaw flaw) private {
        vm.expectRevert(abi.encodeWithSelector(IDebtEscrowFactory.DebtEscrowFactory_BadTerms.selector, flaw));
        factory.open(terms, "", "");
    }
}
