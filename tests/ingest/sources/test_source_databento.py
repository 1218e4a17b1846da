"""Databento's files of every schema and version, against what their own library decodes record by record."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import databento_dbn as dbn
import polars as pl
import pyarrow as pa
import pytest

import lakehouse
from lakehouse.errors import SourceError
from lakehouse.ingest.sources.formats.databento import DatabentoSource
from lakehouse.times import Interval

Locate = Callable[[str], Path]
SCHEMAS = (
    *("bbo-1m", "bbo-1s", "cbbo-1s", "cmbp-1", "definition", "imbalance", "mbo", "mbp-1", "mbp-10"),
    *("ohlcv-1h", "ohlcv-1m", "ohlcv-1s", "statistics", "status", "tbbo", "trades"),
)
CATALOG = "nautilus/databento/historical_bars_catalog/databento"


def read_all(path: Path) -> pl.DataFrame:
    """Read a file under the contract that it declares."""
    source = DatabentoSource(path)
    contract = source.contract()
    assert contract is not None
    (chunk,) = source.chunks(contract.schema, None, Interval())
    frame = pl.DataFrame(source.read(chunk, contract.schema))
    assert frame.columns == list(contract.schema.names)  # no text that did not fit its type
    return frame


def decoded(path: Path) -> list[Any]:
    """Decode a file record by record."""
    data = path.read_bytes()
    if path.suffix == ".zst":
        data = pa.CompressedInputStream(pa.BufferReader(data), "zstd").read()
    decoder = dbn.DBNDecoder()
    decoder.write(data)
    return decoder.decode()[1:]


@pytest.mark.parametrize("schema", SCHEMAS)
def test_all_versions_of_a_schema_hold_the_same_rows(shared_data: Locate, schema: str) -> None:
    folder = shared_data("databento_dbn")
    files = sorted(folder.glob(f"test_data.{schema}.v?.dbn.zst"))
    frames = [read_all(file) for file in files]
    assert len(frames) >= 2
    assert all(frame.height for frame in frames)
    assert all(frame.equals(frames[0]) for frame in frames)


@pytest.mark.parametrize(
    "schema", ["mbo", "mbp-1", "trades", "ohlcv-1m", "imbalance", "statistics", "definition"]
)
def test_every_field_is_what_their_decoder_says(shared_data: Locate, schema: str) -> None:
    file = shared_data(f"databento_dbn/test_data.{schema}.v3.dbn.zst")
    frame, records = read_all(file), decoded(file)
    assert frame.height == len(records) == 2
    for name in set(frame.columns) - {"symbol", "rtype", "publisher_id"}:
        got = frame[name].dt.epoch("ns") if frame[name].dtype == pl.Datetime("ns", "UTC") else frame[name]
        wanted = [value(record, name) for record in records]
        assert got.to_list() == wanted, name


def value(record: Any, name: str) -> Any:
    """Return a field as the contract has it: prices per unit, the undefined as null, codes by value."""
    if name in record._price_fields or name[:6] in ("bid_px", "ask_px"):
        fixed = getattr(record, name, None)
        fixed = getattr(record.levels[0], name.removesuffix("_00")) if fixed is None else fixed
        return None if fixed == dbn.UNDEF_PRICE else float(f"{fixed}e-9")
    if name.endswith("_00"):
        return getattr(record.levels[0], name.removesuffix("_00"))
    found = getattr(record, name)
    if name in record._timestamp_fields or name == "quantity":
        return None if found in (None, dbn.UNDEF_TIMESTAMP, dbn.UNDEF_STAT_QUANTITY) else int(found)
    return getattr(found, "value", None) or (found.strip("\0") if isinstance(found, str) else int(found))


def test_trades_of_118_are_its_minute_bars(shared_data: Locate) -> None:
    folder = shared_data(CATALOG)
    trades = read_all(next(folder.glob("futures_trades*")))
    bars = read_all(next(folder.glob("futures_ohlcv*"))).filter(instrument_id=118)
    minute = (pl.col("ts_event").dt.epoch("ns") // 60_000_000_000).alias("minute")
    made = (
        trades.sort("ts_recv")
        .group_by(minute, maintain_order=True)
        .agg(
            *(pl.first("price").alias("open"), pl.max("price").alias("high")),
            *(pl.min("price").alias("low"), pl.last("price").alias("close"), pl.sum("size").alias("volume")),
        )
    )
    assert bars["symbol"].unique().to_list() == ["ESU4"]
    assert bars.select(minute, *made.columns[1:]).join(made, on=made.columns).height == made.height == 4


def test_an_order_book_day_holds_8725_orders_in_one_snapshot(shared_data: Locate) -> None:
    frame = read_all(shared_data("nautilus/databento/esh4-glbx-mdp3-20231224.mbo.dbn.zst"))
    assert frame.height == 8725
    assert frame["action"].unique().to_list() == ["A"]
    assert frame["flags"].to_list() == [40] * 8724 + [168]


@pytest.mark.parametrize("version", [1, 2, 3])
def test_fragments_without_a_header_are_read(shared_data: Locate, version: int) -> None:
    frame = read_all(shared_data(f"databento_dbn/test_data.definition.v{version}.dbn.frag"))
    assert frame.height == 2
    assert frame["symbol"].to_list() == frame["raw_symbol"].to_list()


def test_several_zstandard_frames_are_one_file(shared_data: Locate) -> None:
    assert read_all(shared_data("databento_dbn/multi-frame.definition.v1.dbn.frag.zst")).height == 8


def test_a_file_without_records_has_no_rows_and_no_symbols(shared_data: Locate, contract: Any) -> None:
    source = DatabentoSource(shared_data("databento_dbn/test_data.ohlcv-1d.dbn"))
    schema = contract("close float64")
    (chunk,) = source.chunks(schema, None, Interval())
    assert source.read(chunk, schema).num_rows == 0
    assert source.symbols() == ()


def test_an_integer_column_gets_the_fixed_point_number(shared_data: Locate, contract: Any) -> None:
    source = DatabentoSource(shared_data("databento_dbn/test_data.trades.dbn"), {"extra": "ignore"})
    schema = contract("price int64", "size int64")
    (chunk,) = source.chunks(schema, None, Interval())
    assert source.read(chunk, schema).column("price").to_pylist()[0] == 3720250000000


def test_prices_beyond_53_bits_are_rounded_once(tmp_path: Path, contract: Any) -> None:
    fixed = 9_007_199_254_740_993_123
    record = dbn.OHLCVMsg(
        rtype=33,
        publisher_id=1,
        instrument_id=7,
        ts_event=10**18,
        open=fixed,
        high=fixed,
        low=dbn.UNDEF_PRICE,
        close=fixed,
        volume=1,
    )
    header = dbn.Metadata(
        dataset="XNAS.ITCH",
        start=0,
        stype_in=dbn.SType.from_str("raw_symbol"),
        stype_out=dbn.SType.from_str("instrument_id"),
        schema=dbn.Schema.from_str("ohlcv-1m"),
    )
    (tmp_path / "x.dbn").write_bytes(bytes(header) + bytes(record))
    frame = read_all(tmp_path / "x.dbn")
    assert frame.select("symbol", "open", "low").row(0) == ("7", float(f"{fixed}e-9"), None)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data[:-7], "truncated"),
        (lambda data: data[:40], "truncated or damaged DBN"),
        (lambda data: data + bytes([13, 22]) + bytes(50), "mixes DBN records of several kinds"),
        (lambda data: b"", "is empty"),
        (lambda data: b"P*M\x18" + data, "neither a header nor a record"),
    ],
)
def test_a_damaged_file_says_so(
    shared_data: Locate, tmp_path: Path, contract: Any, damage: Callable[[bytes], bytes], message: str
) -> None:
    data = shared_data("databento_dbn/test_data.mbo.v3.dbn").read_bytes()
    (tmp_path / "x.dbn").write_bytes(damage(data))
    schema = contract("price float64")
    source = DatabentoSource(tmp_path / "x.dbn")
    (chunk,) = source.chunks(schema, None, Interval())
    with pytest.raises(SourceError, match=rf"x\.dbn.*{message}"):
        source.read(chunk, schema)


def test_a_record_that_is_shorter_than_its_kind_does_not_reach_their_library(
    shared_data: Locate, tmp_path: Path
) -> None:
    """Their upgrade of an old definition panics, which no `except Exception` would catch."""
    data = bytearray(shared_data("databento_dbn/test_data.definition.v1.dbn.frag").read_bytes())
    data[360] = 46
    (tmp_path / "x.dbn").write_bytes(data)
    with pytest.raises(SourceError, match="mixes DBN records of several kinds"):
        DatabentoSource(tmp_path / "x.dbn").symbols()


def test_a_text_that_is_none_is_a_source_error(shared_data: Locate, tmp_path: Path) -> None:
    data = shared_data("databento_dbn/test_data.definition.v1.dbn.frag").read_bytes()
    (tmp_path / "x.dbn").write_bytes(data.replace(b"GEM3 P9812", b"\xff\xfeM3 P9812"))
    with pytest.raises(SourceError, match="'raw_symbol' is no text"):
        DatabentoSource(tmp_path / "x.dbn").symbols()


def test_a_lake_takes_databento_by_name_once(shared_data: Locate, tmp_path: Path) -> None:
    lake = lakehouse.open(tmp_path / "lake", create=True)
    place = f"databento:{shared_data(CATALOG)}/futures_mbp-1*"
    lake.create("market_data.quotes", like=lakehouse.sources.open(place))
    report = lake.backfill("market_data.quotes", place)
    assert (report.rows_in, report.accepted, report.quarantined) == (2288, 2288, 0)
    assert lake.backfill("market_data.quotes", place).skipped == 1
