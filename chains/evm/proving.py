"""Headers and receipts of one node, each held against its own hashes before it is believed.

Joins `chains.evm.client` to the pure modules. What does not hash to what it claims is a BadAnswer that names
the node, like any other answer that can't be true. Whether the hashes are those of the chain, only an anchor
or a comparison with other nodes shows; whether receipts show every event there, `chains.evm.soundness`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from chains.errors import RpcError
from chains.evm import encoding
from chains.evm.block_receipts import RECEIPTS_MAX, BlockReceipts, verify_receipts
from chains.evm.client import BATCH_CALLS_MAX, BlockNotServed, EvmClient
from chains.evm.encoding import BadEncoding
from chains.evm.header import BadHeader, Header, verify_header
from chains.evm.receipt import BadReceipts
from chains.evm.transaction import BadTransactions
from chains.rpc import RpcAnswer
from chains.types import Hash32

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptsAnswer:
    """A block's verified receipts, with the raw answers that they were read from."""

    receipts: BlockReceipts
    answers: tuple[RpcAnswer, ...]


def header(client: EvmClient, number: int) -> tuple[Header, RpcAnswer]:
    """The header of a block, hashed here."""
    (found,) = headers(client, [number])
    return found


def headers(client: EvmClient, numbers: Iterable[int]) -> list[tuple[Header, RpcAnswer]]:
    """Many headers, in the order of `numbers`, by batches of 50. That they are linked is not checked here."""
    wanted = list(numbers)
    found: list[tuple[Header, RpcAnswer]] = []
    for chunk in _chunks(wanted):
        answers = client.rpc.batch(
            [("eth_getBlockByNumber", [encoding.to_quantity(number), False]) for number in chunk]
        )
        for number, answer in zip(chunk, answers, strict=True):
            if answer.result is None:
                raise BlockNotServed(node=client.rpc.node, detail=f"does not have block {number}")
            with distrust(client):
                found.append((verify_header(answer.result, expected_number=number), answer))
    return found


def block_receipts(client: EvmClient, header: Header) -> ReceiptsAnswer:
    """All receipts of the block of a verified header, and through them every log of it.

    By eth_getBlockReceipts, or where the node has no such method one by one, for the transactions that it
    names: however they are got, they are believed only if they rebuild receiptsRoot.
    """
    try:
        answer = client.rpc.call("eth_getBlockReceipts", [encoding.to_quantity(header.number)])
    except RpcError as error:
        if not error.method_is_missing:
            raise
        return _receipts_one_by_one(client, header)
    if answer.result is None:
        raise BlockNotServed(node=client.rpc.node, detail=f"has no receipts of block {header.number}")
    with distrust(client):
        return ReceiptsAnswer(receipts=verify_receipts(header, answer.result), answers=(answer,))


def _receipts_one_by_one(client: EvmClient, header: Header) -> ReceiptsAnswer:
    # By hash: after a reorg the number would name the transactions of another block.
    block = client.rpc.call("eth_getBlockByHash", [str(header.hash), False])
    if block.result is None:
        raise BlockNotServed(node=client.rpc.node, detail=f"does not have block {header.hash}")
    with distrust(client):
        tx_hashes = _tx_hashes(block.result)
    answers = [
        answer
        for chunk in _chunks(tx_hashes)
        for answer in client.rpc.batch([("eth_getTransactionReceipt", [str(one)]) for one in chunk])
    ]
    with distrust(client):
        found = verify_receipts(header, [answer.result for answer in answers])
    return ReceiptsAnswer(receipts=found, answers=(block, *answers))


@contextmanager
def distrust(client: EvmClient) -> Iterator[None]:
    """Turns what the pure modules refuse into an error that names the node."""
    try:
        yield
    except (BadEncoding, BadHeader, BadReceipts, BadTransactions) as error:
        raise client.rpc.bad_answer(error) from error


def _tx_hashes(block: Any) -> list[Hash32]:
    found = block.get("transactions") if isinstance(block, dict) else None
    if not isinstance(found, list) or len(found) > RECEIPTS_MAX:
        msg = f"transactions are an array of at most {RECEIPTS_MAX}"
        raise BadEncoding(msg)
    return [encoding.hash32(one) for one in found]


def _chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    return (items[start : start + BATCH_CALLS_MAX] for start in range(0, len(items), BATCH_CALLS_MAX))
