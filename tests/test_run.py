"""`./run` and what it sets up with: the parts that need no network."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tools import get_anvil
from tools.environment import LOCKS, Environment, call, stamp
from tools.lock import LockFailed, check_addresses, entries, without
from tools.npm_package import DownloadFailed, Pin, WrongDigest, extract

ROOT = Path(__file__).resolve().parent.parent
WORD_SECONDS_MAX = 60


def run_word(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "run"), *words],
        capture_output=True,
        text=True,
        timeout=WORD_SECONDS_MAX,
        check=False,
    )


def tarball(name: str, content: bytes) -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w:gz") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return held.getvalue()


def pin_of(data: bytes) -> Pin:
    sha512 = base64.b64encode(hashlib.sha512(data).digest()).decode()
    return Pin(name="thing", version="1.0", sha512=sha512, member="package/bin/thing")


# -- the words


def test_help_names_every_word() -> None:
    done = run_word("help")
    assert done.returncode == 0
    for word in ("demo", "test", "check", "bench", "contracts", "long"):
        assert f"./run {word}" in done.stdout
    assert run_word().returncode == 2


def test_an_unknown_benchmark_gets_the_list_of_those_there_are() -> None:
    done = run_word("bench", "no-such-benchmark")
    assert done.returncode == 2
    assert done.stderr.startswith("benchmarks: ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [("long", "more"), ("check", "more"), ("contracts", "--chekc")])
def test_what_is_not_there_is_said_and_is_no_success(words: tuple[str, ...]) -> None:
    done = run_word(*words)
    assert done.returncode == 2
    assert done.stderr.strip()
    assert "Traceback" not in done.stderr


# -- the venv


def test_a_stamp_changes_with_whatever_the_packages_were_made_from() -> None:
    made = stamp(lock=b"one", root=ROOT, python=(3, 11))
    assert made == stamp(lock=b"one", root=ROOT, python=(3, 11))
    others = {
        stamp(lock=b"two", root=ROOT, python=(3, 11)),
        stamp(lock=b"one", root=ROOT / "moved", python=(3, 11)),
        stamp(lock=b"one", root=ROOT, python=(3, 12)),
    }
    assert len(others) == 3
    assert made not in others


def finished(root: Path) -> Environment:
    """A working copy whose venv looks finished, without anything in it."""
    here = Environment(root=root)
    (root / "tools").mkdir()
    for lock in LOCKS.values():
        (root / lock).write_text("thing==1.0\n")
    here.python.parent.mkdir(parents=True)
    here.python.symlink_to(sys.executable)
    for name in LOCKS:
        made_from = (root / LOCKS[name]).read_bytes()
        (here.folder / f"stamp-{name}").write_text(
            stamp(lock=made_from, root=root, python=sys.version_info[:2])
        )
    return here


def test_what_is_ready_is_not_made_again(tmp_path: Path) -> None:
    here = finished(tmp_path)
    assert here.missing(["app", "node", "test"]) == []
    (tmp_path / LOCKS["test"]).write_text("thing==2.0\n")
    assert here.missing(["app", "node"]) == []
    assert here.missing(["app", "test"]) == ["test"]
    (here.folder / "stamp-node").unlink()
    assert here.missing(["app", "node"]) == ["node"]


def test_what_was_interrupted_is_made_again_whole(tmp_path: Path) -> None:
    here = finished(tmp_path)
    (here.folder / "unfinished").touch()
    assert here.missing(["app", "test"]) == ["app", "test"]


def test_a_venv_whose_python_is_gone_is_made_again(tmp_path: Path) -> None:
    here = finished(tmp_path)
    here.python.unlink()
    here.python.symlink_to(tmp_path / "uninstalled")
    assert here.missing(["test"]) == ["app", "test"]


def test_a_new_venv_is_empty_and_not_taken_for_ready(tmp_path: Path) -> None:
    here = finished(tmp_path)
    here.make(with_pip=False)
    assert here.python.exists()
    assert here.missing(["app"]) == ["app"]


def test_a_command_that_fails_is_quoted() -> None:
    environment = dict(os.environ)
    assert call([sys.executable, "-c", "pass"], environment=environment) is None
    said = call(
        [sys.executable, "-c", "import sys; sys.exit('no route to anywhere')"], environment=environment
    )
    assert said == "no route to anywhere"
    assert call([sys.executable, "-c", "raise SystemExit(4)"], environment=environment) == "exit code 4"
    assert "No such file" in str(call(["/nowhere/at-all"], environment=environment))


# -- the locks


@pytest.mark.parametrize(
    "lock", ["requirements.lock", "tools/test.lock", "tools/node.lock", "tools/installer.lock"]
)
def test_every_locked_line_is_pinned_and_hashed_and_holds_no_address(lock: str) -> None:
    text = (ROOT / lock).read_text("utf-8")
    check_addresses(text)
    assert entries(text)
    for entry in entries(text):
        assert "==" in entry.partition("\n")[0]
        assert "--hash=sha256:" in entry


def test_the_locks_name_one_version_each() -> None:
    versions: dict[str, set[str]] = {}
    for lock in LOCKS.values():
        for entry in entries((ROOT / lock).read_text("utf-8")):
            name, _, rest = entry.partition("==")
            versions.setdefault(name, set()).add(rest.split()[0])
    assert {name for name, found in versions.items() if len(found) > 1} == set()


@pytest.mark.parametrize(
    "line", ["--index-url https://a.example", "-e .", "thing @ file:///a", "thing==1 # https://a"]
)
def test_a_lock_with_an_address_is_refused(line: str) -> None:
    with pytest.raises(LockFailed, match="address"):
        check_addresses(f"good==1.0 \\\n    --hash=sha256:00\n{line}\n")


def test_a_second_lock_does_not_repeat_the_first() -> None:
    first = "a==1 \\\n    --hash=sha256:00\nb==1 ; sys_platform == 'win32' \\\n    --hash=sha256:01\n"
    second = "a==1 \\\n    --hash=sha256:00\nb==1 \\\n    --hash=sha256:01\n"
    assert without(second, first) == "b==1 \\\n    --hash=sha256:01\n"


# -- the test node's package


def test_the_pinned_tarball_gives_its_file() -> None:
    data = tarball("package/bin/thing", b"program")
    assert extract(data, pin=pin_of(data)) == b"program"


@pytest.mark.parametrize("at", [0, 20, -1])
def test_a_tarball_with_one_changed_byte_is_refused(at: int) -> None:
    data = bytearray(tarball("package/bin/thing", b"program"))
    pin = pin_of(bytes(data))
    data[at] ^= 1
    with pytest.raises(WrongDigest) as caught:
        extract(bytes(data), pin=pin)
    assert caught.value.package == "thing@1.0"
    assert caught.value.expected == pin.sha512
    assert caught.value.actual != pin.sha512


@pytest.mark.parametrize(("name", "content"), [("package/bin/other", b"program"), ("package/bin/thing", b"")])
def test_a_tarball_without_the_file_is_refused(name: str, content: bytes) -> None:
    data = tarball(name, content)
    with pytest.raises(DownloadFailed):
        extract(data, pin=pin_of(data))


def test_a_system_without_a_pinned_anvil_is_told_what_to_do() -> None:
    assert get_anvil.pin(system="Linux", machine="x86_64").name == "@foundry-rs/anvil-linux-amd64"
    with pytest.raises(get_anvil.NoAnvilHere, match="QUITTANCE_ANVIL"):
        get_anvil.pin(system="Plan9", machine="mips")


def test_an_anvil_of_ones_own_is_taken_or_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "anvil"
    monkeypatch.setenv(get_anvil.ENVIRONMENT, str(own))
    with pytest.raises(get_anvil.NoAnvilHere, match="not a program"):
        get_anvil.ensure()
    own.write_text("#!/bin/sh\n")
    with pytest.raises(get_anvil.NoAnvilHere, match="not a program"):
        get_anvil.ensure()
    own.chmod(0o755)
    assert get_anvil.ensure() == own
