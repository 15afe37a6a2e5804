"""From one answer about logs to rows: its blocks fetched and held against it, and all stored at once.

One range is one transaction: its blocks, transfers and coverage are stored together or not at all.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy.engine import Engine

from app.clock import Clock
from app.ingest.hashed import NOT_HASHED, TrustedBlocks, hashed_blocks
from app.ingest.order import demand_one_chain
from app.ingest.overlooked import Known, overlooked
from app.ingest.ranges import Blocks
from app.ingest.store import blocks as block_store
from app.ingest.store import coverage as coverage_store
from app.ingest.store import transfers as transfer_store
from app.ingest.store.chains import Chain
from app.ingest.store.coverage import Coverage
from app.ingest.store.disagreements import add_disagreement
from app.ingest.store.tenders import add_other_logs
from chains.errors import BadAnswer
from chains.evm.client import EvmClient, LogBatch
from chains.rpc import RpcAnswer
from chains.types import Address, BlockRef

# Blocks of an answer that are fetched to see their time and hash. Where transfers lie in more, the times
# that came with the logs are taken, which the blocks at the ends and the record must not contradict.
BLOCKS_FETCHED_MAX = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldBlocks:
    """The blocks of an answer by number; `limits` names what of them is only told."""

    by_number: dict[int, BlockRef]
    limits: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Believed:
    """An answer that may be stored: who gave it, and how many of its blocks their receipts confirm.

    `blocks` are those at its ends and of its logs.
    """

    batch: LogBatch
    blocks: ToldBlocks
    nodes: tuple[str, ...]
    blocks_checked: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Where answers about one chain are stored."""

    engine: Engine
    chain: Chain
    clock: Clock

    def store(
        self, believed: Believed, *, addresses: Collection[Address] | None, known: Known | None = None
    ) -> int:
        """The number of transfers that were new.

        `addresses` were asked for; None: everybody. `known` is what was read before this pass.
        """
        batch, blocks = believed.batch, believed.blocks.by_number
        read = Blocks(batch.first_block, batch.last_block)
        now = self.clock()
        with self.engine.begin() as connection:
            block_store.add_blocks(connection, chain_id=self.chain.id, blocks=blocks.values(), now=now)
            missed = overlooked(
                connection,
                chain_id=self.chain.id,
                batch=batch,
                addresses=addresses or (),
                known=known or {},
                node=believed.nodes[0],
                now=now,
            )
            if missed is not None:
                add_disagreement(connection, chain_id=self.chain.id, new=missed, now=now)
            added = transfer_store.add_rows(
                connection,
                chain=self.chain.id,
                accounts=addresses,
                blocks=read,
                rows=batch.rows,
                now=now,
            )
            add_other_logs(connection, chain_id=self.chain.id, logs=batch.others, now=now)
            accounts = coverage_store.record_accounts(connection, chain_id=self.chain.id, addresses=addresses)
            coverage = Coverage(
                accounts=accounts,
                first=blocks[read.first],
                last=blocks[read.last],
                nodes=believed.nodes,
                read_at=now,
                answers=tuple(
                    _answer_of(each, digest=digest)
                    for each, digest in zip(batch.answers, batch.digests, strict=True)
                ),
                blocks_checked=believed.blocks_checked,
                limits=believed.blocks.limits,
            )
            coverage_store.add_coverage(connection, chain_id=self.chain.id, read=coverage)
        return added

    def sort(self) -> None:
        """When a pass has brought something: whoever looks for an account need not look through it all."""
        with self.engine.begin() as connection:
            transfer_store.sort_accounts(connection, chain=self.chain.id)


def blocks_of(client: EvmClient, *, batch: LogBatch, final: BlockRef, hashable: bool) -> ToldBlocks:
    """The blocks at the ends of a range and of its logs. A node that fell back behind them has none.

    With them the final block is asked again: a node that answers another one has changed its chain.
    """
    ends = {batch.first_block, max(batch.first_block, batch.last_block - 1), batch.last_block}
    untold = batch.block_hashes.keys() - batch.block_times.keys()
    asked = set(batch.block_hashes) if len(batch.block_hashes) <= BLOCKS_FETCHED_MAX else untold
    numbers = sorted(ends | asked | {final.number})
    found: TrustedBlocks = hashed_blocks(client, numbers, hashable=hashable)
    blocks = {block.number: block for block in found.blocks}
    demand_one_chain([final, blocks[final.number]])
    _demand_told(client, batch, blocks)
    if final.number not in ends | asked:
        del blocks[final.number]
    only_told = batch.block_hashes.keys() - blocks.keys()
    for number in only_told:
        blocks[number] = BlockRef(
            number=number, hash=batch.block_hashes[number], time=batch.block_times[number]
        )
    return ToldBlocks(by_number=blocks, limits=() if found.hashed and not only_told else (NOT_HASHED,))


def _demand_told(client: EvmClient, batch: LogBatch, blocks: Mapping[int, BlockRef]) -> None:
    """What the logs say of their blocks has to be what the blocks say of themselves."""
    for number, told in batch.block_hashes.items():
        block = blocks.get(number)
        if block is None:
            continue
        if block.hash != told or batch.block_times.get(number, block.time) != block.time:
            detail = (
                f"logs are of block {number} {told}, but the node's block {number} is {block.hash}, "
                f"of time {block.time}"
            )
            raise BadAnswer(node=client.rpc.node, detail=detail)


def _answer_of(answer: RpcAnswer, *, digest: bytes) -> dict[str, object]:
    return {"method": answer.method, "sha256": digest.hex(), "size": len(answer.body)}
