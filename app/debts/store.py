"""Parties, bindings and debts in the database. Every query names the tenant."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from app.db import insert_new
from app.debts.model import accepted_asset, account_binding, debt, disbursement, installment, party
from app.debts.terms import AccountBinding, Basis, Debt, DebtOutline, Installment, Party
from app.ids import new_id
from app.ingest.store.assets import registered_assets
from chains.types import AccountId, AssetId, ChainId


def add_party(
    connection: Connection,
    *,
    tenant_id: str,
    value: Party,
    email: str | None,
    locale: str | None,
) -> None:
    connection.execute(
        sa.insert(party).values(
            tenant_id=tenant_id,
            id=value.id,
            name=value.name,
            kind=value.kind,
            email=email,
            locale=locale,
            recorded_at=value.recorded_at,
        )
    )


def add_binding(
    connection: Connection, *, tenant_id: str, binding_id: str, value: AccountBinding, note: str | None
) -> None:
    connection.execute(
        sa.insert(account_binding).values(
            tenant_id=tenant_id,
            id=binding_id,
            party_id=value.party_id,
            chain_id=str(value.account.chain),
            address=value.account.address,
            basis=value.basis.value,
            valid_from=value.valid_from,
            valid_until=value.valid_until,
            note=note,
            recorded_at=value.recorded_at,
        )
    )


def find_party(connection: Connection, *, tenant_id: str, party_id: str) -> Party | None:
    query = sa.select(party).where(party.c.tenant_id == tenant_id, party.c.id == party_id)
    row = connection.execute(query).first()
    return None if row is None else _party(row)


def page_of_parties(connection: Connection, *, tenant_id: str, after: str | None, limit: int) -> list[Party]:
    query = sa.select(party).where(party.c.tenant_id == tenant_id).order_by(party.c.id).limit(limit)
    if after is not None:
        query = query.where(party.c.id > after)
    return [_party(row) for row in connection.execute(query)]


def _party(row: Row[tuple[object, ...]]) -> Party:
    return Party(id=row.id, name=row.name, kind=row.kind, recorded_at=row.recorded_at)


def bindings_of(
    connection: Connection,
    *,
    tenant_id: str,
    party_ids: Sequence[str] | None = None,
    known_at: datetime | None = None,
) -> list[AccountBinding]:
    query = (
        sa.select(account_binding)
        .where(account_binding.c.tenant_id == tenant_id)
        .order_by(account_binding.c.party_id, account_binding.c.id)
    )
    if party_ids is not None:
        query = query.where(account_binding.c.party_id.in_(party_ids))
    if known_at is not None:
        query = query.where(account_binding.c.recorded_at <= known_at)
    return [
        AccountBinding(
            party_id=row.party_id,
            account=AccountId(ChainId.parse(row.chain_id), row.address),
            basis=Basis(row.basis),
            valid_from=row.valid_from,
            valid_until=row.valid_until,
            recorded_at=row.recorded_at,
        )
        for row in connection.execute(query)
    ]


def add_debt(
    connection: Connection,
    *,
    tenant_id: str,
    value: Debt,
    allocation_rule: str | None,
    governing_law: str | None,
    consumer: bool,
) -> bool:
    """False, and nothing is stored, if the tenant has a debt of this reference already."""
    row = {
        "tenant_id": tenant_id,
        "id": value.id,
        "reference": value.reference,
        "creditor_id": value.creditor_id,
        "debtor_id": value.debtor_id,
        "kind": value.kind,
        "asset_id": str(value.asset.id),
        "principal_units": value.principal_units,
        "agreed_at": value.agreed_at,
        "time_zone": value.time_zone,
        "calendar": None,
        "grace_days": value.grace_days,
        "tolerance_units": value.tolerance_units,
        "allocation_rule": allocation_rule,
        "governing_law": governing_law,
        "consumer": consumer,
        "recorded_at": value.recorded_at,
    }
    if insert_new(connection, debt, [row], unique=["tenant_id", "reference"]) == 0:
        return False
    _add_parts(connection, tenant_id=tenant_id, value=value)
    return True


def _add_parts(connection: Connection, *, tenant_id: str, value: Debt) -> None:
    of_debt = {"tenant_id": tenant_id, "debt_id": value.id}
    connection.execute(
        sa.insert(installment),
        [
            {
                **of_debt,
                "id": new_id("ins", now=value.recorded_at),
                "position": each.number,
                "due_at": each.due_at,
                "due_on": None if each.due_on is None else each.due_on.isoformat(),
                "amount_units": each.amount_units,
            }
            for each in value.installments
        ],
    )
    insert_new(
        connection,
        accepted_asset,
        [{**of_debt, "asset_id": str(each.id)} for each in value.accepted_assets],
    )
    insert_new(connection, disbursement, [{**of_debt, "transfer_id": each} for each in value.disbursements])


def find_debt(connection: Connection, *, tenant_id: str, debt_id: str) -> Debt | None:
    query = sa.select(debt).where(debt.c.tenant_id == tenant_id, debt.c.id == debt_id)
    row = connection.execute(query).first()
    return None if row is None else _debt(connection, row, tenant_id=tenant_id)


def page_of_debts(
    connection: Connection,
    *,
    tenant_id: str,
    party_id: str | None,
    after: str | None,
    limit: int,
    among: sa.Select[tuple[str]] | None = None,
) -> list[Debt]:
    """`among`: only those whose ids this query finds."""
    query = sa.select(debt).where(debt.c.tenant_id == tenant_id).order_by(debt.c.id).limit(limit)
    if among is not None:
        query = query.where(debt.c.id.in_(among))
    if party_id is not None:
        query = query.where(sa.or_(debt.c.creditor_id == party_id, debt.c.debtor_id == party_id))
    if after is not None:
        query = query.where(debt.c.id > after)
    rows = connection.execute(query).all()
    return [_debt(connection, row, tenant_id=tenant_id) for row in rows]


def debt_ids(connection: Connection, *, tenant_id: str) -> list[str]:
    query = sa.select(debt.c.id).where(debt.c.tenant_id == tenant_id).order_by(debt.c.id)
    return list(connection.execute(query).scalars())


def _debt(connection: Connection, row: Row[tuple[object, ...]], *, tenant_id: str) -> Debt:
    accepted = connection.execute(
        sa.select(accepted_asset.c.asset_id)
        .where(accepted_asset.c.tenant_id == tenant_id, accepted_asset.c.debt_id == row.id)
        .order_by(accepted_asset.c.asset_id)
    ).scalars()
    asset_ids = [AssetId.parse(row.asset_id), *(AssetId.parse(each) for each in accepted)]
    assets = {each.asset.id: each.asset for each in registered_assets(connection, ids=asset_ids)}
    transfers = connection.execute(
        sa.select(disbursement.c.transfer_id)
        .where(disbursement.c.tenant_id == tenant_id, disbursement.c.debt_id == row.id)
        .order_by(disbursement.c.transfer_id)
    ).scalars()
    return Debt(
        id=row.id,
        reference=row.reference,
        creditor_id=row.creditor_id,
        debtor_id=row.debtor_id,
        kind=row.kind,
        asset=assets[asset_ids[0]],
        accepted_assets=tuple(assets[each] for each in asset_ids[1:]),
        principal_units=row.principal_units,
        agreed_at=row.agreed_at,
        time_zone=row.time_zone,
        installments=_installments(connection, tenant_id=tenant_id, debt_id=row.id),
        grace_days=row.grace_days,
        tolerance_units=row.tolerance_units,
        disbursements=tuple(transfers),
        recorded_at=row.recorded_at,
    )


def _installments(connection: Connection, *, tenant_id: str, debt_id: str) -> tuple[Installment, ...]:
    query = (
        sa.select(installment)
        .where(installment.c.tenant_id == tenant_id, installment.c.debt_id == debt_id)
        .order_by(installment.c.position)
    )
    return tuple(
        Installment(
            number=row.position,
            due_at=row.due_at,
            due_on=None if row.due_on is None else date.fromisoformat(row.due_on),
            amount_units=row.amount_units,
        )
        for row in connection.execute(query)
    )


def other_debts(connection: Connection, *, tenant_id: str, of: Debt, known_at: datetime) -> list[DebtOutline]:
    """The other debts between the same two parties, recorded by then."""
    query = (
        sa.select(debt)
        .where(
            debt.c.tenant_id == tenant_id,
            debt.c.creditor_id == of.creditor_id,
            debt.c.debtor_id == of.debtor_id,
            debt.c.id != of.id,
            debt.c.recorded_at <= known_at,
        )
        .order_by(debt.c.id)
    )
    found = [_debt(connection, row, tenant_id=tenant_id) for row in connection.execute(query).all()]
    return [
        DebtOutline(
            id=each.id,
            reference=each.reference,
            asset_ids=frozenset(str(asset.id) for asset in each.assets),
            agreed_at=each.agreed_at,
        )
        for each in found
    ]


def earliest_agreement(connection: Connection, *, tenant_id: str, party_id: str) -> datetime | None:
    """When the oldest debt of this party was agreed: its accounts are read from then on."""
    query = sa.select(sa.func.min(debt.c.agreed_at)).where(
        debt.c.tenant_id == tenant_id,
        sa.or_(debt.c.creditor_id == party_id, debt.c.debtor_id == party_id),
    )
    return connection.execute(query).scalar()
