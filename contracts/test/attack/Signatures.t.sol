// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {DebtEscrow} from "../../src/escrow/DebtEscrow.sol";
import {DebtEscrowFactory} from "../../src/escrow/DebtEscrowFactory.sol";
import {IDebtEscrow} from "../../src/escrow/IDebtEscrow.sol";
import {IDebtEscrowFactory} from "../../src/escrow/IDebtEscrowFactory.sol";
import {Terms} from "../../src/escrow/Terms.sol";
import {Deals} from "../support/Deals.sol";

/// @title Signatures used where they were not given, and keys whose account has code
contract SignaturesTest is Deals {
    function _signedTerms(Terms memory terms) private view returns (bytes memory ofPayer, bytes memory ofPayee) {
        bytes32 digest = factory.digest(terms);
        (ofPayer, ofPayee) = (_sign(PAYER_KEY, digest), _sign(PAYEE_KEY, digest));
    }

    function _signed(IDebtEscrow.Settlement memory settlement)
        private
        view
        returns (bytes memory ofPayer, bytes memory ofPayee)
    {
        bytes32 digest = deal.settlementDigest(settlement);
        (ofPayer, ofPayee) = (_sign(PAYER_KEY, digest), _sign(PAYEE_KEY, digest));
    }

    /// A fork keeps every address and every balance; only the chain's number tells it apart.
    function test_termsAreNotReplayedOnAnotherChainOrFork() external {
        Terms memory terms = _terms(address(usd), 2);
        (bytes memory ofPayer, bytes memory ofPayee) = _signedTerms(terms);
        vm.chainId(777);
        _expect(IDebtEscrowFactory.DebtEscrowFactory_NotConsented.selector, payer);
        factory.open(terms, ofPayer, ofPayee);
    }

    function test_termsAreNotReplayedAtAnotherFactory() external {
        Terms memory terms = _terms(address(usd), 2);
        (bytes memory ofPayer, bytes memory ofPayee) = _signedTerms(terms);
        DebtEscrowFactory other = new DebtEscrowFactory();
        _expect(IDebtEscrowFactory.DebtEscrowFactory_NotConsented.selector, payer);
        other.open(terms, ofPayer, ofPayee);
    }

    function test_settlementsAreNotReplayedOnAnotherChainOrFork() external {
        _fund(0);
        IDebtEscrow.Settlement memory settlement = _settlement(0, UNIT, 0);
        (bytes memory ofPayer, bytes memory ofPayee) = _signed(settlement);
        vm.chainId(777);
        _expect(IDebtEscrow.DebtEscrow_NotConsented.selector, payer);
        deal.settle(settlement, ofPayer, ofPayee);
    }

    function test_settlementsAreNotReplayedAtAnotherDeal() external {
        IDebtEscrow.Settlement memory settlement = _settlement(0, 0, 0);
        (bytes memory ofPayer, bytes memory ofPayee) = _signed(settlement);
        Terms memory terms = _terms(address(usd), 3);
        terms.salt = 1;
        DebtEscrow other = _open(terms);
        _expect(IDebtEscrow.DebtEscrow_NotConsented.selector, payer);
        other.settle(settlement, ofPayer, ofPayee);
    }

    function test_aSettlementOfBeforeHasNoEffectAfterADeposit() external {
        IDebtEscrow.Settlement memory settlement = _settlement(0, 0, 0);
        (bytes memory ofPayer, bytes memory ofPayee) = _signed(settlement);
        _fund(0);
        _expect(IDebtEscrow.DebtEscrow_BadPart.selector, 0, UNIT);
        deal.settle(settlement, ofPayer, ofPayee);
    }

    function test_malleableSignaturesAreRefused() external {
        Terms memory terms = _terms(address(usd), 2);
        bytes32 digest = factory.digest(terms);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(PAYER_KEY, digest);
        uint256 order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
        bytes memory flipped = abi.encodePacked(r, bytes32(order - uint256(s)), v == 27 ? uint8(28) : uint8(27));
        bytes memory ofPayee = _sign(PAYEE_KEY, digest);
        _expect(IDebtEscrowFactory.DebtEscrowFactory_NotConsented.selector, payer);
        factory.open(terms, flipped, ofPayee);
    }

    /// With EIP-7702 an account keeps its key and has code besides, which may know nothing of ERC-1271.
    function test_aKeyWithDelegatedCodeStillSigns() external {
        bytes memory delegation = abi.encodePacked(hex"ef0100", address(usd));
        vm.etch(payer, delegation);
        vm.etch(payee, delegation);
        deal = _open(_terms(address(usd), 2));
        _settle(_settlement(0, 0, 0));
        _assertStatus(0, IDebtEscrow.Status.Closed);
    }

    function test_aKeyWithDelegatedCodeDoesNotLetOthersSign() external {
        vm.etch(payer, abi.encodePacked(hex"ef0100", address(usd)));
        Terms memory terms = _terms(address(usd), 2);
        bytes32 digest = factory.digest(terms);
        bytes memory ofAnother = _sign(ASSIGNEE_KEY, digest);
        bytes memory ofPayee = _sign(PAYEE_KEY, digest);
        _expect(IDebtEscrowFactory.DebtEscrowFactory_NotConsented.selector, payer);
        factory.open(terms, ofAnother, ofPayee);
    }
}
