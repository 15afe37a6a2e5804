// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {DebtEscrow} from "../../src/escrow/DebtEscrow.sol";
import {IDebtEscrow} from "../../src/escrow/IDebtEscrow.sol";
import {Terms} from "../../src/escrow/Terms.sol";
import {Deals} from "../support/Deals.sol";
import {HookToken, IHook} from "../support/Tokens.sol";

/// @title A payer with code, who calls back into the deal from inside of every transfer
contract ReentrancyTest is Deals, IHook {
    HookToken private _token;
    bytes private _payload;
    uint256 private _refused;
    uint64 private _salt = 1;

    function setUp() public override {
        super.setUp();
        _token = new HookToken();
        payer = address(this);
        Terms memory terms = _terms(address(_token), 3);
        deal = _openAsPayer(terms);
        _token.mint(address(this), 100 * uint256(UNIT));
        _token.approve(address(deal), type(uint256).max);
        _token.setHook(this);
    }

    function onTransfer() external {
        _reenter();
    }

    receive() external payable {
        _reenter();
    }

    function test_nothingCanBeEnteredWhileFunding() external {
        for (uint256 i; i < 13; ++i) {
            deal = _renewed();
            _payload = _call(i);
            deal.fund(0);
            _payload = "";
            vm.assertEq(_refused, 2, "one refusal before the transfer, one after");
            _refused = 0;
        }
    }

    function test_nothingCanBeEnteredWhileWithdrawing() external {
        for (uint256 i; i < 13; ++i) {
            deal = _renewed();
            deal.fund(0);
            deal.fund(1);
            deal.approve(0);
            _payload = _call(i);
            deal.withdraw(payee, payee);
            _payload = "";
            vm.assertEq(_refused, 2);
            vm.assertEq(_token.balanceOf(address(deal)), deal.liabilities());
            _refused = 0;
        }
    }

    function test_nothingCanBeEnteredWhileSweeping() external {
        for (uint256 i; i < 13; ++i) {
            deal = _renewed();
            deal.fund(0);
            _token.mint(address(deal), 9);
            _payload = _call(i);
            deal.sweep(address(_token), address(this));
            _payload = "";
            vm.assertEq(_refused, 2);
            vm.assertEq(_token.balanceOf(address(deal)), deal.liabilities());
            _refused = 0;
        }
    }

    function test_nothingCanBeEnteredWhileTheNativeCoinIsSent() external {
        for (uint256 i; i < 13; ++i) {
            Terms memory terms = _terms(address(0), 2);
            terms.salt = uint64(100 + i);
            deal = _openAsPayer(terms);
            vm.deal(address(this), 2 * uint256(UNIT));
            deal.fund{value: UNIT}(0);
            deal.fund{value: UNIT}(1);
            vm.prank(payee);
            deal.refund(0);
            _payload = _call(i);
            deal.withdraw(address(this), address(this));
            _payload = "";
            vm.assertEq(_refused, 1);
            vm.assertEq(address(deal).balance, UNIT);
            _refused = 0;
        }
    }

    function _renewed() private returns (DebtEscrow) {
        Terms memory terms = _terms(address(_token), 3);
        terms.salt = _salt++;
        DebtEscrow renewed = _openAsPayer(terms);
        _token.approve(address(renewed), type(uint256).max);
        return renewed;
    }

    function _openAsPayer(Terms memory terms) private returns (DebtEscrow) {
        bytes memory signature = _sign(PAYEE_KEY, factory.digest(terms));
        return DebtEscrow(payable(factory.open(terms, "", signature)));
    }

    function _reenter() private {
        if (_payload.length == 0) return;
        (bool entered, bytes memory answer) = address(deal).call(_payload);
        vm.assertFalse(entered);
        vm.assertEq(bytes32(answer), bytes32(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector));
        ++_refused;
    }

    /// @dev Every function that changes something.
    function _call(uint256 i) private view returns (bytes memory) {
        if (i == 0) return abi.encodeCall(IDebtEscrow.fund, (1));
        if (i == 1) return abi.encodeCall(IDebtEscrow.fundWithPermit, (1, 0, 0, 0, 0, 0));
        if (i == 2) return abi.encodeCall(IDebtEscrow.startLateFee, (1));
        if (i == 3) return abi.encodeCall(IDebtEscrow.approve, (1));
        if (i == 4) return abi.encodeCall(IDebtEscrow.refund, (1));
        if (i == 5) return abi.encodeCall(IDebtEscrow.release, (1));
        if (i == 6) return abi.encodeCall(IDebtEscrow.dispute, (1, 0));
        if (i == 7) return abi.encodeCall(IDebtEscrow.rule, (1, 0));
        if (i == 8) return abi.encodeCall(IDebtEscrow.resolveSilent, (1));
        if (i == 9) return abi.encodeCall(IDebtEscrow.settle, (_settlement(0, 0, 0), "", ""));
        if (i == 10) return abi.encodeCall(IDebtEscrow.assignClaim, (stranger, 0));
        if (i == 11) return abi.encodeCall(IDebtEscrow.withdraw, (payer, payer));
        return abi.encodeCall(IDebtEscrow.sweep, (address(_token), payer));
    }
}
