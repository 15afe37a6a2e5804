"""The databases that tests get are real, fresh and their own."""

from __future__ import annotations

import sqlalchemy as sa

from tests.support.postgres import fresh_database

KINDS: list[str] = []


def test_a_database_is_empty_and_takes_a_table(database_url: str) -> None:
    engine = sa.create_engine(database_url)
    with engine.begin() as connection:
        assert sa.inspect(connection).get_table_names() == []
        connection.execute(sa.text("CREATE TABLE mine (n integer)"))
        KINDS.append(connection.dialect.name)
    engine.dispose()


def test_it_is_empty_again_for_the_next_test(database_url: str) -> None:
    engine = sa.create_engine(database_url)
    with engine.connect() as connection:
        assert sa.inspect(connection).get_table_names() == []
        KINDS.append(connection.dialect.name)
    engine.dispose()


def test_both_kinds_were_asked() -> None:
    assert KINDS == ["sqlite", "postgresql"] * 2


def test_a_database_goes_although_somebody_is_still_connected(postgres_url: str) -> None:
    server = sa.create_engine(postgres_url)
    try:
        with fresh_database(postgres_url) as url:
            guest = sa.create_engine(url, poolclass=sa.NullPool)
            connection = guest.connect()
            name = connection.execute(sa.text("SELECT current_database()")).scalar_one()
        with server.connect() as asking:
            names = asking.execute(sa.text("SELECT datname FROM pg_database")).scalars().all()
        connection.invalidate()
    finally:
        server.dispose()
    assert name not in names
    assert "postgres" in names
