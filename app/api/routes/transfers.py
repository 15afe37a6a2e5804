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
from app.ingest.gaps import ReadingGap, gaps_of
from app.ingest.ranges import Blocks
from app.ingest.store import assets as asset_store
from app.ingest.store import coverage as coverage_store
from app.ingest.store.chains import find_chain
from app.ingest.store.coverage import Coverage
from app.ingest.store.disagreements import Disagreement, disagreements
from app.ingest.store.provisional import provisional_transfers
from app.ingest.store.transfers import TransferPosition, page_of_transfers
from chains.types import AccountId, Address, AssetId, Hash32, Transfer

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
    """Transfers from or to one account of the caller's parties, in any token; the provisional ones last.

    Those with `final: false` lie in blocks that may still be replaced: nothing rests on them.
    """
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
        final = len(transfers)
        transfers += _provisional(
            connection,
            account=of,
            contract=None if asset is None else AssetId.parse(asset).contract,
            blocks=(from_block, to_block),
            after=after,
            limit=limit - final,
        )
        items = _documents(connection, transfers, final=final)
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


def _provisional(
    connection: Connection,
    *,
    account: AccountId,
    contract: Address | None,
    blocks: tuple[int, int],
    after: TransferPosition | None,
    limit: int,
) -> list[Transfer]:
    """Those in blocks above what was read as final."""
    covered = coverage_store.covered_blocks(connection, chain_id=account.chain, addresses=[account.address])[
        account.address
    ]
    first = max([blocks[0], *(each.last + 1 for each in covered[-1:])])
    if limit == 0 or first > blocks[1]:
        return []
    return provisional_transfers(
        connection,
        chain_id=account.chain,
        address=account.address,
        contract=contract,
        blocks=Blocks(first, blocks[1]),
        after=None if after is None else (after.block_number, after.log_index),
        limit=limit,
    )


def _documents(connection: Connection, transfers: list[Transfer], *, final: int) -> list[dict[str, Any]]:
    """The first `final` of them lie in final blocks."""
    seen = {transfer.asset for transfer in transfers}
    registered = {each.asset.id: each.asset for each in asset_store.registered_assets(connection, ids=seen)}
    documents = []
    for at, transfer in enumerate(transfers):
        asset = registered.get(transfer.asset)
        flags = ("unregistered-asset",) if asset is None else ()
        decimals = None if asset is None else asset.decimals
        document = transfer_document(transfer, decimals=decimals, forms=CHECKSUMMED, flags=flags)
        documents.append({**document, "final": at < final})
    return documents


@router.get("/coverage", responses=documented(403, 404))
def get_coverage(caller: Reader, chain: ChainText, account: AccountText) -> Response:
    """Which blocks were read for an account, by which nodes and when; what was not, and why."""
    of = AccountId.parse(account)
    if str(of.chain) != chain:
        raise InvalidInput([Fault(pointer="?account", detail=f"This account is not on {chain}.")])
    with reading(caller.resources.engine) as connection:
        _demand_own(connection, caller, account=of)
        rows = coverage_store.coverage_of(connection, chain_id=of.chain, addresses=[of.address])
        configured = find_chain(connection, of.chain)
        assert configured is not None  # noqa: S101 - a binding references its chain.
        gaps = gaps_of(connection, chain=configured, addresses=[of.address])
        differing = disagreements(connection, chain_id=of.chain)
    return JSONResponse(
        {
            "chain": chain,
            "account": CHECKSUMMED.account(of),
            "ranges": [_range_document(row) for row in rows[of.address]],
            "gaps": [_gap_document(gap) for gap in gaps],
            "disagreements": [_disagreement_document(each) for each in differing],
        }
    )


def _range_document(row: Coverage) -> dict[str, Any]:
    return {
        "first_block": row.first.number,
        "first_hash": str(row.first.hash),
        "last_block": row.last.number,
        "last_hash": str(row.last.hash),
        "kind": row.kind,
        "method": row.method,
        "nodes": list(row.nodes),
        "read_at": to_rfc3339(row.read_at),
        "answers": [dict(answer) for answer in row.answers],
        "blocks_checked": row.blocks_checked,
        "limits": list(row.limits),
    }


def _gap_document(gap: ReadingGap) -> dict[str, Any]:
    return {
        "kind": gap.kind,
        "first_block": None if gap.blocks is None else gap.blocks.first,
        "last_block": None if gap.blocks is None else gap.blocks.last,
        "reason": gap.reason,
    }


def _disagreement_document(each: Disagreement) -> dict[str, Any]:
    """The answers by digest; their bytes are kept, and the operator can read them."""
    return {
        "id": each.id,
        "kind": each.kind,
        "first_block": each.blocks.first,
        "last_block": each.blocks.last,
        "detail": each.detail,
        "found_at": to_rfc3339(each.found_at),
        "answers": [
            {"node": side.node, "method": side.method, "sha256": side.sha256.hex(), "size": side.size}
            for side in each.answers
        ],
    }
