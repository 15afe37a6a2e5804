// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {DebtEscrow} from "../../src/escrow/DebtEscrow.sol";
import {IDebtEscrow} from "../../src/escrow/IDebtEscrow.sol";
import {Deals} from "../support/Deals.sol";
import {HookToken} from "../support/Tokens.sol";

contract FundWithPermitTest is Deals {
    bytes32 private constant PERMIT =
        keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");

    function setUp() public override {
        super.setUp();
        vm.prank(payer);
        usd.approve(address(deal), 0);
    }

    function _permit(uint256 value) private view returns (uint8 v, bytes32 r, bytes32 s) {
        bytes32 message =
            keccak256(abi.encode(PERMIT, payer, address(deal), value, usd.nonces(payer), block.timestamp));
        return vm.sign(PAYER_KEY, keccak256(abi.encodePacked(hex"1901", usd.DOMAIN_SEPARATOR(), message)));
    }

    function test_fundsWithoutAnApproval() external {
        (uint8 v, bytes32 r, bytes32 s) = _permit(UNIT);
        vm.prank(payer);
        vm.assertTrue(deal.fundWithPermit(0, UNIT, block.timestamp, v, r, s));
        _assertStatus(0, IDebtEscrow.Status.Funded);
        vm.assertEq(usd.allowance(payer, address(deal)), 0);
    }

    function test_fundsThoughSomebodyUsedThePermitFirst() external {
        (uint8 v, bytes32 r, bytes32 s) = _permit(UNIT);
        vm.prank(stranger);
        usd.permit(payer, address(deal), UNIT, block.timestamp, v, r, s);
        vm.prank(payer);
        vm.assertTrue(deal.fundWithPermit(0, UNIT, block.timestamp, v, r, s));
    }

    function test_revertsWithoutPermitAndAllowance() external {
        (uint8 v, bytes32 r, bytes32 s) = _permit(UNIT);
        vm.prank(payer);
        vm.expectRevert();
        deal.fundWithPermit(0, UNIT - 1, block.timestamp, v, r, s);
    }

    function test_takesNothingFromAnothersPermit() external {
        (uint8 v, bytes32 r, bytes32 s) = _permit(UNIT);
        vm.prank(stranger);
        vm.expectRevert();
        deal.fundWithPermit(0, UNIT, block.timestamp, v, r, s);
        vm.assertEq(usd.balanceOf(address(deal)), 0);
    }

    function test_fundsFromAnAllowanceWhereTheTokenKnowsNoPermit() external {
        HookToken token = new HookToken();
        deal = _open(_terms(address(token), 1));
        token.mint(payer, UNIT);
        vm.startPrank(payer);
        token.approve(address(deal), UNIT);
        vm.assertTrue(deal.fundWithPermit(0, UNIT, block.timestamp, 27, 0, 0));
        vm.stopPrank();
    }

    function test_revertsInANativeDeal() external {
        deal = _open(_terms(address(0), 1));
        _expect(IDebtEscrow.DebtEscrow_NoPermit.selector);
        deal.fundWithPermit(0, UNIT, block.timestamp, 27, 0, 0);
    }
}
