"""Hardhat's node of this test run's own: another implementation than Anvil, written by other people.

It calls its head final (the `finalized` tag answers the newest block), has no eth_getBlockReceipts and no
traces; docs/nodes.md holds what was measured.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from chains.devnode import HOST, DevNode, run_dev_node
from tests.support.anvil import GENESIS_AT
from tools.npm_package import node
from tools.npm_tree import ensure, read_tree

GAS = 10_000_000

_LISTENING = re.compile(rb"JSON-RPC server at http://127\.0\.0\.1:([0-9]{1,5})/")


@contextlib.contextmanager
def hardhat(*, timestamp: int = GENESIS_AT) -> Iterator[DevNode]:
    """Start a node whose chain id nobody else uses; stop it at the end."""
    chain_id = 1_000_000_000 + secrets.randbelow(1_000_000_000)
    tree = ensure(read_tree("hardhat"))
    with tempfile.TemporaryDirectory(prefix="quittance-hardhat-", ignore_cleanup_errors=True) as name:
        project = Path(name)
        (project / "package.json").write_text('{"type": "module"}', "ascii")
        (project / "hardhat.config.js").write_text(_config(chain_id=chain_id, timestamp=timestamp), "ascii")
        (project / "node_modules").symlink_to(tree / "node_modules")
        program = tree / "node_modules" / "hardhat" / "dist" / "src" / "cli.js"
        with run_dev_node(
            command=[str(node()), str(program), "node", "--hostname", HOST, "--port", "0"],
            listening=_LISTENING,
            chain_id=chain_id,
            log=project / "log",
            environment=_environment(home=project),
            folder=project,
        ) as started:
            # It prints every call otherwise, which costs more time than the call.
            started.call("hardhat_setLoggingEnabled", False)
            yield started


def _config(*, chain_id: int, timestamp: int) -> str:
    network = {
        "type": "edr-simulated",
        "chainType": "l1",
        "chainId": chain_id,
        "initialDate": datetime.fromtimestamp(timestamp, UTC).isoformat(),
        # As on a real node, the receipt says that a transaction reverted; the sending does not fail. With
        # "auto" gas it would, when the gas is estimated.
        "throwOnTransactionFailures": False,
        "gas": GAS,
    }
    return f"export default {json.dumps({'networks': {'node': network}})};"


def _environment(*, home: Path) -> dict[str, str]:
    """A home of its own, which keeps its caches there, and no telemetry."""
    ours = {name: text for name, text in os.environ.items() if not name.startswith(("HARDHAT_", "NODE_"))}
    folders = {name: str(home) for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")}
    return ours | folders | {"HARDHAT_DISABLE_TELEMETRY": "true", "NO_COLOR": "1"}
