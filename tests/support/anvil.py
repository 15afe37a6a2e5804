"""A test node of this test run's own: the pinned Anvil, a random chain id, a genesis in the past."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator, Sequence

from chains.devnode import DevNode, start_dev_node
from tools import get_anvil

# 2025-06-15 15:06:40 UTC: far enough back that no block of a test is ever later than the wall clock.
GENESIS_AT = 1_750_000_000


@contextlib.contextmanager
def anvil(*, timestamp: int | None = GENESIS_AT, extra: Sequence[str] = ()) -> Iterator[DevNode]:
    """Start a node whose chain id nobody else uses; stop it at the end. Final is two below the head."""
    chain_id = 1_000_000_000 + secrets.randbelow(1_000_000_000)
    with start_dev_node(
        anvil=get_anvil.ensure(), timestamp=timestamp, chain_id=chain_id, extra=extra
    ) as node:
        yield node
