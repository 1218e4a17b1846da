"""PostgreSQL and TimescaleDB through ADBC: a server-side cursor in a read-only snapshot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lakehouse.errors import MissingExtraError
from lakehouse.ingest.sources.databases.address import Address
from lakehouse.ingest.sources.databases.engine import BATCH_ROWS, Guard

if TYPE_CHECKING:
    from adbc_driver_manager import dbapi

_BEGIN = "set transaction isolation level repeatable read, read only"


class PostgresqlEngine:
    """See `Engine`."""

    def __init__(self, address: Address) -> None:
        self._address = address

    def mark(self, position: int) -> str:
        """See `Engine.mark`."""
        return f"${position}"

    def seconds(self, column: str) -> str:
        """See `Engine.seconds`; a timestamp without a zone counts as if it were UTC."""
        return f"extract(epoch from {column})"

    def columns(self, relation: str) -> pa.Schema:
        """See `Engine.columns`."""
        return next(self.batches(f"select * from {relation} limit 0", ())).schema

    def batches(self, sql: str, parameters: Sequence[Any]) -> Iterator[pa.Table]:
        """See `Engine.batches`."""
        manager = _library()
        guard = Guard(self._address, manager.Error, lambda error: isinstance(error, manager.OperationalError))
        return guard.watch(lambda: self._rows(sql, parameters))

    def _rows(self, sql: str, parameters: Sequence[Any]) -> Iterator[pa.Table]:
        from adbc_driver_postgresql import dbapi

        with dbapi.connect(self._address.target) as connection, connection.cursor() as cursor:
            cursor.execute(_BEGIN)
            # ADBC holds the whole answer of a query with parameters in memory; a cursor hands it out.
            cursor.execute(f"declare lakehouse_rows no scroll cursor for {sql}", _bound(parameters))
            # COPY, by which the driver reads unless told otherwise, does not take FETCH.
            cursor.adbc_statement.set_options(**{"adbc.postgresql.use_copy": "false"})
            batch = _fetch(cursor)
            yield batch
            while batch.num_rows == BATCH_ROWS:
                batch = _fetch(cursor)
                yield batch


def _library() -> Any:
    try:
        import adbc_driver_manager
        import adbc_driver_postgresql  # noqa: F401 - the driver itself, which is a package of its own
    except ImportError as error:
        raise MissingExtraError.of("adbc-driver-postgresql", "databases") from error
    return adbc_driver_manager


def _bound(parameters: Sequence[Any]) -> pa.RecordBatch | None:
    if not parameters:
        return None
    columns = [pa.array([value]) for value in parameters]
    return pa.RecordBatch.from_arrays(columns, names=[f"p{place}" for place in range(len(columns))])


def _fetch(cursor: dbapi.Cursor) -> pa.Table:
    cursor.execute(f"fetch {BATCH_ROWS} from lakehouse_rows")
    return cursor.fetch_arrow_table()
