"""What a source asks of its table: the columns, the clock, how many rows there are of which days."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import pyarrow as pa

from lakehouse.errors import SourceError
from lakehouse.ingest.sources.base import Chunk
from lakehouse.ingest.sources.databases.address import Address
from lakehouse.ingest.sources.databases.clock import Clock, Condition, find_clock
from lakehouse.ingest.sources.databases.duckdb_file import DuckdbEngine
from lakehouse.ingest.sources.databases.engine import Engine, quoted
from lakehouse.ingest.sources.databases.postgresql import PostgresqlEngine
from lakehouse.ingest.sources.databases.relation import Filter, Relation
from lakehouse.ingest.sources.databases.sqlite_file import SqliteEngine
from lakehouse.ingest.sources.databases.tally import Tally, ticks
from lakehouse.ingest.sources.matching import find_symbol_column
from lakehouse.ingest.sources.policy import Policy
from lakehouse.ingest.sources.recipe import Recipe
from lakehouse.schema import TableSchema
from lakehouse.times import NS_PER_DAY, Interval

NO_TIME = "rows without a time"
TOO_EARLY = "rows before the first instant"
TOO_LATE = "rows after the last instant"
"""Labels of chunks whose rows are for the quarantine, where the contract's times can not hold theirs."""

_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Cell:
    """The rows of some whole days."""

    label: str
    """the first day, yyyy-mm-dd, on the column's own clock"""
    span: Interval
    """the part of it that was asked for, in UTC"""
    tally: Tally
    """its rows"""


@dataclass(frozen=True)
class Questions:
    """A table of a database, and how it is asked."""

    address: Address
    """of the database"""
    relation: Relation
    """the table or query"""
    time: str | None
    """column by which it is cut; None for whole"""
    symbol: str | None
    """column of the symbol, if the user named it"""
    days: int
    """of a cell"""
    recipe: Recipe
    """of the conversion"""
    policy: Policy = field(repr=False)
    """of the asking"""

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"{self.address.shown} {self.relation.name}"

    @property
    def engine(self) -> Engine:
        """What reads the database."""
        match self.address.kind:
            case "postgresql":
                return PostgresqlEngine(self.address)
            case "duckdb":
                return DuckdbEngine(self.address)
            case "sqlite":
                return SqliteEngine(self.address)

    def columns(self) -> pa.Schema:
        """Return the columns of the table.

        Raises:
            SourceError: the database can not be asked.
        """
        return self.policy.call(lambda: self.engine.columns(self.relation.sql))

    def ask(self, sql: str, values: Sequence[Any] = ()) -> list[pa.Table]:
        """Return the batches of a small answer.

        Raises:
            SourceError: the database can not be asked.
        """
        return self.policy.call(lambda: list(self.engine.batches(sql, values)))

    def clock(self, columns: pa.Schema) -> Clock | None:
        """Return how the database compares times; None where it is read whole.

        Raises:
            SourceError: the column is not there, or its times have no zone or no unit.
        """
        if self.time is None:
            return None
        if self.time not in columns.names:
            raise SourceError(f"{self.name} has no column {self.time!r}; it has {', '.join(columns.names)}.")
        kind = columns.field(self.time).type
        if pa.types.is_null(kind):
            kind = pa.int64() if self._counts() else pa.string()
        return find_clock(self.time, kind, self.recipe.time, f"{self.name}, column {self.time!r}")

    def symbol_column(self, columns: pa.Schema, own: str | None) -> str | None:
        """Return the column that holds the symbol; `own` is its name in the contract."""
        if self.symbol is not None:
            return self.symbol
        place = find_symbol_column(tuple(columns.names), self.recipe, own, self.name)
        return None if place is None else str(columns.names[place])

    def check_symbol(self, columns: pa.Schema, schema: TableSchema) -> None:
        """Refuse a table whose rows nobody can tell the symbol of.

        Raises:
            SourceError: the contract has a symbol, the table and the recipe do not.
        """
        fixed = {"symbol", schema.symbol} & set(self.recipe.constants)
        if schema.symbol is not None and not fixed and self.symbol_column(columns, schema.symbol) is None:
            raise SourceError(
                f"{self.name} has no column for the symbol; it has {', '.join(columns.names)}.",
                hint='Name it, symbol="isin", or give one to all: recipe={"constants": {"symbol": "IBM"}}.',
            )

    def chosen(self, columns: pa.Schema, schema: TableSchema, symbols: tuple[str, ...] | None) -> Filter:
        """Return the choice of symbols, as far as the database can make it."""
        as_written = schema.symbol is not None and self.recipe.symbol_case == "keep"
        name = self.symbol_column(columns, schema.symbol) if as_written else None
        return Filter(symbol=None if name is None else quoted(name), symbols=symbols)

    def cells(self, clock: Clock, chosen: Filter, interval: Interval) -> list[Cell]:
        """Count the rows of an interval, cell by cell.

        Raises:
            SourceError: the database can not be asked.
        """
        conditions = tuple((clock.column, each) for each in self._planned(clock, interval))
        where, values = dataclasses.replace(chosen, conditions=conditions).sql(self.engine)
        sql = (
            f"select {clock.cells(self.engine, self.days)} as cell, count(*) as n, "
            f"min({clock.column}) as low, max({clock.column}) as high from {self.relation.sql}"
            f"{where}{' and' if where else ' where'} {clock.column} is not null group by 1 order by 1"
        )
        rows = [row for batch in self.ask(sql, values) for row in zip(*batch.columns, strict=True)]
        found: dict[str, Cell] = {}
        for number, count, low, high in rows:
            tally = Tally(count.as_py(), ticks(low), ticks(high))
            label, span = self._place(clock, number.as_py(), interval)
            if span is not None:
                before = found[label].tally if label in found else Tally()
                found[label] = Cell(label, span, before.plus(tally))
        return list(found.values())

    def _place(self, clock: Clock, number: int, asked: Interval) -> tuple[str, Interval | None]:
        """Return the label of a cell, and the part of it that is asked for: None for no part."""
        first, last = clock.edges(self.days)
        if number <= first:
            return TOO_EARLY, Interval() if asked.start < (first + 1) * self.days * NS_PER_DAY else None
        if number >= last:
            return TOO_LATE, Interval() if asked.end > last * self.days * NS_PER_DAY else None
        return str(_EPOCH + timedelta(days=number * self.days)), _overlap(
            clock.span(number, self.days), asked
        )

    def count(self, chosen: Filter) -> int:
        """Count rows.

        Raises:
            SourceError: the database can not be asked.
        """
        where, values = chosen.sql(self.engine)
        return int(
            self.ask(f"select count(*) as n from {self.relation.sql}{where}", values)[0].column(0)[0].as_py()
        )

    def filter_of(self, chunk: Chunk, clock: Clock | None, chosen: Filter) -> Filter:
        """Return by what the rows of a chunk were counted."""
        if clock is None:
            return Filter()
        if chunk.files[1:] == (NO_TIME,):
            return dataclasses.replace(chosen, empty=clock.column)
        first, last = clock.edges(self.days)
        conditions = clock.within(chunk.interval)
        if chunk.files[1] == TOO_EARLY:
            conditions = clock.within_cell(first, self.days)[1:]
        elif chunk.files[1] == TOO_LATE:
            conditions = clock.within_cell(last, self.days)[:1]
        elif clock.local:
            day = (date.fromisoformat(chunk.files[1]) - _EPOCH).days
            conditions = clock.within_cell(day // self.days, self.days)
        return dataclasses.replace(chosen, conditions=tuple((clock.column, each) for each in conditions))

    def _planned(self, clock: Clock, interval: Interval) -> list[Condition]:
        """Widen an interval of local times to whole cells: each is counted as it is read, whole."""
        conditions = clock.within(interval)
        if not clock.local:
            return conditions
        widened = []
        for comparison, value in conditions:
            cell = (date.fromisoformat(str(value)[:10]) - _EPOCH).days // self.days + (comparison == "<")
            widened.append((comparison, clock.within_cell(cell, self.days)[0][1]))
        return widened

    def _counts(self) -> bool:
        """Say whether every time of a SQLite table is a whole number: it orders numbers before all texts."""
        sql = f"select distinct typeof({quoted(str(self.time))}) from {self.relation.sql}"
        kinds = {cell for batch in self.ask(sql) for cell in batch.column(0).to_pylist()}
        return "integer" in kinds and kinds <= {"integer", "null"}


def _overlap(cell: Interval, asked: Interval) -> Interval | None:
    start, end = max(cell.start, asked.start), min(cell.end, asked.end)
    return Interval(start, end) if start < end else None
