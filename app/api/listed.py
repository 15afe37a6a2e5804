"""Transfers of tokens and of the native coin as one list: its order, its pages, its documents.

Final ones first; behind the last of them those of tokens in blocks that may still be replaced.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.engine import Connection

from app.api.context import read_cursor
from app.api.fields import CHECKSUMMED
from app.assessment.document import transfer_document
from app.assessment.statements import block_instant
from app.errors import Fault, InvalidInput
from app.ingest.ranges import Blocks
from app.ingest.store import assets as asset_store
from app.ingest.store import chains as chain_store
from app.ingest.store import coverage as coverage_store
from app.ingest.store.native import NativePosition, page_of_native, positions_in
from app.ingest.store.provisional import provisional_transfers
from app.ingest.store.transfers import TransferPosition, page_of_transfers
from app.money import Asset, format_units
from chains.evm.events import mint_or_burn
from chains.movements import NativeTransfer, Tender
from chains.types import AccountId, Address, AssetId, BlockRef, ChainId, Hash32, Transfer

BLOCK_MAX = 2**53
_INDEX_MAX = 2**31 - 1
# Until somebody registers the coin under another number: that of Ether, the coin of most EVM chains.
_SLIP44_ETHER = 60

Listed = Transfer | NativeTransfer


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedTransfers:
    """What is asked for. `asset` None: everything."""

    account: AccountId
    asset: AssetId | None
    from_block: int
    to_block: int

    @property
    def has_tokens(self) -> bool:
        return self.asset is None or self.asset.contract is not None

    @property
    def has_native(self) -> bool:
        return self.asset is None or self.asset.contract is None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPosition:
    """Where a page ended. In a block the events come first; then the coin's moves, which have a position."""

    block_number: int
    block_hash: Hash32
    index: int
    position: bytes | None

    @property
    def of_tokens(self) -> TransferPosition:
        index = self.index if self.position is None else _INDEX_MAX
        return TransferPosition(block_number=self.block_number, block_hash=self.block_hash, log_index=index)

    @property
    def of_native(self) -> NativePosition:
        if self.position is None:
            return NativePosition(block_number=self.block_number, block_hash=self.block_hash)
        return NativePosition(
            block_number=self.block_number,
            block_hash=self.block_hash,
            tx_index=self.index,
            position=self.position,
        )


def page_of_listed(
    connection: Connection, *, wanted: ListedTransfers, after: ListPosition | None, limit: int
) -> list[Listed]:
    """The next so many final ones of both kinds."""
    found: list[Listed] = []
    if wanted.has_tokens:
        found += page_of_transfers(
            connection,
            account=wanted.account,
            contract=None if wanted.asset is None else wanted.asset.contract,
            from_block=wanted.from_block,
            to_block=wanted.to_block,
            after=None if after is None else after.of_tokens,
            limit=limit,
        )
    if wanted.has_native:
        found += page_of_native(
            connection,
            account=wanted.account,
            from_block=wanted.from_block,
            to_block=wanted.to_block,
            after=None if after is None else after.of_native,
            limit=limit,
        )
    return sorted(found, key=_place)[:limit]


def page_of_provisional(
    connection: Connection, *, wanted: ListedTransfers, after: ListPosition | None, limit: int
) -> list[Transfer]:
    """The next so many in blocks above what was read as final: of tokens, the coin is read in final ones."""
    account = wanted.account
    covered = coverage_store.covered_blocks(connection, chain_id=account.chain, addresses=[account.address])
    first = max([wanted.from_block, *(each.last + 1 for each in covered[account.address][-1:])])
    if limit == 0 or first > wanted.to_block or not wanted.has_tokens:
        return []
    position = None if after is None else after.of_tokens
    return provisional_transfers(
        connection,
        chain_id=account.chain,
        address=account.address,
        contract=None if wanted.asset is None else wanted.asset.contract,
        blocks=Blocks(first, wanted.to_block),
        after=None if position is None else (position.block_number, position.log_index),
        limit=limit,
    )


def _place(each: Listed) -> tuple[int, bytes, int, int, bytes]:
    if isinstance(each, Transfer):
        return each.block.number, each.block.hash, 0, each.log_index, b""
    return each.block.number, each.block.hash, 1, each.tx_index, each.position


def position_values(each: Listed) -> list[Any]:
    """What a cursor holds."""
    if isinstance(each, Transfer):
        return [each.block.number, str(each.block.hash), each.log_index, "log"]
    return [each.block.number, str(each.block.hash), each.tx_index, _digest(each.position)]


def _digest(position: bytes) -> str:
    """A place deep in a transaction's calls would make a cursor longer than a URL may be."""
    return hashlib.sha256(position).hexdigest()[:32]


def read_position(connection: Connection, cursor: str | None, *, chain_id: ChainId) -> ListPosition | None:
    """Raises InvalidInput at ?cursor."""
    values = read_cursor(cursor, of="transfers", kinds=(int, str, int, str))
    if values is None:
        return None
    number, block_hash, index, position = values
    index = min(max(index, 0), _INDEX_MAX)
    try:
        block = Hash32.parse(block_hash)
        place = None
        if position != "log":
            places = positions_in(connection, chain_id=chain_id, block_hash=block, tx_index=index)
            place = {_digest(each): each for each in places}[position]
    except (ValueError, KeyError):
        fault = Fault(pointer="?cursor", detail="Not a cursor that this list has given.")
        raise InvalidInput([fault]) from None
    return ListPosition(
        block_number=min(max(number, 0), BLOCK_MAX), block_hash=block, index=index, position=place
    )


def listed_documents(
    connection: Connection, listed: Sequence[Listed], *, final: int, chain_id: ChainId
) -> list[dict[str, Any]]:
    """The first `final` of them lie in final blocks."""
    seen = {each.asset for each in listed if isinstance(each, Transfer)}
    registered = {each.asset.id: each.asset for each in asset_store.registered_assets(connection, ids=seen)}
    coin, is_registered = native_asset(connection, chain_id)
    return [
        _token_document(each, asset=registered.get(each.asset), is_final=at < final)
        if isinstance(each, Transfer)
        else _native_document(each, coin=coin, is_registered=is_registered)
        for at, each in enumerate(listed)
    ]


def native_asset(connection: Connection, chain_id: ChainId) -> tuple[Asset, bool]:
    """The chain's coin as somebody registered it, or as the operator configured the chain; and which."""
    for each in asset_store.registered_assets(connection):
        if each.asset.id.chain == chain_id and each.asset.id.contract is None:
            return each.asset, True
    chain = chain_store.find_chain(connection, chain_id)
    assert chain is not None  # noqa: S101 - an account on it was bound.
    asset_id = AssetId(chain_id, None, _SLIP44_ETHER)
    return Asset(id=asset_id, symbol=chain.native_symbol, decimals=chain.native_decimals), False


def _token_document(transfer: Transfer, *, asset: Asset | None, is_final: bool) -> dict[str, Any]:
    flags = () if asset is not None else ("unregistered-asset",)
    ends = mint_or_burn(sender=transfer.sender, recipient=transfer.recipient)
    decimals = None if asset is None else asset.decimals
    document = transfer_document(transfer, decimals=decimals, forms=CHECKSUMMED, flags=(*flags, *ends))
    return {**document, "final": is_final}


def _native_document(each: NativeTransfer, *, coin: Asset, is_registered: bool) -> dict[str, Any]:
    flags = each.flags if is_registered else ("unregistered-asset", *each.flags)
    return {
        "id": each.id,
        "chain": str(each.chain),
        "asset": CHECKSUMMED.asset(coin.id),
        "from": _party(each.sender),
        "to": _party(each.recipient),
        "amount": format_units(each.amount_units, decimals=coin.decimals),
        "amount_units": str(each.amount_units),
        **_place_document(each.block),
        "tx_hash": None if each.tx_hash is None else str(each.tx_hash),
        "trace_path": each.trace_path,
        "final": True,
        "flags": list(flags),
    }


def tender_document(each: Tender, *, coin: Asset, assets: dict[AssetId, Asset]) -> dict[str, Any]:
    """A failed attempt. What the token call named as an amount is shown in its asset's unit where known."""
    asset_id = coin.id if each.asset_contract is None else AssetId(each.chain, each.asset_contract)
    asset = coin if each.asset_contract is None else assets.get(asset_id)
    return {
        "id": each.id,
        "chain": str(each.chain),
        "kind": str(each.kind),
        "asset": CHECKSUMMED.asset(asset_id),
        "from": CHECKSUMMED.address(each.sender),
        "to": CHECKSUMMED.address(each.recipient),
        "called": CHECKSUMMED.address(each.to),
        "amount": None if asset is None else format_units(each.amount_units, decimals=asset.decimals),
        "amount_units": str(each.amount_units),
        **_place_document(each.block),
        "tx_hash": str(each.tx_hash),
        "final": True,
        "reason": each.reason,
    }


def _party(address: Address | None) -> str | None:
    return None if address is None else CHECKSUMMED.address(address)


def _place_document(block: BlockRef) -> dict[str, Any]:
    return {
        "block_number": block.number,
        "block_hash": str(block.hash),
        "block_time": block_instant(block),
    }
