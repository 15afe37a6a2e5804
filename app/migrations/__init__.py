"""The history of the database schema, one for SQLite and PostgreSQL."""
