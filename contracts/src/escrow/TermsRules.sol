// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Terms} from "./Terms.sol";

/// @notice What is wrong with terms that no deal may have.
enum Flaw {
    None,
    Parties, // one is missing, or both are the same
    Arbiter, // the arbiter is a party
    ArbiterSeconds, // not within 1 to 180 days; without an arbiter, not zero
    ArbiterFee, // over 10 %; without an arbiter, not zero
    SilentShare, // over 100 %; without an arbiter, not zero
    Token, // there is no contract at this address
    TermsHash, // empty
    ReviewSeconds, // not within 1 hour to 365 days
    LateFee, // a cap over 100 % or below one period's fee, a period below a day; without a fee, not all zero
    Count, // not within 1 to 36 installments
    Amount, // an installment of nothing
    DueAt, // due before the one before it
    Expired // the first due date has passed: nobody can be held to terms that were broken when they began
}

/// @title Which terms a deal may have
/// @dev Every value that means nothing must be zero, so that one meaning has one writing.
library TermsRules {
    uint256 internal constant BPS = 10_000;
    uint256 internal constant INSTALLMENTS_MAX = 36;

    function flaw(Terms calldata terms) internal view returns (Flaw) {
        if (terms.payer == address(0) || terms.payee == address(0) || terms.payer == terms.payee) return Flaw.Parties;
        Flaw found = terms.arbiter == address(0) ? _withoutArbiter(terms) : _withArbiter(terms);
        if (found != Flaw.None) return found;
        if (terms.token != address(0) && terms.token.code.length == 0) return Flaw.Token;
        if (terms.termsHash == 0) return Flaw.TermsHash;
        if (terms.reviewSeconds < 1 hours || terms.reviewSeconds > 365 days) return Flaw.ReviewSeconds;
        if (!_lateFeeFits(terms)) return Flaw.LateFee;
        return _installments(terms);
    }

    function _withArbiter(Terms calldata terms) private pure returns (Flaw) {
        if (terms.arbiter == terms.payer || terms.arbiter == terms.payee) return Flaw.Arbiter;
        if (terms.arbiterSeconds < 1 days || terms.arbiterSeconds > 180 days) return Flaw.ArbiterSeconds;
        if (terms.arbiterFeeBps > BPS / 10) return Flaw.ArbiterFee;
        if (terms.silentPayeeBps > BPS) return Flaw.SilentShare;
        return Flaw.None;
    }

    function _withoutArbiter(Terms calldata terms) private pure returns (Flaw) {
        if (terms.arbiterSeconds != 0) return Flaw.ArbiterSeconds;
        if (terms.arbiterFeeBps != 0) return Flaw.ArbiterFee;
        if (terms.silentPayeeBps != 0) return Flaw.SilentShare;
        return Flaw.None;
    }

    function _lateFeeFits(Terms calldata terms) private pure returns (bool) {
        if (terms.lateFeeBps == 0) return terms.lateFeeCapBps == 0 && terms.latePeriodSeconds == 0;
        return
            terms.lateFeeCapBps >= terms.lateFeeBps && terms.lateFeeCapBps <= BPS && terms.latePeriodSeconds >= 1 days;
    }

    function _installments(Terms calldata terms) private view returns (Flaw) {
        uint256 count = terms.installments.length;
        if (count == 0 || count > INSTALLMENTS_MAX) return Flaw.Count;
        if (terms.installments[0].dueAt < block.timestamp) return Flaw.Expired;
        for (uint256 i; i < count; ++i) {
            if (terms.installments[i].amount == 0) return Flaw.Amount;
            if (i != 0 && terms.installments[i].dueAt < terms.installments[i - 1].dueAt) return Flaw.DueAt;
        }
        return Flaw.None;
    }
}
