"""Making tenants and keys, and telling who a key belongs to. A key is shown once; only its hash is kept."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Connection

from app.errors import Fault, InvalidInput, NotFound
from app.ids import new_id
from app.tenants import store
from app.tenants.model import SCOPES
from app.tenants.store import ApiKey, Tenant

_SECRET_BYTES = 32
_OPERATORS_SCOPE = "admin"
_NAME_CHARS_MAX = 200
_KEY = re.compile(r"qk_([0-9A-Z]{26})_[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who is asking: a tenant, by one of its keys."""

    tenant_id: str
    key_id: str
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key just made. `plain` is the only copy of it there will ever be, and stays out of logs."""

    key: ApiKey
    plain: str

    def __repr__(self) -> str:
        return f"NewKey(key={self.key!r})"


def create_tenant(connection: Connection, *, name: str, now: datetime) -> Tenant:
    _check_name(name)
    tenant = Tenant(id=new_id("ten", now=now), name=name, created_at=now)
    store.insert_tenant(connection, tenant_=tenant)
    return tenant


def create_key(
    connection: Connection, *, tenant_id: str, name: str, scopes: Iterable[str], now: datetime
) -> NewKey:
    _check_name(name)
    granted = frozenset(scopes)
    if not granted or not granted <= set(SCOPES):
        raise InvalidInput([Fault("/scopes", f"one or more of {', '.join(SCOPES)}")])
    if not store.tenant_exists(connection, tenant_id=tenant_id):
        raise NotFound(what="tenant", id_=tenant_id)
    if _OPERATORS_SCOPE in granted and tenant_id != store.tenants(connection)[0].id:
        # Chains and their nodes are configured once for all tenants.
        raise InvalidInput([Fault("/scopes", f"{_OPERATORS_SCOPE} is for keys of the operator's tenant")])
    key_id = new_id("key", now=now)
    plain = f"qk_{key_id.removeprefix('key_')}_{secrets.token_bytes(_SECRET_BYTES).hex()}"
    key = ApiKey(id=key_id, tenant_id=tenant_id, name=name, scopes=granted, created_at=now, revoked_at=None)
    store.insert_key(connection, key=key, key_hash=_hash(plain))
    return NewKey(key=key, plain=plain)


def authenticate(connection: Connection, *, key: str, now: datetime) -> Principal | None:
    """Whose key this is; None if it is malformed, unknown, wrong or revoked, without telling which."""
    match = _KEY.fullmatch(key)
    if match is None:
        return None
    found = store.stored_key(connection, key_id=f"key_{match[1]}")
    # An unknown id is compared too, so that the time taken does not tell which ids exist.
    known = bytes(32) if found is None else found.key_hash
    right = hmac.compare_digest(known, _hash(key))
    if found is None or not right:
        return None
    if found.key.revoked_at is not None and found.key.revoked_at <= now:
        return None
    return Principal(tenant_id=found.key.tenant_id, key_id=found.key.id, scopes=found.key.scopes)


def revoke_key(connection: Connection, *, tenant_id: str, key_id: str, now: datetime) -> None:
    """From now on the key opens nothing. Raises NotFound if the tenant has no such key that still works."""
    if not store.set_revoked(connection, tenant_id=tenant_id, key_id=key_id, now=now):
        raise NotFound(what="key", id_=key_id)


def list_keys(connection: Connection, *, tenant_id: str) -> tuple[ApiKey, ...]:
    return store.keys(connection, tenant_id=tenant_id)


def list_tenants(connection: Connection) -> tuple[Tenant, ...]:
    return store.tenants(connection)


def _check_name(name: str) -> None:
    if not 1 <= len(name) <= _NAME_CHARS_MAX:
        raise InvalidInput([Fault("/name", f"1 to {_NAME_CHARS_MAX} characters")])


def _hash(plain: str) -> bytes:
    """A plain SHA-256 is enough: the secret has 256 random bits, so there is nothing to guess slowly."""
    return hashlib.sha256(plain.encode("ascii")).digest()


def operator_tenant(connection: Connection, *, now: datetime) -> Tenant:
    """The operator's own tenant, the first one; made where there is none yet."""
    tenants = store.tenants(connection)
    return tenants[0] if tenants else create_tenant(connection, name="operator", now=now)


def first_start(connection: Connection, *, now: datetime) -> NewKey | None:
    """The operator's key for everything, while nobody has any key yet. None ever after."""
    tenant = operator_tenant(connection, now=now)
    if store.keys(connection, tenant_id=tenant.id):
        return None
    return create_key(connection, tenant_id=tenant.id, name="operator", scopes=SCOPES, now=now)
