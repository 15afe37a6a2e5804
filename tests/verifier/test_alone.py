"""A fresh interpreter verifies the bundle: no network, no file of others, nothing of the service loaded."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.journeys.played import ROOT, Played

# Everything is refused that the hook does not know: run with the repo's root, then the verifier's arguments.
SCRIPT = """
import json, os, sys, sysconfig, zoneinfo
root, given = sys.argv[1], sys.argv[2:]
allowed = [os.path.join(root, "app"), os.path.join(root, "chains"), *zoneinfo.TZPATH]
allowed += [sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")]
allowed += [os.path.join(sysconfig.get_path("purelib"), "tzdata")]
allowed += [argument for argument in given if os.path.isabs(argument)]
allowed = [os.path.realpath(path) for path in allowed]
opened = []

def hook(event, arguments):
    if event.startswith(("socket.", "subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.fork",
                         "urllib.", "http.", "ftplib.", "smtplib.", "ctypes.", "webbrowser.", "pty.")):
        raise RuntimeError("refused: " + event)
    if event == "open" and not isinstance(arguments[0], int):
        path = os.path.realpath(os.fsdecode(arguments[0]))
        if not any(path == each or path.startswith(each + os.sep) for each in allowed):
            raise RuntimeError("refused: open " + path)
        if arguments[1] is not None and set("wax+") & set(arguments[1]):
            raise RuntimeError("refused: write " + path)
        opened.append(path)

sys.addaudithook(hook)
sys.path.insert(0, root)
sys.dont_write_bytecode = True
from app.verifier.command import main
code = main(given)
names = set("httpx2 httpx sqlalchemy web3 fastapi dbos pydantic typst eth_utils eth_abi".split())
names |= set("starlette structlog typer rich uvicorn psycopg sqlite3 socket ssl asyncio".split())
print(json.dumps({"code": code, "loaded": sorted(names & set(sys.modules)), "opened": opened}))
"""


def alone(*arguments: str | Path, script: str = SCRIPT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", "-c", script, str(ROOT), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        # A folder `app` or `chains` beside the bundle must not be taken for ours.
        cwd=Path(arguments[0]).parent,
        env={},
    )


@pytest.fixture
def bait(tmp_path: Path, played: Played) -> Path:
    """The bundle, beside a folder of code that a forger put there."""
    bundle = tmp_path / played.bundle.name
    bundle.write_bytes(played.bundle.read_bytes())
    for package in ("app", "chains", "zoneinfo", "json"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("raise SystemExit(0)\n", "utf-8")
    return bundle


def test_it_needs_nothing_but_the_bundle_and_the_case(played: Played, bait: Path) -> None:
    answer = alone(bait, "--case", played.case, "--anchor", str(played.anchor))
    assert answer.returncode == 0, answer.stderr
    assert answer.stderr == ""
    *printed, last = answer.stdout.splitlines()
    report = json.loads(last)
    assert report["code"] == 0, printed
    assert printed[0].startswith("All holds")
    assert report["loaded"] == []
    assert str(bait) in report["opened"]
    assert str(played.case) in report["opened"]


@pytest.mark.parametrize(
    "deed",
    [
        "import socket; socket.socket()",
        "import socket; socket.getaddrinfo('localhost', 80)",
        "open('/etc/hostname')",
        "open('/etc/passwd', 'rb')",
        "import subprocess; subprocess.run(['true'])",
        "import os; os.system('true')",
        "open(given[0], 'ab')",
    ],
)
def test_the_hook_would_notice(bait: Path, deed: str) -> None:
    """Or the test above could not fail."""
    script = SCRIPT.replace("from app.verifier.command import main", deed)
    assert script != SCRIPT
    answer = alone(bait, script=script)
    assert answer.returncode == 1
    assert "RuntimeError: refused: " in answer.stderr


def test_the_module_by_its_name(played: Played) -> None:
    """`python -m app.verifier`, from a copy of the source."""
    answer = subprocess.run(
        [sys.executable, "-m", "app.verifier", played.bundle, "--anchor", str(played.anchor)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=ROOT,
    )
    assert answer.returncode == 4, answer.stderr
    assert answer.stdout.startswith("NOT CHECKED: the question came only with the bundle")
