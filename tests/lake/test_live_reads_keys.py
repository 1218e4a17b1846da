"""With a key, readers see before sealing what they see after it, whatever rows meet."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lakehouse
from lakehouse.product import Product

NAME = "market_data.ticks"
ROWS = st.lists(st.tuples(st.sampled_from("AB"), st.integers(0, 4), st.integers(0, 1)), max_size=8)


def frame(rows: list[tuple[str, int, int]]) -> pl.DataFrame:
    columns = ([row[place] for row in rows] for place in range(3))
    schema = {"symbol": pl.String, "time": pl.Int64, "value": pl.Int64}
    table = pl.DataFrame(dict(zip(schema, columns, strict=True)), schema=schema)
    return table.with_columns(pl.col("time").cast(pl.Datetime("ns", "UTC")))


def answers(product: Product) -> list[Any]:
    seen = product.read(), product.tail(1), product.head(2), product.read(start=1, end=3)
    return [each.to_polars().rows() for each in seen]


@pytest.mark.parametrize(
    "key", [("symbol", "time"), ("symbol", "value"), ("time",), ("symbol", "time", "value")]
)
@given(stored=ROWS, first=ROWS, second=ROWS)
@settings(max_examples=6, deadline=None)
def test_sealing_changes_no_answer(
    key: tuple[str, ...],
    stored: list[tuple[str, int, int]],
    first: list[tuple[str, int, int]],
    second: list[tuple[str, int, int]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        lake = lakehouse.open(Path(folder) / "lake", create=True)
        product = lake.create(NAME, like=frame([("A", 0, 0)]), key=list(key))
        if stored:
            product.append(frame(stored))
        with lake.stream(NAME, durability="none") as one, lake.stream(NAME, durability="none") as two:
            for stream, rows in ((one, first), (two, second)):
                for symbol, time, value in rows:
                    stream.write({"symbol": symbol, "time": time, "value": value})
            before = answers(product)
            for stream in sorted((one, two), key=lambda each: each._writer.id):
                stream.seal()
            assert answers(product) == before
