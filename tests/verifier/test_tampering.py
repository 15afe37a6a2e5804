"""One byte changed anywhere in the real bundle, or one value anywhere in what it says."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app import canonical
from app.verifier.verdict import ACCEPTED, REJECTED
from app.verifier.verify import verify
from tests.journeys.played import Played
from tests.support.bag import content_ranges
from tests.verifier.forger import CASE, LEDGER, REPORT, REQUESTS, VERIFY, Forger
from tests.verifier.judging import judged

SEED = 20260615
FLIPS = 200
STRUCTURE_FLIPS = 1_000
MUTATIONS = 400


def flipped(data: bytes, at: int, mask: int, into: Path) -> Path:
    content = bytearray(data)
    content[at] ^= mask
    into.write_bytes(content)
    return into


def demand_named_rejection(played: Played, bundle: Path) -> str:
    verdict = verify(bundle=bundle, case=played.case, anchors=(played.anchor,))
    assert verdict.exit_code == REJECTED
    assert verdict.file
    assert verdict.reason
    return verdict.file


@pytest.fixture(scope="module")
def good(played: Played) -> bytes:
    return played.bundle.read_bytes()


def test_200_random_bytes_are_rejected(played: Played, good: bytes, tmp_path: Path) -> None:
    """Each with a file named: the one it lies in, where it lies in the content of one."""
    chance = random.Random(SEED)
    ranges = content_ranges(played.bundle)
    for _ in range(FLIPS):
        at, mask = chance.randrange(len(good)), chance.randrange(1, 256)
        inside = [name for name, span in ranges.items() if at in span]
        named = demand_named_rejection(played, flipped(good, at, mask, tmp_path / "x.zip"))
        assert named == (inside[0] if inside else "<container>"), f"byte {at}, mask {mask}"


def test_bytes_of_the_zip_itself_are_rejected(played: Played, good: bytes, tmp_path: Path) -> None:
    """Headers, names, directory, end record: what a lenient reader would pass over."""
    chance = random.Random(SEED)
    inside = {at for span in content_ranges(played.bundle).values() for at in span}
    structure = [at for at in range(len(good)) if at not in inside]
    assert len(structure) > 5_000
    for at in chance.sample(structure, STRUCTURE_FLIPS):
        mask = chance.randrange(1, 256)
        named = demand_named_rejection(played, flipped(good, at, mask, tmp_path / "x.zip"))
        assert named == "<container>" or named.startswith(("data/", "VERIFY.md", "bag", "manifest", "tag"))


def test_cut_grown_and_doubled_bundles_are_rejected(played: Played, good: bytes, tmp_path: Path) -> None:
    bundle = tmp_path / "x.zip"
    cuts = [0, 1, 30, len(good) // 2, len(good) - 23, len(good) - 1]
    for content in (*(good[:cut] for cut in cuts), good + b"\0", b"\0" + good, good + good):
        bundle.write_bytes(content)
        demand_named_rejection(played, bundle)


# -- one value anywhere, and the whole bundle sealed again


STRANGE: list[Any] = [
    None,
    True,
    False,
    0,
    1,
    -1,
    2**53 - 1,
    "",
    "0",
    "0x",
    "0x" + "f" * 64,
    "9" * 78,
    "\x00",
    "\u202e",
    "9999-12-31T23:59:59Z",
    "0001-01-01T00:00:00Z",
    "eip155:1",
    [],
    {},
    [[]],
    {"": None},
]


def places(value: Any, way: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The way to every value below the root."""
    children: Iterator[tuple[str | int, Any]] = iter(())
    if isinstance(value, dict):
        children = iter(value.items())
    elif isinstance(value, list):
        children = enumerate(value)
    for step, child in children:
        yield (*way, step)
        yield from places(child, (*way, step))


def mutated(value: Any, *, chance: random.Random) -> Any:
    """Replaced, removed or doubled, somewhere."""
    way = chance.choice(list(places(value)))
    place: Any = value
    for step in way[:-1]:
        place = place[step]
    child = place[way[-1]]
    deed = chance.choice(["replace", "replace", "replace", "remove", "double"])
    if deed == "remove":
        del place[way[-1]]
    elif deed == "double" and isinstance(place, list):
        place.append(child)
    else:
        place[way[-1]] = chance.choice(STRANGE)
    return value


def json_files(forger: Forger) -> list[str]:
    return sorted(path for path in forger.files if path not in {VERIFY, REPORT})


@pytest.mark.parametrize("part", range(4))
def test_no_value_anywhere_can_be_replaced(
    original: Forger, played: Played, tmp_path: Path, part: int
) -> None:
    """Never accepted but as the very same bundle, never ended by anything but a verdict."""
    chance = random.Random(SEED + part)
    files = json_files(original)
    for round_ in range(MUTATIONS // 4):
        forger = original.copy()
        path = chance.choice([CASE, REQUESTS, LEDGER, *files])
        forger.files[path] = _text(mutated(forger.json(path), chance=chance), like=path)
        verdict = judged(forger, tmp_path / str(round_), anchor=played.anchor)
        if forger.files[path] != original.files[path] and not _is_free(path, forger, original):
            assert verdict.exit_code == REJECTED, f"{path} {forger.files[path][:2000]!r}"
            assert verdict.file
            assert verdict.reason


def _text(value: Any, *, like: str) -> bytes:
    """A raw answer need not be canonical; a node writes it as it likes."""
    if like.endswith((".answer.json", ".request.json")):
        return json.dumps(value, separators=(",", ":")).encode()
    return canonical.dumps(value)


def _is_free(path: str, forger: Forger, original: Forger) -> bool:
    """Fields of a raw answer that nothing is read from, and of a case that nothing is computed from."""
    if path.endswith(".answer.json"):
        return bool(_read_from(forger.json(path)) == _read_from(original.json(path)))
    return path == CASE and _follows_alike(forger, original)


_READ = {
    "jsonrpc", "id", "result", "error", "number", "hash", "timestamp", "parentHash", "address", "topics",
    "data", "blockHash", "blockNumber", "transactionHash", "logIndex", "removed",
}  # fmt: skip


def _read_from(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _read_from(each) for name, each in value.items() if name in _READ}
    return [_read_from(each) for each in value] if isinstance(value, list) else value


def _follows_alike(forger: Forger, original: Forger) -> bool:
    """A question that differs only in what nobody computes from, such as a name."""
    follower = forger.copy()
    try:
        follower.follow()
    except (ValueError, AssertionError):
        return False
    return all(follower.files[path] == original.files[path] for path in (LEDGER, VERIFY))


def test_the_mutations_can_be_accepted(original: Forger, played: Played, tmp_path: Path) -> None:
    """Sealed again without any, the same way, the bundle holds: or the test above would show nothing."""
    assert judged(original.copy(), tmp_path, anchor=played.anchor).exit_code == ACCEPTED
