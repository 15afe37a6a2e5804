"""What should have been read and was not, account by account, and why."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy.engine import Connection

from app.ingest.ranges import Blocks, missing
from app.ingest.store import chains as chain_store
from app.ingest.store import coverage as coverage_store
from app.ingest.store import watches as watch_store
from app.ingest.store.chains import Chain
from app.ingest.store.disagreements import disagreements
from app.ingest.store.reading import reading_of_chain
from chains.types import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingGap:
    """Blocks that are final, belong to the account's window, and were not read. None: not even located."""

    address: Address
    kind: str
    blocks: Blocks | None
    reason: str


def gaps_of(
    connection: Connection,
    *,
    chain: Chain,
    addresses: Collection[Address] | None = None,
    kind: str = coverage_store.ERC20,
) -> list[ReadingGap]:
    """Of these watched accounts, or of all, up to the newest block that a node called final."""
    watched = [
        each
        for each in watch_store.watches(connection, chain.id)
        if addresses is None or each.address in addresses
    ]
    read = coverage_store.covered_blocks(
        connection, chain_id=chain.id, kind=kind, addresses=[each.address for each in watched]
    )
    final = max((node.final_block or -1 for node in chain_store.nodes(connection, chain.id)), default=-1)
    found = []
    for watch in watched:
        if watch.first_block is None:
            reason = "the block where its window begins is not final yet, or no node told it"
            found.append(ReadingGap(address=watch.address, kind=kind, blocks=None, reason=reason))
        elif watch.first_block <= final:
            wanted = Blocks(watch.first_block, final)
            found += [
                ReadingGap(
                    address=watch.address,
                    kind=kind,
                    blocks=part,
                    reason=_reason(connection, chain=chain, blocks=part),
                )
                for gap in missing(wanted, read=read[watch.address])
                for part in _split(gap, at=chain.start_block)
            ]
    return found


def _split(gap: Blocks, *, at: int) -> list[Blocks]:
    """What the operator left out on purpose, apart from the rest."""
    if gap.first < at <= gap.last:
        return [Blocks(gap.first, at - 1), Blocks(at, gap.last)]
    return [gap]


def _reason(connection: Connection, *, chain: Chain, blocks: Blocks) -> str:
    if blocks.last < chain.start_block:
        return f"the chain is read from its start_block {chain.start_block} on"
    stopped = reading_of_chain(connection, chain.id).stopped_reason
    if stopped is not None:
        return f"reading is stopped: {stopped}"
    if disagreements(connection, chain_id=chain.id, blocks=blocks, limit=1):
        return "answers about these blocks contradict each other"
    errors = [node.last_error for node in chain_store.nodes(connection, chain.id) if node.last_error]
    return "; ".join(errors) or "not read yet"
