"""What both questions ask of an endpoint: a guarded connection, its chain, its final block, its tokens.

A failure becomes a sentence with the endpoint's name and, where the guard refused, with the way to allow it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from app.assessment.inflow_values import Endpoint, TokenShown
from app.ingest.nodes import open_node
from app.inquiry.sources import Source
from app.resources import Outside
from chains.errors import (
    BadAnswer,
    ChainError,
    EgressBlocked,
    NodeError,
    NodeRateLimited,
    NodeTimeout,
    NodeUnreachable,
    RpcError,
)
from chains.evm.client import EvmClient
from chains.evm.token import read_token
from chains.types import AssetId, BlockRef

TOKENS_MAX = 50
_SILENCES_MAX = 3


class TimeUp(ChainError):
    """The question has used the time that it may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """When to stop asking; what was read until then stays."""

    monotonic: Callable[[], float]
    at: float
    seconds: int

    def demand(self) -> None:
        if self.monotonic() >= self.at:
            msg = f"the time limit of {self.seconds} s was reached (--max-seconds)"
            raise TimeUp(msg)


@contextmanager
def opened(source: Source, url: str, *, outside: Outside) -> Iterator[EvmClient]:
    with open_node(url=url, chain=source.chain, egress=outside.egress, limits=outside.limits) as client:
        yield client


def final_block(client: EvmClient, source: Source) -> BlockRef:
    """The endpoint's newest final block, once its chain is the right one."""
    client.check_chain()
    try:
        return client.finalized(source.finality)
    except RpcError as error:
        if source.finality.method == "depth":
            raise
        hint = "If it has no `finalized` tag, give --confirmations"
        detail = f"{error.detail} when asked for its final block. {hint}"
        raise BadAnswer(node=client.rpc.node, detail=detail) from error


def said(error: ChainError, *, endpoint: Endpoint) -> str:
    """A failure as a sentence's end: the label of the endpoint is told by whoever prints it."""
    detail = error.detail if isinstance(error, NodeError) else str(error)
    if isinstance(error, EgressBlocked):
        return f"{detail}. To allow it, set QUITTANCE_EGRESS_ALLOW={_allow_rule(endpoint.url)}"
    return detail


def _allow_rule(url: str) -> str:
    """The redacted URL as an entry of the allow list."""
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return "host:port"
    return f"{parts.hostname or 'host'}:{port}"


def read_tokens(
    client: EvmClient, assets: Sequence[AssetId], *, block: BlockRef, deadline: Deadline
) -> dict[AssetId, TokenShown]:
    """Symbol and decimals of some contracts. One that can't be asked is left out: base units are shown."""
    found: dict[AssetId, TokenShown] = {}
    silences = 0
    for asset in assets[:TOKENS_MAX]:
        if asset.contract is None:
            continue
        try:
            deadline.demand()
            facts = read_token(client, asset.contract, block)
        except (NodeTimeout, NodeUnreachable, NodeRateLimited):
            # Anybody can deploy contracts that keep a node busy.
            silences += 1
            if silences == _SILENCES_MAX:
                break
        except TimeUp:
            break
        except NodeError:
            continue
        else:
            found[asset] = TokenShown(symbol=facts.symbol, decimals=facts.decimals)
    return found
