"""Ranges shrink by what nodes say, grow while they answer, and always end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.errors import AnswerTooLarge, BadAnswer, NodeError, NodeTimeout, NodeUnreachable, RpcError
from chains.evm.ranges import RangeSize, parse_range_hint

# As providers and nodes were heard to say it.
HINTS = [
    ("query returned more than 10000 results. Try with this block range [0x111B3E1, 0x111B44F].", 111),
    ("Log response size exceeded. this block range should work: [0x0, 0x7ff]", 2048),
    ("query exceeds max results 20000, retry with the range 20460000-20461023", 1024),
    ("query timeout exceeded, retry with the range 100 - 199", 100),
    ("eth_getLogs is limited to a 10,000 block range", 10_000),
    ("eth_getLogs and eth_newFilter are limited to a 10,000 blocks range", 10_000),
    ("You can make eth_getLogs requests with up to a 500 block range.", 500),
    ("eth_getLogs is limited to 0 - 10000 blocks range", 10_000),
    ("block range is limited to 1000", 1000),
    ("exceed maximum block range: 5000", 5000),
    ("exceeds maximum block range of 2_000", 2000),
    ("query block range too large, max is 1k blocks", 1000),
    ("requested 20000 blocks, but only 2048 blocks are allowed", 2048),
    ("ranges over 5 blocks are not supported on the free plan", 5),
    ("query returned more than 10000 results", None),
    ("Query timeout exceeded. Consider reducing your block range.", None),
    ("block range is too wide", None),
    ("execution reverted", None),
    ("block range extends beyond current head block", None),
    ("try with this block range [0x5, 0x1]", None),
    ("limited to 0 blocks", None),
    ("limited to 99999999999 blocks", None),
    ("", None),
]


@pytest.mark.parametrize(("message", "blocks"), HINTS)
def test_a_hint_is_read(message: str, blocks: int | None) -> None:
    assert parse_range_hint(message) == blocks
    assert parse_range_hint(message.upper()) == blocks


@given(st.text())
def test_any_message_gives_a_number_or_none(message: str) -> None:
    hint = parse_range_hint("block range " + message)
    assert hint is None or hint >= 1


def test_a_long_message_is_not_searched_for_long() -> None:
    assert parse_range_hint("block range " + "1" * 10**6) is None
    assert parse_range_hint("range [" * 10**5) is None


def rpc_error(message: str = "too many results", *, code: int = -32000) -> RpcError:
    return RpcError(node="n", code=code, message=message)


def test_it_doubles_to_the_limit() -> None:
    size = RangeSize(blocks=500, blocks_max=3000)
    sizes = []
    for _ in range(5):
        size = size.after_success()
        sizes.append(size.blocks)
    assert sizes == [1000, 2000, 3000, 3000, 3000]


def test_it_halves_and_takes_hints() -> None:
    assert RangeSize(blocks=500).after_failure(rpc_error()).blocks == 250
    assert RangeSize(blocks=500).after_failure(rpc_error("limited to 100 blocks")).blocks == 100
    # A hint that is no smaller than what was refused would be refused again.
    assert RangeSize(blocks=500).after_failure(rpc_error("limited to 500 blocks")).blocks == 250
    assert RangeSize(blocks=3).after_failure(NodeTimeout(node="n", detail="")).blocks == 1
    assert RangeSize(blocks=3).after_failure(AnswerTooLarge(node="n", detail="")).blocks == 1


def test_it_stays_below_a_refusal_and_tries_again_later() -> None:
    size = RangeSize(blocks=500).after_failure(rpc_error())
    for _ in range(31):
        size = size.after_success()
        assert size.blocks == 250
    assert size.after_success().blocks == 500


@pytest.mark.parametrize(
    "error",
    [
        NodeUnreachable(node="n", detail=""),
        BadAnswer(node="n", detail=""),
        rpc_error("method not found", code=-32601),
        rpc_error("Method eth_getLogs is not supported", code=-32004),
        rpc_error("Cannot wrap an object", code=-32700),
    ],
    ids=repr,
)
def test_what_a_smaller_range_cannot_mend_is_raised(error: NodeError) -> None:
    with pytest.raises(type(error)):
        RangeSize(blocks=500).after_failure(error)


def test_a_range_that_is_not_supported_may_shrink() -> None:
    error = rpc_error("the method's block range is not supported", code=-32004)
    assert RangeSize(blocks=500).after_failure(error).blocks == 250


def test_one_block_cannot_shrink() -> None:
    with pytest.raises(RpcError):
        RangeSize(blocks=1).after_failure(rpc_error())


@given(st.integers(1, 10_000), st.integers(0, 500), st.integers(0, 400), st.data())
def test_a_walk_covers_every_block_once_and_ends(
    limit: int, first: int, length: int, data: st.DataObject
) -> None:
    """Against a node that refuses more than `limit` blocks, or sometimes anything."""
    last = first + length
    size, at, covered, turns = RangeSize(), first, 0, 0
    while at <= last:
        turns += 1
        assert turns <= 2000
        end = size.end(at, last)
        assert at <= end <= last
        blocks = end - at + 1
        if blocks > limit or (blocks > 1 and data.draw(st.integers(0, 9)) == 0):
            size = size.capped(blocks).after_failure(rpc_error())
        else:
            covered += blocks
            at = end + 1
            size = size.after_success()
    assert covered == length + 1
