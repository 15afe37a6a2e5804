"""Transfers, failed attempts and coverage of the caller's own parties' accounts."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, Response
from sqlalchemy.engine import Connection

from app.api.context import Caller, Reader, page, read_cursor
from app.api.fields import CHECKSUMMED, AccountText, AssetText, ChainText, CursorField, LimitField
from app.api.listed import (
    BLOCK_MAX,
    Listed,
    ListedTransfers,
    listed_documents,
    native_asset,
    page_of_listed,
    page_of_provisional,
    position_values,
    read_position,
    tender_document,
)
from app.api.problems import documented
from app.clock import to_rfc3339
from app.db import reading
from app.debts.store import bindings_of
from app.errors import Fault, InvalidInput, NotFound
from app.ingest.gaps import ReadingGap, gaps_of
from app.ingest.store import assets as asset_store
from app.ingest.store import coverage as coverage_store
from app.ingest.store.chains import find_chain
from app.ingest.store.coverage import ERC20, NATIVE, Coverage
from app.ingest.store.disagreements import Disagreement, disagreements
from app.ingest.store.native_setting import is_native_read
from app.ingest.store.tenders import TenderPosition, page_of_tenders
from chains.evm.means import SIGHT, Means
from chains.movements import Tender
from chains.types import AccountId, AssetId

router = APIRouter(tags=["reading"])
BlockField = Annotated[int, Query(ge=0, le=BLOCK_MAX)]


@router.get("/transfers", responses=documented(403, 404))
def list_transfers(
    caller: Reader,
    account: AccountText,
    asset: AssetText | None = None,
    from_block: BlockField = 0,
    to_block: BlockField = BLOCK_MAX,
    limit: LimitField = 50,
    cursor: CursorField | None = None,
) -> Response:
    """Transfers from or to one account of the caller's parties, in any token and the native coin.

    In chain order; of one block those of tokens come first. A native one has a `trace_path` in the place of
    the `log_index`, and no party that nobody saw. Those with `final: false` come last, and are of tokens:
    their blocks may still be replaced, and nothing rests on them.
    """
    of = AccountId.parse(account)
    wanted = ListedTransfers(
        account=of,
        asset=None if asset is None else AssetId.parse(asset),
        from_block=from_block,
        to_block=to_block,
    )
    with reading(caller.resources.engine) as connection:
        _demand_own(connection, caller, account=of)
        after = read_position(connection, cursor, chain_id=of.chain)
        listed: list[Listed] = [*page_of_listed(connection, wanted=wanted, after=after, limit=limit)]
        final = len(listed)
        listed += page_of_provisional(connection, wanted=wanted, after=after, limit=limit - final)
        items = listed_documents(connection, listed, final=final, chain_id=of.chain)
    following = position_values(listed[-1]) if len(listed) == limit else None
    return page(items, of="transfers", next_cursor=following)


def _demand_own(connection: Connection, caller: Caller, *, account: AccountId) -> None:
    """What others watch is not for this caller to see."""
    own = bindings_of(connection, tenant_id=caller.tenant_id)
    if all(binding.account != account for binding in own):
        raise NotFound(what="account among your parties'", id_=CHECKSUMMED.account(account))


@router.get("/tenders", responses=documented(403, 404))
def list_tenders(
    caller: Reader, account: AccountText, limit: LimitField = 50, cursor: CursorField | None = None
) -> Response:
    """Payments that were tried and failed, of or towards one account of the caller's parties.

    Finalized blocks only, in chain order. The transaction is on the chain; nothing moved.
    """
    after = _tender_position(cursor)
    of = AccountId.parse(account)
    with reading(caller.resources.engine) as connection:
        _demand_own(connection, caller, account=of)
        tenders = page_of_tenders(connection, account=of, after=after, limit=limit)
        items = _tender_documents(connection, tenders, of=of)
    last = tenders[-1] if len(tenders) == limit else None
    following = None if last is None else [last.block.number, last.tx_index, str(last.kind)]
    return page(items, of="tenders", next_cursor=following)


def _tender_position(cursor: str | None) -> TenderPosition | None:
    values = read_cursor(cursor, of="tenders", kinds=(int, int, str))
    if values is None:
        return None
    return TenderPosition(
        block_number=min(max(values[0], 0), BLOCK_MAX),
        tx_index=min(max(values[1], 0), 2**31 - 1),
        kind=values[2],
    )


def _tender_documents(
    connection: Connection, tenders: list[Tender], *, of: AccountId
) -> list[dict[str, Any]]:
    seen = {AssetId(each.chain, each.asset_contract) for each in tenders if each.asset_contract is not None}
    assets = {each.asset.id: each.asset for each in asset_store.registered_assets(connection, ids=seen)}
    coin, _ = native_asset(connection, of.chain)
    return [tender_document(each, coin=coin, assets=assets) for each in tenders]


@router.get("/coverage", responses=documented(403, 404))
def get_coverage(caller: Reader, chain: ChainText, account: AccountText) -> Response:
    """Which blocks were read for an account, by which nodes and when; what was not, and why.

    Of kind `erc20` are the Transfers of tokens, of kind `native` the moves of the chain's coin: `limits` says
    what the reading could not see, such as "internal moves not read".
    """
    of = AccountId.parse(account)
    if str(of.chain) != chain:
        raise InvalidInput([Fault(pointer="?account", detail=f"This account is not on {chain}.")])
    with reading(caller.resources.engine) as connection:
        _demand_own(connection, caller, account=of)
        configured = find_chain(connection, of.chain)
        assert configured is not None  # noqa: S101 - a binding references its chain.
        is_coin_read = is_native_read(connection, of.chain)
        rows: list[Coverage] = []
        gaps: list[ReadingGap] = []
        for kind in (ERC20, NATIVE):
            rows += coverage_store.coverage_of(
                connection, chain_id=of.chain, addresses=[of.address], kind=kind
            )[of.address]
            if kind == ERC20 or is_coin_read:
                gaps += gaps_of(connection, chain=configured, addresses=[of.address], kind=kind)
        differing = disagreements(connection, chain_id=of.chain)
    return JSONResponse(
        {
            "chain": chain,
            "account": CHECKSUMMED.account(of),
            "ranges": [_range_document(row) for row in rows],
            "gaps": [_gap_document(gap) for gap in gaps],
            "native_read": is_coin_read,
            "disagreements": [_disagreement_document(each) for each in differing],
        }
    )


def _range_document(row: Coverage) -> dict[str, Any]:
    """`internals` says what is known of the coin's moves inside of transactions; of tokens there is none."""
    internals = str(SIGHT[Means(row.method)].internals) if row.kind == NATIVE else None
    return {
        "first_block": row.first.number,
        "first_hash": str(row.first.hash),
        "last_block": row.last.number,
        "last_hash": str(row.last.hash),
        "kind": row.kind,
        "method": row.method,
        "internals": internals,
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
