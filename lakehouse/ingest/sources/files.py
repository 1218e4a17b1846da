"""Files as a source: one file, a folder, a glob or a path template, read by a recipe."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from lakehouse.errors import SourceError
from lakehouse.ingest.sources.base import Chunk, Source
from lakehouse.ingest.sources.cutting import in_order, inside
from lakehouse.ingest.sources.declaring import declare
from lakehouse.ingest.sources.matching import find_symbol_column
from lakehouse.ingest.sources.opener import Opener
from lakehouse.ingest.sources.patterns import compile_pattern
from lakehouse.ingest.sources.places import find_place
from lakehouse.ingest.sources.reading import FileName, in_case, open_rows, read_rows, to_arrow
from lakehouse.ingest.sources.recipe import CLOCK_FORMATS, Recipe
from lakehouse.ingest.sources.rows import Rows
from lakehouse.ingest.sources.tables import identity
from lakehouse.ingest.sources.template import PathTemplate, fill, read_day
from lakehouse.ingest.sources.unpack import DATA_SUFFIXES, Payload, bare_stem, unpack
from lakehouse.ingest.sources.zones import localise
from lakehouse.schema import TableSchema
from lakehouse.times import NS_PER_DAY, Interval

if TYPE_CHECKING:
    import pyarrow as pa

    from lakehouse.catalog.contract import Contract

_ID_FORMAT = "file/1"
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of the source."""

    name: str
    """relative to the source's folder"""
    parts: Mapping[str, str]
    """what the template takes from its path"""


class FileSource(Source):
    r"""CSV, JSON, Parquet and Feather files, plain, gzipped or in zips; each file is one chunk.

    Without a recipe the columns are matched by name and by common synonyms (`matching.SYNONYMS`), and the
    symbol of a file that has no symbol column is its name without endings. Local times need a recipe that
    names their zone.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     _ = Path(folder, "IBM.csv").write_text("date,close\n2024-01-02,161.14\n")
        ...     FileSource(folder).symbols()
        ('IBM',)
    """

    def __init__(
        self,
        path: str | Path,
        recipe: Recipe | Mapping[str, Any] | str | Path | None = None,
        *,
        opener: Opener | None = None,
    ) -> None:
        """Find the place; no file is read yet.

        Args:
            path: a file, a folder (every data file below, or those that the recipe's `files` takes), or a
                template or glob such as 'data/{symbol}/*.csv.gz'; or the URL of one, as 's3://bucket/data',
                'https://host/bars.csv' and whatever fsspec knows.
            recipe: a dict, a .yaml or .toml file, the name of a shipped one, or None for the automatic
                reading.
            opener: where else than on the local disk the files lie; `path` is then a template inside it.

        Raises:
            ArgumentError: the recipe, the template or the URL can not mean anything.
            MissingExtraError: the URL needs the extra `s3`, or another library, that is not installed.
            SourceError: there is nothing at `path`, or it can not be reached.
        """
        self.recipe = Recipe.load(recipe)
        self._place = find_place(path, self.recipe.files, opener)
        self.name = self._place.name
        self._opener = self._place.opener
        self._entry = PathTemplate.parse(self.recipe.entry) if self.recipe.entry else None

    def symbols(self) -> tuple[str, ...]:
        """See `Source.symbols`; files that hold several symbols are read for it.

        Raises:
            SourceError: a file can not be read.
        """
        found: set[str] = set()
        for file in self._files():
            symbol = self._named_symbol(file, None)
            found |= {symbol} if symbol is not None else self._symbols_inside(file)
        return tuple(sorted(found))

    def file_names(self) -> tuple[str, ...]:
        """Return the names of the files, relative to the folder of the source, sorted.

        Raises:
            SourceError: the source can not be listed, or there is none.
        """
        return tuple(file.name for file in self._files())

    def contract(self) -> Contract | None:
        """See `Source.contract`; told from the first file, if its format has types: CSV and JSON have none.

        Raises:
            SourceError: the file can not be read.
            SchemaError: a column has no type of ours, such as a time without a zone that the recipe names.
        """
        file = self._files()[0]
        payload = unpack(file.name, self._bytes(file), self._entry)[0]
        rows = self._open(file, payload)
        return declare(rows, self.recipe, payload.label) if rows.arrow_schema else None

    def chunks(
        self, schema: TableSchema, symbols: Sequence[str] | None, interval: Interval
    ) -> tuple[Chunk, ...]:
        """See `Source.chunks`; in the order of the files' names."""
        wanted = None if symbols is None or schema.symbol is None else tuple(sorted(set(symbols)))
        # On one thread: a pool would wait for a blocked read before ctrl-C gets through.
        planned = (self._chunk(file, schema, wanted, interval) for file in self._files())
        return tuple(chunk for chunk in planned if chunk is not None)

    def read(self, chunk: Chunk, schema: TableSchema) -> pa.Table:
        """See `Source.read`."""
        file = self._file(chunk.files[0])
        data = self._bytes(file)
        if _chunk_id(file.name, chunk, hashlib.sha256(data).hexdigest(), self.recipe) != chunk.id:
            raise SourceError(
                f"{file.name} has changed since it was planned.", hint="Plan the backfill again."
            )
        payloads = unpack(file.name, data, self._entry)
        frames = [
            read_rows(
                self._open(file, payload),
                payload.label,
                self._file_name(file, payload, schema.symbol, alone=len(payloads) == 1),
                schema,
                self.recipe,
            )
            for payload in payloads
        ]
        frame = frames[0] if len(frames) == 1 else pl.concat(frames, how="diagonal_relaxed")
        return to_arrow(in_order(inside(frame, schema, chunk), schema), schema)

    def _open(self, file: SourceFile, payload: Payload) -> Rows:
        """Open the rows of one table in a file."""
        return open_rows(payload, self.recipe)

    def _chunk(
        self, file: SourceFile, schema: TableSchema, wanted: tuple[str, ...] | None, interval: Interval
    ) -> Chunk | None:
        symbol = self._symbol_of(file, schema.symbol) if schema.symbol else None
        if wanted is not None and symbol is not None and symbol not in wanted:
            return None
        day = self._day_span(file, schema)
        span = _intersection(interval, day)
        if span is None:
            return None
        chosen = wanted if symbol is None else None  # else one file's id would depend on its neighbours
        size, content = self._fingerprint(file)
        draft = Chunk("", symbol, span, (file.name,), size, chosen)
        anytime = replace(draft, interval=day or Interval(), symbols=None)
        return replace(
            draft,
            id=_chunk_id(file.name, draft, content, self.recipe),
            content=_chunk_id(file.name, anytime, content, self.recipe),
        )

    def _files(self) -> tuple[SourceFile, ...]:
        place = self._place
        names = [place.only] if place.only else self._opener.names()
        found = tuple(SourceFile(name, parts) for name in names if (parts := self._parts(name)) is not None)
        if not found:
            wanted = f"files like {place.template.text!r}" if place.template else "data files"
            raise SourceError(f"There are no {wanted} in {place.folder}.")
        return found

    def _file(self, name: str) -> SourceFile:
        parts = self._parts(name)
        if parts is None:
            raise SourceError(f"The chunk's file {name} is none of the source {self.name}.")
        return SourceFile(name, parts)

    def _parts(self, name: str) -> Mapping[str, str] | None:
        template, only = self._place.template, self._place.only
        if template is None:
            return {} if only or name.lower().endswith(DATA_SUFFIXES) else None
        return template.match(name) if only is None else template.match_end(self._place.full_path(name))

    def _bytes(self, file: SourceFile) -> bytes:
        with self._opener.open(file.name) as handle:
            return handle.read()

    def _fingerprint(self, file: SourceFile) -> tuple[int, str]:
        """Return size and SHA-256; a file that can not be opened is planned too, and fails when read."""
        digest = hashlib.sha256()
        try:
            size = self._opener.size(file.name)
            with self._opener.open(file.name) as handle:
                while block := handle.read(_BLOCK):
                    digest.update(block)
        except SourceError:
            return 0, "unreadable"
        return size, digest.hexdigest()

    def _symbol_of(self, file: SourceFile, own: str) -> str | None:
        return self._named_symbol(file, own) or self._probed_symbol(file, own)

    def _named_symbol(self, file: SourceFile, own: str | None) -> str | None:
        """Return the symbol that path or recipe give to a whole file; `own` is its column in the contract."""
        constant = self._constant_symbol(own)
        if constant is not None:
            inside = self._entry is not None and "{" in constant
            return None if inside else self._cased(fill(constant, file.parts, file.name))
        symbol = file.parts.get("symbol") or file.parts.get(own or "symbol")
        return None if symbol is None else self._cased(symbol)

    def _probed_symbol(self, file: SourceFile, own: str) -> str | None:
        """Look at the names of the columns: without a symbol among them, the file is named after its own."""
        try:
            payloads = unpack(file.name, self._bytes(file), self._entry)
            name = self._file_name(file, payloads[0], own, alone=True)
            if len(payloads) > 1 or name.symbol is not None or self._constant_symbol(own) is not None:
                return None
            names = self._open(file, payloads[0]).names
            inside = find_symbol_column(names, self.recipe, own, file.name)
        except SourceError:
            return None  # planned like any other; reading it tells what is wrong
        return name.fallback if inside is None else None

    def _symbols_inside(self, file: SourceFile) -> set[str]:
        payloads = unpack(file.name, self._bytes(file), self._entry)
        found: set[str] = set()
        for payload in payloads:
            rows = self._open(file, payload)
            if not rows.names:
                continue
            position = find_symbol_column(rows.names, self.recipe, None, payload.label)
            if position is None:
                name = self._file_name(file, payload, None, alone=len(payloads) == 1)
                found.add(name.symbol or name.fallback)
            else:
                column = rows.columns({position: "text"})[position].cast(pl.String)
                found |= {symbol for symbol in in_case(column, self.recipe).unique() if symbol}
        return found

    def _file_name(self, file: SourceFile, payload: Payload, own: str | None, *, alone: bool) -> FileName:
        parts = {**file.parts, **payload.parts}
        constant = self._constant_symbol(own)
        if constant is not None:
            return FileName(parts, None, self._cased(fill(constant, parts, payload.label)))
        symbol = parts.get("symbol") or parts.get(own or "symbol")
        fallback = bare_stem(file.name) if alone else payload.stem
        return FileName(parts, None if symbol is None else self._cased(symbol), self._cased(fallback))

    def _constant_symbol(self, own: str | None) -> str | None:
        constants = self.recipe.constants
        return constants.get("symbol", constants.get(own or "symbol"))

    def _cased(self, symbol: str) -> str:
        return str(in_case(pl.Series([symbol]), self.recipe)[0])

    def _day_span(self, file: SourceFile, schema: TableSchema) -> Interval | None:
        """Return the day that a file's name promises, where its times are times of that day."""
        rule = self.recipe.time
        of_day = rule.format in CLOCK_FORMATS or (
            "%" in rule.format and not compile_pattern(rule.format).dated
        )
        if not of_day or rule.base_date is not None:
            return None
        try:
            day = read_day(file.parts, file.name)
        except SourceError:
            return None  # planned like any other; reading it tells what is wrong
        if day is None:
            return None
        midnights = pl.Series([day.toordinal() - 719_163, day.toordinal() - 719_162]) * (NS_PER_DAY // 1000)
        start, end = localise(midnights, rule.time_zone or "UTC", rule.fold or "earliest", file.name)
        return Interval(start * 1000, end * 1000)


def _chunk_id(name: str, chunk: Chunk, content: str, recipe: Recipe) -> str:
    span = [chunk.interval.start, chunk.interval.end]
    return identity(_ID_FORMAT, name, chunk.symbol, chunk.symbols, span, content, recipe.digest)


def _intersection(asked: Interval, day: Interval | None) -> Interval | None:
    if day is None:
        return asked
    start, end = max(asked.start, day.start), min(asked.end, day.end)
    return Interval(start, end) if start < end else None
