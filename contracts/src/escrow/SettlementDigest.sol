// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IDebtEscrow} from "./IDebtEscrow.sol";

/// @title The EIP-712 struct hash of a settlement
library SettlementDigest {
    bytes32 private constant PART_TYPEHASH = keccak256("Part(uint256 index,uint256 toPayee,uint256 toPayer)");
    bytes32 private constant SETTLEMENT_TYPEHASH = keccak256(
        "Settlement(bytes32 documentHash,uint256 validUntil,Part[] parts)"
        "Part(uint256 index,uint256 toPayee,uint256 toPayer)"
    );

    function structHash(IDebtEscrow.Settlement calldata settlement) internal pure returns (bytes32) {
        bytes32[] memory parts = new bytes32[](settlement.parts.length);
        for (uint256 i; i < parts.length; ++i) {
            parts[i] = keccak256(abi.encode(PART_TYPEHASH, settlement.parts[i]));
        }
        return keccak256(
            abi.encode(
                SETTLEMENT_TYPEHASH,
                settlement.documentHash,
                settlement.validUntil,
                keccak256(abi.encodePacked(parts))
            )
        );
    }
}
