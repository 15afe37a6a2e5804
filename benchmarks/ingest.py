"""How fast a chain is read into the store, as a multiple of what fetching the same answers takes at least.

`./run bench ingest [--json] [--quick] [--pairs N] [--without-peers]`. Each run is a fresh process, paired
with a run of the floor; the figures are medians of the ratios. Times alone mean nothing: they are the
machine's. Progress goes to stderr.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from app.db import upgrade
from benchmarks import _fixture, _floor, _peers
from benchmarks._fixture import Fixture
from benchmarks._run import Measured, Work
from chains.devnode import DevNode
from chains.evm.transfers import account_topic, transfer_filters
from chains.types import Address
from tests.support.clone import clone_postgres
from tests.support.postgres import fresh_database, postgres_server

PAIRS = 5
RUN_SECONDS_MAX = 600
# Every tenth holder is watched.
WATCHED_EVERY = 10
# What a database holds already that is kept up to date: the blocks in which the holders got their tokens.
FILLED_BLOCKS = 5
# What a server that is not a test's does: a power cut may cost the last moments, and nothing else.
POSTGRESQL = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "off", "max_wal_size": "4GB"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One run and the floor it is measured by."""

    run: Measured
    floor_seconds: float

    @property
    def ratio(self) -> float:
        return self.run.seconds / self.floor_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A node with the fixture, and databases to fill."""

    fixture: Fixture
    node: DevNode
    folder: Path
    server: str
    template: str
    pairs: int

    def work(self, *, database: str = "", first_block: int = 0, index: bool = True) -> Work:
        return Work(
            url=self.node.url,
            port=self.node.port,
            chain_id=self.node.chain_id,
            first_block=first_block,
            last_block=self.fixture.last_block,
            database=database,
            index=index,
        )

    @contextmanager
    def sqlite(self) -> Iterator[str]:
        """The URL of a new database with the tables and nothing in them."""
        with tempfile.TemporaryDirectory(dir=self.folder) as own:
            path = Path(own) / "run.db"
            shutil.copy(self.folder / "template.db", path)
            yield f"sqlite:///{path}"

    @contextmanager
    def postgresql(self) -> Iterator[str]:
        with clone_postgres(self.template, server_url=self.server) as url:
            yield url

    def floor(self, first_block: int = 0) -> float:
        filters = _floor.every_transfer(first_block=first_block, last_block=self.fixture.last_block)
        return _floor.seconds(self.node, filters)

    def accounts(self) -> list[Address]:
        """Those that are watched."""
        return [self.fixture.holder(number) for number in range(0, self.fixture.size.holders, WATCHED_EVERY)]

    # -- what is measured

    def raw(self) -> Pair:
        with self.sqlite() as url:
            return self._pair(self.work(database=url, index=False))

    def indexed(self) -> Pair:
        with self.sqlite() as url:
            return self._pair(self.work(database=url))

    def current(self) -> Pair:
        with self.sqlite() as url:
            return self._pair(self.work(database=url, first_block=FILLED_BLOCKS))

    def postgres(self) -> Pair:
        with self.postgresql() as url:
            return self._pair(self.work(database=url))

    def watched(self) -> Pair:
        """The floor are the very requests that were made."""
        accounts = [
            self.fixture.holder(number) for number in range(0, self.fixture.size.holders, WATCHED_EVERY)
        ]
        with self.sqlite() as url:
            run = _run(replace(self.work(database=url), accounts=[str(account) for account in accounts]))
        filters = [
            each
            for first, last in run.parts
            for each in transfer_filters(addresses=accounts, first_block=first, last_block=last)
        ]
        return Pair(run=run, floor_seconds=_floor.seconds(self.node, filters))

    def _pair(self, work: Work) -> Pair:
        floor = self.floor(work.first_block)
        return Pair(floor_seconds=floor, run=_run(work))


def _run(work: Work) -> Measured:
    command = [sys.executable, "-m", "benchmarks._run", work.dump()]
    done = subprocess.run(
        command, cwd=_fixture.ROOT, stdout=subprocess.PIPE, timeout=RUN_SECONDS_MAX, check=True
    )
    found = json.loads(done.stdout)
    return Measured(**found | {"parts": [(first, last) for first, last in found["parts"]]})


@contextmanager
def prepared(*, size: _fixture.Size, pairs: int) -> Iterator[Bench]:
    fixture = _fixture.build(size)
    with (
        tempfile.TemporaryDirectory(prefix="quittance-bench-") as folder,
        _fixture.running(fixture) as node,
        postgres_server(settings=POSTGRESQL) as server,
        fresh_database(server) as template,
    ):
        upgrade(f"sqlite:///{folder}/template.db")
        upgrade(template)
        yield Bench(
            fixture=fixture, node=node, folder=Path(folder), server=server, template=template, pairs=pairs
        )


def measure(bench: Bench, *, peers: bool) -> dict[str, object]:
    """All figures. A run that stored another number of transfers than there are ends it all."""
    kinds: dict[str, Callable[[], Pair]] = {
        "raw": bench.raw,
        "indexed": bench.indexed,
        "current": bench.current,
        "watched": bench.watched,
        "postgres": bench.postgres,
    }
    pairs: dict[str, list[Pair]] = {name: [] for name in kinds}
    for number in range(bench.pairs):
        # In turn, so that a slow minute of the machine is not one kind's alone.
        for name, kind in kinds.items():
            pair = kind()
            pairs[name].append(pair)
            _say(f"{number + 1}/{bench.pairs} {name}: {pair.ratio:.2f} x {pair.floor_seconds:.2f} s")
    _demand_counts(bench, pairs)
    figures = _figures(bench, pairs)
    return figures | (
        _peer_figures(bench) if peers else {"cryo_ratio": None, "missing": {"peers": "left out"}}
    )


def _figures(bench: Bench, pairs: dict[str, list[Pair]]) -> dict[str, object]:
    ratios = {f"{name}_ratio": _median(pair.ratio for pair in found) for name, found in pairs.items()}
    raw, indexed = pairs["raw"], pairs["indexed"]
    per_log = 1_000_000 / bench.fixture.transfers
    return ratios | {
        "rss_mib": round(max(pair.run.rss_mib for pair in indexed), 1),
        "cpu_us_per_log": _median(pair.run.cpu_seconds * per_log for pair in raw),
        "cpu_us_per_log_indexed": _median(pair.run.cpu_seconds * per_log for pair in indexed),
        "events_per_second": round(bench.fixture.transfers / _median(pair.run.seconds for pair in indexed)),
        "floor_seconds": _median(pair.floor_seconds for pair in (*raw, *indexed)),
        "floor_tool": _floor.tool(),
        "pairs": bench.pairs,
        "transfers": bench.fixture.transfers,
        "watched_transfers": pairs["watched"][0].run.transfers,
        "blocks": bench.fixture.last_block + 1,
        "cores": os.cpu_count(),
        "load_average": round(os.getloadavg()[1], 2),
    }


def _peer_figures(bench: Bench) -> dict[str, object]:
    figures: dict[str, object] = {}
    missing: dict[str, str] = {}
    for peer in _peers.PEERS:
        ratios = []
        try:
            venv = _peers.install(peer)
            for _ in range(1 if peer.is_slow else bench.pairs):
                floor = bench.floor()
                took = _peers.seconds(peer, venv=venv, node=bench.node, fixture=bench.fixture)
                ratios.append(took / floor)
                _say(f"{peer.name}: {ratios[-1]:.2f} x {floor:.2f} s")
        except _peers.PeerMissing as error:
            missing[peer.name] = str(error)
            _say(f"{peer.name} is left out: {error}")
        figures[f"{peer.name}_ratio"] = _median(ratios) if ratios else None
    return figures | {"missing": missing}


def _demand_counts(bench: Bench, pairs: dict[str, list[Pair]]) -> None:
    """Raise unless every run stored what the node answers without any of our code between."""
    last = bench.fixture.last_block
    filters = _floor.every_transfer(first_block=0, last_block=last)
    logs = [log for each in filters for log in bench.node.call("eth_getLogs", each)]
    accounts = {account_topic(account) for account in bench.accounts()}
    true = dict.fromkeys(pairs, len(logs))
    true["watched"] = sum(not accounts.isdisjoint(log["topics"][1:]) for log in logs)
    true["current"] = sum(int(log["blockNumber"], 16) >= FILLED_BLOCKS for log in logs)
    for name, found in pairs.items():
        counts = {pair.run.transfers for pair in found}
        if counts != {true[name]}:
            msg = f"{name} stored {sorted(counts)} transfers; the chain has {true[name]}"
            raise RuntimeError(msg)


def _median(values: Iterable[float]) -> float:
    return round(statistics.median(values), 2)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="./run bench ingest", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument("--quick", action="store_true", help="a small fixture, one pair, no other tools")
    parser.add_argument("--pairs", type=int, default=PAIRS, help=f"how often each is run (default {PAIRS})")
    parser.add_argument("--without-peers", action="store_true", help="leave out web3, ethereum-etl and cryo")
    given = parser.parse_args(arguments)
    size, pairs = (_fixture.SMALL, 1) if given.quick else (_fixture.FULL, max(1, given.pairs))
    with prepared(size=size, pairs=pairs) as bench:
        figures = measure(bench, peers=not (given.quick or given.without_peers))
    if given.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:24} {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
