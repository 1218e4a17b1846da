"""Contracts and a reader for the tests of sources."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from lakehouse.ingest.sources import FileSource
from lakehouse.schema import Column, TableSchema
from lakehouse.times import Interval

Read = Callable[..., pl.DataFrame]
MakeSchema = Callable[..., TableSchema]


def _contract(*columns: str, time: str | None = "time", time_type: str = "timestamp[ns]") -> TableSchema:
    """Build a contract of symbol, time and further columns written as 'name type'."""
    ends = [Column(time, time_type, nullable=False)] if time else []
    further = [Column(name, kind) for name, kind in (text.split(" ") for text in columns)]
    return TableSchema(
        (Column("symbol", "string", nullable=False), *ends, *further), symbol="symbol", time=time
    )


@pytest.fixture
def contract() -> MakeSchema:
    """Build contracts: `contract("price float64", time="date", time_type="date")`."""
    return _contract


@pytest.fixture
def bars() -> TableSchema:
    """A contract of bars with nanosecond times and whole volumes."""
    return _contract("open float64", "high float64", "low float64", "close float64", "volume int64")


@pytest.fixture
def daily() -> TableSchema:
    """A contract of daily bars."""
    columns = ("open float64", "high float64", "low float64", "close float64", "volume int64")
    return _contract(*columns, time="date", time_type="date")


@pytest.fixture
def ticks() -> TableSchema:
    """A contract of times and prices."""
    return _contract("price float64")


@pytest.fixture
def read() -> Read:
    """Read every chunk of a source into one polars frame."""

    def run(
        path: str | Path,
        schema: TableSchema,
        recipe: Mapping[str, Any] | str | Path | None = None,
        symbols: Sequence[str] | None = None,
        start: str | None = None,
        end: str | None = None,
    ) -> pl.DataFrame:
        source = FileSource(path, recipe)
        chunks = source.chunks(schema, symbols, Interval.of(start, end))
        frames = [pl.DataFrame(source.read(chunk, schema)) for chunk in chunks]
        return pl.concat(frames, how="diagonal")

    return run
