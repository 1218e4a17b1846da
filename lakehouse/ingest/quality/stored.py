"""Judge the stored rows of a version: group by group of symbols, so that memory stays bounded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from lakehouse.catalog.durations import parse_duration
from lakehouse.ingest.rules import evaluate_rules
from lakehouse.partitions.layout import period_starts
from lakehouse.queries.ends import read_before
from lakehouse.queries.scan import Scan
from lakehouse.schema import UNIT_NS, arrow_schema
from lakehouse.times import MIN_NS, Interval

if TYPE_CHECKING:
    from lakehouse.catalog.contract import Contract
    from lakehouse.catalog.rule import Rule
    from lakehouse.ingest.rules import Others
    from lakehouse.partitions.state import TableState
    from lakehouse.schema import TableSchema

ROWS_AT_ONCE = 4_000_000
PARTITION = {
    "symbol": pl.String,
    "period": pl.Date,
    "stored": pl.Int64,
    "refused": pl.Int64,
    "failed": pl.Int64,
}
"""columns of the counts by partition"""

_LOOK_BACK = {"gap": "", "jump": "", "adjusted": "", "stale": "max_rows", "spike": "window"}
"""rules that look at rows before a row: the argument that says how many, or one"""
_ROOM = 2
"""for rows without a value, which take no place in a window"""


def judge_stored(
    state: TableState,
    contract: Contract,
    symbols: Sequence[str] | None,
    interval: Interval,
    others: Others,
) -> tuple[pl.DataFrame, Counter[str]]:
    """Return the counts of stored rows by partition, and the rows that break each rule.

    A rule that follows a symbol through time sees the rows before the interval too; `distinct` compares those
    of the interval alone. `monotonic_time` is about the order of arrival, and stored rows are in the order of
    time: it was judged at the write.

    Args:
        state: the version.
        contract: whose rules apply.
        symbols: None for all.
        interval: half open, UTC.
        others: the other products.
    """
    rules = [rule for rule in contract.rules if rule.kind != "monotonic_time"]
    parts, broken = [], Counter[str]()
    for group in _groups(state, rules, symbols, interval):
        frame = _read(state, rules, group, interval)
        inside = times_ns(frame, state.schema) >= interval.start
        judged = evaluate_rules(_widened(frame, state, contract), rules, contract.schema, others)
        flags = {name: flag.to_numpy()[inside] for name, flag in judged.items()}
        broken.update({name: int(flag.sum()) for name, flag in flags.items()})
        failed = np.logical_or.reduce([np.zeros(int(inside.sum()), np.bool_), *flags.values()])
        parts.append(_by_partition(frame.filter(inside), state, failed))
    counted = pl.concat(parts) if parts else pl.DataFrame(schema=PARTITION)
    return counted, broken


def period_column(times_ns: np.ndarray, state: TableState) -> pl.Series:
    """Return the first day of the partition of each UTC nanosecond; null where the layout has no dates."""
    if state.layout is None or state.layout.date == "none" or state.schema.time is None:
        return pl.repeat(None, len(times_ns), dtype=pl.Date, eager=True)
    return pl.Series(period_starts(times_ns, state.layout.date), dtype=pl.Int32).cast(pl.Date)


def times_ns(frame: pl.DataFrame, schema: TableSchema) -> np.ndarray:
    """Return the times of a frame as UTC nanoseconds; zeros in a table without a time column."""
    if schema.time is None:
        return np.zeros(frame.height, np.int64)
    unit = UNIT_NS[schema[schema.time].type]
    return frame[schema.time].to_physical().cast(pl.Int64).to_numpy() * unit


def _by_partition(frame: pl.DataFrame, state: TableState, failed: np.ndarray) -> pl.DataFrame:
    symbol = state.schema.symbol
    rows = pl.DataFrame(
        {
            "symbol": frame[symbol] if symbol else pl.repeat(None, frame.height, dtype=pl.String, eager=True),
            "period": period_column(times_ns(frame, state.schema), state),
            "failed": failed,
        }
    )
    grouped = rows.group_by("symbol", "period").agg(
        pl.len().cast(pl.Int64).alias("stored"), pl.col("failed").sum().cast(pl.Int64)
    )
    return grouped.with_columns(refused=pl.lit(0, pl.Int64)).select(*PARTITION)


def _read(
    state: TableState, rules: Sequence[Rule], symbols: Sequence[str] | None, interval: Interval
) -> pl.DataFrame:
    """Return the rows of a group, and those before the interval that rules look at."""
    columns = _columns(state.schema, rules)
    begin = max(MIN_NS, interval.start - _time_back(rules))
    wide = Interval(begin, interval.end)
    rows = Scan(state, symbols=symbols, interval=wide, columns=columns).read().to_polars()
    back = _rows_back(rules)
    if not back or begin == MIN_NS or state.schema.time is None:
        return rows
    return pl.concat([read_before(state, begin, back, symbols=symbols, columns=columns).to_polars(), rows])


def _widened(frame: pl.DataFrame, state: TableState, contract: Contract) -> pl.DataFrame:
    """Add the columns of the contract that the version is too old to have: null, as for readers."""
    names = tuple(name for name in contract.schema.names if name not in state.schema.names)
    empty = pl.DataFrame(arrow_schema(contract.schema, names).empty_table())
    return frame.with_columns(pl.lit(None, dtype).alias(name) for name, dtype in empty.schema.items())


def _rows_back(rules: Sequence[Rule]) -> int:
    """Return how many rows before an interval its rules look at."""
    looking = [rule for rule in rules if rule.kind in _LOOK_BACK]
    return max((_ROOM * int(rule.arguments.get(_LOOK_BACK[rule.kind], 1)) for rule in looking), default=0)


def _time_back(rules: Sequence[Rule]) -> int:
    """Return for how many nanoseconds before an interval its rules look at every row."""
    spans = (rule.arguments["min_gap"] for rule in rules if rule.kind == "spacing")
    return max(map(parse_duration, spans), default=0)


def _columns(schema: TableSchema, rules: Sequence[Rule]) -> list[str]:
    """Return the columns that the rules look at, in the order of the schema."""
    if any(rule.kind == "sql" or (rule.kind == "distinct" and not rule.columns) for rule in rules):
        return list(schema.names)
    wanted = {schema.symbol, schema.time, *(name for rule in rules for name in rule.columns)}
    return [name for name in schema.names if name in wanted] or [schema.names[0]]


def _groups(
    state: TableState, rules: Sequence[Rule], symbols: Sequence[str] | None, interval: Interval
) -> Iterator[Sequence[str] | None]:
    """Yield symbols whose rows are read together: all at once where a rule compares several symbols."""
    symbol = state.schema.symbol
    if not state.files:
        return
    across = any(rule.kind == "distinct" and rule.columns and symbol not in rule.columns for rule in rules)
    if symbol is None or across:
        yield symbols
        return
    counted = (
        Scan(state, symbols=symbols, interval=interval).aggregate({"*": "count"}, by="symbol").to_polars()
    )
    group: list[str] = []
    rows = 0
    for name, count in counted.select(symbol, "rows").iter_rows():
        if group and rows + count > ROWS_AT_ONCE:
            yield group
            group, rows = [], 0
        group.append(name)
        rows += count
    if group:
        yield group
