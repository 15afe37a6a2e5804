"""What can be wrong with the database itself, and how a driver's error is told to be one of these.

A broken rule of the schema (a duplicate, a missing reference) is not here: it stays SQLAlchemy's
IntegrityError, and the store function that knows what it means turns it into its own error.
"""

from __future__ import annotations

import sqlite3

import psycopg
from sqlalchemy import event
from sqlalchemy.engine import Engine, ExceptionContext

from app.errors import EnvironmentProblem


class DatabaseProblem(EnvironmentProblem):
    """The database did not do what it was asked, for a reason that lies outside the request."""


class DatabaseLocked(DatabaseProblem):
    """Another writer held the database for longer than we wait, or the two blocked each other. Try again."""


class DatabaseUnwritable(DatabaseProblem):
    """It can be reached, but nothing can be written: permissions, a full disk, a read-only transaction."""


class DatabaseUnreachable(DatabaseProblem):
    """No connection, or not with these credentials, or what answers is not our database."""


# Primary result codes, https://www.sqlite.org/rescode.html
_SQLITE_PROBLEMS: dict[int, tuple[type[DatabaseProblem], str]] = {
    sqlite3.SQLITE_BUSY: (DatabaseLocked, "is busy with another writer"),
    sqlite3.SQLITE_LOCKED: (DatabaseLocked, "is busy with another writer"),
    sqlite3.SQLITE_READONLY: (DatabaseUnwritable, "can't be written"),
    sqlite3.SQLITE_PERM: (DatabaseUnwritable, "can't be written"),
    sqlite3.SQLITE_IOERR: (DatabaseUnwritable, "can't be read or written: the disk reports an error"),
    sqlite3.SQLITE_FULL: (DatabaseUnwritable, "can't grow: the disk is full"),
    sqlite3.SQLITE_CANTOPEN: (DatabaseUnreachable, "can't be opened"),
    sqlite3.SQLITE_NOTADB: (DatabaseUnreachable, "is not a SQLite database"),
    sqlite3.SQLITE_CORRUPT: (DatabaseUnreachable, "is damaged"),
}

_REFUSED = "42501"

# SQLSTATE codes and classes, https://www.postgresql.org/docs/current/errcodes-appendix.html
_POSTGRESQL_PROBLEMS: dict[str, tuple[type[DatabaseProblem], str]] = {
    "55P03": (DatabaseLocked, "is busy with another writer"),
    "40P01": (DatabaseLocked, "stopped one of two writers that blocked each other"),
    "40001": (DatabaseLocked, "stopped one of two writers that contradict each other"),
    "25P03": (DatabaseUnreachable, "ended a transaction in which nothing was done for too long"),
    "25006": (DatabaseUnwritable, "can't be written"),
    _REFUSED: (DatabaseUnwritable, "refuses this to its user"),
    "53": (DatabaseUnwritable, "has run out of disk, memory or connections"),
    "08": (DatabaseUnreachable, "can't be reached"),
    "57": (DatabaseUnreachable, "is shutting down or cancelled the query"),
    "28": (DatabaseUnreachable, "refuses the user or password"),
    "3D": (DatabaseUnreachable, "does not exist on the server"),
}


def name_problems(engine: Engine) -> None:
    """From now on this engine raises a DatabaseProblem where the environment is at fault."""
    shown = engine.url.render_as_string(hide_password=True)

    def raise_named(context: ExceptionContext) -> None:
        problem = problem_of(context.original_exception, database=shown)
        if problem is not None:
            raise problem from context.original_exception

    event.listen(engine, "handle_error", raise_named)


def problem_of(error: BaseException, *, database: str) -> DatabaseProblem | None:
    """None if the error is about what was asked, not about the environment."""
    match error:
        case sqlite3.Error():
            # An error raised by the Python module itself carries no code of SQLite's.
            code = getattr(error, "sqlite_errorcode", None)
            found = None if code is None else _SQLITE_PROBLEMS.get(code & 0xFF)
        case psycopg.Error():
            state = error.sqlstate
            if state is None and isinstance(error, psycopg.OperationalError):
                # No SQLSTATE: the server never answered, or the connection broke.
                state = "08"
            found = _POSTGRESQL_PROBLEMS.get(state or "") or _POSTGRESQL_PROBLEMS.get((state or "")[:2])
            if found is not None and state == _REFUSED:
                # Says which table, and no value of any row.
                found = (found[0], f"{found[1]} ({error.diag.message_primary})")
        case _:
            found = None
    if found is None:
        return None
    kind, what = found
    return kind(f"The database {database} {what}.")
