"""Ganache of this test run's own: no longer maintained, but a third implementation, and still to be met.

It has a clock of its own instead of the time of the next block, and knows no block by its hash (EIP-1898).
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path

from chains.devnode import HOST, DevNode, run_dev_node
from chains.types import BlockRef
from tests.support.anvil import GENESIS_AT
from tools.npm_package import node
from tools.npm_tree import ensure, read_tree

_SCRIPT = Path(__file__).with_suffix(".js")
_LISTENING = re.compile(rb"^Listening on 127\.0\.0\.1:([0-9]{1,5})\s*$", re.MULTILINE)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class GanacheNode(DevNode):
    """The calls that Ganache has under other names."""

    def automines(self) -> bool:
        return True

    def set_next_block_time(self, at: int) -> None:
        """From here on its clock runs, so that the next block may be a second later than that."""
        self.call("evm_setTime", at * 1000)

    def mine(self, blocks: int = 1, *, seconds_apart: int = 1) -> BlockRef:
        at = self.block().time
        for _ in range(blocks):
            at += seconds_apart
            self.call("evm_mine", at)
        self.set_next_block_time(at + 1)
        return self.block()


@contextlib.contextmanager
def ganache(*, timestamp: int = GENESIS_AT) -> Iterator[DevNode]:
    """Start a node whose chain id nobody else uses; stop it at the end."""
    chain_id = 1_000_000_000 + secrets.randbelow(1_000_000_000)
    package = ensure(read_tree("ganache")) / "node_modules" / "ganache"
    ours = {name: text for name, text in os.environ.items() if not name.startswith(("GANACHE_", "NODE_"))}
    with (
        tempfile.TemporaryDirectory(prefix="quittance-ganache-", ignore_cleanup_errors=True) as name,
        run_dev_node(
            command=[str(node()), str(_SCRIPT), str(package), HOST, str(chain_id), str(timestamp)],
            listening=_LISTENING,
            chain_id=chain_id,
            log=Path(name) / "log",
            environment=ours | {"HOME": name, "TMPDIR": name},
            folder=Path(name),
        ) as started,
    ):
        yield GanacheNode(**dataclasses.asdict(started))
