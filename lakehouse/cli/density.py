"""Measure how dense the rows of a product are, and say what each layout would make of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, get_args

import numpy as np

from lakehouse.cli.text import size_text
from lakehouse.partitions.layout import (
    LARGEST_GOOD_FILE_IN_BYTES,
    SMALLEST_GOOD_FILE_IN_BYTES,
    DatePeriod,
    Layout,
    choose_layout,
    period_starts,
    row_width,
)
from lakehouse.times import NS_PER_DAY

if TYPE_CHECKING:
    import numpy.typing as npt

    from lakehouse.partitions.state import TableState


@dataclass(frozen=True)
class LayoutOption:
    """What one layout would make of the present rows, with one file a period."""

    layout: str
    """as contracts write it"""
    files: int
    """periods with rows, counted"""
    mean_size: int
    """bytes a file, at the measured bytes a row"""
    rows_per_file: int
    """mean"""
    judgement: str
    """how the mean size compares with the good ones"""
    recommended: bool
    """whether the rule chooses it at the measured density"""


@dataclass(frozen=True)
class Advice:
    """What was measured, and what follows."""

    product: str
    """`domain.product`"""
    version: int
    """that was measured"""
    layout: str | None
    """present layout; None before the first write"""
    recommended: str | None
    """layout that the rule chooses at the measured density; None without rows"""
    files: int = 0
    """live data files"""
    rows: int = 0
    """rows in them"""
    size: int = 0
    """bytes in them"""
    file_size: dict[str, int] = field(default_factory=dict)
    """smallest, median and largest file, in bytes"""
    days: int | None = None
    """UTC days with rows, counted in the time column; None without one"""
    rows_per_day: float | None = None
    """rows of all symbols together on a day with rows"""
    bytes_per_row: float = 0.0
    """measured"""
    assumed_bytes_per_row: float = 0.0
    """by which the rule chooses"""
    options: tuple[LayoutOption, ...] = ()
    """each period, from the shortest"""
    reasons: tuple[str, ...] = ()
    """sentences"""


def advise_layout(state: TableState) -> Advice:
    """Measure one version; reads its time column, and nothing else of the rows."""
    name, layout = str(state.name), str(state.layout) if state.layout is not None else None
    if not state.rows:
        return Advice(name, state.version, layout, None)
    days = _days(state) if state.schema.time is not None else None
    per_day = state.rows / len(days) if days is not None else None
    best = choose_layout(state.schema, rows_per_day=per_day or state.rows)
    sizes = sorted(file.size for file in state.files)
    options = tuple(_options(state, days, best)) if days is not None else ()
    return Advice(
        product=name,
        version=state.version,
        layout=layout,
        recommended=str(best),
        files=len(state.files),
        rows=state.rows,
        size=state.size,
        file_size={"smallest": sizes[0], "median": sizes[len(sizes) // 2], "largest": sizes[-1]},
        days=len(days) if days is not None else None,
        rows_per_day=per_day,
        bytes_per_row=state.size / state.rows,
        assumed_bytes_per_row=row_width(state.schema),
        options=options,
        reasons=tuple(_reasons(state, str(best), options)),
    )


def _days(state: TableState) -> npt.NDArray[np.int64]:
    """Return the UTC days with rows, file by file, so that memory stays at the size of one file's times."""
    from lakehouse.partitions.arrays import times_of
    from lakehouse.queries.scan import Scan

    found: set[int] = set()
    for file in state.files:
        alone = dataclasses.replace(state, files=(file,))
        times = times_of(Scan(alone, columns=[str(state.schema.time)]).read().to_arrow(), state.schema)
        found |= set(np.unique(np.floor_divide(times, NS_PER_DAY)).tolist()) if times is not None else set()
    return np.array(sorted(found), np.int64)


def _options(state: TableState, days: npt.NDArray[np.int64], best: Layout) -> Iterator[LayoutOption]:
    for period in get_args(DatePeriod):
        files = len(np.unique(period_starts(days * NS_PER_DAY, period))) if period != "none" else 1
        size, layout = round(state.size / files), Layout(period)
        yield LayoutOption(
            str(layout), files, size, round(state.rows / files), _judgement(files, size), layout == best
        )


def _judgement(files: int, size: int) -> str:
    if size > LARGEST_GOOD_FILE_IN_BYTES:
        return "large files"
    if size >= SMALLEST_GOOD_FILE_IN_BYTES:
        return "good"
    return "all rows in one small file" if files == 1 else "small files"


def _reasons(state: TableState, best: str, options: tuple[LayoutOption, ...]) -> Iterator[str]:
    smallest, largest = size_text(SMALLEST_GOOD_FILE_IN_BYTES), size_text(LARGEST_GOOD_FILE_IN_BYTES)
    yield f"Good files have {smallest} to {largest}: smaller ones cost to open, larger ones to rewrite."
    present = str(state.layout)
    yield f"The rule chooses {best} at this density" + (
        ", as the product is laid out." if best == present else "."
    )
    chosen = [option for option in options if option.recommended]
    if chosen and best != present and chosen[0].judgement != "good":
        yield f"It makes {chosen[0].judgement} of the present rows, and leaves room for more symbols."
    same = [option for option in options if option.layout == present]
    if same and len(state.files) > same[0].files:
        yield (
            f"{len(state.files):,} files lie where {same[0].files:,} would do: each write adds files of its "
            "own to the periods that it touches, so fewer and larger writes make fewer files."
        )
