"""The types of contracts as polars knows them."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

POLARS_TYPES: Mapping[str, pl.DataType] = {
    "bool": pl.Boolean(),
    "int8": pl.Int8(),
    "int16": pl.Int16(),
    "int32": pl.Int32(),
    "int64": pl.Int64(),
    "float32": pl.Float32(),
    "float64": pl.Float64(),
    "string": pl.String(),
    "date": pl.Date(),
    "timestamp[ns]": pl.Datetime("ns", "UTC"),
    "timestamp[us]": pl.Datetime("us", "UTC"),
}
