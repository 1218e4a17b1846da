"""Corrections of refused rows: each row is answered for, so that none goes missing between two commits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.errors import ArgumentError
from lakehouse.ingest.frames import to_table
from lakehouse.ingest.prepare import BROKE, ROW
from lakehouse.schema import RAW_PREFIX

Correction = Callable[[pl.DataFrame], Any]
"""takes refused rows as they came, and returns them corrected, in a frame of any library"""

_SHOWN = 5


def corrected(refused: pa.Table, correction: Correction | Any) -> pa.Table:
    """Return refused rows as a correction makes them, in the order in which they came.

    Where a source could not read a cell, its text stands in a column `_raw_<name>` beside a null; a value in
    the place of that null corrects the cell, and the text goes.

    Args:
        refused: with the lake's own columns.
        correction: a function of such rows, or their frame; `_row` tells which row is which.

    Raises:
        ArgumentError: a row is missing, doubled or not one of them, or a column is missing.
        SchemaError: what the correction returned is no frame.
    """
    given = to_table(correction(pl.DataFrame(refused)) if callable(correction) else correction)
    _check_columns(refused, given)
    _check_rows(refused, given)
    table = given.take(pc.sort_indices(given.column(ROW)))
    for name in table.column_names:
        value = name.removeprefix(RAW_PREFIX)
        if name != value and value in table.column_names:
            known = pc.is_valid(table.column(value))
            raw = pc.if_else(known, pa.scalar(None, table.schema.field(name).type), table.column(name))
            table = table.set_column(table.column_names.index(name), name, raw)
    return table


def _check_columns(refused: pa.Table, given: pa.Table) -> None:
    """Refuse a correction that leaves out a column: its values would be gone without a word."""
    if ROW not in given.column_names:
        raise ArgumentError(
            f"The corrected rows have no column {ROW!r}, so nobody knows which rows they are.",
            hint="Keep the column that quarantine.read gives; for rows of your own, use quarantine.replay.",
        )
    came = (name for name in refused.column_names if not name.startswith(BROKE))
    missing = [name for name in came if name not in given.column_names]
    if missing:
        raise ArgumentError(
            f"The corrected rows lack columns of those that were refused: {', '.join(map(repr, missing))}.",
            hint="Keep them; a cell that is to hold nothing is null, and so is its text in _raw_<name>.",
        )


def _check_rows(refused: pa.Table, given: pa.Table) -> None:
    wanted, found = _numbers(refused), _numbers(given)
    once, counts = np.unique(found, return_counts=True)
    problems = [
        f"{kind}: {', '.join(map(str, rows[:_SHOWN].tolist()))}{', …' if len(rows) > _SHOWN else ''}"
        for kind, rows in (
            ("missing", np.setdiff1d(wanted, once)),
            ("not refused", np.setdiff1d(once, wanted)),
            ("doubled", once[counts > 1]),
        )
        if len(rows)
    ]
    if problems:
        raise ArgumentError(
            f"The corrected rows are not the {len(wanted)} refused ones, by {ROW}: {'; '.join(problems)}.",
            hint="Return a row that can not be corrected as it is: it is refused again, and stays there.",
        )


def _numbers(rows: pa.Table) -> np.ndarray[Any, np.dtype[np.int64]]:
    column = rows.column(ROW)
    if not pa.types.is_integer(column.type) or column.null_count:
        raise ArgumentError(f"The column {ROW!r} must hold the numbers that quarantine.read gave.")
    numbers: np.ndarray[Any, np.dtype[np.int64]] = column.cast(
        pa.int64(), safe=False
    ).to_numpy()  # too large: none of them
    return numbers
