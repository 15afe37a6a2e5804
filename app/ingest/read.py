"""Reading a chain into the store: every Transfer from or to a watched account, in finalized blocks only.

One range is one transaction: its blocks, transfers, coverage and cursors are stored together or not at
all. A node that fails, or contradicts itself or the record, leaves a gap in the coverage; it never leaves an
empty result behind. What one node says wrongly and consistently is not caught here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from sqlalchemy.engine import Engine

from app.clock import Clock
from app.db import reading
from app.ingest.locate import demand_recorded_chain, located_watches
from app.ingest.naming import name_tokens
from app.ingest.order import demand_one_chain
from app.ingest.ranges import Blocks, missing
from app.ingest.store import blocks as block_store
from app.ingest.store import chains as chain_store
from app.ingest.store import coverage as coverage_store
from app.ingest.store import transfers as transfer_store
from app.ingest.store.chains import Chain, Node
from app.ingest.store.coverage import Coverage, Watch
from app.ingest.store.tenders import add_other_logs
from chains.errors import BadAnswer, ChainError, NodeError
from chains.evm.client import EvmClient, LogsAnswer
from chains.evm.transfers import MalformedLog, to_transfer
from chains.rpc import RpcAnswer
from chains.types import Address, BlockRef, ChainId

# Some nodes refuse filters with more alternatives; a topic list of this size still fits everywhere met.
ACCOUNTS_PER_REQUEST = 500

Progress = Callable[["ReadProgress"], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadProgress:
    """How far a pass has come: account-blocks done of those that were missing when it began."""

    chain: ChainId
    done: int
    total: int
    last_block: int
    transfers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadReport:
    """What one pass over a chain did. `failure` None: nothing that is final is left unread.

    `native_failure` says the same of the native coin, which is read apart and holds up nothing.
    """

    chain: ChainId
    head_block: int | None
    final_block: int | None
    transfers: int
    failure: str | None
    native_failure: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """Accounts that miss the same range."""

    blocks: Blocks
    addresses: tuple[Address, ...]

    @property
    def size(self) -> int:
        return (self.blocks.last - self.blocks.first + 1) * len(self.addresses)


def read_chain(
    *, engine: Engine, client: EvmClient, chain: Chain, node: Node, clock: Clock, progress: Progress
) -> ReadReport:
    """Read what is missing up to the finalized block. Never raises a ChainError: the report says it."""
    head = final = None
    transfers = 0
    failure = None
    try:
        client.check_chain()
        head, final = client.head(), client.finalized(chain.finality)
        demand_recorded_chain(engine=engine, client=client, final=final)
        for found in _read_missing(engine, client, chain=chain, final=final, clock=clock, progress=progress):
            transfers = found
        name_tokens(engine=engine, client=client, chain=chain.id, final=final, clock=clock)
    except NodeError as error:
        failure = str(error)
    except ChainError as error:
        failure = f"node {client.rpc.node}: {error}"
    with engine.begin() as connection:
        chain_store.record_check(
            connection,
            node_id=node.id,
            head=None if head is None else head.number,
            final=None if final is None else final.number,
            error=failure,
            now=clock(),
        )
    return ReadReport(
        chain=chain.id,
        head_block=None if head is None else head.number,
        final_block=None if final is None else final.number,
        transfers=transfers,
        failure=failure,
    )


def _read_missing(
    engine: Engine, client: EvmClient, *, chain: Chain, final: BlockRef, clock: Clock, progress: Progress
) -> Iterator[int]:
    """Read part by part; yields the number of transfers stored so far."""
    watches = located_watches(engine=engine, client=client, chain=chain.id, final=final, clock=clock)
    with reading(engine) as connection:
        covered = coverage_store.coverage_of(connection, chain_id=chain.id)
    parts = list(_parts(watches, covered, start=chain.start_block, final=final.number))
    done = stored = 0
    total = sum(part.size for part in parts)
    for part in parts:
        for answer in client.transfer_ranges(
            addresses=part.addresses, first_block=part.blocks.first, last_block=part.blocks.last
        ):
            stored += _store(engine, client, part=part, answer=answer, final=final, clock=clock)
            done += (answer.last_block - answer.first_block + 1) * len(part.addresses)
            progress(
                ReadProgress(
                    chain=chain.id,
                    done=done,
                    total=total,
                    last_block=answer.last_block,
                    transfers=stored,
                )
            )
            yield stored


def _parts(
    watches: Sequence[Watch], covered: Sequence[Coverage], *, start: int, final: int
) -> Iterator[_Part]:
    """What is missing, with the accounts that miss the same range asked for together."""
    read: dict[Address, list[Blocks]] = {}
    for each in covered:
        read.setdefault(each.address, []).append(each.blocks)
    wanted: list[tuple[Blocks, Address]] = []
    for watch in watches:
        first = max(start, watch.first_block or 0)
        if first <= final:
            gaps = missing(Blocks(first, final), read=read.get(watch.address, ()))
            wanted += [(gap, watch.address) for gap in gaps]
    for blocks, group in groupby(sorted(wanted), key=lambda each: each[0]):
        addresses = [address for _, address in group]
        for at in range(0, len(addresses), ACCOUNTS_PER_REQUEST):
            yield _Part(blocks=blocks, addresses=tuple(addresses[at : at + ACCOUNTS_PER_REQUEST]))


def _store(
    engine: Engine, client: EvmClient, *, part: _Part, answer: LogsAnswer, final: BlockRef, clock: Clock
) -> int:
    """Fetch the blocks that the logs lie in, check the hashes, and store the range in one transaction."""
    chain, read = client.chain, Blocks(answer.first_block, answer.last_block)
    blocks = _blocks_of(client, answer=answer, final=final)
    try:
        transfers = [to_transfer(log, chain=chain, block=blocks[log.block_number]) for log in answer.logs]
    except MalformedLog as error:
        raise BadAnswer(node=client.rpc.node, detail=str(error)) from error
    now = clock()
    digests = tuple(_digest(each) for each in answer.answers)
    coverage = [
        Coverage(
            address=address,
            first=blocks[read.first],
            last=blocks[read.last],
            node=client.rpc.node,
            read_at=now,
            answers=digests,
        )
        for address in part.addresses
    ]
    with engine.begin() as connection:
        block_store.add_blocks(connection, chain_id=chain, blocks=blocks.values(), now=now)
        added = transfer_store.add_answer(
            connection, chain_id=chain, addresses=part.addresses, blocks=read, transfers=transfers, now=now
        )
        add_other_logs(connection, chain_id=chain, logs=answer.others, now=now)
        coverage_store.add_coverage(connection, read=coverage, chain_id=chain)
    return added


def _blocks_of(client: EvmClient, *, answer: LogsAnswer, final: BlockRef) -> dict[int, BlockRef]:
    """The blocks at the ends of a range and of its logs. A node that fell back behind them has none.

    With them the final block is asked again: a node that answers another one has changed its chain.
    """
    ends = {answer.first_block, max(answer.first_block, answer.last_block - 1), answer.last_block}
    held = {log.block_number for log in answer.logs} | {log.block_number for log in answer.others}
    numbers = sorted(ends | held | {final.number})
    blocks = {block.number: block for block in client.blocks(numbers)}
    demand_one_chain([final, blocks[final.number]])
    if final.number not in ends:
        del blocks[final.number]
    return blocks


def _digest(answer: RpcAnswer) -> dict[str, object]:
    return {
        "method": answer.method,
        "sha256": hashlib.sha256(answer.body).hexdigest(),
        "size": len(answer.body),
    }
