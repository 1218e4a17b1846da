"""Measure a version: every rule of the contract, over stored and refused rows, in one report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import polars as pl

from lakehouse.catalog.durations import parse_duration
from lakehouse.ingest.quality.refused import count_refused
from lakehouse.ingest.quality.report import QualityReport, RuleFailures
from lakehouse.ingest.quality.stored import judge_stored
from lakehouse.ingest.rules import Others
from lakehouse.queries.result import Result
from lakehouse.queries.scan import Scan
from lakehouse.schema import UNIT_NS
from lakehouse.times import MAX_NS, MIN_NS, Interval, to_iso

if TYPE_CHECKING:
    from lakehouse.catalog.contract import Contract
    from lakehouse.partitions.state import TableState
    from lakehouse.partitions.table import Table


def measure(
    table: Table,
    state: TableState,
    contract: Contract,
    *,
    symbols: Sequence[str] | None,
    interval: Interval,
    now_ns: int,
) -> QualityReport:
    """Judge the rows of a version by the rules of a contract of the same major number.

    Args:
        table: of the product; its log says which rows were refused.
        state: the version.
        contract: whose rules apply.
        symbols: None for all.
        interval: half open, UTC.
        now_ns: the present, UTC, against which the newest row is late.

    Raises:
        NotFoundError: a symbol has no row in the version.
        ContractError: a rule fails on a row, or compares with a product that there is not.
        IntegrityError: a data or quarantine file is missing or altered.
    """
    others = Others(table.store)
    stored, broken = judge_stored(state, contract, symbols, interval, others)
    refused, refused_by = count_refused(table, state, contract, symbols, interval)
    partitions = _summed(pl.concat([stored, refused]))
    newest = _newest_ns(state, symbols)
    return QualityReport(
        product=str(state.name),
        version=state.version,
        contract_version=contract.version,
        measured=to_iso(now_ns),
        start=None if interval.start == MIN_NS else to_iso(interval.start),
        end=None if interval.end == MAX_NS else to_iso(interval.end),
        symbols=None if symbols is None else tuple(symbols),
        stored=int(partitions["stored"].sum()),
        refused=int(partitions["refused"].sum()),
        failed=int(partitions["failed"].sum()),
        failures=_failures(contract, broken, refused_by),
        partitions=Result(partitions.to_arrow(), symbol="symbol"),
        compared=others.versions,
        newest=None if newest is None else to_iso(newest),
        late=_late(contract, newest, now_ns),
    )


def _summed(parts: pl.DataFrame) -> pl.DataFrame:
    sums = parts.group_by("symbol", "period").agg(pl.col("stored", "refused", "failed").sum())
    rows = pl.col("stored") + pl.col("refused")
    return sums.with_columns(score=(rows - pl.col("failed")) / rows).sort("symbol", "period")


def _failures(contract: Contract, stored: Counter[str], refused: Counter[str]) -> tuple[RuleFailures, ...]:
    levels = {rule.name: rule.level for rule in contract.rules}
    found = [
        RuleFailures(name, levels.get(name, "quarantine"), stored[name], refused[name])
        for name in dict.fromkeys([*levels, *refused])
        if stored[name] or refused[name]
    ]
    return tuple(sorted(found, key=lambda each: -each.rows))


def _newest_ns(state: TableState, symbols: Sequence[str] | None) -> int | None:
    time = state.schema.time
    if time is None or not state.files:
        return None
    newest = Scan(state, symbols=symbols).aggregate({time: "max"}).to_polars()[f"{time}_max"]
    count = newest.to_physical().cast(pl.Int64).item()
    return None if count is None else int(count) * UNIT_NS[state.schema[time].type]


def _late(contract: Contract, newest: int | None, now_ns: int) -> bool:
    if contract.freshness is None or newest is None:
        return False
    return now_ns - newest > parse_duration(contract.freshness, of="freshness")
