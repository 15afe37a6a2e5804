"""Whom a question is put to: a chain's configured nodes, or URLs given with the question.

With URLs no database is opened. Faults point at the options of the terminal, which is where these come from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy.engine import Engine

from app.assessment.inflow_values import Endpoint, TokenShown
from app.assessment.inflows import native_asset
from app.db import reading
from app.errors import EnvironmentProblem, Fault, InvalidInput
from app.ingest.registry import CONFIRMATIONS_MIN, CONFIRMATIONS_MIN_DEFAULT, NODES_MAX
from app.ingest.store import assets as asset_store
from app.ingest.store import chains as chain_store
from chains.guard import redact_url
from chains.types import AssetId, ChainId, Finality

_NATIVE = TokenShown(symbol="native coin", decimals=18)


class NothingAnswered(EnvironmentProblem):
    """No endpoint could be asked, so that there is no answer at all: not even an empty one."""

    def __init__(self, chain: ChainId, failures: Sequence[str]) -> None:
        super().__init__(
            f"{chain} can't be read: {'; '.join(failures)}. Nothing was read, which says nothing about what "
            "is on the chain."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A chain and its endpoints, in the order in which they are asked. The URLs are secrets."""

    chain: ChainId
    name: str
    finality: Finality
    urls: tuple[str, ...] = field(repr=False)
    tokens: Mapping[AssetId, TokenShown]
    knows_registry: bool

    @property
    def endpoints(self) -> list[tuple[Endpoint, str]]:
        return [
            (Endpoint(number=number, url=redact_url(url)), url) for number, url in enumerate(self.urls, 1)
        ]


def configured_source(*, engine: Engine, chain: ChainId) -> Source:
    """From the database. Raises InvalidInput where the chain is not configured."""
    with reading(engine) as connection:
        found = chain_store.find_chain(connection, chain)
        nodes = chain_store.nodes(connection, chain)
        registered = asset_store.registered_assets(connection)
    if found is None or not nodes:
        detail = (
            f"{chain} is not configured here. Give a node with --rpc-url, or configure the chain: quittance "
            f"chains put {chain} FILE"
        )
        raise InvalidInput([Fault(pointer="--chain", detail=detail)])
    tokens = {
        each.asset.id: TokenShown(symbol=each.asset.symbol, decimals=each.asset.decimals, registered=True)
        for each in registered
        if each.asset.id.chain == chain and each.asset.id.contract is not None
    }
    native = TokenShown(symbol=found.native_symbol, decimals=found.native_decimals, registered=True)
    return Source(
        chain=chain,
        name=found.name,
        finality=found.finality,
        urls=tuple(node.url for node in nodes),
        tokens={**tokens, native_asset(chain): native},
        knows_registry=bool(tokens),
    )


def given_source(*, chain: ChainId, urls: Sequence[str], confirmations: int | None) -> Source:
    """From URLs alone. `confirmations` None: the nodes' `finalized` tag says what is final."""
    if len(urls) > NODES_MAX or len(set(urls)) < len(urls):
        detail = f"At most {NODES_MAX} nodes are asked, each given once."
        raise InvalidInput([Fault(pointer="--rpc-url", detail=detail)])
    least = CONFIRMATIONS_MIN.get(chain.reference, CONFIRMATIONS_MIN_DEFAULT)
    if confirmations is not None and confirmations < least:
        detail = f"On {chain} a block counts as final from {least} confirmations on."
        raise InvalidInput([Fault(pointer="--confirmations", detail=detail)])
    return Source(
        chain=chain,
        name="the chain",
        finality=Finality(confirmations=confirmations),
        urls=tuple(urls),
        tokens={native_asset(chain): _NATIVE},
        knows_registry=False,
    )
