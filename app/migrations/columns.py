"""The columns that migrations are written in, for SQLite and PostgreSQL at once.

Only ever added to: a database must come out of an old migration as it came out when that was new. That is
why migrations use these and not the types of app.columns. CHECKs are spelled out, since alembic's
autogeneration overlooks them.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine


def _column(name: str, kind: TypeEngine[Any], check: str | None, *, nullable: bool) -> sa.Column[Any]:
    checks = [] if check is None else [sa.CheckConstraint(check, name=name)]
    return sa.Column(name, kind, *checks, nullable=nullable, autoincrement=False)


def text(name: str, *, check: str | None = None, nullable: bool = False) -> sa.Column[Any]:
    return _column(name, sa.Text(), check, nullable=nullable)


def word(name: str, words: str, *, nullable: bool = False) -> sa.Column[Any]:
    """One of these words, given with blanks between them."""
    choices = ", ".join(f"'{choice}'" for choice in words.split())
    return text(name, check=f"{name} IN ({choices})", nullable=nullable)


def integer(name: str, *, check: str | None = None, nullable: bool = False) -> sa.Column[Any]:
    """32 bits on PostgreSQL."""
    return _column(name, sa.Integer(), check, nullable=nullable)


def bigint(name: str, *, check: str | None = None, nullable: bool = False) -> sa.Column[Any]:
    """64 bits: block numbers, block times, sizes."""
    return _column(name, sa.BigInteger(), check, nullable=nullable)


def rowid(name: str, *, check: str) -> sa.Column[Any]:
    """64 bits, and as a primary key the place of the row itself on SQLite."""
    return _column(name, sa.BigInteger().with_variant(sa.Integer(), "sqlite"), check, nullable=False)


def boolean(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return _column(name, sa.Boolean(), None, nullable=nullable)


def blob(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return _column(name, sa.LargeBinary(), None, nullable=nullable)


def fixed(name: str, length: int, *, nullable: bool = False) -> sa.Column[Any]:
    """Bytes of one length."""
    return _column(name, sa.LargeBinary(length), f"length({name}) = {length}", nullable=nullable)


def time(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return _column(
        name, sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite"), None, nullable=nullable
    )


def u256(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    """SQLite holds it as 32 bytes, which sort like the number."""
    if op.get_bind().dialect.name == "sqlite":
        return fixed(name, 32, nullable=nullable)
    check = f"{name} BETWEEN 0 AND {2**256 - 1}"
    return _column(name, sa.Numeric(78, 0), check, nullable=nullable)


def key(*columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns)


def refer(columns: list[str], target: list[str]) -> sa.ForeignKeyConstraint:
    """`target` names columns as table.column."""
    return sa.ForeignKeyConstraint(columns, target)
