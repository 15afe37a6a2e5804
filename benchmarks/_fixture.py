"""The chain that is read: always the same blocks, built once by Anvil, kept in .cache, and loaded from there.

Three tokens, a few dozen transfers in most blocks and five times as many in some, a native payment in each,
and some payments that only a trace shows. It knows nothing of what is measured on it.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import random
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from eth_abi.abi import encode
from eth_hash.auto import keccak

from chains.devnode import DevNode, start_dev_node
from chains.types import Address, Hash32
from tools import get_anvil

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".cache" / "bench"

# No other node has this number, so that whoever answers it is the one that was started here.
CHAIN_ID = 770_031_337
GENESIS_AT = 1_700_000_000
BLOCK_SECONDS = 12
TOKENS = 3
TRANSFERS_PER_TRANSACTION = 50
_SEED = 7
_GAS_LIMIT = 300_000_000
_NODE_WORDS = (
    *("--gas-limit", str(_GAS_LIMIT), "--block-base-fee-per-gas", "0", "--gas-price", "0"),
    *("--disable-min-priority-fee", "--auto-impersonate", "--order", "fifo"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """What a fixture is made of. The default is the one that all published figures are of."""

    blocks: int = 5000
    holders: int = 2000
    transfers_per_block: int = 36

    @property
    def name(self) -> str:
        """Another size or another code gives another fixture."""
        code = "".join(_artifact(name) for name in ("BenchToken", "BenchSplitter"))
        what = json.dumps([asdict(self), code, get_anvil.VERSION, CHAIN_ID])
        return f"{self.blocks}-{hashlib.sha256(what.encode()).hexdigest()[:12]}"


FULL = Size()
SMALL = Size(blocks=60, holders=50)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixture:
    """A built chain: where its state is kept, and what is on it."""

    size: Size
    state: Path
    last_block: int
    last_hash: str
    transfers: int

    def holder(self, number: int) -> Address:
        return _holder(number)


def build(size: Size) -> Fixture:
    """From the cache, or built now, which takes about two minutes for the full size."""
    folder = CACHE / size.name
    facts = folder / "facts.json"
    if not facts.exists():
        print(f"building the fixture of {size.blocks} blocks, once ...", file=sys.stderr, flush=True)
        CACHE.mkdir(parents=True, exist_ok=True)
        # Under its name only when it is whole: a build that was stopped is begun again.
        with tempfile.TemporaryDirectory(prefix="building-", dir=CACHE) as building:
            _make(size, folder=Path(building))
            with contextlib.suppress(OSError):  # Another run was faster, with the same result.
                Path(building).rename(folder)
            Path(building).mkdir(exist_ok=True)
    return Fixture(size=size, state=folder / "state.json", **json.loads(facts.read_text("utf-8")))


@contextlib.contextmanager
def running(fixture: Fixture) -> Iterator[DevNode]:
    """A node of our own that serves the fixture."""
    words = (*_NODE_WORDS, "--load-state", str(fixture.state))
    with start_dev_node(
        anvil=get_anvil.ensure(), timestamp=GENESIS_AT, chain_id=CHAIN_ID, extra=words
    ) as node:
        last = str(node.block(fixture.last_block).hash)
        if last != fixture.last_hash:
            msg = f"the node's block {fixture.last_block} is {last}, but {fixture.last_hash} was built"
            raise RuntimeError(msg)
        yield node


def _make(size: Size, *, folder: Path) -> None:
    words = (*_NODE_WORDS, "--no-mining")
    with start_dev_node(
        anvil=get_anvil.ensure(), timestamp=GENESIS_AT, chain_id=CHAIN_ID, extra=words
    ) as node:
        chain = _Builder(node, size)
        transfers = chain.play()
        last = node.block()
        state = bytes.fromhex(str(node.call("anvil_dumpState"))[2:])
    (folder / "state.json").write_bytes(gzip.decompress(state))
    facts = {"last_block": last.number, "last_hash": str(last.hash), "transfers": transfers}
    (folder / "facts.json").write_text(json.dumps(facts), "utf-8")


class _Builder:
    """Plays one fixture on an empty chain; each choice comes from one seeded source."""

    def __init__(self, node: DevNode, size: Size) -> None:
        self._node = node
        self._size = size
        self._chance = random.Random(_SEED)  # noqa: S311 - the same every time is what is wanted.
        self._owner = node.accounts()[0]
        self._transfers = 0
        self._mined = 0
        codes = [_artifact("BenchToken")] * TOKENS + [_artifact("BenchSplitter")]
        hashes = [self._send(to=None, data=bytes.fromhex(code[2:]), gas=5_000_000) for code in codes]
        self._mine()
        made = [Address.parse(node.receipt(each)["contractAddress"]) for each in hashes]
        self._tokens, self._splitter = made[:TOKENS], made[TOKENS]

    def play(self) -> int:
        """All blocks; returns how many Transfers they hold."""
        self._seed()
        for number in range(self._size.blocks):
            self._tokens_of_block(number)
            self._coins_of_block(number)
            self._mine()
            if number % 1000 == 999:
                print(f"  {number + 1} blocks", file=sys.stderr, flush=True)
        return self._transfers

    def _seed(self) -> None:
        """Every holder, and one more, gets more than it will ever spend."""
        holders = self._size.holders + 1
        for token in self._tokens:
            for first in range(0, holders, 500):
                last = min(first + 500, holders)
                data = _call("seed(uint256,uint256,uint256)", first, last, 10**24)
                self._send(to=token, data=data, gas=60_000_000)
            self._transfers += holders
            self._mine()
        for number in range(self._size.holders):
            self._node.set_balance(_holder(number), wei=10**20)

    def _tokens_of_block(self, number: int) -> None:
        """Nothing in every tenth block, five times as much in every twentieth."""
        choice = self._chance.random()
        per = self._size.transfers_per_block
        left = 0 if choice < 0.10 else per if choice < 0.95 else per * 5
        self._transfers += left
        sent = 0
        while left > 0:
            count = min(left, TRANSFERS_PER_TRANSACTION)
            salt = number * 1000 + sent + 1
            data = _call("spray(uint256,uint256,uint256)", self._size.holders, count, salt)
            token = self._tokens[(number + sent) % TOKENS]
            self._send(to=token, data=data, gas=count * 40_000 + 60_000)
            left, sent = left - count, sent + 1

    def _coins_of_block(self, number: int) -> None:
        payer, payee = (_holder(self._chance.randrange(self._size.holders)) for _ in range(2))
        self._send(to=payee, sender=payer, value=self._chance.randrange(1, 10**15), gas=21_000)
        if number % 20 == 0:
            payees = [_holder((number * 7 + place * 13) % self._size.holders) for place in range(8)]
            data = _selector("split(address[])") + encode(["address[]"], [[str(each) for each in payees]])
            self._send(to=self._splitter, data=data, value=8 * 10**12, gas=600_000)

    def _send(
        self,
        *,
        to: Address | None,
        gas: int,
        data: bytes = b"",
        value: int = 0,
        sender: Address | None = None,
    ) -> Hash32:
        transaction: dict[str, object] = {
            "from": sender or self._owner,
            "gas": gas,
            "gasPrice": 0,
            "value": value,
            "input": data,
        }
        if to is not None:
            transaction["to"] = to
        return Hash32.parse(self._node.call("eth_sendTransaction", transaction))

    def _mine(self) -> None:
        self._mined += 1
        self._node.set_next_block_time(GENESIS_AT + self._mined * BLOCK_SECONDS)
        self._node.call("evm_mine")


def _artifact(name: str) -> str:
    """The creation code of one of the benchmark's contracts."""
    text = (ROOT / "contracts" / "artifacts" / f"{name}.json").read_text("utf-8")
    return str(json.loads(text)["bytecode"])


def _holder(number: int) -> Address:
    """As the contract derives it."""
    return Address(keccak(number.to_bytes(32, "big"))[12:])


def _selector(signature: str) -> bytes:
    return bytes(keccak(signature.encode())[:4])


def _call(signature: str, *arguments: int) -> bytes:
    return _selector(signature) + b"".join(value.to_bytes(32, "big") for value in arguments)
