"""Reading two hundred thousand blocks takes no more memory at the end than near the beginning."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.db import make_engine, upgrade
from chains.devnode import DevNode
from tests.ingest.scene import AGREED_AT, Scene, open_scene, stored, truth

# Anvil mines a long chain ever more slowly; a short one read again and again costs the reader as much.
BLOCKS = 2_000
ROUNDS = 100
PAYMENTS = 40
# What the allocator keeps back, and caches of a fixed size; one small object left over for each block
# would be more.
GROWTH_MIB_MAX = 16

# A process of its own, which has nothing else in memory: reads each ledger it is told of to the end of the
# chain, and says how much memory it holds then.
FOLLOW = """
import gc, json, sys
from datetime import UTC, datetime
from app.db import make_engine, reading
from app.ingest.follow import follow_chain
from app.ingest.store.chains import chains
from app.resources import Outside
from chains.guard import EgressPolicy
from chains.rpc import RpcLimits

outside = Outside(egress=EgressPolicy.parse(sys.argv[1]), limits=RpcLimits())
for line in sys.stdin:
    engine = make_engine(line.strip())
    with reading(engine) as connection:
        (chain,) = chains(connection)
    report = follow_chain(
        engine=engine, chain=chain, outside=outside, clock=lambda: datetime(2026, 1, 15, tzinfo=UTC)
    )
    engine.dispose()
    gc.collect()
    with open("/proc/self/statm", encoding="ascii") as statm:
        resident_bytes = int(statm.read().split()[1]) * 4096
    said = {"failure": report.failure, "transfers": report.transfers, "mib": resident_bytes / 2**20}
    print(json.dumps(said), flush=True)
"""


@pytest.mark.long
def test_memory_stays_flat(node: DevNode, tmp_path: Path) -> None:
    ledger, copy = tmp_path / "quittance.db", tmp_path / "copy.db"
    upgrade(f"sqlite:///{ledger}")
    engine = make_engine(f"sqlite:///{ledger}")
    scene = open_scene(engine, node)
    scene.record_debt()
    engine.dispose()
    node.set_next_block_time(AGREED_AT)
    for number in range(PAYMENTS):
        scene.pay(1 + number)
        node.mine(BLOCKS // PAYMENTS, seconds_apart=2)
    held: list[float] = []
    with _follower(scene) as follower:
        for _ in range(ROUNDS):
            shutil.copyfile(ledger, copy)
            said = _round(follower, f"sqlite:///{copy}")
            assert (said["failure"], said["transfers"]) == (None, PAYMENTS)
            held.append(float(said["mib"]))
        assert follower.stdin is not None
        follower.stdin.close()
        assert follower.wait(60) == 0
    engine = make_engine(f"sqlite:///{copy}")
    assert stored(engine) == truth(node, scene.parties, first=node.block().number - BLOCKS - PAYMENTS)
    engine.dispose()
    assert max(held[ROUNDS // 2 :]) - held[ROUNDS // 4] < GROWTH_MIB_MAX, held


def _follower(scene: Scene) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", FOLLOW, scene.node.url.removeprefix("http://")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
    )


def _round(follower: subprocess.Popen[str], ledger: str) -> dict[str, Any]:
    assert follower.stdin is not None
    assert follower.stdout is not None
    follower.stdin.write(ledger + "\n")
    follower.stdin.flush()
    said: dict[str, Any] = json.loads(follower.stdout.readline())
    return said
