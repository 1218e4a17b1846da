"""A lazy question about one product version: nothing is read before it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lakehouse.errors import ArgumentError, NotFoundError
from lakehouse.partitions.blocks import release
from lakehouse.partitions.reading import decode
from lakehouse.partitions.selection import Selection, select_pieces
from lakehouse.partitions.state import TableState
from lakehouse.queries.known_symbols import check_symbols
from lakehouse.queries.result import Result
from lakehouse.schema import arrow_schema, stored_schema
from lakehouse.times import Interval

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from lakehouse.queries.mapping import Stream


@dataclass(frozen=True, slots=True)
class ScanPlan:
    """What a scan will touch."""

    files_in_version: int
    """live data files of the version"""
    files: int
    """data files that will be opened"""
    row_groups: int
    """row groups that will be decoded"""
    rows: int
    """rows of the pieces that will be read, before the cut to the interval; also those not sealed yet"""
    bytes: int
    """size of the files that will be opened"""


class Scan:
    """Rows of some symbols in an interval; reads as late and as little as it can."""

    def __init__(
        self,
        state: TableState,
        *,
        symbols: Sequence[str] | None = None,
        interval: Interval | None = None,
        columns: Sequence[str] | None = None,
    ) -> None:
        self._state = state
        self._symbols = None if symbols is None else tuple(dict.fromkeys(symbols))
        self._interval = interval or Interval()
        self._columns = check_columns(state, columns)

    @property
    def state(self) -> TableState:
        """The version that is read."""
        return self._state

    @property
    def interval(self) -> Interval:
        """The interval that is read."""
        return self._interval

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are read, in order."""
        return self._columns

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema of the rows."""
        return arrow_schema(self._state.schema, self._columns)

    def read(self) -> Result:
        """Read all rows, in the order (symbol, time, order of arrival).

        Raises:
            NotFoundError: a symbol that was asked for has no row in this version.
            IntegrityError: a data file is missing or altered.
        """
        selections = self.selections()
        table = decode(self._state, selections, self._interval, self._columns)
        return self._result(table)

    def to_reader(self) -> pa.RecordBatchReader:
        """Stream the rows partition by partition; each is in the order (symbol, time, order of arrival).

        Rows that are not sealed yet come last, as one more partition.
        Memory stays at the size of one partition, what is mapped of the column cache included.
        """
        return pa.RecordBatchReader.from_batches(self.schema, self._batches())

    def map_partitions(
        self,
        function: Callable[[pa.Table], Any],
        *,
        columns: Sequence[str] | None = None,
        executor: Executor | None = None,
    ) -> Stream:
        """Apply a function to each partition on disk, side by side; no row is read before the stream is.

        Rows that are not sealed yet come last, as one more partition, whatever their times.

        Args:
            function: takes all rows of a partition in the order of `read`, and returns a frame of any library
                that hands out an Arrow stream, or None. On an executor of processes it must be picklable.
            columns: that it gets; None for those of the scan.
            executor: any of `concurrent.futures`, or the one of a cluster, which gets the function and where
                the files are, and opens the lake by itself; None for the threads of this process.

        Returns:
            What the function made, in the order of the partitions; it streams.

        Raises:
            NotFoundError: a symbol or column is not there.
        """
        from lakehouse.queries.mapping import map_partitions

        names = self._columns if columns is None else check_columns(self._state, columns)
        return map_partitions(self._state, self._by_partition(), self._interval, names, function, executor)

    def aggregate(self, what: Mapping[str, str | Sequence[str]], *, by: str | None = None) -> Result:
        """Answer from statistics: only the rows at the edges of the interval are decoded.

        Null and NaN are no values: they are not counted, and never the smallest or the largest.

        Args:
            what: column -> statistic, or several: `count` (of values), `min`, `max`, of a column of numbers,
                dates or times; `first` and `last` of the time column. `{"*": "count"}` counts the rows.
            by: the symbol column (or "symbol") for a row a symbol; None for one row in all.

        Returns:
            The symbol and `<column>_<statistic>` for each, `rows` for the count of rows; sorted by symbol. A
            symbol without a row in the interval has none; a minimum of no values is null.

        Raises:
            ArgumentError: a column or statistic is unknown.
            NotFoundError: a symbol that was asked for has no row in this version.
            IntegrityError: a data file is missing or altered.
        """
        from lakehouse.queries.aggregate import aggregate, wanted_of

        if by not in (None, "symbol", self._state.schema.symbol) or (by and not self._state.schema.symbol):
            choices = f"'{self._state.schema.symbol}' or None" if self._state.schema.symbol else "None"
            raise ArgumentError(f"Can not aggregate by {by!r}.", hint=f"by is {choices}.")
        wanted = wanted_of(self._state.schema, what)
        return aggregate(self._state, self._symbols, self._interval, wanted, by_symbol=by is not None)

    def explain(self) -> ScanPlan:
        """Say what would be read; opens footers and no data page."""
        chosen = self.selections()
        stored = [selection for selection in chosen if selection.stored]
        return ScanPlan(
            files_in_version=len(self._state.files),
            files=len(stored),
            row_groups=sum(len(selection.groups) for selection in stored),
            rows=sum(int(selection.footer.rows[selection.pieces].sum()) for selection in chosen),
            bytes=sum(selection.file.size for selection in stored),
        )

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Stream to polars, DuckDB, pandas, pyarrow and their kin."""
        return self.to_reader().__arrow_c_stream__(requested_schema)

    def __repr__(self) -> str:
        """Name the question; reads nothing."""
        symbols = "all symbols" if self._symbols is None else f"{len(self._symbols)} symbols"
        version = f"{self._state.name} version {self._state.version}"
        return f"<Scan of {version}: {symbols}, {len(self._columns)} columns>"

    def _result(self, table: pa.Table) -> Result:
        return Result(table, symbol=self._state.schema.symbol, time=self._state.schema.time)

    def selections(self) -> list[Selection]:
        """Return the pieces of files that may hold rows.

        Raises:
            NotFoundError: a symbol that was asked for has no row in this version.
        """
        chosen = select_pieces(self._state, self._symbols, self._interval)
        check_symbols(self._state, self._symbols, chosen)
        return chosen

    def _batches(self) -> Iterator[pa.RecordBatch]:
        for selections in self._by_partition():
            yield from decode(self._state, selections, self._interval, self._columns).to_batches()
            release(selections, list(stored_schema(self._state.schema)))

    def _by_partition(self) -> list[list[Selection]]:
        """Return the pieces of each partition, and those of rows that are not sealed yet behind them."""
        groups: dict[tuple[tuple[str, str | None], ...], list[Selection]] = {}
        chosen = self.selections()
        for selection in chosen:
            if selection.stored:
                groups.setdefault(selection.file.partition, []).append(selection)
        unsealed = [selection for selection in chosen if not selection.stored]
        return [*(groups[each] for each in sorted(groups, key=str)), *([unsealed] if unsealed else ())]


def check_columns(state: TableState, columns: Sequence[str] | None) -> tuple[str, ...]:
    """Return the columns to read.

    Raises:
        NotFoundError: one is not a column of the product.
    """
    names = state.schema.names
    if columns is None:
        return names
    wanted = (columns,) if isinstance(columns, str) else tuple(dict.fromkeys(columns))
    for name in wanted:
        if name not in names:
            raise NotFoundError.among(f"column of {state.name}", name, names)
    return wanted
