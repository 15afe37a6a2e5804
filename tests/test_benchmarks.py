"""The benchmarks run, and store what the chain has. No time is asserted: that is the machine's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tools import get_anvil

ROOT = Path(__file__).resolve().parent.parent
SECONDS_MAX = 240
RATIOS = ("raw_ratio", "indexed_ratio", "current_ratio", "watched_ratio", "postgres_ratio")


def test_a_quick_run_of_ingest_prints_its_figures() -> None:
    """It compares what each run stored with what the node answers, and ends with an error if they differ."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.ingest", "--quick", "--json"],
        cwd=ROOT,
        env=os.environ | {get_anvil.ENVIRONMENT: str(get_anvil.ensure())},
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    for name in (*RATIOS, "rss_mib", "cpu_us_per_log"):
        assert figures[name] > 0, name
    assert figures["cryo_ratio"] is None
    assert figures["missing"]
    assert (figures["blocks"], figures["pairs"]) == (65, 1)
    assert figures["transfers"] > figures["watched_transfers"] > 0
    for name in RATIOS:
        assert name.removesuffix("_ratio") in done.stderr
