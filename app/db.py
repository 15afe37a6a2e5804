"""Engines, transactions and the schema's version: what every slice's store.py stands on.

One transaction per request or job, committed at the edge: `with engine.begin() as connection:` to write,
`with reading(engine) as connection:` for a snapshot that nothing can change under the reader. Whoever acts
for a tenant passes on `for_tenant(engine, …)` instead of the engine. Knows no table; the tables are in each
slice's model.py.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import ConnectionPoolEntry

from app.columns import SumU256Aggregate, UtcTime
from app.db_errors import DatabaseUnreachable, DatabaseUnwritable, name_problems, problem_of

_WAIT_SECONDS_MAX = 30
_WAL_PAUSE_SECONDS = 0.05
# Sync endpoints run in a pool of 40 threads: none of them should wait for a connection to a local file.
_SQLITE_CONNECTIONS_MAX = 40
_POSTGRESQL_CONNECTIONS_KEPT = 10
_POSTGRESQL_CONNECTIONS_MAX = 20
_READ_ONLY = "quittance_read_only"
_TENANT = "quittance_tenant"
_GUARDS = "quittance_guards"
ROLE_PREFIX = "quittance"
"""What the names of the roles on PostgreSQL begin with, unless the operator sets another."""
_MIGRATIONS = Path(__file__).parent / "migrations"


def make_engine(url: str, *, wait_seconds: int = _WAIT_SECONDS_MAX) -> Engine:
    """An engine for a SQLite file or PostgreSQL; connects to nothing yet.

    A writer waits `wait_seconds` for another writer, then DatabaseLocked is raised. Errors leave out the
    values of their query, which are names, notes and URLs with keys, and would end in a log.
    """
    parsed = _parse(url)
    make = _sqlite_engine if parsed.get_backend_name() == "sqlite" else _postgresql_engine
    engine = make(parsed, wait_seconds=wait_seconds)
    name_problems(engine)
    # After the listener that begins: a guard's queries are part of the transaction.
    event.listen(engine, "begin", _run_guards)
    return engine


def _parse(url: str) -> URL:
    """Never repeats the URL in an error: it may hold a password."""
    try:
        parsed = sa.make_url(url)
    except ArgumentError:
        msg = "The database URL can't be read; it looks like sqlite:////path or postgresql://user@host/name."
        raise DatabaseUnreachable(msg) from None
    if parsed.drivername in {"postgres", "postgresql", "postgresql+psycopg"}:
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in {"sqlite", "sqlite+pysqlite"}:
        msg = f"The database is SQLite or PostgreSQL, not {parsed.drivername}."
        raise DatabaseUnreachable(msg)
    if parsed.database in {None, "", ":memory:"}:
        msg = "A SQLite database must be a file: one in memory is not shared between connections."
        raise DatabaseUnreachable(msg)
    return parsed


def _sqlite_engine(url: URL, *, wait_seconds: int) -> Engine:
    engine = sa.create_engine(
        url,
        connect_args={"timeout": wait_seconds},
        pool_size=_SQLITE_CONNECTIONS_MAX,
        max_overflow=0,
        hide_parameters=True,
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
    # The driver would begin late and only before writes; SQLAlchemy's "begin" event does it for us instead.
    # https://docs.sqlalchemy.org/en/21/dialects/sqlite.html#enabling-non-legacy-sqlite-transactional-modes
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = NORMAL")
    # 16 MiB: pages that a reading changes again and again are then copied into the file once.
    connection.execute("PRAGMA wal_autocheckpoint = 4096")
    connection.create_aggregate("sum_u256", 1, SumU256Aggregate)


def _begin_sqlite(connection: Connection) -> None:
    """A writer takes the one write lock at once: taken later, it could only fail on a stale snapshot."""
    read_only = bool(connection.get_execution_options().get(_READ_ONLY))
    connection.exec_driver_sql(f"PRAGMA query_only = {int(read_only)}")
    connection.exec_driver_sql("BEGIN DEFERRED" if read_only else "BEGIN IMMEDIATE")


def _postgresql_engine(url: URL, *, wait_seconds: int) -> Engine:
    engine = sa.create_engine(
        url,
        connect_args={
            "connect_timeout": 10,
            "options": f"-c timezone=UTC -c lock_timeout={wait_seconds}s",
        },
        pool_size=_POSTGRESQL_CONNECTIONS_KEPT,
        max_overflow=_POSTGRESQL_CONNECTIONS_MAX - _POSTGRESQL_CONNECTIONS_KEPT,
        pool_pre_ping=True,
        hide_parameters=True,
    )
    event.listen(engine, "begin", _name_tenant)
    return engine


def for_tenant(engine: Engine, *, tenant_id: str | None) -> Engine:
    """The same engine with the same connections, each of whose transactions is this tenant's; None: nobody's.

    On PostgreSQL no other tenant's row can then be seen or written, even by a query that forgot to name the
    tenant; through the engine itself no tenant's row is there at all. On SQLite the queries alone see to it.
    """
    return engine.execution_options(**{_TENANT: tenant_id})


def _name_tenant(connection: Connection) -> None:
    """Until the transaction ends, and no longer: the next one on this connection may be anybody's."""
    tenant_id = connection.get_execution_options().get(_TENANT)
    if tenant_id is not None:
        connection.exec_driver_sql("SELECT set_config('app.tenant', %s, true)", (str(tenant_id),))


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One consistent snapshot for all queries inside, on either database. Writing in it is refused."""
    options: dict[str, object] = {_READ_ONLY: True}
    if engine.dialect.name == "postgresql":
        options |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    with engine.connect() as connection:
        connection.execution_options(**options)
        with connection.begin():
            yield connection


def guarded(engine: Engine, *, guard: Callable[[Connection], None]) -> Engine:
    """The same database, where `guard` runs first in every transaction that may write.

    What it raises ends the transaction before anything is written. So a rule that all writes of a task have
    to keep needs no place in each of them, and none can forget it.
    """
    return engine.execution_options(**{_GUARDS: (*engine.get_execution_options().get(_GUARDS, ()), guard)})


def _run_guards(connection: Connection) -> None:
    options = connection.get_execution_options()
    if not options.get(_READ_ONLY):
        for guard in options.get(_GUARDS, ()):
            guard(connection)


def database_time(connection: Connection, *, plus: timedelta = timedelta()) -> sa.ColumnElement[datetime]:
    """The database's own clock in a query, for what several machines have to agree on; no fact bears it."""
    if connection.dialect.name == "postgresql":
        now = sa.func.clock_timestamp(type_=sa.DateTime(timezone=True))
        return sa.type_coerce(now + sa.literal(plus, sa.Interval()), UtcTime())
    # As wide as UtcTime's text, of which SQLite's clock fills the milliseconds.
    seconds = f"{plus / timedelta(seconds=1):+.3f} seconds"
    return sa.func.strftime("%Y-%m-%dT%H:%M:%f000Z", "now", seconds, type_=UtcTime())


def database_now(connection: Connection) -> datetime:
    return connection.execute(sa.select(database_time(connection))).scalar_one()


def limit_idleness(connection: Connection, most: timedelta) -> None:
    """End this transaction if its process does nothing in it for so long, say because it was stopped.

    Else its locks would keep others out for ever. SQLite can't: who stops a process there in the middle of a
    write holds up every other writer until it goes on or dies.
    """
    if connection.dialect.name == "postgresql":
        milliseconds = str(most // timedelta(milliseconds=1))
        name = "idle_in_transaction_session_timeout"
        connection.execute(sa.select(sa.func.set_config(name, milliseconds, True)))


def insert_new(
    connection: Connection,
    table: sa.Table,
    rows: Sequence[Mapping[str, object]],
    *,
    unique: Sequence[str] | None = None,
) -> int:
    """Insert the rows that are not there yet and say how many: reading the same block twice adds nothing.

    `unique` names the columns that tell rows apart, by default the primary key. A clash on any other
    unique columns is an error still.
    """
    if not rows:
        return 0
    key = list(unique) if unique is not None else [column.name for column in table.primary_key.columns]
    statement = insert_of(connection, table).on_conflict_do_nothing(index_elements=key)
    options = {"preserve_rowcount": True}
    return connection.execute(statement, list(rows), execution_options=options).rowcount


def insert_of(connection: Connection, table: sa.Table) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that knows ON CONFLICT."""
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)


def upgrade(url: str, *, role_prefix: str = ROLE_PREFIX) -> None:
    """Bring the database to the newest schema, whole or not at all. Safe to run twice at once.

    On PostgreSQL that takes a user whom row-level security does not bind. `role_prefix` names the roles that
    are made there, where they are missing.
    """
    engine = make_engine(url)
    is_sqlite = engine.dialect.name == "sqlite"
    try:
        if is_sqlite:
            _prepare_file(engine)
            event.listen(engine, "connect", _stop_watching_references)
        with engine.begin() as connection:
            before = current_revision(connection)
            config = _alembic_config()
            config.attributes.update(connection=connection, role_prefix=role_prefix)
            command.upgrade(config, "head")
            if is_sqlite and current_revision(connection) != before:
                _demand_references(connection)
    finally:
        engine.dispose()


def _stop_watching_references(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
    """While a table is made anew, its references lead nowhere. https://www.sqlite.org/lang_altertable.html

    SQLite takes this outside of a transaction only, so that it is done for the upgrade's whole connection.
    """
    connection.execute("PRAGMA foreign_keys = OFF")


def _demand_references(connection: Connection) -> None:
    """What was not watched during the upgrade is looked at before it counts."""
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
    if broken is not None:
        msg = f"the upgrade would leave a row of {broken[0]} without the row of {broken[2]} that it names"
        raise RuntimeError(msg)


def _prepare_file(engine: Engine) -> None:
    """Make the folder, readable by its owner alone, and turn on WAL, which stays on in the file.

    A writer then never blocks readers. Changing the mode doesn't wait for other connections, so it is
    done here once and not with each connection.
    """
    path = Path(str(engine.url.database))
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        msg = f"The folder for the database can't be made: {error.strerror} ({path.parent})."
        raise DatabaseUnwritable(msg) from error
    try:
        # Nodes' URLs and people's names are in it. SQLite gives its other files the same mode.
        os.close(os.open(path, os.O_CREAT | os.O_RDONLY, 0o600))
    except OSError as error:
        msg = f"The database file can't be made: {error.strerror} ({path})."
        raise DatabaseUnwritable(msg) from error
    try:
        with closing(sqlite3.connect(path, timeout=_WAIT_SECONDS_MAX, isolation_level=None)) as connection:
            _turn_on_wal(connection)
    except sqlite3.Error as error:
        problem = problem_of(error, database=str(engine.url))
        raise problem or error from error


def _turn_on_wal(connection: sqlite3.Connection) -> None:
    """SQLite refuses the change at once while another process makes it; the other's change is as good."""
    deadline = time.monotonic() + _WAIT_SECONDS_MAX
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            is_busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not is_busy or time.monotonic() >= deadline:
                raise
            time.sleep(_WAL_PAUSE_SECONDS)
        else:
            return


def current_revision(connection: Connection) -> str | None:
    """The version of the schema that this database has; None if it has none."""
    return MigrationContext.configure(connection).get_current_revision()


def head_revision() -> str | None:
    """The version of the schema that this code wants."""
    return ScriptDirectory.from_config(_alembic_config()).get_current_head()


def _alembic_config() -> Config:
    """In code, not in an alembic.ini: an installed package has no top level to keep one in."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
