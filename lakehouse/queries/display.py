"""A result as text for a terminal and as HTML for a notebook: a few rows, never the whole.

It needs no pandas and no polars. NOTE: pyarrow turns a nanosecond time into Python only with the help of
pandas, so times are formatted from their integers.
"""

from __future__ import annotations

import html
import shutil
import unicodedata
from dataclasses import dataclass

import pyarrow as pa

from lakehouse.times import to_iso

_ENDS = 5
"""rows shown at each end on a terminal"""
_NOTEBOOK_ENDS = 10
"""rows shown at each end in a notebook"""
_NOTEBOOK_COLUMNS = 30
_LONGEST_CELL = 40
_NANOSECONDS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
_RIGHT = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_temporal)
"""types that are aligned to the right"""
_NULL = "null"
_MORE = "…"


@dataclass(frozen=True, slots=True)
class _Shown:
    """One column, ready to show."""

    name: str
    """its label"""
    type: str
    """its type"""
    cells: list[str]
    """the cells shown; a row that stands for the rows left out holds an ellipsis in each column"""
    right: bool
    """whether it is aligned to the right"""


def to_text(table: pa.Table) -> str:
    """Return the shape, the names, the types, and the first and last rows, as wide as the terminal."""
    shown = [_show(table, position, _ENDS) for position in range(table.num_columns)]
    blocks = _fit([_align(column) for column in shown], shutil.get_terminal_size((100, 24)).columns)
    lines = ["  ".join(cells).rstrip() for cells in zip(*blocks, strict=True)]
    return "\n".join([f"Result: {_shape(table)}", *lines])


def to_html(table: pa.Table) -> str:
    """Return the same as an HTML table, every text escaped, styled by the notebook alone."""
    positions = _ends(table.num_columns, _NOTEBOOK_COLUMNS // 2)
    shown = [_MORE_COLUMN if at is None else _show(table, at, _NOTEBOOK_ENDS) for at in positions]
    rows = range(len(_ends(table.num_rows, _NOTEBOOK_ENDS)))
    head = "".join(_html_head(column) for column in shown)
    body = "".join(f"<tr>{''.join(_html_cell(column, row) for column in shown)}</tr>" for row in rows)
    return (
        f"<div><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        f"<p>{_shape(table)}, times in UTC</p></div>"
    )


def format_value(column: pa.ChunkedArray, row: int) -> str:
    """Return one value as the tables show it.

    Examples:
        >>> format_value(pa.chunked_array([[0]]).cast(pa.timestamp("ns", "UTC")), 0)
        '1970-01-01T00:00:00Z'
    """
    return _format(column.slice(row, 1))[0]


_MORE_COLUMN = _Shown(_MORE, "", [_MORE] * (2 * _NOTEBOOK_ENDS + 1), right=False)


def _shape(table: pa.Table) -> str:
    rows, columns = table.num_rows, table.num_columns
    return f"{rows:,} row{'s' * (rows != 1)} x {columns:,} column{'s' * (columns != 1)}"


def _ends(count: int, each: int) -> list[int | None]:
    """Return all positions, or the first and last `each` with None for those between."""
    if count <= 2 * each:
        return list(range(count))
    return [*range(each), None, *range(count - each, count)]


def _show(table: pa.Table, position: int, each: int) -> _Shown:
    column, kind = table.column(position), table.schema.types[position]
    if table.num_rows > 2 * each:
        cells = [*_format(column.slice(0, each)), _MORE, *_format(column.slice(table.num_rows - each))]
    else:
        cells = _format(column)
    right = any(test(kind) for test in _RIGHT)
    return _Shown(_clean(table.column_names[position]), _type_name(kind), cells, right)


def _type_name(kind: pa.DataType) -> str:
    return str(kind).replace("tz=", "").replace("[day]", "")


def _format(column: pa.ChunkedArray) -> list[str]:
    kind = column.type
    if pa.types.is_timestamp(kind):
        return [
            _NULL if value is None else _time(value, kind) for value in column.cast(pa.int64()).to_pylist()
        ]
    if pa.types.is_floating(kind):
        digits = 15 if kind.bit_width == 64 else 7
        return [_NULL if value is None else f"{value:.{digits}g}" for value in column.to_pylist()]
    if pa.types.is_time(kind):
        column = column.cast(pa.string())
    if pa.types.is_duration(kind):
        column = column.cast(pa.int64())
    return [_NULL if value is None else _clean(str(value)) for value in column.to_pylist()]


def _time(value: int, kind: pa.TimestampType) -> str:
    try:
        text = to_iso(value * _NANOSECONDS[kind.unit])
    except OverflowError:  # after the year 9999, or before the year 1
        return f"{value} {kind.unit}"
    return text if kind.tz else text.removesuffix("Z")


def _clean(text: str) -> str:
    """Return a text that stays in its cell: short, and without characters that move the cursor."""
    short = text if len(text) <= _LONGEST_CELL else text[: _LONGEST_CELL - 1] + _MORE
    return "".join(mark if mark.isprintable() else repr(mark)[1:-1] for mark in short)


def _align(column: _Shown) -> list[str]:
    cells = [column.name, column.type, *column.cells]
    width = max(_width(cell) for cell in cells)
    padded = ((cell, " " * (width - _width(cell))) for cell in cells)
    return [space + cell if column.right else cell + space for cell, space in padded]


def _fit(blocks: list[list[str]], width: int) -> list[list[str]]:
    """Leave out columns from the middle until the rest fits; the first column always stays."""
    if sum(_width(block[0]) + 2 for block in blocks) <= width + 2:
        return blocks
    waiting, left, right = list(blocks), list[list[str]](), list[list[str]]()
    room = width - _width(_MORE)
    while waiting:
        side, end = (left, 0) if len(left) <= len(right) else (right, -1)
        room -= _width(waiting[end][0]) + 2
        if room < 0 and left:
            break
        side.append(waiting.pop(end))
    return [*left, [_MORE] * len(blocks[0]), *reversed(right)]


def _width(text: str) -> int:
    """Return the number of terminal cells: wide East Asian characters take two, combining marks none."""
    wide = sum(unicodedata.east_asian_width(mark) in "WF" for mark in text)
    return len(text) + wide - sum(unicodedata.combining(mark) > 0 for mark in text)


def _html_head(column: _Shown) -> str:
    return f"<th>{_escape(column.name)}<br><small>{_escape(column.type)}</small></th>"


def _html_cell(column: _Shown, row: int) -> str:
    align = ' style="text-align: right"' if column.right else ' style="text-align: left"'
    return f"<td{align}>{_escape(column.cells[row])}</td>"


def _escape(text: str) -> str:
    return html.escape(text, quote=True)
