"""Everything built once and passed down: settings, engine, where the nodes are, whose software it is."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from sqlalchemy.engine import Engine

from app.clock import Clock, utc_now
from app.db import current_revision, for_tenant, head_revision, make_engine, reading, upgrade
from app.db_errors import DatabaseProblem
from app.errors import EnvironmentProblem
from app.roles import standing
from app.settings import Settings
from chains.guard import BadAllowRule, EgressPolicy
from chains.rpc import RpcLimits


class BadEgressRule(EnvironmentProblem):
    """QUITTANCE_EGRESS_ALLOW holds an entry that is no rule."""


class DataDirUnwritable(EnvironmentProblem):
    """Bundles can't be written where the settings say."""


class SchemaOutOfDate(DatabaseProblem):
    """The database has another schema than this code, and this user may not change it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """Whose software asked the nodes, and how he stands to the parties; printed with every reading."""

    name: str
    relation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What reaching a node takes: where it may go, what one request may cost, how far it is believed.

    Of a thousand blocks so many are held against their bloom and receipts, for logs that a node hides.
    """

    egress: EgressPolicy
    limits: RpcLimits
    receipts_permille: int = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    settings: Settings
    engine: Engine
    outside: Outside
    operator: Operator
    clock: Clock

    @property
    def evidence_folder(self) -> Path:
        return self.settings.data_dir / "evidence"

    def of_tenant(self, tenant_id: str) -> Self:
        """The same, for whoever acts for this tenant: the engine shows no other's rows."""
        return replace(self, engine=for_tenant(self.engine, tenant_id=tenant_id))

    def close(self) -> None:
        self.engine.dispose()


def build_resources(
    settings: Settings, *, clock: Clock = utc_now, limits: RpcLimits | None = None
) -> Resources:
    """Open the database, brought up to date where that is ours to do. Raises EnvironmentProblem."""
    outside = build_outside(settings, limits=limits)
    _require_folder(settings.data_dir)
    engine = make_engine(settings.database.get_secret_value())
    try:
        _bring_up_to_date(engine, settings=settings)
    except BaseException:
        engine.dispose()
        raise
    return Resources(
        settings=settings,
        engine=engine,
        outside=outside,
        operator=Operator(name=settings.operator_name, relation=settings.operator_relation),
        clock=clock,
    )


def _bring_up_to_date(engine: Engine, *, settings: Settings) -> None:
    """A user whom PostgreSQL binds to tenants is there to serve: the schema is changed by another."""
    if engine.dialect.name == "postgresql":
        with reading(engine) as connection:
            found, user = current_revision(connection), standing(connection)
        if found == head_revision():
            return
        if settings.migration_url is None and user is not None and user.bound:
            has = "no schema yet" if found is None else f"schema {found}"
            msg = (
                f"The database has {has}, and this version of Quittance wants {head_revision()}. Its user "
                f"{user.user} may not change that: set QUITTANCE_MIGRATION_URL to one that may "
                "(docs/settings.md), and run `quittance db upgrade`."
            )
            raise SchemaOutOfDate(msg)
    upgrade(settings.migration.get_secret_value(), role_prefix=settings.role_prefix)


def build_outside(settings: Settings, *, limits: RpcLimits | None = None) -> Outside:
    """All that asking a node takes, for who needs no database. Raises EnvironmentProblem."""
    try:
        egress = EgressPolicy.parse(",".join(settings.egress_allow))
    except BadAllowRule as error:
        raise BadEgressRule(str(error)) from error
    return Outside(
        egress=egress,
        limits=limits or RpcLimits(),
        receipts_permille=settings.receipts_check_permille,
    )


def _require_folder(folder: Path) -> None:
    """Fail at the start, not when the first bundle is to be written."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        usable = os.access(folder, os.W_OK | os.X_OK)
    except OSError as error:
        msg = f"The data folder {folder} can't be made: {error.strerror}. Set QUITTANCE_DATA_DIR to another."
        raise DataDirUnwritable(msg) from error
    if not usable:
        msg = f"The data folder {folder} can't be written. Set QUITTANCE_DATA_DIR to another."
        raise DataDirUnwritable(msg)
