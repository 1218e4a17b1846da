"""Encodings: what the trial chooses, and that no choice changes a value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.partitions import encoding, encoding_trial
from lakehouse.partitions.encoding import own_row_group
from lakehouse.partitions.encoding_trial import Choice, Codec, Encoding, choose, trials
from lakehouse.partitions.footers import footer_of
from lakehouse.partitions.keys import find_repeats
from lakehouse.partitions.layout import Layout, bucket_of
from lakehouse.partitions.parquet_files import WrittenFile, write_data_files
from lakehouse.partitions.sorting import sort_order, sorted_runs
from lakehouse.schema import Column, TableSchema, stored_schema
from lakehouse.store import open_store

ROWS = 4_096
SCHEMA = TableSchema(
    (
        Column("symbol", "string", False),
        Column("time", "timestamp[ns]", False),
        Column("price", "float64"),
        Column("size", "int32"),
        Column("venue", "string"),
        Column("open", "bool"),
    ),
    "symbol",
    "time",
    ("symbol", "time"),
)


def write(tmp_path: Path, rows: pa.Table, layout: str = "date=none,symbol=row_groups") -> list[WrittenFile]:
    store = open_store(str(tmp_path))
    return write_data_files(store, "t", SCHEMA, Layout.parse(layout), rows, writer="test")


def ticks(symbols: list[str], each: int, seed: int = 1) -> pa.Table:
    """Return rows in stored order; prices on a cent grid, with nulls and NaN."""
    random, count = np.random.default_rng(seed), len(symbols) * each
    price = np.round(100 + np.cumsum(random.integers(-1, 2, count)) / 100, 2)
    price[:: max(1, count // 7)] = np.nan
    times = np.tile(np.cumsum(random.integers(1, 10**9, each)), len(symbols))
    columns: dict[str, Any] = {
        "symbol": pa.array(np.repeat(sorted(symbols), each)).dictionary_encode(),
        "time": pa.array(times),
        "price": pa.array(price, mask=random.random(count) < 0.1),
        "size": pa.array(random.integers(1, 9, count).astype(np.int32)),
        "venue": pa.array(random.choice(["N", "Q", "é/☃"], count), mask=random.random(count) < 0.2),
        "open": pa.array(random.random(count) < 0.5),
    }
    return pa.Table.from_arrays(list(columns.values()), names=list(columns))


def read(tmp_path: Path, written: list[WrittenFile]) -> pa.Table:
    """Read with plain pyarrow, which knows nothing of ours."""
    tables = [pq.ParquetFile(tmp_path / each.file.path).read() for each in written]
    return pa.concat_tables(tables, promote_options="default")  # one may declare that it has no null


def chunks(tmp_path: Path, written: WrittenFile, name: str) -> list[Any]:
    metadata = pq.read_metadata(tmp_path / written.file.path)
    place = metadata.schema.names.index(name)
    return [metadata.row_group(group).column(place) for group in range(metadata.num_row_groups)]


def chosen(values: npt.NDArray[Any] | pa.Array, name: str = "x", times: tuple[str, ...] = ()) -> Choice:
    return choose(pa.Table.from_arrays([pa.array(values)], [name]), times=times)[name]


def test_prices_on_a_grid_get_a_dictionary() -> None:
    walk = np.round(100 + np.cumsum(np.random.default_rng(1).integers(-1, 2, ROWS)) / 100, 2)
    assert chosen(walk).encoding == "dictionary"


def test_adjusted_prices_stay_plain_and_without_a_codec_that_gains_nothing() -> None:
    assert chosen(np.random.default_rng(1).random(ROWS)) == Choice("PLAIN", "none")


def test_times_are_deltas_and_never_tried_with_a_dictionary() -> None:
    grid = np.repeat(np.arange(ROWS // 64) * 10**9, 64)
    table = pa.Table.from_arrays([pa.array(grid)], ["time"])
    assert chosen(grid, "time", ("time",)).encoding == "DELTA_BINARY_PACKED"
    tried = trials(table, times=["time"])["time"]
    assert {trial.choice.encoding for trial in tried} == {"DELTA_BINARY_PACKED", "PLAIN"}


def test_volumes_that_hardly_repeat_are_deltas() -> None:
    volume = np.random.default_rng(1).lognormal(7, 1, ROWS).astype(np.int64)
    assert chosen(volume).encoding == "DELTA_BINARY_PACKED"


def test_the_choice_is_the_cheapest_of_the_trials() -> None:
    table = ticks(["A"], ROWS)
    for name, tried in trials(table, times=["time"]).items():
        cheapest = min(trial.cost for trial in tried)
        assert [t.cost for t in tried if t.choice == choose(table, times=["time"])[name]] == [cheapest]


def test_a_dearer_byte_never_makes_a_larger_file(monkeypatch: pytest.MonkeyPatch) -> None:
    table, sizes = ticks(["A"], ROWS), []
    for price in (0.0, 1.0, 5.0, 50.0):
        monkeypatch.setattr(encoding_trial, "PRICE_OF_A_BYTE", price)
        best = choose(table, times=["time"])
        found = trials(table, times=["time"])
        sizes.append(sum(t.stored for name in best for t in found[name] if t.choice == best[name]))
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] < sizes[0]


def test_small_row_groups_pay_for_the_start_of_a_codec() -> None:
    table = ticks(["A"], ROWS)
    alone, within = (
        next(t for t in trials(table, group_rows=rows)["price"] if t.choice == Choice("PLAIN", "zstd"))
        for rows in (0, 65_536)
    )
    assert alone.stored == within.stored
    assert alone.cost > within.cost


def test_a_sample_that_is_too_small_is_not_measured() -> None:
    sample = ticks(["A"], 3)
    assert choose(sample, times=["time"]) == {
        "symbol": Choice("dictionary", "lz4"),
        "time": Choice("DELTA_BINARY_PACKED", "lz4"),
        "price": Choice("dictionary", "lz4"),
        "size": Choice("dictionary", "lz4"),
        "venue": Choice("dictionary", "lz4"),
        "open": Choice("PLAIN", "lz4"),
    }


ENCODINGS: dict[str, list[Encoding]] = {
    "symbol": ["dictionary"],
    "time": ["DELTA_BINARY_PACKED", "PLAIN"],
    "price": ["dictionary", "PLAIN", "BYTE_STREAM_SPLIT"],
    "size": ["dictionary", "DELTA_BINARY_PACKED", "PLAIN", "BYTE_STREAM_SPLIT"],
    "venue": ["dictionary", "PLAIN"],
    "open": ["PLAIN"],
}


@given(st.data(), st.sampled_from([(1, 1), (3, 1), (3, 700), (1, 2_000)]))
def test_every_encoding_gives_the_same_rows_back(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, shape: tuple[int, int]
) -> None:
    codecs: list[Codec] = ["none", "lz4", "zstd"]
    choices = {
        name: Choice(data.draw(st.sampled_from(known)), data.draw(st.sampled_from(codecs)))
        for name, known in ENCODINGS.items()
    }
    rows = ticks(["A", "é", "BRK/B"][: shape[0]], shape[1])
    folder = tmp_path_factory.mktemp("t")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoding_trial, "choose", lambda *_, **__: choices)
        written = write(folder, rows)
    assert written[0].file.digest == write(folder, rows)[0].file.digest
    assert same_values(read(folder, written), rows)
    used = {str(chunk.compression).lower() for chunk in chunks(folder, written[0], "price")}
    assert used == {choices["price"].codec.replace("none", "uncompressed")}


def test_equal_rows_make_equal_files(tmp_path: Path) -> None:
    rows = ticks(["A", "B"], 2_000)
    assert write(tmp_path, rows)[0].file.sha256 == write(tmp_path, rows)[0].file.sha256


def test_a_row_group_stores_only_its_own_symbols(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All 300 names in each of many row groups would be most of the file."""
    monkeypatch.setattr(encoding, "OWN_ROW_GROUP", 20)
    names = [f"SYMBOL{number:04}" for number in range(300)]
    rows = ticks(names, 30)
    (written,) = write(tmp_path, rows)
    assert same_values(read(tmp_path, [written]), rows)
    assert max(chunk.total_uncompressed_size for chunk in chunks(tmp_path, written, "symbol")) < 150


def test_a_text_column_with_nulls_and_unused_texts_comes_back(tmp_path: Path) -> None:
    many = pa.array([f"venue {number}" for number in range(100)])
    codes = pa.array([99, None, 3, 99] * 600, pa.int32())
    rows = ticks(["A", "B"], 1_200)
    place = rows.schema.get_field_index("venue")
    rows = rows.set_column(place, "venue", pa.DictionaryArray.from_arrays(codes, many))
    (written,) = write(tmp_path, rows)
    assert same_values(read(tmp_path, [written]), rows)
    assert footer_of(open_store(str(tmp_path)), written.file, "time").metadata.num_rows == 2_400


def test_a_year_of_bars_has_few_row_groups_and_ticks_have_large_ones() -> None:
    assert own_row_group(975_000) < 1_950  # 500 symbols, one week of minutes: each has its own
    assert own_row_group(20_000_000) == encoding.OWN_ROW_GROUP


@pytest.mark.parametrize("period", ["day", "week", "month"])
def test_many_files_are_written_at_once_in_the_order_of_their_partitions(tmp_path: Path, period: str) -> None:
    rows = ticks(["A", "B"], 2_000)
    spread = pa.array(np.tile(np.arange(2_000) * 10**13 - 10**16, 2))
    rows = rows.set_column(1, "time", spread)
    written = write(tmp_path, rows, f"date={period},symbol=row_groups")
    dates = [each.file.partition[0][1] for each in written]
    assert len(dates) > 3
    assert dates == sorted(dates, key=str)
    assert str(dates[0]).startswith("1969")
    found = read(tmp_path, written).sort_by([("symbol", "ascending"), ("time", "ascending")])
    assert same_values(found, rows)


@pytest.mark.parametrize("symbols", [2, 40, 1_200])
@pytest.mark.parametrize("layout", ["date=week,symbol=row_groups", "date=day,symbol=bucket(3)"])
def test_each_row_lies_in_the_file_of_its_period_and_bucket(
    tmp_path: Path, symbols: int, layout: str
) -> None:
    """Long runs of a symbol are cut by a search, short ones row by row; times lie at the borders."""
    day, each = 86_400 * 10**9, 4_800 // symbols
    names = [f"S{number:04}" for number in range(symbols)]
    rows = ticks(names, each)
    step = max(1, 12 * day // each // (day // 4)) * (day // 4)
    rows = rows.set_column(1, "time", pa.array(np.tile(np.arange(each) * step - 3 * day, symbols)))
    written = write(tmp_path, rows, layout)
    seen = []
    for each_file in written:
        found = read(tmp_path, [each_file])
        values = dict(each_file.file.partition)
        days = found["time"].to_numpy() // day
        starts = days - (days + 3) % 7 if "week" in layout else days
        assert {str(np.datetime64(int(start), "D")) for start in starts} == {values["date"]}
        if "bucket" in layout:
            assert {str(bucket_of(name, 3)) for name in found["symbol"].to_pylist()} == {
                values["symbol_bucket"]
            }
        seen.append(found.cast(pa.schema([field.with_nullable(True) for field in found.schema])))
    found = pa.concat_tables(seen).sort_by([("symbol", "ascending"), ("time", "ascending")])
    assert same_values(found, rows)


def test_a_failed_file_leaves_none_of_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = ticks(["A"], 2_000).set_column(1, "time", pa.array(np.arange(2_000) * 10**13))
    real, calls = encoding.encode, []

    def failing(*args: Any) -> None:
        calls.append(args)
        if len(calls) == 5:
            raise OSError("no space")
        real(*args)

    monkeypatch.setattr("lakehouse.partitions.parquet_files.encode", failing)
    with pytest.raises(Exception, match="no space"):
        write(tmp_path, rows, "date=day,symbol=row_groups")
    assert not list(tmp_path.rglob("*.parquet"))


Keys = st.lists(st.tuples(st.sampled_from("ABC"), st.integers(-3, 3), st.integers(0, 1)), max_size=40)


KEYS = [("symbol", "time"), ("time", "symbol"), ("symbol",), ("time",), ("time", "value")]


@given(Keys, st.sampled_from(KEYS), st.booleans(), st.sampled_from([pa.int64(), pa.int32(), pa.date32()]))
def test_repeated_keys_are_those_of_a_dictionary(
    rows: list[tuple[str, int, int]], key: tuple[str, ...], coded: bool, kind: pa.DataType
) -> None:
    symbols = pa.array([symbol for symbol, _, _ in rows], pa.string())
    table = pa.Table.from_arrays(
        [
            symbols.dictionary_encode() if coded else symbols,
            pa.array([time for _, time, _ in rows], kind),
            pa.array([value for _, _, value in rows], pa.int64()),
        ],
        ["symbol", "time", "value"],
    )
    seen: dict[tuple[Any, ...], list[tuple[Any, ...]]] = {}
    for row in rows:
        place = tuple(row[("symbol", "time", "value").index(name)] for name in key)
        seen.setdefault(place, []).append(row)
    conflicts, duplicates, before = [], [], set()
    for row in rows:
        place = tuple(row[("symbol", "time", "value").index(name)] for name in key)
        conflicts.append(len(set(seen[place])) > 1)
        duplicates.append(place in before and not conflicts[-1])
        before.add(place)
    found = find_repeats(table, key)
    assert found.conflicts.tolist() == conflicts
    assert found.duplicates.tolist() == duplicates


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(-(2**63), 2**63 - 1)), max_size=40), st.booleans())
def test_the_order_is_the_stable_one_of_a_plain_sort(rows: list[tuple[int, int]], feed: bool) -> None:
    rows = sorted(rows, key=lambda row: row[1]) if feed else rows
    codes = np.array([code for code, _ in rows], np.int32)
    order = sort_order(codes, np.array([time for _, time in rows], np.int64))
    expected = sorted(range(len(rows)), key=lambda place: rows[place])
    assert (list(range(len(rows))) if order is None else order.tolist()) == expected


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), min_size=1, max_size=12), st.booleans())
def test_runs_are_moved_only_where_that_sorts_every_row(runs: list[tuple[int, int]], strictly: bool) -> None:
    """The oracle sorts the rows themselves; runs have 64 rows or more, some of equal times."""
    codes = np.concatenate([np.full(70, code, np.int32) for code, _ in runs])
    times = np.concatenate([first * 40 + np.arange(70) // (1 if strictly else 2) for _, first in runs])
    rows = list(zip(codes.tolist(), times.tolist(), strict=True))
    expected = sorted(range(len(rows)), key=lambda place: rows[place])
    order = sort_order(codes, times)
    assert (list(range(len(rows))) if order is None else order.tolist()) == expected
    found = sorted_runs(codes, times, strictly=strictly)
    if found is not None:
        moved = [row for start, stop in zip(*found, strict=True) for row in range(start, stop)]
        assert moved == expected
        assert not strictly or len(set(rows)) == len(rows)
    else:  # with one run a symbol, whose times rise, it is always found
        assert len({code for code, _ in runs}) < len(runs)


def same_values(found: pa.Table, expected: pa.Table) -> bool:
    """Compare by value and null, NaN equal to NaN."""
    kind = stored_schema(SCHEMA)
    left, right = (table.select(kind.names).cast(kind).combine_chunks() for table in (found, expected))
    return str(left.to_pylist()) == str(right.to_pylist())
