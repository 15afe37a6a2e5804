"""Answers that contradict each other, with the bytes of both: kept for ever, the same two only once."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.db import insert_new
from app.ids import new_id
from app.ingest.ledger_model import disagreement, disagreement_answer
from app.ingest.ranges import Blocks
from chains.types import ChainId, Hash32

# A node that never says the same twice must not fill the disk: beyond these of a kind only the failure is
# reported. Of each kind, so that quarrels about the newest block leave room for what is hidden in old ones.
KEPT_MAX = 1_000
BODY_BYTES_MAX = 4 * 2**20
DETAIL_CHARS_MAX = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RawAnswer:
    """One side: what was asked of which node, and the bytes that came back."""

    node: str
    method: str
    request: bytes = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDisagreement:
    """`says` is what tells this contradiction from another one of the same kind about the same first block.

    It leaves out what differs each time the question is asked, such as the ids of calls and the range.
    """

    kind: str
    blocks: Blocks
    detail: str
    says: bytes = field(repr=False)
    answers: tuple[RawAnswer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerSide:
    """One side as it is listed: without its bytes."""

    node: str
    method: str
    sha256: Hash32
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    id: str
    kind: str
    blocks: Blocks
    detail: str
    found_at: datetime
    answers: tuple[AnswerSide, ...]


def add_disagreement(
    connection: Connection, *, chain_id: ChainId, new: NewDisagreement, now: datetime
) -> None:
    """Keep it, unless the same one is on record, or too many are."""
    of_kind = sa.select(sa.func.count()).where(
        disagreement.c.chain_id == str(chain_id), disagreement.c.kind == new.kind
    )
    if connection.execute(of_kind).scalar_one() >= KEPT_MAX and not _is_by_another(
        connection, chain_id=chain_id, new=new
    ):
        return
    blocks = f"{new.kind} {new.blocks.first} ".encode()
    row = {
        "id": new_id("dis", now=now),
        "chain_id": str(chain_id),
        "fingerprint": hashlib.sha256(blocks + new.says).digest(),
        "kind": new.kind,
        "first_block": new.blocks.first,
        "last_block": new.blocks.last,
        "detail": new.detail[:DETAIL_CHARS_MAX],
        "found_at": now,
    }
    if not insert_new(connection, disagreement, [row], unique=["chain_id", "fingerprint"]):
        return
    sides = [
        {
            "disagreement_id": row["id"],
            "position": position,
            "node": each.node,
            "method": each.method,
            "sha256": hashlib.sha256(each.body).digest(),
            "size": len(each.body),
            "request": _kept(each.request),
            "body": _kept(each.body),
        }
        # The calls of a batch have one body in common.
        for position, each in enumerate(dict.fromkeys(new.answers))
    ]
    if sides:
        connection.execute(sa.insert(disagreement_answer), sides)


def _is_by_another(connection: Connection, *, chain_id: ChainId, new: NewDisagreement) -> bool:
    """Whether it is the first of its kind by one of its nodes: what one node did never hides another's."""
    known = contradicted_nodes(connection, chain_id=chain_id, kind=new.kind)
    return not known.issuperset(each.node for each in new.answers)


def contradicted_nodes(connection: Connection, *, chain_id: ChainId, kind: str) -> frozenset[str]:
    """The nodes whose answers are in disagreements of this kind."""
    query = (
        sa.select(disagreement_answer.c.node)
        .join(disagreement, disagreement.c.id == disagreement_answer.c.disagreement_id)
        .where(disagreement.c.chain_id == str(chain_id), disagreement.c.kind == kind)
        .distinct()
    )
    return frozenset(connection.execute(query).scalars())


def _kept(body: bytes) -> bytes | None:
    return zlib.compress(body) if len(body) <= BODY_BYTES_MAX else None


def count_disagreements(connection: Connection, *, chain_id: ChainId) -> int:
    query = sa.select(sa.func.count()).where(disagreement.c.chain_id == str(chain_id))
    return int(connection.execute(query).scalar_one())


def disagreements(
    connection: Connection, *, chain_id: ChainId, blocks: Blocks | None = None, limit: int = 100
) -> list[Disagreement]:
    """The newest first, of all blocks or of those that touch the given ones."""
    query = sa.select(disagreement).where(disagreement.c.chain_id == str(chain_id))
    if blocks is not None:
        query = query.where(
            disagreement.c.first_block <= blocks.last, disagreement.c.last_block >= blocks.first
        )
    rows = connection.execute(query.order_by(disagreement.c.id.desc()).limit(limit)).all()
    sides = _sides(connection, [row.id for row in rows])
    return [
        Disagreement(
            id=row.id,
            kind=row.kind,
            blocks=Blocks(row.first_block, row.last_block),
            detail=row.detail,
            found_at=row.found_at,
            answers=tuple(sides.get(row.id, ())),
        )
        for row in rows
    ]


def _sides(connection: Connection, ids: Sequence[str]) -> dict[str, list[AnswerSide]]:
    answer = disagreement_answer.c
    query = (
        sa.select(answer.disagreement_id, answer.node, answer.method, answer.sha256, answer.size)
        .where(answer.disagreement_id.in_(ids))
        .order_by(answer.disagreement_id, answer.position)
    )
    found: dict[str, list[AnswerSide]] = {}
    for row in connection.execute(query):
        side = AnswerSide(node=row.node, method=row.method, sha256=row.sha256, size=row.size)
        found.setdefault(row.disagreement_id, []).append(side)
    return found


def raw_answers(connection: Connection, *, disagreement_id: str) -> list[RawAnswer]:
    """The bytes of both sides, empty where they were too many to keep."""
    query = (
        sa.select(disagreement_answer)
        .where(disagreement_answer.c.disagreement_id == disagreement_id)
        .order_by(disagreement_answer.c.position)
    )
    return [
        RawAnswer(
            node=row.node,
            method=row.method,
            request=b"" if row.request is None else zlib.decompress(row.request),
            body=b"" if row.body is None else zlib.decompress(row.body),
        )
        for row in connection.execute(query)
    ]
