// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice One part of the debt. The types bound the values: no sum of 36 of them, with the highest late fee,
/// reaches 2^127, and no deadline reaches 2^48.
struct Installment {
    uint120 amount; // principal, in base units of the token
    uint40 dueAt; // the last second at which a deposit is in time
}

/// @notice Everything the parties agreed. It stands in the deal's own code and never changes.
struct Terms {
    address payer; // who owes
    address payee; // who is owed
    address arbiter; // zero: nobody can dispute, and every deposit is released in time
    address token; // zero: the chain's native coin
    bytes32 termsHash; // digest of the debt's record off chain; the first topic of every event
    uint64 salt; // tells apart two deals with otherwise equal terms
    uint32 reviewSeconds; // from the later of due date and deposit until the release
    uint32 arbiterSeconds; // from a dispute until the arbiter's word counts no more
    uint32 latePeriodSeconds; // each started period of this length costs the late fee once
    uint16 lateFeeBps; // of the principal, for each started period
    uint16 lateFeeCapBps; // of the principal, for all periods together
    uint16 arbiterFeeBps; // of a disputed deposit, for a ruling in time
    uint16 silentPayeeBps; // the payee's share of a disputed deposit where the arbiter stays silent
    Installment[] installments;
}
