"""A chain on which much arrives at one account, for `check` and `explain` at the terminal."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from app.cli.demo.story import resembling
from chains.devnode import DevNode
from chains.evm.checksum import checksummed
from chains.types import Address, Hash32
from tests.cli.terminal import Said, Terminal
from tests.support.anvil import GENESIS_AT
from tests.support.router import Call, next_contract, route
from tests.support.token import Token, calldata, deploy, deploy_token

DAY = 86_400
SINCE = "2025-06-16"
UNIT = 10**6
# Nothing else may be said about what was found.
ACCUSING = r"(?i)\b(unpaid|not paid|overdue|owes?|owed|debt|default|none_found|partial|full)\b"


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """Who is who, and the hashes of what was done; everything is final."""

    node: DevNode
    token: Token
    fake: Token
    nft: Address
    router: Address
    txs: dict[str, Hash32]

    @property
    def payee(self) -> Address:
        return self.node.accounts()[1]

    @property
    def payer(self) -> Address:
        return self.node.accounts()[2]

    @property
    def stranger(self) -> Address:
        return self.node.accounts()[3]

    @property
    def look_alike(self) -> Address:
        return resembling(self.payer)

    def terminal(self, folder: Path, *ports: int) -> Terminal:
        allowed = ",".join(f"127.0.0.1:{port}" for port in (self.node.port, *ports))
        return Terminal(data_dir=folder / "data", settings={"QUITTANCE_EGRESS_ALLOW": allowed})

    def check(self, terminal: Terminal, *words: str, url: str | None = None) -> Said:
        return terminal.run_here(*self.check_words(), "--rpc-url", url or self.node.url, *words)

    def check_words(self) -> tuple[str, ...]:
        return (
            *("check", "--chain", str(self.node.chain), "--to", checksummed(self.payee)),
            *("--since", SINCE),
        )

    def explain(self, terminal: Terminal, name: str, *words: str, url: str | None = None) -> Said:
        tx, chain = str(self.txs[name]), str(self.node.chain)
        return terminal.run_here("explain", tx, "--chain", chain, "--rpc-url", url or self.node.url, *words)


def play(node: DevNode) -> Played:
    """A day after genesis: paid directly, by a router, in other tokens, spoofed, refunded, failed."""
    token = deploy_token(node)
    fake = deploy_token(node, name="Test Dollar", symbol="tusd ")
    issuer, payee, payer, stranger, *_ = node.accounts()
    nft = deploy(node, "NftEmitter", by=issuer)
    for holder in (payer, stranger):
        token.mint(to=holder, units=10_000 * UNIT)
        fake.mint(to=holder, units=10_000 * UNIT)
    alike = resembling(payer)
    node.set_balance(alike, wei=10**18)
    node.impersonate(alike)
    node.set_next_block_time(GENESIS_AT + DAY)
    txs = {
        "before": token.transfer(sender=payer, to=payee, units=5),
        "paid": token.transfer(
            sender=payer, to=payee, units=1_250 * UNIT + UNIT // 2, at=GENESIS_AT + 3 * DAY
        ),
        "other wallet": token.transfer(sender=stranger, to=payee, units=300 * UNIT),
        "fake": fake.transfer(sender=stranger, to=payee, units=700 * UNIT),
        "spoof": token.transfer_from(holder=alike, to=payee, units=0, by=alike),
        "mint": token.mint(to=payee, units=UNIT),
        "nft": node.send_transaction(
            sender=stranger,
            to=nft,
            data=calldata("emitTransfer(address,address,uint256)", stranger, payee, 7),
        ),
        "refund": token.transfer(sender=payee, to=stranger, units=100 * UNIT),
        "ether": node.send_transaction(sender=payer, to=payee, value=10**17),
    }
    router = next_contract(node, payer, after=1)
    token.approve(holder=payer, spender=router, units=400 * UNIT)
    txs["routed"] = route(
        node,
        sender=payer,
        value=5,
        calls=[
            Call(
                to=token.address,
                data=calldata("transferFrom(address,address,uint256)", payer, router, 400 * UNIT),
            ),
            Call(to=token.address, data=calldata("transfer(address,uint256)", payee, 400 * UNIT)),
            Call(to=payee, value=5),
        ],
    )
    txs["failed"] = node.send_transaction(
        sender=payer,
        to=token.address,
        data=calldata("transfer(address,uint256)", payee, 999_999 * UNIT),
        may_revert=True,
    )
    node.mine(12, seconds_apart=3600)
    return Played(node=node, token=token, fake=fake, nft=nft, router=router, txs=txs)
