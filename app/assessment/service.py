"""Assessing a recorded debt: load the facts, find the ends of the window, compute."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Connection, Engine

from app.assessment.assess import assess
from app.assessment.scope import (
    Searched,
    bracket,
    default_as_of,
    scope_row,
    searched_chains,
    window_times,
)
from app.assessment.values import Assessment, Facts, Reading, ScopeRow
from app.clock import Clock, to_rfc3339
from app.db import reading
from app.debts import store as debt_store
from app.debts.terms import AccountBinding, Debt, Party
from app.errors import Fault, InvalidInput, NotFound
from app.ingest.locate import block_at
from app.ingest.nodes import open_node
from app.ingest.ranges import Blocks
from app.ingest.store import assets as asset_store
from app.ingest.store import chains as chain_store
from app.ingest.store import transfers as transfer_store
from app.matching.attribute import Records
from app.resources import Operator, Outside
from chains.errors import ChainError
from chains.types import Transfer


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A debt and the two times. None: as_of by the domain's rule, known_at now."""

    tenant_id: str
    debt_id: str
    as_of: datetime | None = None
    known_at: datetime | None = None


def assess_debt(
    *, engine: Engine, question: Question, operator: Operator, outside: Outside, clock: Clock
) -> Assessment:
    """The assessment, from the store; a node is asked only for the ends of an unusual window.

    Raises NotFound and InvalidInput (/as_of, /known_at).
    """
    now = clock()
    # What will be recorded later is not known yet: a later time would not give the same answer again.
    known_at = min(question.known_at or now, now)
    locate_window(engine=engine, question=question, known_at=known_at, outside=outside, clock=clock)
    with reading(engine) as connection:
        debt = find_debt(connection, question=question, known_at=known_at)
        facts, as_of = load_facts(
            connection, debt=debt, question=question, known_at=known_at, operator=operator
        )
    return assess(facts=facts, as_of=as_of, known_at=known_at)


def locate_window(
    *, engine: Engine, question: Question, known_at: datetime, outside: Outside, clock: Clock
) -> None:
    """Have the blocks at the ends of the window on record, as far as a node tells them."""
    with reading(engine) as connection:
        debt = find_debt(connection, question=question, known_at=known_at)
        unknown = _unlocated(connection, debt=debt, question=question, known_at=known_at)
    for chain, time in unknown:
        _locate(engine, chain=chain, time=time, outside=outside, clock=clock)


def find_debt(connection: Connection, *, question: Question, known_at: datetime) -> Debt:
    debt = debt_store.find_debt(connection, tenant_id=question.tenant_id, debt_id=question.debt_id)
    if debt is None:
        raise NotFound(what="debt", id_=question.debt_id)
    if known_at < debt.recorded_at:
        detail = f"Nothing was known then: this debt was recorded at {to_rfc3339(debt.recorded_at)}."
        raise InvalidInput([Fault(pointer="/known_at", detail=detail)])
    if question.as_of is not None and question.as_of < debt.agreed_at:
        detail = f"The debt was agreed at {to_rfc3339(debt.agreed_at)}, later than as_of."
        raise InvalidInput([Fault(pointer="/as_of", detail=detail)])
    return debt


def _bindings(
    connection: Connection, *, debt: Debt, question: Question, known_at: datetime
) -> list[AccountBinding]:
    return debt_store.bindings_of(
        connection,
        tenant_id=question.tenant_id,
        party_ids=[debt.creditor_id, debt.debtor_id],
        known_at=known_at,
    )


def _unlocated(
    connection: Connection, *, debt: Debt, question: Question, known_at: datetime
) -> list[tuple[chain_store.Chain, int]]:
    """Times at the ends of the window whose blocks are not on record, chain by chain."""
    bindings = _bindings(connection, debt=debt, question=question, known_at=known_at)
    searched = searched_chains(connection, debt=debt, bindings=bindings, known_at=known_at)
    as_of = question.as_of or default_as_of(searched, known_at=known_at)
    return [
        (each.chain, time)
        for each in searched
        if each.final_time is not None
        for time in window_times(debt, as_of=as_of)
        if time <= each.final_time and bracket(connection, chain_id=each.chain.id, time=time) is None
    ]


def _locate(engine: Engine, *, chain: chain_store.Chain, time: int, outside: Outside, clock: Clock) -> None:
    """Ask the nodes in turn. If none answers, the end stays unknown, and the assessment says so."""
    with reading(engine) as connection:
        nodes = chain_store.nodes(connection, chain.id)
    for node in nodes:
        try:
            with open_node(
                url=node.url, chain=chain.id, egress=outside.egress, limits=outside.limits
            ) as client:
                block_at(engine=engine, client=client, chain=chain, time=time - 1, clock=clock)
        except ChainError:
            continue
        return


def load_facts(
    connection: Connection, *, debt: Debt, question: Question, known_at: datetime, operator: Operator
) -> tuple[Facts, datetime]:
    """Everything recorded by `known_at` that the assessment may look at, and its `as_of`."""
    bindings = _bindings(connection, debt=debt, question=question, known_at=known_at)
    searched = searched_chains(connection, debt=debt, bindings=bindings, known_at=known_at)
    as_of = question.as_of or default_as_of(searched, known_at=known_at)
    # A debt can't be assessed before it was agreed: nothing final lies after that date yet.
    as_of = max(as_of, debt.agreed_at)
    scope = tuple(scope_row(connection, searched=each, debt=debt, as_of=as_of) for each in searched)
    transfers = _transfers(connection, bindings=bindings, scope=scope, known_at=known_at)
    seen = {transfer.asset for transfer in transfers}
    registered = asset_store.registered_assets(connection, ids=seen, known_at=known_at)
    records = Records(
        debt=debt,
        bindings=bindings,
        other_debts=debt_store.other_debts(
            connection, tenant_id=question.tenant_id, of=debt, known_at=known_at
        ),
        registered={each.asset.id: each.asset for each in registered},
        symbols=asset_store.symbols_of(connection, assets=seen, known_at=known_at),
    )
    facts = Facts(
        records=records,
        creditor=_party(connection, question=question, party_id=debt.creditor_id),
        debtor=_party(connection, question=question, party_id=debt.debtor_id),
        transfers=transfers,
        scope=scope,
        reading=_reading(searched, operator=operator),
    )
    return facts, as_of


def _party(connection: Connection, *, question: Question, party_id: str) -> Party:
    party = debt_store.find_party(connection, tenant_id=question.tenant_id, party_id=party_id)
    if party is None:  # pragma: no cover - the schema's foreign keys rule it out.
        raise NotFound(what="party", id_=party_id)
    return party


def _transfers(
    connection: Connection,
    *,
    bindings: list[AccountBinding],
    scope: tuple[ScopeRow, ...],
    known_at: datetime,
) -> list[Transfer]:
    found: list[Transfer] = []
    for row in scope:
        if row.first is None or row.last is None:
            continue
        addresses = {each.account.address for each in bindings if each.account.chain == row.chain}
        found += transfer_store.transfers_touching(
            connection,
            chain_id=row.chain,
            addresses=addresses,
            blocks=Blocks(row.first.number, row.last.number),
            known_at=known_at,
        )
    return found


def _reading(searched: list[Searched], *, operator: Operator) -> Reading | None:
    rows = [row for each in searched for row in each.rows]
    if not rows:
        return None
    return Reading(
        started_at=min(row.read_at for row in rows),
        finished_at=max(row.read_at for row in rows),
        requests=sum(len(row.answers) * len(row.nodes) for row in rows),
        agreed=len({node for row in rows for node in row.nodes}),
        differed=0,
        failed=0,
        operator=operator.name,
        relation=operator.relation,
        chosen_by="the operator",
    )
