"""No bound cuts off a row for which its condition is true, however near to the bound the row lies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lakehouse.names import ProductName
from lakehouse.partitions.layout import Layout
from lakehouse.partitions.parquet_files import write_data_files
from lakehouse.partitions.state import TableState
from lakehouse.queries.sql.bounds import ANY
from lakehouse.queries.sql.choice import choose
from lakehouse.queries.sql.constants import Constants
from lakehouse.queries.sql.engine import Engine
from lakehouse.queries.sql.pruning import find_needs
from lakehouse.queries.sql.tree import parse
from lakehouse.queries.sql.views import View
from lakehouse.schema import Column, TableSchema, stored_schema
from lakehouse.store.local import LocalStore

DAY, NOON = 86_400_000_000_000, 43_200_000_000_000
EPOCHS = [0, 19_727 * DAY]  # 1970-01-01 and 2024-01-05
NEAR = [0, 1, 400, 499, 500, 501, 600, 999, 1000, 1001, 1500, NOON, NOON + 1, DAY]
TIMES = sorted({epoch + sign * near for epoch in EPOCHS for near in NEAR for sign in (1, -1)})
KINDS = {"timestamp[ns]": 1, "timestamp[us]": 1000, "date": DAY}
OPERATORS = ["=", "<", "<=", ">", ">=", "<>"]
COLUMNS = ["time", "time::DATE", "CAST(time AS TIMESTAMP)"]
INSTANTS = [
    "'2024-01-05'",
    "'1970-01-01'",
    "'2024-01-05 12:00:00'",
    "'2024-01-05T00:00:00.000000500'",
    "'2024-01-04 23:59:59.9999995'",
    "'2024-01-05 00:00:00+05'",
    "DATE '2024-01-05'",
    "TIMESTAMP '2024-01-05'",
    "TIMESTAMP '2024-01-05 12:00:00'",
    "TIMESTAMP '2024-01-05 00:00:00.000001'",
    "TIMESTAMP '2024-01-04 23:59:59.9999996'",
    "TIMESTAMP_NS '2024-01-05 00:00:00.000000499'",
    "TIMESTAMP_NS '1969-12-31 23:59:59.999999501'",
    "make_timestamp_ns(1704412799999999600)",
    "make_timestamp_ns(-1)",
    "TIMESTAMPTZ '2024-01-05 00:00:00+00'",
    "DATE '2024-01-06' - 1",
    "TIMESTAMP '2024-01-04' + INTERVAL 1 DAY",
]


@dataclass(frozen=True)
class Ground:
    """One product of one column kind in an engine."""

    engine: Engine
    state: TableState


@pytest.fixture(scope="module", params=KINDS)
def ground(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    kind = request.param
    schema = TableSchema((Column("symbol", "string", False), Column("time", kind, False)), "symbol", "time")
    values = sorted({time // KINDS[kind] for time in TIMES})
    stored = stored_schema(schema)
    columns = [
        pa.array(["A"] * len(values)),
        pa.array(values, pa.int64()),
        pa.array([0] * len(values), pa.int32()),
    ]
    if kind == "date":
        columns[1] = columns[1].cast(pa.int32())
    rows = pa.table(
        [each.cast(field.type) for each, field in zip(columns, stored, strict=True)], schema=stored
    )
    store: Any = LocalStore(Path(tmp_path_factory.mktemp("ground")))
    layout = Layout.parse("date=none,symbol=row_groups")
    written = write_data_files(store, "partitions/tests/times/v1", schema, layout, rows, writer="test")
    state = TableState(
        store, ProductName("tests", "times"), 1, 1, schema, layout, tuple(each.file for each in written)
    )
    engine = Engine()
    engine.load([choose(View.of(state, ANY), None, engine="parquet")])
    yield Ground(engine, state)
    engine.close()


def true_times(ground: Ground, condition: str) -> list[int] | None:
    """Return the instants for which a condition is true; None where DuckDB does not accept it."""
    import duckdb

    try:
        text = f"SELECT epoch_ns(time::TIMESTAMP_NS) FROM tests.times WHERE {condition}"
        return [row[0] for row in ground.engine.connection.sql(text).fetchall()]
    except duckdb.Error:
        return None


@pytest.mark.parametrize(("column", "operator"), list(product(COLUMNS, OPERATORS)))
def test_no_true_row_lies_outside(ground: Ground, column: str, operator: str) -> None:
    connection, pruned = ground.engine.connection, 0
    for instant in INSTANTS:
        for condition in (f"{column} {operator} {instant}", f"{instant} {operator} {column}"):
            times = true_times(ground, condition)
            if times is None:
                continue
            node = parse(connection, f"FROM tests.times WHERE {condition}").node
            constants = Constants(connection, {}, {})
            need = find_needs(node, {ground.state.name: ground.state.schema}, constants)[ground.state.name]
            assert need is not None
            assert all(need.first <= time <= need.last for time in times), (condition, need)
            pruned += need != ANY
    assert pruned >= 8 or operator == "<>"
