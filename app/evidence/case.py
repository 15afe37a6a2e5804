"""data/case.json: the question that a bundle answers, with everything the parties recorded for it (pure).

What is written here is what the verifier reads back, and recomputes the assessment from. Standard library
only. All hex is lower case, amounts are integers in base units as decimal strings.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from app.assessment.values import Facts, Gap, Reading, ScopeRow
from app.canonical import Json
from app.clock import to_rfc3339
from app.debts.terms import (
    DUE_MAX,
    GRACE_DAYS_MAX,
    AccountBinding,
    Basis,
    Debt,
    DebtOutline,
    Installment,
    Party,
)
from app.evidence.chainfile import block_document, parse_block_document
from app.evidence.shape import Shape
from app.matching.allocate import DUE_DATE_ORDER
from app.matching.attribute import Records
from app.money import DECIMALS_MAX, Asset
from chains.types import AccountId, AssetId, ChainId, Transfer

FORMAT = 1
ATTRIBUTION = "account-pair/1"
_SYMBOL_CHARS_MAX = 1000
# As many as can be recorded.
_INSTALLMENTS_MAX = 1000

# Names in the IANA database; a dot would name one of its other files.
_ZONE = re.compile(r"[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+)*")
# Beside the zones, and filled by each machine for itself or with leap seconds.
_NOT_ZONES = ("localtime", "posixrules", "posix/", "right/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A case as it stands in the bundle: all facts but the transfers, which the raw answers hold."""

    evidence_id: str
    created_at: datetime
    as_of: datetime
    known_at: datetime
    operator: str
    relation: str
    asked_by: str
    records: Records
    creditor: Party
    debtor: Party
    scope: tuple[ScopeRow, ...]

    def facts(self, *, transfers: list[Transfer], reading: Reading) -> Facts:
        return Facts(
            records=self.records,
            creditor=self.creditor,
            debtor=self.debtor,
            transfers=transfers,
            scope=self.scope,
            reading=reading,
        )

    @property
    def anchors(self) -> tuple[str, ...]:
        """`N:0x…` of block b+1 of each chain, the block that everything else hangs on."""
        return tuple(f"{row.after.number}:{row.after.hash}" for row in self.scope if row.after is not None)


def case_document(case: Case) -> dict[str, Json]:
    debt = case.records.debt
    return {
        "format": FORMAT,
        "evidence_id": case.evidence_id,
        "created_at": to_rfc3339(case.created_at),
        "as_of": to_rfc3339(case.as_of),
        "known_at": to_rfc3339(case.known_at),
        "asked_by": case.asked_by,
        "operator": {"name": case.operator, "relation": case.relation},
        "rules": {"allocation": DUE_DATE_ORDER, "attribution": ATTRIBUTION},
        "creditor": _party(case.creditor, case.records),
        "debtor": _party(case.debtor, case.records),
        "debt": _debt(debt),
        "other_debts": [
            {
                "id": each.id,
                "reference": each.reference,
                "assets": [*sorted(each.asset_ids)],
                "agreed_at": to_rfc3339(each.agreed_at),
            }
            for each in case.records.other_debts
        ],
        "registered_assets": [
            _asset(asset)
            for _, asset in sorted(case.records.registered.items(), key=lambda each: str(each[0]))
        ],
        "symbols": [
            {"asset": str(asset), "symbol": symbol}
            for asset, symbol in sorted(case.records.symbols.items(), key=lambda each: str(each[0]))
        ],
        "scope": [_scope_row(row) for row in case.scope],
        "declarations": [],
    }


def _party(party: Party, records: Records) -> dict[str, Json]:
    return {
        "id": party.id,
        "name": party.name,
        "kind": party.kind,
        "recorded_at": to_rfc3339(party.recorded_at),
        "accounts": [
            {
                "account": str(binding.account),
                "basis": binding.basis.value,
                "from": None if binding.valid_from is None else to_rfc3339(binding.valid_from),
                "until": None if binding.valid_until is None else to_rfc3339(binding.valid_until),
                "recorded_at": to_rfc3339(binding.recorded_at),
            }
            for binding in records.bindings_of(party.id)
        ],
    }


def _debt(debt: Debt) -> dict[str, Json]:
    return {
        "id": debt.id,
        "reference": debt.reference,
        "kind": debt.kind,
        "asset": _asset(debt.asset),
        "accepted_assets": [_asset(asset) for asset in debt.accepted_assets],
        "principal_units": str(debt.principal_units),
        "agreed_at": to_rfc3339(debt.agreed_at),
        "time_zone": debt.time_zone,
        "grace_days": debt.grace_days,
        "tolerance_units": str(debt.tolerance_units),
        "disbursements": list(debt.disbursements),
        "installments": [
            {
                "due_at": to_rfc3339(each.due_at),
                "due_on": None if each.due_on is None else each.due_on.isoformat(),
                "amount_units": str(each.amount_units),
            }
            for each in debt.installments
        ],
        "recorded_at": to_rfc3339(debt.recorded_at),
    }


def _asset(asset: Asset) -> dict[str, Json]:
    return {"asset": str(asset.id), "symbol": asset.symbol, "decimals": asset.decimals}


def _scope_row(row: ScopeRow) -> dict[str, Json]:
    return {
        "chain": str(row.chain),
        "name": row.chain_name,
        "accounts": [str(account) for account in row.accounts],
        "before": None if row.before is None else block_document(row.before),
        "first": None if row.first is None else block_document(row.first),
        "last": None if row.last is None else block_document(row.last),
        "anchor": None if row.after is None else block_document(row.after),
        "gaps": [
            {
                "account": None if gap.account is None else str(gap.account),
                "first_block": gap.first_block,
                "last_block": gap.last_block,
                "reason": gap.reason,
            }
            for gap in row.gaps
        ],
    }


def parse_case(value: Json) -> Case:
    """The case behind a document of format 1. Raises ShapeError."""
    names = (
        "format evidence_id created_at as_of known_at asked_by operator rules creditor debtor debt "
        "other_debts registered_assets symbols scope declarations"
    )
    (
        format_, evidence_id, created_at, as_of, known_at, asked_by, operator, rules, creditor, debtor,
        debt, other_debts, registered, symbols, scope, declarations,
    ) = Shape(value).fields(*names.split())  # fmt: skip
    format_.exactly(FORMAT)
    rules.exactly({"allocation": DUE_DATE_ORDER, "attribution": ATTRIBUTION})
    declarations.exactly([])
    operator_name, relation = operator.fields("name", "relation")
    creditor_party, creditor_bindings = _parse_party(creditor)
    debtor_party, debtor_bindings = _parse_party(debtor)
    assets = [_parse_asset(each) for each in registered.items(most=100_000)]
    return Case(
        evidence_id=evidence_id.text(most=64),
        created_at=created_at.instant(),
        as_of=as_of.instant(),
        known_at=known_at.instant(),
        asked_by=asked_by.text(),
        operator=operator_name.text(),
        relation=relation.text(),
        records=Records(
            debt=_parse_debt(debt, creditor_id=creditor_party.id, debtor_id=debtor_party.id),
            bindings=[*creditor_bindings, *debtor_bindings],
            other_debts=[_parse_outline(each) for each in other_debts.items(most=100_000)],
            registered={asset.id: asset for asset in assets},
            symbols=dict(_parse_symbol(each) for each in symbols.items(most=100_000)),
        ),
        creditor=creditor_party,
        debtor=debtor_party,
        scope=tuple(_parse_scope_row(each) for each in scope.items(most=100)),
    )


def _parse_party(shape: Shape) -> tuple[Party, list[AccountBinding]]:
    id_, name, kind, recorded_at, accounts = shape.fields("id", "name", "kind", "recorded_at", "accounts")
    party = Party(
        id=id_.text(most=64),
        name=name.text(),
        kind=kind.none_or(Shape.text),
        recorded_at=recorded_at.instant(),
    )
    return party, [_parse_binding(each, party_id=party.id) for each in accounts.items(most=10_000)]


def _parse_binding(shape: Shape, *, party_id: str) -> AccountBinding:
    account, basis, valid_from, valid_until, recorded_at = shape.fields(
        "account", "basis", "from", "until", "recorded_at"
    )
    return AccountBinding(
        party_id=party_id,
        account=account.parsed(AccountId.parse),
        basis=basis.parsed(Basis),
        valid_from=valid_from.none_or(Shape.instant),
        valid_until=valid_until.none_or(Shape.instant),
        recorded_at=recorded_at.instant(),
    )


def _parse_asset(shape: Shape) -> Asset:
    asset, symbol, decimals = shape.fields("asset", "symbol", "decimals")
    return Asset(
        id=asset.parsed(AssetId.parse),
        symbol=symbol.text(most=_SYMBOL_CHARS_MAX),
        decimals=decimals.integer(most=DECIMALS_MAX),
    )


def _parse_symbol(shape: Shape) -> tuple[AssetId, str]:
    asset, symbol = shape.fields("asset", "symbol")
    return asset.parsed(AssetId.parse), symbol.text(most=_SYMBOL_CHARS_MAX)


def _parse_outline(shape: Shape) -> DebtOutline:
    id_, reference, assets, agreed_at = shape.fields("id", "reference", "assets", "agreed_at")
    return DebtOutline(
        id=id_.text(most=64),
        reference=reference.text(),
        asset_ids=frozenset(str(each.parsed(AssetId.parse)) for each in assets.items(most=1000)),
        agreed_at=agreed_at.instant(),
    )


def _parse_debt(shape: Shape, *, creditor_id: str, debtor_id: str) -> Debt:
    names = (
        "id reference kind asset accepted_assets principal_units agreed_at time_zone grace_days "
        "tolerance_units disbursements installments recorded_at"
    )
    (
        id_, reference, kind, asset, accepted, principal, agreed_at, time_zone, grace_days, tolerance,
        disbursements, installments, recorded_at,
    ) = shape.fields(*names.split())  # fmt: skip
    debt = Debt(
        id=id_.text(most=64),
        reference=reference.text(),
        creditor_id=creditor_id,
        debtor_id=debtor_id,
        kind=kind.text(most=64),
        asset=_parse_asset(asset),
        accepted_assets=tuple(_parse_asset(each) for each in accepted.items(most=1000)),
        principal_units=principal.units(),
        agreed_at=agreed_at.instant(),
        time_zone=time_zone.parsed(_zone),
        installments=tuple(
            _parse_installment(each, number=number)
            for number, each in enumerate(installments.items(most=_INSTALLMENTS_MAX), start=1)
        ),
        grace_days=grace_days.integer(most=GRACE_DAYS_MAX),
        tolerance_units=tolerance.units(),
        disbursements=tuple(each.text(most=200) for each in disbursements.items(most=10_000)),
        recorded_at=recorded_at.instant(),
    )
    _check_terms(debt, installments=installments, tolerance=tolerance)
    return debt


def _check_terms(debt: Debt, *, installments: Shape, tolerance: Shape) -> None:
    """What recording demands of every debt, and what the rules of this format rest on."""
    due = [each.due_at for each in debt.installments]
    if sum(each.amount_units for each in debt.installments) != debt.principal_units:
        msg = "the installments do not add up to the principal"
        raise installments.wrong(msg)
    if due != sorted(due):
        msg = "the installments are not in due order"
        raise installments.wrong(msg)
    if due and due[0] < debt.agreed_at:
        msg = "an installment falls due before the agreement"
        raise installments.wrong(msg)
    if debt.tolerance_units > debt.principal_units:
        msg = "the tolerance exceeds the principal"
        raise tolerance.wrong(msg)


def _zone(name: str) -> str:
    """A zone that every machine knows alike. Raises ValueError."""
    if _ZONE.fullmatch(name) is None or name.startswith(_NOT_ZONES):
        msg = "not the name of a time zone"
        raise ValueError(msg)
    try:
        return ZoneInfo(name).key
    except (LookupError, OSError) as error:
        # A name that is not there is a KeyError, a folder of zones such as Asia an OSError.
        msg = "no such time zone"
        raise ValueError(msg) from error


def _parse_installment(shape: Shape, *, number: int) -> Installment:
    due_at, due_on, amount = shape.fields("due_at", "due_on", "amount_units")
    if due_at.instant() > DUE_MAX:
        msg = f"due later than {DUE_MAX.year}"
        raise due_at.wrong(msg)
    return Installment(
        number=number,
        due_at=due_at.instant(),
        due_on=due_on.none_or(lambda each: each.parsed(date.fromisoformat)),
        amount_units=amount.units(),
    )


def _parse_scope_row(shape: Shape) -> ScopeRow:
    chain, name, accounts, before, first, last, anchor, gaps = shape.fields(
        "chain", "name", "accounts", "before", "first", "last", "anchor", "gaps"
    )
    chain_id = chain.parsed(ChainId.parse)
    return ScopeRow(
        chain=chain_id,
        chain_name=name.text(),
        accounts=tuple(each.parsed(AccountId.parse) for each in accounts.items(most=10_000)),
        before=before.none_or(parse_block_document),
        first=first.none_or(parse_block_document),
        last=last.none_or(parse_block_document),
        after=anchor.none_or(parse_block_document),
        gaps=tuple(_parse_gap(each, chain=chain_id) for each in gaps.items(most=100_000)),
    )


def _parse_gap(shape: Shape, *, chain: ChainId) -> Gap:
    account, first_block, last_block, reason = shape.fields("account", "first_block", "last_block", "reason")
    return Gap(
        chain=chain,
        account=account.none_or(lambda each: each.parsed(AccountId.parse)),
        first_block=first_block.none_or(Shape.integer),
        last_block=last_block.none_or(Shape.integer),
        reason=reason.text(),
    )
