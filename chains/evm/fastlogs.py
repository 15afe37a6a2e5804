"""Logs as plain rows."""

from __future__ import annotations

from dataclasses import dataclass

from chains.evm.transfers import OtherLog, RawTransferLog
from chains.rpc import RpcAnswer
from chains.types import Address, BlockRef, ChainId, Hash32, Transfer

# Block number, log index, transaction hash, contract, sender, recipient, amount (32 bytes big-endian).
LogRow = tuple[int, int, bytes, bytes, bytes, bytes, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogBatch:
    """One range, each log once, in chain order."""

    first_block: int
    last_block: int
    rows: list[LogRow]
    others: tuple[OtherLog, ...]
    block_hashes: dict[int, Hash32]
    block_times: dict[int, int]
    answers: tuple[RpcAnswer, ...]


def row_of_log(log: RawTransferLog) -> LogRow:
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
