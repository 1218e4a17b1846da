"""Bugs that a review or a property found once, each with its story."""

from __future__ import annotations

import dataclasses
import multiprocessing
import threading
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import lakehouse
from lakehouse.errors import ArgumentError, ContractError, IntegrityError, NotFoundError

Bars = Callable[..., pl.DataFrame]


@pytest.mark.parametrize("odd", ["\u2028", "\u2029", "\u0085", "\x1c", "\ud800"])
def test_no_character_of_a_message_or_symbol_bricks_a_product(
    product: lakehouse.Product, bars: Bars, odd: str
) -> None:
    """JSON leaves U+2028 raw, and splitlines splits there: the log entry looked torn for ever."""
    symbol = f"A{odd}B" if odd != "\ud800" else "A"
    product.append(bars((symbol,)), message=f"a{odd}b", source=odd)
    fresh = lakehouse.open(product.table.store.url)["market_data.bars_1m"]
    assert fresh.read(symbol).num_rows == 3
    assert fresh.history()[0].rows == 9


def test_update_touches_the_symbols_that_are_there_and_no_other(
    product: lakehouse.Product, bars: Bars
) -> None:
    """A categorical column names every category, also those that no row has."""
    frame = bars().to_pandas().astype({"symbol": "category"})
    only = frame[frame["symbol"] == "IBM"]
    commit = product.update(only)
    assert (commit.removed, commit.accepted, product.rows) == (3, 3, 6)


def test_symbols_of_a_product_without_a_symbol_column_are_an_error(lake: lakehouse.Lake) -> None:
    """delete(symbols=…) took every row out."""
    times = pl.Series([1, 2], dtype=pl.Int64).cast(pl.Datetime("ns", "UTC"))
    news = lake.create("events.news", like=pl.DataFrame({"time": times, "event": ["a", "b"]}))
    news.append(pl.DataFrame({"time": times, "event": ["a", "b"]}))
    for ask in (news.delete, news.read, news.tail):
        with pytest.raises(ArgumentError, match="no symbol column"):
            ask(symbols="IBM")
    assert news.rows == 2


def test_order_of_arrival_holds_without_a_time_column(lake: lakehouse.Lake) -> None:
    """The stored sequence was ignored where there is no time, so a rewrite turned the order round."""
    frame = pl.DataFrame({"symbol": ["A", "A", "B"], "value": [1, 2, 9]})
    made = lake.create("signals.notes", like=frame)
    made.append(frame)
    made.append(pl.DataFrame({"symbol": ["A"], "value": [3]}))
    made.delete("B")
    assert made.read().to_polars()["value"].to_list() == [1, 2, 3]
    assert made.latest().to_polars()["value"].to_list() == [3]


def test_order_of_arrival_holds_without_any_role_and_over_checkpoints(lake: lakehouse.Lake) -> None:
    """A checkpoint lists files in its own order."""
    made = lake.create("signals.lines", like=pl.DataFrame({"value": [0]}))
    for number in range(103):
        made.append(pl.DataFrame({"value": [number]}))
    fresh = lakehouse.open(lake.url)["signals.lines"]
    assert fresh.read().to_polars()["value"].to_list() == list(range(103))


def grown(contract: lakehouse.Contract, version: str, name: str) -> lakehouse.Contract:
    columns = (*contract.schema.columns, lakehouse.Column(name, "float64"))
    return dataclasses.replace(
        contract, version=version, schema=dataclasses.replace(contract.schema, columns=columns)
    )


@pytest.mark.parametrize("name", ["date", "Date"])
def test_a_column_called_date_is_not_added_to_folders_called_date(
    lake: lakehouse.Lake, product: lakehouse.Product, name: str
) -> None:
    """The partition column changed its name, and no Delta reader could open the table."""
    with pytest.raises(ContractError, match=r"publish 2\.0\.0"):
        lake.apply(grown(product.contract, "1.1.0", name))
    assert lake["market_data.bars_1m"].contract.version == "1.0.0"


def test_an_export_of_a_product_that_grew_reads_in_every_way(
    tmp_path: Path, lake: lakehouse.Lake, product: lakehouse.Product, bars: Bars
) -> None:
    """Old files claimed the new column in the copy, and SQL failed there."""
    new = lake.apply(grown(product.contract, "1.1.0", "vwap"))
    new.append(bars(("AAPL",)).with_columns(vwap=pl.lit(1.5)))
    lake.lock(tmp_path / "lake.lock")
    copy = lake.export(tmp_path / "lake.lock", tmp_path / "copy")
    assert copy.sql("select count(*) as n, count(vwap) as v from market_data.bars_1m").to_polars().rows() == [
        (9, 3)
    ]
    assert copy["market_data.bars_1m"].read().equals(new.read())
    copy["market_data.bars_1m"].upsert(bars(("IBM",), price=7.0).with_columns(vwap=pl.lit(2.5)))
    assert copy.verify().ok


def test_a_product_that_was_never_written_has_nothing_to_restore(lake: lakehouse.Lake, bars: Bars) -> None:
    """restore(0) wrote entry 1 without entry 0, and the second call never ended."""
    empty = lake.create("market_data.empty", like=bars())
    with pytest.raises(NotFoundError, match="never written"):
        empty.restore(0)
    assert lakehouse.open(lake.url)["market_data.empty"].version == 0


@pytest.mark.parametrize("missing", [2, 3])
def test_a_hole_in_the_log_is_an_error_and_not_an_old_version(
    lake: lakehouse.Lake, product: lakehouse.Product, bars: Bars, missing: int
) -> None:
    """The head was silently the version before the hole, and the next append filled it."""
    for number in range(3):
        product.append(bars((f"S{number}",)))
    Path(lake.url, product.table.path, "_delta_log", f"{missing:020}.json").unlink()
    with pytest.raises(IntegrityError, match=f"version {missing} of market_data.bars_1m is missing"):
        lakehouse.open(lake.url)["market_data.bars_1m"].read()


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_reads_while_the_parent_does(product: lakehouse.Product) -> None:
    """A child inherited the lock of the footers as another thread of the parent held it."""
    stop = threading.Event()

    def keep_reading() -> None:
        while not stop.is_set():
            product.read("IBM")

    reader = threading.Thread(target=keep_reading)
    reader.start()
    try:
        children = [
            multiprocessing.get_context("fork").Process(target=product.read, args=("IBM",)) for _ in range(10)
        ]
        for child in children:
            child.start()
        for child in children:
            child.join(60)
        assert [child.exitcode for child in children] == [0] * 10
    finally:
        stop.set()
        reader.join()


def test_text_is_asked_for_where_text_is_meant(product: lakehouse.Product, bars: Bars) -> None:
    for wrong in (
        {"message": 7},
        {"author": object()},
        {"idempotency_key": ""},
        {"idempotency_key": "replay:1"},
    ):
        with pytest.raises(ArgumentError, match=r"must be text|Not an idempotency key"):
            product.append(bars(("AAPL",)), **wrong)
    assert product.version == 1


def test_a_small_file_states_only_its_own_symbols(lake: lakehouse.Lake, bars: Bars) -> None:
    """Every file carried the dictionary of the whole write, and its statistics."""
    made = lake.create("market_data.wide", like=bars(), layout="date=none,symbol=identity")
    made.append(bars(tuple(f"S{number:03}" for number in range(50)), days=1))
    assert {(file.min_symbol, file.max_symbol) for file in made.state().files} == {
        (f"S{n:03}", f"S{n:03}") for n in range(50)
    }
    one = pa.parquet.read_table(Path(lake.url, made.state().files[0].path), read_dictionary=["symbol"])
    assert len(one.column("symbol").chunk(0).dictionary) == 1


def test_pandas_frames_of_one_symbol_keep_the_others(product: lakehouse.Product, bars: Bars) -> None:
    frame = pd.DataFrame(bars(("IBM",), days=1).to_pandas())
    product.upsert(frame.assign(volume=99))
    assert product.read("BRK/B").num_rows == 3


def test_a_corrected_row_keeps_its_place_among_rows_of_its_time(lake: lakehouse.Lake) -> None:
    """The correction moved to the end, and the last trade of the bar was another one."""
    instant = pl.Series([5, 5, 5], dtype=pl.Int64).cast(pl.Datetime("ns", "UTC"))
    fills = pl.DataFrame(
        {"id": ["x", "y", "z"], "symbol": ["A"] * 3, "time": instant, "price": [1.0, 2.0, 3.0]}
    )
    made = lake.create("operations.fills", like=fills, key=("id",))
    made.append(fills)
    made.append(fills.head(1).with_columns(id=pl.lit("w")))
    made.upsert(
        pl.concat(
            [fills.tail(1).with_columns(id=pl.lit("new")), fills.head(2).with_columns(price=pl.lit(9.0))]
        )
    )
    assert made.read().to_polars().select("id", "price").rows() == [
        ("x", 9.0),
        ("y", 9.0),
        ("z", 3.0),
        ("w", 1.0),
        ("new", 3.0),
    ]
    moved = fills.head(1).with_columns(time=pl.Series([4], dtype=pl.Int64).cast(pl.Datetime("ns", "UTC")))
    made.upsert(moved)
    assert made.read().to_polars()["id"].to_list() == ["x", "y", "z", "w", "new"]
    assert made.read(end=5).to_polars()["id"].to_list() == ["x"]
    assert made.verify().ok
