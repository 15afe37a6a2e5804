// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {DebtEscrow} from "../../src/escrow/DebtEscrow.sol";
import {IDebtEscrow} from "../../src/escrow/IDebtEscrow.sol";
import {IDebtEscrowFactory} from "../../src/escrow/IDebtEscrowFactory.sol";
import {Terms} from "../../src/escrow/Terms.sol";
import {Forcer, StipendSender} from "../support/Accounts.sol";
import {Deals} from "../support/Deals.sol";
import {Vm} from "../support/Vm.sol";

/// @title Emits what the factory emits, and opens nothing
contract Imitator {
    function pretend(Terms calldata terms, address deal, bytes32 digest) external {
        emit IDebtEscrowFactory.DealOpened(terms.termsHash, terms.payer, terms.payee, deal, digest);
    }

    function pretendPayment(bytes32 termsHash) external {
        emit IDebtEscrow.InstallmentClosed(termsHash, 0, IDebtEscrow.Cause.Approved, 1_000e6, 0, 0);
    }
}

/// @title Outsiders and parties who want to disturb
contract GriefingTest is Deals {
    function test_dustBlocksNoDeposit() external {
        deal = _open(_terms(address(0), 2));
        vm.deal(address(this), 2);
        new Forcer{value: 1}(payable(address(deal)));
        (bool sent,) = address(deal).call{value: 1}("");
        vm.assertTrue(sent);
        vm.deal(payer, 2 * uint256(UNIT));
        vm.startPrank(payer);
        deal.fund{value: UNIT}(0);
        deal.fund{value: UNIT - 2}(1);
        vm.stopPrank();
        vm.assertEq(deal.liabilities(), address(deal).balance);
    }

    function test_dustDoesNotStopTheLateFee() external {
        usd.mint(address(deal), UNIT - 1);
        _late(0);
        vm.assertEq(deal.slot(0).lateFrom, block.timestamp);
    }

    /// Whoever wants the fee to start while the deposit is in flight gains nothing: it fails, or comes too late.
    function test_theLateFeeCannotStartOverADeposit() external {
        vm.warp(_dueAt(0) + 1);
        _fund(0);
        vm.prank(payee);
        _expectStatus(0, IDebtEscrow.Status.Funded);
        deal.startLateFee(0);
    }

    function test_2300GasAreNotEnoughToPayADeal() external {
        deal = _open(_terms(address(0), 1));
        StipendSender sender = new StipendSender{value: 1}();
        vm.expectRevert();
        sender.pay(payable(address(deal)));
    }

    function test_moneyMayComeBeforeTheDeal() external {
        Terms memory terms = _terms(address(0), 1);
        address where = factory.predict(terms);
        vm.deal(payer, UNIT);
        vm.prank(payer);
        (bool sent,) = where.call{value: UNIT}("");
        vm.assertTrue(sent);
        deal = _open(terms);
        vm.prank(stranger);
        vm.assertTrue(deal.fund(0));
    }

    function test_codeAtTheDealsAddressIsRefused() external {
        Terms memory terms = _terms(address(usd), 2);
        address where = factory.predict(terms);
        vm.etch(where, hex"00");
        _expect(IDebtEscrowFactory.DebtEscrowFactory_AlreadyOpen.selector, where);
        factory.open(terms, "", "");
        vm.assertFalse(factory.isDeal(where));
    }

    /// Nobody can open other terms at an address: each term moves it.
    function testFuzz_noOtherTermsHaveTheAddress(uint120 amount, uint40 dueAt, uint64 salt) external view {
        Terms memory terms = _terms(address(usd), 1);
        vm.assume(amount != terms.installments[0].amount || dueAt != terms.installments[0].dueAt || salt != 0);
        address where = factory.predict(terms);
        (terms.installments[0].amount, terms.installments[0].dueAt, terms.salt) = (amount, dueAt, salt);
        vm.assertTrue(factory.predict(terms) != where);
    }

    function test_anImitatorIsTold() external {
        Imitator imitator = new Imitator();
        Terms memory terms = _terms(address(usd), 2);
        vm.recordLogs();
        imitator.pretend(terms, address(imitator), factory.digest(terms));
        imitator.pretendPayment(TERMS_HASH);
        _open(terms);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        vm.assertEq(logs.length, 3);
        vm.assertEq(logs[0].topics[0], logs[2].topics[0]);
        vm.assertEq(logs[0].topics[1], logs[2].topics[1]);
        vm.assertTrue(logs[0].emitter != address(factory));
        vm.assertEq(logs[2].emitter, address(factory));
        vm.assertFalse(factory.isDeal(address(imitator)));
        vm.assertFalse(factory.isDeal(logs[1].emitter));
    }

    function test_everyEventHasTheTermsHashFirst() external {
        vm.recordLogs();
        Terms memory terms = _terms(address(usd), 4);
        terms.salt = 5;
        deal = _open(terms);
        _allow(UNIT);
        _late(0);
        _fund(0);
        _dispute(0);
        vm.prank(arbiter);
        deal.rule(0, 1);
        _settle(_settlement(1, 0, 0));
        vm.prank(payee);
        deal.assignClaim(assignee, 0);
        deal.withdraw(arbiter, arbiter);
        usd.mint(address(deal), 1);
        vm.prank(payer);
        deal.sweep(address(usd), payer);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        uint256 ours;
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].emitter != address(deal) && logs[i].emitter != address(factory)) continue;
            vm.assertEq(logs[i].topics[1], TERMS_HASH);
            ++ours;
        }
        vm.assertEq(ours, 10);
    }

    function test_theImplementationIsInert() external {
        DebtEscrow implementation = DebtEscrow(payable(factory.implementation()));
        bytes4 notADeal = IDebtEscrow.DebtEscrow_NotADeal.selector;
        bytes[10] memory calls = [
            abi.encodeCall(implementation.fundWithPermit, (0, 0, 0, 0, 0, 0)),
            abi.encodeCall(implementation.startLateFee, (0)),
            abi.encodeCall(implementation.approve, (0)),
            abi.encodeCall(implementation.refund, (0)),
            abi.encodeCall(implementation.release, (0)),
            abi.encodeCall(implementation.dispute, (0, 0)),
            abi.encodeCall(implementation.rule, (0, 0)),
            abi.encodeCall(implementation.resolveSilent, (0)),
            abi.encodeCall(implementation.assignClaim, (stranger, 0)),
            abi.encodeCall(implementation.sweep, (address(usd), stranger))
        ];
        for (uint256 i; i < calls.length; ++i) {
            (bool done, bytes memory answer) = address(implementation).call(calls[i]);
            vm.assertFalse(done);
            vm.assertEq(bytes32(answer), bytes32(notADeal));
        }
    }
}
