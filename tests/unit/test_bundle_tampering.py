"""Damage of any kind, at every place: always one VerificationError, and it names the right file."""

from __future__ import annotations

import os
import random
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.evidence.builder import BagBuilder
from app.evidence.errors import CONTAINER
from app.evidence.reader import open_bag
from app.evidence.zipformat import Zip64Rule
from tests.support.bag import (
    COVERED,
    CREATED_ON,
    EVIDENCE_ID,
    LATER,
    UNTIMED,
    build_bag,
    content_ranges,
    rejection,
)

ALL_ZIP64 = Zip64Rule(number_min=10, entries_min=2)
LARGE_BYTES = 200 * 2**20
MEMORY_BYTES_MAX = 32 * 2**20


@contextmanager
def changed_byte(bundle: Path, *, at: int, mask: int) -> Iterator[None]:
    """The byte is another one for a while."""
    with bundle.open("r+b", buffering=0) as stream:
        stream.seek(at)
        byte = stream.read(1)
        stream.seek(at)
        stream.write(bytes([byte[0] ^ mask]))
        yield
        stream.seek(at)
        stream.write(byte)


def expected_owner(bundle: Path) -> dict[int, str]:
    """Whose content each byte is; bytes of the zip itself are in nobody's."""
    return {at: path for path, place in content_ranges(bundle).items() for at in place}


def test_every_byte_counts_and_the_file_it_lies_in_is_named(tmp_path: Path) -> None:
    bundle = build_bag(tmp_path)
    owner, chance = expected_owner(bundle), random.Random(20261121)
    assert len(owner) > 2000
    for at in range(bundle.stat().st_size):
        with changed_byte(bundle, at=at, mask=chance.choice((1, 2, 32, 128, chance.randint(1, 255)))):
            error = rejection(bundle)
        assert error.file == owner.get(at, CONTAINER), (at, error)
    open_bag(bundle).close()


def test_every_byte_of_zip64_headers_counts(tmp_path: Path) -> None:
    bundle = build_bag(tmp_path, zip64=ALL_ZIP64)
    owner, chance = expected_owner(bundle), random.Random(20261122)
    for at in set(range(bundle.stat().st_size)) - owner.keys():
        with changed_byte(bundle, at=at, mask=chance.choice((1, 2, 32, 128, chance.randint(1, 255)))):
            error = rejection(bundle, zip64=ALL_ZIP64)
        assert error.file == CONTAINER, (at, error)
    open_bag(bundle, zip64=ALL_ZIP64).close()


def test_random_bytes_of_a_larger_bundle(tmp_path: Path) -> None:
    chance = random.Random(7)
    large = {
        f"data/providers/{number:06d}.request.json": chance.randbytes(chance.randint(0, 9000))
        for number in range(2, 100)
    }
    bundle = build_bag(tmp_path, covered=COVERED | large)
    owner = expected_owner(bundle)
    for at in chance.sample(range(bundle.stat().st_size), 200):
        with changed_byte(bundle, at=at, mask=chance.randint(1, 255)):
            assert rejection(bundle).file == owner.get(at, CONTAINER), at


def test_cut_off_anywhere(tmp_path: Path) -> None:
    bundle = build_bag(tmp_path)
    for length in reversed(range(bundle.stat().st_size)):
        os.truncate(bundle, length)
        assert rejection(bundle).file == CONTAINER, length


def test_a_content_cut_off_or_longer_than_the_file_is_told_before_it_is_read(tmp_path: Path) -> None:
    bundle = build_bag(tmp_path)
    os.truncate(bundle, content_ranges(bundle)["data/ledger.json"].stop - 1)
    assert rejection(bundle).reason == "ends within data/ledger.json"


def test_a_byte_taken_out_or_put_in_anywhere(tmp_path: Path) -> None:
    bundle = build_bag(tmp_path)
    data, victim, chance = bundle.read_bytes(), tmp_path / "victim.zip", random.Random(3)
    for at in range(0, len(data), 5):
        victim.write_bytes(data[:at] + data[at + 1 :])
        rejection(victim)
        victim.write_bytes(data[:at] + chance.randbytes(1) + data[at:])
        rejection(victim)


@pytest.mark.parametrize("tail", [b"\x00", b"\n", b"PK\x05\x06" + bytes(18), bytes(70_000)])
def test_nothing_may_follow(tmp_path: Path, tail: bytes) -> None:
    bundle = build_bag(tmp_path)
    bundle.write_bytes(bundle.read_bytes() + tail)
    assert rejection(bundle).file == CONTAINER


def test_nothing_may_go_before_and_two_bundles_are_none(tmp_path: Path) -> None:
    bundle = build_bag(tmp_path)
    data = bundle.read_bytes()
    for other in (b"#!/bin/sh\n" + data, data + data, data[: len(data) // 2] + data):
        bundle.write_bytes(other)
        assert rejection(bundle).file == CONTAINER


def test_the_zip64_form_of_a_bundle_that_needs_none_is_rejected(tmp_path: Path) -> None:
    assert rejection(build_bag(tmp_path, zip64=ALL_ZIP64)).file == CONTAINER


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "victim.zip"


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return build_bag(tmp_path_factory.mktemp("good")).read_bytes()


@UNTIMED
@given(
    data=st.binary(max_size=10_000), head=st.sampled_from([b"", b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"])
)
@example(data=b"\xff" * 10_000, head=b"PK\x03\x04")
@example(data=bytes(10_000), head=b"PK\x03\x04")
def test_garbage_is_rejected(victim: Path, data: bytes, head: bytes) -> None:
    victim.write_bytes(head + data)
    assert rejection(victim).file == CONTAINER


@UNTIMED
@given(data=st.data())
def test_any_splice_of_a_good_bundle_is_rejected(victim: Path, good: bytes, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(good)))
    end = data.draw(st.integers(start, len(good)))
    piece = data.draw(
        st.binary(max_size=64) | st.integers(0, len(good) - 64).map(lambda at: good[at : at + 64])
    )
    spliced = good[:start] + piece + good[end:]
    if spliced != good:
        victim.write_bytes(spliced)
        rejection(victim)


def test_memory_stays_flat_for_a_large_file(tmp_path: Path) -> None:
    source = tmp_path / "large"
    source.touch()
    with source.open("r+b") as stream:
        stream.truncate(LARGE_BYTES)
    tracemalloc.start()
    try:
        builder = BagBuilder(folder=tmp_path / "staging", evidence_id=EVIDENCE_ID)
        for path, data in (COVERED | LATER).items():
            if path != "data/ledger.json":
                builder.add_bytes(path, data)
        builder.add_file("data/ledger.json", source)
        builder.seal_manifest()
        target = tmp_path / "b.zip"
        builder.finish(created_on=CREATED_ON, target=target)
        builder.finish(created_on=CREATED_ON, target=target)
        with open_bag(target) as bag:
            assert bag.size("data/ledger.json") == LARGE_BYTES
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MEMORY_BYTES_MAX
