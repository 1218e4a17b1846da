"""From a frame to the rows of each file: every row once, in the order of a plain sort."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.partitions.layout import Layout
from lakehouse.partitions.splitting import split
from lakehouse.schema import Column, TableSchema

DAY = 86_400_000_000_000
NOTES = ["", "x", None]


def schema_of(kind: str) -> TableSchema:
    columns = Column("symbol", "string", False), Column("time", kind, False), Column("note", "string")
    return TableSchema((*columns, Column("row", "int64")), "symbol", "time", ("symbol", "time"))


def frame(runs: list[tuple[int, int, int]], kind: pa.DataType, chunk: int) -> pa.Table:
    """Return runs of (symbol, first day, rows), a row a day, cut into chunks; some texts are null."""
    symbols = [f"S{symbol}" for symbol, _, rows in runs for _ in range(rows)]
    days = np.concatenate([first + np.arange(rows) for _, first, rows in runs])
    stored = days.astype(np.int32) if pa.types.is_date32(kind) else days * (DAY // 1000)
    columns = [
        pa.array(symbols).dictionary_encode(),
        pa.array(stored).cast(kind),
        pa.array([NOTES[day % 3] for day in days.tolist()]).dictionary_encode(),
        pa.array(np.arange(len(days))),
    ]
    whole = pa.Table.from_arrays(columns, ["symbol", "time", "note", "row"])
    parts = [whole.slice(start, chunk) for start in range(0, len(days), chunk)]
    apart = pa.concat_tables(parts)
    return apart.set_column(0, "symbol", whole.column("symbol"))  # the gate puts symbols into one chunk


@pytest.mark.parametrize("layout", ["date=year", "date=week", "date=none", "date=month,symbol=bucket(2)"])
@pytest.mark.parametrize("kind", [pa.date32(), pa.timestamp("us", "UTC")])
@given(
    order=st.permutations(range(4)),
    rows=st.sampled_from([3, 90, 400]),
    first=st.integers(-500, 500),
    twice=st.booleans(),
    chunk=st.sampled_from([7, 250, 10_000]),
)
def test_each_file_holds_its_rows_in_order_however_the_frame_has_its_symbols(
    layout: str, kind: pa.DataType, order: list[int], rows: int, first: int, twice: bool, chunk: int
) -> None:
    runs = [(symbol, first + symbol, rows) for symbol in order]
    if twice:  # a symbol comes again, later
        runs.append((order[0], first + order[0] + rows, rows))
    table = frame(runs, kind, chunk)
    schema = schema_of("date" if pa.types.is_date32(kind) else "timestamp[us]")
    seen = []
    for partition, part in split(table, schema, Layout.parse(layout)):
        found = part.to_pylist()
        keys = [(row["symbol"], row["time"]) for row in found]
        assert keys == sorted(keys)
        assert len({period_of(row["time"], layout) for row in found}) == 1
        assert len(partition) == layout.count("=") - layout.count("none") - layout.count("row_groups")
        seen += found
    assert sorted(seen, key=lambda row: row["row"]) == table.to_pylist()


def period_of(time: object, layout: str) -> str:
    day = str(time)[:10]
    if "none" in layout:
        return ""
    if "week" in layout:
        return str((int(np.datetime64(day, "D").astype(np.int64)) + 3) // 7)
    return day[:4] if "year" in layout else day[:7]
