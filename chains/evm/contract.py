"""Deploying and calling contracts: the only home of web3, imported inside functions since it takes 2 s.

For the demo, the tests and an operator's transactions from accounts that the *node* unlocks; no key ever
passes through here. Reading a chain needs none of it.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chains.errors import BadAnswer, ChainError
from chains.evm import encoding
from chains.evm.checksum import checksummed
from chains.evm.encoding import BLOCK_NUMBER_MAX, BadEncoding
from chains.rpc import RpcClient
from chains.types import Address, Hash32

if TYPE_CHECKING:
    from web3 import Web3
    from web3.types import RPCEndpoint, RPCResponse

_RECEIPT_TRIES = 600
_RECEIPT_WAIT_SECONDS = 0.02


class BadArtifact(ChainError):
    """A file that is not a compiled contract, or a function or arguments that its ABI does not have."""


class Reverted(ChainError):
    """A transaction was mined and reverted: nothing moved, but it has a receipt."""

    def __init__(self, receipt: Receipt) -> None:
        super().__init__(f"transaction {receipt.tx_hash} reverted in block {receipt.block_number}")
        self.receipt = receipt


class NotMined(ChainError):
    """A transaction was sent, but no block took it in time. It may still be mined."""

    def __init__(self, tx_hash: Hash32) -> None:
        super().__init__(f"transaction {tx_hash} was not mined in time")
        self.tx_hash = tx_hash


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A compiled contract: its ABI and its creation code."""

    abi: Sequence[dict[str, Any]]
    bytecode: bytes

    @classmethod
    def load(cls, path: Path) -> Artifact:
        """From the JSON that a compiler leaves: `{"abi": […], "bytecode": "0x…"}`. Raises BadArtifact."""
        try:
            found = json.loads(path.read_text("utf-8"))
            return cls(abi=found["abi"], bytecode=encoding.data(found["bytecode"]))
        except (OSError, ValueError, KeyError, TypeError, BadEncoding) as error:
            msg = f"{path.name} is not a contract artifact: {error!r}"
            raise BadArtifact(msg) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What became of a mined transaction: `succeeded`, or else reverted. `logs` are the node's own JSON."""

    tx_hash: Hash32
    block_number: int
    block_hash: Hash32
    succeeded: bool
    contract: Address | None
    gas_used: int
    logs: tuple[dict[str, Any], ...]


def encode_call(*, artifact: Artifact, name: str, args: Sequence[Any]) -> bytes:
    """The call data of a function: `transfer`, or `transfer(address,uint256)` where there are several."""
    contract = _web3().eth.contract(abi=artifact.abi)
    with _abi_faults(name):
        return encoding.data(contract.encode_abi(name, args=[_argument(arg) for arg in args]))


def encode_deploy(*, artifact: Artifact, args: Sequence[Any]) -> bytes:
    """The creation code with the constructor's arguments behind it."""
    contract = _web3().eth.contract(abi=artifact.abi, bytecode=artifact.bytecode)
    with _abi_faults("the constructor"):
        return encoding.data(contract.constructor(*map(_argument, args)).data_in_transaction)


def read(
    rpc: RpcClient, *, artifact: Artifact, contract: Address, name: str, args: Sequence[Any] = ()
) -> Any:
    """What a view function answers at the latest block, decoded. A revert raises RpcError."""
    eth = web3_over(rpc).eth
    with _abi_faults(name):
        bound = eth.contract(address=checksummed(contract), abi=artifact.abi)  # type: ignore[call-overload]
        return bound.functions[name](*map(_argument, args)).call()


def deploy(rpc: RpcClient, *, artifact: Artifact, args: Sequence[Any], sender: Address) -> Receipt:
    """Deploy from an account that the node unlocks; `Receipt.contract` is the new address."""
    return send(rpc, sender=sender, to=None, data=encode_deploy(artifact=artifact, args=args))


def transact(
    rpc: RpcClient,
    *,
    artifact: Artifact,
    contract: Address,
    name: str,
    args: Sequence[Any],
    sender: Address,
    value_wei: int = 0,
) -> Receipt:
    """Call a function in a transaction, from an account that the node unlocks or impersonates."""
    data = encode_call(artifact=artifact, name=name, args=args)
    return send(rpc, sender=sender, to=contract, data=data, value_wei=value_wei)


def send(
    rpc: RpcClient,
    *,
    sender: Address,
    to: Address | None,
    data: bytes,
    value_wei: int = 0,
    sleep: Callable[[float], None] = time.sleep,
) -> Receipt:
    """Send once, never again on a broken connection, and wait a bounded time for the receipt.

    Raises Reverted, NotMined or a NodeError.
    """
    transaction = {"from": str(sender), "data": "0x" + data.hex(), "value": hex(value_wei)}
    if to is not None:
        transaction["to"] = str(to)
    answer = rpc.call("eth_sendTransaction", [transaction])
    try:
        tx_hash = encoding.hash32(answer.result)
        for _ in range(_RECEIPT_TRIES):
            # A node may answer before the block is there, even one that mines at once.
            found = rpc.call("eth_getTransactionReceipt", [str(tx_hash)]).result
            if found is not None:
                return _succeeded(_parse_receipt(found, tx_hash))
            sleep(_RECEIPT_WAIT_SECONDS)
    except BadEncoding as error:
        raise BadAnswer(node=rpc.node, detail=f"receipt: {error}") from error
    raise NotMined(tx_hash)


def web3_over(rpc: RpcClient) -> Web3:
    """web3 whose every request goes through our client, with its egress guard, limits and errors."""
    web3 = _web3()
    from web3.providers.base import BaseProvider  # noqa: PLC0415

    class OverRpcClient(BaseProvider):
        def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
            answer = rpc.call(method, params)
            # A number stands for the id, which our client has checked already.
            return {"jsonrpc": "2.0", "id": answer.call_id, "result": answer.result}

    web3.provider = OverRpcClient()
    return web3


def _succeeded(receipt: Receipt) -> Receipt:
    """A reverted transaction is mined like any other, which a caller would overlook."""
    if not receipt.succeeded:
        raise Reverted(receipt)
    return receipt


def _parse_receipt(found: Any, tx_hash: Hash32) -> Receipt:
    if not isinstance(found, dict) or not isinstance(found.get("logs"), list):
        msg = f"not a receipt: {encoding.shown(found)}"
        raise BadEncoding(msg)
    if encoding.hash32(found.get("transactionHash")) != tx_hash:
        msg = "it is of another transaction"
        raise BadEncoding(msg)
    created = found.get("contractAddress")
    return Receipt(
        tx_hash=tx_hash,
        block_number=encoding.quantity(found.get("blockNumber"), most=BLOCK_NUMBER_MAX),
        block_hash=encoding.hash32(found.get("blockHash")),
        succeeded=encoding.quantity(found.get("status"), most=1) == 1,
        contract=None if created is None else encoding.address(created),
        gas_used=encoding.quantity(found.get("gasUsed"), most=2**64 - 1),
        logs=tuple(found["logs"]),
    )


def _web3() -> Web3:
    """A web3 without a provider. Its import raises Python's recursion limit, which is put back.

    py_ecc sets it to 100,000, with which deeply nested input overflows the C stack: a crash of the process in
    place of a RecursionError, in any parser and any thread.
    """
    limit = sys.getrecursionlimit()
    try:
        from web3 import Web3  # noqa: PLC0415 - see the module's first line.
    finally:
        sys.setrecursionlimit(limit)
    return Web3()


@contextmanager
def _abi_faults(name: str) -> Iterator[None]:
    """web3 answers a wrong name or argument with many kinds of error; a NodeError passes through."""
    from web3.exceptions import Web3Exception  # noqa: PLC0415

    try:
        yield
    except (Web3Exception, TypeError, ValueError, AttributeError) as error:
        msg = f"{name} can't be called so: {error}"
        raise BadArtifact(msg) from error


def _argument(value: Any) -> Any:
    """web3 takes addresses as checksummed text only."""
    return checksummed(value) if isinstance(value, Address) else value
