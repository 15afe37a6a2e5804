"""A method that a node does not have, told from a request that failed: the two lead to different things."""

from __future__ import annotations

import pytest

from chains.errors import RpcError


def missing(code: int, message: str) -> bool:
    return RpcError(node="n", code=code, message=message).method_is_missing


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (-32601, "Method not found"),
        (-32601, "in words of any kind"),
        (-32004, "Method eth_getBlockReceipts is not supported"),
        (-32700, "The method trace_block does not exist/is not available"),
        (-32000, "the method trace_filter is not available"),
        (-32000, "Method not allowed"),
        (-32000, "unsupported method: debug_traceBlockByNumber"),
        (-32603, "method: trace_block unsupported"),
        (403, "method eth_getProof not supported"),
    ],
)
def test_nodes_say_it_in_their_own_words(code: int, message: str) -> None:
    assert missing(code, message)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (-32004, "the method's block range is not supported"),
        (-32000, "header not found"),
        (-32000, "missing trie node"),
        (-32001, "Resource not found"),
        (-32602, "invalid argument 0: hex string without 0x prefix"),
        (-32700, 'Cannot wrap a "object" as a json-rpc type'),
        (-32005, "query returned more than 10000 results"),
        (3, "execution reverted: method is paused"),
        (-32000, "method handler crashed"),
    ],
)
def test_what_failed_was_there(code: int, message: str) -> None:
    assert not missing(code, message)
