"""Other tools on the same fixture, each in a venv of its own in .cache; what does not install is left out.

Their whole command is timed, its start included, which for web3 is three seconds of importing.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks._fixture import CACHE, Fixture
from chains.devnode import DevNode
from chains.evm.transfers import TRANSFER_TOPIC

INSTALL_SECONDS_MAX = 600
RUN_SECONDS_MAX = 900


# Its libraries want a function that Python 3.11 took away.
_ETL = """
import inspect
inspect.getargspec = lambda function: inspect.getfullargspec(function)[:4]
from ethereumetl.cli import cli
cli()
"""

# The venv, the node, the fixture, and the folder for what is written.
Command = Callable[[Path, DevNode, Fixture, Path], list[str]]


class PeerMissing(Exception):
    """A tool could not be installed, or not be run."""

    def __init__(self, *, reason: str) -> None:
        super().__init__(reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A tool, what pip has to install for it, and how it is asked for every transfer."""

    name: str
    packages: tuple[str, ...]
    command: Command
    # One that takes a minute is run less often.
    is_slow: bool


_WEB3 = """
import sys
from web3 import Web3
url, last, topic, target = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
eth = Web3(Web3.HTTPProvider(url)).eth
with open(target + "/out.csv", "w") as sink:
    for first in range(0, last + 1, 100):
        for log in eth.get_logs({"fromBlock": first, "toBlock": min(first + 99, last), "topics": [topic]}):
            row = (log["blockNumber"], log["logIndex"], log["transactionHash"].hex(), log["address"],
                   log["topics"][1].hex(), log["topics"][2].hex(), log["data"].hex())
            print(*row, sep=",", file=sink)
"""
_CRYO = """
import sys
import cryo
url, last, topic, target = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
cryo.freeze("logs", blocks=[f"0:{last + 1}"], topic0=[topic], rpc=url, output_dir=target,
            inner_request_size=100, verbose=False, no_verbose=True)
"""


def _python(code: str) -> Command:
    def command(venv: Path, node: DevNode, fixture: Fixture, target: Path) -> list[str]:
        python = str(venv / "bin" / "python")
        return [python, "-c", code, node.url, str(fixture.last_block), str(TRANSFER_TOPIC), str(target)]

    return command


def _ethereum_etl(venv: Path, node: DevNode, fixture: Fixture, target: Path) -> list[str]:
    words = ["--start-block", "0", "--end-block", str(fixture.last_block), "--provider-uri", node.url]
    program = [str(venv / "bin" / "python"), "-c", _ETL, "export_token_transfers"]
    return [*program, *words, "--output", str(target / "out.csv")]


PEERS = (
    Peer(name="cryo", packages=("cryo==0.3.2", "polars<1"), command=_python(_CRYO), is_slow=False),
    Peer(name="web3", packages=("web3>=8,<9",), command=_python(_WEB3), is_slow=True),
    Peer(
        name="ethereum_etl",
        packages=("ethereum-etl==2.4.2", "setuptools<80"),
        command=_ethereum_etl,
        is_slow=True,
    ),
)


def install(peer: Peer) -> Path:
    """The peer's venv. Raises PeerMissing."""
    venv = CACHE / "venvs" / peer.name
    done = venv / "installed"
    if done.exists() and done.read_text("utf-8") == " ".join(peer.packages):
        return venv
    print(f"installing {peer.name}, once ...", file=sys.stderr, flush=True)
    steps = (
        [sys.executable, "-m", "venv", "--clear", str(venv)],
        [str(venv / "bin" / "python"), "-m", "pip", "install", "--quiet", *peer.packages],
    )
    for step in steps:
        _call(step, seconds_max=INSTALL_SECONDS_MAX)
    done.write_text(" ".join(peer.packages), "utf-8")
    return venv


def seconds(peer: Peer, *, venv: Path, node: DevNode, fixture: Fixture) -> float:
    """How long it takes for all transfers of the fixture. Raises PeerMissing."""
    with tempfile.TemporaryDirectory(prefix="quittance-peer-") as folder:
        target = Path(folder)
        command = peer.command(venv, node, fixture, target)
        began = time.perf_counter()
        _call(command, seconds_max=RUN_SECONDS_MAX, folder=target)
        took = time.perf_counter() - began
        if not any(path.stat().st_size for path in target.rglob("*") if path.is_file()):
            raise PeerMissing(reason="it wrote nothing")
        return took


def _call(command: list[str], *, seconds_max: int, folder: Path | None = None) -> None:
    environment = {name: text for name, text in os.environ.items() if not name.startswith("PYTHON")}
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=seconds_max,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PeerMissing(reason=f"{Path(command[0]).name}: {type(error).__name__}") from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise PeerMissing(reason=said[-1][:200] if said else f"exit code {done.returncode}")
