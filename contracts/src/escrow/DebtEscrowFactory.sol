// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Consent} from "./Consent.sol";
import {DebtEscrow} from "./DebtEscrow.sol";
import {IDebtEscrowFactory} from "./IDebtEscrowFactory.sol";
import {Terms} from "./Terms.sol";
import {TermsCodec} from "./TermsCodec.sol";
import {TermsDigest} from "./TermsDigest.sol";
import {Flaw, TermsRules} from "./TermsRules.sol";

/// @title DebtEscrowFactory
/// @notice See {IDebtEscrowFactory}, where every promise stands.
contract DebtEscrowFactory is IDebtEscrowFactory, EIP712 {
    /// @dev What stands before the terms in a clone's code: the EIP-1167 proxy.
    uint256 private constant PROXY_BYTES = 45;
    /// @dev The salt is one of the terms, so CREATE2 needs none of its own.
    bytes32 private constant NO_SALT = 0;

    /// @inheritdoc IDebtEscrowFactory
    address public immutable override implementation = address(new DebtEscrow());

    constructor() EIP712("DebtEscrowFactory", "1") {}

    /// @inheritdoc IDebtEscrowFactory
    function open(Terms calldata terms, bytes calldata payerSignature, bytes calldata payeeSignature)
        external
        override
        returns (address deal)
    {
        Flaw flaw = TermsRules.flaw(terms);
        if (flaw != Flaw.None) revert DebtEscrowFactory_BadTerms(flaw);
        bytes memory packed = TermsCodec.pack(terms);
        deal = _predict(packed);
        // Without this line the second try would still fail, but with all of the sender's gas and without a reason.
        if (deal.code.length != 0) revert DebtEscrowFactory_AlreadyOpen(deal);
        bytes32 signed = digest(terms);
        if (!Consent.given(terms.payer, signed, payerSignature)) revert DebtEscrowFactory_NotConsented(terms.payer);
        if (!Consent.given(terms.payee, signed, payeeSignature)) revert DebtEscrowFactory_NotConsented(terms.payee);
        Clones.cloneDeterministicWithImmutableArgs(implementation, packed, NO_SALT);
        emit DealOpened(terms.termsHash, terms.payer, terms.payee, deal, signed);
    }

    /// @inheritdoc IDebtEscrowFactory
    function predict(Terms calldata terms) external view override returns (address) {
        return _predict(TermsCodec.pack(terms));
    }

    /// @inheritdoc IDebtEscrowFactory
    function isDeal(address account) external view override returns (bool) {
        return account.code.length > PROXY_BYTES && _predict(Clones.fetchCloneArgs(account)) == account;
    }

    /// @inheritdoc IDebtEscrowFactory
    function digest(Terms calldata terms) public view override returns (bytes32) {
        return _hashTypedDataV4(TermsDigest.structHash(terms));
    }

    function _predict(bytes memory packed) private view returns (address) {
        return Clones.predictDeterministicAddressWithImmutableArgs(implementation, packed, NO_SALT);
    }
}
