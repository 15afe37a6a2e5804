// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {DebtEscrow} from "../../src/escrow/DebtEscrow.sol";
import {IDebtEscrow} from "../../src/escrow/IDebtEscrow.sol";
import {Terms} from "../../src/escrow/Terms.sol";
import {Mintable} from "../support/Tokens.sol";
import {Test} from "../support/Vm.sol";

/// @title Everybody, doing anything at any time with one deal
/// @notice Each call is tried as it comes, allowed or not. Around each the state is read, and what the deal did is
/// compared with what it may do; {faults} counts where it did more. The money that came and went is added up here, apart
/// from the deal's own books.
contract Handler is Test {
    uint256 private constant PAYER_KEY = 0xA11CE;
    uint256 private constant CLAIMANT_KEYS = 3;
    uint256 private constant STRANGERS_MONEY = 1e15;

    DebtEscrow public immutable deal;
    Mintable public immutable token; // zero: the native coin
    uint256 public immutable count;
    address public immutable payer;
    address public immutable arbiter;
    address public immutable stranger = address(0x57A);

    uint256 public came;
    uint256 public went;
    mapping(bytes32 fault => uint256) public faults;
    mapping(IDebtEscrow.Cause cause => uint256) public closings;
    mapping(bytes4 selector => uint256) public done;

    address[] private _accounts; // payer, claimants, arbiter, stranger
    mapping(address claimant => uint256 key) private _keys;

    struct State {
        uint256 balance;
        uint256 strangers;
        uint256 payers;
        uint256 claimants;
        uint256 arbiters;
        address claimant;
        IDebtEscrow.Slot[] slots;
    }

    constructor(DebtEscrow deal_, Mintable token_) {
        Terms memory terms = deal_.terms();
        (deal, token, count) = (deal_, token_, terms.installments.length);
        (payer, arbiter) = (terms.payer, terms.arbiter);
        _accounts.push(payer);
        for (uint256 i; i < CLAIMANT_KEYS; ++i) {
            uint256 key = 0xB0B + i;
            _accounts.push(vm.addr(key));
            _keys[vm.addr(key)] = key;
        }
        _accounts.push(arbiter);
        _accounts.push(stranger);
        _give(payer, 1e24);
        _give(stranger, STRANGERS_MONEY);
    }

    // ---- what may happen

    function passTime(uint256 sometime) external {
        vm.warp(block.timestamp + _bound(sometime, 1, 20 days));
    }

    function fund(uint256 who, uint256 index, uint256 value) external {
        value = address(token) == address(0) ? _bound(value, 0, 2e10) : 0;
        _as(_account(who), abi.encodeCall(deal.fund, (index % (count + 1))), value);
    }

    function fundAsPayer(uint256 index) external {
        _as(payer, abi.encodeCall(deal.fund, (index % count)), address(token) == address(0) ? 1e10 : 0);
    }

    function transfer(uint256 units) external {
        units = _bound(units, 1, 3e9);
        uint256 before = _balanceOf(address(deal));
        vm.prank(payer);
        if (address(token) != address(0)) {
            token.transfer(address(deal), units);
        } else {
            (bool sent,) = address(deal).call{value: units}("");
            if (!sent) ++faults["a plain transfer was refused"];
        }
        came += _balanceOf(address(deal)) - before;
    }

    function startLateFee(uint256 who, uint256 index) external {
        _as(_account(who), abi.encodeCall(deal.startLateFee, (index % count)), 0);
    }

    function approve(uint256 who, uint256 index) external {
        _as(_account(who), abi.encodeCall(deal.approve, (index % count)), 0);
    }

    function refund(uint256 who, uint256 index) external {
        _as(_account(who), abi.encodeCall(deal.refund, (index % count)), 0);
    }

    function release(uint256 who, uint256 index) external {
        _as(_account(who), abi.encodeCall(deal.release, (_pick(IDebtEscrow.Status.Funded, index))), 0);
    }

    function dispute(uint256 who, uint256 index) external {
        index = _pick(IDebtEscrow.Status.Funded, index);
        _as(who % 2 == 0 ? payer : _account(who >> 1), abi.encodeCall(deal.dispute, (index, 0)), 0);
    }

    function rule(uint256 who, uint256 index, uint256 bps) external {
        index = _pick(IDebtEscrow.Status.Disputed, index);
        _as(who % 2 == 0 ? arbiter : _account(who >> 1), abi.encodeCall(deal.rule, (index, bps % 10_100)), 0);
    }

    function resolveSilent(uint256 who, uint256 index) external {
        _as(_account(who), abi.encodeCall(deal.resolveSilent, (_pick(IDebtEscrow.Status.Disputed, index))), 0);
    }

    /// @dev The right signatures and amounts, but sometimes a unit too much or another's key.
    function settle(uint256 who, uint256 index, uint256 toPayee, uint256 wrong) external {
        IDebtEscrow.Settlement memory settlement;
        settlement.validUntil = block.timestamp;
        settlement.parts = new IDebtEscrow.Part[](1);
        index = index % count;
        uint256 held = deal.slot(index).held;
        // Seldom an open one, which ends with it: there would soon be none left to play with.
        if (held == 0 && who % 8 != 0) return;
        toPayee = _bound(toPayee, 0, held);
        settlement.parts[0] =
            IDebtEscrow.Part(index, toPayee, held - toPayee + (wrong % 8 == 1 ? 1 : 0));
        bytes32 digest = deal.settlementDigest(settlement);
        uint256 payersKey = wrong % 8 == 2 ? 0xBAD : PAYER_KEY;
        uint256 claimantsKey = wrong % 8 == 3 ? 0xBAD : _keys[deal.claimant()];
        bytes memory call =
            abi.encodeCall(deal.settle, (settlement, _sign(payersKey, digest), _sign(claimantsKey, digest)));
        address sender = _account(who);
        bool settled = _as(sender, call, 0);
        if (settled && wrong % 8 == 1) ++faults["parts did not add up"];
        if (settled && wrong % 8 == 2 && sender != payer) ++faults["the payer did not agree"];
        if (settled && wrong % 8 == 3 && sender != deal.claimant()) ++faults["the claimant did not agree"];
    }

    function assignClaim(uint256 who, uint256 to) external {
        // Never to the stranger: he would be one no more.
        _as(_account(who), abi.encodeCall(deal.assignClaim, (_accounts[to % (_accounts.length - 1)], 0)), 0);
    }

    function withdraw(uint256 who, uint256 account, uint256 to) external {
        (address sender, address owner, address recipient) = (_account(who), _account(account), _account(to));
        bool sent = _as(sender, abi.encodeCall(deal.withdraw, (owner, recipient)), 0);
        if (sent && sender != owner && recipient != owner) ++faults["another redirected a credit"];
    }

    function sweep(uint256 who, uint256 to) external {
        (address sender, address recipient) = (_account(who), _account(to));
        bool sent = _as(sender, abi.encodeCall(deal.sweep, (address(token), recipient)), 0);
        if (sent && sender != payer && recipient != payer) ++faults["another redirected the surplus"];
    }

    // ---- what is looked at

    function accounts() external view returns (address[] memory) {
        return _accounts;
    }

    // ---- inside

    function _as(address who, bytes memory call, uint256 value) private returns (bool succeeded) {
        State memory before = _state();
        vm.prank(who);
        (succeeded,) = address(deal).call{value: value}(call);
        if (!succeeded) return false; // Whatever it did is undone.
        State memory later = _state();
        if (later.balance > before.balance) came += later.balance - before.balance;
        else went += before.balance - later.balance;
        ++done[bytes4(call)];
        _compare(who, bytes4(call), before, later);
    }

    function _compare(address who, bytes4 selector, State memory before, State memory later) private {
        bool paysOut = selector == deal.withdraw.selector || selector == deal.sweep.selector;
        if (who == stranger && later.strangers > before.strangers) ++faults["a stranger gained"];
        if (!paysOut && later.balance < before.balance) ++faults["money left by another door"];
        for (uint256 i; i < count; ++i) {
            IDebtEscrow.Status was = before.slots[i].status;
            IDebtEscrow.Status is_ = later.slots[i].status;
            if (was == is_) {
                if (before.slots[i].held != later.slots[i].held) ++faults["a deposit changed"];
                continue;
            }
            if (!_leads(was, is_)) ++faults["a way that does not exist"];
            if (is_ == IDebtEscrow.Status.Closed) _compareClosing(who, selector, before, later, i);
        }
        if (later.claimant != before.claimant && who != before.claimant) ++faults["another assigned the claim"];
    }

    function _compareClosing(address who, bytes4 selector, State memory before, State memory later, uint256 index)
        private
    {
        uint256 toPayer = later.payers - before.payers;
        uint256 toPayee = later.claimants - before.claimants;
        uint256 toArbiter = later.arbiters - before.arbiters;
        uint256 held = before.slots[index].held;
        if (toPayer + toPayee + toArbiter != held || later.slots[index].held != 0) ++faults["parts did not add up"];
        IDebtEscrow.Cause cause = _cause(selector);
        ++closings[cause];
        bool entitled = cause == IDebtEscrow.Cause.Approved && who == payer
            || cause == IDebtEscrow.Cause.Refunded && who == before.claimant
            || cause == IDebtEscrow.Cause.Ruled && who == arbiter
            || cause == IDebtEscrow.Cause.Agreed // {settle} looks at the consent.
            || cause == IDebtEscrow.Cause.Elapsed && toPayee == held
                && block.timestamp >= before.slots[index].deadline
            || cause == IDebtEscrow.Cause.ArbiterSilent && toPayee == held * 6_000 / 10_000
                && block.timestamp >= before.slots[index].deadline;
        if (!entitled) ++faults["another decided the split"];
        if (toArbiter != (cause == IDebtEscrow.Cause.Ruled ? held * 200 / 10_000 : 0)) ++faults["a fee too many"];
    }

    function _leads(IDebtEscrow.Status was, IDebtEscrow.Status is_) private pure returns (bool) {
        if (was == IDebtEscrow.Status.Open) return is_ != IDebtEscrow.Status.Disputed;
        if (was == IDebtEscrow.Status.Funded) return is_ != IDebtEscrow.Status.Open;
        return was == IDebtEscrow.Status.Disputed && is_ == IDebtEscrow.Status.Closed;
    }

    function _cause(bytes4 selector) private view returns (IDebtEscrow.Cause) {
        if (selector == deal.approve.selector) return IDebtEscrow.Cause.Approved;
        if (selector == deal.refund.selector) return IDebtEscrow.Cause.Refunded;
        if (selector == deal.release.selector) return IDebtEscrow.Cause.Elapsed;
        if (selector == deal.rule.selector) return IDebtEscrow.Cause.Ruled;
        if (selector == deal.resolveSilent.selector) return IDebtEscrow.Cause.ArbiterSilent;
        return IDebtEscrow.Cause.Agreed;
    }

    function _state() private view returns (State memory state) {
        state.balance = _balanceOf(address(deal));
        state.strangers = _balanceOf(stranger);
        state.claimant = deal.claimant();
        state.payers = deal.credit(payer);
        state.arbiters = deal.credit(arbiter);
        for (uint256 i = 1; i <= CLAIMANT_KEYS; ++i) {
            state.claimants += deal.credit(_accounts[i]);
        }
        state.slots = new IDebtEscrow.Slot[](count);
        for (uint256 i; i < count; ++i) {
            state.slots[i] = deal.slot(i);
        }
    }

    function _balanceOf(address account) private view returns (uint256) {
        return address(token) == address(0) ? account.balance : token.balanceOf(account);
    }

    /// @dev Mostly one in the wanted state, where there is one: the others only show once more that they are refused.
    function _pick(IDebtEscrow.Status wanted, uint256 index) private view returns (uint256) {
        if (index % 8 == 7) return (index >> 3) % count;
        for (uint256 i; i < count; ++i) {
            uint256 picked = (index % count + i) % count;
            if (deal.slot(picked).status == wanted) return picked;
        }
        return index % count;
    }

    function _account(uint256 who) private view returns (address) {
        return _accounts[who % _accounts.length];
    }

    function _give(address account, uint256 units) private {
        if (address(token) == address(0)) {
            vm.deal(account, units);
        } else {
            token.mint(account, units);
            vm.prank(account);
            token.approve(address(deal), type(uint256).max);
        }
    }

    function _sign(uint256 key, bytes32 digest) private pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }
}
