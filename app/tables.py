"""The one MetaData that every slice's model.py adds its tables to, and the CHECKs they share.

A rule that the database can keep is kept there too: the code is not the only writer there will ever be.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from app.columns import U256, FixedBytes

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)


def define_table(
    name: str, *items: sa.Column[Any] | sa.Constraint | sa.Index, rowid: bool = True
) -> sa.Table:
    """A table whose uint256 and fixed-length byte columns also carry the CHECKs that their types need.

    Without `rowid` SQLite keeps the rows in the primary key itself, where they take half the room.
    """
    table = sa.Table(name, metadata, *items, sqlite_with_rowid=rowid)
    for column in tuple(table.columns):
        for constraint in _checks_of_type(column):
            table.append_constraint(constraint)
    return table


def _checks_of_type(column: sa.Column[Any]) -> Iterable[sa.CheckConstraint]:
    name = column.name
    if isinstance(column.type, FixedBytes):
        yield sa.CheckConstraint(f"length({name}) = {column.type.length}", name=name)
    elif isinstance(column.type, U256):
        # NUMERIC(78, 0) reaches beyond 2**256; on SQLite the length is what makes bytes sort like numbers.
        yield sa.CheckConstraint(f"{name} BETWEEN 0 AND {2**256 - 1}", name=name).ddl_if(dialect="postgresql")
        yield sa.CheckConstraint(f"length({name}) = 32", name=name).ddl_if(dialect="sqlite")


def one_of(column: str, values: Iterable[str]) -> sa.CheckConstraint:
    """The column's value is one of these words (or NULL, where NULL is allowed)."""
    words = ", ".join(f"'{value}'" for value in values)
    return sa.CheckConstraint(f"{column} IN ({words})", name=column)


def at_least(column: str, least: int) -> sa.CheckConstraint:
    return sa.CheckConstraint(f"{column} >= {least}", name=column)


def not_blank(column: str, *, longest: int) -> sa.CheckConstraint:
    return sa.CheckConstraint(f"length({column}) BETWEEN 1 AND {longest}", name=column)
