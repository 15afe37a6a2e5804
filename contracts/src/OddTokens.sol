// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title OddTokens
/// @notice Contracts that real chains hold and that a reader of Transfer events must survive. Tests only.

/// @notice Emits whatever it is told and moves nothing.
contract EventOnlyToken {
    string public name;
    string public symbol;
    uint8 public immutable decimals;

    event Transfer(address indexed from, address indexed to, uint256 value);

    constructor(string memory name_, string memory symbol_, uint8 decimals_) {
        name = name_;
        symbol = symbol_;
        decimals = decimals_;
    }

    function balanceOf(address) external pure returns (uint256) {
        return 0;
    }

    function emitTransfer(address from, address to, uint256 units) external {
        emit Transfer(from, to, units);
    }
}

/// @notice An ERC-721 style emitter: the same signature hash, but the third argument is a fourth topic.
contract NftEmitter {
    event Transfer(address indexed from, address indexed to, uint256 indexed tokenId);

    function emitTransfer(address from, address to, uint256 tokenId) external {
        emit Transfer(from, to, tokenId);
    }
}

/// @notice An early ERC-20 whose Transfer has no indexed argument: one topic and three words of data.
contract UnindexedToken {
    event Transfer(address from, address to, uint256 value);

    function emitTransfer(address from, address to, uint256 units) external {
        emit Transfer(from, to, units);
    }
}

/// @notice Its name and symbol are bytes32, as MKR's were; it has no decimals.
contract Bytes32Token {
    bytes32 public constant name = "Bytes32 Token";
    bytes32 public constant symbol = "B32";

    event Transfer(address indexed from, address indexed to, uint256 value);

    function emitTransfer(address from, address to, uint256 units) external {
        emit Transfer(from, to, units);
    }
}

/// @notice Metadata that cannot be read: name reverts, symbol is endless, decimals do not fit in 8 bits.
contract BrokenMetadataToken {
    error NoName();

    event Transfer(address indexed from, address indexed to, uint256 value);

    function name() external pure returns (string memory) {
        revert NoName();
    }

    /// @dev The ABI word for the length says far more than what follows.
    function symbol() external pure {
        assembly ("memory-safe") {
            mstore(0x00, 0x20)
            mstore(0x20, not(0))
            return(0x00, 0x40)
        }
    }

    function decimals() external pure returns (uint256) {
        return type(uint256).max;
    }

    function emitTransfer(address from, address to, uint256 units) external {
        emit Transfer(from, to, units);
    }
}

/// @notice Answers true to a transfer and keeps a tenth as a fee, with an event of its own.
contract FeeToken {
    string public constant name = "Fee Token";
    string public constant symbol = "FEE";
    uint8 public constant decimals = 6;
    address public immutable collector;
    mapping(address holder => uint256 units) public balanceOf;

    event Transfer(address indexed from, address indexed to, uint256 value);

    constructor(address collector_) {
        collector = collector_;
    }

    function mint(address to, uint256 units) external {
        balanceOf[to] += units;
        emit Transfer(address(0), to, units);
    }

    function transfer(address to, uint256 units) external returns (bool) {
        uint256 fee = units / 10;
        balanceOf[msg.sender] -= units;
        balanceOf[to] += units - fee;
        balanceOf[collector] += fee;
        emit Transfer(msg.sender, to, units - fee);
        emit Transfer(msg.sender, collector, fee);
        return true;
    }
}

interface ITransferFrom {
    function transferFrom(address from, address to, uint256 units) external returns (bool);
}

/// @notice Makes several transfers in one transaction, identical ones included; the last may be told to fail.
contract BatchPayer {
    error TransferFailed(uint256 index);
    error ToldToFail();

    function pay(ITransferFrom token, address[] calldata to, uint256[] calldata units, bool fail) external {
        for (uint256 i = 0; i < to.length; ++i) {
            if (!token.transferFrom(msg.sender, to[i], units[i])) revert TransferFailed(i);
        }
        if (fail) revert ToldToFail();
    }
}

/// @notice Emits a log with any topics and any data, well formed or not.
contract RawEmitter {
    error TooManyTopics(uint256 count);

    function emitRaw(bytes32[] calldata topics, bytes calldata data) external {
        uint256 count = topics.length;
        if (count > 4) revert TooManyTopics(count);
        assembly {
            let at := mload(0x40)
            calldatacopy(at, data.offset, data.length)
            let first := topics.offset
            switch count
            case 0 { log0(at, data.length) }
            case 1 { log1(at, data.length, calldataload(first)) }
            case 2 { log2(at, data.length, calldataload(first), calldataload(add(first, 0x20))) }
            case 3 {
                log3(
                    at,
                    data.length,
                    calldataload(first),
                    calldataload(add(first, 0x20)),
                    calldataload(add(first, 0x40))
                )
            }
            default {
                log4(
                    at,
                    data.length,
                    calldataload(first),
                    calldataload(add(first, 0x20)),
                    calldataload(add(first, 0x40)),
                    calldataload(add(first, 0x60))
                )
            }
        }
    }
}
