"""data/providers/: the requests that sealing sent and the raw answers, exactly as they crossed the wire.

`Annex P` of the provider-reported sentence is data/providers/requests.json. Pure: builds and reads the
index; which answers a case needs is for the verifier to check. Standard library only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.assessment.values import Reading
from app.canonical import Json
from app.clock import to_rfc3339
from app.evidence.shape import Shape, ShapeError
from chains.types import ChainId

REQUESTS = "data/providers/requests.json"
CHOSEN_BY = "the operator"
REQUESTS_MAX = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request to one endpoint. `error` says why there is no answer; then the files may be missing.

    `endpoint` is the URL without credentials, path and query, with its position among the chain's nodes.
    """

    number: int
    chain: ChainId
    endpoint: str
    position: int
    method: str
    asked_at: datetime
    error: str | None

    @property
    def request_path(self) -> str:
        return f"data/providers/{self.number:06d}.request.json"

    @property
    def answer_path(self) -> str:
        return f"data/providers/{self.number:06d}.answer.json"

    @property
    def asked(self) -> tuple[ChainId, int]:
        """The endpoint's identity: a chain, and its place in that chain's list of nodes."""
        return (self.chain, self.position)


def exchanges_document(exchanges: Sequence[Exchange]) -> list[Json]:
    return [
        {
            "number": each.number,
            "chain": str(each.chain),
            "endpoint": each.endpoint,
            "position": each.position,
            "method": each.method,
            "asked_at": to_rfc3339(each.asked_at),
            "error": each.error,
        }
        for each in exchanges
    ]


def parse_exchanges(value: Json) -> list[Exchange]:
    """Numbered from 1 without gaps, the endpoints of a chain from 0. Raises ShapeError."""
    exchanges: list[Exchange] = []
    urls: dict[tuple[ChainId, int], str] = {}
    for expected, shape in enumerate(Shape(value).items(most=REQUESTS_MAX), start=1):
        number, chain, endpoint, position, method, asked_at, error = shape.fields(
            "number", "chain", "endpoint", "position", "method", "asked_at", "error"
        )
        number.exactly(expected)
        exchanges.append(
            Exchange(
                number=expected,
                chain=chain.parsed(ChainId.parse),
                endpoint=endpoint.text(most=500),
                position=position.integer(most=1000),
                method=method.text(most=100),
                asked_at=asked_at.instant(),
                error=error.none_or(Shape.text),
            )
        )
        # Endpoints are counted in the sentence, so each has to be one.
        if urls.setdefault(exchanges[-1].asked, exchanges[-1].endpoint) != exchanges[-1].endpoint:
            msg = "two names for one endpoint"
            raise endpoint.wrong(msg)
    if any(at > 0 and (of_chain, at - 1) not in urls for of_chain, at in urls):
        raise ShapeError(pointer="", reason="the endpoints are not numbered from 0 without gaps")
    return exchanges


def reading_of(exchanges: Sequence[Exchange], *, operator: str, relation: str) -> Reading:
    """The numbers of the provider-reported sentence. An endpoint failed if one of its requests did.

    Sealing stops where an endpoint returns other events than were read, so that none is counted here.
    """
    endpoints = {each.asked for each in exchanges}
    failed = {each.asked for each in exchanges if each.error is not None}
    return Reading(
        started_at=min(each.asked_at for each in exchanges),
        finished_at=max(each.asked_at for each in exchanges),
        requests=len(exchanges),
        agreed=len(endpoints - failed),
        differed=0,
        failed=len(failed),
        operator=operator,
        relation=relation,
        chosen_by=CHOSEN_BY,
    )
