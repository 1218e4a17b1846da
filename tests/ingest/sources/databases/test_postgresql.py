"""PostgreSQL as a source: types, zones, names, parameters, batches, and the watermark."""

from __future__ import annotations

import pickle
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import lakehouse
from lakehouse.errors import ArgumentError, SourceError
from lakehouse.ingest.backfill import Policy
from lakehouse.ingest.sources.databases import DatabaseSource
from lakehouse.schema import Column, TableSchema
from lakehouse.times import Interval
from tests.ingest.sources.databases.conftest import PASSWORD, Server

ONCE = Policy(attempts=1)


def schema(*columns: str, key: tuple[str, ...] = (), time: str = "timestamp[ns]") -> TableSchema:
    further = [Column(name, kind) for name, kind in (text.split(" ") for text in columns)]
    roles = (Column("symbol", "string", nullable=False), Column("time", time, nullable=False))
    return TableSchema((*roles, *further), symbol="symbol", time="time", key=key)


def rows(source: DatabaseSource, like: TableSchema, symbols: Any = None, *span: str) -> pl.DataFrame:
    chunks = source.chunks(like, symbols, Interval.of(*span))
    return pl.concat([pl.DataFrame(source.read(chunk, like)) for chunk in chunks], how="diagonal")


def test_every_type_arrives_exactly(postgres: Server) -> None:
    postgres.run(
        "create table t (time timestamptz, symbol text, f float8, r real, n bigint, b boolean, d date,"
        " x numeric)",
        "insert into t values ('2024-01-02 09:30:00.123456-05', 'IBM', 0.1, 0.25, 9007199254740993, true,"
        " '2024-02-29', 123456789012345678.123456789)",
    )
    like = schema("f float64", "r float32", "n int64", "b bool", "d date", "x string")
    found = rows(DatabaseSource(postgres.uri, table="t", time="time"), like)
    assert found["time"].cast(pl.Int64).to_list() == [1704205800123456000]
    assert found.drop("time").rows() == [
        ("IBM", 0.1, 0.25, 9007199254740993, True, date(2024, 2, 29), "123456789012345678.123456789")
    ]


def test_a_decimal_becomes_a_float_only_where_the_caller_says_so(postgres: Server) -> None:
    postgres.run(
        "create table t as select timestamptz '2024-01-02Z' as time, 'IBM' as symbol, 161.14::numeric price"
    )
    with pytest.raises(SourceError, match=r"'price' holds exact decimals.*\n.*rounded=\['price'\]"):
        rows(DatabaseSource(postgres.uri, table="t", time="time"), schema("price float64"))
    allowed = DatabaseSource(postgres.uri, table="t", time="time", rounded=["price"])
    assert rows(allowed, schema("price float64"))["price"].to_list() == [161.14]


def test_a_local_time_needs_a_zone_and_is_converted_by_it(postgres: Server) -> None:
    postgres.run(
        "create table t (time timestamp, symbol text)",
        "insert into t values ('2024-03-08 09:30', 'A'), ('2024-03-11 09:30', 'B')",
        "insert into t values ('2024-03-11 23:30', 'C')",
    )
    with pytest.raises(SourceError, match="local times without a time zone"):
        rows(DatabaseSource(postgres.uri, table="t", time="time"), schema())
    source = DatabaseSource(
        postgres.uri, table="t", time="time", recipe={"time": {"time_zone": "America/New_York"}}
    )
    found = rows(source, schema(), None, "2024-03-08", "2024-03-12")
    assert [str(time) for time in found["time"]] == ["2024-03-08 14:30:00+00:00", "2024-03-11 13:30:00+00:00"]
    assert rows(source, schema(), None, "2024-03-12")["symbol"].to_list() == ["C"]


def test_names_are_quoted_and_values_are_parameters(postgres: Server) -> None:
    postgres.run(
        'create table "we""ird. table" ("the ""time"" $1" timestamptz, "select" text)',
        """insert into "we""ird. table" values ('2024-01-02Z', 'x''); drop table "y')""",
        """insert into "we""ird. table" values ('2024-01-02Z', 'IBM')""",
    )
    source = DatabaseSource(
        postgres.uri, table=['we"ird. table'], time='the "time" $1', symbol="select", recipe={"columns": {}}
    )
    evil = """x'); drop table "y"""
    assert rows(source, schema(), [evil])["symbol"].to_list() == [evil]
    assert source.symbols() == ("IBM", evil)


def test_rows_that_the_database_compares_otherwise_are_not_lost(postgres: Server) -> None:
    postgres.run(
        "create table t (time timestamptz, symbol char(8))", "insert into t values ('2024-01-02Z', 'IBM')"
    )
    source = DatabaseSource(postgres.uri, table="t", time="time")
    with pytest.raises(
        SourceError, match=r"counts 1 rows, of which 0 fit the question.*\n.*padded with blanks"
    ):
        rows(source, schema(), ["IBM"])
    assert rows(source, schema())["symbol"].to_list() == ["IBM     "]


def test_a_read_travels_in_batches_and_keeps_every_row(postgres: Server) -> None:
    postgres.run(
        "create table t as select timestamptz '2024-01-02Z' + i * interval '1 ms' as time,"
        " 'S' || i % 3 as symbol, i as n from generate_series(0, 199999) i"
    )
    source = pickle.loads(pickle.dumps(DatabaseSource(postgres.uri, table="t", time="time")))
    found = rows(source, schema("n int64"), None, "2024-01-02", "2024-01-03")
    assert found["n"].to_list() == list(range(200_000))


def test_a_query_is_a_source_too(postgres: Server) -> None:
    postgres.run("create table t as select timestamptz '2024-01-02Z' as time, 'IBM' as symbol")
    source = DatabaseSource(postgres.uri, query="select *, 5 as n from t -- all of it", time="time")
    assert rows(source, schema("n int64"))["n"].to_list() == [5]


def test_rows_without_a_time_reach_the_quarantine(postgres: Server, tmp_path: Path) -> None:
    postgres.run(
        "create table t (time timestamptz, symbol text)", "insert into t values (null, 'IBM'), (now(), 'IBM')"
    )
    lake = lakehouse.open(tmp_path / "lake", create=True)
    lake.create(_contract(schema()))
    report = lake.backfill("desk.rows", DatabaseSource(postgres.uri, table="t", time="time"))
    assert (report.rows_in, report.accepted, report.quarantined) == (2, 1, 1)


@pytest.mark.parametrize(("kind", "zone"), [("timestamptz", None), ("timestamp", "Europe/London")])
def test_times_beyond_the_range_of_nanoseconds_reach_the_quarantine(
    postgres: Server, tmp_path: Path, kind: str, zone: str | None
) -> None:
    postgres.run(
        f"create table t (time {kind}, symbol text)",
        "insert into t values ('9999-12-31', 'A'), ('250000-01-01', 'A'), ('0044-03-15 BC', 'A')",
        "insert into t values ('2024-01-02', 'A'), ('infinity', 'A'), ('-infinity', 'A')",
    )
    recipe = {"time": {"time_zone": zone}} if zone else None
    source = DatabaseSource(postgres.uri, table="t", time="time", recipe=recipe)
    lake = lakehouse.open(tmp_path / "lake", create=True)
    lake.create(_contract(schema()))
    report = lake.backfill("desk.rows", source)
    assert (report.rows_in, report.accepted, report.quarantined, report.failures) == (6, 1, 5, ())
    bounded = source.chunks(schema(), None, Interval.of("2024-01-01", "2025-01-01"))
    assert [chunk.files[1] for chunk in bounded] == ["2024-01-02"]


def _contract(like: TableSchema) -> Any:
    from lakehouse.catalog.contract import Contract
    from lakehouse.names import ProductName

    return Contract(ProductName("desk", "rows"), "1.0.0", like)


FILL = (
    "insert into t select timestamptz '2024-01-02 12:00Z' + i * interval '1 minute', 'IBM', i"
    " from generate_series({}, {}) i"
)


def test_a_second_run_loads_what_came_after_the_watermark(postgres: Server, tmp_path: Path) -> None:
    postgres.run("create table t (time timestamptz, symbol text, n bigint)", FILL.format(0, 999))
    lake = lakehouse.open(tmp_path / "lake", create=True)
    lake.create(_contract(schema("n int64")))
    source = DatabaseSource(postgres.uri, table="t", time="time")
    assert lake.backfill("desk.rows", source.after(lake["desk.rows"])).rows_in == 1000
    postgres.run(FILL.format(1000, 2500))
    report = lake.backfill("desk.rows", source.after(lake["desk.rows"]))
    assert (report.rows_in, report.accepted, report.rows) == (1501, 1501, 2501)
    again = lake.backfill("desk.rows", source.after(lake["desk.rows"]))
    assert (again.rows_in, again.rows) == (0, 2501)
    version = lake["desk.rows"].version
    lake.backfill("desk.rows", source.after(lake["desk.rows"]))
    assert lake["desk.rows"].version == version


def test_late_rows_are_found_within_the_overlap(postgres: Server, tmp_path: Path) -> None:
    postgres.run("create table t (time timestamptz, symbol text, n bigint)", FILL.format(100, 200))
    lake = lakehouse.open(tmp_path / "lake", create=True)
    lake.create(_contract(schema("n int64", key=("symbol", "time"))))
    source = DatabaseSource(postgres.uri, table="t", time="time")
    lake.backfill("desk.rows", source)
    postgres.run(FILL.format(90, 99), FILL.format(201, 205), FILL.format(-2000, -2000))
    report = lake.backfill("desk.rows", source.after(lake["desk.rows"], overlap="2h"))
    assert (report.rows_in, report.accepted, report.duplicates) == (116, 15, 101)
    whole = lake.backfill("desk.rows", source)
    assert (whole.accepted, whole.rows) == (1, 117)


def test_an_overlap_without_a_key_is_refused(postgres: Server, tmp_path: Path) -> None:
    lake = lakehouse.open(tmp_path / "lake", create=True)
    lake.create(_contract(schema()))
    with pytest.raises(ArgumentError, match="needs a key"):
        DatabaseSource(postgres.uri, table="t", time="time").after(lake["desk.rows"], overlap="1h")


def test_a_day_that_changed_is_read_again_and_only_that(postgres: Server, tmp_path: Path) -> None:
    postgres.run("create table t (time timestamptz, symbol text, n bigint)", FILL.format(0, 4000))
    lake = lakehouse.open(tmp_path / "lake", create=True)
    lake.create(_contract(schema("n int64", key=("symbol", "time"))))
    source = DatabaseSource(postgres.uri, table="t", time="time")
    first = lake.backfill("desk.rows", source)
    postgres.run("insert into t values ('2024-01-03 00:00:01Z', 'IBM', 7)")
    second = lake.backfill("desk.rows", source)
    assert (first.committed, second.skipped, second.committed) == (4, 3, 1)
    assert (second.accepted, second.duplicates) == (1, 1440)


def test_no_message_and_no_record_shows_the_password(postgres: Server, tmp_path: Path) -> None:
    postgres.run("create table t as select timestamptz '2024-01-02Z' as time, 'IBM' as symbol")
    source = DatabaseSource(postgres.uri, table="t", time="time")
    lake = lakehouse.open(tmp_path / "lake", create=True)
    lake.create(_contract(schema()))
    report = lake.backfill("desk.rows", source)
    stored = b"".join(path.read_bytes() for path in (tmp_path / "lake").rglob("*") if path.is_file())
    shown = [
        repr(source),
        source.name,
        repr(report),
        repr(lake["desk.rows"].history()),
        repr(source.__dict__),
    ]
    for missing in ("table_that_is_not_there", PASSWORD):
        bad = DatabaseSource(postgres.uri, table=missing, policy=ONCE)
        with pytest.raises(SourceError, match="does not exist") as caught:
            bad.symbols()
        assert caught.value.__context__ is None
        shown.append(str(caught.value).replace(f'"{missing}"', ""))
    assert PASSWORD.encode() not in stored
    assert all(PASSWORD not in text for text in shown)


@pytest.mark.parametrize(
    "uri",
    [
        f"postgresql://me:{PASSWORD}@localhost:99x/base",
        f"postgresql://me:{PASSWORD}@127.0.0.1:9/base",
        f"postgresql://127.0.0.1:9/base?user=me&password={PASSWORD}",
        f"postgresql://me:{PASSWORD}@[::1/base",
        f"mysql://me:{PASSWORD}@host/base",
        f"host=localhost password={PASSWORD}",
        f"postgresql:host=localhost password={PASSWORD}",
        *(f"postgresql://me:a{odd}{PASSWORD}@127.0.0.1:9/base?sslmode=disable" for odd in "#/?@%:"),
    ],
)
def test_an_address_that_fails_is_not_repeated(uri: str) -> None:
    pytest.importorskip("adbc_driver_postgresql", reason="the extra databases is not installed")
    with pytest.raises((SourceError, ArgumentError)) as caught:
        DatabaseSource(uri, table="t", policy=ONCE).symbols()
    assert PASSWORD not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
