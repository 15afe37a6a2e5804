"""The real bundle with the network cut off, and under the tools that a stranger has."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.journeys.played import ROOT, Played, played_demo

pytestmark = pytest.mark.system

# Fails unless it is cut off: a namespace of its own has nothing but a loopback device that is down.
CUT_OFF = """
import socket, sys
names = [name for _, name in socket.if_nameindex()]
assert names == ["lo"], names
try:
    socket.create_connection(("127.0.0.1", 9), timeout=5)
except OSError as error:
    assert error.errno == 101, error
else:
    raise AssertionError("there is a network")
"""
VERIFY = """
import sys
sys.path.insert(0, sys.argv[1])
from app.verifier.command import main
sys.exit(main(sys.argv[2:]))
"""


@pytest.fixture(scope="session")
def played(anvil_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Played:
    return played_demo(anvil=anvil_path, base=tmp_path_factory.getbasetemp())


def tool(name: str) -> str:
    path = shutil.which(name)
    assert path is not None, f"{name} is not installed"
    return path


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)


def without_network(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    as_whom = [] if os.geteuid() == 0 else ["-r"]
    return run(tool("unshare"), *as_whom, "-n", *command, cwd=cwd)


def verify(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return without_network(sys.executable, "-I", "-c", VERIFY, str(ROOT), *arguments, cwd=cwd)


@pytest.fixture
def bag(played: Played, tmp_path: Path) -> Path:
    unpacking = run(tool("unzip"), "-q", played.bundle, cwd=tmp_path)
    assert unpacking.returncode == 0, unpacking
    return tmp_path / played.bundle.stem


def test_the_network_is_really_cut_off(tmp_path: Path) -> None:
    answer = without_network(sys.executable, "-I", "-c", CUT_OFF, cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr


def test_all_holds_without_a_network(played: Played, tmp_path: Path) -> None:
    answer = verify(played.bundle, "--case", played.case, "--anchor", str(played.anchor), cwd=tmp_path)
    assert answer.returncode == 0, answer
    assert answer.stdout.startswith("All holds: evidence evi_")
    assert answer.stderr == ""


def test_the_other_exit_codes_without_a_network(played: Played, tmp_path: Path) -> None:
    assert verify(played.bundle, cwd=tmp_path).returncode == 4
    (tampered,) = played.folder.rglob("tampered.zip")
    answer = verify(tampered, "--case", played.case, "--json", cwd=tmp_path)
    assert answer.returncode == 1
    assert json.loads(answer.stdout)["file"] == played.document["tampered"]["file"]
    assert verify(cwd=tmp_path).returncode == 2


def test_the_installed_command_without_a_network(played: Played, tmp_path: Path) -> None:
    """`quittance verify`, as `./run` starts it: it loads nothing that would want a network."""
    start = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from app.cli.main import main; main()"
    answer = without_network(
        sys.executable,
        "-c",
        start,
        "verify",
        played.bundle,
        "--case",
        played.case,
        f"--anchor={played.anchor}",
        cwd=tmp_path,
    )
    assert answer.returncode == 0, answer


def test_unzip_finds_no_fault(played: Played, tmp_path: Path) -> None:
    testing = run(tool("unzip"), "-t", played.bundle, cwd=tmp_path)
    assert testing.returncode == 0, testing
    assert "No errors detected" in testing.stdout


@pytest.mark.parametrize("manifest", ["manifest-sha256.txt", "tagmanifest-sha256.txt"])
def test_sha256sum_checks_every_file(bag: Path, manifest: str) -> None:
    checking = run(tool("sha256sum"), "--strict", "-c", manifest, cwd=bag)
    assert checking.returncode == 0, checking
    assert checking.stdout.count(": OK") == len((bag / manifest).read_text("ascii").splitlines())


def test_bagit_validates_the_bag(bag: Path) -> None:
    checking = run(sys.executable, "-W", "ignore", "-m", "bagit", "--validate", bag, cwd=bag.parent)
    assert checking.returncode == 0, checking
    (bag / "data" / "case.json").write_bytes(b"{}")
    again = run(sys.executable, "-W", "ignore", "-m", "bagit", "--validate", bag, cwd=bag.parent)
    assert again.returncode == 1


def test_the_commands_of_verify_md_work_as_they_stand(bag: Path) -> None:
    text = (bag / "VERIFY.md").read_text("utf-8")
    for command in ("sha256sum -c manifest-sha256.txt", "sha256sum -c tagmanifest-sha256.txt"):
        assert f"`{command}`" in text
        assert run("/bin/sh", "-c", command, cwd=bag).returncode == 0
