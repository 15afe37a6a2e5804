"""What moved inside of transactions, as values: traced, or concluded from balances (pure).

It knows no node. A conclusion says less than a trace: how much an account gained or lost in a block beyond
what the block's own transactions explain, not from whom, nor in which transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from chains.evm.bisection import Change
from chains.evm.native import FullBlock, Receipt
from chains.evm.traces import TracedBlock
from chains.movements import NO_TRANSACTION_INDEX, NativeKind, NativeTransfer, path_text
from chains.types import ZERO_ADDRESS, Address, ChainId, Hash32

BALANCE_METHOD = "eth_getBalance"


def internal_transfers(
    traced: TracedBlock, *, full: FullBlock, chain: ChainId, accounts: Collection[Address], method: str
) -> list[NativeTransfer]:
    """The traced moves from or to the accounts, and the rewards to them."""
    index = {each.hash: each.index for each in full.transactions}
    moves = [
        NativeTransfer(
            chain=chain,
            block=full.block,
            tx_hash=move.tx_hash,
            tx_index=index[move.tx_hash],
            trace_path=path_text(move.path),
            kind=move.kind,
            sender=move.sender,
            recipient=move.recipient,
            amount_units=move.amount_units,
            method=method,
        )
        for move in traced.moves
        if move.sender in accounts or move.recipient in accounts
    ]
    rewards = [
        NativeTransfer(
            chain=chain,
            block=full.block,
            tx_hash=None,
            tx_index=NO_TRANSACTION_INDEX,
            trace_path=f"reward-{at}",
            kind=NativeKind.REWARD,
            sender=ZERO_ADDRESS,
            recipient=reward.recipient,
            amount_units=reward.amount_units,
            method=method,
        )
        for at, reward in enumerate(traced.rewards)
        if reward.recipient in accounts and reward.amount_units
    ]
    return moves + rewards


def unexplained_changes(
    changes: Iterable[Change],
    *,
    full: FullBlock,
    chain: ChainId,
    transfers: Iterable[NativeTransfer],
    receipts: Mapping[Hash32, Receipt],
) -> list[NativeTransfer]:
    """For each changed account of this block, what neither its moves nor its fees explain.

    `receipts` holds those of every transaction that the accounts sent. Fees that a chain charges and no
    receipt shows are in the sum, and so is what a block's producer earns.
    """
    moved = list(transfers)
    found = []
    for change in changes:
        account = change.account
        came = sum(each.amount_units for each in moved if each.recipient == account)
        went = sum(each.amount_units for each in moved if each.sender == account)
        paid = sum(receipts[each.hash].fee_units for each in full.transactions if each.sender == account)
        rest = change.balance_change_units - came + went + paid
        if rest:
            found.append(
                NativeTransfer(
                    chain=chain,
                    block=full.block,
                    tx_hash=None,
                    tx_index=NO_TRANSACTION_INDEX,
                    trace_path=f"balance-{account}",
                    kind=NativeKind.BALANCE,
                    sender=account if rest < 0 else None,
                    recipient=account if rest > 0 else None,
                    amount_units=abs(rest),
                    method=BALANCE_METHOD,
                )
            )
    return found
