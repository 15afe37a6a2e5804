// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {TestToken} from "./TestToken.sol";

/// @title PermitToken
/// @notice The plain test token with EIP-2612: its holder allows by a signature. Never to be deployed for value.
contract PermitToken is TestToken {
    bytes32 private constant DOMAIN_TYPEHASH =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 private constant PERMIT_TYPEHASH =
        keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");

    mapping(address holder => uint256 count) public nonces;

    error ExpiredPermit(uint256 deadline);
    error InvalidSigner(address signer, address holder);

    constructor(string memory name_, string memory symbol_, uint8 decimals_) TestToken(name_, symbol_, decimals_) {}

    function permit(
        address holder,
        address spender,
        uint256 units,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external {
        if (block.timestamp > deadline) revert ExpiredPermit(deadline);
        bytes32 content = keccak256(abi.encode(PERMIT_TYPEHASH, holder, spender, units, nonces[holder]++, deadline));
        bytes32 digest = keccak256(abi.encodePacked("\x19\x01", DOMAIN_SEPARATOR(), content));
        address signer = ecrecover(digest, v, r, s);
        if (signer == address(0) || signer != holder) revert InvalidSigner(signer, holder);
        allowance[holder][spender] = units;
        emit Approval(holder, spender, units);
    }

    function DOMAIN_SEPARATOR() public view returns (bytes32) {
        bytes32 version = keccak256("1");
        return keccak256(
            abi.encode(DOMAIN_TYPEHASH, keccak256(bytes(name)), version, block.chainid, address(this))
        );
    }
}
