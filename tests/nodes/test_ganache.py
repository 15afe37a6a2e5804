"""A smoke test on Ganache: it stops short of Cancun, so that few of the test contracts run there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from sqlalchemy.engine import Engine

from app.ingest.follow import follow_chain
from app.ingest.registry import NewChain, store_chain
from app.ingest.store.chains import Chain
from app.ingest.store.watches import watch_accounts
from app.resources import Outside
from chains.devnode import DevNode
from chains.evm.token import read_token
from chains.types import AccountId, Finality
from tests.ingest.scene import AGREED_AT, DAY, LIMITS, NOW, HandClock, covered, egress, stored, truth
from tests.nodes.starters import client_of
from tests.support.ganache import ganache
from tests.support.token import Token, deploy


@pytest.fixture(scope="module")
def token() -> Iterator[Token]:
    """An old token: its symbol is 32 bytes, and it has no decimals."""
    with ganache() as node:
        yield Token(node=node, address=deploy(node, "Bytes32Token", by=node.accounts()[0]))


@pytest.fixture
def node(token: Token) -> DevNode:
    return token.node


def test_transfers_are_read_whole(engine: Engine, token: Token) -> None:
    node = token.node
    creditor, debtor, stranger = node.accounts()[1:4]
    chain = Chain(
        id=node.chain,
        name="Ganache",
        native_symbol="ETH",
        native_decimals=18,
        finality=Finality(confirmations=12),
        start_block=0,
    )
    clock = HandClock()
    with engine.begin() as connection:
        store_chain(connection, new=NewChain(chain=chain, rpc_urls=(node.url,)), now=NOW)
        accounts = [AccountId(node.chain, each) for each in (creditor, debtor)]
        watch_accounts(connection, accounts=accounts, since_time=AGREED_AT, now=NOW)
    for day in range(1, 6):
        token.emit_transfer(sender=debtor, to=creditor, units=day, at=AGREED_AT + day * DAY)
        token.emit_transfer(sender=stranger, to=creditor, units=day)
        token.emit_transfer(sender=stranger, to=node.accounts()[4], units=day)
        node.mine(5, seconds_apart=600)
    node.mine(12)
    outside = Outside(egress=egress([node.url]), limits=LIMITS)
    report = follow_chain(engine=engine, chain=chain, outside=outside, clock=clock)
    assert report.failure is None
    expected = truth(node, [creditor, debtor], last=node.block().number - 12)
    assert len(expected) == 10
    assert stored(engine) == expected
    assert covered(engine, creditor)[-1].last == node.block().number - 12


def test_a_contract_is_asked_by_number(token: Token) -> None:
    with ExitStack() as stack:
        client = client_of(stack, token.node)
        facts = read_token(client, token.address, client.finalized(Finality()))
    assert (facts.symbol, facts.decimals) == ("B32", None)
    assert facts.code_hash is not None
