"""Measure what the rules find in real histories that a vendor broke and a project mended, and how fast.

Run it as `python -m benchmarks.quality`. It reads the pairs of `yfinance_repair` beside this checkout: a
history as Yahoo gave it, and its mended twin. Where an error begins or ends, the ratio between the two
changes; these rows are the truth. A defect is a run of rows with one ratio; it is found if a rule flags the
row where it begins, or the first one after it. A flag is right if it lies on such a row, or on an impossible
bar. Precision is the share of flags that are right, recall the share of defects that are found.

Rules that follow a symbol through time can not see an error that a file begins or ends with, and nothing can
see an error that is consistent with everything else in the file: a dividend that never was, and for which
the prices were adjusted. The files named `no-bad-divs` have no defect, and must raise no flag.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.data import session_days
from lakehouse.catalog.contract import Contract
from lakehouse.catalog.rule import Rule
from lakehouse.ingest.prepare import prepare
from lakehouse.ingest.rules import evaluate_rules
from lakehouse.schema import Column, TableSchema

_ROOT = Path(__file__).parents[1]
FOLDER = _ROOT.parent / "shared" / "data" / "yfinance_repair"
NUMBERS = ("open", "high", "low", "close", "adjusted_close", "volume", "dividend", "capital_gain")
SCHEMA = TableSchema(
    (Column("time", "timestamp[us]", nullable=False), *(Column(name, "float64") for name in NUMBERS)),
    time="time",
)
PRICES = ("open", "high", "low", "close")
RULES = (
    Rule("impossible_bar", "ohlc"),
    Rule("real_price", "positive", PRICES),
    Rule("real_volume", "non_negative", ("volume",)),
    Rule("spike", "spike", ("close",), {"window": 21, "threshold": 20}),
    Rule("jump", "jump", ("close",), {"max_change": 0.5}),
    Rule("adjustment", "adjusted", ("close", "adjusted_close", "dividend")),
    Rule("large_dividend", "sql", (), {"expression": "dividend - coalesce(capital_gain, 0) <= 0.1 * close"}),
    Rule("doubled_dividend", "spacing", ("dividend",), {"min_gap": "14d"}),
)
_NAMES = {
    "Adj Close": "adjusted_close",
    "Dividends": "dividend",
    "Capital Gains": "capital_gain",
}
_REPEATS = 3
_SAME = 1e-6
_STEP = 1e-3
"""a change of the ratio that is more than rounding"""
_INFINITE = 1e9
"""stands for the ratio of a value to zero"""


@dataclass
class Finding:
    """What one rule, or all together, found."""

    flags: int = 0
    """rows that it flags"""
    right: int = 0
    """of them, where an error begins or ends, or a bar is impossible"""
    found: int = 0
    """defects that it finds"""


@dataclass
class Findings:
    """What the rules found in all pairs, or in the controls."""

    rows: int = 0
    """of the broken histories"""
    defects: int = 0
    """runs of wrong rows, and impossible bars"""
    rules: dict[str, Finding] = field(default_factory=dict)
    """by name; `any` stands for all together"""

    def add(self, rule: str, flags: np.ndarray, edges: Sequence[frozenset[int]], right: set[int]) -> None:
        """Add what a rule flags in one history."""
        rows = set(np.flatnonzero(flags).tolist())
        finding = self.rules.setdefault(rule, Finding())
        finding.flags += len(rows)
        finding.right += len(rows & right)
        finding.found += sum(bool(rows & edge) for edge in edges)


def histories(folder: Path) -> Iterator[tuple[str, pl.DataFrame, pl.DataFrame | None]]:
    """Yield the name of each broken history, the history, and its mended twin; None for a control."""
    for file in sorted(folder.glob("*.csv")):
        fixed = file.with_name(f"{file.stem}-fixed.csv")
        if "no-bad-divs" in file.stem:
            yield file.stem, read(file), None
        elif fixed.exists():
            yield file.stem, read(file), read(fixed)


def read(file: Path) -> pl.DataFrame:
    """Return a history in the order of time."""
    rows = pl.read_csv(file, infer_schema_length=None)
    stamp = pl.first().str.to_datetime("%Y-%m-%d %H:%M:%S%z", time_unit="us", time_zone="UTC").alias("time")
    named = {_NAMES.get(name, name.lower()): name for name in rows.columns}
    values = [
        pl.col(named[name]).cast(pl.Float64).alias(name)
        if name in named
        else pl.lit(None, pl.Float64).alias(name)
        for name in NUMBERS
    ]
    return rows.select(stamp, *values).sort("time")


def defects(bad: pl.DataFrame, fixed: pl.DataFrame) -> list[frozenset[int]]:
    """Return for each run of rows that are wrong by one ratio where it begins, and the row after it."""
    broken, mended = (frame.select(NUMBERS).fill_null(0.0).to_numpy() for frame in (bad, fixed))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.nan_to_num(np.where(broken == mended, 1.0, broken / mended), posinf=_INFINITE)
    wrong = (np.abs(ratio - 1) > _SAME).any(axis=1)
    change = (np.abs(ratio[1:] - ratio[:-1]) > _STEP * np.abs(ratio[:-1])).any(axis=1)
    starts = np.flatnonzero(np.concatenate([[True], change]))
    ends = np.append(starts[1:], len(wrong))
    runs = [(int(start), int(end)) for start, end in zip(starts, ends, strict=True) if wrong[start]]
    return [frozenset({start, end}) for start, end in runs]


def impossible(bars: pl.DataFrame) -> list[frozenset[int]]:
    """Return the rows whose bar is impossible, by another way of computing than the rule."""
    prices = bars.select(PRICES).to_numpy()
    bad = (prices[:, 1] < prices.max(axis=1)) | (prices[:, 2] > prices.min(axis=1))
    return [frozenset({int(row)}) for row in np.flatnonzero(bad)]


def examine(folder: Path) -> tuple[Findings, Findings]:
    """Return what the rules find in the broken histories, and in the controls."""
    broken, control = Findings(), Findings()
    for _, bad, fixed in histories(folder):
        findings = control if fixed is None else broken
        edges = [] if fixed is None else [*defects(bad, fixed), *impossible(bad)]
        right = {row for edge in edges for row in edge}
        flags = {name: flag.to_numpy() for name, flag in evaluate_rules(bad, RULES, SCHEMA).items()}
        flags["any"] = np.logical_or.reduce(list(flags.values()))
        findings.rows += bad.height
        findings.defects += len(edges)
        for name, flag in flags.items():
            findings.add(name, flag, edges, right)
    return broken, control


def daily_bars(symbols: int, days: int) -> pl.DataFrame:
    """Return good daily bars of some symbols, sorted by symbol and date."""
    random = np.random.default_rng(1)
    close = np.exp(np.cumsum(random.normal(0, 0.01, (symbols, days)), axis=1) + 4).ravel()
    opened = close * np.exp(random.normal(0, 0.005, close.size))
    dates = session_days(date(2000, 1, 3), days).astype("datetime64[D]")
    return pl.DataFrame(
        {
            "symbol": np.repeat([f"S{number:04}" for number in range(symbols)], days),
            "date": np.tile(dates, symbols),
            "open": opened,
            "high": np.maximum(opened, close) * 1.002,
            "low": np.minimum(opened, close) * 0.998,
            "close": close,
            "volume": random.integers(1, 10**6, close.size).astype(np.float64),
        }
    )


def contracts() -> dict[str, Contract]:
    """Return the contract of daily bars of the starter catalog, and one with rules of most kinds."""
    text = (_ROOT / "catalog" / "products" / "market_data" / "bars_1d" / "1.0.0.yaml").read_text("utf-8")
    starter = Contract.from_yaml(text)
    more = (
        Rule("known_values", "not_null", PRICES),
        Rule("jump", "jump", ("close",), {"max_change": 0.5}, "warn"),
        Rule("stale", "stale", ("close",), {"max_rows": 5}, "warn"),
        Rule("missing_session", "gap", (), {"max_gap": "1d", "calendar": "mon-fri"}, "warn"),
        Rule("session", "session", (), {"calendar": "mon-fri"}, "warn"),
        Rule("volume", "volume", (), {}, "warn"),
        Rule("in_order", "monotonic_time", (), {}, "warn"),
        Rule("sane", "range", ("close",), {"min": 0, "max": 1_000_000}, "warn"),
    )
    return {
        "starter contract": starter,
        "with 8 rules more": replace(starter, rules=(*starter.rules, *more)),
    }


def validated_rows_a_second(rows: pl.DataFrame, contract: Contract) -> tuple[float, float]:
    """Return the rows that the whole gate checks a second of processor time, and of elapsed time."""
    best = [0.0, 0.0]
    for _ in range(_REPEATS):
        started, worked = time.perf_counter(), time.process_time()
        prepared = prepare(rows, contract)
        spent = time.process_time() - worked, time.perf_counter() - started
        assert prepared.good.num_rows == rows.height
        best = [max(rate, rows.height / seconds) for rate, seconds in zip(best, spent, strict=True)]
    return best[0], best[1]


def main() -> None:
    """Print the tables."""
    broken, control = examine(FOLDER)
    print(f"{broken.rows:,} rows of broken histories, {broken.defects} defects")
    print(f"{'rule':<16}{'flags':>7}{'right':>7}{'precision':>11}{'found':>7}{'recall':>8}{'control':>9}")
    for name, finding in broken.rules.items():
        precision = f"{finding.right / finding.flags:.3f}" if finding.flags else "-"
        recall = f"{finding.found / broken.defects:.3f}"
        print(
            f"{name:<16}{finding.flags:>7}{finding.right:>7}{precision:>11}{finding.found:>7}{recall:>8}"
            f"{control.rules[name].flags:>9}"
        )
    print(f"control: {control.rows:,} rows without a defect")
    rows = daily_bars(500, 4_000)
    for name, contract in contracts().items():
        processor, elapsed = validated_rows_a_second(rows, contract)
        print(f"{name}: {processor / 1e6:.1f} M rows a second of one core, {elapsed / 1e6:.1f} M elapsed")


if __name__ == "__main__":
    main()
