"""The recorded blocks, read here from their files, and the server that replays them as a node."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import re
import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from chains.devnode import DevNode, run_dev_node
from chains.types import Address, Hash32
from tests.conftest import REAL_BLOCKS
from tests.ingest.scene import TRANSFER_TOPIC, Moved

CHAIN_IDS = {
    "ethereum": 1,
    "optimism": 10,
    "cronos": 25,
    "polygon": 137,
    "base": 8453,
    "arbitrum": 42161,
}
_LISTENING = re.compile(rb"recorded\) on http://127\.0\.0\.1:([0-9]{1,5})\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Adjoining blocks of one chain whose receipts were recorded."""

    chain: str
    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.chain}-{self.first}-{self.last}"


def folder() -> Path:
    return Path(os.environ[REAL_BLOCKS])


@cache
def manifest() -> tuple[dict[str, Any], ...]:
    return tuple(json.loads((folder() / "data" / "manifest.json").read_text("utf-8")))


def spans() -> list[Span]:
    """Every stretch that can be replayed whole: its headers recompute, and its receipts are there."""
    found: list[Span] = []
    for row in sorted(manifest(), key=lambda row: (row["chain"], row["number"])):
        if row["chain"] not in CHAIN_IDS or row["receipts"] is None or not row["checks"].get("header_hash"):
            continue
        chain, number = row["chain"], row["number"]
        if found and (found[-1].chain, found[-1].last) == (chain, number - 1):
            found[-1] = Span(chain=chain, first=found[-1].first, last=number)
        else:
            found.append(Span(chain=chain, first=number, last=number))
    return found


@cache
def recorded(chain: str, number: int) -> Any:
    path = folder() / "data" / "blocks" / chain / f"{number}.json.gz"
    return json.loads(gzip.decompress(path.read_bytes()))


def logs_of(span: Span) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each recorded log of the span, after its block."""
    for number in range(span.first, span.last + 1):
        held = recorded(span.chain, number)
        for receipt in [*held["receipts"], *(held.get("bor") or [])]:
            for log in receipt["logs"]:
                yield held["block"], log


def transfers_of(span: Span) -> list[Moved]:
    """Every ERC-20 Transfer of the span, by the standard's own form and decoded here."""
    found = []
    for block, log in logs_of(span):
        topics = log["topics"]
        if len(topics) != 3 or topics[0] != TRANSFER_TOPIC or len(log["data"]) != 66:
            continue
        if any(topic[2:26] != "0" * 24 for topic in topics[1:]):
            continue
        sender, recipient = (Address.parse("0x" + topic[26:]) for topic in topics[1:])
        found.append(
            Moved(
                block_number=int(block["number"], 16),
                log_index=int(log["logIndex"], 16),
                block_hash=Hash32.parse(block["hash"]),
                block_time=int(block["timestamp"], 16),
                tx_hash=Hash32.parse(log["transactionHash"]),
                contract=Address.parse(log["address"]),
                sender=sender,
                recipient=recipient,
                amount_units=int(log["data"], 16),
            )
        )
    return found


def touching(moved: Collection[Moved], wallets: Collection[Address]) -> set[Moved]:
    return {each for each in moved if each.sender in wallets or each.recipient in wallets}


def wallets_of(moved: Collection[Moved]) -> list[Address]:
    return sorted({account for each in moved for account in (each.sender, each.recipient)})


@contextlib.contextmanager
def replay(span: Span, *faults: str, log: Path) -> Iterator[DevNode]:
    """The server that comes with the blocks, on a port that the system picks."""
    words: Sequence[str] = ("--chain", span.chain, "--from", str(span.first), "--to", str(span.last))
    with run_dev_node(
        command=[sys.executable, str(folder() / "serve.py"), *words, "--port", "0", *faults],
        listening=_LISTENING,
        chain_id=CHAIN_IDS[span.chain],
        log=log,
        environment=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
    ) as node:
        assert node.call("web3_clientVersion") == f"replay/{span.chain}"
        yield node
