// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Installment, Terms} from "./Terms.sol";

/// @title The EIP-712 struct hash of terms: what the parties' wallets show and sign, field by field
library TermsDigest {
    bytes32 private constant INSTALLMENT_TYPEHASH = keccak256("Installment(uint120 amount,uint40 dueAt)");
    bytes32 private constant TERMS_TYPEHASH = keccak256(
        "Terms(address payer,address payee,address arbiter,address token,bytes32 termsHash,uint64 salt,"
        "uint32 reviewSeconds,uint32 arbiterSeconds,uint32 latePeriodSeconds,uint16 lateFeeBps,uint16 lateFeeCapBps,"
        "uint16 arbiterFeeBps,uint16 silentPayeeBps,Installment[] installments)"
        "Installment(uint120 amount,uint40 dueAt)"
    );

    function structHash(Terms calldata terms) internal pure returns (bytes32) {
        bytes32[] memory parts = new bytes32[](terms.installments.length);
        for (uint256 i; i < parts.length; ++i) {
            parts[i] = keccak256(abi.encode(INSTALLMENT_TYPEHASH, terms.installments[i]));
        }
        // Three pieces, since one call with fifteen values is more than the compiler's stack holds.
        bytes memory parties = abi.encode(
            TERMS_TYPEHASH, terms.payer, terms.payee, terms.arbiter, terms.token, terms.termsHash, terms.salt
        );
        bytes memory times = abi.encode(terms.reviewSeconds, terms.arbiterSeconds, terms.latePeriodSeconds);
        bytes memory shares = abi.encode(
            terms.lateFeeBps,
            terms.lateFeeCapBps,
            terms.arbiterFeeBps,
            terms.silentPayeeBps,
            keccak256(abi.encodePacked(parts))
        );
        return keccak256(bytes.concat(parties, times, shares));
    }
}
