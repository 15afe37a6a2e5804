"""Rows of two tenants in every table that has tenants, written as whoever may see all."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from app.audit.log import append
from app.ingest.model import asset, chain
from app.migrations.models import metadata
from app.tenants.model import api_key, tenant

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
OURS, THEIRS = "ten_ours", "ten_theirs"
CHAIN, ASSET = "eip155:31337", "eip155:31337/slip44:60"
ADDRESS = bytes(range(20))

GUARDED = {
    name: table
    for name, table in metadata.tables.items()
    if "tenant_id" in table.columns and table is not api_key
}


def row_of(table: str, *, tenant_id: str, mark: str) -> dict[str, Any]:
    """A row that keeps every rule of the table but, where the tenants differ, the one on trial.

    `mark` tells two rows of one tenant apart. The references lead to rows that `fill` has written.
    """
    own: Mapping[str, dict[str, Any]] = {
        "party": {"id": f"pty_{mark}", "name": "Ada Lin", "recorded_at": NOW},
        "account_binding": {
            "id": f"acc_{mark}",
            "party_id": "pty_creditor",
            "chain_id": CHAIN,
            "address": ADDRESS,
            "basis": "contract",
            "recorded_at": NOW,
        },
        "debt": {
            "id": f"deb_{mark}",
            "reference": f"LOAN-{mark}",
            "creditor_id": "pty_creditor",
            "debtor_id": "pty_debtor",
            "kind": "loan",
            "asset_id": ASSET,
            "principal_units": 9_000,
            "agreed_at": NOW,
            "time_zone": "UTC",
            "grace_days": 0,
            "tolerance_units": 0,
            "consumer": False,
            "recorded_at": NOW,
        },
        "installment": {
            "id": f"ins_{mark}",
            "debt_id": "deb_first",
            "position": int(_digest(mark)[:6], 16) + 1,
            "due_at": NOW,
            "amount_units": 9_000,
        },
        "debt_account": {
            "debt_id": "deb_first",
            "role": "pay_to",
            "chain_id": CHAIN,
            "address": bytes.fromhex(_digest(mark)[:40]),
        },
        "accepted_asset": {
            "debt_id": "deb_first" if mark == "first" else "deb_second",
            "asset_id": ASSET,
        },
        "disbursement": {"debt_id": "deb_first", "transfer_id": f"{CHAIN}:{_digest(mark)}:0"},
        "debt_event": {
            "id": f"evt_{mark}",
            "debt_id": "deb_first",
            "type": "dispute",
            "effective_at": NOW,
            "recorded_by": "key_1",
            "recorded_at": NOW,
        },
        "evidence": {
            "id": f"evi_{mark}",
            "debt_id": "deb_first",
            "state": "cancelled",
            "step": "cancelled",
            "done": 0,
            "total": 0,
            "allow_lower": False,
            "languages": ["en"],
            "created_at": NOW,
        },
        "job": {
            "id": f"job_{mark}",
            "kind": "sealing",
            "object_id": f"evi_{mark}",
            "state": "done",
            "step": "done",
            "done": 0,
            "total": 0,
            "attempt": 1,
            "created_at": NOW,
            "finished_at": NOW,
        },
        "job_step": {"job_id": "job_first", "step": mark, "done_at": NOW},
        "assessment_snapshot": {
            "debt_id": "deb_first",
            "known_at": NOW if mark == "first" else NOW + timedelta(days=1),
            "as_of": NOW,
            "result": "UNDETERMINED",
            "timing": "UNDETERMINED",
        },
        "idempotency_key": {
            "key": f"once {mark}",
            "request_digest": bytes(32),
            "state": "in_flight",
            "created_at": NOW,
        },
    }
    return {"tenant_id": tenant_id, **own[table]}


def _digest(mark: str) -> str:
    return hashlib.sha256(mark.encode()).hexdigest()


WRITTEN = [name for name in GUARDED if name != "audit_payload"]
"""What `row_of` knows; the payload of an audit entry is written with its entry."""


def fill(owner: Engine) -> None:
    """One row of each table for each of the two, and what they refer to."""
    with owner.begin() as connection:
        _add_shared(connection)
        for tenant_id in (OURS, THEIRS):
            connection.execute(tenant.insert().values(id=tenant_id, name=tenant_id, created_at=NOW))
            for party in ("creditor", "debtor"):
                insert(connection, "party", tenant_id=tenant_id, mark=party)
            insert(connection, "debt", tenant_id=tenant_id, mark="second")
            for table in metadata.sorted_tables:
                if table.name in WRITTEN:
                    insert(connection, table.name, tenant_id=tenant_id, mark="first")
            record(connection, tenant_id=tenant_id)


def insert(connection: Connection, table: str, *, tenant_id: str, mark: str) -> None:
    connection.execute(sa.insert(GUARDED[table]).values(row_of(table, tenant_id=tenant_id, mark=mark)))


def record(connection: Connection, *, tenant_id: str) -> None:
    """An entry in the audit log."""
    append(
        connection,
        tenant_id=tenant_id,
        actor="key_1",
        type_="party.recorded",
        object_id="pty_first",
        payload={"name": "Ada Lin"},
        now=NOW,
    )


def _add_shared(connection: Connection) -> None:
    connection.execute(
        sa.insert(chain).values(
            id=CHAIN,
            reference=31337,
            name="Test chain",
            native_symbol="ETH",
            native_decimals=18,
            start_block=0,
            created_at=NOW,
            updated_at=NOW,
            number=1,
        )
    )
    connection.execute(
        sa.insert(asset).values(
            id=ASSET,
            chain_id=CHAIN,
            symbol="ETH",
            name="Ether",
            decimals=18,
            registered_block_number=1,
            registered_block_hash=bytes(32),
            registered_block_time=1,
            unfit_for=[],
            created_at=NOW,
        )
    )
