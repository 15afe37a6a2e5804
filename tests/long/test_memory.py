"""Reading two hundred thousand blocks takes no more memory at the end than near the beginning."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.db import make_engine, upgrade
from chains.devnode import DevNode
from tests.ingest.scene import AGREED_AT, Scene, open_scene, stored, truth
from tests.support.hardhat import hardhat

BLOCKS = 200_000
PASSES = 20
# What the allocator keeps back and what caches of fixed size fill up with; a leak of one small object for
# each block would be more.
GROWTH_MIB_MAX = 16

# In a process of its own, which has nothing else in memory. It reads as far as the chain goes, says how much
# memory it holds, and waits for the next line.
FOLLOW = """
import gc, json, sys
from datetime import UTC, datetime
from app.db import make_engine, reading
from app.ingest.follow import follow_chain
from app.ingest.store.chains import chains
from app.resources import Outside
from chains.guard import EgressPolicy
from chains.rpc import RpcLimits

engine = make_engine(sys.argv[1])
with reading(engine) as connection:
    (chain,) = chains(connection)
outside = Outside(egress=EgressPolicy.parse(sys.argv[2]), limits=RpcLimits())
for _ in sys.stdin:
    report = follow_chain(
        engine=engine, chain=chain, outside=outside, clock=lambda: datetime(2026, 1, 15, tzinfo=UTC)
    )
    gc.collect()
    with open("/proc/self/statm", encoding="ascii") as statm:
        resident_bytes = int(statm.read().split()[1]) * 4096
    said = {"failure": report.failure, "final": report.final_block, "mib": resident_bytes / 2**20}
    print(json.dumps(said), flush=True)
"""


@pytest.fixture
def node() -> Iterator[DevNode]:
    with hardhat() as started:
        yield started


@pytest.mark.long
def test_memory_stays_flat(node: DevNode, tmp_path: Path) -> None:
    """On Hardhat's node, which mines many empty blocks at once and need not keep them."""
    url = f"sqlite:///{tmp_path / 'quittance.db'}"
    upgrade(url)
    engine = make_engine(url)
    scene = open_scene(engine, node)
    scene.record_debt()
    node.set_next_block_time(AGREED_AT)
    node.mine(1)
    held: list[float] = []
    said: dict[str, Any] = {}
    with _start(url, scene) as follower:
        for number in range(PASSES):
            scene.pay(1 + number)
            node.call("hardhat_mine", hex(BLOCKS // PASSES), hex(2))
            said = _pass(follower)
            assert said["failure"] is None
            held.append(float(said["mib"]))
        assert follower.stdin is not None
        follower.stdin.close()
        assert follower.wait(60) == 0
    assert said["final"] > BLOCKS
    assert stored(engine) == truth(node, scene.parties, first=1)
    assert max(held[PASSES // 2 :]) - held[PASSES // 4] < GROWTH_MIB_MAX, held
    engine.dispose()


def _start(url: str, scene: Scene) -> subprocess.Popen[str]:
    allow = scene.node.url.removeprefix("http://")
    return subprocess.Popen(
        [sys.executable, "-c", FOLLOW, url, allow],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
    )


def _pass(follower: subprocess.Popen[str]) -> dict[str, Any]:
    assert follower.stdin is not None
    assert follower.stdout is not None
    follower.stdin.write("\n")
    follower.stdin.flush()
    said: dict[str, Any] = json.loads(follower.stdout.readline())
    return said
