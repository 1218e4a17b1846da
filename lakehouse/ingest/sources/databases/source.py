"""A table, view or query of a database as a source, in chunks of whole days."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa

from lakehouse.catalog.durations import parse_span
from lakehouse.errors import ArgumentError, SourceError
from lakehouse.ingest.sources.base import Chunk, Source
from lakehouse.ingest.sources.databases.address import Address
from lakehouse.ingest.sources.databases.clock import Clock
from lakehouse.ingest.sources.databases.engine import quoted
from lakehouse.ingest.sources.databases.plain import floats_of, plain
from lakehouse.ingest.sources.databases.questions import NO_TIME, Questions
from lakehouse.ingest.sources.databases.relation import Filter, Relation
from lakehouse.ingest.sources.databases.tally import Tally
from lakehouse.ingest.sources.declaring import declare_table
from lakehouse.ingest.sources.policy import Policy
from lakehouse.ingest.sources.recipe import Recipe
from lakehouse.ingest.sources.tables import fit_table, identity
from lakehouse.schema import RAW_PREFIX, TableSchema
from lakehouse.times import MIN_NS, NS_PER_DAY, Interval

if TYPE_CHECKING:
    from lakehouse.catalog.contract import Contract
    from lakehouse.partitions.state import TableState

_SAMPLE_ROWS = 1000


class Loaded(Protocol):
    """A product, as far as `DatabaseSource.after` looks at it."""

    def state(self) -> TableState:
        """Return its newest version."""


class DatabaseSource(Source):
    """Rows of PostgreSQL or TimescaleDB, of a DuckDB file or of a SQLite file; nothing is ever written there.

    A chunk is the rows of some whole days, told apart by their number and their first and last time: a day
    that got further rows is read again, a value that was overwritten in place is not noticed. Values travel
    as parameters and names are quoted. Rows come in the order of their time, and rows of equal time as
    `order` says, else as the database pleases.

    A time with a zone is converted to UTC, a time without one needs `time: {time_zone: …}` in the recipe, and
    whole numbers `time: {format: ms}` or another unit. Exact decimals (numeric) never become floats unless
    `rounded` names their column. A cell of SQLite that is not of its column's type keeps its text in
    `_raw_<column>`.

    Examples:
        >>> import sqlite3
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     base = sqlite3.connect(f"{folder}/desk.db")
        ...     _ = base.execute("create table bars (symbol text, day text, close real)")
        ...     _ = base.execute("insert into bars values ('IBM', '2024-01-02', 161.14)")
        ...     base.commit()
        ...     base.close()
        ...     DatabaseSource(f"sqlite:{folder}/desk.db", table="bars", time="day").symbols()
        ('IBM',)
    """

    def __init__(
        self,
        uri: str,
        *,
        table: str | Sequence[str] | None = None,
        query: str | None = None,
        time: str | None = None,
        symbol: str | None = None,
        order: Sequence[str] = (),
        recipe: Recipe | Mapping[str, Any] | str | Path | None = None,
        rounded: Sequence[str] = (),
        days_per_chunk: int = 1,
        policy: Policy | None = None,
    ) -> None:
        """Take the address; nothing is asked yet.

        Args:
            uri: 'postgresql://user:password@host/base', 'duckdb:/path' or 'sqlite:/path'. No message and no
                record shows user and password; PGPASSWORD and .pgpass work as everywhere.
            table: its name, 'trades' or 'desk.trades'; a list of parts where a part holds a dot.
            query: a SELECT instead, which is taken as it is.
            time: the column of the table by which it is cut into chunks; None reads it whole.
            symbol: the column that holds the symbol; None finds it by name.
            order: columns that order rows of equal time.
            recipe: how columns become those of a contract, as for files.
            rounded: columns of exact decimals that may become the nearest float64.
            days_per_chunk: at least 1; a chunk is held in memory while it is read.
            policy: how often, and how many times again; None for five attempts.

        Raises:
            ArgumentError: the address, the table, the recipe or the days can not mean anything.
            NotFoundError: no shipped recipe has that name.
            SourceError: the recipe's file can not be read.
        """
        if days_per_chunk < 1:
            raise ArgumentError(f"days_per_chunk must be at least 1; got {days_per_chunk}.")
        self.recipe = _with_roles(Recipe.load(recipe), time, symbol)
        address, relation = Address.parse(uri), Relation.of(table, query)
        self._table = Questions(
            address, relation, time, symbol, days_per_chunk, self.recipe, policy or Policy()
        )
        self._order, self._rounded = tuple(order), tuple(rounded)
        self._since: int | None = None
        self._known: tuple[pa.Schema, Clock | None] | None = None
        self.name = self._table.name

    def __repr__(self) -> str:
        """Show the place without a password."""
        return f"DatabaseSource({self.name!r})"

    def after(self, product: Loaded, *, overlap: str = "0s") -> DatabaseSource:
        """Return the source of what came in since: rows from the last time that the product holds.

        With a key, rows of that very time and of an overlap before it are read again, and count as duplicates
        where they are stored already, so that late rows are found. Without a key only later times are read,
        for rows would double; a row that comes late with an equal or an earlier time is then missed.

        Args:
            product: what was loaded from this source before; one without rows leaves the source as it is.
            overlap: how late rows may come, such as '2h'.

        Raises:
            ArgumentError: there is an overlap, but no key; or the overlap is no span of time.
        """
        state = product.state()
        lateness = parse_span(overlap, of="overlap")
        if lateness and not state.schema.key:
            raise ArgumentError(
                f"An overlap of {overlap} needs a key: rows of {state.name} would double.",
                hint="Give the contract a key, or read without an overlap.",
            )
        last = max((file.max_time for file in state.files if file.max_time is not None), default=None)
        found = copy.copy(self)
        if last is not None:
            found._since = max(last - lateness, MIN_NS) if state.schema.key else last + 1
        return found

    def symbols(self) -> tuple[str, ...]:
        """See `Source.symbols`.

        Raises:
            SourceError: the database can not be asked.
        """
        name = self._table.symbol_column(self._table.columns(), None)
        if name is None:
            return ()
        batches = self._table.ask(f"select distinct {quoted(name)} from {self._table.relation.sql}")
        cells = {cell for batch in batches for cell in batch.column(0).to_pylist()}
        return tuple(sorted(str(cell) for cell in cells if cell is not None))

    def contract(self) -> Contract:
        """See `Source.contract`; of the first rows, under the names that the recipe gives.

        Raises:
            SourceError: the database can not be asked.
            SchemaError: a column has no type of ours.
        """
        batches = self._table.ask(f"select * from {self._table.relation.sql} limit {_SAMPLE_ROWS}")
        return declare_table(plain(pa.concat_tables(batches), self._rounded, (), self.name), self.recipe)

    def chunks(
        self, schema: TableSchema, symbols: Sequence[str] | None, interval: Interval
    ) -> tuple[Chunk, ...]:
        """See `Source.chunks`; the database counts the rows of each.

        Raises:
            SourceError: the database can not be asked, or its times have no zone or no unit.
        """
        table = self._table
        columns, clock = self._known = self._look()
        wanted = None if symbols is None or schema.symbol is None else tuple(sorted(set(symbols)))
        if self._since is not None:
            interval = Interval(max(interval.start, self._since), max(interval.end, self._since))
        if clock is None:
            return (self._chunk((), interval, wanted, Tally(table.count(Filter()))),)
        chosen = table.chosen(columns, schema, wanted)
        found = [
            self._chunk((cell.label,), cell.span, wanted, cell.tally)
            for cell in table.cells(clock, chosen, interval)
        ]
        timeless = table.count(dataclasses.replace(chosen, empty=clock.column))
        if timeless:
            found.append(self._chunk((NO_TIME,), Interval(), wanted, Tally(timeless)))
        if not found and self._since is not None:  # a source that is asked again may have nothing new
            found.append(self._chunk((str(_day(interval.start)),), interval, wanted, Tally()))
        return tuple(found)

    def read(self, chunk: Chunk, schema: TableSchema) -> pa.Table:
        """See `Source.read`."""
        return self._table.policy.call(lambda: self._read(chunk, schema))

    def _read(self, chunk: Chunk, schema: TableSchema) -> pa.Table:
        table = self._table
        columns, clock = self._known = self._known or self._look()  # another process may have made the plan
        table.check_symbol(columns, schema)
        chosen = table.chosen(columns, schema, chunk.symbols)
        where, values = table.filter_of(chunk, clock, chosen).sql(table.engine)
        order = ", ".join(quoted(name) for name in (*filter(None, [table.time]), *self._order))
        sql = f"select * from {table.relation.sql}{where}" + (f" order by {order}" if order else "")
        timed = table.time if clock is not None and chunk.files[1:] != (NO_TIME,) else None
        floats = floats_of(columns.names, schema, self.recipe, self.name)
        tally, parts = Tally(), []
        for batch in table.engine.batches(sql, values):
            tally = tally.with_batch(batch, timed)
            rows = plain(batch, self._rounded, floats, self.name)
            parts.append(fit_table(rows, schema, chunk, label=self.name, recipe=self.recipe))
        found = _joined(parts, schema)
        exact = clock is not None and clock.exact and (chosen.symbol is not None or chunk.symbols is None)
        self._check(chunk, tally, found.num_rows if exact else tally.rows)
        return found

    def _check(self, chunk: Chunk, tally: Tally, kept: int) -> None:
        """Refuse rows that are not those of the plan, or of which the conversion left some out."""
        what = " ".join(chunk.files)
        if self._chunk(chunk.files[1:], chunk.interval, chunk.symbols, tally).id != chunk.id:
            raise SourceError(f"{what} has changed since it was planned.", hint="Plan the backfill again.")
        if kept != tally.rows:
            raise SourceError(
                f"{what}: the database counts {tally.rows} rows, of which {kept} fit the question.",
                hint="Are symbols padded with blanks, or compared without case? Ask for all, or by a query.",
            )

    def _look(self) -> tuple[pa.Schema, Clock | None]:
        columns = self._table.columns()
        return columns, self._table.clock(columns)

    def _chunk(
        self, label: tuple[str, ...], span: Interval, symbols: tuple[str, ...] | None, tally: Tally
    ) -> Chunk:
        address, relation = self._table.address, self._table.relation
        base = address.shown if address.kind == "postgresql" else Path(address.target).name
        place = ["database/1", base, relation.name, self._table.time, label]
        how = [self.recipe.digest, sorted(self._rounded), self._table.days]
        told = [tally.rows, tally.first, tally.last]
        return Chunk(
            identity(place, how, [span.start, span.end], symbols, told),
            None,
            span,
            (relation.name, *label),
            0,
            symbols,
            identity(place, how, self._since),
        )


def _with_roles(recipe: Recipe, time: str | None, symbol: str | None) -> Recipe:
    if time is not None and not recipe.time.column:
        recipe = dataclasses.replace(recipe, time=dataclasses.replace(recipe.time, column=(time,)))
    if symbol is not None and symbol not in recipe.columns:
        recipe = dataclasses.replace(recipe, columns={symbol: "symbol", **recipe.columns})
    return recipe


def _day(instant: int) -> date:
    return date(1970, 1, 1) + timedelta(days=instant // NS_PER_DAY)


def _joined(parts: Sequence[pa.Table], schema: TableSchema) -> pa.Table:
    """Put batches together, of which only some have texts of cells without a value."""
    table = pa.concat_tables(parts, promote_options="default")
    raw = [name for name in table.column_names if name.startswith(RAW_PREFIX)]
    extra = [name for name in table.column_names if name not in (*schema.names, *raw)]
    return table.select([*schema.names, *raw, *extra])
