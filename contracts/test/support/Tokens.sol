// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// @title A token that anyone may mint
abstract contract Mintable is ERC20 {
    function mint(address to, uint256 units) external {
        _mint(to, units);
    }
}

/// @title A stablecoin with what real ones have: six decimals, EIP-2612, a blacklist and a pause
contract Dollar is Mintable, ERC20Permit {
    mapping(address account => bool) public blacklisted;
    bool public paused;

    constructor() ERC20("Dollar", "USD") ERC20Permit("Dollar") {}

    function blacklist(address account, bool yes) external {
        blacklisted[account] = yes;
    }

    function pause(bool yes) external {
        paused = yes;
    }

    function decimals() public pure override returns (uint8) {
        return 6;
    }

    function _update(address from, address to, uint256 units) internal override {
        require(!paused, "paused");
        require(!blacklisted[from] && !blacklisted[to], "blacklisted");
        super._update(from, to, units);
    }
}

/// @title Burns a share of every transfer
contract FeeToken is Mintable {
    uint256 public feeBps = 100;

    constructor() ERC20("Fee", "FEE") {}

    function setFee(uint256 bps) external {
        feeBps = bps;
    }

    function _update(address from, address to, uint256 units) internal override {
        uint256 fee = from != address(0) && to != address(0) ? units * feeBps / 10_000 : 0;
        if (fee != 0) super._update(from, address(0), fee);
        super._update(from, to, units - fee);
    }
}

/// @title Its balances change by themselves
contract RebasingToken is Mintable {
    constructor() ERC20("Rebasing", "REB") {}

    function rebase(address account, int256 units) external {
        if (units > 0) _mint(account, uint256(units));
        else _burn(account, uint256(-units));
    }
}

/// @title Returns nothing, like USDT on its first chain
contract NoReturnToken {
    mapping(address account => uint256) public balanceOf;
    mapping(address owner => mapping(address spender => uint256)) public allowance;

    function mint(address to, uint256 units) external {
        balanceOf[to] += units;
    }

    function approve(address spender, uint256 units) external {
        allowance[msg.sender][spender] = units;
    }

    function transfer(address to, uint256 units) external {
        balanceOf[msg.sender] -= units;
        balanceOf[to] += units;
    }

    function transferFrom(address from, address to, uint256 units) external {
        allowance[from][msg.sender] -= units;
        balanceOf[from] -= units;
        balanceOf[to] += units;
    }
}

/// @title Says that it moved what it didn't
contract LyingToken is Mintable {
    constructor() ERC20("Lying", "LIE") {}

    function transferFrom(address, address, uint256) public pure override returns (bool) {
        return true;
    }
}

interface IHook {
    function onTransfer() external;
}

/// @title Calls a contract before and after every transfer, as ERC-777 does
contract HookToken is Mintable {
    IHook public hook;

    constructor() ERC20("Hook", "HOOK") {}

    function setHook(IHook hook_) external {
        hook = hook_;
    }

    function _update(address from, address to, uint256 units) internal override {
        if (address(hook) != address(0)) hook.onTransfer();
        super._update(from, to, units);
        if (address(hook) != address(0)) hook.onTransfer();
    }
}

/// @title A token whose balances move under a second address too, as old TUSD and POL's native coin
contract TwinToken is Mintable {
    SecondEntry public immutable second = new SecondEntry(this);

    constructor() ERC20("Twin", "TWIN") {}

    function move(address from, address to, uint256 units) external {
        require(msg.sender == address(second), "not the second entry");
        _transfer(from, to, units);
    }
}

contract SecondEntry {
    TwinToken private immutable _twin;

    constructor(TwinToken twin) {
        _twin = twin;
    }

    function balanceOf(address account) external view returns (uint256) {
        return _twin.balanceOf(account);
    }

    function transfer(address to, uint256 units) external returns (bool) {
        _twin.move(msg.sender, to, units);
        return true;
    }
}
