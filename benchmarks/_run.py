"""One measured reading, in a process of its own: the product's client and store, from the node to a commit.

`python -m benchmarks._run '{"url": …}'` prints one line of JSON. The time begins when everything is imported
and the database is open, as in a service that is up, and ends after the last commit.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from sqlalchemy.engine import Connection, Engine

from app.db import make_engine
from app.ingest.ranges import Blocks
from app.ingest.store import blocks as block_store
from app.ingest.store import chains as chain_store
from app.ingest.store import coverage as coverage_store
from app.ingest.store import transfers as transfer_store
from app.ingest.store.coverage import Coverage
from chains.evm.client import EvmClient, LogBatch
from chains.guard import EgressPolicy
from chains.rpc import RpcClient
from chains.types import ZERO_ADDRESS, AccountId, Address, BlockRef, ChainId, Finality

NOW = datetime(2026, 1, 31, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What one process is to read. `accounts` None: every transfer.

    Blocks before `first_block` are read before the time begins, so that the tables are no longer empty.
    `index` False leaves out the end of a first load, after which transfers are found by account.
    """

    url: str
    port: int
    chain_id: int
    first_block: int
    last_block: int
    database: str
    index: bool = True
    accounts: list[str] | None = None

    def dump(self) -> str:
        return json.dumps(asdict(self))

    def addresses(self) -> list[Address] | None:
        return None if self.accounts is None else [Address.parse(text) for text in self.accounts]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What the process says of itself. `parts` are the ranges that were asked for."""

    seconds: float
    cpu_seconds: float
    rss_mib: float
    transfers: int
    parts: list[tuple[int, int]]


def main(text: str) -> None:
    work = Work(**json.loads(text))
    chain = ChainId(work.chain_id)
    engine = make_engine(work.database)
    with engine.begin() as connection:
        _configure(connection, chain)
    with RpcClient(work.url, policy=EgressPolicy.parse(f"127.0.0.1:{work.port}")) as rpc:
        client = EvmClient(rpc, chain)
        client.check_chain()
        if work.first_block > 0:
            _read(engine, client, accounts=None, blocks=Blocks(0, work.first_block - 1))
            _sort(engine, chain)
        began, cpu_began = time.perf_counter(), time.process_time()
        blocks = Blocks(work.first_block, work.last_block)
        transfers, parts = _read(engine, client, accounts=work.addresses(), blocks=blocks)
        if work.index:
            _sort(engine, chain)
        measured = Measured(
            seconds=time.perf_counter() - began,
            cpu_seconds=time.process_time() - cpu_began,
            rss_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            transfers=transfers,
            parts=parts,
        )
    engine.dispose()
    print(json.dumps(asdict(measured)))


def _sort(engine: Engine, chain: ChainId) -> None:
    with engine.begin() as connection:
        transfer_store.sort_accounts(connection, chain=chain)


def _read(
    engine: Engine, client: EvmClient, *, accounts: Sequence[Address] | None, blocks: Blocks
) -> tuple[int, list[tuple[int, int]]]:
    transfers, parts = 0, []
    for batch in client.log_ranges(accounts=accounts, first_block=blocks.first, last_block=blocks.last):
        known = _blocks_of(client, batch)
        with engine.begin() as connection:
            transfers += _store(connection, client=client, accounts=accounts, batch=batch, known=known)
        parts.append((batch.first_block, batch.last_block))
    return transfers, parts


def _blocks_of(client: EvmClient, batch: LogBatch) -> dict[int, BlockRef]:
    """From the logs themselves; those at the ends, if no log lies in them, from the node."""
    blocks = {
        number: BlockRef(number=number, hash=batch.block_hashes[number], time=at)
        for number, at in batch.block_times.items()
    }
    others = {batch.first_block, batch.last_block, *batch.block_hashes} - blocks.keys()
    return blocks | {block.number: block for block in client.blocks(sorted(others))}


def _store(
    connection: Connection,
    *,
    client: EvmClient,
    accounts: Sequence[Address] | None,
    batch: LogBatch,
    known: dict[int, BlockRef],
) -> int:
    """Blocks, transfers and coverage of one range, in one transaction."""
    read = Blocks(batch.first_block, batch.last_block)
    block_store.add_blocks(connection, chain_id=client.chain, blocks=known.values(), now=NOW)
    added = transfer_store.add_rows(
        connection, chain=client.chain, accounts=accounts, blocks=read, rows=batch.rows, now=NOW
    )
    answers = [
        {"method": each.method, "sha256": digest.hex(), "size": len(each.body)}
        for each, digest in zip(batch.answers, batch.digests, strict=True)
    ]
    coverage = Coverage(
        # One row for all accounts of the reading, as the coverage ledger has it.
        address=ZERO_ADDRESS,
        first=known[read.first],
        last=known[read.last],
        node=client.rpc.node,
        read_at=NOW,
        answers=tuple(answers),
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
    watched = [AccountId(chain, ZERO_ADDRESS)]
    coverage_store.watch_accounts(connection, accounts=watched, since_time=0, now=NOW)


if __name__ == "__main__":
    main(sys.argv[1])
