"""DuckDB and SQLite files as sources: read only, exact, cell by cell."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lakehouse
from lakehouse.catalog.contract import Contract
from lakehouse.errors import ArgumentError, SourceError
from lakehouse.ingest.backfill import Policy
from lakehouse.ingest.sources.databases import DatabaseSource
from lakehouse.names import ProductName
from lakehouse.schema import Column, TableSchema
from lakehouse.times import NS_PER_SECOND, Interval, to_nanoseconds

SCHEMA = TableSchema(
    (
        Column("symbol", "string", nullable=False),
        Column("time", "timestamp[ns]", nullable=False),
        Column("price", "float64"),
        Column("size", "int64"),
    ),
    symbol="symbol",
    time="time",
)
COUNTS = {"time": {"format": "ms"}}


def rows(source: DatabaseSource, *span: str, symbols: list[str] | None = None) -> pl.DataFrame:
    chunks = source.chunks(SCHEMA, symbols, Interval.of(*span))
    return pl.concat([pl.DataFrame(source.read(chunk, SCHEMA)) for chunk in chunks], how="diagonal")


@pytest.fixture
def ducks(tmp_path: Path) -> str:
    path = tmp_path / "desk.duckdb"
    with duckdb.connect(str(path)) as base:
        base.execute(
            "create table trades as select make_timestamp_ns(1704067200000000000 + i * 3600000000001) time,"
            " 'S' || i % 2 as symbol, i / 4 as price, i as size from range(100) t(i)"
        )
    return f"duckdb:{path}"


def make_sqlite(folder: Path, columns: str, values: Sequence[Sequence[object]]) -> str:
    path = folder / "desk.db"
    base = sqlite3.connect(path)
    base.execute(f"create table trades ({columns})")
    base.executemany(f"insert into trades values ({', '.join('?' * len(values[0]))})", values)
    base.commit()
    base.close()
    return f"sqlite:{path}"


def test_duckdb_keeps_nanoseconds_and_cuts_at_them(ducks: str) -> None:
    source = DatabaseSource(ducks, table="trades", time="time", recipe={"time": {"time_zone": "UTC"}})
    found = rows(source, "2024-01-01T01:00:00.000000001", "2024-01-01T03:00:00.000000003")
    assert found["time"].cast(pl.Int64).to_list() == [1704070800000000001, 1704074400000000002]
    assert rows(source)["size"].to_list() == list(range(100))
    assert rows(source, symbols=["S1"]).height == 50


def test_duckdb_times_with_a_zone_are_instants(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "desk.duckdb")) as base:
        base.execute("create table trades (time timestamptz, symbol text, price decimal(9, 3), size int)")
        base.execute("insert into trades values ('2024-01-02 23:30:00-05', 'A', 1.125, 1)")
    source = DatabaseSource(f"duckdb:{tmp_path}/desk.duckdb", table="trades", time="time", rounded=["price"])
    found = rows(source, "2024-01-03", "2024-01-04")
    assert found.rows() == [("A", datetime(2024, 1, 3, 4, 30, tzinfo=UTC), 1.125, 1)]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_duckdb_numbers_count_time_in_the_unit_of_the_recipe(tmp_path: Path, unit: str) -> None:
    """DuckDB divides whole numbers into floats."""
    scale = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    with duckdb.connect(str(tmp_path / "desk.duckdb")) as base:
        base.execute(
            f"create table trades as select (i - 2) * 43200 * {scale} as time, 'A' as symbol,"
            " 1.5::double as price, i as size from range(6) t(i)"
        )
    recipe = {"time": {"format": unit}}
    source = DatabaseSource(f"duckdb:{tmp_path}/desk.duckdb", table="trades", time="time", recipe=recipe)
    assert rows(source)["size"].to_list() == [0, 1, 2, 3, 4, 5]
    assert rows(source, "1970-01-01T12:00", "1970-01-02T12:00")["size"].to_list() == [3, 4]


@pytest.mark.parametrize("kind", ["timestamptz", "timestamp", "date"])
def test_infinite_times_of_duckdb_stop_no_other_row(tmp_path: Path, kind: str) -> None:
    with duckdb.connect(str(tmp_path / "desk.duckdb")) as base:
        base.execute(f"create table trades (time {kind}, symbol text, price double, size int)")
        base.execute("insert into trades values ('infinity', 'A', 1, 1), ('2024-01-02', 'A', 2, 2)")
        base.execute("insert into trades values ('-infinity', 'A', 3, 3)")
    recipe = {"time": {"time_zone": "UTC"}}
    source = DatabaseSource(f"duckdb:{tmp_path}/desk.duckdb", table="trades", time="time", recipe=recipe)
    lake = lakehouse.open(tmp_path / "lake", create=True)
    lake.create("desk.trades", like=source)
    report = lake.backfill("desk.trades", source)
    assert (report.accepted, report.quarantined, report.failures) == (1, 2, ())


def test_a_contract_has_the_names_and_the_zone_of_the_recipe(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "desk.duckdb")) as base:
        base.execute("create table bars (id int, as_of timestamp, day date, close double)")
        base.execute("insert into bars values (600000, '2024-01-02 12:00', '2024-01-02', 1.5)")
    recipe = {"time": {"time_zone": "America/New_York"}, "as_text": ["symbol"]}
    place = f"duckdb:{tmp_path}/desk.duckdb"
    source = DatabaseSource(place, table="bars", time="as_of", symbol="id", recipe=recipe)
    lake = lakehouse.open(tmp_path / "lake", create=True)
    bars = lake.create("desk.bars", like=source)
    assert (bars.contract.schema.symbol, bars.contract.schema.time) == ("symbol", "time")
    assert lake.backfill("desk.bars", source).accepted == 1
    assert bars.read().to_polars()["time"].to_list() == [datetime(2024, 1, 2, 17, tzinfo=UTC)]


def test_a_chunk_is_a_day_and_several_where_asked(ducks: str) -> None:
    recipe = {"time": {"time_zone": "UTC"}}
    daily = DatabaseSource(ducks, table="trades", time="time", recipe=recipe)
    weekly = DatabaseSource(ducks, table="trades", time="time", recipe=recipe, days_per_chunk=7)
    assert [chunk.files for chunk in daily.chunks(SCHEMA, None, Interval())][-1] == ("trades", "2024-01-05")
    assert len(daily.chunks(SCHEMA, None, Interval())) == 5
    assert len(weekly.chunks(SCHEMA, None, Interval())) == 2
    assert rows(daily).equals(rows(weekly))


@pytest.fixture(scope="module")
def walls(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[int]]:
    """Local times of New York, every 47 minutes through both changes of the clocks, and their instants."""
    path, zone = tmp_path_factory.mktemp("walls") / "desk.duckdb", ZoneInfo("America/New_York")
    first = datetime(2023, 10, 1, tzinfo=UTC)
    moments = [first + timedelta(minutes=47 * place) for place in range(6000)]
    earliest = [each.astimezone(zone) for each in moments if each.astimezone(zone).fold == 0]
    rows = [(each.replace(tzinfo=None), "A", 1.0, place) for place, each in enumerate(earliest)]
    with duckdb.connect(str(path)) as base:
        base.register("frame", pl.DataFrame(rows, ["time", "symbol", "price", "size"], orient="row"))
        base.execute("create table trades as select * from frame")
    return f"duckdb:{path}", [int(each.timestamp()) * NS_PER_SECOND for each in earliest]


@settings(max_examples=15)
@given(
    days=st.sampled_from([1, 3, 30]),
    start=st.integers(0, 200 * 24),
    length=st.integers(1, 10 * 24),
)
def test_chunks_of_local_times_hold_each_row_of_an_interval_once(
    walls: tuple[str, list[int]], days: int, start: int, length: int
) -> None:
    uri, instants = walls
    first = to_nanoseconds("2023-10-01") + start * 3600 * NS_PER_SECOND
    span = Interval(first, first + length * 3600 * NS_PER_SECOND)
    recipe = {"time": {"time_zone": "America/New_York", "fold": "earliest"}}
    source = DatabaseSource(uri, table="trades", time="time", recipe=recipe, days_per_chunk=days)
    found = [
        size
        for chunk in source.chunks(SCHEMA, None, span)
        for size in source.read(chunk, SCHEMA).column("size").to_pylist()
    ]
    assert found == [place for place, each in enumerate(instants) if span.start <= each < span.end]


def test_a_changed_table_is_noticed_between_plan_and_read(ducks: str) -> None:
    source = DatabaseSource(ducks, table="trades", time="time", recipe={"time": {"time_zone": "UTC"}})
    chunk = source.chunks(SCHEMA, None, Interval())[0]
    with duckdb.connect(ducks.removeprefix("duckdb:")) as base:
        base.execute("insert into trades values ('2024-01-01 00:00:07', 'S0', 1, 1)")
    with pytest.raises(SourceError, match="has changed since it was planned"):
        source.read(chunk, SCHEMA)


def test_a_file_is_never_made_and_never_written(tmp_path: Path, ducks: str) -> None:
    for kind in ("duckdb", "sqlite"):
        with pytest.raises(SourceError, match="Can not read"):
            DatabaseSource(f"{kind}:{tmp_path}/none", table="t", policy=Policy(attempts=1)).symbols()
    with pytest.raises(SourceError, match=r"(?i)read-only|syntax"):
        DatabaseSource(
            ducks, query="insert into trades select * from trades", policy=Policy(attempts=1)
        ).symbols()
    assert [path.name for path in tmp_path.iterdir()] == ["desk.duckdb"]


def test_only_what_may_pass_is_temporary(tmp_path: Path) -> None:
    uri = make_sqlite(tmp_path, "time integer, symbol text", [(1, "A")])
    with pytest.raises(SourceError, match="no such table") as caught:
        DatabaseSource(uri, table="other").symbols()
    assert not caught.value.temporary
    writer = sqlite3.connect(tmp_path / "desk.db", isolation_level=None)
    writer.execute("begin exclusive")
    with pytest.raises(SourceError, match="database is locked") as caught:
        DatabaseSource(uri, table="trades", policy=Policy(attempts=1)).symbols()
    assert caught.value.temporary
    writer.close()


def test_sqlite_numbers_count_time_in_the_unit_of_the_recipe(tmp_path: Path) -> None:
    days = [(1704153600000 + day * 86_400_000, "A", 1.5, day) for day in range(-20_000, 3)]
    uri = make_sqlite(tmp_path, "time integer, symbol text, price real, size integer", days)
    with pytest.raises(SourceError, match="nothing says of which unit"):
        rows(DatabaseSource(uri, table="trades", time="time"))
    source = DatabaseSource(uri, table="trades", time="time", recipe=COUNTS, days_per_chunk=400)
    assert rows(source)["size"].to_list() == list(range(-20_000, 3))
    assert rows(source, "2024-01-03", "2024-01-04")["size"].to_list() == [1]


def test_sqlite_cells_of_another_type_keep_their_text(tmp_path: Path) -> None:
    cells = [
        (1704153600000, "A", 1.5, 7),
        (1704153600001, "A", "n.a. today", 1.7),
        (1704153600002, "A", b"\x00\xff", "12"),
        (1704153600003, "A", None, "many"),
    ]
    uri = make_sqlite(tmp_path, "time integer, symbol text, price real, size integer", cells)
    found = rows(DatabaseSource(uri, table="trades", time="time", recipe=COUNTS))
    assert found["price"].to_list() == [1.5, None, None, None]
    assert found["_raw_price"].to_list() == [None, "n.a. today", "x'00ff'", None]
    assert found["size"].to_list() == [7, None, 12, None]
    assert found["_raw_size"].to_list() == [None, "1.7", None, "many"]


def test_sqlite_times_as_text_are_read_whole_and_cut_afterwards(tmp_path: Path) -> None:
    texts = [
        ("2024-01-02T00:00:00Z", "A", 1.0, 1),
        ("2024-01-03T00:00:00Z", "A", 1.0, 2),
        ("soon", "A", 1.0, 3),
    ]
    uri = make_sqlite(tmp_path, "time text, symbol text, price real, size integer", texts)
    found = rows(DatabaseSource(uri, table="trades", time="time"), "2024-01-03", "2024-01-04")
    assert found["size"].to_list() == [2, 3]
    assert found["_raw_time"].to_list() == [None, "soon"]


def test_sqlite_times_of_two_types_lose_no_row(tmp_path: Path) -> None:
    mixed = [(1704153600000, "A", 1.0, 1), ("2024-01-03T00:00:00Z", "A", 1.0, 2), (None, "A", 1.0, 3)]
    uri = make_sqlite(tmp_path, "time, symbol text, price real, size integer", mixed)
    assert rows(DatabaseSource(uri, table="trades", time="time", recipe=COUNTS)).height == 3


def test_a_database_is_opened_by_its_name(tmp_path: Path) -> None:
    uri = make_sqlite(
        tmp_path, "time text, symbol text, price real, size integer", [("2024-01-02T00:00Z", "A", 1.0, 1)]
    )
    lake = lakehouse.open(tmp_path / "lake", create=True)
    source = lakehouse.sources.open(uri, table="trades", time="time")
    lake.create(Contract(ProductName("desk", "trades"), "1.0.0", SCHEMA))
    assert lake.backfill("desk.trades", source).accepted == 1
    assert lake.backfill("desk.trades", f"{uri}?table=trades&time=time").skipped == 1


def test_a_table_without_symbols_gets_one_from_the_recipe_or_is_refused(tmp_path: Path) -> None:
    uri = make_sqlite(tmp_path, "time integer, price real, size integer", [(1704153600000, 1.0, 1)])
    with pytest.raises(SourceError, match="no column for the symbol; it has time, price, size"):
        rows(DatabaseSource(uri, table="trades", time="time", recipe=COUNTS))
    recipe = {**COUNTS, "constants": {"symbol": "IBM"}}
    assert rows(DatabaseSource(uri, table="trades", time="time", recipe=recipe))["symbol"].to_list() == [
        "IBM"
    ]


def test_what_can_not_be_meant_is_refused() -> None:
    with pytest.raises(ArgumentError, match="either a table or a query"):
        DatabaseSource("sqlite:x.db")
    with pytest.raises(ArgumentError, match="no name of a table"):
        DatabaseSource("sqlite:x.db", table="a..b")
    with pytest.raises(ArgumentError, match="must be at least 1"):
        DatabaseSource("sqlite:x.db", table="a", days_per_chunk=0)
