"""Asking contracts that moved something for their symbol, so that a copied name is seen as one.

A name is never an identity, and no reading waits for one.
"""

from __future__ import annotations

from sqlalchemy.engine import Engine

from app.clock import Clock
from app.db import reading
from app.ingest.store import assets as asset_store
from chains.errors import NodeError, NodeRateLimited, NodeTimeout, NodeUnreachable
from chains.evm.client import EvmClient
from chains.evm.token import read_token
from chains.types import BlockRef, ChainId

TOKENS_PER_PASS = 50
# Anybody can deploy contracts that keep a node busy, and send their events to a watched account.
SILENCES_PER_PASS = 3


def name_tokens(*, engine: Engine, client: EvmClient, chain: ChainId, final: BlockRef, clock: Clock) -> None:
    """Ask contracts that were not asked yet. One whose answer fails is asked again some later pass."""
    with reading(engine) as connection:
        contracts = asset_store.unnamed_contracts(connection, chain_id=chain, limit=TOKENS_PER_PASS)
    silences = 0
    for contract in contracts:
        try:
            facts = read_token(client, contract, final)
        except (NodeTimeout, NodeUnreachable, NodeRateLimited):
            silences += 1
            if silences == SILENCES_PER_PASS:
                return
            continue
        except NodeError:
            continue
        with engine.begin() as connection:
            asset_store.add_token(
                connection,
                chain_id=chain,
                contract=contract,
                symbol=facts.symbol,
                decimals=facts.decimals,
                now=clock(),
            )
