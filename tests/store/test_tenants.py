"""Tenants and API keys: a key is shown once, opens what it was made for, and nothing after it is revoked."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from app.db import reading
from app.errors import InvalidInput, NotFound
from app.tenants.model import api_key
from app.tenants.service import (
    NewKey,
    Principal,
    authenticate,
    create_key,
    create_tenant,
    list_keys,
    list_tenants,
    operator_tenant,
    revoke_key,
)

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def _made(
    engine: Engine, *, tenant: str = "Alder Ltd", scopes: tuple[str, ...] = ("read", "write")
) -> NewKey:
    with engine.begin() as connection:
        made = create_tenant(connection, name=tenant, now=NOW)
        return create_key(connection, tenant_id=made.id, name="books", scopes=scopes, now=NOW)


def _authenticate(engine: Engine, key: str, *, now: datetime = NOW) -> Principal | None:
    with reading(engine) as connection:
        return authenticate(connection, key=key, now=now)


def test_a_key_opens_its_tenant_with_its_scopes(engine: Engine) -> None:
    first, second = _made(engine), _made(engine, tenant="Birch GmbH", scopes=("seal",))
    assert _authenticate(engine, first.plain) == Principal(
        tenant_id=first.key.tenant_id, key_id=first.key.id, scopes=frozenset({"read", "write"})
    )
    found = _authenticate(engine, second.plain)
    assert found is not None
    assert (found.tenant_id, found.scopes) == (second.key.tenant_id, frozenset({"seal"}))
    assert first.key.tenant_id != second.key.tenant_id


def test_only_a_hash_of_the_key_is_kept(engine: Engine) -> None:
    made = _made(engine)
    secret = made.plain.rpartition("_")[2]
    with reading(engine) as connection:
        rows = connection.execute(sa.select(api_key)).all()
    assert rows[0].key_hash == hashlib.sha256(made.plain.encode()).digest()
    assert secret not in repr(rows)
    assert secret not in repr(made)


def test_wrong_keys_open_nothing(engine: Engine) -> None:
    made, other = _made(engine), _made(engine)
    prefix, id_, secret = made.plain.split("_")
    other_secret = other.plain.rpartition("_")[2]
    flipped = secret[:-1] + ("0" if secret[-1] != "0" else "1")
    wrong = [
        "", "qk_", "Bearer", made.key.id, secret, f"{prefix}_{id_}_", f"{prefix}_{id_}_{flipped}",
        f"{prefix}_{id_}_{other_secret}", f"{prefix}_{id_}_{secret.upper()}", f"{prefix}_{'0' * 26}_{secret}",
        f"{prefix}_{id_.lower()}_{secret}", f"xx_{id_}_{secret}", made.plain + "\n", " " + made.plain,
        made.plain + "0", f"{prefix}_{id_}_{'é' * 64}", f"{prefix}_{id_}_{'٣' * 64}", "\x00" * 94,
        "q" * 100_000,
    ]  # fmt: skip
    assert [key for key in wrong if _authenticate(engine, key) is not None] == []
    assert _authenticate(engine, made.plain) is not None


def test_a_revoked_key_opens_nothing_and_stays_listed(engine: Engine) -> None:
    made = _made(engine)
    later = NOW + timedelta(hours=1)
    with engine.begin() as connection:
        revoke_key(connection, tenant_id=made.key.tenant_id, key_id=made.key.id, now=later)
    assert _authenticate(engine, made.plain, now=later) is None
    with reading(engine) as connection:
        (listed,) = list_keys(connection, tenant_id=made.key.tenant_id)
    assert (listed.id, listed.revoked_at) == (made.key.id, later)
    with pytest.raises(NotFound), engine.begin() as connection:
        revoke_key(connection, tenant_id=made.key.tenant_id, key_id=made.key.id, now=later)


def test_a_tenant_neither_sees_nor_revokes_anothers_keys(engine: Engine) -> None:
    first, second = _made(engine), _made(engine)
    with reading(engine) as connection:
        assert list_keys(connection, tenant_id=first.key.tenant_id) == (first.key,)
    with pytest.raises(NotFound), engine.begin() as connection:
        revoke_key(connection, tenant_id=first.key.tenant_id, key_id=second.key.id, now=NOW)
    assert _authenticate(engine, second.plain) is not None


@pytest.mark.parametrize("scopes", [(), ("root",), ("read", "Write"), ("read", "")])
def test_unknown_scopes_are_refused(engine: Engine, scopes: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInput) as raised:
        _made(engine, scopes=scopes)
    assert [fault.pointer for fault in raised.value.faults] == ["/scopes"]
    with reading(engine) as connection:
        assert list_tenants(connection) == ()


def test_what_is_configured_for_all_is_the_operators_alone(engine: Engine) -> None:
    """The operator's tenant is the oldest; another's key can't have the scope `admin`."""
    later = NOW + timedelta(seconds=1)
    with engine.begin() as connection:
        operator = operator_tenant(connection, now=NOW)
        other = create_tenant(connection, name="Birch GmbH", now=later)
        made = create_key(connection, tenant_id=operator.id, name="own", scopes=["admin"], now=later)
        assert made.key.scopes == {"admin"}
        with pytest.raises(InvalidInput, match="operator's tenant") as raised:
            create_key(connection, tenant_id=other.id, name="books", scopes=["read", "admin"], now=later)
        assert [fault.pointer for fault in raised.value.faults] == ["/scopes"]
        assert list_keys(connection, tenant_id=other.id) == ()


@pytest.mark.parametrize("name", ["", "n" * 201])
def test_a_name_must_fit(engine: Engine, name: str) -> None:
    with pytest.raises(InvalidInput, match="/name"):
        _made(engine, tenant=name)


def test_a_key_needs_a_tenant(engine: Engine) -> None:
    with pytest.raises(NotFound, match="tenant"), engine.begin() as connection:
        create_key(connection, tenant_id="ten_0", name="books", scopes=["read"], now=NOW)


def test_tenants_are_listed_oldest_first(engine: Engine) -> None:
    with engine.begin() as connection:
        later = create_tenant(connection, name="Birch", now=NOW + timedelta(seconds=1))
        earlier = create_tenant(connection, name="Alder", now=NOW)
        assert list_tenants(connection) == (earlier, later)
