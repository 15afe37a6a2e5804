"""data/chain/…/blocks.json and transfers.json: what the enclosed raw answers say, decoded (pure).

They are there to be read; the verifier decodes the raw answers again and compares. Standard library only.
"""

from __future__ import annotations

from collections.abc import Iterable

from app.canonical import Json
from app.evidence.shape import Shape
from chains.evm.blocks import BLOCK_TIME_MAX
from chains.types import BlockRef, ChainId, Hash32, Transfer


def folder_of_chain(chain: ChainId) -> str:
    return f"data/chain/eip155-{chain.reference}"


def block_document(block: BlockRef) -> dict[str, Json]:
    return {"number": block.number, "hash": str(block.hash), "time": block.time}


def parse_block_document(shape: Shape) -> BlockRef:
    number, hash_, time = shape.fields("number", "hash", "time")
    return BlockRef(
        number=number.integer(), hash=hash_.parsed(Hash32.parse), time=time.integer(most=BLOCK_TIME_MAX)
    )


def blocks_document(blocks: Iterable[BlockRef]) -> list[Json]:
    return [
        {
            **block_document(block),
            "parent_hash": None if block.parent_hash is None else str(block.parent_hash),
        }
        for block in sorted(blocks, key=lambda each: each.number)
    ]


def transfers_document(transfers: Iterable[Transfer]) -> list[Json]:
    return [
        {
            "id": each.id,
            "block_number": each.block.number,
            "tx_hash": str(each.tx_hash),
            "log_index": each.log_index,
            "contract": str(each.contract),
            "from": str(each.sender),
            "to": str(each.recipient),
            "amount_units": str(each.amount_units),
        }
        for each in sorted(transfers, key=lambda each: each.position)
    ]


def same_block(left: BlockRef, right: BlockRef) -> bool:
    """Number, hash and time; the parent is on record only where a whole header was answered."""
    return (left.number, left.hash, left.time) == (right.number, right.hash, right.time)
