// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @title An account with code that agrees to what its owner's key signed (ERC-1271)
contract Wallet {
    address private immutable _owner;

    constructor(address owner) {
        _owner = owner;
    }

    receive() external payable {}

    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4) {
        (address signer,,) = ECDSA.tryRecoverCalldata(digest, signature);
        return signer == _owner ? this.isValidSignature.selector : bytes4(0);
    }
}

/// @title An account that takes no native coin
contract Refuser {
    function isValidSignature(bytes32, bytes calldata) external pure returns (bytes4) {
        return this.isValidSignature.selector;
    }
}

/// @title Pays with 2,300 gas, as `transfer` does
contract StipendSender {
    constructor() payable {}

    function pay(address payable to) external {
        to.transfer(1);
    }
}

/// @title Puts native coin where nobody takes it
contract Forcer {
    constructor(address payable to) payable {
        selfdestruct(to);
    }
}
