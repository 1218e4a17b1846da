"""Several sources as one: each fills what those before it lack, and never replaces a row that they have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import polars as pl

from lakehouse.catalog.durations import parse_duration
from lakehouse.errors import ArgumentError, ContractError, SourceError
from lakehouse.ingest.sources.base import Chunk, Source
from lakehouse.ingest.sources.cutting import in_order, inside
from lakehouse.ingest.sources.reading import to_arrow
from lakehouse.ingest.sources.tables import identity
from lakehouse.schema import TableSchema
from lakehouse.times import Interval

if TYPE_CHECKING:
    import pyarrow as pa

    from lakehouse.catalog.contract import Contract

T = TypeVar("T")

Part = tuple[int, Chunk]
"""Which source, and a chunk of it."""

_CELL = "_fallback_cell"


@dataclass(frozen=True, slots=True)
class CombinedChunk(Chunk):
    """Chunks of several sources that may hold rows of the same symbols and times."""

    parts: tuple[Part, ...] = ()
    """by source, the first one first"""


class FallbackSource(Source):
    r"""A chain of sources: where the first has no row of a symbol and day, the second fills in, and so on.

    What counts as one piece is a cell of time, a day in UTC unless told otherwise: from the first source that
    has a row in it come all rows of the symbol in that cell, so that no piece is a mixture. A file or an
    answer that can not be read is filled as well, but only if a later source has rows there of each of its
    symbols: else the error stands. What that source lacks in the part as well stays missing until the range
    is computed again.

    Chunks that may share a cell are read together. Files whose symbol stands only inside them may share it
    with all others, so name it in the path where there is a choice: '{symbol}.parquet'.

    The commit names all sources of the chain. If the contract has a nullable string column `source`, each row
    says there which one it came from, unless it came with a text of its own.

    Examples:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from lakehouse.ingest.sources.files import FileSource
        >>> with TemporaryDirectory() as folder:
        ...     for name, symbol in (("first", "IBM"), ("second", "MSFT")):
        ...         Path(folder, name).mkdir()
        ...         _ = Path(folder, name, f"{symbol}.csv").write_text("date,close\n2024-01-02,161.14\n")
        ...     chain = FallbackSource([FileSource(f"{folder}/first"), FileSource(f"{folder}/second")])
        ...     chain.symbols()
        ('IBM', 'MSFT')
    """

    def __init__(self, sources: Sequence[Source], *, cell: str = "1d", source_column: str = "source") -> None:
        """Take the chain.

        Args:
            sources: the one that is trusted most first; at least two.
            cell: length of a piece of time, such as '1d' or '1min', counted from 1970-01-01 UTC. That of a
                bar fills single bars.
            source_column: of the contract, for the name of the source of each row, if there is such a column.

        Raises:
            ArgumentError: there are fewer than two sources, or the cell is no length of whole microseconds.
        """
        if len(sources) < 2:
            raise ArgumentError(f"A chain needs at least two sources; got {len(sources)}.")
        self._sources = tuple(sources)
        self._cell_ns = _length(cell)
        self._column = source_column
        self.name = ", else ".join(source.name for source in sources)

    def __repr__(self) -> str:
        """Show the chain."""
        return f"FallbackSource({self.name!r})"

    def symbols(self) -> tuple[str, ...]:
        """See `Source.symbols`: those of all sources that can be asked.

        Raises:
            SourceError: none can.
        """
        found = self._each(lambda source: source.symbols())
        return tuple(sorted({symbol for _, symbols in found for symbol in symbols}))

    def contract(self) -> Contract | None:
        """See `Source.contract`: that of the first source which declares one.

        Raises:
            SourceError: no source can be asked.
        """
        found = [contract for _, contract in self._each(lambda source: source.contract())]
        return next((contract for contract in found if contract is not None), None)

    def chunks(
        self, schema: TableSchema, symbols: Sequence[str] | None, interval: Interval
    ) -> tuple[Chunk, ...]:
        """See `Source.chunks`: those of the sources, put together where they may hold the same cells.

        A source that can not be listed is left out, if the contract has a key; without one, rows that are
        taken in its place could double once it is back.

        Raises:
            SourceError: no source can be listed; or one can not, and there is no key.
        """
        planned = self._each(lambda source: source.chunks(schema, symbols, interval), every=not schema.key)
        parts = [(place, chunk) for place, chunks in planned for chunk in chunks]
        known = schema.symbol is not None and all(chunk.symbol is not None for _, chunk in parts)
        groups: dict[str | None, list[Part]] = {}
        for part in parts:
            groups.setdefault(part[1].symbol if known else None, []).append(part)
        cell_ns = self._cell_ns if schema.time is not None else None
        return tuple(
            _combined(symbol, run, self._cell_ns)
            for symbol, group in groups.items()
            for run in _runs(group, cell_ns)
        )

    def read(self, chunk: Chunk, schema: TableSchema) -> pa.Table:
        """See `Source.read`.

        Raises:
            SourceError: a part can not be read, and no later source has rows there.
            ArgumentError: the chunk is none of a chain.
        """
        if not isinstance(chunk, CombinedChunk):
            raise ArgumentError(f"The chunk {chunk.id} was not planned by a chain of sources.")
        filled: pl.DataFrame | None = None
        failed: list[tuple[Chunk, SourceError]] = []
        for place in range(len(self._sources)):
            fresh, problems = self._read_source(place, chunk, schema)
            if fresh is not None and filled is not None:
                fresh = self._lacking(filled, fresh, schema)
            if fresh is not None:
                failed = [each for each in failed if not _is_cured(each[0], fresh, schema)]
                filled = fresh if filled is None else pl.concat([filled, fresh], how="diagonal_relaxed")
            failed += problems
        if failed or filled is None:
            raise _lost(*failed[0], schema)
        return to_arrow(in_order(filled, schema), schema)

    def _read_source(
        self, place: int, chunk: CombinedChunk, schema: TableSchema
    ) -> tuple[pl.DataFrame | None, list[tuple[Chunk, SourceError]]]:
        """Return the rows of one source, None if nothing could be read, and the parts that could not be."""
        frames, failed = [], []
        for part in (part for number, part in chunk.parts if number == place):
            try:
                frames.append(pl.DataFrame(self._sources[place].read(part, schema)))
            except SourceError as error:
                failed.append((part, error))
        if not frames:
            return None, failed
        rows = pl.concat(frames, how="diagonal_relaxed")
        if self._column in schema.names and schema[self._column].type == "string":
            rows = rows.with_columns(pl.col(self._column).fill_null(self._sources[place].name))
        return rows, failed

    def _lacking(self, filled: pl.DataFrame, fresh: pl.DataFrame, schema: TableSchema) -> pl.DataFrame:
        """Return the fresh rows of cells in which nothing is; those of no cell are for the quarantine."""
        keys = ([schema.symbol] if schema.symbol else []) + ([_CELL] if schema.time else [])
        if not keys:
            return fresh if filled.is_empty() else fresh.clear()
        there = self._with_cell(filled, schema).select(keys).unique()
        found = self._with_cell(fresh, schema).join(there, on=keys, how="anti", maintain_order="left")
        return found.select(fresh.columns)

    def _with_cell(self, frame: pl.DataFrame, schema: TableSchema) -> pl.DataFrame:
        if schema.time is None:
            return frame
        fine = schema[schema.time].type == "timestamp[ns]"
        time = pl.col(schema.time) if fine else pl.col(schema.time).cast(pl.Datetime("us"))
        return frame.with_columns(
            (time.cast(pl.Int64) // (self._cell_ns // (1 if fine else 1000))).alias(_CELL)
        )

    def _each(self, ask: Callable[[Source], T], *, every: bool = False) -> list[tuple[int, T]]:
        """Ask every source; leave out those that can not be asked, unless that is all of them.

        Raises:
            SourceError: none can be asked; with `every`, one can not.
        """
        found, problems = [], []
        for place, source in enumerate(self._sources):
            try:
                found.append((place, ask(source)))
            except SourceError as error:
                problems.append(error)
        if problems and (every or not found):
            raise problems[0]
        return found


def _is_cured(part: Chunk, fresh: pl.DataFrame, schema: TableSchema) -> bool:
    """Say whether another source has rows in place of a part that failed, for each of its symbols."""
    rows = inside(fresh, schema, part)
    if schema.symbol is None:
        return not rows.is_empty()
    names = _symbols_of(part)
    return bool(names) and names <= set(rows[schema.symbol])


def _symbols_of(part: Chunk) -> set[str]:
    return {part.symbol} if part.symbol is not None else set(part.symbols or ())


def _lost(part: Chunk, error: SourceError, schema: TableSchema) -> SourceError:
    """Return the error of a part that no source replaces."""
    if schema.symbol is None or _symbols_of(part):
        return error
    hint = "It could be replaced if its symbol were known: name it in the path, such as '{symbol}.parquet'."
    return SourceError(error.message, hint=hint, temporary=error.temporary)


def _length(cell: str) -> int:
    try:
        length = parse_duration(cell, of="cell")
    except ContractError as error:
        raise ArgumentError(error.message, hint=error.hint) from error
    if length % 1000:
        raise ArgumentError(f"A cell of {cell} is no whole number of microseconds.")
    return length


def _runs(group: Sequence[Part], cell_ns: int | None) -> list[list[Part]]:
    """Put parts together whose intervals meet in a cell; all of them, where rows have no time."""
    if cell_ns is None:
        return [list(group)]
    runs: list[list[Part]] = []
    reach = 0
    for part in sorted(group, key=lambda part: part[1].interval.start):
        first, last = part[1].interval.start // cell_ns, -(-part[1].interval.end // cell_ns)
        if runs and first < reach:
            runs[-1].append(part)
            reach = max(reach, last)
        else:
            runs.append([part])
            reach = last
    return runs


def _combined(symbol: str | None, run: Sequence[Part], cell_ns: int) -> CombinedChunk:
    parts = sorted(run, key=lambda part: (part[0], part[1].interval.start, part[1].files))
    chunks = [chunk for _, chunk in parts]
    asked = [chunk.symbols for chunk in chunks]
    known = {name for names in asked if names is not None for name in names}
    return CombinedChunk(
        id=identity("fallback/1", cell_ns, [[place, chunk.id] for place, chunk in parts]),
        symbol=symbol,
        interval=Interval(
            min(chunk.interval.start for chunk in chunks), max(chunk.interval.end for chunk in chunks)
        ),
        files=tuple(name for chunk in chunks for name in chunk.files),
        bytes=sum(chunk.bytes for chunk in chunks),
        symbols=None if None in asked else tuple(sorted(known)),
        content=identity("fallback/1", chunks[0].content or chunks[0].id),
        parts=tuple(parts),
    )
