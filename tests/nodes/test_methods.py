"""docs/nodes.md against the nodes: which methods each has, how it says so, and what its answers hold."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chains.devnode import DevNode
from chains.errors import RpcError
from chains.types import Hash32
from tests.nodes.starters import STARTERS

DOC = Path(__file__).resolve().parents[2] / "docs" / "nodes.md"
_ROW = re.compile(r"^\| `(\w+)`[^|]* \| ([^|]+) \| ([^|]+) \| ([^|]+) \|", re.MULTILINE)
TRACER = {"tracer": "callTracer"}
NODES = list(STARTERS)

# Parameters for each method, given a block number, its hash, a transaction in it, and its sender.
Asked = tuple[str, Hash32, Hash32, str]
CALLS: dict[str, Callable[[Asked], list[Any]]] = {
    "eth_chainId": lambda _: [],
    "eth_getBlockByNumber": lambda asked: [asked[0], False],
    "eth_getLogs": lambda asked: [{"fromBlock": "0x0", "toBlock": asked[0]}],
    "eth_getCode": lambda asked: [asked[3], asked[0]],
    "eth_getStorageAt": lambda asked: [asked[3], "0x" + "00" * 32, asked[0]],
    "eth_call": lambda asked: [{"to": asked[3], "data": "0x"}, asked[0]],
    "eth_getBalance": lambda asked: [asked[3], asked[0]],
    "eth_getTransactionCount": lambda asked: [asked[3], asked[0]],
    "eth_getTransactionByHash": lambda asked: [asked[2]],
    "eth_getTransactionReceipt": lambda asked: [asked[2]],
    "eth_getBlockReceipts": lambda asked: [asked[0]],
    "eth_getProof": lambda asked: [asked[3], [], asked[0]],
    "trace_block": lambda asked: [asked[0]],
    "trace_filter": lambda asked: [{"fromBlock": asked[0], "toBlock": asked[0]}],
    "debug_traceBlockByNumber": lambda asked: [asked[0], TRACER],
    "debug_traceTransaction": lambda asked: [asked[2], TRACER],
    "debug_getRawHeader": lambda asked: [asked[0]],
    "debug_getRawReceipts": lambda asked: [asked[0]],
}


def documented() -> dict[str, tuple[str, ...]]:
    """Method -> what the first table says of each node."""
    table = DOC.read_text("utf-8").partition("\n## ")[0]
    return {row[0]: tuple(cell.strip() for cell in row[1:]) for row in _ROW.findall(table)}


@pytest.fixture(scope="module", params=NODES)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def node(kind: str) -> Iterator[DevNode]:
    with STARTERS[kind]() as started:
        yield started


@pytest.fixture(scope="module")
def asked(node: DevNode) -> Asked:
    sender, recipient, *_ = node.accounts()
    tx_hash = node.send_transaction(sender=sender, to=recipient, value=5)
    block = node.block()
    return hex(block.number), block.hash, tx_hash, str(sender)


def test_the_table_lists_every_method_that_is_tried() -> None:
    assert list(documented()) == list(CALLS)


@pytest.mark.parametrize("method", CALLS)
def test_a_node_has_the_method_or_says_that_it_does_not(
    kind: str, node: DevNode, asked: Asked, method: str
) -> None:
    assert documented()[method][NODES.index(kind)] == outcome(node, method, CALLS[method](asked))


def outcome(node: DevNode, method: str, params: list[Any]) -> str:
    """As the table has it; an error of any other kind is raised."""
    try:
        return "no answer" if node.call(method, *params) is None else "yes"
    except RpcError as error:
        if not error.method_is_missing:
            raise
        return f"no ({error.code})"


def test_the_hash_of_a_block_serves_as_its_number(kind: str, node: DevNode, asked: Asked) -> None:
    """EIP-1898, which Ganache does not know; it does not say that a method is missing either."""
    at = {"blockHash": str(asked[1]), "requireCanonical": True}
    if kind == "Ganache":
        with pytest.raises(RpcError) as caught:
            node.call("eth_getCode", asked[3], at)
        assert (caught.value.code, caught.value.method_is_missing) == (-32700, False)
    else:
        assert node.call("eth_getCode", asked[3], at) == "0x"


def test_a_trace_is_what_was_asked_for_or_is_seen_not_to_be(kind: str, node: DevNode, asked: Asked) -> None:
    """Ganache answers its own form, whatever tracer is named."""
    trace = node.call("debug_traceTransaction", asked[2], TRACER)
    assert ("structLogs" in trace) == (kind == "Ganache")
    assert ("value" in trace) == (kind != "Ganache")


def test_a_range_that_ends_before_it_begins_is_answered_by_nothing(node: DevNode) -> None:
    """It should be an error: we never ask so, and an empty answer has to be one to a question with blocks."""
    node.mine(5)
    assert node.call("eth_getLogs", {"fromBlock": "0x4", "toBlock": "0x2"}) == []
