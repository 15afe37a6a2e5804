// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title TestToken
/// @notice A plain ERC-20 for the demo and the tests. Anyone may mint; it is never to be deployed for value.
/// @dev Like the stablecoins that address poisoning abuses, it lets anyone call
/// `transferFrom(from, to, 0)`: an allowance of zero covers a transfer of zero, so that a Transfer event
/// with an arbitrary `from` appears although its holder signed nothing.
contract TestToken {
    string public name;
    string public symbol;
    uint8 public immutable decimals;
    uint256 public totalSupply;
    mapping(address holder => uint256 units) public balanceOf;
    mapping(address holder => mapping(address spender => uint256 units)) public allowance;

    event Transfer(address indexed from, address indexed to, uint256 value);
    event Approval(address indexed owner, address indexed spender, uint256 value);

    error InsufficientBalance(address holder, uint256 balance, uint256 needed);
    error InsufficientAllowance(address spender, uint256 allowance, uint256 needed);
    error InvalidReceiver(address receiver);

    constructor(string memory name_, string memory symbol_, uint8 decimals_) {
        name = name_;
        symbol = symbol_;
        decimals = decimals_;
    }

    /// @notice Creates units out of nothing, for whoever asks.
    function mint(address to, uint256 units) external {
        totalSupply += units;
        unchecked {
            // Cannot overflow: the sum of all balances is the total supply, which was checked above.
            balanceOf[to] += units;
        }
        emit Transfer(address(0), to, units);
    }

    function transfer(address to, uint256 units) external returns (bool) {
        _move(msg.sender, to, units);
        return true;
    }

    function approve(address spender, uint256 units) external returns (bool) {
        allowance[msg.sender][spender] = units;
        emit Approval(msg.sender, spender, units);
        return true;
    }

    function transferFrom(address from, address to, uint256 units) external returns (bool) {
        uint256 allowed = allowance[from][msg.sender];
        if (allowed < units) revert InsufficientAllowance(msg.sender, allowed, units);
        if (allowed != type(uint256).max) {
            unchecked {
                allowance[from][msg.sender] = allowed - units;
            }
        }
        _move(from, to, units);
        return true;
    }

    function _move(address from, address to, uint256 units) private {
        if (to == address(0)) revert InvalidReceiver(to);
        uint256 balance = balanceOf[from];
        if (balance < units) revert InsufficientBalance(from, balance, units);
        unchecked {
            balanceOf[from] = balance - units;
            balanceOf[to] += units;
        }
        emit Transfer(from, to, units);
    }
}
