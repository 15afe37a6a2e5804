"""Small worlds for tests of the pure core: parties, terms, blocks of one second each, and transfers.

Every value has a default that means nothing in particular; a test names what it is about. Values only: no
database, no node.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

from app.assessment.assess import assess
from app.assessment.values import Assessment, Facts, Gap, Reading, ScopeRow
from app.debts.terms import AccountBinding, Basis, Debt, DebtOutline, Installment, Party
from app.matching.attribute import Records
from app.money import Asset
from chains.types import AccountId, Address, AssetId, BlockRef, ChainId, Hash32, Transfer

CHAIN = ChainId(31337)
OTHER_CHAIN = ChainId(31338)
AGREED_AT = datetime(2026, 1, 1, tzinfo=UTC)
ONE = 10**6
_GENESIS = int(AGREED_AT.timestamp()) - 1000


def address(name: str) -> Address:
    """The same for the same name; of different names, none resembles another."""
    return Address(hashlib.sha256(name.encode()).digest()[:20])


def look_alike(of: Address) -> Address:
    """Another address with the same first and last four digits, as poisoners grind them."""
    return Address(of[:2] + bytes(byte ^ 0xFF for byte in of[2:-2]) + of[-2:])


CREDITOR, DEBTOR, STRANGER = address("creditor"), address("debtor"), address("stranger")


def asset(symbol: str = "USDX", *, decimals: int = 6, chain: ChainId = CHAIN, contract: str = "") -> Asset:
    id_ = AssetId(chain, address(f"token {contract or symbol}"))
    return Asset(id=id_, symbol=symbol, decimals=decimals)


USDX = asset()


def day(number: float, *, seconds: int = 0) -> datetime:
    """So many days after the debt was agreed."""
    return AGREED_AT + timedelta(days=number, seconds=seconds)


def block(at: datetime, *, chain: ChainId = CHAIN) -> BlockRef:
    """The block of that second: one block a second, from a little before the debt was agreed."""
    time = int(at.timestamp())
    digest = hashlib.sha256(f"{chain} {time}".encode()).digest()
    return BlockRef(number=time - _GENESIS, hash=Hash32(digest), time=time)


def transfer(
    at: datetime,
    units: int,
    *,
    sender: Address = DEBTOR,
    recipient: Address = CREDITOR,
    token: Asset | AssetId = USDX,
    log_index: int = 0,
) -> Transfer:
    token_id = token.id if isinstance(token, Asset) else token
    assert token_id.contract is not None
    where = block(at, chain=token_id.chain)
    return Transfer(
        chain=token_id.chain,
        block=where,
        tx_hash=Hash32(hashlib.sha256(where.hash).digest()),
        log_index=log_index,
        contract=token_id.contract,
        sender=sender,
        recipient=recipient,
        amount_units=units,
    )


def binding(
    party_id: str,
    account: Address,
    *,
    basis: Basis = Basis.CONTRACT,
    valid_from: datetime | None = None,
    valid_until: datetime | None = None,
    recorded_at: datetime = AGREED_AT,
    chain: ChainId = CHAIN,
) -> AccountBinding:
    return AccountBinding(
        party_id=party_id,
        account=AccountId(chain, account),
        basis=basis,
        valid_from=valid_from,
        valid_until=valid_until,
        recorded_at=recorded_at,
    )


def of_creditor(
    account: Address = CREDITOR,
    *,
    basis: Basis = Basis.CONTRACT,
    valid_from: datetime | None = None,
    valid_until: datetime | None = None,
    chain: ChainId = CHAIN,
) -> AccountBinding:
    return binding(
        "creditor", account, basis=basis, valid_from=valid_from, valid_until=valid_until, chain=chain
    )


def of_debtor(
    account: Address = DEBTOR,
    *,
    basis: Basis = Basis.CONTRACT,
    valid_from: datetime | None = None,
    valid_until: datetime | None = None,
    recorded_at: datetime = AGREED_AT,
    chain: ChainId = CHAIN,
) -> AccountBinding:
    return binding(
        "debtor",
        account,
        basis=basis,
        valid_from=valid_from,
        valid_until=valid_until,
        recorded_at=recorded_at,
        chain=chain,
    )


def installments(*parts: tuple[datetime | date, int]) -> tuple[Installment, ...]:
    """(due, units) each. A date is a calendar day; its instant is the end of that day in UTC."""
    return tuple(
        Installment(
            number=number,
            due_at=due
            if isinstance(due, datetime)
            else datetime(due.year, due.month, due.day, 23, 59, 59, tzinfo=UTC),
            due_on=None if isinstance(due, datetime) else due,
            amount_units=units,
        )
        for number, (due, units) in enumerate(parts, start=1)
    )


THREE = installments((day(60), 3000 * ONE), (day(100), 3000 * ONE), (day(140), 3000 * ONE))


def debt(
    *,
    parts: tuple[Installment, ...] = THREE,
    owed: Asset = USDX,
    accepted: tuple[Asset, ...] = (),
    grace_days: int = 0,
    tolerance_units: int = 0,
    time_zone: str = "UTC",
    agreed_at: datetime = AGREED_AT,
) -> Debt:
    return Debt(
        id="debt",
        reference="LOAN-1",
        creditor_id="creditor",
        debtor_id="debtor",
        kind="loan",
        asset=owed,
        accepted_assets=accepted,
        principal_units=sum(each.amount_units for each in parts),
        agreed_at=agreed_at,
        time_zone=time_zone,
        installments=parts,
        grace_days=grace_days,
        tolerance_units=tolerance_units,
        disbursements=(),
        recorded_at=AGREED_AT,
    )


def another_debt(*assets: Asset, agreed_at: datetime = AGREED_AT) -> DebtOutline:
    """Another debt between the same parties."""
    return DebtOutline(
        id="another",
        reference="LOAN-2",
        asset_ids=frozenset(str(each.id) for each in assets),
        agreed_at=agreed_at,
    )


def records(
    terms: Debt,
    *,
    bindings: Sequence[AccountBinding] | None = None,
    other_debts: Sequence[DebtOutline] = (),
    registered: Sequence[Asset] = (),
    symbols: Mapping[AssetId, str] | None = None,
) -> Records:
    """One account each, tied by contract, unless `bindings` says otherwise."""
    return Records(
        debt=terms,
        bindings=[of_creditor(), of_debtor()] if bindings is None else bindings,
        other_debts=other_debts,
        registered={each.id: each for each in (*terms.assets, *registered)},
        symbols=symbols or {},
    )


def gap(*, reason: str = "blocks 5-9 were not read for every account in list C") -> Gap:
    account = AccountId(CHAIN, CREDITOR)
    return Gap(chain=CHAIN, account=account, first_block=5, last_block=9, reason=reason)


def scope_row(
    book: Records, *, as_of: datetime, gaps: Sequence[Gap] = (), chain: ChainId = CHAIN
) -> ScopeRow:
    """The window from the agreement to `as_of`, bracketed, for all accounts that the creditor ever had."""
    accounts = {each.account for each in book.bindings_of("creditor") if each.account.chain == chain}
    agreed_at, second = book.debt.agreed_at, timedelta(seconds=1)
    return ScopeRow(
        chain=chain,
        chain_name="Testnet" if chain == CHAIN else "Sidenet",
        accounts=tuple(sorted(accounts)),
        before=block(agreed_at - second, chain=chain),
        first=block(agreed_at, chain=chain),
        last=block(as_of, chain=chain),
        after=block(as_of + second, chain=chain),
        gaps=tuple(gaps),
    )


def reading(
    *, requests: int = 6, agreed: int = 1, differed: int = 0, failed: int = 0, at: datetime = AGREED_AT
) -> Reading:
    return Reading(
        started_at=at,
        finished_at=at + timedelta(seconds=2),
        requests=requests,
        agreed=agreed,
        differed=differed,
        failed=failed,
        operator="Harbour Lending Ltd",
        relation="the creditor",
        chosen_by="the operator",
    )


READING = reading()


def facts(
    *transfers: Transfer,
    book: Records,
    as_of: datetime,
    gaps: Sequence[Gap] = (),
    scope: tuple[ScopeRow, ...] | None = None,
    asked: Reading | None = READING,
) -> Facts:
    people = [
        Party(id=id_, name=id_.title(), kind=None, recorded_at=AGREED_AT) for id_ in ("creditor", "debtor")
    ]
    return Facts(
        records=book,
        creditor=people[0],
        debtor=people[1],
        transfers=transfers,
        scope=(scope_row(book, as_of=as_of, gaps=gaps),) if scope is None else scope,
        reading=asked,
    )


def assessed(
    *transfers: Transfer,
    terms: Debt | None = None,
    book: Records | None = None,
    as_of: datetime | None = None,
    gaps: Sequence[Gap] = (),
    scope: tuple[ScopeRow, ...] | None = None,
    asked: Reading | None = READING,
) -> Assessment:
    """The assessment on day 180, of a debt of 3 x 3,000 USDX due on days 60, 100 and 140."""
    book = book or records(terms or debt())
    as_of = as_of or day(180)
    found = facts(*transfers, book=book, as_of=as_of, gaps=gaps, scope=scope, asked=asked)
    return assess(facts=found, as_of=as_of, known_at=as_of)
