"""Write the whole schema, as PostgreSQL sees it, into app/migrations/schema.sql: the schema at a glance.

`python -m tools.schema` writes it; `--check` only says whether it is up to date. The file is never run:
databases are made by the migrations, and a test holds the three (tables, migrations, file) equal.
"""

from __future__ import annotations

import sys
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from app.migrations.models import metadata
from app.migrations.roles import guard_sql

TARGET = Path(__file__).resolve().parents[1] / "app" / "migrations" / "schema.sql"

_HEADER = "-- The whole schema on PostgreSQL. Generated: python -m tools.schema\n"


def schema_sql() -> str:
    """Tables after those they reference, else by name; each with its indexes."""
    return "\n".join([_HEADER, *(_table_sql(table) for table in metadata.sorted_tables)])


def _table_sql(table: sa.Table) -> str:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    indexes = sorted(table.indexes, key=lambda index: str(index.name))
    statements = [str(CreateTable(table).compile(dialect=dialect))]
    statements += [str(CreateIndex(index).compile(dialect=dialect)) for index in indexes]
    # A key is found before its tenant is known. Roles and grants are not of one database: see 0007_roles.py.
    if "tenant_id" in table.columns and table.name != "api_key":
        statements += guard_sql(table.name)
    return "".join(f"{_tidy(statement)};\n" for statement in statements)


def _tidy(statement: str) -> str:
    lines = (line.rstrip().replace("\t", "    ") for line in statement.strip().splitlines())
    return "\n".join(line for line in lines if line)


def main(arguments: list[str]) -> int:
    wanted = schema_sql()
    if arguments == ["--check"]:
        current = TARGET.read_text(encoding="utf-8") if TARGET.exists() else ""
        if current != wanted:
            print("app/migrations/schema.sql is out of date: run python -m tools.schema", file=sys.stderr)
            return 1
        return 0
    TARGET.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
