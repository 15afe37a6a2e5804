"""A copy of a database that is already migrated: three times faster than migrating one for each test."""

from __future__ import annotations

import contextlib
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa


def clone_sqlite(template_url: str, *, folder: Path) -> str:
    """The URL of the copy. Nobody may be connected to the template, so that its WAL is folded in."""
    target = folder / "quittance.db"
    shutil.copyfile(str(sa.make_url(template_url).database), target)
    return f"sqlite:///{target}"


@contextlib.contextmanager
def clone_postgres(template_url: str, *, server_url: str) -> Iterator[str]:
    """The URL of the copy, which is dropped at the end. Nobody may be connected to the template."""
    name = f"quittance_clone_{secrets.token_hex(8)}"
    template = sa.make_url(template_url).database
    # Both are refused inside a transaction.
    administrator = sa.create_engine(server_url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with administrator.connect() as connection:
        connection.execute(sa.text(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'))
    try:
        yield sa.make_url(server_url).set(database=name).render_as_string(hide_password=False)
    finally:
        with administrator.connect() as connection:
            connection.execute(sa.text(f'DROP DATABASE "{name}" WITH (FORCE)'))
        administrator.dispose()
