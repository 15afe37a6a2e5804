// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Terms} from "./Terms.sol";
import {Flaw} from "./TermsRules.sol";

/// @title Opens deals: one for each set of terms that both parties agree to
/// @notice It has no owner, takes no fee, keeps no state, and can't be changed or halted. After a deal is opened it has
/// no part in it.
///
/// A deal is a clone (EIP-1167) of one implementation, with the packed terms behind the clone's 45 bytes of code. Its
/// address is the CREATE2 address of that code, so that it commits to every term and is known before it exists: coins
/// and tokens may be sent there first. The same terms give the same address, which is taken after the first time: a
/// signature can't open a second deal. It names the chain and this factory (EIP-712), so it opens none elsewhere.
///
/// A signature stands until the first due date, when the terms expire. It can't be taken back before.
interface IDebtEscrowFactory {
    /// @notice A deal exists from now on. Another contract can emit the same event: ask {isDeal} of the factory that
    /// you know, or look only at the events of that factory's address.
    event DealOpened(
        bytes32 indexed termsHash, address indexed payer, address indexed payee, address deal, bytes32 digest
    );

    error DebtEscrowFactory_BadTerms(Flaw flaw);
    error DebtEscrowFactory_NotConsented(address party);
    error DebtEscrowFactory_AlreadyOpen(address deal);

    /// @notice Opens the deal. A party that sends this transaction needs no signature: its bytes may be empty.
    /// @param terms what both parties agree to
    /// @param payerSignature over {digest}: 65 bytes of the payer's key, or whatever the payer's code takes (ERC-1271)
    /// @param payeeSignature the same of the payee
    /// @return deal the address that {predict} gives
    function open(Terms calldata terms, bytes calldata payerSignature, bytes calldata payeeSignature)
        external
        returns (address deal);

    /// @notice Where {open} puts the deal with these terms. It says nothing about whether the terms are allowed.
    function predict(Terms calldata terms) external view returns (address deal);

    /// @notice What a party signs (EIP-712, primary type `Terms`, domain `DebtEscrowFactory` version `1`).
    function digest(Terms calldata terms) external view returns (bytes32);

    /// @notice Whether this factory opened the deal: its code is the clone's, and its address follows from it.
    function isDeal(address account) external view returns (bool);

    /// @notice The code that every deal runs. It is no deal itself and refuses every call that would change something.
    function implementation() external view returns (address);
}
