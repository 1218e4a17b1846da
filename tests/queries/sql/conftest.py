"""A small desk of four products, written in the physical format, with the same rows as polars frames."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from lakehouse.errors import NotFoundError
from lakehouse.names import ProductName
from lakehouse.partitions.layout import Layout
from lakehouse.partitions.parquet_files import write_data_files
from lakehouse.partitions.state import TableState
from lakehouse.queries.sql import ScanPlan, SqlResult, explain_sql, run_sql
from lakehouse.schema import SEQUENCE, Column, TableSchema, stored_schema
from lakehouse.store.local import LocalStore

SYMBOLS = ("A", "B", "C", "D")
DAY = 86_400_000_000_000
START = 1_704_067_200_000_000_000  # 2024-01-01


@dataclass(frozen=True)
class Desk:
    """Products that SQL can be asked about."""

    root: Path
    states: dict[str, TableState]
    frames: dict[str, pl.DataFrame]

    def resolve(self, name: ProductName) -> TableState:
        if str(name) not in self.states:
            raise NotFoundError(f"There is no {name}.")
        return self.states[str(name)]

    def known(self) -> Iterable[str]:
        return self.states

    def run(self, text: str, parameters: Any = None, **options: Any) -> SqlResult:
        return run_sql(text, self.resolve, parameters=parameters, known=self.known, **options)

    def table(self, text: str, parameters: Any = None, **options: Any) -> pa.Table:
        return self.run(text, parameters, **options).read_all()

    def rows(self, text: str, parameters: Any = None, **options: Any) -> list[tuple[Any, ...]]:
        return pl.DataFrame(self.table(text, parameters, **options)).rows()

    def plan(self, text: str, parameters: Any = None) -> dict[str, ScanPlan]:
        plans = explain_sql(text, self.resolve, parameters=parameters, known=self.known)
        return {plan.product: plan for plan in plans}

    def listed(self, text: str, parameters: Any = None) -> dict[str, tuple[str, ...]]:
        return {name: plan.predicates for name, plan in self.plan(text, parameters).items()}


def columns(
    *pairs: tuple[str, str], symbol: str | None, time: str | None, key: Sequence[str] = ()
) -> TableSchema:
    roles = {symbol, time, *key}
    return TableSchema(
        tuple(Column(name, kind, name not in roles) for name, kind in pairs), symbol, time, tuple(key)
    )


SCHEMAS = {
    "market_data.trades": columns(
        ("symbol", "string"),
        ("time", "timestamp[ns]"),
        ("price", "float64"),
        ("size", "int64"),
        symbol="symbol",
        time="time",
    ),
    "market_data.quotes": columns(
        ("symbol", "string"),
        ("time", "timestamp[ns]"),
        ("bid", "float64"),
        ("ask", "float64"),
        symbol="symbol",
        time="time",
    ),
    "market_data.bars": columns(
        ("symbol", "string"),
        ("day", "date"),
        ("close", "float64"),
        symbol="symbol",
        time="day",
        key=("symbol", "day"),
    ),
    "signals.scores": columns(
        ("name", "string"), ("moment", "timestamp[us]"), ("score", "float32"), symbol="name", time="moment"
    ),
}


def write_state(store: LocalStore, name: str, schema: TableSchema, rows: pa.Table, layout: str) -> TableState:
    """Write rows, sorted by the caller, and return them as version 1."""
    product, spread = ProductName.parse(name), Layout.parse(layout)
    path = f"partitions/{product.domain}/{product.product}/v1"
    files = tuple(
        written.file for written in write_data_files(store, path, schema, spread, rows, writer="test")
    )
    return TableState(store, product, 1, 1, schema, spread, files)


def stored(schema: TableSchema, values: dict[str, Any]) -> pa.Table:
    """Build rows in the stored schema, sorted, with their sequence."""
    kinds = stored_schema(schema)
    arrays = {name: pa.array(column, kinds.field(name).type) for name, column in values.items()}
    frame = pl.DataFrame(pa.table(arrays))
    roles = [name for name in (schema.symbol, schema.time) if name]
    frame = frame.sort(roles, maintain_order=True)
    if schema.has_sequence:
        frame = frame.with_columns(pl.int_range(pl.len(), dtype=pl.Int32).over(roles).alias(SEQUENCE))
    return frame.to_arrow().cast(kinds)


def random_rows(schema: TableSchema, count: int, seed: int) -> pa.Table:
    """Build rows over ten days whose times often lie on midnight, with repetitions."""
    chance = np.random.default_rng(seed)
    steps = chance.integers(0, 80, count) * (DAY // 8) + chance.choice(
        [0, 0, 1, 999, 1000, -1, -600, 400], count
    )
    times = START + DAY + steps
    values: dict[str, Any] = {}
    for column in schema.columns:
        if column.name == schema.symbol:
            values[column.name] = chance.choice(SYMBOLS, count).tolist()
        elif column.name == schema.time:
            values[column.name] = {"date": times // DAY, "timestamp[us]": times // 1000}.get(
                column.type, times
            ).tolist()
        elif column.type == "int64":
            values[column.name] = chance.integers(0, 9, count).tolist()
        elif column.type == "float32":
            holes: list[float | None] = [None, float("nan"), -1.5, 0.25, 7.0]
            values[column.name] = [holes[place] for place in chance.integers(0, len(holes), count)]
        else:
            values[column.name] = (chance.integers(0, 400, count) / 4).tolist()
    if schema.time and schema[schema.time].type == "date":
        values[schema.time] = [int(each) for each in values[schema.time]]
    return stored(schema, values)


def readable(schema: TableSchema, rows: pa.Table) -> pl.DataFrame:
    """Return stored rows as a reader sees them."""
    frame = pl.DataFrame(rows).select(schema.names)
    nanoseconds = [column.name for column in schema.columns if column.type == "timestamp[ns]"]
    return frame.with_columns(pl.col(name).cast(pl.Datetime("ns", "UTC")) for name in nanoseconds)


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    root = tmp_path_factory.mktemp("desk")
    store = LocalStore(root)
    states, frames = {}, {}
    for seed, (name, schema) in enumerate(SCHEMAS.items()):
        rows = random_rows(schema, 120, seed)
        if schema.key:
            rows = stored(
                schema, pl.DataFrame(rows).unique(schema.key, keep="first").to_dict(as_series=False)
            )
        layout = "date=day,symbol=identity" if seed % 2 == 0 else "date=day,symbol=row_groups"
        states[name] = write_state(store, name, schema, rows, layout)
        frames[name] = readable(schema, rows)
    return Desk(root, states, frames)


@pytest.fixture
def make_desk(tmp_path: Path) -> Callable[..., Desk]:
    """Make a desk of one product from a schema and rows."""

    def make(
        name: str, schema: TableSchema, rows: pa.Table, *, layout: str = "date=none,symbol=row_groups"
    ) -> Desk:
        state = write_state(LocalStore(tmp_path), name, schema, rows, layout)
        return Desk(tmp_path, {name: state}, {name: readable(schema, rows)})

    return make


@pytest.fixture(scope="session")
def make_market(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Desk]:
    """Make a desk of products of the starter catalog from columns of rows."""
    from lakehouse.catalog.contract import Contract

    def make(**products: dict[str, Any]) -> Desk:
        states, frames, root = {}, {}, tmp_path_factory.mktemp("market")
        for product, values in products.items():
            folder = Path(__file__).parents[3] / "catalog" / "products" / "market_data" / product
            schema = Contract.from_yaml((folder / "1.0.0.yaml").read_text(encoding="utf-8")).schema
            count = len(next(iter(values.values())))
            rows = stored(schema, {name: values.get(name, [None] * count) for name in schema.names})
            name = f"market_data.{product}"
            states[name] = write_state(LocalStore(root), name, schema, rows, "date=day,symbol=row_groups")
            frames[name] = readable(schema, rows)
        return Desk(root, states, frames)

    return make
