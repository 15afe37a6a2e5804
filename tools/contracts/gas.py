"""What each step of a deal costs in gas: measured on a test node, written to contracts/gas.md, and compared.

The receipts' gas of whole transactions, from fixed accounts on a chain of a fixed number, so that the same
code gives the same figures. Beside them those of the prototype, which went the same way.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from chains.devnode import start_dev_node
from chains.evm.contract import Receipt
from chains.guard import EgressPolicy
from chains.rpc import RpcClient
from chains.types import Address
from tools import get_anvil
from tools.contracts.deal import DAY_SECONDS, NOBODY, UNLIMITED, Deal, Settlement, Stage, Terms, artifact
from tools.contracts.workshop import CONTRACTS, WorkshopFailed

TABLE = CONTRACTS / "gas.md"
CHAIN_ID = 1_808_080_808
GENESIS_AT = 1_750_000_000
# After the first deal's end. A time of the node's clock would change with each run, and with it the deal's
# address, what is signed, and the number of zero bytes in a signature, which cost less.
LATER_DUE = GENESIS_AT + 400 * DAY_SECONDS
UNIT = 1_000_000_000
COIN = 10**18
HASH = bytes.fromhex("5d") * 32
EVIDENCE = bytes.fromhex("e7") * 32
NO_HASH = bytes(32)

# Measured in the same way, at the same steps and with the same token.
PROTOTYPE = {
    "open, 1 installment, the payer sends": 219_721,
    "open, 4 installments, a stranger sends": 284_528,
    "fund, the first": 115_335,
    "approve": 64_928,
    "withdraw, the claimant's first": 62_369,
    "fund, nothing else held": 115_347,
    "dispute": 37_814,
    "rule": 106_273,
    "fund, others hold credit": 81_147,
    "dispute, without evidence": 37_488,
    "resolveSilent": 51_362,
    "startLateFee": 70_288,
    "fund, with a late fee": 64_741,
    "release": 48_134,
    "withdraw, the claimant's next": 54_869,
    "withdraw, the arbiter's": 71_969,
    "withdraw, the payer's, all that is left": 47_736,
    "native coin: fund": 77_356,
    "native coin: approve": 63_853,
    "native coin: withdraw": 39_561,
}

HEAD = """\
# Gas

Written by `./run contracts --write`, compared by `./run contracts`. Each row is the gas of a whole
transaction on a test node (Cancun rules), in the order in which one deal of four installments in an ERC-20
goes its way; then a deal in the native coin; then, without a figure beside them, the steps that the prototype
did not have.

The prototype's column was measured again, at the same steps with the same token. With OpenZeppelin's ERC-20
for a token its known figures were: first fund 120,164, last withdraw 51,512, late 70,354; dispute and rule
together 143,761, the dispute being one without evidence.

| step | gas | prototype | difference |
| --- | ---: | ---: | ---: |
"""


@dataclass(slots=True, kw_only=True)
class Meter:
    """The steps that were taken, each with the gas that its receipt names."""

    steps: dict[str, int] = field(default_factory=dict)

    def note(self, name: str, receipt: Receipt) -> None:
        self.steps[name] = receipt.gas_used


def measure() -> dict[str, int]:
    """Play the deals and return what each step cost."""
    meter = Meter()
    with _stage() as stage:
        payer, payee, arbiter, keeper, other = stage.node.accounts()[:5]
        token = stage.token(holders=[payer], units=1_000 * UNIT)
        due = GENESIS_AT + 30 * DAY_SECONDS
        terms = Terms(
            payer=payer,
            payee=payee,
            arbiter=arbiter,
            token=token,
            terms_hash=HASH,
            installments=tuple((UNIT, due + 30 * DAY_SECONDS * number) for number in range(4)),
        )
        _prototypes_way(stage, meter, terms=terms, keeper=keeper)
        _native(stage, meter, terms=replace(terms, token=NOBODY, salt=2))
        _added(stage, meter, terms=replace(terms, salt=3), other=other)
    return meter.steps


def _prototypes_way(stage: Stage, meter: Meter, *, terms: Terms, keeper: Address) -> None:
    payer, payee, arbiter = terms.payer, terms.payee, terms.arbiter
    deal, opened = stage.open(terms, by=keeper, signers=[payer, payee])
    meter.note("open, 4 installments, a stranger sends", opened)
    stage.send("TestToken", terms.token, "approve", deal.address, UNLIMITED, by=payer)
    meter.note("fund, the first", deal.send("fund", 0, by=payer))
    meter.note("approve", deal.send("approve", 0, by=payer))
    meter.note("withdraw, the claimant's first", deal.send("withdraw", payee, payee, by=keeper))
    meter.note("fund, nothing else held", deal.send("fund", 1, by=payer))
    meter.note("dispute", deal.send("dispute", 1, EVIDENCE, by=payer))
    meter.note("rule", deal.send("rule", 1, 2_500, by=arbiter))
    meter.note("fund, others hold credit", deal.send("fund", 2, by=payer))
    disputed = deal.send("dispute", 2, NO_HASH, by=payee)
    meter.note("dispute, without evidence", disputed)
    silent_at = stage.node.block(disputed.block_number).time + terms.arbiter_seconds
    meter.note("resolveSilent", deal.send("resolveSilent", 2, by=keeper, at=silent_at))
    late_at = terms.installments[3][1] + 1
    meter.note("startLateFee", deal.send("startLateFee", 3, by=keeper, at=late_at))
    meter.note("fund, with a late fee", deal.send("fund", 3, by=payer, at=late_at + 1))
    release_at = late_at + 1 + terms.review_seconds
    meter.note("release", deal.send("release", 3, by=keeper, at=release_at))
    meter.note("withdraw, the claimant's next", deal.send("withdraw", payee, payee, by=payee))
    meter.note("withdraw, the arbiter's", deal.send("withdraw", arbiter, arbiter, by=arbiter))
    meter.note("withdraw, the payer's, all that is left", deal.send("withdraw", payer, payer, by=payer))


def _native(stage: Stage, meter: Meter, *, terms: Terms) -> None:
    terms = replace(terms, installments=((COIN, LATER_DUE),))
    deal, opened = stage.open(terms, by=terms.payer, signers=[terms.payee])
    meter.note("open, 1 installment, the payer sends", opened)
    meter.note("native coin: fund", deal.send("fund", 0, by=terms.payer, value_wei=COIN))
    meter.note("native coin: approve", deal.send("approve", 0, by=terms.payer))
    meter.note("native coin: withdraw", deal.send("withdraw", terms.payee, terms.payee, by=terms.payee))


def _added(stage: Stage, meter: Meter, *, terms: Terms, other: Address) -> None:
    """What the prototype did not have, each in a state as the first deal's."""
    payer, payee = terms.payer, terms.payee
    terms = replace(terms, installments=tuple((UNIT, LATER_DUE + number) for number in range(4)))
    deal, _ = stage.open(terms, by=payer, signers=[payee])
    stage.send("TestToken", terms.token, "approve", deal.address, UNLIMITED, by=payer)
    deal.send("fund", 0, by=payer)
    meter.note("fundWithPermit, the first", _fund_with_permit(stage, terms=replace(terms, salt=5)))
    _settle(meter, deal, "settle, 1 installment, the payer sends", parts=((0, UNIT // 4, UNIT - UNIT // 4),))
    deal.send("fund", 1, by=payer)
    deal.send("fund", 2, by=payer)
    parts = ((1, UNIT // 2, UNIT // 2), (2, UNIT, 0), (3, 0, 0))
    _settle(meter, deal, "settle, 3 installments, the payer sends", parts=parts)
    meter.note("assignClaim", deal.send("assignClaim", other, HASH, by=payee))
    stage.send("TestToken", terms.token, "transfer", deal.address, UNIT, by=payer)
    meter.note("sweep", deal.send("sweep", terms.token, payer, by=payer))
    meter.note("refund, after fund from surplus", _refund(stage, terms=replace(terms, salt=4)))


def _settle(meter: Meter, deal: Deal, name: str, *, parts: tuple[tuple[int, int, int], ...]) -> None:
    settlement = Settlement(document_hash=HASH, valid_until=GENESIS_AT * 2, parts=parts)
    signature = deal.sign_settlement(settlement, by=deal.terms.payee)
    meter.note(name, deal.send("settle", settlement.values(), b"", signature, by=deal.terms.payer))


def _fund_with_permit(stage: Stage, *, terms: Terms) -> Receipt:
    token = stage.token(holders=[terms.payer], units=UNIT, name="PermitToken")
    deal, _ = stage.open(replace(terms, token=token), by=terms.payer, signers=[terms.payee])
    deadline = GENESIS_AT * 2
    permit = deal.sign_permit(holder=terms.payer, units=UNIT, deadline=deadline)
    return deal.send("fundWithPermit", 0, UNIT, deadline, *permit, by=terms.payer)


def _refund(stage: Stage, *, terms: Terms) -> Receipt:
    """The money came before the deal was opened."""
    stage.send("TestToken", terms.token, "transfer", stage.predict(terms), UNIT, by=terms.payer)
    deal, _ = stage.open(terms, by=terms.payer, signers=[terms.payee])
    deal.send("fund", 0, by=terms.payer)
    return deal.send("refund", 0, by=terms.payee)


@contextmanager
def _stage() -> Iterator[Stage]:
    with start_dev_node(
        anvil=get_anvil.ensure(), timestamp=GENESIS_AT, chain_id=CHAIN_ID, extra=("--hardfork", "cancun")
    ) as node:
        policy = EgressPolicy.parse(f"127.0.0.1:{node.port}")
        with RpcClient(node.url, policy=policy) as rpc:
            yield Stage.build(node, rpc)


def table(steps: dict[str, int]) -> str:
    rows = []
    for name in [*PROTOTYPE, *(name for name in steps if name not in PROTOTYPE)]:
        before = PROTOTYPE.get(name)
        beside = f"{before:,} | {steps[name] - before:+,}" if before is not None else "- | -"
        rows.append(f"| {name} | {steps[name]:,} | {beside} |\n")
    size = len(artifact("DebtEscrow").bytecode)
    return f"{HEAD}{''.join(rows)}\nThe creation code that every deal shares has {size:,} bytes.\n"


def write() -> str:
    """Make contracts/gas.md what is measured."""
    steps = measure()
    TABLE.write_text(table(steps), "utf-8")
    return f"{len(steps)} steps measured"


def check() -> str:
    """Raises WorkshopFailed when the committed table is not what is measured."""
    steps = measure()
    fresh = table(steps)
    kept = TABLE.read_text("utf-8") if TABLE.is_file() else ""
    if kept != fresh:
        known = set(kept.splitlines())
        changed = "\n".join(line for line in fresh.splitlines() if line not in known)
        msg = f"contracts/gas.md is not what is measured (./run contracts --write makes it anew):\n{changed}"
        raise WorkshopFailed(msg)
    return f"{len(steps)} steps cost what contracts/gas.md says"
