"""Tables, migrations and schema.sql say the same on both databases, and an upgrade is safe to repeat."""

from __future__ import annotations

import importlib
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.engine import Engine

import app
from app.audit.model import audit_head
from app.db import current_revision, head_revision, make_engine, reading, upgrade
from app.migrations.models import SLICES, metadata
from tests.support.postgres import fresh_database
from tools import schema

APP = Path(app.__file__).parent
DEADLINE_SECONDS = 60

# Chains, tenants and the log itself are nobody's; everything else belongs to a tenant.
TENANTLESS_SLICES = {"app.ingest.model", "app.ingest.ledger_model", "app.ingest.native_model"}
TENANTLESS = {"tenant", "audit_head", "audit_entry", "job_executor"}


@pytest.fixture
def twin(engine: Engine, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Engine]:
    """A second database of the same kind, made from the tables in code without any migration."""
    if engine.dialect.name == "sqlite":
        yield from _created(f"sqlite:///{tmp_path / 'twin.db'}")
    else:
        with fresh_database(request.getfixturevalue("postgres_url")) as url:
            yield from _created(url)


def _created(url: str) -> Iterator[Engine]:
    engine = make_engine(url)
    with engine.begin() as connection:
        metadata.create_all(connection)
    yield engine
    engine.dispose()


def _reflected(engine: Engine) -> dict[str, dict[str, Any]]:
    """All that the database itself says of its tables, in an order of our own."""
    inspector = sa.inspect(engine)
    names = set(inspector.get_table_names()) - {"alembic_version"}
    return {
        name: {
            "columns": [
                {**column, "type": str(column["type"]), "autoincrement": None}
                for column in inspector.get_columns(name)
            ],
            "key": inspector.get_pk_constraint(name),
            "references": _by_name(inspector.get_foreign_keys(name)),
            "unique": _by_name(inspector.get_unique_constraints(name)),
            "checks": _by_name(inspector.get_check_constraints(name)),
            "indexes": _by_name(inspector.get_indexes(name)),
        }
        for name in names
    }


def _by_name(items: Any) -> list[dict[str, Any]]:
    return sorted(items, key=lambda item: str(item["name"]))


def test_an_empty_database_is_brought_to_the_newest_version(database_url: str, empty_engine: Engine) -> None:
    with reading(empty_engine) as connection:
        assert current_revision(connection) is None
    upgrade(database_url)
    with reading(empty_engine) as connection:
        assert current_revision(connection) == head_revision() == "0007"
        assert connection.execute(sa.select(audit_head)).all() == [(1, 0, bytes(32))]


def test_migrations_make_what_the_tables_say(engine: Engine, twin: Engine) -> None:
    """CHECKs included, which alembic's own comparison overlooks."""
    migrated, created = _reflected(engine), _reflected(twin)
    assert set(migrated) == set(created) == set(metadata.tables)
    for name, table in created.items():
        assert migrated[name] == table, name
    checks = sum(len(table["checks"]) for table in created.values())
    assert checks > 100  # The reflection sees them at all.


def test_alembic_finds_nothing_to_do(engine: Engine) -> None:
    with reading(engine) as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "include_object": _is_of(engine.dialect.name)}
        )
        assert compare_metadata(context, metadata) == []


def _is_of(dialect: str) -> Callable[..., bool]:
    """Alembic does not know of indexes that only one kind of database has."""

    def include(item: object, *_: object) -> bool:
        ddl_if = getattr(item, "_ddl_if", None)
        return ddl_if is None or ddl_if.dialect == dialect

    return include


def test_a_second_upgrade_changes_nothing(migrated_url: str, engine: Engine) -> None:
    before = _reflected(engine)
    with engine.begin() as connection:
        connection.execute(audit_head.update().values(seq=7))
    upgrade(migrated_url)
    assert _reflected(engine) == before
    with reading(engine) as connection:
        assert connection.scalar(sa.select(audit_head.c.seq)) == 7


def test_upgrades_at_once_do_not_harm_each_other(database_url: str, empty_engine: Engine) -> None:
    """Several workers may start on an empty database together: here three processes, off at one signal."""
    code = (
        "import app.migrations.models; from app.db import upgrade;"
        f"print('ready', flush=True); input(); upgrade({database_url!r})"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=APP.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    try:
        said = _signal_all(started)
    finally:
        for process in started:
            process.kill()
            process.communicate()
    assert said == [""] * 3
    assert [process.returncode for process in started] == [0] * 3
    with reading(empty_engine) as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(audit_head)) == 1


def _signal_all(processes: list[subprocess.Popen[str]]) -> list[str]:
    """Let all go once all are ready; what each then said on stderr."""
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    return [process.communicate(timeout=DEADLINE_SECONDS)[1] for process in processes]


def test_an_interrupted_upgrade_leaves_nothing(database_url: str, empty_engine: Engine) -> None:
    """Here the last table's name is taken, so that the first migration fails near its end."""
    with empty_engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE evidence (id INTEGER)"))
    with pytest.raises(sa.exc.DBAPIError, match="already exists"):
        upgrade(database_url)
    assert sa.inspect(empty_engine).get_table_names() == ["evidence"]


def test_schema_sql_is_up_to_date() -> None:
    assert schema.TARGET.read_text(encoding="utf-8") == schema.schema_sql()


def test_schema_sql_makes_the_schema(postgres_database: str, postgres_url: str) -> None:
    from_file = make_engine(postgres_database)
    with from_file.begin() as connection:
        connection.exec_driver_sql(schema.TARGET.read_text(encoding="utf-8").replace("%", "%%"))
    with fresh_database(postgres_url) as url:
        upgrade(url)
        migrated = make_engine(url)
        assert _reflected(from_file) == _reflected(migrated)
        migrated.dispose()
    from_file.dispose()


def test_wal_is_on(sqlite_database: str) -> None:
    """Without it a reader would block the writer."""
    upgrade(sqlite_database)
    with closing(sqlite3.connect(str(sa.make_url(sqlite_database).database))) as raw:
        assert raw.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_every_slice_with_tables_is_migrated() -> None:
    paths = (path for pattern in ("*/model.py", "*/*_model.py") for path in APP.glob(pattern))
    written = {path.relative_to(APP.parent).with_suffix("") for path in paths}
    assert {".".join(path.parts) for path in written} == {module.__name__ for module in SLICES}


def _tables_of(module: str) -> set[str]:
    values = vars(importlib.import_module(module)).values()
    return {value.name for value in values if isinstance(value, sa.Table)}


def test_every_table_belongs_to_a_tenant_or_is_named_as_nobodys() -> None:
    nobodys = TENANTLESS.union(*(_tables_of(module) for module in TENANTLESS_SLICES))
    for name, table in metadata.tables.items():
        assert ("tenant_id" not in table.c) == (name in nobodys), name
        if "tenant_id" in table.c:
            assert not table.c.tenant_id.nullable, name


def test_no_reference_leads_into_another_tenant() -> None:
    """Between two tables of a tenant, tenant_id is part of the reference, so the database itself refuses."""
    for table in metadata.tables.values():
        for reference in table.foreign_key_constraints:
            target = reference.referred_table
            both = "tenant_id" in table.c and "tenant_id" in target.c
            assert both == ("tenant_id" in reference.column_keys and target.name != "tenant"), reference.name


def test_every_reference_is_indexed_where_it_points() -> None:
    """On either database a referenced set of columns must be unique."""
    for table in metadata.tables.values():
        for reference in table.foreign_key_constraints:
            targets = [element.column for element in reference.elements]
            unique = [
                list(constraint.columns)
                for constraint in reference.referred_table.constraints
                if isinstance(constraint, sa.PrimaryKeyConstraint | sa.UniqueConstraint)
            ]
            assert targets in unique, reference.name


def test_names_fit_postgresql() -> None:
    """Longer ones would be cut, and a message would name what the code does not know."""
    for table in metadata.tables.values():
        names = {*(item.name for item in table.constraints), *(index.name for index in table.indexes)}
        assert [name for name in names if len(str(name)) > 63] == []
