"""Contracts deployed, called and described on a real Anvil."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from eth_abi.abi import encode
from eth_hash.auto import keccak

from chains.devnode import DevNode
from chains.errors import NodeError, NodeUnreachable, RpcError
from chains.evm import contract
from chains.evm.client import EvmClient
from chains.evm.contract import Artifact, BadArtifact, NotMined, Receipt, Reverted
from chains.evm.token import TokenFacts, Unfit, read_token
from chains.guard import EgressPolicy
from chains.rpc import RpcClient, RpcLimits
from chains.types import Address, BlockRef, Hash32
from tests.support import faulty_proxy as faults
from tests.support.faulty_proxy import faulty_proxy
from tests.support.token import ARTIFACTS

ROOT = ARTIFACTS.parents[1]
NAMES = ("Test Dollar", "TUSD", 6)


def artifact(name: str) -> Artifact:
    return Artifact.load(ARTIFACTS / f"{name}.json")


@dataclass
class Bench:
    node: DevNode
    client: EvmClient

    @property
    def rpc(self) -> RpcClient:
        return self.client.rpc

    def deploy(self, name: str, *args: object) -> Address:
        receipt = contract.deploy(
            self.rpc, artifact=artifact(name), args=args, sender=self.node.accounts()[0]
        )
        assert receipt.contract is not None
        return receipt.contract

    def transact(self, name: str, *args: object, to: Address, by: Address) -> Receipt:
        return contract.transact(
            self.rpc, artifact=artifact("TestToken"), contract=to, name=name, args=args, sender=by
        )

    def read(self, name: str, *args: object, of: Address) -> object:
        return contract.read(self.rpc, artifact=artifact("TestToken"), contract=of, name=name, args=args)

    def facts(self, address: Address, block: BlockRef | None = None) -> TokenFacts:
        return read_token(self.client, address, block or self.client.head())


@pytest.fixture
def bench(module_node: DevNode) -> Iterator[Bench]:
    with ExitStack() as stack:
        policy = EgressPolicy.parse(f"127.0.0.1:{module_node.port}")
        rpc = stack.enter_context(RpcClient(module_node.url, policy=policy, sleep=lambda _: None))
        yield Bench(module_node, EvmClient(rpc, module_node.chain))


def test_a_token_is_deployed_and_used(bench: Bench) -> None:
    owner, holder, other = bench.node.accounts()[:3]
    token = bench.deploy("TestToken", *NAMES)
    bench.transact("mint", holder, 9_000, to=token, by=owner)
    receipt = bench.transact("transfer", other, 1_000, to=token, by=holder)
    assert receipt.succeeded
    assert bench.read("balanceOf", holder, of=token) == 8_000
    assert bench.read("symbol", of=token) == "TUSD"
    logs = bench.client.transfer_logs(
        addresses=[other], first_block=receipt.block_number, last_block=receipt.block_number
    ).logs
    assert [(log.tx_hash, log.block_hash, log.amount_units) for log in logs] == [
        (receipt.tx_hash, receipt.block_hash, 1_000)
    ]


def test_an_impersonated_account_may_spoof(bench: Bench) -> None:
    """A zero-value transferFrom by somebody whom the holder never allowed anything."""
    holder = bench.node.accounts()[1]
    spoofer = Address(holder[:2] + bytes(15) + holder[-3:])
    token = bench.deploy("TestToken", *NAMES)
    bench.node.impersonate(spoofer)
    bench.node.set_balance(spoofer, wei=10**18)
    receipt = bench.transact("transferFrom", holder, spoofer, 0, to=token, by=spoofer)
    assert receipt.succeeded
    assert len(receipt.logs) == 1


def test_a_reverted_transaction_is_not_passed_over(bench: Bench) -> None:
    token = bench.deploy("TestToken", *NAMES)
    holder, other = bench.node.accounts()[1:3]
    with pytest.raises((Reverted, RpcError)):
        bench.transact("transfer", other, 1, to=token, by=holder)
    assert bench.read("balanceOf", other, of=token) == 0


def test_an_account_that_nobody_unlocked_is_refused(bench: Bench) -> None:
    token = bench.deploy("TestToken", *NAMES)
    with pytest.raises(RpcError):
        bench.transact("mint", bench.node.accounts()[0], 1, to=token, by=Address(b"\x77" * 20))


def test_call_data_are_those_of_the_abi() -> None:
    who = Address(b"\xab" * 20)
    expected = keccak(b"transfer(address,uint256)")[:4] + encode(["address", "uint256"], [who, 5])
    for name in ("transfer", "transfer(address,uint256)"):
        found = contract.encode_call(artifact=artifact("TestToken"), name=name, args=[who, 5])
        assert found == expected
    creation = contract.encode_deploy(artifact=artifact("TestToken"), args=NAMES)
    assert creation == artifact("TestToken").bytecode + encode(["string", "string", "uint8"], NAMES)


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("transfer", []),
        ("transfer", [5, 5]),
        ("transfer", [Address(bytes(20)), -1]),
        ("transfer", [Address(bytes(20)), 2**256]),
        ("transfer", [Address(bytes(20)), 1.5]),
        ("transfer", [Address(bytes(20)), "5"]),
        ("noSuchFunction", []),
        ("", []),
    ],
    ids=repr,
)
def test_wrong_calls_are_named(bench: Bench, name: str, args: list[object]) -> None:
    with pytest.raises(BadArtifact):
        contract.encode_call(artifact=artifact("TestToken"), name=name, args=args)
    with pytest.raises(BadArtifact):
        bench.read(name, *args, of=Address(b"\x01" * 20))


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"abi": []}', '{"abi": [], "bytecode": "6080"}', '{"abi": [], "bytecode": 1}']
)
def test_a_file_that_is_no_artifact_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "Broken.json"
    path.write_text(text, "utf-8")
    with pytest.raises(BadArtifact, match=r"Broken\.json"):
        Artifact.load(path)
    with pytest.raises(BadArtifact):
        Artifact.load(tmp_path / "None.json")


def test_the_library_goes_through_our_guard(bench: Bench) -> None:
    with (
        RpcClient(bench.node.url, policy=EgressPolicy()) as rpc,
        pytest.raises(NodeError, match="loopback"),
    ):
        contract.web3_over(rpc).eth.get_block_number()
    assert contract.web3_over(bench.rpc).eth.chain_id == bench.node.chain_id


def test_a_transaction_that_stays_out_of_blocks_is_named(bench: Bench) -> None:
    holder = bench.node.accounts()[1]
    bench.node.set_automine(enabled=False)
    try:
        with pytest.raises(NotMined) as caught:
            contract.send(bench.rpc, sender=holder, to=holder, data=b"", sleep=lambda _: None)
    finally:
        bench.node.call("evm_mine")
        bench.node.set_automine(enabled=True)
    assert bench.node.receipt(caught.value.tx_hash)["status"] == "0x1"


def test_a_transaction_is_sent_once_over_a_broken_connection(bench: Bench) -> None:
    holder = bench.node.accounts()[1]
    with faulty_proxy(bench.node) as proxy:
        policy = EgressPolicy.parse(f"127.0.0.1:{proxy.port}")
        proxy.fail(faults.drop)
        limits = RpcLimits(attempts=5)
        with (
            RpcClient(proxy.url, policy=policy, limits=limits, sleep=lambda _: None) as rpc,
            pytest.raises(NodeUnreachable),
        ):
            contract.send(rpc, sender=holder, to=holder, data=b"")
        assert len(proxy.requests) == 1


def test_the_library_is_imported_only_when_it_is_needed_and_leaves_no_trace() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "import chains.evm.contract, chains.evm.client, chains.evm.token;"
        "assert 'web3' not in sys.modules;"
        "limit = sys.getrecursionlimit();"
        "chains.evm.contract.encode_deploy("
        "    artifact=chains.evm.contract.Artifact(abi=[], bytecode=b'1'), args=[]);"
        "assert 'web3' in sys.modules;"
        # A raised limit turns deeply nested input into a crash.
        "assert sys.getrecursionlimit() == limit"
    )
    subprocess.run([sys.executable, "-I", "-c", code, str(ROOT)], check=True, timeout=60)


# -- what a token says of itself


def code_hash(bench: Bench, address: Address) -> Hash32:
    return Hash32(keccak(bytes.fromhex(bench.node.call("eth_getCode", address, "latest")[2:])))


def test_a_plain_token(bench: Bench) -> None:
    token = bench.deploy("TestToken", *NAMES)
    assert bench.facts(token) == TokenFacts(
        symbol="TUSD",
        name="Test Dollar",
        decimals=6,
        code_hash=code_hash(bench, token),
        implementation=None,
        implementation_code_hash=None,
        unfit_for=(),
    )


def test_an_old_token_with_bytes32_and_no_decimals(bench: Bench) -> None:
    facts = bench.facts(bench.deploy("Bytes32Token"))
    assert (facts.symbol, facts.name, facts.decimals) == ("B32", "Bytes32 Token", None)
    assert facts.unfit_for == (Unfit.NO_DECIMALS,)


def test_a_token_with_broken_metadata(bench: Bench) -> None:
    facts = bench.facts(bench.deploy("BrokenMetadataToken"))
    assert (facts.symbol, facts.name, facts.decimals) == (None, None, None)
    assert facts.unfit_for == (Unfit.DECIMALS_OUT_OF_RANGE,)


def test_hostile_names_are_cut_and_cleaned(bench: Bench) -> None:
    facts = bench.facts(bench.deploy("TestToken", "N" * 10_000, "\u202eCDSU\n\u0007", 78))
    assert facts.symbol == "CDSU"
    assert facts.name == "N" * 63 + "…"
    assert facts.unfit_for == (Unfit.DECIMALS_OUT_OF_RANGE,)
    assert bench.facts(bench.deploy("TestToken", "", "", 77)).unfit_for == ()


def test_an_account_without_code_is_no_token(bench: Bench) -> None:
    facts = bench.facts(bench.node.accounts()[5])
    assert (facts.code_hash, facts.unfit_for) == (None, (Unfit.NO_CODE,))


def test_it_is_asked_at_the_given_block(bench: Bench) -> None:
    before = bench.client.head()
    token = bench.deploy("TestToken", *NAMES)
    assert bench.facts(token, before).unfit_for == (Unfit.NO_CODE,)
    assert bench.facts(token).decimals == 6
    unknown = BlockRef(number=before.number, hash=Hash32(b"\x99" * 32), time=before.time)
    with pytest.raises(NodeError):
        bench.facts(token, unknown)


@pytest.mark.parametrize(
    "slot",
    [
        "0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc",
        "0x7050c9e0f4ca769c69bd3a8ef740bc37934f8e2c036e5a723fd8ee048ed3f8c3",
    ],
)
def test_a_proxy_names_its_implementation(bench: Bench, slot: str) -> None:
    proxy, other = bench.deploy("TestToken", *NAMES), bench.deploy("Bytes32Token")
    bench.node.call("anvil_setStorageAt", proxy, slot, "0x" + other.rjust(32, b"\0").hex())
    bench.node.mine()
    facts = bench.facts(proxy)
    assert facts.implementation == other
    assert facts.implementation_code_hash == code_hash(bench, other)
    bench.node.call("anvil_setStorageAt", proxy, slot, "0x" + "ff" * 32)
    bench.node.mine()
    assert bench.facts(proxy).implementation is None


UNSURE = {
    "an error": faults.rpc_error(-32000, "missing trie node", method="eth_call"),
    "a limit": faults.rpc_error(429, "too many requests", method="eth_call"),
    "no block": faults.rpc_error(-32001, "Resource not found", method="eth_call"),
    "null": faults.altered_result("eth_call", lambda _: None),
}


@pytest.mark.parametrize("name", UNSURE)
def test_a_node_that_cannot_say_is_not_a_token_without_decimals(bench: Bench, name: str) -> None:
    token, block = bench.deploy("TestToken", *NAMES), bench.client.head()
    with faulty_proxy(bench.node) as proxy:
        policy = EgressPolicy.parse(f"127.0.0.1:{proxy.port}")
        proxy.fail(UNSURE[name])
        with (
            RpcClient(proxy.url, policy=policy, sleep=lambda _: None) as rpc,
            pytest.raises(NodeError),
        ):
            read_token(EvmClient(rpc, bench.node.chain), token, block)
