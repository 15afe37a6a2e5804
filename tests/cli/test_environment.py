"""Ports, folders, databases and nodes that can't be used end in a plain sentence and exit code 3."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from app.db import make_engine
from tests.cli.terminal import Said, Terminal
from tests.support.faulty_proxy import faulty_proxy
from tests.support.token import Token

START_SECONDS_MAX = 60


def demand_plain_failure(said: Said, *told: str) -> None:
    """Exit code 3 and one or two sentences; no traceback, nothing on stdout."""
    assert (said.code, said.out) == (3, ""), said
    assert len(said.err.strip().splitlines()) <= 2
    for each in told:
        assert each in said.err


def test_a_port_in_use(terminal: Terminal) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = terminal.run("serve", "--port", str(port))
    demand_plain_failure(said, f"Port {port} on 127.0.0.1 can't be used", "--port")
    engine = make_engine(f"sqlite:///{terminal.data_dir / 'quittance.sqlite3'}")
    with engine.connect() as connection:
        keys = connection.exec_driver_sql("SELECT count(*) FROM api_key").scalar_one()
    engine.dispose()
    assert keys == 0, "the operator's key must not be used up by a start that failed"


@pytest.mark.parametrize("words", [("serve", "--port", "0"), ("keys", "list", "--json"), ("db", "upgrade")])
def test_a_data_folder_that_can_not_be_made(terminal: Terminal, words: tuple[str, ...]) -> None:
    """Below a file, and in /proc: root is stopped there, too."""
    file = terminal.data_dir.parent / "file"
    file.write_text("", "utf-8")
    for folder in (file / "data", Path("/proc/quittance")):
        said = Terminal(data_dir=terminal.data_dir, settings={"QUITTANCE_DATA_DIR": str(folder)}).run_here(
            *words
        )
        demand_plain_failure(said, str(folder.parent))


def test_databases_that_can_not_be_used(terminal: Terminal) -> None:
    """Named without the password."""
    other = terminal.data_dir.parent / "other.db"
    other.write_bytes(b"This is no database. " * 100)
    for url, told in (
        ("postgresql://quittance:s3cr3t@127.0.0.1:9/quittance", "can't be reached"),
        (f"sqlite:///{other}", "is not a SQLite database"),
        ("sqlite:////proc/quittance.db", "/proc"),
        ("sqlite://", "must be a file"),
        ("mysql://u:s3cr3t@localhost/x", "SQLite or PostgreSQL"),
        ("s3cr3t", "can't be read"),
    ):
        settings = {"QUITTANCE_DATABASE_URL": url}
        said = Terminal(data_dir=terminal.data_dir, settings=settings).run_here("party", "list", "--json")
        demand_plain_failure(said, told)
        assert "s3cr3t" not in said.err


def test_settings_that_are_none(terminal: Terminal) -> None:
    for name, text in (
        ("QUITTANCE_PORT", "s3cr3t"),
        ("QUITTANCE_LOG_FORMAT", "s3cr3t"),
        ("QUITTANCE_FOLLOW_SECONDS", "-1"),
        ("QUITTANCE_EGRESS_ALLOW", "localhost"),
    ):
        said = Terminal(data_dir=terminal.data_dir, settings={name: text}).run_here("chains", "list")
        assert (said.code, said.out) == (3, "")
        assert name in said.err or "egress allow list" in said.err
        assert "s3cr3t" not in said.err


def test_a_demo_without_a_test_node(terminal: Terminal) -> None:
    said = terminal.run("demo", "--json")
    assert (said.code, said.out) == (3, "")
    assert "./run demo" in said.err


def test_a_node_that_is_down(terminal: Terminal, token: Token) -> None:
    """3, the chain and the node by their names, and `--json` says the same."""
    with faulty_proxy(token.node) as proxy:
        here = Terminal(
            data_dir=terminal.data_dir, settings={"QUITTANCE_EGRESS_ALLOW": f"127.0.0.1:{proxy.port}"}
        )
        chain = str(token.node.chain)
        body = {
            "name": "Test chain",
            "rpc_urls": [f"{proxy.url}/v3/s3cr3tk3y"],
            "native": {"symbol": "ETH", "decimals": 18},
            "finality": {"tag": "finalized"},
        }
        path = here.write("chain.json", body)
        assert here.run_here("chains", "put", chain, path).code == 0
        proxy.go_down()
        failure = f"node {proxy.url}: no connection"
        said = here.run("index", "--json")
        assert said.code == 3
        (report,) = json.loads(said.out)["chains"]
        assert (report["chain"], report["failure"]) == (chain, failure)
        assert f"{chain}: {failure}" in said.err
        assert "s3cr3tk3y" not in said.out + said.err
        refused = here.run_here("chains", "put", chain, path)
        assert (refused.code, refused.out) == (2, "")
        assert refused.err.strip() == f"/rpc_urls/0: {failure}"
        worker = here.run("worker", "--once", QUITTANCE_LOG_FORMAT="json")
        assert (worker.code, worker.out) == (0, "")
        (line,) = worker.err.splitlines()
        assert json.loads(line)["failure"] == failure


@contextmanager
def serving(terminal: Terminal) -> Iterator[subprocess.Popen[str]]:
    """`quittance serve` on a free port, ended as a service manager ends it."""
    process = subprocess.Popen(
        terminal.command("serve", "--port", "0"),
        cwd=terminal.data_dir.parent,
        env={**terminal.environment(), "QUITTANCE_FOLLOW_SECONDS": "0.1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=START_SECONDS_MAX)


def address_of(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("Serving on "):
            return line.split()[2]
    pytest.fail("it ended before it served")


def test_serving(terminal: Terminal) -> None:
    """The first start prints the operator's key on stdout, alone and once; it opens everything."""
    with serving(terminal) as first:
        url = address_of(first)
        assert first.stdout is not None
        key = first.stdout.readline().strip()
        with httpx2.Client(base_url=url, trust_env=False, timeout=START_SECONDS_MAX) as client:
            assert client.get("/readyz").json() == {"status": "ready"}
            bearer = {"Authorization": f"Bearer {key}"}
            assert client.get("/v1/chains", headers=bearer).json() == {"items": []}
            assert client.get("/v1/chains").status_code == 401
            made = client.post("/v1/parties", json={"name": "Ada"}, headers=bearer)
            assert made.status_code == 201
        first.send_signal(signal.SIGTERM)
        out, err = first.communicate(timeout=START_SECONDS_MAX)
        assert (first.returncode, out) == (0, "")
        assert key not in err
    assert terminal.run_here("party", "list", "--json").document["items"] == [made.json()]
    with serving(terminal) as second:
        # A signal before it answers would end a start, not a service.
        assert httpx2.get(f"{address_of(second)}/healthz", trust_env=False, timeout=60).status_code == 200
        second.send_signal(signal.SIGINT)
        out, _ = second.communicate(timeout=START_SECONDS_MAX)
        assert (second.returncode, out) == (0, "")
