"""Libraries of ArcticDB, through its own library."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from lakehouse.errors import ArgumentError, MissingExtraError, SourceError
from lakehouse.ingest.sources.base import Chunk, Source
from lakehouse.ingest.sources.columnar import TableRows
from lakehouse.ingest.sources.declaring import declare
from lakehouse.ingest.sources.formats.location import split_options
from lakehouse.ingest.sources.recipe import Recipe
from lakehouse.ingest.sources.tables import fit_table, identity
from lakehouse.schema import TableSchema
from lakehouse.times import Interval

if TYPE_CHECKING:
    import pyarrow as pa

    from lakehouse.catalog.contract import Contract

T = TypeVar("T")

_SECRETS = re.compile(r"\?[^\s'\")]*")
_SAMPLE = 100


class ArcticSource(Source):
    """A library of ArcticDB; each symbol, at its newest version, is one chunk.

    A version of a symbol never changes, so a chunk is known by it: a symbol that was written again is loaded
    again, whole. The index is a column, and fills the contract's time where it has one of the usual names;
    times without a zone need one in the recipe, `time: {time_zone: UTC}`. NaN is null, as in any frame of
    pandas.
    """

    def __init__(
        self,
        uri: str,
        recipe: Recipe | Mapping[str, Any] | str | Path | None = None,
        *,
        library: str | None = None,
    ) -> None:
        """Name the library; it is opened when it is read.

        Args:
            uri: as ArcticDB takes it, such as `lmdb:///data/arctic`; `?library=bars` behind it is the same as
                the argument.
            recipe: names and zones of columns.
            library: its name.

        Raises:
            ArgumentError: the library is not named.
        """
        self._uri, options = split_options(uri, ("library",))
        self._library = options.get("library", library) or ""
        self.name = f"{_SECRETS.sub('', self._uri)}?library={self._library}"
        self.recipe = Recipe.load(recipe)
        if not self._library:
            raise ArgumentError(
                f"Which library of {self.name}?", hint="Name it: library=…, or ?library=… behind it."
            )

    def symbols(self) -> tuple[str, ...]:
        """See `Source.symbols`."""
        return tuple(sorted(self._ask(lambda library: library.list_symbols())))

    def contract(self) -> Contract | None:
        """See `Source.contract`; told from the first rows of the first symbol."""
        symbols = self.symbols()
        if not symbols:
            return None
        rows = self._ask(lambda library: _table(library.head(symbols[0], _SAMPLE).data))
        return declare(TableRows(rows, symbols[0]), self.recipe, symbols[0])

    def chunks(
        self, schema: TableSchema, symbols: Sequence[str] | None, interval: Interval
    ) -> tuple[Chunk, ...]:
        """See `Source.chunks`; in the order of the symbols."""
        wanted = self.symbols() if symbols is None else sorted({*symbols} & {*self.symbols()})
        return tuple(self._chunk(symbol, interval) for symbol in wanted)

    def read(self, chunk: Chunk, schema: TableSchema) -> pa.Table:
        """See `Source.read`."""
        symbol, _, version = chunk.files[0].rpartition("@")
        if self._chunk(symbol, chunk.interval).id != chunk.id:
            raise SourceError(f"{symbol} has changed since it was planned.", hint="Plan the backfill again.")
        rows = self._ask(lambda library: _table(library.read(symbol, as_of=int(version)).data))
        label = f"{self.name}, {symbol}"
        return fit_table(rows, schema, chunk, label=label, recipe=self.recipe, symbol=symbol)

    def _chunk(self, symbol: str, interval: Interval) -> Chunk:
        versions = self._ask(lambda library: library.list_versions(symbol, latest_only=True))
        version, written = next((key.version, info.date.value) for key, info in versions.items())
        content = identity("arctic/1", symbol, version, written, self.recipe.digest)
        span = identity(content, interval.start, interval.end)
        return Chunk(span, symbol, interval, (f"{symbol}@{version}",), 0, None, content)

    def _ask(self, question: Callable[[Any], T]) -> T:
        """Ask the library; what goes wrong becomes an error of ours, without the keys in the address.

        Raises:
            SourceError: anything.
        """
        try:
            return question(_arcticdb().Arctic(self._uri).get_library(self._library))
        except MissingExtraError:
            raise
        except Exception as error:  # of their own, which have no common class across versions
            reason = _SECRETS.sub("", str(error).partition("\n")[0]).rstrip(".")
        raise SourceError(
            f"Can not read {self.name}: {reason}."
        )  # outside the block, so that it has no context


def _arcticdb() -> Any:
    try:
        import arcticdb
    except ImportError as error:
        raise MissingExtraError.of("arcticdb", "arctic") from error
    return arcticdb


def _table(frame: Any) -> pa.Table:
    """Return a frame of pandas with its index as a column; a numbered index is none."""
    import pyarrow as pa

    rows = frame.to_frame() if frame.ndim == 1 else frame
    table = pa.Table.from_pandas(rows).replace_schema_metadata()
    return table.rename_columns(
        [re.sub(r"^__index_level_\d+__$", "index", name) for name in table.column_names]
    )
