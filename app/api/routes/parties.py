"""Parties and their accounts."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy.engine import Connection

from app.api.context import Answer, Reader, Writer, page, read_cursor
from app.api.fields import (
    CHECKSUMMED,
    AccountField,
    BasisField,
    CursorField,
    IdField,
    InstantField,
    LimitField,
    NameField,
    NoteField,
    ShortField,
)
from app.api.problems import documented
from app.clock import to_rfc3339
from app.db import reading
from app.debts import store
from app.debts.parties import ACCOUNTS_MAX, Actor, NewAccount, NewParty, bind_account, record_party
from app.debts.terms import AccountBinding, Party
from app.errors import NotFound

router = APIRouter(tags=["parties"])


class AccountIn(BaseModel):
    """An account and the basis on which it was tied to the party."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "account": "eip155:1:0x52908400098527886E0F7030069857D2E4169EE7",
                    "basis": "signature",
                    "from": "2026-01-05T00:00:00Z",
                }
            ]
        },
    )
    account: AccountField
    basis: BasisField
    valid_from: Annotated[InstantField | None, Field(alias="from")] = None
    valid_until: Annotated[InstantField | None, Field(alias="until")] = None
    note: NoteField | None = None

    def new(self) -> NewAccount:
        return NewAccount(
            account=self.account,
            basis=self.basis,
            valid_from=self.valid_from,
            valid_until=self.valid_until,
            note=self.note,
        )


class PartyIn(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "name": "Ada Lin",
                    "kind": "person",
                    "accounts": [
                        {
                            "account": "eip155:1:0x52908400098527886E0F7030069857D2E4169EE7",
                            "basis": "contract",
                        }
                    ],
                }
            ]
        },
    )
    name: NameField
    kind: Literal["person", "firm"] | None = None
    email: Annotated[ShortField, StringConstraints(max_length=320)] | None = None
    locale: Annotated[ShortField, StringConstraints(max_length=35)] | None = None
    accounts: Annotated[list[AccountIn], Field(max_length=ACCOUNTS_MAX)] = []


@router.post(
    "/parties",
    status_code=201,
    responses={201: {"description": "Recorded"}, **documented(400, 403, 409, 413)},
)
def post_party(body: PartyIn, caller: Writer) -> Response:
    """Record a person or firm, with the accounts that are known to be theirs."""
    new = NewParty(
        name=body.name,
        kind=body.kind,
        email=body.email,
        locale=body.locale,
        accounts=tuple(account.new() for account in body.accounts),
    )

    def act(connection: Connection, actor: Actor, now: datetime) -> Answer:
        party = record_party(connection, actor=actor, new=new, now=now)
        document = _document(connection, party, tenant_id=actor.tenant_id)
        return Answer(status=201, body=document, location=f"/v1/parties/{party.id}")

    return caller.write(body, act)


@router.get("/parties", responses=documented(403))
def list_parties(caller: Reader, limit: LimitField = 50, cursor: CursorField | None = None) -> Response:
    after = read_cursor(cursor, of="parties", kinds=(str,))
    with reading(caller.resources.engine) as connection:
        parties = store.page_of_parties(
            connection, tenant_id=caller.tenant_id, after=after[0] if after else None, limit=limit
        )
        items = [_document(connection, each, tenant_id=caller.tenant_id) for each in parties]
    return page(items, of="parties", next_cursor=[parties[-1].id] if len(parties) == limit else None)


@router.get("/parties/{party_id}", responses=documented(403, 404))
def get_party(party_id: IdField, caller: Reader) -> Response:
    with reading(caller.resources.engine) as connection:
        party = store.find_party(connection, tenant_id=caller.tenant_id, party_id=party_id)
        if party is None:
            raise NotFound(what="party", id_=party_id)
        return JSONResponse(_document(connection, party, tenant_id=caller.tenant_id))


@router.post(
    "/parties/{party_id}/accounts",
    status_code=201,
    responses={201: {"description": "Bound"}, **documented(400, 403, 404, 409, 413)},
)
def post_account(party_id: IdField, body: AccountIn, caller: Writer) -> Response:
    """Tie another account to the party. It is read from the party's oldest debt on."""

    def act(connection: Connection, actor: Actor, now: datetime) -> Answer:
        binding = bind_account(connection, actor=actor, party_id=party_id, new=body.new(), now=now)
        return Answer(status=201, body=_account(binding))

    return caller.write(body, act)


def _document(connection: Connection, party: Party, *, tenant_id: str) -> dict[str, Any]:
    bindings = store.bindings_of(connection, tenant_id=tenant_id, party_ids=[party.id])
    return {
        "id": party.id,
        "name": party.name,
        "kind": party.kind,
        "recorded_at": to_rfc3339(party.recorded_at),
        "accounts": [_account(binding) for binding in bindings],
    }


def _account(binding: AccountBinding) -> dict[str, Any]:
    return {
        "account": CHECKSUMMED.account(binding.account),
        "basis": binding.basis.value,
        "from": None if binding.valid_from is None else to_rfc3339(binding.valid_from),
        "until": None if binding.valid_until is None else to_rfc3339(binding.valid_until),
        "recorded_at": to_rfc3339(binding.recorded_at),
    }
