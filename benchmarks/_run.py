"""One measured reading, in a process of its own: the product's client and store, from the node to a commit.

`python -m benchmarks._run '{"work": …}'` prints one line of JSON. The time begins when everything is imported
and the database is open, as in a service that is up, and ends after the last commit.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.engine import Connection, Engine

from app.db import make_engine
from app.ingest.ranges import Blocks
from app.ingest.store import blocks as block_store
from app.ingest.store import chains as chain_store
from app.ingest.store import coverage as coverage_store
from app.ingest.store import transfers as transfer_store
from app.ingest.store.coverage import Coverage
from chains.evm.client import EvmClient, LogBatch
from chains.evm.ranges import RangeSize
from chains.guard import EgressPolicy
from chains.rpc import RpcClient
from chains.types import ZERO_ADDRESS, Address, BlockRef, ChainId, Finality

NOW = datetime(2026, 1, 31, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What one process is to do. `index`: never, at the end, or whenever a batch is full."""

    url: str
    port: int
    chain_id: int
    last_block: int
    database: str
    index: str
    accounts: tuple[Address, ...] | None
    blocks: int | None

    @classmethod
    def parse(cls, text: str) -> Work:
        given = json.loads(text)
        accounts = given.pop("accounts")
        return cls(accounts=None if accounts is None else tuple(map(Address.parse, accounts)), **given)


def main(text: str) -> None:
    work = Work.parse(text)
    policy = EgressPolicy.parse(f"127.0.0.1:{work.port}")
    engine = make_engine(work.database)
    chain = ChainId(work.chain_id)
    with engine.begin() as connection:
        _configure(connection, chain)
    with RpcClient(work.url, policy=policy) as rpc:
        client = EvmClient(rpc, chain)
        client.check_chain()
        began, cpu_began, main_began = time.perf_counter(), time.process_time(), time.thread_time()
        measured = _read(engine, client, work=work)
        measured |= {
            "seconds": time.perf_counter() - began,
            "cpu_seconds": time.process_time() - cpu_began, "main_cpu": time.thread_time() - main_began,
            "rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
    engine.dispose()
    print(json.dumps(measured))


def _read(engine: Engine, client: EvmClient, *, work: Work) -> dict[str, Any]:
    transfers = answers = size = 0
    shapes: list[list[int]] = []
    for batch in _batches(client, work=work):
        blocks = _blocks_of(client, batch)
        with engine.begin() as connection:
            transfers += store_batch(connection, client=client, batch=batch, blocks=blocks, work=work)
        answers += len(batch.answers)
        size += sum(len(answer.body) for answer in batch.answers)
        shapes.append([batch.first_block, batch.last_block])
    if work.index != "never":
        with engine.begin() as connection:
            transfer_store.sort_accounts(connection, chain=client.chain)
    return {"transfers": transfers, "answers": answers, "bytes": size, "parts": shapes}


def _batches(client: EvmClient, *, work: Work) -> Iterator[LogBatch]:
    size = None if work.blocks is None else RangeSize(blocks=work.blocks)
    return client.log_ranges(accounts=work.accounts, first_block=0, last_block=work.last_block, size=size)


def _blocks_of(client: EvmClient, batch: LogBatch) -> dict[int, BlockRef]:
    """From the logs themselves, and the blocks at the ends, if no log lies in them, from the node."""
    blocks = {
        number: BlockRef(number=number, hash=batch.block_hashes[number], time=at)
        for number, at in batch.block_times.items()
    }
    missing = {batch.first_block, batch.last_block, *batch.block_hashes} - blocks.keys()
    blocks |= {block.number: block for block in client.blocks(sorted(missing))}
    return blocks


def store_batch(
    connection: Connection, *, client: EvmClient, batch: LogBatch, blocks: dict[int, BlockRef], work: Work
) -> int:
    """Blocks, transfers and coverage of one range, in the caller's transaction."""
    read = Blocks(batch.first_block, batch.last_block)
    block_store.add_blocks(connection, chain_id=client.chain, blocks=blocks.values(), now=NOW)
    added = transfer_store.add_rows(
        connection, chain=client.chain, accounts=work.accounts, blocks=read, rows=batch.rows, now=NOW
    )
    digests = [
        {"method": each.method, "sha256": digest.hex(), "size": len(each.body)}
        for each, digest in zip(batch.answers, batch.digests, strict=True)
    ]
    coverage = Coverage(
        address=ZERO_ADDRESS,
        first=blocks[read.first],
        last=blocks[read.last],
        node=client.rpc.node,
        read_at=NOW,
        answers=tuple(digests),
    )
    coverage_store.add_coverage(connection, read=[coverage], chain_id=client.chain)
    return added


def _configure(connection: Connection, chain: ChainId) -> None:
    value = chain_store.Chain(
        id=chain,
        name="Benchmark",
        native_symbol="ETH",
        native_decimals=18,
        finality=Finality(),
        start_block=0,
    )
    chain_store.put_chain(connection, value=value, rpc_urls=[], now=NOW)
    from chains.types import AccountId

    coverage_store.watch_accounts(
        connection, accounts=[AccountId(chain, ZERO_ADDRESS)], since_time=0, now=NOW
    )


if __name__ == "__main__":
    main(sys.argv[1])
