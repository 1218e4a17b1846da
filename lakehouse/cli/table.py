"""Cells as text, column by column: what a pipe and a terminal show of a table."""

from __future__ import annotations

import unicodedata
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from lakehouse.cli.reply import Grid, Rows
from lakehouse.cli.text import cell_text
from lakehouse.cli.values import column_values

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS_ON_A_TERMINAL = 40
_LONGEST_CELL_ON_A_TERMINAL = 60
_LONGEST_NAME = 24
_GAP = "  "
_BORDER = 3
_MORE = "…"


@dataclass(frozen=True)
class Table:
    """Cells of equal columns."""

    names: Sequence[str]
    """headers"""
    cells: Sequence[Sequence[str]]
    """one sequence a column"""
    right: Sequence[bool]
    """whether a column is aligned to the right"""

    @classmethod
    def of_grid(cls, grid: Grid) -> Table:
        """Lay out plain values; columns of numbers are aligned to the right."""
        columns = [[row.get(name) for row in grid.rows] for name in grid.columns]
        writers = [grid.formats.get(name, cell_text) for name in grid.columns]
        cells = [
            ["" if value is None else write(value) for value in values]
            for write, values in zip(writers, columns, strict=True)
        ]
        return cls(grid.columns, cells, [any(map(_is_number, values)) for values in columns])

    @classmethod
    def of_rows(cls, rows: Rows, *, terminal: bool) -> Table:
        """Lay out a result; where it is longer than the limit, the middle is left out."""
        table = rows.result.to_arrow()
        standard = _ROWS_ON_A_TERMINAL if terminal else 0
        limit = standard if rows.limit is None else rows.limit
        write = _short if terminal else _whole
        cells = [_cells(column, limit, write) for column in table.columns]
        right = [_is_numeric(kind) for kind in table.schema.types]
        return cls([write(name) for name in table.column_names], cells, right)

    def fitted(self, width: int, *, lose: Literal["middle", "last"]) -> Table:
        """Leave out columns, the middle or the last ones, until the rest fits; the first always stays."""
        sizes = [size + _BORDER for size in self.widths()]
        if sum(sizes) <= width or len(sizes) < 2:
            return self
        room = width - sizes[0] - len(_MORE) - _BORDER
        left, right, waiting = [0], deque[int](), deque(range(1, len(sizes)))
        while waiting:
            from_right = lose == "middle" and len(right) < len(left)
            at = waiting[-1] if from_right else waiting[0]
            room -= sizes[at]
            if room < 0:
                break
            waiting.remove(at)
            if from_right:
                right.appendleft(at)
            else:
                left.append(at)
        more = Table([_MORE], [[_MORE] * len(self.cells[0])], [False])
        return self._chosen(left)._beside(more)._beside(self._chosen(right))

    def clipped(self, width: int) -> Table:
        """Cut the sentences of the widest such column until the rest fits."""
        widths, prose = self.widths(), self.prose()
        excess = sum(widths) + _BORDER * len(widths) - width
        if excess <= 0 or not any(prose):
            return self
        at = max(range(len(widths)), key=lambda place: widths[place] if prose[place] else 0)
        room = max(widths[at] - excess, cell_width(self.names[at]))
        cells = [cell if cell_width(cell) <= room else cell[: room - 1] + _MORE for cell in self.cells[at]]
        return Table(self.names, [*self.cells[:at], cells, *self.cells[at + 1 :]], self.right)

    def lines(self) -> Iterator[str]:
        """Yield the header and the rows, aligned by spaces."""
        widths = self.widths()
        for row in (self.names, *zip(*self.cells, strict=True)):
            cells = zip(row, widths, self.right, strict=True)
            yield _GAP.join(_padded(cell, width, right=right) for cell, width, right in cells).rstrip()

    def prose(self) -> list[bool]:
        """Say of each column whether it holds sentences, which may wrap; names, times and digests may not."""
        return [any(" " in cell and len(cell) > _LONGEST_NAME for cell in cells) for cells in self.cells]

    def widths(self) -> list[int]:
        """Return the width of each column, in terminal cells."""
        return [
            max(map(cell_width, (name, *cells))) for name, cells in zip(self.names, self.cells, strict=True)
        ]

    def _chosen(self, places: Sequence[int]) -> Table:
        names, cells = [self.names[at] for at in places], [self.cells[at] for at in places]
        return Table(names, cells, [self.right[at] for at in places])

    def _beside(self, other: Table) -> Table:
        return Table([*self.names, *other.names], [*self.cells, *other.cells], [*self.right, *other.right])


def cell_width(text: str) -> int:
    """Return the number of terminal cells: wide East Asian characters take two, combining marks none.

    Examples:
        >>> cell_width("IBM"), cell_width("日経225")
        (3, 7)
    """
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(mark) in "WF" for mark in text)
    return len(text) + wide - sum(unicodedata.combining(mark) > 0 for mark in text)


def _cells(column: pa.ChunkedArray, limit: int, write: Callable[[Any], str]) -> list[str]:
    if not limit or len(column) <= limit:
        return [write(value) for value in column_values(column)]
    last = limit // 2
    ends = (column.slice(0, limit - last), column.slice(len(column) - last))
    before, after = ([write(value) for value in column_values(end)] for end in ends)
    return [*before, _MORE, *after]


def _whole(value: Any) -> str:
    return cell_text(value, null="null")


def _short(value: Any) -> str:
    text = _whole(value)
    short = len(text) <= _LONGEST_CELL_ON_A_TERMINAL
    return text if short else text[: _LONGEST_CELL_ON_A_TERMINAL - 1] + _MORE


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_numeric(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _padded(text: str, width: int, *, right: bool) -> str:
    space = " " * (width - cell_width(text))
    return space + text if right else text + space
