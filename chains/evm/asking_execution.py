"""Asking a node for transactions with their receipts, and for a call trace where it makes them.

Every function raises a NodeError rather than answer with less than was asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chains.errors import BadAnswer, RpcError
from chains.evm.client import EvmClient
from chains.evm.execution import (
    Execution,
    MalformedTransaction,
    Transaction,
    parse_execution,
    parse_transaction,
)
from chains.evm.inner_moves import InnerMove, MalformedTrace, inner_moves
from chains.types import Hash32

# Each transaction takes two calls, and receipts may be large.
TRANSACTIONS_PER_BATCH = 20


def read_execution(client: EvmClient, tx_hash: Hash32) -> Transaction | Execution | None:
    """What the node knows of a transaction; only the Transaction while no block holds it; None: nothing."""
    asked, receipt = client.rpc.batch(_calls(tx_hash))
    if asked.result is None:
        return None
    return _joined(client, tx_hash, asked.result, receipt.result)


def read_executions(client: EvmClient, tx_hashes: Sequence[Hash32]) -> dict[Hash32, Execution]:
    """Mined transactions, some at a time. One that the node does not have, or not mined, is an error."""
    found: dict[Hash32, Execution] = {}
    for start in range(0, len(tx_hashes), TRANSACTIONS_PER_BATCH):
        chunk = tx_hashes[start : start + TRANSACTIONS_PER_BATCH]
        answers = client.rpc.batch([call for tx_hash in chunk for call in _calls(tx_hash)])
        for index, tx_hash in enumerate(chunk):
            asked, receipt = answers[2 * index], answers[2 * index + 1]
            joined = None
            if asked.result is not None:
                joined = _joined(client, tx_hash, asked.result, receipt.result)
            if not isinstance(joined, Execution):
                raise BadAnswer(node=client.rpc.node, detail=f"has no receipt of transaction {tx_hash}")
            found[tx_hash] = joined
    return found


def read_inner_moves(client: EvmClient, tx_hash: Hash32) -> tuple[InnerMove, ...] | None:
    """Moves of the native coin inside a transaction; None where the node makes no traces of it."""
    try:
        answer = client.rpc.call("debug_traceTransaction", [str(tx_hash), {"tracer": "callTracer"}])
    except RpcError:
        # Not offered, not allowed, or the state is gone: to whoever asks, all of these are "not read".
        return None
    try:
        return inner_moves(answer.result)
    except MalformedTrace as error:
        raise client.rpc.bad_answer(error) from error


def _calls(tx_hash: Hash32) -> list[tuple[str, list[Any]]]:
    return [
        ("eth_getTransactionByHash", [str(tx_hash)]),
        ("eth_getTransactionReceipt", [str(tx_hash)]),
    ]


def _joined(client: EvmClient, tx_hash: Hash32, asked: Any, receipt: Any) -> Transaction | Execution:
    try:
        transaction = parse_transaction(asked, tx_hash=tx_hash)
        if transaction.place is None:
            return transaction
        if receipt is None:
            raise BadAnswer(node=client.rpc.node, detail=f"has no receipt of transaction {tx_hash}")
        return parse_execution(receipt, transaction=transaction)
    except MalformedTransaction as error:
        raise client.rpc.bad_answer(error) from error
