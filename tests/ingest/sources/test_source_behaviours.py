"""What every source has to do, run over each of ours: the same bars of two symbols in eight clothes."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import databento_dbn as dbn
import deltalake
import polars as pl
import pytest

import lakehouse
from lakehouse.ingest.sources import Source
from lakehouse.schema import TableSchema, arrow_type
from lakehouse.times import Interval

Make = Callable[[Path], str]
DAYS = (datetime(2024, 7, 2, tzinfo=UTC), datetime(2024, 7, 3, tzinfo=UTC))
BARS = pl.DataFrame(
    [
        ("AA/X", DAYS[0], 1.5, 2.5, 0.5, 2.25, 10.0),
        ("AA/X", DAYS[1], 2.25, 3.0, 2.0, 2.75, 20.0),
        ("BB/X", DAYS[0], 7.0, 7.0, 7.0, 7.0, 0.0),
        ("BB/X", DAYS[1], 7.0, 9.0, 7.0, 8.0, 5.0),
    ],
    ["symbol", "time", "open", "high", "low", "close", "volume"],
    orient="row",
)
SPAN = Interval.of("2024-07-03", "2024-07-04")


def files(folder: Path) -> str:
    BARS.write_parquet(folder / "bars.parquet")
    return f"files:{folder}"


def csv(folder: Path) -> str:
    for (symbol,), rows in BARS.group_by("symbol"):
        name = str(symbol).replace("/", "_")
        rows.drop("symbol").write_csv(folder / f"{name}.csv", datetime_format="%Y%m%d %H:%M")
    return f"files:{folder}"


def hive(folder: Path) -> str:
    for place, row in enumerate(BARS.iter_rows(named=True)):
        below = folder / f"ticker={row['symbol'].replace('/', '%2F')}" / f"year={row['time'].year}"
        below.mkdir(parents=True, exist_ok=True)
        BARS[place : place + 1].drop("symbol").write_parquet(below / f"{place}.parquet")
    return f"hive:{folder}"


def delta(folder: Path) -> str:
    deltalake.write_deltalake(str(folder), BARS.to_arrow(), partition_by=["symbol"])
    return f"delta:{folder}?version=0"


def influx(folder: Path) -> str:
    lines = [
        f"bars,symbol={row['symbol']} open={row['open']},high={row['high']},low={row['low']},"
        f"close={row['close']},volume={row['volume']} {int(row['time'].timestamp())}\n"
        for row in BARS.iter_rows(named=True)
    ]
    (folder / "bars.lp").write_text("".join(lines))
    return f"influx:{folder}/bars.lp?precision=s"


def lean(folder: Path) -> str:
    place = folder / "crypto" / "coinbase" / "daily"
    place.mkdir(parents=True)
    for (symbol,), rows in BARS.group_by("symbol", maintain_order=True):
        text = rows.drop("symbol").write_csv(include_header=False, datetime_format="%Y%m%d %H:%M")
        with zipfile.ZipFile(place / f"{str(symbol).lower().replace('/', '-')}_trade.zip", "w") as archive:
            archive.writestr("bars.csv", text)
    return f"lean:{place}"


def freqtrade(folder: Path) -> str:
    for (symbol,), rows in BARS.group_by("symbol"):
        frame = rows.drop("symbol").rename({"time": "date"})
        frame.write_ipc(folder / f"{str(symbol).replace('/', '_')}-1d.feather", compression="uncompressed")
    return f"freqtrade:{folder}"


def databento(folder: Path) -> str:
    days = {"start_date": date(2024, 7, 2), "end_date": date(2024, 7, 4)}
    mappings: list[Any] = [  # their library takes anything with these attributes
        SimpleNamespace(raw_symbol=symbol, intervals=[SimpleNamespace(**days, symbol=number)])
        for number, symbol in (("1", "AA/X"), ("2", "BB/X"))
    ]
    header = dbn.Metadata(
        dataset="XNAS.ITCH",
        start=0,
        stype_in=dbn.SType.from_str("raw_symbol"),
        stype_out=dbn.SType.from_str("instrument_id"),
        schema=dbn.Schema.from_str("ohlcv-1d"),
        mappings=mappings,
    )
    records = [
        dbn.OHLCVMsg(
            rtype=35,
            publisher_id=1,
            instrument_id=1 if row[0] == "AA/X" else 2,
            ts_event=int(row[1].timestamp()) * 10**9,
            **{name: round(value * 1e9) for name, value in zip(BARS.columns[2:6], row[2:6], strict=True)},
            volume=int(row[6]),
        )
        for row in BARS.iter_rows()
    ]
    (folder / "bars.dbn").write_bytes(bytes(header) + b"".join(map(bytes, records)))
    return f"databento:{folder}"


SOURCES: dict[str, Make] = {
    make.__name__: make for make in (files, csv, hive, delta, influx, lean, freqtrade, databento)
}
NAMED = {"csv": ("AA_X", "BB_X"), "lean": ("AA-X", "BB-X")}
"""Symbols as files are called, where a slash is not possible."""
WITHOUT_CONTRACT = ("csv",)


@pytest.fixture(params=SOURCES)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def source(kind: str, tmp_path: Path) -> Source:
    folder = tmp_path / "vendor"
    folder.mkdir()
    recipes: dict[str, Any] = {
        "csv": {"time": {"time_zone": "UTC", "format": "%Y%m%d %H:%M"}},
        "hive": {"extra": "ignore"},
        "databento": {"extra": "ignore"},
    }
    options = {"recipe": recipes[kind]} if kind in recipes else {}
    return lakehouse.sources.open(SOURCES[kind](folder), **options)


@pytest.fixture
def schema() -> TableSchema:
    roles = (
        lakehouse.Column("symbol", "string", nullable=False),
        lakehouse.Column("time", "timestamp[ns]", nullable=False),
    )
    prices = (lakehouse.Column(name, "float64") for name in BARS.columns[2:])
    return TableSchema((*roles, *prices), "symbol", "time", ("symbol", "time"))


def symbols_of(kind: str) -> tuple[str, ...]:
    return NAMED.get(kind, ("AA/X", "BB/X"))


def read_all(
    source: Source, schema: TableSchema, symbols: list[str] | None = None, interval: Interval | None = None
) -> pl.DataFrame:
    chunks = source.chunks(schema, symbols, interval or Interval())
    tables = [source.read(chunk, schema) for chunk in chunks]
    return pl.concat([pl.DataFrame(table) for table in tables]).sort("symbol", "time")


def test_the_rows_are_the_bars_in_exact_types(source: Source, kind: str, schema: TableSchema) -> None:
    table = source.read(source.chunks(schema, None, Interval())[0], schema)
    assert [(field.name, field.type) for field in table.schema] == [
        (column.name, arrow_type(column.type)) for column in schema.columns
    ]
    renamed = dict(zip(("AA/X", "BB/X"), symbols_of(kind), strict=True))
    wanted = BARS.with_columns(pl.col("symbol").replace(renamed), pl.col("time").dt.cast_time_unit("ns"))
    assert read_all(source, schema).equals(wanted)


def test_symbols_are_discovered_sorted(source: Source, kind: str) -> None:
    assert source.symbols() == symbols_of(kind)


def test_a_plan_is_the_same_twice_and_in_another_process(source: Source, schema: TableSchema) -> None:
    plan = source.chunks(schema, None, Interval())
    assert source.chunks(schema, None, Interval()) == plan
    again = pickle.loads(pickle.dumps(source))
    assert again.chunks(schema, None, Interval()) == plan
    assert len({chunk.id for chunk in plan}) == len(plan)
    assert all(again.read(chunk, schema).equals(source.read(chunk, schema)) for chunk in plan)


def test_an_interval_is_half_open_and_makes_other_chunks(source: Source, schema: TableSchema) -> None:
    assert read_all(source, schema, interval=SPAN)["time"].to_list() == [DAYS[1]] * 2
    whole = {chunk.id for chunk in source.chunks(schema, None, Interval())}
    part = source.chunks(schema, None, SPAN)
    assert whole.isdisjoint(chunk.id for chunk in part)
    assert {chunk.content for chunk in part} <= {
        chunk.content for chunk in source.chunks(schema, None, Interval())
    }


def test_symbols_are_chosen_and_unknown_ones_give_nothing(
    source: Source, kind: str, schema: TableSchema
) -> None:
    first, second = symbols_of(kind)
    assert read_all(source, schema, [second, "nobody"])["symbol"].to_list() == [second] * 2
    none = source.chunks(schema, ["nobody"], Interval())
    assert sum(source.read(chunk, schema).num_rows for chunk in none) == 0
    assert read_all(source, schema, [first]).height == 2


def test_a_product_is_made_as_declared_and_filled_once(source: Source, kind: str, tmp_path: Path) -> None:
    lake = lakehouse.open(tmp_path / "lake", create=True)
    if kind in WITHOUT_CONTRACT:
        with pytest.raises(lakehouse.LakehouseError, match="does not say which columns"):
            lake.create("market_data.bars", like=source)
        return
    product = lake.create("market_data.bars", like=source)
    assert product.contract.schema.symbol in ("symbol", "ticker")
    report = lake.backfill("market_data.bars", source)
    assert (report.ok, report.accepted, report.quarantined) == (True, 4, 0)
    again = lake.backfill("market_data.bars", source)
    assert (again.skipped, again.rows_in) == (again.chunks, 0)
