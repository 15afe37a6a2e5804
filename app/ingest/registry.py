"""Configuring chains and registering assets: what a node has to confirm before anything rests on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.engine import Connection, Engine

from app.errors import EnvironmentProblem, Fault, InvalidInput
from app.ingest.nodes import open_node
from app.ingest.store import assets as asset_store
from app.ingest.store import chains as chain_store
from app.ingest.store.assets import RegisteredAsset
from app.ingest.store.chains import Chain
from app.ingest.store.native_setting import set_native_read
from app.ingest.store.reading import set_agreement
from app.money import Asset
from app.resources import Outside
from chains.errors import ChainError, EgressBlocked
from chains.evm.client import EvmClient
from chains.evm.token import read_token
from chains.types import AssetId, BlockRef

NODES_MAX = 10
# Blocks below the head after which a chain's own documents call a reorg out of the question; the default
# is for chains on no list. Where the node knows the `finalized` tag, prefer that.
CONFIRMATIONS_MIN = {1: 64, 56: 15, 137: 256}
CONFIRMATIONS_MIN_DEFAULT = 12
_EGRESS_HINT = ". The operator can allow it: QUITTANCE_EGRESS_ALLOW=host:port"


class ChainNotReadable(EnvironmentProblem):
    """No configured node of the chain answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewChain:
    """`agreement`: so many of the nodes have to give the same answer.

    `read_native`: whether the moves of its native coin are read, beside those of tokens.
    """

    chain: Chain
    rpc_urls: tuple[str, ...] = field(repr=False)
    agreement: int = 1
    read_native: bool = True


def check_chain(*, new: NewChain, outside: Outside) -> None:
    """Ask each node for its chain id and its final block. Raises InvalidInput with a pointer."""
    confirmations = new.chain.finality.confirmations
    least = CONFIRMATIONS_MIN.get(new.chain.id.reference, CONFIRMATIONS_MIN_DEFAULT)
    if confirmations is not None and confirmations < least:
        detail = f"On {new.chain.id} a block counts as final from {least} confirmations on."
        raise InvalidInput([Fault(pointer="/finality/confirmations", detail=detail)])
    if len(set(new.rpc_urls)) < len(new.rpc_urls):
        raise InvalidInput([Fault(pointer="/rpc_urls", detail="A URL is given twice.")])
    if not 1 <= new.agreement <= len(new.rpc_urls):
        detail = f"At most as many nodes can agree as are given, which is {len(new.rpc_urls)}."
        raise InvalidInput([Fault(pointer="/agreement", detail=detail)])
    faults = []
    for index, url in enumerate(new.rpc_urls):
        try:
            with open_node(
                url=url, chain=new.chain.id, egress=outside.egress, limits=outside.limits
            ) as client:
                client.check_chain()
                client.finalized(new.chain.finality)
        except ChainError as error:
            hint = _EGRESS_HINT if isinstance(error, EgressBlocked) else ""
            faults.append(Fault(pointer=f"/rpc_urls/{index}", detail=f"{error}{hint}"))
    if faults:
        raise InvalidInput(faults)


def store_chain(connection: Connection, *, new: NewChain, now: datetime) -> bool:
    """Store or replace the configuration; True if the chain is new. What was read stays."""
    is_new = chain_store.put_chain(connection, value=new.chain, rpc_urls=new.rpc_urls, now=now)
    set_agreement(connection, chain_id=new.chain.id, agreement=new.agreement)
    set_native_read(connection, chain_id=new.chain.id, is_read=new.read_native)
    return is_new


def register_asset(*, engine: Engine, asset_id: AssetId, outside: Outside, now: datetime) -> RegisteredAsset:
    """Read a token's decimals, symbol and code at a final block and pin them. Registering again is free.

    Raises InvalidInput at /asset, or ChainNotReadable.
    """
    with engine.begin() as connection:
        known = asset_store.find_asset(connection, asset_id)
        chain = chain_store.find_chain(connection, asset_id.chain)
        nodes = chain_store.nodes(connection, asset_id.chain)
    if known is not None:
        return known
    if chain is None or not nodes:
        detail = f"The chain {asset_id.chain} is not configured; PUT /v1/chains first."
        raise InvalidInput([Fault(pointer="/asset", detail=detail)])
    problems = []
    for node in nodes:
        try:
            with open_node(
                url=node.url, chain=chain.id, egress=outside.egress, limits=outside.limits
            ) as client:
                client.check_chain()
                pinned = _pinned(client, asset_id=asset_id, chain=chain, now=now)
        except ChainError as error:
            problems.append(str(error))
            continue
        with engine.begin() as connection:
            asset_store.add_asset(connection, value=pinned)
            stored = asset_store.find_asset(connection, asset_id)
        assert stored is not None  # noqa: S101 - stored in this very transaction.
        return stored
    msg = f"{asset_id.chain} can't be read: {'; '.join(problems)}"
    raise ChainNotReadable(msg)


def _pinned(client: EvmClient, *, asset_id: AssetId, chain: Chain, now: datetime) -> RegisteredAsset:
    final = client.finalized(chain.finality)
    if asset_id.contract is None:
        return _native(asset_id, chain=chain, final=final, now=now)
    facts = read_token(client, asset_id.contract, final)
    if facts.code_hash is None:
        detail = f"At block {final.number}, the last final one, there is no contract at this address."
        raise InvalidInput([Fault(pointer="/asset", detail=detail)])
    if facts.decimals is None or facts.symbol is None:
        detail = "The contract does not answer decimals() and symbol() as an ERC-20 token does."
        raise InvalidInput([Fault(pointer="/asset", detail=detail)])
    return RegisteredAsset(
        asset=Asset(id=asset_id, symbol=facts.symbol, decimals=facts.decimals),
        name=facts.name or facts.symbol,
        code_hash=facts.code_hash,
        implementation=facts.implementation,
        implementation_code_hash=facts.implementation_code_hash,
        registered_at=final,
        unfit_for=facts.unfit_for,
        created_at=now,
    )


def _native(asset_id: AssetId, *, chain: Chain, final: BlockRef, now: datetime) -> RegisteredAsset:
    return RegisteredAsset(
        asset=Asset(id=asset_id, symbol=chain.native_symbol, decimals=chain.native_decimals),
        name=chain.native_symbol,
        code_hash=None,
        implementation=None,
        implementation_code_hash=None,
        registered_at=final,
        unfit_for=(),
        created_at=now,
    )
