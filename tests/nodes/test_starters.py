"""The starters of the other test nodes: each node is ours, alone, and gone when its user is."""

from __future__ import annotations

from pathlib import Path

import pytest

from chains.devnode import DevNodeError
from chains.errors import NodeUnreachable
from tests.chains.test_devnode import is_running
from tests.nodes.starters import STARTERS
from tests.support.anvil import GENESIS_AT
from tests.support.hardhat import hardhat

SAYS = {"Anvil": "anvil/", "Hardhat": "HardhatNetwork/", "Ganache": "Ganache/"}


@pytest.mark.parametrize("kind", STARTERS)
def test_the_node_is_ours_and_stops_with_its_user(kind: str) -> None:
    with STARTERS[kind]() as node:
        assert node.call("web3_clientVersion").startswith(SAYS[kind])
        assert int(node.call("eth_chainId"), 16) == node.chain_id
        assert node.url == f"http://127.0.0.1:{node.port}"
        assert node.block(0).time == GENESIS_AT
        assert len(node.accounts()) >= 10
        assert is_running(node.pid)
    assert not is_running(node.pid)
    with pytest.raises(NodeUnreachable):
        node.call("eth_chainId")


@pytest.mark.parametrize("kind", ["Hardhat", "Ganache"])
def test_two_nodes_at_once_are_two_chains(kind: str) -> None:
    with STARTERS[kind]() as one, STARTERS[kind]() as other:
        assert (one.port, one.pid) != (other.port, other.pid)
        assert one.chain_id != other.chain_id
        other.mine()
        assert (one.block().number, other.block().number) == (0, 1)


def test_a_tree_without_its_native_part_is_a_named_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "node_modules" / "hardhat" / "dist" / "src" / "cli.js"
    program.parent.mkdir(parents=True)
    program.write_text("console.error('Cannot find native binding'); process.exit(1);")
    monkeypatch.setenv("QUITTANCE_HARDHAT", str(tmp_path))
    with pytest.raises(DevNodeError, match=r"exit code 1.*Cannot find native binding"), hardhat():
        pass
