"""An ERC-20 Transfer as a plain row: what is stored by the hundred thousand is no object. Pure."""

from __future__ import annotations

from chains.evm.transfers import RawTransferLog
from chains.types import Address, BlockRef, ChainId, Hash32, Transfer

# Block number, log index, transaction hash, contract, sender, recipient, and the amount as 32 bytes.
LogRow = tuple[int, int, bytes, bytes, bytes, bytes, bytes]


def row_of_log(log: RawTransferLog) -> LogRow:
    """What the strict reader found, as a row."""
    return (
        log.block_number,
        log.log_index,
        bytes(log.tx_hash),
        bytes(log.contract),
        bytes(log.sender),
        bytes(log.recipient),
        log.amount_units.to_bytes(32, "big"),
    )


def transfer_of_row(row: LogRow, *, chain: ChainId, block: BlockRef) -> Transfer:
    """The finished value. `block` has to be the row's own."""
    return Transfer(
        chain=chain,
        block=block,
        tx_hash=Hash32(row[2]),
        log_index=row[1],
        contract=Address(row[3]),
        sender=Address(row[4]),
        recipient=Address(row[5]),
        amount_units=int.from_bytes(row[6], "big"),
    )


def row_of_transfer(value: Transfer) -> LogRow:
    return (
        value.block.number,
        value.log_index,
        bytes(value.tx_hash),
        bytes(value.contract),
        bytes(value.sender),
        bytes(value.recipient),
        value.amount_units.to_bytes(32, "big"),
    )
