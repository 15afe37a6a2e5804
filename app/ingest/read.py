"""Reading a chain into the store: every Transfer from or to a watched account, in finalized blocks only.

One range is one transaction: its blocks, transfers, coverage and cursors are stored together or not at
all. A node that fails leaves a gap in the coverage; it never leaves an empty result behind.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from sqlalchemy.engine import Engine

from app.clock import Clock
from app.db import reading
from app.ingest.ranges import Blocks, missing
from app.ingest.store import assets as asset_store
from app.ingest.store import blocks as block_store
from app.ingest.store import chains as chain_store
from app.ingest.store import coverage as coverage_store
from app.ingest.store import transfers as transfer_store
from app.ingest.store.chains import Chain, Node
from app.ingest.store.coverage import Coverage, Watch
from chains.errors import BadAnswer, ChainError, NodeError
from chains.evm.client import EvmClient, LogsAnswer
from chains.evm.token import read_token
from chains.evm.transfers import MalformedLog, to_transfer
from chains.rpc import RpcAnswer
from chains.types import Address, BlockRef, ChainId

# Some nodes refuse filters with more alternatives; a topic list of this size still fits everywhere met.
ACCOUNTS_PER_REQUEST = 500
TOKENS_PER_PASS = 50

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
    """What one pass over a chain did. `failure` None: nothing that is final is left unread."""

    chain: ChainId
    head_block: int | None
    final_block: int | None
    transfers: int
    failure: str | None


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
        for found in _read_missing(engine, client, chain=chain, final=final, clock=clock, progress=progress):
            transfers = found
        name_tokens(engine=engine, client=client, chain=chain.id, final=final, clock=clock)
    except ChainError as error:
        failure = str(error)
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
    watches = _located(engine, client, chain=chain, final=final, clock=clock)
    with reading(engine) as connection:
        covered = coverage_store.coverage_of(connection, chain_id=chain.id)
    parts = list(_parts(watches, covered, start=chain.start_block, final=final.number))
    done = stored = 0
    total = sum(part.size for part in parts)
    for part in parts:
        for answer in client.transfer_ranges(
            addresses=part.addresses, first_block=part.blocks.first, last_block=part.blocks.last
        ):
            stored += _store(engine, client, chain=chain.id, part=part, answer=answer, clock=clock)
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


def _located(
    engine: Engine, client: EvmClient, *, chain: Chain, final: BlockRef, clock: Clock
) -> list[Watch]:
    """The watches whose start is final. The blocks around each start are searched for once and stored."""
    with reading(engine) as connection:
        times = coverage_store.unlocated_times(connection, chain.id)
    for time in times:
        first = client.first_block_at_or_after(time, low=0, high=final.number)
        if first is None:
            continue
        around = [first] if first.number == 0 else client.blocks([first.number - 1, first.number])
        with engine.begin() as connection:
            block_store.add_blocks(connection, chain_id=chain.id, blocks=around, now=clock())
            coverage_store.locate_time(connection, chain_id=chain.id, time=time, first_block=first.number)
    with reading(engine) as connection:
        watches = coverage_store.watches(connection, chain.id)
    return [watch for watch in watches if watch.first_block is not None]


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
    engine: Engine, client: EvmClient, *, chain: ChainId, part: _Part, answer: LogsAnswer, clock: Clock
) -> int:
    """Fetch the blocks that the logs lie in, check the hashes, and store the range in one transaction."""
    ends = {answer.first_block, max(answer.first_block, answer.last_block - 1), answer.last_block}
    numbers = sorted(ends | {log.block_number for log in answer.logs})
    blocks = {block.number: block for block in client.blocks(numbers)}
    try:
        transfers = [to_transfer(log, chain=chain, block=blocks[log.block_number]) for log in answer.logs]
    except MalformedLog as error:
        raise BadAnswer(node=client.rpc.node, detail=str(error)) from error
    now = clock()
    read = [
        Coverage(
            address=address,
            first=blocks[answer.first_block],
            last=blocks[answer.last_block],
            node=client.rpc.node,
            read_at=now,
            answers=tuple(_digest(each) for each in answer.answers),
        )
        for address in part.addresses
    ]
    with engine.begin() as connection:
        block_store.add_blocks(connection, chain_id=chain, blocks=blocks.values(), now=now)
        added = transfer_store.add_transfers(connection, transfers=transfers, now=now)
        coverage_store.add_coverage(connection, read=read, chain_id=chain)
    return added


def _digest(answer: RpcAnswer) -> dict[str, object]:
    return {
        "method": answer.method,
        "sha256": hashlib.sha256(answer.body).hexdigest(),
        "size": len(answer.body),
    }


def name_tokens(*, engine: Engine, client: EvmClient, chain: ChainId, final: BlockRef, clock: Clock) -> None:
    """Ask contracts that moved something for their symbol, so that a copied name is seen as one.

    A contract whose answer fails is asked again with the next pass; until then it has no name.
    """
    with reading(engine) as connection:
        contracts = asset_store.unnamed_contracts(connection, chain_id=chain, limit=TOKENS_PER_PASS)
    for contract in contracts:
        try:
            facts = read_token(client, contract, final)
        except NodeError:
            continue
        with engine.begin() as connection:
            asset_store.add_token(
                connection,
                chain_id=chain,
                contract=contract,
                symbol=facts.symbol,
                decimals=facts.decimals,
                now=clock(),
            )


def block_at(
    *, engine: Engine, client: EvmClient, chain: Chain, time: int, clock: Clock
) -> tuple[BlockRef, BlockRef] | None:
    """The last final block with a time up to `time` and the one after it, stored; None if not final yet.

    Raises NodeError.
    """
    final = client.finalized(chain.finality)
    before = client.last_block_at_or_before(time, low=0, high=final.number)
    if before is None or before.number >= final.number:
        return None
    pair = client.blocks([before.number, before.number + 1])
    if not pair[0].time <= time < pair[1].time:
        raise NodeError(node=client.rpc.node, detail=f"blocks around time {time} changed while being read")
    with engine.begin() as connection:
        block_store.add_blocks(connection, chain_id=chain.id, blocks=pair, now=clock())
    return pair[0], pair[1]
