"""The service as a client meets it, over a database of one test, beside a chain of one test file."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx2
import sqlalchemy as sa
from starlette.testclient import TestClient

from app.api.fields import CHECKSUMMED
from app.clock import from_unix_seconds, to_rfc3339, utc_now
from app.db import reading
from app.ingest.follow import ReadReport, follow_chain
from app.ingest.store.chains import find_chain
from app.main import sealing_tools
from app.migrations.models import metadata
from app.resources import Resources
from app.tenants.service import create_key, create_tenant
from app.worker.loop import seal_queued
from chains.types import AccountId, Address
from tests.support.anvil import GENESIS_AT
from tests.support.token import Token

DAY = 86_400
AGREED_AT = GENESIS_AT + DAY


@dataclass(slots=True)
class Hands:
    """A clock that a test can put forward."""

    ahead: timedelta = field(default_factory=timedelta)

    def __call__(self) -> datetime:
        return utc_now() + self.ahead


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """The app with the operator's key in every request, and what lies behind it."""

    client: TestClient
    resources: Resources
    clock: Hands
    token: Token
    key: str

    # -- how things are named

    @property
    def chain(self) -> str:
        return str(self.token.node.chain)

    @property
    def asset(self) -> str:
        return CHECKSUMMED.asset(self.token.asset)

    def account(self, address: Address) -> str:
        return CHECKSUMMED.account(AccountId(self.token.node.chain, address))

    # -- bodies that are taken in

    def chain_body(self, **changes: Any) -> dict[str, Any]:
        return {
            "name": "Test chain",
            "rpc_urls": [self.token.node.url],
            "native": {"symbol": "ETH", "decimals": 18},
            "finality": {"tag": "finalized"},
            **changes,
        }

    def party_body(self, address: Address, *, name: str = "Ada Lin") -> dict[str, Any]:
        account = {"account": self.account(address), "basis": "contract"}
        return {"name": name, "accounts": [account]}

    def debt_body(self, *, parties: tuple[str, str], **changes: Any) -> dict[str, Any]:
        """9,000 in three installments; `parties` are the ids of creditor and debtor."""
        return {
            "reference": "LOAN-7",
            "creditor_id": parties[0],
            "debtor_id": parties[1],
            "kind": "loan",
            "asset": self.asset,
            "principal": "9000",
            "agreed_at": to_rfc3339(from_unix_seconds(AGREED_AT)),
            "time_zone": "Europe/Berlin",
            "installments": [
                {"due_at": to_rfc3339(from_unix_seconds(AGREED_AT + days * DAY)), "amount": "3000"}
                for days in (10, 20, 30)
            ],
            **changes,
        }

    # -- steps that must succeed

    def put_chain(self) -> None:
        accepted(self.client.put(f"/v1/chains/{self.chain}", json=self.chain_body()), status=201)

    def post(self, path: str, body: dict[str, Any], *, status: int = 201) -> dict[str, Any]:
        return accepted(self.client.post(path, json=body), status=status)

    def get(self, path: str, **query: str | int) -> dict[str, Any]:
        return accepted(self.client.get(path, params=query), status=200)

    def set_up(self) -> tuple[str, str]:
        """Chain, asset, creditor and debtor; the ids of the last two."""
        self.put_chain()
        self.post("/v1/assets", {"asset": self.asset})
        _, creditor, debtor, *_ = self.token.node.accounts()
        return (
            str(self.post("/v1/parties", self.party_body(creditor, name="Harbour Lending Ltd"))["id"]),
            str(self.post("/v1/parties", self.party_body(debtor))["id"]),
        )

    def read(self) -> ReadReport:
        """What the worker does on its own: every final block that is missing."""
        with reading(self.resources.engine) as connection:
            chain = find_chain(connection, self.token.node.chain)
        assert chain is not None
        resources = self.resources
        return follow_chain(
            engine=resources.engine, chain=chain, outside=resources.outside, clock=resources.clock
        )

    def seal(self) -> None:
        seal_queued(tools=sealing_tools(self.resources))

    # -- who asks

    def key_of_another_tenant(self) -> str:
        with self.resources.engine.begin() as connection:
            now = self.clock()
            other = create_tenant(connection, name="somebody else", now=now)
            scopes = ("read", "write", "seal")
            return create_key(connection, tenant_id=other.id, name="theirs", scopes=scopes, now=now).plain

    def key_with(self, *scopes: str) -> str:
        with self.resources.engine.begin() as connection:
            tenant_id = connection.execute(sa.text("SELECT id FROM tenant ORDER BY id")).scalars().first()
            assert tenant_id is not None
            made = create_key(connection, tenant_id=tenant_id, name="narrow", scopes=scopes, now=self.clock())
            return made.plain

    def counts(self) -> dict[str, int]:
        """The rows of every table: what a refused request must leave as they were."""
        with reading(self.resources.engine) as connection:
            return {
                table.name: connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
                for table in metadata.sorted_tables
            }


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """An app with a configured chain, a registered asset, a creditor and a debtor."""

    door: Door
    parties: tuple[str, str]

    def debt_body(self, **changes: Any) -> dict[str, Any]:
        return self.door.debt_body(parties=self.parties, **changes)


def bearing(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def accepted(response: httpx2.Response, *, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    document = response.json()
    assert isinstance(document, dict)
    return document


def refused(response: httpx2.Response, *, status: int) -> dict[str, Any]:
    """The problem document of an error, whose form is the same for all of them (RFC 9457)."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == status
    assert problem["type"].startswith("urn:quittance:problem:")
    assert problem["title"]
    assert problem["detail"]
    assert isinstance(problem, dict)
    return problem


def pointers(problem: dict[str, Any]) -> list[str]:
    assert all(each["detail"] for each in problem["errors"])
    return [each["pointer"] for each in problem["errors"]]
