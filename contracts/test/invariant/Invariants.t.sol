// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IDebtEscrow} from "../../src/escrow/IDebtEscrow.sol";
import {Deals} from "../support/Deals.sol";
import {Mintable} from "../support/Tokens.sol";
import {Handler} from "./Handler.sol";

/// @title The promises of README.md beside this file, on random sequences of calls
abstract contract Invariants is Deals {
    uint256 internal constant COUNT = 4;
    Handler internal handler;
    uint256 private _reached;

    function _play(Mintable token) internal {
        deal = _open(_terms(address(token), COUNT));
        handler = new Handler(deal, token);
        _target(address(handler));
    }

    /// 1
    function invariant_theBalanceCoversTheLiabilities() external view {
        vm.assertGe(_balance(), deal.liabilities());
    }

    /// 2
    function invariant_liabilitiesAreHeldPlusCredit() external view {
        uint256 sum;
        for (uint256 i; i < COUNT; ++i) {
            sum += deal.slot(i).held;
        }
        vm.assertEq(sum + _credits(), deal.liabilities());
    }

    /// 3
    function invariant_whatCameIsWhatWentPlusWhatIsThere() external view {
        vm.assertEq(handler.came(), handler.went() + _balance());
        vm.assertEq(handler.faults("money left by another door"), 0);
        vm.assertEq(handler.faults("a plain transfer was refused"), 0);
    }

    /// 4
    function invariant_strangersGainNothing() external view {
        vm.assertEq(deal.credit(stranger), 0);
        vm.assertEq(handler.faults("a stranger gained"), 0);
        vm.assertEq(handler.faults("another redirected a credit"), 0);
        vm.assertEq(handler.faults("another redirected the surplus"), 0);
    }

    /// 6
    function invariant_aClosingsPartsAddUp() external view {
        vm.assertEq(handler.faults("parts did not add up"), 0);
        vm.assertEq(handler.faults("a fee too many"), 0);
    }

    /// 7
    function invariant_rulingAndSilenceNeverOverlap() external {
        for (uint256 i; i < COUNT; ++i) {
            bool silent = _would(stranger, abi.encodeCall(deal.resolveSilent, (i)));
            bool ruled = _would(arbiter, abi.encodeCall(deal.rule, (i, 0)));
            bool disputed = deal.slot(i).status == IDebtEscrow.Status.Disputed;
            vm.assertTrue(disputed ? silent != ruled : !silent && !ruled);
        }
    }

    /// 8
    function invariant_onlyPartiesAndArbiterDecide() external view {
        vm.assertEq(handler.faults("another decided the split"), 0);
        vm.assertEq(handler.faults("another assigned the claim"), 0);
        vm.assertEq(handler.faults("the payer did not agree"), 0);
        vm.assertEq(handler.faults("the claimant did not agree"), 0);
    }

    /// 9
    function invariant_noWayLeadsBack() external view {
        vm.assertEq(handler.faults("a way that does not exist"), 0);
        vm.assertEq(handler.faults("a deposit changed"), 0);
    }

    /// 10
    function invariant_theLateFeeKeepsItsCap() external view {
        for (uint256 i; i < COUNT; ++i) {
            vm.assertLe(deal.slot(i).held, uint256(UNIT) * 10_500 / 10_000);
        }
    }

    /// 11
    function invariant_theClaimIsNeverThePayersOrTheArbiters() external view {
        address claimant = deal.claimant();
        vm.assertTrue(claimant != address(0) && claimant != payer && claimant != arbiter && claimant != address(deal));
    }

    /// 5, after each sequence: time, and a stranger who calls what anyone may call.
    function afterInvariant() external {
        for (uint256 i; i < COUNT; ++i) {
            IDebtEscrow.Slot memory slot = deal.slot(i);
            if (slot.deadline > block.timestamp) vm.warp(slot.deadline);
            vm.startPrank(stranger);
            if (slot.status == IDebtEscrow.Status.Funded) deal.release(i);
            if (slot.status == IDebtEscrow.Status.Disputed) deal.resolveSilent(i);
            vm.stopPrank();
        }
        vm.warp(block.timestamp + _dueAt(COUNT) + 366 days);
        address[] memory accounts = handler.accounts();
        vm.startPrank(stranger);
        for (uint256 i; i < accounts.length; ++i) {
            if (deal.credit(accounts[i]) != 0) deal.withdraw(accounts[i], accounts[i]);
        }
        if (_balance() != 0) deal.sweep(deal.terms().token, payer);
        vm.stopPrank();
        vm.assertEq(deal.liabilities(), 0);
        vm.assertEq(_balance(), 0);
    }

    /// A random walk that reaches nothing would prove nothing.
    function test_theWalkReachesEverything() external {
        uint256 seed = 1;
        for (uint256 round; round < 24; ++round) {
            setUp();
            for (uint256 step; step < 64; ++step) {
                seed = uint256(keccak256(abi.encode(seed)));
                _step(seed % 17, seed >> 8, seed >> 64, seed >> 128);
            }
            for (uint256 cause; cause < 6; ++cause) {
                if (handler.closings(IDebtEscrow.Cause(cause)) != 0) _reached |= 1 << cause;
            }
            bytes4[4] memory rest = [
                deal.startLateFee.selector, deal.assignClaim.selector, deal.withdraw.selector, deal.sweep.selector
            ];
            for (uint256 i; i < rest.length; ++i) {
                if (handler.done(rest[i]) != 0) _reached |= 1 << (6 + i);
            }
        }
        vm.assertEq(_reached, (1 << 10) - 1);
    }

    function _step(uint256 which, uint256 a, uint256 b, uint256 c) private {
        if (which == 0) handler.fund(a, b, c);
        else if (which == 1) handler.transfer(a);
        else if (which == 2) handler.startLateFee(a, b);
        else if (which == 3) handler.approve(a, b);
        else if (which == 4) handler.refund(a, b);
        else if (which == 5) handler.release(a, b);
        else if (which == 6) handler.dispute(a, b);
        else if (which == 7) handler.rule(a, b, c);
        else if (which == 8) handler.resolveSilent(a, b);
        else if (which == 9) handler.settle(a, b, c, a ^ b);
        else if (which == 10) handler.assignClaim(a, b);
        else if (which == 11) handler.withdraw(a, b, c);
        else if (which == 12) handler.sweep(a, b);
        else if (which == 13) handler.fundAsPayer(a);
        else handler.passTime(a);
    }

    /// @dev Always reverts, and says whether the call would have succeeded.
    function tryOut(address who, bytes calldata call) external {
        vm.prank(who);
        (bool succeeded,) = address(deal).call(call);
        assembly ("memory-safe") {
            mstore(0, succeeded)
            revert(0, 32)
        }
    }

    function _would(address who, bytes memory call) private returns (bool succeeded) {
        try this.tryOut(who, call) {}
        catch (bytes memory answer) {
            succeeded = abi.decode(answer, (bool));
        }
    }

    function _credits() private view returns (uint256 sum) {
        address[] memory accounts = handler.accounts();
        for (uint256 i; i < accounts.length; ++i) {
            sum += deal.credit(accounts[i]);
        }
    }

    function _balance() private view returns (uint256) {
        Mintable token = handler.token();
        return address(token) == address(0) ? address(deal).balance : token.balanceOf(address(deal));
    }
}

contract TokenInvariantsTest is Invariants {
    function setUp() public override {
        super.setUp();
        _play(usd);
    }
}

contract NativeInvariantsTest is Invariants {
    function setUp() public override {
        super.setUp();
        _play(Mintable(address(0)));
    }
}
