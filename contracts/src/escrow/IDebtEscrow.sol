// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Terms} from "./Terms.sol";

/// @title One deal: a debt in 1 to 36 installments, each secured by a deposit before it is paid
/// @notice
/// States of an installment. Nothing leads out of Closed.
///
///     Open ----- fund ------------> Funded ---- approve, refund, release, settle ----> Closed
///     Open ----- settle (0, 0) ----------------------------------------------------> Closed
///     Funded --- dispute ---------> Disputed -- rule, resolveSilent, approve, refund, settle --> Closed
///
/// Money. A deposit is *held* for one installment. Closing the installment turns what is held into *credit* of the
/// payee, the payer and the arbiter; {withdraw} sends an account its credit. `liabilities` is the sum of all that is
/// held and all credit. The balance beyond the liabilities is *surplus*: it belongs to the payer, {fund} uses it first,
/// and {sweep} returns it. Money comes in by {fund}, {fundWithPermit} or a plain transfer; it goes out by {withdraw}
/// and {sweep} only.
///
/// The claim. What is due to the payee is due to the *claimant*: the payee of the terms, until {assignClaim} names
/// another. Every right of the payee is the claimant's.
///
/// Invariants, each of them a test (contracts/test/invariant/README.md): the balance covers the liabilities; these are
/// what is held plus what is credited; what came in is what went out plus what is there; strangers gain nothing; from
/// every state that can be reached, time and calls that anyone may make pay everything out to the parties; what a
/// closing gives adds up to what was held; a ruling and the silent split are never possible in the same second; only
/// the parties and the named arbiter decide a split.
///
/// Time is the block's. "From a second on" includes it; "before a second" doesn't.
///
/// Nobody owns a deal. Nothing pauses, upgrades or charges it, and its terms can't be changed.
interface IDebtEscrow {
    enum Status {
        Open,
        Funded,
        Disputed,
        Closed
    }

    /// @notice Why an installment was closed.
    enum Cause {
        Approved,
        Refunded,
        Elapsed,
        Ruled,
        ArbiterSilent,
        Agreed
    }

    /// @notice What the deal knows of one installment.
    /// @param held the deposit, in base units
    /// @param deadline Funded: the first second of {release}. Disputed: the first second of {resolveSilent}
    /// @param lateFrom when the late fee was started; zero: it was not
    struct Slot {
        uint128 held;
        uint48 deadline;
        uint48 lateFrom;
        Status status;
    }

    /// @notice What a settlement does with one installment. Both amounts together are exactly what is held for it.
    struct Part {
        uint256 index;
        uint256 toPayee;
        uint256 toPayer;
    }

    /// @notice What both parties sign to close installments as they like.
    /// @param documentHash digest of the settlement's text; may be zero
    /// @param validUntil the last second at which it can be carried out
    struct Settlement {
        bytes32 documentHash;
        uint256 validUntil;
        Part[] parts;
    }

    /// @notice The installment is secured. `amount` is held for it, `lateFee` of it being the late fee.
    event InstallmentFunded(
        bytes32 indexed termsHash, uint256 indexed index, address indexed from, uint256 amount, uint256 lateFee
    );
    /// @notice Less arrived than was sent, as tokens that charge for a transfer do it. It is surplus; `missing` more
    /// and the installment is secured.
    event DepositIncomplete(
        bytes32 indexed termsHash, uint256 indexed index, address indexed from, uint256 arrived, uint256 missing
    );
    /// @notice The late fee runs from this block on. That is all it says: not that anybody is in default.
    event LateFeeStarted(bytes32 indexed termsHash, uint256 indexed index);
    event InstallmentDisputed(
        bytes32 indexed termsHash, uint256 indexed index, address indexed by, bytes32 evidenceHash
    );
    /// @notice `toPayee` was credited to the claimant, `toPayer` to the payer, `toArbiter` to the arbiter.
    event InstallmentClosed(
        bytes32 indexed termsHash,
        uint256 indexed index,
        Cause indexed cause,
        uint256 toPayee,
        uint256 toPayer,
        uint256 toArbiter
    );
    /// @notice Both parties agreed; an {InstallmentClosed} for each part came before.
    event SettlementCarriedOut(bytes32 indexed termsHash, bytes32 indexed documentHash, bytes32 digest);
    /// @notice Notice to the payer, and to everyone, that the claim has a new holder.
    event ClaimAssigned(
        bytes32 indexed termsHash, address indexed from, address indexed to, bytes32 documentHash
    );
    event Withdrawn(bytes32 indexed termsHash, address indexed account, address indexed to, uint256 amount);
    event Swept(bytes32 indexed termsHash, address indexed token, address indexed to, uint256 amount);

    error DebtEscrow_NotADeal();
    error DebtEscrow_NoSuchInstallment(uint256 index);
    error DebtEscrow_WrongStatus(uint256 index, Status status);
    error DebtEscrow_NotParty(address caller);
    error DebtEscrow_EarlierOpen(uint256 index);
    error DebtEscrow_TooEarly(uint256 from);
    error DebtEscrow_TooLate(uint256 from);
    error DebtEscrow_NativeNotAccepted();
    error DebtEscrow_ShortValue(uint256 free, uint256 due);
    error DebtEscrow_NothingArrived();
    error DebtEscrow_Uncovered(uint256 balance, uint256 liabilities);
    error DebtEscrow_NoPermit();
    error DebtEscrow_NoLateFee();
    error DebtEscrow_MoneyIsThere(uint256 surplus);
    error DebtEscrow_NoArbiter();
    error DebtEscrow_BadShare(uint256 bps);
    error DebtEscrow_NotConsented(address party);
    error DebtEscrow_BadPart(uint256 index, uint256 held);
    error DebtEscrow_NoParts();
    error DebtEscrow_BadAssignee(address assignee);
    error DebtEscrow_BadRecipient(address to);
    error DebtEscrow_NothingToPay();

    /// @notice Secures installment `index` with the surplus first, then with the sender's money. Anyone may call; only
    /// the payer may skip an open installment, since nobody else decides what his money is for.
    /// @dev A token deal pulls what is missing from the sender, who must have allowed it. A native deal takes the value
    /// sent; what is too much becomes surplus, so that a gift of one unit or a fee that grew can't make the call fail.
    /// A third party's deposit is the payer's money from then on.
    /// @return funded false where a token delivered less than was pulled: what arrived is surplus, and the installment
    /// stays open until the rest is there. Secured means secured in full.
    function fund(uint256 index) external payable returns (bool funded);

    /// @notice {fund} with an EIP-2612 permit of the sender for this deal instead of an earlier approval.
    /// @dev A permit that fails is passed over: somebody may have used it first to disturb, and the allowance is there.
    function fundWithPermit(uint256 index, uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external
        returns (bool funded);

    /// @notice Starts the late fee of an open installment, once, after its due date. Anyone may call. It is refused
    /// while the surplus would fund this installment and all open ones before it: then call {fund}.
    /// @dev The first period starts with this block, not with the due date: no fee arises for time that has passed.
    function startLateFee(uint256 index) external;

    /// @notice The payer accepts performance: the deposit is credited to the claimant. Ends a dispute too.
    function approve(uint256 index) external;

    /// @notice The claimant gives the deposit back: it is credited to the payer. Ends a dispute too.
    function refund(uint256 index) external;

    /// @notice Credits an undisputed deposit to the claimant, from its deadline on. Anyone may call.
    function release(uint256 index) external;

    /// @notice The payer or the claimant disputes a deposit before its deadline; the arbiter's window begins.
    /// @param evidenceHash digest of what is claimed; may be zero
    function dispute(uint256 index, bytes32 evidenceHash) external;

    /// @notice The named arbiter splits a disputed deposit before the end of his window: first his fee, then
    /// `payeeBps` of the rest to the claimant, the remainder to the payer.
    /// @dev It moves the deposited money only; it is not an arbitral award.
    function rule(uint256 index, uint256 payeeBps) external;

    /// @notice Applies the split agreed for an arbiter's silence, from the end of his window on. Anyone may call.
    function resolveSilent(uint256 index) external;

    /// @notice Closes installments as both parties agreed: any split, at any time, in any state but Closed. Anyone may
    /// call with both signatures; the party that sends needs none.
    /// @dev Every installment can be closed once, so nothing can be carried out twice. The amounts must be exactly what
    /// is held: a signature given for one state of things has no effect in another. The claimant of the moment signs.
    function settle(Settlement calldata settlement, bytes calldata payerSignature, bytes calldata claimantSignature)
        external;

    /// @notice The claimant makes another account the claimant for all that is credited from now on. Credit stays where
    /// it is. The deal knows nothing of the contract behind it, of which `documentHash` may be the digest.
    function assignClaim(address assignee, bytes32 documentHash) external;

    /// @notice Sends an account its credit. Anyone may call; only the account itself may name another recipient.
    /// @dev Pays at most the balance, so that a token which shrinks balances can't lock what is left.
    function withdraw(address account, address to) external returns (uint256 amount);

    /// @notice Sends the surplus of the deal's token, or all of any other token, for the payer. Only the payer may call
    /// or name a recipient; but once no installment is open, or 365 days after the last due date, anyone may send it
    /// to the payer.
    /// @dev The balance is checked afterwards, for tokens that move under two addresses.
    function sweep(address token, address to) external returns (uint256 amount);

    /// @notice Everything the parties agreed.
    function terms() external view returns (Terms memory);

    /// @notice Who holds the payee's rights now.
    function claimant() external view returns (address);

    function slot(uint256 index) external view returns (Slot memory);

    /// @notice What {fund} would hold for an open installment now, and the part of it that is late fee.
    /// @dev fee = principal x min(started periods x rate, cap), rounded down.
    function amountDue(uint256 index) external view returns (uint256 due, uint256 lateFee);

    /// @notice What an account may withdraw.
    function credit(address account) external view returns (uint256);

    /// @notice The sum of all that is held and all credit.
    function liabilities() external view returns (uint256);

    /// @notice What both parties sign (EIP-712, primary type `Settlement`, domain `DebtEscrow` version `1`, this deal).
    function settlementDigest(Settlement calldata settlement) external view returns (bytes32);
}
