"""What a stranger has on any machine must accept an unpacked bundle, and notice a changed one."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app.evidence.zipformat import ZIP64, Zip64Rule
from tests.support.bag import COVERED, FOLDER, build_bag

pytestmark = pytest.mark.system


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    program = shutil.which(command[0])
    assert program is not None, f"{command[0]} is not installed"
    return subprocess.run(
        [program, *command[1:]], cwd=cwd, capture_output=True, text=True, timeout=60, check=False
    )


def bagit_validate(bag: Path) -> subprocess.CompletedProcess[str]:
    return run(sys.executable, "-W", "ignore", "-m", "bagit", "--validate", bag, cwd=bag.parent)


@pytest.fixture(params=[ZIP64, Zip64Rule(number_min=100, entries_min=2)], ids=["plain", "zip64"])
def bundle(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return build_bag(tmp_path, zip64=request.param)


@pytest.fixture
def bag(bundle: Path) -> Path:
    unpacking = run("unzip", "-q", bundle, cwd=bundle.parent)
    assert unpacking.returncode == 0, unpacking
    return bundle.parent / FOLDER


def test_unzip_finds_no_fault(bundle: Path) -> None:
    testing = run("unzip", "-t", bundle, cwd=bundle.parent)
    assert testing.returncode == 0, testing
    assert "No errors detected" in testing.stdout


def test_unzip_gives_plain_readable_files(bag: Path) -> None:
    assert {path: (bag / path).read_bytes() for path in COVERED} == COVERED
    assert (bag / "data/ledger.json").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("manifest", ["manifest-sha256.txt", "tagmanifest-sha256.txt"])
def test_sha256sum_checks_the_manifests(bag: Path, manifest: str) -> None:
    good = run("sha256sum", "--strict", "-c", manifest, cwd=bag)
    assert good.returncode == 0, good
    lines = (bag / manifest).read_text().splitlines()
    assert good.stdout.count(": OK") == len(lines)
    changed = bag / lines[0].split("  ")[1]
    changed.write_bytes(changed.read_bytes() + b" ")
    assert run("sha256sum", "--strict", "-c", manifest, cwd=bag).returncode == 1


def test_bagit_validates_the_bag(bag: Path) -> None:
    good = bagit_validate(bag)
    assert good.returncode == 0, good
    assert "is valid" in good.stderr
    (bag / "data/ledger.json").write_bytes(b'{"applied":"9000"}')
    assert bagit_validate(bag).returncode == 1


def test_bagit_notices_a_file_too_many(bag: Path) -> None:
    (bag / "data/more.json").write_bytes(b"{}")
    assert bagit_validate(bag).returncode == 1
