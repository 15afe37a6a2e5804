// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title BenchToken
/// @notice Moves pseudo-random amounts between pseudo-random holders, many in one transaction: what
/// `./run bench` reads. It is never to be deployed for value.
contract BenchToken {
    mapping(address holder => uint256 units) public balanceOf;

    event Transfer(address indexed from, address indexed to, uint256 value);

    error InsufficientBalance(address holder, uint256 balance, uint256 needed);

    /// @notice The holder of a number, the same in every token.
    function holder(uint256 number) public pure returns (address) {
        return address(uint160(uint256(keccak256(abi.encode(number)))));
    }

    /// @notice Gives each of the holders `first` to `last` (excluded) so many units out of nothing.
    function seed(uint256 first, uint256 last, uint256 units) external {
        for (uint256 number = first; number < last; number++) {
            address to = holder(number);
            balanceOf[to] += units;
            emit Transfer(address(0), to, units);
        }
    }

    /// @notice `count` transfers among the first `holders` holders; which ones, follows from `salt`.
    function spray(uint256 holders, uint256 count, uint256 salt) external {
        uint256 state = salt;
        for (uint256 done = 0; done < count; done++) {
            state = uint256(keccak256(abi.encode(state)));
            uint256 from = state % holders;
            uint256 to = (state >> 64) % holders;
            _move(holder(from), holder(from == to ? (to + 1) % holders : to), uint64(state >> 128));
        }
    }

    function _move(address from, address to, uint256 units) private {
        uint256 balance = balanceOf[from];
        if (balance < units) revert InsufficientBalance(from, balance, units);
        unchecked {
            // Cannot overflow: nobody seeds more than a benchmark's worth.
            balanceOf[from] = balance - units;
            balanceOf[to] += units;
        }
        emit Transfer(from, to, units);
    }
}

/// @title BenchSplitter
/// @notice Passes the coins it is sent on in equal parts: moves that no top-level transaction shows.
contract BenchSplitter {
    error NotPassedOn(address to);

    function split(address[] calldata to) external payable {
        uint256 each = msg.value / to.length;
        for (uint256 index = 0; index < to.length; index++) {
            (bool passed,) = to[index].call{value: each}("");
            if (!passed) revert NotPassedOn(to[index]);
        }
    }
}
