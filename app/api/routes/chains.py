"""Chains and their nodes (the operator's), and registered assets."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from sqlalchemy.engine import Connection

from app.api.context import Admin, Reader, Writer
from app.api.fields import CHECKSUMMED, AssetField, ChainText, ShortField
from app.api.problems import documented
from app.audit.log import append
from app.clock import to_rfc3339
from app.db import reading
from app.errors import NotFound
from app.ingest.registry import NODES_MAX, NewChain, check_chain, register_asset, store_chain
from app.ingest.store import assets as asset_store
from app.ingest.store import chains as chain_store
from app.ingest.store import coverage as coverage_store
from app.ingest.store import reading as reading_store
from app.ingest.store.assets import RegisteredAsset
from app.ingest.store.chains import Chain, Node
from app.ingest.store.disagreements import count_disagreements
from app.ingest.store.native_setting import is_native_read
from app.money import DECIMALS_MAX
from chains.guard import redact_url
from chains.types import ChainId, Finality

router = APIRouter(tags=["chains"])
_STRICT = ConfigDict(extra="forbid")
_BLOCKS_MAX = 2**53


class NativeCoin(BaseModel):
    model_config = _STRICT
    symbol: Annotated[ShortField, StringConstraints(max_length=40)]
    decimals: Annotated[int, Field(ge=0, le=DECIMALS_MAX)]
    read: bool = True
    """Whether its moves are read, too: payments in it are found only then."""


class FinalityIn(BaseModel):
    """When a block counts as final: exactly one of the node's tag and a depth below its head."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"tag": "finalized"}, {"confirmations": 64}]}
    )
    tag: Literal["finalized"] | None = None
    confirmations: Annotated[int, Field(ge=1, le=1_000_000)] | None = None

    @model_validator(mode="after")
    def _demand_one(self) -> Self:
        if (self.tag is None) == (self.confirmations is None):
            msg = "Give exactly one of tag and confirmations."
            raise ValueError(msg)
        return self


class ChainIn(BaseModel):
    """A chain and the nodes it is read through. A node sees which addresses are asked for."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "name": "Ethereum",
                    "rpc_urls": ["https://rpc.example.org"],
                    "native": {"symbol": "ETH", "decimals": 18},
                    "finality": {"tag": "finalized"},
                }
            ]
        },
    )
    name: ShortField
    rpc_urls: Annotated[
        list[Annotated[str, StringConstraints(min_length=8, max_length=2000)]],
        Field(min_length=1, max_length=NODES_MAX),
    ]
    native: NativeCoin
    finality: FinalityIn
    start_block: Annotated[int, Field(ge=0, le=_BLOCKS_MAX)] = 0
    agreement: Annotated[int, Field(ge=1, le=NODES_MAX)] = 1
    """So many of the nodes have to give the same answer before it is stored."""


class AssetIn(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"asset": "eip155:1/erc20:0xdAC17F958D2ee523a2206206994597C13D831ec7"}]
        },
    )
    asset: AssetField


@router.put(
    "/chains/{chain}",
    status_code=200,
    responses={201: {"description": "Configured"}, **documented(400, 403, 413)},
)
def put_chain(chain: ChainText, body: ChainIn, caller: Admin) -> Response:
    """Configure a chain. Each node is asked for its chain id and its final block at once."""
    chain_id = ChainId.parse(chain)
    new = NewChain(
        chain=Chain(
            id=chain_id,
            name=body.name,
            native_symbol=body.native.symbol,
            native_decimals=body.native.decimals,
            finality=Finality(confirmations=body.finality.confirmations),
            start_block=body.start_block,
        ),
        rpc_urls=tuple(body.rpc_urls),
        agreement=body.agreement,
        read_native=body.native.read,
    )
    resources = caller.resources
    check_chain(new=new, outside=resources.outside)
    now = resources.clock()
    with resources.engine.begin() as connection:
        is_new = store_chain(connection, new=new, now=now)
        append(
            connection,
            tenant_id=caller.tenant_id,
            actor=caller.principal.key_id,
            type_="chain.configured",
            object_id=chain,
            payload={"name": body.name, "nodes": [redact_url(url) for url in body.rpc_urls]},
            now=now,
        )
        document = _chain_document(connection, new.chain)
    return JSONResponse(document, status_code=201 if is_new else 200)


@router.get("/chains", responses=documented(403))
def list_chains(caller: Reader) -> Response:
    with reading(caller.resources.engine) as connection:
        items = [_chain_document(connection, each) for each in chain_store.chains(connection)]
    return JSONResponse({"items": items})


@router.get("/chains/{chain}", responses=documented(403, 404))
def get_chain(chain: ChainText, caller: Reader) -> Response:
    with reading(caller.resources.engine) as connection:
        found = chain_store.find_chain(connection, ChainId.parse(chain))
        if found is None:
            raise NotFound(what="chain", id_=chain)
        return JSONResponse(_chain_document(connection, found))


def _chain_document(connection: Connection, chain: Chain) -> dict[str, Any]:
    nodes = chain_store.nodes(connection, chain.id)
    best = max(nodes, key=lambda node: node.head_block or -1, default=None)
    depth = chain.finality.confirmations
    rules = reading_store.reading_of_chain(connection, chain.id)
    return {
        "chain": str(chain.id),
        "name": chain.name,
        "native": {
            "symbol": chain.native_symbol,
            "decimals": chain.native_decimals,
            "read": is_native_read(connection, chain.id),
        },
        "finality": {"tag": "finalized"} if depth is None else {"confirmations": depth},
        "start_block": chain.start_block,
        "agreement": rules.agreement,
        "state": "reading" if rules.stopped_at is None else "stopped",
        "stopped": None
        if rules.stopped_at is None
        else {"at": to_rfc3339(rules.stopped_at), "reason": rules.stopped_reason},
        "head": None if best is None else best.head_block,
        "finalized": None if best is None else best.final_block,
        "read_through": coverage_store.read_through(connection, chain.id),
        "disagreements": count_disagreements(connection, chain_id=chain.id),
        "nodes": [_node_document(connection, node, best=best) for node in nodes],
    }


def _node_document(connection: Connection, node: Node, *, best: Node | None) -> dict[str, Any]:
    """`lag`: how many blocks its head is behind the best one's; all as of when each was last asked."""
    newest = None if best is None else best.head_block
    head = node.head_block
    return {
        "url": redact_url(node.url),
        "client_version": reading_store.reading_of_node(connection, node.id).client_version,
        "checked_at": None if node.checked_at is None else to_rfc3339(node.checked_at),
        "head": head,
        "finalized": node.final_block,
        "lag": None if newest is None or head is None else newest - head,
        "error": node.last_error,
    }


@router.post(
    "/assets",
    status_code=201,
    responses={201: {"description": "Registered"}, **documented(400, 403, 413)},
)
def post_asset(body: AssetIn, caller: Writer) -> Response:
    """Pin a token: decimals, symbol and code hash, as the chain shows them at a final block."""
    resources = caller.resources
    registered = register_asset(
        engine=resources.engine,
        asset_id=body.asset,
        outside=resources.outside,
        now=resources.clock(),
    )
    return JSONResponse(_asset_document(registered), status_code=201)


@router.get("/assets", responses=documented(403))
def list_assets(caller: Reader) -> Response:
    with reading(caller.resources.engine) as connection:
        items = [_asset_document(each) for each in asset_store.registered_assets(connection)]
    return JSONResponse({"items": items})


def _asset_document(registered: RegisteredAsset) -> dict[str, Any]:
    implementation = registered.implementation
    return {
        "asset": CHECKSUMMED.asset(registered.asset.id),
        "symbol": registered.asset.symbol,
        "name": registered.name,
        "decimals": registered.asset.decimals,
        "code_hash": None if registered.code_hash is None else str(registered.code_hash),
        "implementation": None if implementation is None else CHECKSUMMED.address(implementation),
        "registered_at_block": registered.registered_at.number,
        "unfit_for": list(registered.unfit_for),
    }
