"""Databases as sources: PostgreSQL and TimescaleDB, DuckDB files and SQLite files."""

from lakehouse.ingest.sources.databases.opening import duckdb, postgresql, sqlite
from lakehouse.ingest.sources.databases.source import DatabaseSource

__all__ = ["DatabaseSource", "duckdb", "postgresql", "sqlite"]
