"""A SQLite file, opened read only. Types are those of the cells, not of the columns: each is looked at."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa

from lakehouse.ingest.sources.databases.address import Address
from lakehouse.ingest.sources.databases.engine import BATCH_ROWS, Guard

_EXACT_FLOAT = 2**53
_LOCK_S = 1.0  # the policy of the source asks again


class SqliteEngine:
    """See `Engine`."""

    def __init__(self, address: Address) -> None:
        self._address = address

    def mark(self, position: int) -> str:
        """See `Engine.mark`."""
        return f"?{position}"

    def seconds(self, column: str) -> str:
        """See `Engine.seconds`; SQLite has no times, only numbers and texts."""
        return column

    def columns(self, relation: str) -> pa.Schema:
        """See `Engine.columns`."""
        return next(self.batches(f"select * from {relation} limit 0", ())).schema

    def batches(self, sql: str, parameters: Sequence[Any]) -> Iterator[pa.Table]:
        """See `Engine.batches`."""
        guard = Guard(self._address, sqlite3.Error, _is_locked)
        return guard.watch(lambda: self._rows(sql, parameters))

    def _rows(self, sql: str, parameters: Sequence[Any]) -> Iterator[pa.Table]:
        place = f"{Path(self._address.target).absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(place, uri=True, timeout=_LOCK_S)) as connection:
            cursor = connection.execute(sql, tuple(parameters))
            names = [column[0] for column in cursor.description]
            rows = cursor.fetchmany(BATCH_ROWS)
            yield _table(names, rows)
            while len(rows) == BATCH_ROWS:
                rows = cursor.fetchmany(BATCH_ROWS)
                yield _table(names, rows)


def _is_locked(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorname", "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))


def _table(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> pa.Table:
    columns = zip(*rows, strict=True) if rows else [()] * len(names)
    return pa.Table.from_arrays([_array(column) for column in columns], names=list(names))


def _array(cells: Sequence[Any]) -> pa.Array:
    """Return a column of one type; where cells have several, their texts, which the conversion judges."""
    kinds = {type(cell) for cell in cells} - {type(None)}
    if not kinds:
        return pa.nulls(len(cells))
    if kinds == {int}:
        return pa.array(cells, pa.int64())
    if kinds <= {int, float} and all(abs(cell) <= _EXACT_FLOAT for cell in cells if type(cell) is int):
        return pa.array(cells, pa.float64())
    return pa.array([_text(cell) for cell in cells], pa.string())


def _text(cell: Any) -> str | None:
    match cell:
        case None | str():
            return cell
        case bytes():
            return f"x'{cell.hex()}'"
        case _:
            return repr(cell)
