"""A local test node for the demo, the tests and development: starts one, drives it, stops it.

The demo's is Anvil; the tests start others with `run_dev_node`. All take the calls that Hardhat's node began.

Standard library and chains only. It proves that the node it talks to is the one it started (by the chain
id it chose), and stops no other process. Nothing that serves users may import this: the reading of real
chains is `chains.rpc` and `chains.evm`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import json
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from chains.errors import BadAnswer, ChainError, NodeUnreachable, RpcError, WrongChain
from chains.types import Address, BlockRef, ChainId, Hash32

HOST = "127.0.0.1"
START_SECONDS_MAX = 20.0
STOP_SECONDS_MAX = 5.0
CALL_SECONDS_MAX = 60.0
RECEIPT_TRIES = 200

_LISTENING = re.compile(rb"^Listening on 127\.0\.0\.1:([0-9]{1,5})\s*$", re.MULTILINE)


class DevNodeError(ChainError):
    """The test node could not be started, or did not do what was asked."""


class Reverted(DevNodeError):
    """A transaction was mined and reverted."""

    def __init__(self, *, tx_hash: Hash32) -> None:
        super().__init__(f"transaction {tx_hash} reverted")
        self.tx_hash = tx_hash


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DevNode:
    """A running node that this process started, with the calls that only a test node answers.

    Times are seconds since 1970, UTC; values are in wei.
    """

    url: str
    port: int
    chain_id: int
    pid: int

    @property
    def chain(self) -> ChainId:
        return ChainId(self.chain_id)

    def call(self, method: str, *params: object) -> Any:
        """One JSON-RPC call. Integers, bytes, addresses and hashes go out as 0x-hex."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": [_wire(value) for value in params]}
        answer = self._post(json.dumps(body).encode())
        if "error" in answer:
            error = answer["error"]
            raise RpcError(node=self.url, code=int(error["code"]), message=str(error["message"]))
        if "result" not in answer:
            raise BadAnswer(node=self.url, detail=f"{method}: neither a result nor an error")
        return answer["result"]

    def _post(self, body: bytes) -> dict[str, Any]:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=CALL_SECONDS_MAX)
        try:
            connection.request("POST", "/", body, {"Content-Type": "application/json"})
            raw = connection.getresponse().read()
        except (OSError, http.client.HTTPException) as error:
            raise NodeUnreachable(node=self.url, detail=str(error)) from error
        finally:
            connection.close()
        try:
            answer = json.loads(raw)
        except ValueError as error:
            raise BadAnswer(node=self.url, detail=f"not JSON: {raw[:200]!r}") from error
        if not isinstance(answer, dict):
            raise BadAnswer(node=self.url, detail=f"not a JSON-RPC answer: {raw[:200]!r}")
        return answer

    # -- what the chain says

    def accounts(self) -> tuple[Address, ...]:
        """Ten or more funded accounts that the node signs for, the same ones on every start."""
        return tuple(Address.parse(text) for text in self.call("eth_accounts"))

    def block(self, number: int | str = "latest") -> BlockRef:
        """The block of a number, or of a tag such as `latest` or `finalized`."""
        header = self.call("eth_getBlockByNumber", number, False)
        if header is None:
            raise BadAnswer(node=self.url, detail=f"no block {number}")
        return BlockRef(
            number=int(header["number"], 16),
            hash=Hash32.parse(header["hash"]),
            time=int(header["timestamp"], 16),
            parent_hash=Hash32.parse(header["parentHash"]),
        )

    def receipt(self, tx_hash: Hash32) -> dict[str, Any]:
        """The receipt of a mined transaction; waits a bounded time for it."""
        for _ in range(RECEIPT_TRIES):
            found = self.call("eth_getTransactionReceipt", tx_hash)
            if isinstance(found, dict):
                return found
            time.sleep(0.01)
        msg = f"transaction {tx_hash} was not mined"
        raise DevNodeError(msg)

    # -- time and blocks

    def set_next_block_time(self, at: int) -> None:
        """The next block's time, which must be later than the head's; the clock goes on from there."""
        self.call("evm_setNextBlockTimestamp", at)

    def advance_time(self, seconds: int) -> None:
        """Move the node's clock forward; the next block shows it."""
        self.call("evm_increaseTime", seconds)

    def mine(self, blocks: int = 1, *, seconds_apart: int = 1) -> BlockRef:
        """Mine blocks, each so many seconds after the one before, and return the new head."""
        at = self.block().time
        for _ in range(blocks):
            at += seconds_apart
            self.set_next_block_time(at)
            self.call("evm_mine")
        return self.block()

    def automines(self) -> bool:
        """Whether every transaction gets a block of its own at once."""
        return self.call("hardhat_getAutomine") is True

    def set_automine(self, *, enabled: bool) -> None:
        """On (as started): every transaction gets a block of its own. Off: they wait for `evm_mine`."""
        self.call("evm_setAutomine", enabled)

    def snapshot(self) -> str:
        return str(self.call("evm_snapshot"))

    def revert(self, snapshot: str) -> None:
        """Back to a snapshot, which is used up by it."""
        if self.call("evm_revert", snapshot) is not True:
            msg = f"no snapshot {snapshot}"
            raise DevNodeError(msg)

    # -- transactions

    def set_balance(self, address: Address, *, wei: int) -> None:
        self.call("hardhat_setBalance", address, wei)

    def impersonate(self, address: Address) -> None:
        """Let transactions be sent from an address whose key nobody here has."""
        self.call("hardhat_impersonateAccount", address)

    def stop_impersonating(self, address: Address) -> None:
        self.call("hardhat_stopImpersonatingAccount", address)

    def send_transaction(
        self,
        *,
        sender: Address,
        to: Address | None,
        data: bytes = b"",
        value: int = 0,
        may_revert: bool = False,
    ) -> Hash32:
        """From one of `accounts()` or an impersonated address; `to` None deploys.

        With automine on it returns once the transaction is mined. A reverted one is mined like any other,
        which a caller would overlook: unless it is wanted (`may_revert`), it raises Reverted.
        """
        transaction: dict[str, object] = {"from": sender, "data": data, "value": value}
        if to is not None:
            transaction["to"] = to
        tx_hash = Hash32.parse(self.call("eth_sendTransaction", transaction))
        # Anvil answers before the block is there, and a log asked for at once would be missing.
        if self.automines():
            receipt = self.receipt(tx_hash)
            if receipt["status"] != "0x1" and not may_revert:
                raise Reverted(tx_hash=tx_hash)
        return tx_hash

    def deploy(self, *, sender: Address, code: bytes) -> Address:
        """Deploy creation code (constructor arguments appended) and return the contract's address."""
        receipt = self.receipt(self.send_transaction(sender=sender, to=None, data=code))
        return Address.parse(receipt["contractAddress"])


def _wire(value: object) -> object:
    """A JSON-RPC parameter as text. `bool` is an `int` in Python, so it is asked for first."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return hex(value)
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, dict):
        return {key: _wire(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [_wire(item) for item in value]
    msg = f"no JSON-RPC form for {type(value).__name__}"
    raise TypeError(msg)


@contextlib.contextmanager
def start_dev_node(
    *,
    anvil: Path,
    timestamp: int | None,
    chain_id: int,
    slots_in_epoch: int = 1,
    log: Path | None = None,
    extra: Sequence[str] = (),
) -> Iterator[DevNode]:
    """Start Anvil on a port that the system picks, and stop it at the end, whatever happens.

    `timestamp` is the genesis block's time (None: now). With one slot an epoch the finalized block is two
    below the head. `log` receives what Anvil prints; without it that goes when the node does.
    """
    with tempfile.TemporaryDirectory(prefix="quittance-anvil-", ignore_cleanup_errors=True) as folder:
        command = [
            str(anvil),
            *("--host", HOST, "--port", "0", "--no-cors", "--color", "never", "--cache-path", folder),
            *("--chain-id", str(chain_id), "--slots-in-an-epoch", str(slots_in_epoch)),
            *(() if timestamp is None else ("--timestamp", str(timestamp))),
            *extra,
        ]
        # Anvil reads settings from ANVIL_* and FOUNDRY_* variables, which belong to somebody else's work.
        quiet = {
            name: text for name, text in os.environ.items() if not name.startswith(("ANVIL_", "FOUNDRY_"))
        }
        path = log if log is not None else Path(folder) / "anvil.log"
        with run_dev_node(
            command=command, listening=_LISTENING, chain_id=chain_id, log=path, environment=quiet
        ) as node:
            yield node


@contextlib.contextmanager
def run_dev_node(
    *,
    command: Sequence[str],
    listening: re.Pattern[bytes],
    chain_id: int,
    log: Path,
    environment: Mapping[str, str],
    folder: Path | None = None,
) -> Iterator[DevNode]:
    """Run any test node that prints the port it chose, which is the first group of `listening`.

    It has to prove that it serves `chain_id`, which nobody else should be using; it is stopped at the end.
    """
    process = _spawn(command, log=log, environment=environment, folder=folder)
    try:
        yield _wait_until_ours(process, listening=listening, log=log, chain_id=chain_id)
    finally:
        _stop(process)


def _spawn(
    command: Sequence[str], *, log: Path, environment: Mapping[str, str], folder: Path | None
) -> subprocess.Popen[bytes]:
    # A session of its own keeps a Ctrl-C in the terminal from ending the node before its user is done.
    try:
        with log.open("wb") as sink:
            return subprocess.Popen(
                command,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                start_new_session=True,
            )
    except OSError as error:
        msg = f"the test node {command[0]} could not be started: {error}"
        raise DevNodeError(msg) from error


def _wait_until_ours(
    process: subprocess.Popen[bytes], *, listening: re.Pattern[bytes], log: Path, chain_id: int
) -> DevNode:
    """Read the port that the node chose from what it prints, then make it prove the chain id."""
    deadline = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline:
        match = listening.search(log.read_bytes())
        if match is not None:
            port = int(match[1])
            node = DevNode(url=f"http://{HOST}:{port}", port=port, chain_id=chain_id, pid=process.pid)
            actual = int(node.call("eth_chainId"), 16)
            if actual != chain_id:
                raise WrongChain(node=node.url, expected=chain_id, actual=actual)
            return node
        if process.poll() is not None:
            break
        time.sleep(0.01)
    tail = log.read_text("utf-8", "replace").strip()[-600:]
    msg = f"the test node did not start (exit code {process.poll()}): {tail or 'it printed nothing'}"
    raise DevNodeError(msg)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(STOP_SECONDS_MAX)
