"""The trees of npm packages that the other test nodes are made of: the parts that need no network."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import platform
import re
import tarfile
from pathlib import Path

import pytest

from tools import npm_tree
from tools.lock_tree import entries
from tools.npm_package import DownloadFailed, PackageError, Pin, by_pin, unpack
from tools.npm_tree import NoTreeHere, package_name, present, read_tree

NAMES = sorted(path.stem for path in npm_tree.TREES.glob("*.json"))


def tarball(name: str) -> tuple[bytes, Pin]:
    held = io.BytesIO()
    content = f'{{"name": "{name}"}}'.encode()
    with tarfile.open(fileobj=held, mode="w:gz") as archive:
        member = tarfile.TarInfo("package/package.json")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    data = held.getvalue()
    sha512 = base64.b64encode(hashlib.sha512(data).digest()).decode()
    return data, Pin(name=name, version="1.0", sha512=sha512)


def test_both_nodes_are_pinned() -> None:
    assert NAMES == ["ganache", "hardhat"]


@pytest.mark.parametrize("name", NAMES)
def test_every_package_is_pinned_by_its_digest_and_no_address_is_written(name: str) -> None:
    assert "://" not in (npm_tree.TREES / f"{name}.json").read_text("ascii")
    tree = read_tree(name)
    assert tree.system == "linux-x86_64-glibc"
    for path, pin in tree.packages.items():
        assert path.endswith(f"node_modules/{pin.name}")
        assert re.fullmatch(r"[0-9]+\.[0-9]+\.[0-9]+[-.0-9A-Za-z]*", pin.version)
        assert len(base64.b64decode(pin.sha512, validate=True)) == 64


def test_the_native_part_of_hardhat_is_among_its_packages() -> None:
    """npm counts it as optional: without it everything is fetched, and nothing starts."""
    assert "node_modules/@nomicfoundation/edr-linux-x64-gnu" in read_tree("hardhat").packages


def test_tarballs_are_known_by_their_digest_alone() -> None:
    (one, pin), (two, other) = tarball("one"), tarball("@scope/two")
    assert by_pin([pin, other], tarballs=[two, one]) == {pin: one, other: two}
    changed = bytes([*one[:-1], one[-1] ^ 1])
    with pytest.raises(DownloadFailed, match=r"one@1\.0"):
        by_pin([pin, other], tarballs=[two, changed])
    with pytest.raises(DownloadFailed, match=r"@scope/two@1\.0"):
        by_pin([pin, other], tarballs=[one])


def test_a_package_may_lie_inside_another(tmp_path: Path) -> None:
    for path, name in (("node_modules/one", "one"), ("node_modules/one/node_modules/@scope/two", "two")):
        data, pin = tarball(name)
        unpack(data, pin=pin, folder=tmp_path / path)
    inner = tmp_path / "node_modules/one/node_modules/@scope/two/package.json"
    assert json.loads(inner.read_text())["name"] == "two"
    assert (tmp_path / "node_modules/one/package.json").is_file()


def test_a_place_names_its_package() -> None:
    assert package_name("node_modules/a") == "a"
    assert package_name("node_modules/a/node_modules/@scope/b") == "@scope/b"


@pytest.mark.parametrize(
    "path",
    ["", "a", "/node_modules/a", "node_modules/", "node_modules/../node_modules/a", "node_modules/a/b/c"],
)
def test_a_place_outside_the_tree_is_refused(path: str) -> None:
    with pytest.raises(PackageError, match="no place"):
        package_name(path)


def test_a_lock_keeps_places_versions_and_digests() -> None:
    listed = {
        "node_modules/a": {"version": "1.0.0", "integrity": "sha512-QUFB", "resolved": "somewhere"},
        "node_modules/a/node_modules/b": {"version": "2.0.0", "inBundle": True},
        "node_modules/@types/c": {"version": "3.0.0", "integrity": "sha512-QkJC"},
    }
    found = entries(listed, without=frozenset({"@types/c"}))
    assert found == {"node_modules/a": {"version": "1.0.0", "sha512": "QUFB"}}
    weak = {"node_modules/a": {"version": "1.0.0", "integrity": "sha1-QUFB"}}
    with pytest.raises(DownloadFailed, match="SHA-512"):
        entries(weak, without=frozenset())


def test_a_tree_of_ones_own_is_taken_or_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = read_tree("hardhat")
    monkeypatch.setenv("QUITTANCE_HARDHAT", str(tmp_path))
    with pytest.raises(NoTreeHere, match="holds no node_modules/hardhat"):
        present(tree)
    (tmp_path / "node_modules" / "hardhat").mkdir(parents=True)
    assert present(tree) == tmp_path


def test_another_system_is_told_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = read_tree("hardhat")
    monkeypatch.delenv("QUITTANCE_HARDHAT", raising=False)
    assert present(tree, cache=tmp_path) is None
    tree.folder(tmp_path).mkdir(parents=True)
    assert present(tree, cache=tmp_path) == tree.folder(tmp_path)
    monkeypatch.setattr(platform, "machine", lambda: "mips")
    with pytest.raises(NoTreeHere, match="QUITTANCE_HARDHAT"):
        present(tree, cache=tmp_path)
