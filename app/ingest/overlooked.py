"""Transfers that an answer holds and that an earlier one left out, though it was to be whole.

A transfer between two watched accounts lies in the answers for either. If one account was read without it,
one of the two answers is false. The transfer is stored, since hiding a payment harms more than showing one;
the contradiction is on record.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy.engine import Connection

from app.ingest.ranges import Blocks
from app.ingest.store import transfers as transfer_store
from app.ingest.store.disagreements import NewDisagreement, RawAnswer
from chains.evm.client import LogBatch
from chains.evm.rows import LogRow
from chains.types import Address, ChainId

# What was read before this pass, account by account.
Known = Mapping[Address, Sequence[Blocks]]


def in_two_answers(rows: Sequence[LogRow], *, addresses: Collection[Address], known: Known) -> list[LogRow]:
    """Those of which an account that was not asked for here was read before (pure)."""
    asked = set(addresses)
    others = {address: ranges for address, ranges in known.items() if ranges and address not in asked}
    if not others:
        # The usual case, in which nobody should go through hundreds of thousands of rows.
        return []
    return [
        row
        for row in rows
        if (row[4] in others or row[5] in others)
        and any(
            each.first <= row[0] <= each.last
            for party in (row[4], row[5])
            for each in others.get(Address(party), ())
        )
    ]


def overlooked(
    connection: Connection,
    *,
    chain_id: ChainId,
    batch: LogBatch,
    addresses: Collection[Address],
    known: Known,
    node: str,
    now: datetime,
) -> NewDisagreement | None:
    """What to put on record, before this answer is stored."""
    shared = in_two_answers(batch.rows, addresses=addresses, known=known)
    if not shared:
        return None
    blocks = Blocks(shared[0][0], shared[-1][0])
    recorded = {
        (each.block.number, each.log_index)
        for each in transfer_store.transfers_touching(
            connection, chain_id=chain_id, addresses=addresses, blocks=blocks, known_at=now
        )
    }
    missed = sorted(row for row in shared if row[:2] not in recorded)
    if not missed:
        return None
    numbers = sorted({row[0] for row in missed})
    return NewDisagreement(
        kind="logs",
        blocks=Blocks(numbers[0], numbers[-1]),
        detail=f"{node} tells of {len(missed)} transfers that an answer about the other party left out",
        says=repr(missed[0]).encode(),
        answers=tuple(
            RawAnswer(node=node, method=each.method, request=each.request, body=each.body)
            for each in batch.answers
        ),
    )
