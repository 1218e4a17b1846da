"""JSON: a list of objects or of lists, or one of them a line; every scalar stays the text of the file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import polars as pl

from lakehouse.errors import SourceError
from lakehouse.ingest.sources.recipe import Recipe
from lakehouse.ingest.sources.rows import Wish, unnamed
from lakehouse.ingest.sources.unpack import Payload

_LINES = (".jsonl", ".ndjson")


class JsonRows:
    """The rows of a JSON file. Numbers keep every digit: they are parsed once, into the contract's type."""

    textual = True
    arrow_schema = None

    def __init__(self, payload: Payload, recipe: Recipe) -> None:
        """Parse the whole file.

        Raises:
            SourceError: it is not JSON, or holds no rows of one shape.
        """
        rows = _parse(payload, recipe.encoding)
        kinds = {type(row) for row in rows}
        self.names: tuple[str, ...] = ()
        self._columns: list[list[Any]] = []
        if kinds == {dict}:
            self.names = tuple(dict.fromkeys(key for row in rows for key in row))
            self._columns = [[row.get(name) for row in rows] for name in self.names]
        elif kinds == {list}:
            self.names = unnamed(_width(rows, payload.label))
            self._columns = [list(column) for column in zip(*rows, strict=True)]
        elif kinds:
            shown = " and ".join(sorted(kind.__name__ for kind in kinds))
            raise SourceError(f"{payload.label} holds no rows: expected objects or lists, got {shown}.")

    def columns(self, wishes: Mapping[int, Wish]) -> Mapping[int, pl.Series]:
        """See `Rows.columns`; always text."""
        return {
            position: pl.Series([_text(cell) for cell in self._columns[position]], dtype=pl.String)
            for position in wishes
        }


def _parse(payload: Payload, encoding: str) -> list[Any]:
    try:
        text = payload.data.decode("utf-8-sig" if encoding == "utf-8" else encoding)
    except (UnicodeError, LookupError) as error:
        raise SourceError(
            f"{payload.label} is not {encoding}: {error}.", hint="Name its `encoding`."
        ) from error
    if payload.name.lower().endswith(_LINES):
        return _parse_lines(payload.label, text)
    try:
        document = _loads(text)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":  # a second document follows: one a line
            return _parse_lines(payload.label, text)
        raise _invalid(payload.label, error, error.lineno) from error
    return document if isinstance(document, list) else [document]


def _parse_lines(label: str, text: str) -> list[Any]:
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                rows.append(_loads(line))
            except json.JSONDecodeError as error:
                raise _invalid(label, error, number) from error
    return rows


def _loads(text: str) -> Any:
    return json.loads(text, parse_float=str, parse_int=str, parse_constant=str)


def _invalid(label: str, error: json.JSONDecodeError, line: int) -> SourceError:
    return SourceError(f"{label}, line {line}, column {error.colno}: not JSON: {error.msg}.")


def _width(rows: list[list[Any]], label: str) -> int:
    width = len(rows[0])
    for number, row in enumerate(rows, start=1):
        if len(row) != width:
            raise SourceError(f"{label}, row {number}: expected {width} values, got {len(row)}.")
    return width


def _text(cell: Any) -> str | None:
    if cell is None or isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return json.dumps(cell, ensure_ascii=False)
