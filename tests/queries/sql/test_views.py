"""A product in SQL: its columns in their types, whatever its files hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from lakehouse.errors import IntegrityError
from lakehouse.partitions.parquet_files import write_data_files
from lakehouse.schema import Column, TableSchema, arrow_schema, stored_schema
from lakehouse.store.local import LocalStore

EVERY_TYPE = TableSchema(
    (
        Column("symbol", "string", False),
        Column("time", "timestamp[ns]", False),
        Column("flag", "bool"),
        Column("tiny", "int8"),
        Column("small", "int16"),
        Column("medium", "int32"),
        Column("large", "int64"),
        Column("single", "float32"),
        Column("double", "float64"),
        Column("day", "date"),
        Column("moment", "timestamp[us]"),
        Column("instant", "timestamp[ns]"),
    ),
    "symbol",
    "time",
    ("symbol", "time"),
)
ROW = {
    "symbol": "BRK/B",
    "time": 1_704_067_200_000_000_001,
    "flag": True,
    "tiny": -128,
    "small": -(2**15),
    "medium": 2**31 - 1,
    "large": -(2**63),
    "single": 1.5,
    "double": 0.1,
    "day": 19723,
    "moment": 1_704_067_200_000_001,
    "instant": -1,
}


def rows_of(schema: TableSchema, *rows: dict[str, Any]) -> pa.Table:
    kinds = stored_schema(schema)
    return pa.table(
        {name: pa.array([row.get(name) for row in rows], kinds.field(name).type) for name in kinds.names},
        kinds,
    )


@pytest.fixture
def types_desk(make_desk: Callable[..., Any]) -> Any:
    nulls = dict.fromkeys(EVERY_TYPE.names) | {"symbol": "NA", "time": 5}
    return make_desk("tests.types", EVERY_TYPE, rows_of(EVERY_TYPE, ROW, nulls))


@pytest.mark.parametrize("engine", ["parquet", "decoded"])
def test_every_type_comes_back_as_readers_get_it(types_desk: Any, engine: Any) -> None:
    table = types_desk.table("FROM tests.types ORDER BY symbol", engine=engine)
    assert table.schema.types == arrow_schema(EVERY_TYPE).types
    assert [column.type for column in table.columns] == arrow_schema(EVERY_TYPE).types
    plain = {name: table.column(name)[0] for name in ("time", "instant", "moment")}
    assert {name: value.value for name, value in plain.items()} == {name: ROW[name] for name in plain}
    assert table.column("large").to_pylist() == [-(2**63), None]


def test_types_in_sql_are_those_documented(types_desk: Any) -> None:
    types = dict(types_desk.rows("SELECT column_name, column_type FROM (DESCRIBE tests.types)"))
    assert (types["time"], types["moment"], types["day"]) == ("TIMESTAMP_NS", "TIMESTAMP", "DATE")
    assert (types["tiny"], types["single"], types["flag"]) == ("TINYINT", "FLOAT", "BOOLEAN")


def test_na_is_a_symbol_and_no_null(types_desk: Any) -> None:
    assert types_desk.rows("SELECT symbol, large FROM tests.types WHERE symbol = 'NA'") == [("NA", None)]


def test_a_product_without_files_is_empty_and_typed(types_desk: Any) -> None:
    state = types_desk.states["tests.types"]
    types_desk.states["tests.types"] = replace(state, files=())
    table = types_desk.table("FROM tests.types")
    assert (table.num_rows, table.schema.types) == (0, arrow_schema(EVERY_TYPE).types)
    assert types_desk.rows("SELECT count(*), max(time), sum(large) FROM tests.types") == [(0, None, None)]


@pytest.mark.parametrize("engine", ["parquet", "decoded"])
def test_columns_that_came_later_are_null_in_older_files(
    tmp_path: Path, make_desk: Callable[..., Any], engine: Any
) -> None:
    older = TableSchema(EVERY_TYPE.columns[:3], "symbol", "time", ("symbol", "time"))
    desk = make_desk("tests.types", EVERY_TYPE, rows_of(EVERY_TYPE, ROW))
    state = desk.states["tests.types"]
    rows = rows_of(older, {**ROW, "symbol": "OLD"})
    written = write_data_files(
        LocalStore(tmp_path), "partitions/older", older, state.layout, rows, writer="test"
    )
    file = written[0].file
    desk.states["tests.types"] = replace(state, files=(*state.files, file))
    text = "SELECT symbol, flag, tiny, moment, instant FROM tests.types ORDER BY symbol DESC"
    assert desk.rows(text, engine=engine)[0] == ("OLD", True, None, None, None)
    assert desk.table(text, engine=engine).schema.types[2:] == [
        pa.int8(),
        pa.timestamp("us", "UTC"),
        pa.timestamp("ns", "UTC"),
    ]
    assert desk.rows(
        "SELECT count(*), count(tiny) FROM tests.types WHERE symbol IN ('OLD', 'BRK/B')", engine=engine
    ) == [(2, 1)]


@pytest.mark.parametrize(
    "folder", ["plain", "with space", "it's", "[a]*?".replace("*?", ""), "ä日経", "date=2024-01-01"]
)
def test_the_lake_may_lie_in_any_folder(tmp_path: Path, folder: str) -> None:
    from lakehouse.names import ProductName
    from lakehouse.partitions.layout import Layout
    from lakehouse.partitions.state import TableState
    from lakehouse.queries.sql import run_sql

    store, layout = LocalStore(tmp_path / folder), Layout.parse("date=day,symbol=identity")
    written = write_data_files(
        store, "partitions/tests/types/v1", EVERY_TYPE, layout, rows_of(EVERY_TYPE, ROW), writer="test"
    )
    name = ProductName("tests", "types")
    state = TableState(store, name, 1, 1, EVERY_TYPE, layout, tuple(each.file for each in written))
    table = run_sql("SELECT symbol, day FROM tests.types", lambda _: state, known=list).read_all()
    assert pl.DataFrame(table).rows() == [("BRK/B", pl.Series([19723]).cast(pl.Date)[0])]


@pytest.mark.parametrize("engine", ["parquet", "decoded", "cached columns"])
@pytest.mark.parametrize("prune", [True, False])
def test_nan_is_no_number_and_above_all_numbers_whoever_reads(
    make_desk: Callable[..., Any], engine: Any, prune: bool
) -> None:
    """From the bounds of Parquet, which leave NaN out, DuckDB took a column for one without NaN."""
    columns = (
        Column("symbol", "string", False),
        Column("time", "timestamp[ns]", False),
        Column("x", "float64"),
        Column("y", "float32"),
        Column("z", "float64"),
    )
    schema = TableSchema(columns, "symbol", "time")
    values, whole = [1.0, 2.0, float("nan"), None], [1.0, 2.0, 3.0, 4.0]
    rows = pa.table(
        {"symbol": ["A"] * 4, "time": range(4), "x": values, "y": values, "z": whole, "_sequence": [0] * 4}
    ).cast(stored_schema(schema))
    desk = make_desk("tests.holes", schema, rows)

    def asked(what: str) -> Any:
        return repr(desk.rows(f"SELECT {what} FROM tests.holes", engine=engine, prune=prune)[0])

    assert asked("max(z)") == "(4.0,)"  # which DuckDB took for NaN, since there might be one
    assert asked("min(z), max(z), max(time)").startswith("(1.0, 4.0, ")
    for name in ("x", "y"):
        assert asked(f"count(*) FILTER (isnan({name})), count({name}), max({name})") == "(1, 3, nan)"
        assert asked(f"sum({name}) FILTER (NOT isnan({name}))") == "(3.0,)"
        for condition, count in (
            (f"isnan({name})", 1),
            (f"NOT isnan({name})", 2),
            (f"{name} > 100", 1),
            (f"{name} BETWEEN 1 AND 100", 2),
            (f"{name} = 'nan'", 1),
            (f"{name} <= 2", 2),
        ):
            text = f"SELECT count(*) FROM tests.holes WHERE {condition}"
            assert (text, desk.rows(text, engine=engine, prune=prune)) == (text, [(count,)])


def test_columns_with_odd_names_are_quoted(make_desk: Callable[..., Any]) -> None:
    columns = (
        Column("Select", "string", False),
        Column("order by", "timestamp[ns]", False),
        Column('a"b', "int64"),
    )
    schema = TableSchema(columns, "Select", "order by")
    sequence = pa.array([0, 0], pa.int32())
    rows = pa.table({"Select": ["A", "B"], "order by": [1, 2], 'a"b': [3, 4], "_sequence": sequence})
    desk = make_desk("tests.odd", schema, rows.cast(stored_schema(schema)))
    text = """SELECT "a""b" FROM tests.odd WHERE "select" = 'A' AND "order by" < '2024-01-01'"""
    assert desk.rows(text) == [(3,)]
    assert desk.listed(text)["tests.odd"] == ("\"Select\" IN ('A')", '"order by" <= 1704067199999999999')


@pytest.mark.parametrize("damage", ["truncated", "gone"])
def test_a_damaged_file_is_named_without_its_folder(types_desk: Any, damage: str) -> None:
    path = types_desk.root / types_desk.states["tests.types"].files[0].path
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(IntegrityError, match=r"data file (of tests\.types|partitions/tests/types)") as caught:
        types_desk.table("FROM tests.types")
    assert str(types_desk.root) not in str(caught.value)
