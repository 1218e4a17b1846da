"""CSV and its kin: a quick typed parse first, and the whole file as text where a cell does not fit."""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Mapping
from typing import Any

import polars as pl
import pyarrow as pa
from pyarrow import csv as arrow_csv

from lakehouse.errors import ArgumentError, SourceError
from lakehouse.ingest.sources.recipe import Recipe
from lakehouse.ingest.sources.rows import Wish, unnamed
from lakehouse.ingest.sources.unpack import Payload

_DELIMITERS = ",;\t|"
_BOM = b"\xef\xbb\xbf"
_PROBE = 1 << 20
_LONGEST_SHOWN = 80


class DelimitedRows:
    """The rows of a CSV file. Columns are addressed by position, so that names may repeat or be missing."""

    textual = True
    arrow_schema = None

    def __init__(self, payload: Payload, recipe: Recipe) -> None:
        """Read the first line; nothing else is parsed yet.

        Raises:
            ArgumentError: the recipe names an encoding that does not exist.
            SourceError: the file is binary, in another encoding, has an open quote, or has no line.
        """
        self._label = payload.label
        self._quote = recipe.quote
        self._nulls = list(recipe.null_values)
        data = _decode(payload, recipe.encoding)
        self._check_quotes(data)
        start = _skip_lines(data, recipe.skip_lines)
        end = _record_end(data, start, recipe.quote)
        first = data[start:end].decode("utf-8", "replace")
        if not first.strip():
            raise SourceError(f"{payload.label} holds no line of data.")
        self._delimiter = recipe.delimiter or max(_DELIMITERS, key=first.count)
        cells = self._split(first)
        self._width = len(cells)
        self.names = tuple(cell.strip() for cell in cells) if recipe.headed else unnamed(len(cells))
        self._body = memoryview(data)[end if recipe.headed else start :]

    def columns(self, wishes: Mapping[int, Wish]) -> Mapping[int, pl.Series]:
        """See `Rows.columns`."""
        if not bytes(self._body[:_PROBE]).strip():
            return {position: pl.Series([], dtype=pl.String) for position in wishes}
        table = self._typed(wishes)
        if table is None:
            table = self._text(list(wishes))
        return {position: _series(table.column(str(position))) for position in wishes}

    def _split(self, line: str) -> list[str]:
        try:
            text = io.StringIO(line, newline="")
            return next(csv.reader(text, delimiter=self._delimiter, quotechar=self._quote))
        except csv.Error as error:
            raise SourceError(f"{self._label} is not a table of text: {error}.") from error

    def _typed(self, wishes: Mapping[int, Wish]) -> pa.Table | None:
        """Parse into numbers; None where a cell does not fit, or where Arrow would read more than it says."""
        kinds = {"integer": pa.int64(), "float": pa.float64(), "text": pa.string()}
        if "integer" in wishes.values() and _holds_hexadecimal(self._body):
            return None
        try:
            table = self._parse({position: kinds[wish] for position, wish in wishes.items()})
        except pa.ArrowInvalid:
            return None
        floats = [table.column(str(position)) for position, wish in wishes.items() if wish == "float"]
        overflown = any(_series(column).is_infinite().any() for column in floats)  # 1e400 reads as infinity
        return None if overflown else table

    def _text(self, positions: list[int]) -> pa.Table:
        """Parse into text; what fails now is the structure or the encoding."""
        try:
            return self._parse(dict.fromkeys(positions, pa.string()))
        except pa.ArrowInvalid as error:
            self._check_encoding()
            raise self._damaged(str(error).splitlines()[0]) from error

    def _parse(self, types: Mapping[int, Any], **threading: Any) -> pa.Table:
        parse = {"delimiter": self._delimiter, "quote_char": self._quote}
        if "handler" in threading:
            parse["invalid_row_handler"] = threading.pop("handler")
        return arrow_csv.read_csv(
            pa.py_buffer(self._body),
            read_options=arrow_csv.ReadOptions(
                column_names=[str(position) for position in range(self._width)], **threading
            ),
            parse_options=arrow_csv.ParseOptions(newlines_in_values=self._quoted, **parse),
            convert_options=arrow_csv.ConvertOptions(
                include_columns=[str(position) for position in types],
                column_types={str(position): kind for position, kind in types.items()},
                null_values=self._nulls,
                strings_can_be_null=False,
            ),
        )

    def _check_quotes(self, data: bytes) -> None:
        """Refuse a quote that is never closed: a parser would take the rest of the file for one cell."""
        quotes = data.count(self._quote.encode())
        self._quoted = quotes > 0
        if quotes % 2:
            raise SourceError(
                f"{self._label} has a quote {self._quote} that is not closed.",
                hint="The file may be cut off; if quotes are plain text in it, name another `quote`.",
            )

    def _check_encoding(self) -> None:
        data = bytes(self._body)
        try:
            data.decode("utf-8")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise SourceError(
                f"{self._label} is not UTF-8: byte {data[error.start]:#04x} in data row {line}.",
                hint="Name its `encoding` in the recipe, such as latin-1 or cp1252.",
            ) from error

    def _damaged(self, reason: str) -> SourceError:
        """Parse once more, slowly, to learn which row is damaged."""
        found: list[Any] = []

        def stop(row: Any) -> str:
            found.append(row)
            return "error"

        with contextlib.suppress(pa.ArrowInvalid):
            self._parse({0: pa.string()}, use_threads=False, handler=stop)
        if not found:
            return SourceError(f"{self._label} is not a table of text: {reason}.")
        row = found[0]
        return SourceError(
            f"{self._label}, data row {row.number}: expected {row.expected_columns} cells, "
            f"got {row.actual_columns}: {row.text[:_LONGEST_SHOWN]!r}.",
            hint="The file may be cut off, or need `delimiter`, `quote` or `skip_lines` in the recipe.",
        )


def _decode(payload: Payload, encoding: str) -> bytes:
    """Return UTF-8 without a byte order mark, with newlines that a parser knows."""
    data = payload.data
    if encoding.lower().replace("_", "-") in ("utf-8", "utf8", "utf-8-sig"):
        if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise SourceError(
                f"{payload.label} is UTF-16, not UTF-8.", hint="Write `encoding: utf-16` in the recipe."
            )
        data = data.removeprefix(_BOM)
    else:
        data = _recode(payload, encoding)
    if b"\0" in data[:_PROBE]:
        raise SourceError(f"{payload.label} is not text: it holds zero bytes.")
    probe = data[:_PROBE]
    return data.replace(b"\r", b"\n") if b"\r" in probe and b"\n" not in probe else data


def _recode(payload: Payload, encoding: str) -> bytes:
    try:
        return payload.data.decode(encoding).removeprefix("\ufeff").encode()
    except LookupError as error:
        raise ArgumentError(f"Unknown encoding {encoding!r} in the recipe.") from error
    except UnicodeError as error:
        raise SourceError(f"{payload.label} is not {encoding}: {error}.") from error


def _skip_lines(data: bytes, lines: int) -> int:
    start = 0
    for _ in range(lines):
        start = data.find(b"\n", start) + 1 or len(data)
    while data[start : start + 1] in (b"\n", b"\r"):
        start += 1
    return start


def _record_end(data: bytes, start: int, quote: str) -> int:
    """Return the end of the first record, which may hold newlines between quotes."""
    end = start
    while end < len(data):
        end = data.find(b"\n", end) + 1 or len(data)
        if data.count(quote.encode(), start, end) % 2 == 0:
            break
    return end


def _holds_hexadecimal(body: memoryview) -> bool:
    """Say whether 0x occurs: Arrow takes 0x10 for the integer 16."""
    data = body.obj
    assert isinstance(data, bytes)
    return b"0x" in data or b"0X" in data


def _series(column: pa.ChunkedArray) -> pl.Series:
    return pl.Series(column)
