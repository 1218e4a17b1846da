"""Databases as sources: PostgreSQL and TimescaleDB, DuckDB files and SQLite files."""

from functools import partial

from lakehouse.ingest.sources.databases.source import DatabaseSource, open_database

__all__ = ["DatabaseSource", "duckdb", "postgresql", "sqlite"]

duckdb = partial(open_database, "duckdb")
postgresql = partial(open_database, "postgresql")
sqlite = partial(open_database, "sqlite")
