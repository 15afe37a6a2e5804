// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Installment, Terms} from "./Terms.sol";

/// @title How terms stand in a deal's code: packed, since every byte of code costs 200 gas to lay down
/// @dev A head of 140 bytes with the fields in the order of {Terms}, then 20 bytes for each installment. A reader takes
/// one field out of the packed bytes. None checks bounds: only {pack} writes them, and {DebtEscrow} checks the index.
library TermsCodec {
    uint256 private constant HEAD_BYTES = 140;
    uint256 private constant INSTALLMENT_BYTES = 20;

    function pack(Terms calldata terms) internal pure returns (bytes memory) {
        bytes memory parties = abi.encodePacked(terms.payer, terms.payee, terms.arbiter, terms.token);
        bytes memory rules = abi.encodePacked(
            terms.reviewSeconds,
            terms.arbiterSeconds,
            terms.latePeriodSeconds,
            terms.lateFeeBps,
            terms.lateFeeCapBps,
            terms.arbiterFeeBps,
            terms.silentPayeeBps
        );
        bytes memory parts;
        for (uint256 i; i < terms.installments.length; ++i) {
            parts = abi.encodePacked(parts, terms.installments[i].amount, terms.installments[i].dueAt);
        }
        return abi.encodePacked(parties, terms.termsHash, terms.salt, rules, parts);
    }

    function unpack(bytes memory packed) internal pure returns (Terms memory terms) {
        terms.payer = payer(packed);
        terms.payee = payee(packed);
        terms.arbiter = arbiter(packed);
        terms.token = token(packed);
        terms.termsHash = termsHash(packed);
        terms.salt = uint64(bytes8(_from(packed, 112)));
        terms.reviewSeconds = uint32(reviewSeconds(packed));
        terms.arbiterSeconds = uint32(arbiterSeconds(packed));
        terms.latePeriodSeconds = uint32(latePeriodSeconds(packed));
        terms.lateFeeBps = uint16(lateFeeBps(packed));
        terms.lateFeeCapBps = uint16(lateFeeCapBps(packed));
        terms.arbiterFeeBps = uint16(arbiterFeeBps(packed));
        terms.silentPayeeBps = uint16(silentPayeeBps(packed));
        terms.installments = new Installment[](count(packed));
        for (uint256 i; i < terms.installments.length; ++i) {
            terms.installments[i] = Installment(uint120(amount(packed, i)), uint40(dueAt(packed, i)));
        }
    }

    function payer(bytes memory packed) internal pure returns (address) {
        return address(bytes20(_from(packed, 0)));
    }

    function payee(bytes memory packed) internal pure returns (address) {
        return address(bytes20(_from(packed, 20)));
    }

    function arbiter(bytes memory packed) internal pure returns (address) {
        return address(bytes20(_from(packed, 40)));
    }

    function token(bytes memory packed) internal pure returns (address) {
        return address(bytes20(_from(packed, 60)));
    }

    function termsHash(bytes memory packed) internal pure returns (bytes32) {
        return _from(packed, 80);
    }

    function reviewSeconds(bytes memory packed) internal pure returns (uint256) {
        return uint32(bytes4(_from(packed, 120)));
    }

    function arbiterSeconds(bytes memory packed) internal pure returns (uint256) {
        return uint32(bytes4(_from(packed, 124)));
    }

    function latePeriodSeconds(bytes memory packed) internal pure returns (uint256) {
        return uint32(bytes4(_from(packed, 128)));
    }

    function lateFeeBps(bytes memory packed) internal pure returns (uint256) {
        return uint16(bytes2(_from(packed, 132)));
    }

    function lateFeeCapBps(bytes memory packed) internal pure returns (uint256) {
        return uint16(bytes2(_from(packed, 134)));
    }

    function arbiterFeeBps(bytes memory packed) internal pure returns (uint256) {
        return uint16(bytes2(_from(packed, 136)));
    }

    function silentPayeeBps(bytes memory packed) internal pure returns (uint256) {
        return uint16(bytes2(_from(packed, 138)));
    }

    function count(bytes memory packed) internal pure returns (uint256) {
        return (packed.length - HEAD_BYTES) / INSTALLMENT_BYTES;
    }

    function amount(bytes memory packed, uint256 index) internal pure returns (uint256) {
        return uint120(bytes15(_from(packed, HEAD_BYTES + index * INSTALLMENT_BYTES)));
    }

    function dueAt(bytes memory packed, uint256 index) internal pure returns (uint256) {
        return uint40(bytes5(_from(packed, HEAD_BYTES + index * INSTALLMENT_BYTES + 15)));
    }

    /// @dev The 32 bytes from `offset` on. Near the end they run over into foreign memory; each reader keeps only the
    /// leading bytes that are its field.
    function _from(bytes memory packed, uint256 offset) private pure returns (bytes32 word) {
        assembly ("memory-safe") {
            word := mload(add(add(packed, 32), offset))
        }
    }
}
