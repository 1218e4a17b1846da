"""JSON, Parquet and Feather: the same rows in other clothes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from pyarrow import parquet

from lakehouse.errors import SourceError
from lakehouse.schema import TableSchema

Read = Callable[..., pl.DataFrame]
NOON = datetime(2024, 1, 2, 12, tzinfo=UTC)


def write_parquet(path: Path, **columns: pa.Array) -> None:
    parquet.write_table(pa.Table.from_arrays(list(columns.values()), names=list(columns)), path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "X.json",
            '[{"time": "2024-01-02T12:00:00Z", "price": 0.1}, {"price": null, "time": 1704196800000}]',
        ),
        (
            "X.json",
            '{"time": "2024-01-02T12:00:00Z", "price": "0.1"}\n{"time": 1704196800000, "price": null}\n',
        ),
        (
            "X.jsonl",
            '{"time": "2024-01-02T12:00:00Z", "price": 0.1}\n\n{"time": "2024-01-02T12:00:00+00:00"}\n',
        ),
    ],
)
def test_json_objects_in_a_list_or_a_line_each(
    tmp_path: Path, read: Read, ticks: TableSchema, name: str, text: str
) -> None:
    (tmp_path / name).write_text(text.replace("1704196800000", '"2024-01-02 12:00:00Z"'))
    assert read(tmp_path, ticks).rows() == [("X", NOON, 0.1), ("X", NOON, None)]


def test_json_lists_take_their_names_from_the_recipe(tmp_path: Path, read: Read, contract: Any) -> None:
    schema = contract("trade_id string", "price float64", "flag bool")
    (tmp_path / "X.json").write_text('[[1704196800000, 12, 0.1, true], [1704196800000, "13", 1e-3, false]]')
    frame = read(tmp_path, schema, {"columns": ["time", "trade_id", "price", "flag"]})
    assert frame.rows() == [("X", NOON, "12", 0.1, True), ("X", NOON, "13", 0.001, False)]


def test_json_numbers_keep_every_digit(tmp_path: Path, read: Read, contract: Any) -> None:
    schema = contract("price float64", "sequence int64")
    (tmp_path / "X.json").write_text(
        '[{"time": 1704196800.123456789, "price": 1, "sequence": 9007199254740993}]'
    )
    frame = read(tmp_path, schema)
    assert frame["time"].dt.epoch("ns").to_list() == [1704196800123456789]
    assert frame["sequence"].to_list() == [9007199254740993]


def test_an_empty_json_list_has_no_rows(tmp_path: Path, read: Read, bars: TableSchema) -> None:
    (tmp_path / "X.json").write_text("[]\n")
    frame = read(tmp_path, bars)
    assert frame.height == 0
    assert frame.schema["open"] == pl.Float64


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"time": 1}', "X.json, line 1, column 13: not JSON"),
        ('{"time": 1}\n{"time": }\n', "X.json, line 2, column 10: not JSON"),
        ("[[1, 2], [3]]", "X.json, row 2: expected 2 values, got 1"),
        ('["ADA/BTC", "BAT/BTC"]', "holds no rows: expected objects or lists, got str"),
        ('[{"a": 1}, [2]]', "got dict and list"),
    ],
)
def test_json_that_is_no_table_is_refused(
    tmp_path: Path, read: Read, ticks: TableSchema, text: str, message: str
) -> None:
    (tmp_path / "X.json").write_text(text)
    with pytest.raises(SourceError, match=message):
        read(tmp_path, ticks, {"columns": {0: "time", 1: "price"}})


def test_parquet_and_feather_read_the_same(tmp_path: Path, read: Read, ticks: TableSchema) -> None:
    table = pa.Table.from_arrays(
        [pa.array([NOON], pa.timestamp("ns", "UTC")), pa.array(["IBM"]).dictionary_encode(), pa.array([1.5])],
        names=["Date", "Ticker", "PRICE"],
    )
    parquet.write_table(table, tmp_path / "a.parquet")
    with pa.OSFile(str(tmp_path / "b.feather"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    assert read(tmp_path, ticks).rows() == [("IBM", NOON, 1.5)] * 2


def test_times_of_every_unit_and_zone_are_exact(tmp_path: Path, read: Read, ticks: TableSchema) -> None:
    for unit in ("s", "ms", "us", "ns"):
        write_parquet(tmp_path / f"{unit}.parquet", time=pa.array([NOON], pa.timestamp(unit, "Asia/Kolkata")))
    assert read(tmp_path, ticks)["time"].unique().to_list() == [NOON]


def test_naive_times_and_dates_need_a_zone(tmp_path: Path, read: Read, ticks: TableSchema) -> None:
    write_parquet(tmp_path / "X.parquet", time=pa.array([date(2024, 7, 2)]), price=pa.array([1.5]))
    with pytest.raises(SourceError, match=r"(?s)local times without a time zone: 1 rows.*time_zone"):
        read(tmp_path, ticks)
    frame = read(tmp_path, ticks, {"time": {"time_zone": "America/New_York"}})
    assert frame["time"].to_list() == [datetime(2024, 7, 2, 4, tzinfo=UTC)]


def test_values_that_do_not_survive_the_type_are_kept_as_text(
    tmp_path: Path, read: Read, contract: Any
) -> None:
    schema = contract("size int32", "price float32", "amount float64", "when timestamp[us]")
    write_parquet(
        tmp_path / "X.parquet",
        time=pa.array([NOON] * 3, pa.timestamp("ns", "UTC")),
        size=pa.array([1.0, 1.7, 3e9]),
        price=pa.array([0.5, 0.1, float("nan")]),
        amount=pa.array([1, 2**53 + 1, None]),
        when=pa.array([1000, 1001, 0], pa.timestamp("ns", "UTC")),
    )
    frame = read(tmp_path, schema)
    assert frame["size"].to_list() == [1, None, None]
    assert frame["_raw_size"].to_list() == [None, "1.7", "3000000000.0"]
    assert frame["_raw_price"].to_list() == [None, "0.1", None]
    assert frame["_raw_amount"].to_list() == [None, "9007199254740993", None]
    assert frame["when"].is_null().to_list() == [False, True, False]


def test_nan_stays_nan_in_typed_files(tmp_path: Path, read: Read, ticks: TableSchema) -> None:
    write_parquet(
        tmp_path / "X.parquet",
        time=pa.array([NOON], pa.timestamp("us", "UTC")),
        price=pa.array([float("nan")]),
    )
    assert read(tmp_path, ticks)["price"].is_nan().to_list() == [True]


def test_text_and_decimals_in_typed_files_become_numbers(tmp_path: Path, read: Read, contract: Any) -> None:
    schema = contract("price float64", "size float64")
    write_parquet(
        tmp_path / "X.parquet",
        time=pa.array([1704196800000]),
        price=pa.array(["0.1"]),
        size=pa.array([Decimal("0.30")]),
    )
    assert read(tmp_path, schema).rows() == [("X", NOON, 0.1, 0.3)]


def test_numbers_become_symbols_only_if_the_recipe_says_so(
    tmp_path: Path, read: Read, ticks: TableSchema
) -> None:
    write_parquet(
        tmp_path / "X.parquet", time=pa.array([1704196800000]), symbol=pa.array([118]), price=pa.array([1.5])
    )
    with pytest.raises(
        SourceError, match=r"(?s)column 'symbol' holds Int64, but the contract says string.*as_text"
    ):
        read(tmp_path, ticks)
    assert read(tmp_path, ticks, {"as_text": ["symbol"]})["symbol"].to_list() == ["118"]


def test_bytes_are_no_number(tmp_path: Path, read: Read, ticks: TableSchema) -> None:
    write_parquet(
        tmp_path / "X.parquet", time=pa.array([1704196800000]), price=pa.array([b"\1"], pa.binary(1))
    )
    with pytest.raises(SourceError, match="column 'price' holds Binary, which is no float64"):
        read(tmp_path, ticks)


@pytest.mark.parametrize("kind", [pa.timestamp("us", "UTC"), pa.timestamp("us"), pa.timestamp("ms", "UTC")])
def test_a_time_beyond_the_calendar_is_kept_as_its_number(
    tmp_path: Path, read: Read, ticks: TableSchema, kind: pa.DataType
) -> None:
    """Vendors write the largest integer for "no time"; polars panics when such a time becomes text."""
    largest = 2**63 - 1
    write_parquet(tmp_path / "X.parquet", time=pa.array([largest, 0]).cast(kind), price=pa.array([1.5, 2.5]))
    frame = read(tmp_path, ticks, {"time": {"time_zone": "UTC"}})
    assert frame["time"].is_null().to_list() == [True, False]
    assert frame["_raw_time"].to_list() == [str(largest), None]


def test_a_day_beyond_the_calendar_is_kept_as_its_number(
    tmp_path: Path, read: Read, ticks: TableSchema
) -> None:
    days = pa.array([2**31 - 1, 0], pa.int32()).cast(pa.date32())
    write_parquet(tmp_path / "X.parquet", time=days, price=pa.array([1.5, 2.5]))
    frame = read(tmp_path, ticks, {"time": {"time_zone": "UTC"}})
    assert frame["_raw_time"].to_list() == [str(2**31 - 1), None]


def test_text_that_is_damaged_in_a_feather_file_is_refused(
    tmp_path: Path, read: Read, ticks: TableSchema
) -> None:
    """Unseen, offsets beyond the file would end the process where the text is read."""
    rows = pl.DataFrame({"symbol": ["A", "B"], "time": [NOON, NOON], "price": [1.5, 2.5]})
    table = rows.to_arrow().cast(pa.schema([("symbol", pa.string()), *list(rows.to_arrow().schema)[1:]]))
    with pa.OSFile(str(tmp_path / "X.feather"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    data = (tmp_path / "X.feather").read_bytes()
    offsets = (0).to_bytes(4, "little") + (1).to_bytes(4, "little") + (2).to_bytes(4, "little")
    assert data.count(offsets) == 1
    (tmp_path / "X.feather").write_bytes(data.replace(offsets, offsets[:8] + b"\xff\xff\xff\x7f"))
    with pytest.raises(SourceError, match="truncated or damaged Feather"):
        read(tmp_path, ticks)
