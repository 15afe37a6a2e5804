"""Recording parties and their accounts, each with the basis on which it was tied to the party."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Connection

from app.audit.log import append
from app.clock import to_rfc3339
from app.debts import store
from app.debts.terms import AccountBinding, Basis, Party, first_second
from app.errors import Fault, InvalidInput, NotFound
from app.ids import new_id
from app.ingest.store.chains import find_chain
from app.ingest.store.watches import watch_accounts
from chains.types import ZERO_ADDRESS, AccountId

ACCOUNTS_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAccount:
    account: AccountId
    basis: Basis
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewParty:
    name: str
    kind: str | None = None
    email: str | None = None
    locale: str | None = None
    accounts: tuple[NewAccount, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who writes: the tenant, and the key or person that the audit log names."""

    tenant_id: str
    name: str


def record_party(connection: Connection, *, actor: Actor, new: NewParty, now: datetime) -> Party:
    """Store a party with its accounts. Raises InvalidInput with a pointer into the request."""
    faults = [
        Fault(pointer=f"/accounts/{index}{pointer}", detail=detail)
        for index, account in enumerate(new.accounts)
        for pointer, detail in _account_faults(connection, account)
    ]
    if faults:
        raise InvalidInput(faults)
    party = Party(id=new_id("pty", now=now), name=new.name, kind=new.kind, recorded_at=now)
    store.add_party(connection, tenant_id=actor.tenant_id, value=party, email=new.email, locale=new.locale)
    append(
        connection,
        tenant_id=actor.tenant_id,
        actor=actor.name,
        type_="party.recorded",
        object_id=party.id,
        payload={"name": new.name, "kind": new.kind, "email": new.email, "locale": new.locale},
        now=now,
    )
    for account in new.accounts:
        _bind(connection, actor=actor, party_id=party.id, new=account, now=now)
    return party


def bind_account(
    connection: Connection, *, actor: Actor, party_id: str, new: NewAccount, now: datetime
) -> AccountBinding:
    """Add an account to a party; what was read so far is read for it too, from the oldest debt on."""
    if store.find_party(connection, tenant_id=actor.tenant_id, party_id=party_id) is None:
        raise NotFound(what="party", id_=party_id)
    faults = [Fault(pointer=pointer, detail=detail) for pointer, detail in _account_faults(connection, new)]
    if faults:
        raise InvalidInput(faults)
    if len(store.bindings_of(connection, tenant_id=actor.tenant_id, party_ids=[party_id])) >= ACCOUNTS_MAX:
        raise InvalidInput(
            [Fault(pointer="/account", detail=f"A party has at most {ACCOUNTS_MAX} accounts.")]
        )
    return _bind(connection, actor=actor, party_id=party_id, new=new, now=now)


def _account_faults(connection: Connection, new: NewAccount) -> list[tuple[str, str]]:
    faults = []
    if find_chain(connection, new.account.chain) is None:
        faults.append(("/account", f"The chain {new.account.chain} is not configured; PUT /v1/chains first."))
    if new.account.address == ZERO_ADDRESS:
        faults.append(("/account", "The zero address belongs to nobody."))
    if new.valid_from is not None and new.valid_until is not None and new.valid_until < new.valid_from:
        faults.append(("/until", "The end lies before the start."))
    return faults


def _bind(
    connection: Connection, *, actor: Actor, party_id: str, new: NewAccount, now: datetime
) -> AccountBinding:
    binding = AccountBinding(
        party_id=party_id,
        account=new.account,
        basis=new.basis,
        valid_from=new.valid_from,
        valid_until=new.valid_until,
        recorded_at=now,
    )
    binding_id = new_id("acc", now=now)
    store.add_binding(
        connection, tenant_id=actor.tenant_id, binding_id=binding_id, value=binding, note=new.note
    )
    append(
        connection,
        tenant_id=actor.tenant_id,
        actor=actor.name,
        type_="account.bound",
        object_id=binding_id,
        payload={
            "party_id": party_id,
            "account": str(new.account),
            "basis": new.basis.value,
            "from": None if new.valid_from is None else to_rfc3339(new.valid_from),
            "until": None if new.valid_until is None else to_rfc3339(new.valid_until),
            "note": new.note,
        },
        now=now,
    )
    since = store.earliest_agreement(connection, tenant_id=actor.tenant_id, party_id=party_id)
    if since is not None:
        watch_accounts(connection, accounts=[new.account], since_time=first_second(since), now=now)
    return binding
