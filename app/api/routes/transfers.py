"""Transfers and coverage of the caller's own parties' accounts."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, Response
from sqlalchemy.engine import Connection

from app.api.context import Caller, Reader, page, read_cursor
from app.api.fields import CHECKSUMMED, AccountText, AssetText, ChainText, CursorField, LimitField
from app.api.problems import documented
from app.assessment.document import transfer_document
from app.clock import to_rfc3339
from app.db import reading
from app.debts.store import bindings_of
from app.errors import Fault, InvalidInput, NotFound
from app.ingest.ranges import Blocks, merged, missing
from app.ingest.store import assets as asset_store
from app.ingest.store import coverage as coverage_store
from app.ingest.store.transfers import TransferPosition, page_of_transfers
from chains.types import AccountId, AssetId, Hash32, Transfer

router = APIRouter(tags=["reading"])
_BLOCK_MAX = 2**53
BlockField = Annotated[int, Query(ge=0, le=_BLOCK_MAX)]


@router.get("/transfers", responses=documented(403, 404))
def list_transfers(
    caller: Reader,
    account: AccountText,
    asset: AssetText | None = None,
    from_block: BlockField = 0,
    to_block: BlockField = _BLOCK_MAX,
    limit: LimitField = 50,
    cursor: CursorField | None = None,
) -> Response:
    """Finalized transfers from or to one account of the caller's parties, in any token."""
    after = _position(cursor)
    of = AccountId.parse(account)
    with reading(caller.resources.engine) as connection:
        _demand_own(connection, caller, account=of)
        transfers = page_of_transfers(
            connection,
            account=of,
            contract=None if asset is None else AssetId.parse(asset).contract,
            from_block=from_block,
            to_block=to_block,
            after=after,
            limit=limit,
        )
        items = _documents(connection, transfers)
    last = transfers[-1] if len(transfers) == limit else None
    following = None if last is None else [last.block.number, str(last.block.hash), last.log_index]
    return page(items, of="transfers", next_cursor=following)


def _position(cursor: str | None) -> TransferPosition | None:
    values = read_cursor(cursor, of="transfers", kinds=(int, str, int))
    if values is None:
        return None
    try:
        block_hash = Hash32.parse(values[1])
    except ValueError:
        raise InvalidInput(
            [Fault(pointer="?cursor", detail="Not a cursor that this list has given.")]
        ) from None
    return TransferPosition(
        block_number=min(max(values[0], 0), _BLOCK_MAX),
        block_hash=block_hash,
        log_index=min(max(values[2], 0), 2**31 - 1),
    )


def _demand_own(connection: Connection, caller: Caller, *, account: AccountId) -> None:
    """What others watch is not for this caller to see."""
    own = bindings_of(connection, tenant_id=caller.tenant_id)
    if all(binding.account != account for binding in own):
        raise NotFound(what="account among your parties'", id_=CHECKSUMMED.account(account))


def _documents(connection: Connection, transfers: list[Transfer]) -> list[dict[str, Any]]:
    seen = {transfer.asset for transfer in transfers}
    registered = {each.asset.id: each.asset for each in asset_store.registered_assets(connection, ids=seen)}
    documents = []
    for transfer in transfers:
        asset = registered.get(transfer.asset)
        flags = ("unregistered-asset",) if asset is None else ()
        decimals = None if asset is None else asset.decimals
        documents.append(transfer_document(transfer, decimals=decimals, forms=CHECKSUMMED, flags=flags))
    return documents


@router.get("/coverage", responses=documented(403, 404))
def get_coverage(caller: Reader, chain: ChainText, account: AccountText) -> Response:
    """Which blocks were read for an account, from which node and when; and the gaps between them."""
    of = AccountId.parse(account)
    if str(of.chain) != chain:
        raise InvalidInput([Fault(pointer="?account", detail=f"This account is not on {chain}.")])
    with reading(caller.resources.engine) as connection:
        _demand_own(connection, caller, account=of)
        rows = coverage_store.coverage_of(connection, chain_id=of.chain, addresses=[of.address])
    read = merged(row.blocks for row in rows)
    gaps = missing(Blocks(read[0].first, read[-1].last), read=read) if read else []
    return JSONResponse(
        {
            "chain": chain,
            "account": CHECKSUMMED.account(of),
            "ranges": [
                {
                    "first_block": row.first.number,
                    "first_hash": str(row.first.hash),
                    "last_block": row.last.number,
                    "last_hash": str(row.last.hash),
                    "method": "eth_getLogs",
                    "node": row.node,
                    "read_at": to_rfc3339(row.read_at),
                    "answers": [dict(answer) for answer in row.answers],
                }
                for row in rows
            ],
            "gaps": [{"first_block": gap.first, "last_block": gap.last} for gap in gaps],
        }
    )
