// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Consent} from "./Consent.sol";
import {IDebtEscrow} from "./IDebtEscrow.sol";
import {Money} from "./Money.sol";
import {SettlementDigest} from "./SettlementDigest.sol";
import {Terms} from "./Terms.sol";
import {TermsCodec} from "./TermsCodec.sol";
import {TermsRules} from "./TermsRules.sol";

/// @title DebtEscrow
/// @notice See {IDebtEscrow}, where the states, the money's way and every promise stand.
/// @dev Every function that changes something is `nonReentrant`: while one runs, a token's hook can enter none of them.
/// The guard is transient storage, so it needs a chain with EIP-1153.
contract DebtEscrow is IDebtEscrow, EIP712, ReentrancyGuardTransient {
    using TermsCodec for bytes;

    uint256 private constant BPS = TermsRules.BPS;
    uint256 private constant ABANDONED_SECONDS = 365 days;
    address private immutable IMPLEMENTATION = address(this);

    /// @inheritdoc IDebtEscrow
    mapping(address account => uint256 units) public override credit;
    /// @inheritdoc IDebtEscrow
    uint256 public override liabilities;
    mapping(uint256 index => Slot) private _slots;
    /// @dev Zero until the payee assigns his claim.
    address private _assignee;

    constructor() EIP712("DebtEscrow", "1") {}

    /// @notice Takes plain transfers of the native coin where the deal is in it; they are surplus until {fund}.
    /// @dev A sender that passes on only 2,300 gas can't pay a clone: reading the terms costs more.
    receive() external payable {
        if (_terms().token() != Money.NATIVE) revert DebtEscrow_NativeNotAccepted();
    }

    // ---- deposits

    /// @inheritdoc IDebtEscrow
    function fund(uint256 index) external payable override nonReentrant returns (bool) {
        return _fund(_terms(), index);
    }

    /// @inheritdoc IDebtEscrow
    function fundWithPermit(uint256 index, uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external
        override
        nonReentrant
        returns (bool)
    {
        bytes memory packed = _terms();
        address token = packed.token();
        if (token == Money.NATIVE) revert DebtEscrow_NoPermit();
        try IERC20Permit(token).permit(msg.sender, address(this), value, deadline, v, r, s) {} catch {}
        return _fund(packed, index);
    }

    /// @inheritdoc IDebtEscrow
    function startLateFee(uint256 index) external override nonReentrant {
        bytes memory packed = _terms();
        Slot storage s = _slotIn(packed, index, Status.Open);
        if (packed.lateFeeBps() == 0 || s.lateFrom != 0) revert DebtEscrow_NoLateFee();
        uint256 dueAt = packed.dueAt(index);
        if (block.timestamp <= dueAt) revert DebtEscrow_TooEarly(dueAt + 1);
        uint256 needed;
        for (uint256 i; i <= index; ++i) {
            if (_slots[i].status == Status.Open) needed += packed.amount(i) + _lateFee(packed, i);
        }
        uint256 surplus = Math.saturatingSub(Money.balance(packed.token()), liabilities);
        if (surplus >= needed) revert DebtEscrow_MoneyIsThere(surplus);
        s.lateFrom = uint48(block.timestamp);
        emit LateFeeStarted(packed.termsHash(), index);
    }

    // ---- closing an installment

    /// @inheritdoc IDebtEscrow
    function approve(uint256 index) external override nonReentrant {
        bytes memory packed = _terms();
        if (msg.sender != packed.payer()) revert DebtEscrow_NotParty(msg.sender);
        Slot storage s = _slotWithMoney(packed, index);
        _close(packed, index, Cause.Approved, s.held, 0);
    }

    /// @inheritdoc IDebtEscrow
    function refund(uint256 index) external override nonReentrant {
        bytes memory packed = _terms();
        if (msg.sender != _claimant(packed)) revert DebtEscrow_NotParty(msg.sender);
        _slotWithMoney(packed, index);
        _close(packed, index, Cause.Refunded, 0, 0);
    }

    /// @inheritdoc IDebtEscrow
    function release(uint256 index) external override nonReentrant {
        bytes memory packed = _terms();
        Slot storage s = _slotIn(packed, index, Status.Funded);
        if (block.timestamp < s.deadline) revert DebtEscrow_TooEarly(s.deadline);
        _close(packed, index, Cause.Elapsed, s.held, 0);
    }

    /// @inheritdoc IDebtEscrow
    function dispute(uint256 index, bytes32 evidenceHash) external override nonReentrant {
        bytes memory packed = _terms();
        Slot storage s = _slotIn(packed, index, Status.Funded);
        if (packed.arbiter() == address(0)) revert DebtEscrow_NoArbiter();
        if (msg.sender != packed.payer() && msg.sender != _claimant(packed)) revert DebtEscrow_NotParty(msg.sender);
        if (block.timestamp >= s.deadline) revert DebtEscrow_TooLate(s.deadline);
        (s.status, s.deadline) = (Status.Disputed, uint48(block.timestamp + packed.arbiterSeconds()));
        emit InstallmentDisputed(packed.termsHash(), index, msg.sender, evidenceHash);
    }

    /// @inheritdoc IDebtEscrow
    function rule(uint256 index, uint256 payeeBps) external override nonReentrant {
        bytes memory packed = _terms();
        Slot storage s = _slotIn(packed, index, Status.Disputed);
        if (msg.sender != packed.arbiter()) revert DebtEscrow_NotParty(msg.sender);
        if (block.timestamp >= s.deadline) revert DebtEscrow_TooLate(s.deadline);
        if (payeeBps > BPS) revert DebtEscrow_BadShare(payeeBps);
        uint256 held = s.held;
        uint256 fee = _share(held, packed.arbiterFeeBps());
        _close(packed, index, Cause.Ruled, _share(held - fee, payeeBps), fee);
    }

    /// @inheritdoc IDebtEscrow
    function resolveSilent(uint256 index) external override nonReentrant {
        bytes memory packed = _terms();
        Slot storage s = _slotIn(packed, index, Status.Disputed);
        if (block.timestamp < s.deadline) revert DebtEscrow_TooEarly(s.deadline);
        _close(packed, index, Cause.ArbiterSilent, _share(s.held, packed.silentPayeeBps()), 0);
    }

    /// @inheritdoc IDebtEscrow
    function settle(Settlement calldata settlement, bytes calldata payerSignature, bytes calldata claimantSignature)
        external
        override
        nonReentrant
    {
        bytes memory packed = _terms();
        if (block.timestamp > settlement.validUntil) revert DebtEscrow_TooLate(settlement.validUntil + 1);
        if (settlement.parts.length == 0) revert DebtEscrow_NoParts();
        bytes32 digest = settlementDigest(settlement);
        _demandConsent(packed.payer(), digest, payerSignature);
        _demandConsent(_claimant(packed), digest, claimantSignature);
        for (uint256 i; i < settlement.parts.length; ++i) {
            Part calldata part = settlement.parts[i];
            Slot storage s = _slotAt(packed, part.index);
            if (s.status == Status.Closed) revert DebtEscrow_WrongStatus(part.index, Status.Closed);
            if (part.toPayee + part.toPayer != s.held) revert DebtEscrow_BadPart(part.index, s.held);
            _close(packed, part.index, Cause.Agreed, part.toPayee, 0);
        }
        emit SettlementCarriedOut(packed.termsHash(), settlement.documentHash, digest);
    }

    // ---- the claim

    /// @inheritdoc IDebtEscrow
    function assignClaim(address assignee, bytes32 documentHash) external override nonReentrant {
        bytes memory packed = _terms();
        if (msg.sender != _claimant(packed)) revert DebtEscrow_NotParty(msg.sender);
        if (
            assignee == address(0) || assignee == address(this) || assignee == msg.sender || assignee == packed.payer()
                || assignee == packed.arbiter()
        ) revert DebtEscrow_BadAssignee(assignee);
        _assignee = assignee;
        emit ClaimAssigned(packed.termsHash(), msg.sender, assignee, documentHash);
    }

    // ---- payments out

    /// @inheritdoc IDebtEscrow
    function withdraw(address account, address to) external override nonReentrant returns (uint256 amount) {
        bytes memory packed = _terms();
        if (to != account && msg.sender != account) revert DebtEscrow_NotParty(msg.sender);
        if (to == address(0) || to == address(this)) revert DebtEscrow_BadRecipient(to);
        amount = Math.min(credit[account], Money.balance(packed.token()));
        if (amount == 0) revert DebtEscrow_NothingToPay();
        credit[account] -= amount;
        liabilities -= amount;
        emit Withdrawn(packed.termsHash(), account, to, amount);
        Money.send(packed.token(), to, amount);
    }

    /// @inheritdoc IDebtEscrow
    function sweep(address token, address to) external override nonReentrant returns (uint256 amount) {
        bytes memory packed = _terms();
        address payer = packed.payer();
        if (msg.sender != payer && (to != payer || !_abandoned(packed))) revert DebtEscrow_NotParty(msg.sender);
        if (to == address(0) || to == address(this)) revert DebtEscrow_BadRecipient(to);
        uint256 kept = Math.min(Money.balance(packed.token()), liabilities);
        amount = Math.saturatingSub(Money.balance(token), token == packed.token() ? liabilities : 0);
        if (amount == 0) revert DebtEscrow_NothingToPay();
        emit Swept(packed.termsHash(), token, to, amount);
        Money.send(token, to, amount);
        uint256 left = Money.balance(packed.token());
        if (left < kept) revert DebtEscrow_Uncovered(left, kept);
    }

    // ---- views

    /// @inheritdoc IDebtEscrow
    function terms() external view override returns (Terms memory) {
        return _terms().unpack();
    }

    /// @inheritdoc IDebtEscrow
    function claimant() external view override returns (address) {
        return _claimant(_terms());
    }

    /// @inheritdoc IDebtEscrow
    function slot(uint256 index) external view override returns (Slot memory) {
        return _slotAt(_terms(), index);
    }

    /// @inheritdoc IDebtEscrow
    function amountDue(uint256 index) external view override returns (uint256 due, uint256 lateFee) {
        bytes memory packed = _terms();
        _slotIn(packed, index, Status.Open);
        lateFee = _lateFee(packed, index);
        due = packed.amount(index) + lateFee;
    }

    /// @inheritdoc IDebtEscrow
    function settlementDigest(Settlement calldata settlement) public view override returns (bytes32) {
        return _hashTypedDataV4(SettlementDigest.structHash(settlement));
    }

    // ---- inside

    function _fund(bytes memory packed, uint256 index) private returns (bool) {
        Slot storage s = _slotIn(packed, index, Status.Open);
        if (msg.sender != packed.payer()) _demandNoneOpenBefore(index);
        uint256 lateFee = _lateFee(packed, index);
        uint256 due = packed.amount(index) + lateFee;
        uint256 free = _surplus(packed.token());
        if (packed.token() == Money.NATIVE) {
            if (free < due) revert DebtEscrow_ShortValue(free, due);
        } else if (msg.value != 0) {
            revert DebtEscrow_NativeNotAccepted();
        } else if (free < due) {
            Money.pull(packed.token(), msg.sender, due - free);
            uint256 before = free;
            free = _surplus(packed.token());
            if (free <= before) revert DebtEscrow_NothingArrived();
            if (free < due) {
                emit DepositIncomplete(packed.termsHash(), index, msg.sender, free - before, due - free);
                return false;
            }
        }
        // Neither is cut: `due` is below 2^121 and no deadline reaches 2^48 (see {Installment}).
        (s.held, s.status) = (uint128(due), Status.Funded);
        s.deadline = uint48(Math.max(packed.dueAt(index), block.timestamp) + packed.reviewSeconds());
        liabilities += due;
        emit InstallmentFunded(packed.termsHash(), index, msg.sender, due, lateFee);
        return true;
    }

    /// @dev The caller has checked the status. The payer gets what the others don't, rounding included.
    function _close(bytes memory packed, uint256 index, Cause cause, uint256 toPayee, uint256 toArbiter) private {
        Slot storage s = _slots[index];
        uint256 toPayer = s.held - toPayee - toArbiter;
        (s.held, s.status) = (0, Status.Closed);
        // Liabilities stay: what was held is now credit.
        if (toPayee != 0) credit[_claimant(packed)] += toPayee;
        if (toPayer != 0) credit[packed.payer()] += toPayer;
        if (toArbiter != 0) credit[packed.arbiter()] += toArbiter;
        emit InstallmentClosed(packed.termsHash(), index, cause, toPayee, toPayer, toArbiter);
    }

    /// @dev Reverts on the implementation, whose code holds no terms.
    function _terms() private view returns (bytes memory) {
        if (address(this) == IMPLEMENTATION) revert DebtEscrow_NotADeal();
        return Clones.fetchCloneArgs(address(this));
    }

    function _slotAt(bytes memory packed, uint256 index) private view returns (Slot storage) {
        if (index >= packed.count()) revert DebtEscrow_NoSuchInstallment(index);
        return _slots[index];
    }

    function _slotIn(bytes memory packed, uint256 index, Status wanted) private view returns (Slot storage s) {
        s = _slotAt(packed, index);
        if (s.status != wanted) revert DebtEscrow_WrongStatus(index, s.status);
    }

    function _slotWithMoney(bytes memory packed, uint256 index) private view returns (Slot storage s) {
        s = _slotAt(packed, index);
        if (s.status != Status.Funded && s.status != Status.Disputed) revert DebtEscrow_WrongStatus(index, s.status);
    }

    function _claimant(bytes memory packed) private view returns (address) {
        return _assignee == address(0) ? packed.payee() : _assignee;
    }

    function _demandNoneOpenBefore(uint256 index) private view {
        for (uint256 i; i < index; ++i) {
            if (_slots[i].status == Status.Open) revert DebtEscrow_EarlierOpen(i);
        }
    }

    function _demandConsent(address party, bytes32 digest, bytes calldata signature) private view {
        if (!Consent.given(party, digest, signature)) revert DebtEscrow_NotConsented(party);
    }

    /// @dev Nothing is open any more, or so much time has passed that the payer seems to have left.
    function _abandoned(bytes memory packed) private view returns (bool) {
        uint256 count = packed.count();
        if (block.timestamp > packed.dueAt(count - 1) + ABANDONED_SECONDS) return true;
        for (uint256 i; i < count; ++i) {
            if (_slots[i].status == Status.Open) return false;
        }
        return true;
    }

    function _lateFee(bytes memory packed, uint256 index) private view returns (uint256) {
        uint256 from = _slots[index].lateFrom;
        if (from == 0) return 0;
        uint256 started = (block.timestamp - from) / packed.latePeriodSeconds() + 1;
        return _share(packed.amount(index), Math.min(started * packed.lateFeeBps(), packed.lateFeeCapBps()));
    }

    /// @dev A balance below the liabilities is a token that shrank: new money would only fill others' hole.
    function _surplus(address token) private view returns (uint256) {
        uint256 balance = Money.balance(token);
        if (balance < liabilities) revert DebtEscrow_Uncovered(balance, liabilities);
        return balance - liabilities;
    }

    /// @dev Rounded down. No amount reaches 2^122, so the product fits.
    function _share(uint256 amount, uint256 bps) private pure returns (uint256) {
        return amount * bps / BPS;
    }
}
