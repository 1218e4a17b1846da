"""Nanoseconds of real feeds come back bit for bit, in Arrow, polars, pandas and SQL."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import lakehouse

Locate = Callable[[str], Path]
HEADER = 8  # "DBN", the version, and the length of the metadata that follows
ORDER = np.dtype(
    [
        ("length", "u1"), ("rtype", "u1"), ("publisher", "<u2"), ("instrument", "<u4"), ("ts_event", "<u8"),
        ("order_id", "<u8"), ("price", "<i8"), ("size", "<u4"), ("flags", "u1"), ("channel", "u1"),
        ("action", "S1"), ("side", "S1"), ("ts_recv", "<u8"), ("ts_in_delta", "<i4"), ("sequence", "<u4"),
    ]
)  # fmt: skip


def instants(values: Any) -> pl.Series:
    return pl.Series(values, dtype=pl.Int64).cast(pl.Datetime("ns", "UTC"))


@pytest.fixture(scope="module")
def binance(
    tmp_path_factory: Any, contracts: Any, shared_data: Locate
) -> tuple[lakehouse.Product, list[int]]:
    """Give the best bids and asks of ETHUSDT by the nanoseconds of the receiver's own clock."""
    lines = gzip.decompress(shared_data("hftbacktest/spot/ethusdt_20240808.gz").read_bytes()).splitlines()
    stamps, quotes = [], []
    for stamp, message in (line.split(b" ", 1) for line in lines if b"@bookTicker" in line):
        stamps.append(int(stamp))
        quotes.append(json.loads(message)["data"])
    prices = {name: [float(quote[field]) for quote in quotes] for name, field in (("bid", "b"), ("ask", "a"))}
    frame = pl.DataFrame({"symbol": ["ETHUSDT"] * len(stamps), "time": instants(stamps), **prices})
    lake = lakehouse.open(tmp_path_factory.mktemp("binance") / "lake", create=True)
    product = lake.apply(contracts["market_data.quotes"])
    product.append(frame)
    return product, stamps


def test_the_feed_really_has_nanoseconds(binance: tuple[lakehouse.Product, list[int]]) -> None:
    _, stamps = binance
    assert len(stamps) == 24_077
    assert sum(stamp % 1000 != 0 for stamp in stamps) > 23_000


def test_arrow_polars_and_pandas_give_the_same_nanoseconds(
    binance: tuple[lakehouse.Product, list[int]],
) -> None:
    product, stamps = binance
    result = product.read("ETHUSDT")
    assert result.to_arrow().column("time").cast(pa.int64()).to_pylist() == stamps
    assert result.to_polars()["time"].dt.epoch("ns").to_list() == stamps
    assert pd.DatetimeIndex(result.to_pandas().index).asi8.tolist() == stamps


def test_sql_gives_the_same_nanoseconds(binance: tuple[lakehouse.Product, list[int]], tmp_path: Path) -> None:
    product, stamps = binance
    lake = lakehouse.open(Path(product.table.store.url))
    found = lake.sql("select epoch_ns(time) as stamp from market_data.quotes order by time").to_polars()
    assert found["stamp"].to_list() == stamps


def test_an_interval_is_cut_at_the_nanosecond(binance: tuple[lakehouse.Product, list[int]]) -> None:
    product, stamps = binance
    first, last = stamps[1_000], stamps[2_000]
    assert product.read(start=first, end=last).num_rows == 1_000
    assert product.read(start=first + 1, end=last + 1).num_rows == 1_000
    assert product.read(start=last, end=last + 1).num_rows == 1


def test_ticks_of_nautilus_keep_nanoseconds_from_a_file(real: Any, shared_data: Locate) -> None:
    real.load("nautilus ticks")
    path = shared_data("nautilus/quote_tick_eurusd_2019_sim_rust.parquet")
    given = pq.read_table(path, columns=["ts_event", "ts_init"])
    stored = real.lake["market_data.quotes"].read("EURUSD.SIM").to_arrow()
    assert stored.column("time").cast(pa.int64()).to_pylist() == sorted(given.column("ts_event").to_pylist())
    assert any(stamp % 1000 for stamp in given.column("ts_event").to_pylist())
    assert stored.column("receive_time").cast(pa.int64()).to_pylist() == given.column("ts_init").to_pylist()


def test_orders_of_databento_keep_both_clocks_and_their_order(
    lake: lakehouse.Lake, contracts: Any, shared_data: Locate
) -> None:
    path = shared_data("nautilus/databento/esh4-glbx-mdp3-20231224.mbo.dbn.zst")
    data = pa.input_stream(path, compression="zstd").read()
    orders = np.frombuffer(data, ORDER, offset=HEADER + int.from_bytes(data[4:8], "little"))
    product = lake.apply(contracts["market_data.order_book"])
    commit = product.append(
        {
            "symbol": pa.array(["ESH4"] * len(orders)),
            "time": pa.array(orders["ts_event"].astype(np.int64)).view(pa.timestamp("ns", "UTC")),
            "action": pa.array(["add"] * len(orders)),
            "side": pa.array(np.where(orders["side"] == b"B", "bid", "ask").tolist()),
            "price": pa.array(orders["price"] / 1e9),
            "size": pa.array(orders["size"].astype(float)),
            "order_id": pa.array([str(number) for number in orders["order_id"]]),
            "receive_time": pa.array(orders["ts_recv"].astype(np.int64)).view(pa.timestamp("ns", "UTC")),
        }
    )
    stored = product.read("ESH4").to_arrow()
    assert (commit.accepted, commit.quarantined) == (8_725, 0)
    assert stored.column("time").cast(pa.int64()).to_pylist() == orders["ts_event"].tolist()
    assert stored.column("receive_time").cast(pa.int64()).to_pylist() == orders["ts_recv"].tolist()
    assert stored.column("order_id").to_pylist() == [str(number) for number in orders["order_id"]]
