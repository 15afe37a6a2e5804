"""What the raw answers of one endpoint say: its blocks and transfers, decoded with distrust (pure).

Used twice: to build a bundle from what a node has just answered, and by the verifier, from the bytes in
the bundle. Standard library only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.ingest.ranges import Blocks
from chains import jsonrpc
from chains.errors import ChainError
from chains.evm import encoding
from chains.evm.blocks import parse_block
from chains.evm.transfers import TRANSFER_TOPIC, ParsedLogs, merge_logs, parse_logs, to_transfer
from chains.types import EVM_CHAIN_ID_MAX, Address, BlockRef, ChainId, Transfer


class BadReplay(ChainError):
    """A request or answer that is not what sealing asks for, or that contradicts another one."""


@dataclass(slots=True, kw_only=True)
class Replay:
    """Fed exchange by exchange; `transfers` joins what was found."""

    chain: ChainId
    chain_confirmed: bool = False
    blocks: dict[int, BlockRef] = field(default_factory=dict)
    logs: list[ParsedLogs] = field(default_factory=list)
    asked_from: dict[Address, list[Blocks]] = field(default_factory=dict)
    asked_to: dict[Address, list[Blocks]] = field(default_factory=dict)

    def add(self, *, request: bytes, answer: bytes) -> str:
        """Decode one exchange and return its method. Raises ChainError."""
        call_id, method, params = read_request(request)
        result = jsonrpc.read_answer(answer, call_id=call_id)
        if isinstance(result, jsonrpc.ErrorObject):
            msg = f"{method} was answered with error {result.code}"
            raise BadReplay(msg)
        match method, params:
            case "eth_chainId", []:
                self._chain_id(result)
            case "eth_getBlockByNumber", [str(number), False]:
                self._block(encoding.quantity(number, most=encoding.BLOCK_NUMBER_MAX), result)
            case "eth_getLogs", [dict(asked)]:
                self._logs(asked, result)
            case _:
                msg = f"{method} is not among the requests of a bundle"
                raise BadReplay(msg)
        return method

    def _chain_id(self, result: Any) -> None:
        actual = encoding.quantity(result, most=EVM_CHAIN_ID_MAX)
        if actual != self.chain.reference:
            msg = f"the endpoint serves chain {actual}, not {self.chain}"
            raise BadReplay(msg)
        self.chain_confirmed = True

    def _block(self, number: int, result: Any) -> None:
        block = parse_block(result, expected_number=number)
        if self.blocks.setdefault(number, block) != block:
            msg = f"block {number} was answered twice, differently"
            raise BadReplay(msg)

    def _logs(self, asked: Mapping[str, Any], result: Any) -> None:
        direction, addresses, blocks = _read_filter(asked)
        self.logs.append(parse_logs(result, asked=asked))
        ranges = self.asked_to if direction == "to" else self.asked_from
        for address in addresses:
            ranges.setdefault(address, []).append(blocks)

    def transfers(self) -> list[Transfer]:
        """Every Transfer found, each once, with its block. Raises ChainError if a block is missing."""
        found = []
        for log in merge_logs(self.logs).logs:
            block = self.blocks.get(log.block_number)
            if block is None:
                msg = f"the block {log.block_number} of a transfer was not asked for"
                raise BadReplay(msg)
            found.append(to_transfer(log, chain=self.chain, block=block))
        return found


def read_request(request: bytes) -> tuple[int, str, list[Any]]:
    """Id, method and parameters of one of our own requests, which has to be in our own form."""
    decoded = jsonrpc.decode_json(request)
    match decoded:
        case {"jsonrpc": "2.0", "id": int(call_id), "method": str(method), "params": list(params)}:
            if jsonrpc.encode_call(call_id=call_id, method=method, params=params) == request:
                return call_id, method, params
        case _:
            pass
    msg = "not a request in the form in which this software writes one"
    raise BadReplay(msg)


def _read_filter(asked: Mapping[str, Any]) -> tuple[str, list[Address], Blocks]:
    """A filter of `chains.evm.transfers.transfer_filters`, and no other: no address, both ends given."""
    transfer = str(TRANSFER_TOPIC)
    match asked:
        case {"fromBlock": first, "toBlock": last, "topics": [topic, None, [*accounts]], **rest} if (
            topic == transfer and not rest
        ):
            direction = "to"
        case {"fromBlock": first, "toBlock": last, "topics": [topic, [*accounts]], **rest} if (
            topic == transfer and not rest
        ):
            direction = "from"
        case _:
            msg = "not a filter for Transfers from or to accounts in any token"
            raise BadReplay(msg)
    blocks = Blocks(
        encoding.quantity(first, most=encoding.BLOCK_NUMBER_MAX),
        encoding.quantity(last, most=encoding.BLOCK_NUMBER_MAX),
    )
    return direction, list(_accounts(accounts)), blocks


def _accounts(topics: Iterable[Any]) -> Iterable[Address]:
    for topic in topics:
        word = encoding.hash32(topic)
        if any(word[:12]):
            msg = "a topic of a filter is wider than an address"
            raise BadReplay(msg)
        yield Address(word[12:])
