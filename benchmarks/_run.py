"""One measured reading, in a process of its own: the product's client and store, from the node to a commit.

`python -m benchmarks._run '{"url": …}'` prints one line of JSON. The time begins when everything is imported
and the database is open, as in a service that is up, and ends after the last commit.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from app.db import make_engine
from app.ingest.answer import Believed, Writer, blocks_of
from app.ingest.ranges import Blocks
from app.ingest.store.chains import Chain, put_chain
from chains.evm.client import EvmClient
from chains.guard import EgressPolicy
from chains.rpc import RpcClient
from chains.types import Address, ChainId, Finality

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

    def addresses(self) -> tuple[Address, ...] | None:
        return None if self.accounts is None else tuple(Address.parse(text) for text in self.accounts)


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
    chain = Chain(
        id=ChainId(work.chain_id),
        name="Benchmark",
        native_symbol="ETH",
        native_decimals=18,
        finality=Finality(),
        start_block=0,
    )
    engine = make_engine(work.database)
    with engine.begin() as connection:
        put_chain(connection, value=chain, rpc_urls=[], now=NOW)
    writer = Writer(engine=engine, chain=chain, clock=lambda: NOW)
    with RpcClient(work.url, policy=EgressPolicy.parse(f"127.0.0.1:{work.port}")) as rpc:
        client = EvmClient(rpc, chain.id)
        client.check_chain()
        if work.first_block > 0:
            _read(client, writer, accounts=None, blocks=Blocks(0, work.first_block - 1))
            writer.sort()
        print(json.dumps(asdict(_measured(client, writer, work=work))))
    engine.dispose()


def _measured(client: EvmClient, writer: Writer, *, work: Work) -> Measured:
    began, cpu_began = time.perf_counter(), time.process_time()
    blocks = Blocks(work.first_block, work.last_block)
    transfers, parts = _read(client, writer, accounts=work.addresses(), blocks=blocks)
    if work.index:
        writer.sort()
    return Measured(
        seconds=time.perf_counter() - began,
        cpu_seconds=time.process_time() - cpu_began,
        rss_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        transfers=transfers,
        parts=parts,
    )


def _read(
    client: EvmClient, writer: Writer, *, accounts: tuple[Address, ...] | None, blocks: Blocks
) -> tuple[int, list[tuple[int, int]]]:
    """As a pass reads through one node, with its blocks held against their hashes and its coverage."""
    transfers, parts = 0, []
    final = client.head()
    for batch in client.log_ranges(accounts=accounts, first_block=blocks.first, last_block=blocks.last):
        told = blocks_of(client, batch=batch, final=final, hashable=True)
        believed = Believed(batch=batch, blocks=told, nodes=(client.rpc.node,), blocks_checked=0)
        transfers += writer.store(believed, addresses=accounts)
        parts.append((batch.first_block, batch.last_block))
    return transfers, parts


if __name__ == "__main__":
    main(sys.argv[1])
