"""Debts: recorded, listed, assessed."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy.engine import Connection

from app.api.context import Answer, Caller, Reader, Writer, page, read_cursor
from app.api.fields import (
    CHECKSUMMED,
    AmountField,
    AssetField,
    CursorField,
    DateField,
    IdField,
    InstantField,
    LimitField,
    ShortField,
)
from app.api.problems import documented
from app.assessment.document import (
    INLINE_CANDIDATES_MAX,
    assessment_document,
    candidate_document,
    local_text,
)
from app.assessment.service import Question, assess_debt
from app.assessment.store import assessed_as
from app.assessment.values import Assessment, Result, Timing
from app.clock import to_rfc3339
from app.db import reading
from app.debts import store
from app.debts.parties import Actor
from app.debts.recording import INSTALLMENTS_MAX, NewDebt, NewInstallment, record_debt
from app.debts.terms import GRACE_DAYS_MAX, Debt
from app.errors import Fault, InvalidInput, NotFound
from app.money import format_units

router = APIRouter(tags=["debts"])

TransferId = Annotated[
    str, StringConstraints(pattern=r"^eip155:[1-9][0-9]{0,18}:0x[0-9a-f]{64}:(0|[1-9][0-9]{0,9})$")
]


class InstallmentIn(BaseModel):
    """Exactly one of `due_at` and `due_on` (the end of that day in the debt's zone)."""

    model_config = ConfigDict(extra="forbid")
    amount: AmountField
    due_at: InstantField | None = None
    due_on: DateField | None = None


class DebtIn(BaseModel):
    """A debt. The installments add up to the principal."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "reference": "LOAN-7",
                    "creditor_id": "pty_01J00000000000000000000000",
                    "debtor_id": "pty_01J00000000000000000000001",
                    "kind": "loan",
                    "asset": "eip155:1/erc20:0xdAC17F958D2ee523a2206206994597C13D831ec7",
                    "principal": "9000",
                    "agreed_at": "2026-01-05T00:00:00Z",
                    "time_zone": "Europe/Berlin",
                    "installments": [{"due_on": "2026-03-06", "amount": "9000"}],
                }
            ]
        },
    )
    reference: ShortField
    creditor_id: IdField
    debtor_id: IdField
    kind: Literal["loan", "sale", "service", "other"]
    asset: AssetField
    principal: AmountField
    agreed_at: InstantField
    time_zone: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    installments: Annotated[list[InstallmentIn], Field(min_length=1, max_length=INSTALLMENTS_MAX)]
    calendar: str | None = None
    grace_days: Annotated[int, Field(ge=0, le=GRACE_DAYS_MAX)] = 0
    disbursements: Annotated[list[TransferId], Field(max_length=1000)] = []
    accepted_assets: Annotated[list[AssetField], Field(max_length=50)] = []
    pay_to: Annotated[list[str], Field(max_length=50)] = []
    allocation_rule: Annotated[str, StringConstraints(max_length=100)] | None = None
    tolerance: AmountField = "0"
    governing_law: Annotated[ShortField, StringConstraints(max_length=200)] | None = None
    interest: dict[str, Any] | None = None
    consumer: bool = False

    def new(self) -> NewDebt:
        self._refuse_what_is_not_built()
        return NewDebt(
            reference=self.reference,
            creditor_id=self.creditor_id,
            debtor_id=self.debtor_id,
            kind=self.kind,
            asset=self.asset,
            principal=self.principal,
            agreed_at=self.agreed_at,
            time_zone=self.time_zone,
            installments=tuple(
                NewInstallment(amount=each.amount, due_at=each.due_at, due_on=each.due_on)
                for each in self.installments
            ),
            grace_days=self.grace_days,
            disbursements=tuple(self.disbursements),
            accepted_assets=tuple(self.accepted_assets),
            allocation_rule=self.allocation_rule,
            tolerance=self.tolerance,
            governing_law=self.governing_law,
            consumer=self.consumer,
        )

    def _refuse_what_is_not_built(self) -> None:
        """A term that the assessment would not heed must not be taken in as if it did."""
        later = {"/calendar": self.calendar, "/pay_to": self.pay_to, "/interest": self.interest}
        faults = [
            Fault(pointer=pointer, detail="This term is not heeded yet; leave it out.")
            for pointer, value in later.items()
            if value
        ]
        if faults:
            raise InvalidInput(faults)


@router.post(
    "/debts",
    status_code=201,
    responses={201: {"description": "Recorded"}, **documented(400, 403, 409, 413)},
)
def post_debt(body: DebtIn, caller: Writer) -> Response:
    """Record what is owed. From now on the parties' accounts are read from `agreed_at` on."""
    new = body.new()

    def act(connection: Connection, actor: Actor, now: datetime) -> Answer:
        debt = record_debt(connection, actor=actor, new=new, now=now)
        return Answer(status=201, body=debt_document(debt), location=f"/v1/debts/{debt.id}")

    return caller.write(body, act)


@router.get("/debts", responses=documented(403))
def list_debts(
    caller: Reader,
    party_id: IdField | None = None,
    result: Result | None = None,
    timing: Timing | None = None,
    limit: LimitField = 50,
    cursor: CursorField | None = None,
) -> Response:
    """In the order of recording. `result` and `timing` are those of the last daily assessment."""
    after = read_cursor(cursor, of="debts", kinds=(str,))
    among = None
    if result is not None or timing is not None:
        among = assessed_as(tenant_id=caller.tenant_id, result=result, timing=timing)
    with reading(caller.resources.engine) as connection:
        debts = store.page_of_debts(
            connection,
            tenant_id=caller.tenant_id,
            party_id=party_id,
            after=after[0] if after else None,
            limit=limit,
            among=among,
        )
    return page(
        [debt_document(debt) for debt in debts],
        of="debts",
        next_cursor=[debts[-1].id] if len(debts) == limit else None,
    )


@router.get("/debts/{debt_id}", responses=documented(403, 404))
def get_debt(debt_id: IdField, caller: Reader) -> Response:
    with reading(caller.resources.engine) as connection:
        debt = store.find_debt(connection, tenant_id=caller.tenant_id, debt_id=debt_id)
    if debt is None:
        raise NotFound(what="debt", id_=debt_id)
    return JSONResponse(debt_document(debt))


@router.get("/debts/{debt_id}/assessment", responses=documented(403, 404))
def get_assessment(
    debt_id: IdField,
    caller: Reader,
    as_of: InstantField | None = None,
    known_at: InstantField | None = None,
) -> Response:
    """What is covered, what is open, and what was not searched."""
    assessment = _assess(caller, debt_id=debt_id, as_of=as_of, known_at=known_at)
    return JSONResponse(assessment_document(assessment, forms=CHECKSUMMED, inline_max=INLINE_CANDIDATES_MAX))


@router.get("/debts/{debt_id}/candidates", responses=documented(403, 404))
def list_candidates(
    debt_id: IdField, caller: Reader, limit: LimitField = 50, cursor: CursorField | None = None
) -> Response:
    """Every inflow to the creditor that is not attributed, with its reasons."""
    after = read_cursor(cursor, of="candidates", kinds=(int, str, int, int))
    assessment = _assess(caller, debt_id=debt_id, as_of=None, known_at=None)
    found = assessment.attribution.candidates
    if after is not None:
        # By place in time, not by id: the one that the cursor names may have become a payment meanwhile.
        found = tuple(each for each in found if each.transfer.position > tuple(after))
    return page(
        [candidate_document(assessment, each, forms=CHECKSUMMED) for each in found[:limit]],
        of="candidates",
        next_cursor=list(found[limit - 1].transfer.position) if len(found) > limit else None,
    )


def _assess(caller: Caller, *, debt_id: str, as_of: datetime | None, known_at: datetime | None) -> Assessment:
    resources = caller.resources
    try:
        return assess_debt(
            engine=resources.engine,
            question=Question(tenant_id=caller.tenant_id, debt_id=debt_id, as_of=as_of, known_at=known_at),
            operator=resources.operator,
            outside=resources.outside,
            clock=resources.clock,
        )
    except InvalidInput as error:
        # Here both times are query parameters, not fields of a body.
        raise InvalidInput(Fault(f"?{each.pointer[1:]}", each.detail) for each in error.faults) from None


def debt_document(debt: Debt) -> dict[str, Any]:
    decimals = debt.asset.decimals
    return {
        "id": debt.id,
        "reference": debt.reference,
        "creditor_id": debt.creditor_id,
        "debtor_id": debt.debtor_id,
        "kind": debt.kind,
        "asset": CHECKSUMMED.asset(debt.asset.id),
        "accepted_assets": [CHECKSUMMED.asset(asset.id) for asset in debt.accepted_assets],
        "principal": format_units(debt.principal_units, decimals=decimals),
        "principal_units": str(debt.principal_units),
        "agreed_at": to_rfc3339(debt.agreed_at),
        "time_zone": debt.time_zone,
        "grace_days": debt.grace_days,
        "tolerance": format_units(debt.tolerance_units, decimals=decimals),
        "tolerance_units": str(debt.tolerance_units),
        "disbursements": list(debt.disbursements),
        "installments": [
            {
                "number": each.number,
                "due_at": to_rfc3339(each.due_at),
                "due_local": local_text(each.due_at, zone=debt.time_zone),
                "due_on": None if each.due_on is None else each.due_on.isoformat(),
                "amount": format_units(each.amount_units, decimals=decimals),
                "amount_units": str(each.amount_units),
            }
            for each in debt.installments
        ],
        "recorded_at": to_rfc3339(debt.recorded_at),
    }
