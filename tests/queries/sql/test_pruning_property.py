"""What is read, and by whom, never changes the answer: random queries, unpruned, pruned, decoded by us,
from the column cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest
from hypothesis import given, note, reject
from hypothesis import strategies as st

from lakehouse.errors import QueryError
from lakehouse.partitions.columns import cache

T = TypeVar("T")
PRODUCTS = {
    "market_data.trades": ("symbol", "time", "price"),
    "market_data.quotes": ("symbol", "time", "bid"),
    "market_data.bars": ("symbol", "day", "close"),
    "signals.scores": ("name", "moment", "score"),
}
SYMBOLS = ["'A'", "'B'", "'C'", "'D'", "$one", "null"]
LISTS = ["$many", "['A', 'C']", "$none", "['B', null]"]
INSTANTS = [
    "'2024-01-04'",
    "'2024-01-05 00:00:00'",
    "'2024-01-06T03:00:00.000000001'",
    "'2024-01-05 00:00:00+02'",
    "'2024-01-07 23:59:59.9999996'",
    "DATE '2024-01-05'",
    "TIMESTAMP '2024-01-06 03:00:00.000001'",
    "TIMESTAMP '2024-01-06 09:00:00' + INTERVAL 1 DAY",
    "DATE '2024-01-03' + 2",
    "make_timestamp(1704412800000000)",
    "$when",
    "$text",
    "$void",
]
OPERATORS = ["=", "<", "<=", ">", ">=", "<>"]
JOINS = ["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "SEMI JOIN", "ANTI JOIN"]
SELECTS = [
    "plain",
    "distinct",
    *["window"] * 2,
    *["group"] * 2,
    "all",
    *["limit"] * 2,
    "once",
    "union",
    "upper",
]
SOURCES = ["table", *["query"] * 2, *["with"] * 2, "join", "using", "asof"]
ATOMS = [
    *["symbol"] * 3,
    "in",
    "list",
    "any",
    *["time"] * 3,
    "between",
    "day",
    "columns",
    "null",
    "exists",
    "value",
]
PARAMETERS: dict[str, Any] = {
    "one": "B",
    "many": ["A", "D"],
    "none": None,
    "text": "2024-01-06",
    "void": None,
}


@dataclass(frozen=True)
class Columns:
    """The names under which a part of FROM can be asked."""

    symbol: str
    time: str
    value: str

    def of(self, alias: str) -> Columns:
        return Columns(f"{alias}.{self.symbol}", f"{alias}.{self.time}", f"{alias}.{self.value}")


class Writer:
    """Draws the parts of one query."""

    def __init__(self, data: st.DataObject) -> None:
        self.data = data
        self.names = 0

    def pick(self, *choices: T) -> T:
        return self.data.draw(st.sampled_from(choices))

    def name(self) -> str:
        self.names += 1
        return f"x{self.names}"

    def query(self, depth: int = 2) -> tuple[str, Columns]:
        """Write a query that gives out a symbol, a time and a value."""
        source, columns = self.source(depth)
        condition = self.pick(self.sharp, self.sharp, self.condition, None)
        where = "" if condition is None else f" WHERE {condition([columns])}"
        return self.select(source, columns, where)

    def select(self, source: str, columns: Columns, where: str) -> tuple[str, Columns]:
        names = self.pick(
            Columns("symbol", "time", "value"), Columns("a", "b", "c"), Columns("time", "symbol", "value")
        )
        both = f"{columns.symbol} AS {names.symbol}, {columns.time} AS {names.time}"
        plain = f"{both}, {columns.value} AS {names.value}"
        match self.pick(*SELECTS):
            case "distinct":
                return f"SELECT DISTINCT {plain} FROM {source}{where}", names
            case "window":
                partition = self.pick("", f"PARTITION BY {columns.symbol} ", f"PARTITION BY {columns.time} ")
                window = f"count(*) OVER ({partition}ORDER BY {columns.time}) AS {names.value}"
                return (
                    f"SELECT {both}, {window} FROM {source}{where}",
                    names,
                )
            case "group":
                kept = self.pick(columns.symbol, columns.time)
                symbol = columns.symbol if kept == columns.symbol else f"max({columns.symbol})"
                time = columns.time if kept == columns.time else f"max({columns.time})"
                by = self.pick(kept, "ALL", f"ROLLUP ({kept})")
                text = f"SELECT {symbol} AS {names.symbol}, {time} AS {names.time}, count(*) AS {names.value}"
                return f"{text} FROM {source}{where} GROUP BY {by}", names
            case "limit":
                return f"SELECT {plain} FROM {source}{where} ORDER BY ALL LIMIT {self.pick(1, 5, 20)}", names
            case "once":
                return (
                    f"SELECT DISTINCT ON ({columns.symbol}) {plain} FROM {source}{where} ORDER BY ALL",
                    names,
                )
            case "union":
                other, others = self.source(0)
                kind = self.pick("UNION ALL", "UNION", "EXCEPT", "INTERSECT")
                text = f"SELECT {others.symbol}, {others.time}, {others.value} FROM {other}"
                text = f"{text} WHERE {self.condition([others])}"
                return f"(SELECT {plain} FROM {source}{where}) {kind} ({text})", names
            case "upper":
                text = f"lower({columns.symbol}) AS {names.symbol}, {columns.time} AS {names.time}"
                return f"SELECT {text}, {columns.value} AS {names.value} FROM {source}{where}", names
        return f"SELECT {plain} FROM {source}{where}", names

    def source(self, depth: int) -> tuple[str, Columns]:
        kind = self.pick(*SOURCES) if depth else "table"
        alias = self.name()
        match kind:
            case "query":
                text, columns = self.query(depth - 1)
                return f"({text}) AS {alias}", columns.of(alias)
            case "with":
                text, columns = self.query(depth - 1)
                outer = self.pick(
                    f"SELECT * FROM {alias}", f"FROM {alias} SELECT * WHERE {self.condition([columns])}"
                )
                return f"(WITH {alias} AS ({text}) {outer}) AS {alias}", columns.of(alias)
            case "join":
                return self.join(depth)
            case "using":
                left, right = (
                    f"(SELECT symbol, time AS t, * EXCLUDE (symbol) FROM {each})"
                    for each in self.two_trading()
                )
                join = self.pick("JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN")
                text = f"{left} AS {alias} {join} {right} AS y USING (symbol, t)"
                return text, Columns("symbol", "t", self.pick(f"{alias}.time", "y.time"))
            case "asof":
                left, right = self.two_trading()
                other = self.name()
                join = self.pick("ASOF JOIN", "ASOF LEFT JOIN")
                compare = self.pick(">=", ">", "<=")
                on = f"{alias}.symbol = {other}.symbol AND {alias}.time {compare} {other}.time"
                return f"{left} AS {alias} {join} {right} AS {other} ON {on}", Columns(
                    f"{self.pick(alias, other)}.symbol", f"{self.pick(alias, other)}.time", f"{other}.time"
                )
        name = self.pick(*PRODUCTS)
        return f"{name} AS {alias}", Columns(*PRODUCTS[name]).of(alias)

    def two_trading(self) -> tuple[str, str]:
        products = ("market_data.trades", "market_data.quotes")
        return self.pick(*products), self.pick(*products)

    def join(self, depth: int) -> tuple[str, Columns]:
        left, mine = self.source(depth - 1)
        right, other = self.source(depth - 1)
        kind = self.pick(*JOINS)
        on = f"{mine.symbol} = {other.symbol} AND {self.condition([mine, other])}"
        if " JOIN " in right:
            right = f"({right})"
        side = mine if kind in ("SEMI JOIN", "ANTI JOIN") else self.pick(mine, other)
        return f"{left} {kind} {right} ON {on}", Columns(
            mine.symbol if side is mine else other.symbol, side.time, side.value
        )

    def condition(self, sides: list[Columns], depth: int = 2) -> str:
        match self.pick("atom", "atom", "and", "and", "or", "not", "maybe") if depth else "atom":
            case "and":
                return f"({self.condition(sides, depth - 1)} AND {self.condition(sides, depth - 1)})"
            case "or":
                return f"({self.condition(sides, depth - 1)} OR {self.condition(sides, depth - 1)})"
            case "not":
                return f"(NOT {self.condition(sides, depth - 1)})"
            case "maybe":
                parameter = self.pick("$one", "$none", "$void")
                return f"({parameter} IS {self.pick('', 'NOT ')}NULL OR {self.condition(sides, depth - 1)})"
        return self.atom(sides)

    def sharp(self, sides: list[Columns]) -> str:
        """Write a condition that surely prunes, wherever it reaches."""
        side = self.pick(*sides)
        member = self.pick("= 'A'", "= 'B'", "IN ('C', 'D')", "IN $many")
        symbol = f"{side.symbol} {member}"
        time = f"{side.time} {self.pick('<', '>=', '=')} {self.pick(*INSTANTS[:2])}"
        return self.pick(symbol, time, f"{symbol} AND {time}")

    def atom(self, sides: list[Columns]) -> str:
        side, other = self.pick(*sides), self.pick(*sides)
        operator = self.pick(*OPERATORS)
        match self.pick(*ATOMS):
            case "symbol":
                return self.pick(
                    f"{side.symbol} = {self.pick(*SYMBOLS)}", f"{self.pick(*SYMBOLS)} = {side.symbol}"
                )
            case "in":
                return (
                    f"{side.symbol} {self.pick('', 'NOT ')}IN ({self.pick(*SYMBOLS)}, {self.pick(*SYMBOLS)})"
                )
            case "list":
                members = self.pick(*LISTS)
                return self.pick(f"{side.symbol} IN {members}", f"list_contains({members}, {side.symbol})")
            case "any":
                return f"{side.symbol} = ANY({self.pick(*LISTS)})"
            case "time":
                return self.pick(
                    f"{side.time} {operator} {self.pick(*INSTANTS)}",
                    f"{self.pick(*INSTANTS)} {operator} {side.time}",
                )
            case "between":
                return f"{side.time} BETWEEN {self.pick(*INSTANTS)} AND {self.pick(*INSTANTS)}"
            case "day":
                return f"{side.time}::{self.pick('DATE', 'TIMESTAMP')} {operator} {self.pick(*INSTANTS)}"
            case "columns":
                return self.pick(f"{side.time} {operator} {other.time}", f"{side.symbol} = {other.symbol}")
            case "null":
                return self.pick(f"{side.symbol} IS NULL", f"{side.time} IS NULL", "true", "false", "null")
            case "exists":
                text, columns = self.source(0)
                inner = f"{columns.symbol} = {side.symbol} AND {self.atom([columns])}"
                return f"EXISTS (SELECT 1 FROM {text} WHERE {inner})"
        return f"{side.value} IS NOT NULL"


def answer(desk: Any, text: str, **options: Any) -> list[str] | str:
    used = {name: value for name, value in PARAMETERS.items() if f"${name}" in text}
    if "$when" in text:
        import numpy as np

        used["when"] = np.datetime64("2024-01-05T00:00:00.000000001")
    try:
        return sorted(map(repr, desk.rows(text, used, **options)))
    except QueryError as error:
        return str(error)


@pytest.fixture(scope="module")
def column_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Turn the column cache on, for files of any size."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAKEHOUSE_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("LAKEHOUSE_COLUMN_CACHE_SIZE", "1GB")
        patch.setattr(cache, "SMALLEST_FILE_IN_ROWS", 1)
        yield


@pytest.mark.usefixtures("column_cache")
@given(data=st.data())
def test_pruned_answers_equal_unpruned_ones(desk: Any, data: st.DataObject) -> None:
    text, _ = Writer(data).query()
    note(text)
    whole = answer(desk, text, prune=False, engine="parquet")
    if isinstance(whole, str):
        reject()  # DuckDB does not accept this one
    assert answer(desk, text, engine="parquet") == whole
    assert answer(desk, text, engine="decoded") == whole
    assert answer(desk, text, engine="cached columns") == whole
    assert answer(desk, text) == whole


@pytest.mark.usefixtures("column_cache")
def test_the_column_cache_is_used(desk: Any) -> None:
    """The property above would hold too if it was not."""
    text = "SELECT sum(score) FROM signals.scores"
    desk.table(text, engine="decoded")
    made = cache.column_cache()
    assert made is not None
    made.flush()
    assert desk.plan(text)["signals.scores"].engine == "cached columns"
