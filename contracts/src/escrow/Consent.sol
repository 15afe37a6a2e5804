// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

/// @title Whether an account agrees to what a digest stands for
library Consent {
    /// @notice Yes, if it sends the transaction itself, if its key signed, or if its code says so (ERC-1271).
    /// @dev The key comes before the code because an account with EIP-7702 code has both, and whoever holds its key can
    /// replace the code. No key is known for the address of an ordinary contract, so that nothing is opened by it.
    function given(address account, bytes32 digest, bytes calldata signature) internal view returns (bool) {
        if (msg.sender == account) return true;
        (address signer, ECDSA.RecoverError fault,) = ECDSA.tryRecoverCalldata(digest, signature);
        if (fault == ECDSA.RecoverError.NoError && signer == account) return true;
        return account.code.length != 0
            && SignatureChecker.isValidERC1271SignatureNowCalldata(account, digest, signature);
    }
}
