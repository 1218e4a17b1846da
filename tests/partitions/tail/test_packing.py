"""Packed rows come back with equal values, whatever they are."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lakehouse.partitions.tail.packing import RowFormat
from lakehouse.schema import TYPES, Column, TableSchema, stored_type

_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "bool": st.booleans(),
    "int8": st.integers(-(2**7), 2**7 - 1),
    "int16": st.integers(-(2**15), 2**15 - 1),
    "int32": st.integers(-(2**31), 2**31 - 1),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "float32": st.floats(width=32),
    "float64": st.floats(),
    "string": st.text(max_size=8),
    "date": st.integers(-(2**31), 2**31 - 1),
    "timestamp[us]": st.integers(-(2**63), 2**63 - 1),
    "timestamp[ns]": st.integers(-(2**63), 2**63 - 1),
}


@st.composite
def tables(draw: st.DrawFn) -> tuple[TableSchema, list[list[Any]]]:
    """Return a schema and rows of it."""
    kinds = draw(st.lists(st.sampled_from(list(TYPES)), min_size=1, max_size=12))
    schema = TableSchema(tuple(Column(f"c{place}", kind) for place, kind in enumerate(kinds)))
    row = st.tuples(*(st.none() | _VALUES[kind] for kind in kinds)).map(list)
    return schema, draw(st.lists(row, min_size=1, max_size=6))


def same(left: list[Any], right: list[Any]) -> bool:
    return all(
        a == b or (isinstance(a, float) and isinstance(b, float) and math.isnan(a) and math.isnan(b))
        for a, b in zip(left, right, strict=True)
    )


@given(tables())
def test_rows_come_back_one_by_one(table: tuple[TableSchema, list[list[Any]]]) -> None:
    schema, rows = table
    packed = RowFormat(schema)
    for row in rows:
        assert same(packed.unpack_row(b"".join(packed.pack(list(row)))), row)


@given(tables(), st.data())
def test_rows_of_several_payloads_come_back_as_one_batch(
    table: tuple[TableSchema, list[list[Any]]], data: st.DataObject
) -> None:
    schema, rows = table
    packed, cut = RowFormat(schema), data.draw(st.integers(0, len(rows)))
    payloads = [
        (memoryview(b"".join([each[0] for each in part] + [each[1] for each in part])), len(part))
        for part in (
            [packed.pack(list(row), refused=not place % 2) for place, row in enumerate(rows)][start:stop]
            for start, stop in ((0, cut), (cut, len(rows)))
        )
        if part
    ]
    found = packed.unpack(payloads, first=7)
    found.batch.validate(full=True)
    assert (found.first, found.last) == (7, 6 + len(rows))
    assert found.refused is not None
    assert found.refused.tolist() == [not place % 2 for place in range(len(rows))]
    assert found.batch.schema.types == [stored_type(column.type) for column in schema.columns]
    for place, column in enumerate(schema.columns):
        values = found.batch.column(place)
        if column.type in ("date", "timestamp[us]"):
            values = values.view("int32" if column.type == "date" else "int64")
        assert same(values.to_pylist(), [row[place] for row in rows])
