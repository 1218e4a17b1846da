"""The lake as a contender, on a feed of a few rows: every step runs, and answers rightly."""

from __future__ import annotations

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from benchmarks.compare.contender import RESTATEMENTS
from benchmarks.compare.questions import Questions
from lakehouse.times import NS_PER_DAY

ROWS, MINUTE_NS = 120, 60_000_000_000
NAMES, DAYS, MONTHS = ["A", "B/1"], ["2024-03-04", "2024-03-05"], ["202403"]
NAIVE = pa.timestamp("ns")


class Feed:
    """Two days of ticks, and bars, of two symbols, a row a minute."""

    tdays, months = DAYS, MONTHS
    day = snap_day = r6_day = DAYS[1]
    snap = int(np.datetime64(snap_day, "ns").astype(np.int64)) + 30 * MINUTE_NS
    sym_big, sym_mid = NAMES
    win = (snap - 5 * MINUTE_NS, snap)
    r5_syms = NAMES
    r5_days = (DAYS[0], DAYS[1])
    k = 3

    def trades(self, day: str) -> pa.Table:
        table = self._rows(day).append_column("price", pa.array(10.0 + np.arange(2 * ROWS) % 7))
        table = table.append_column("size", pa.array(np.full(2 * ROWS, 2, np.int32)))
        texts = pa.array(["N"] * 2 * ROWS)
        return table.append_column("exchange", texts).append_column("cond", texts)

    def quotes(self, day: str) -> pa.Table:
        table = self._rows(day).append_column("bid", pa.array(10.0 + np.arange(2 * ROWS)))
        table = table.append_column("ask", pa.array(11.0 + np.arange(2 * ROWS)))
        sizes = pa.array(np.ones(2 * ROWS, np.int32))
        return table.append_column("bsize", sizes).append_column("asize", sizes)

    def bars(self, month: str) -> pa.Table:
        return pa.concat_tables([self._bars(self._rows(day)) for day in self.tdays])

    def daily(self) -> pa.Table:
        days = np.arange(19_000, 19_000 + ROWS, dtype=np.int32)
        names = pa.array(np.repeat(NAMES, ROWS))
        dates = pa.array(np.tile(days, 2)).cast(pa.date32())
        return self._bars(pa.table({"symbol": names, "date": dates}))

    def pnl(self) -> pa.Table:
        return self.trades(self.day).slice(0, 4).select(["symbol", "ts", "size"])

    def ref_version(self, number: int) -> pa.Table:
        return pa.table({"id": [1, 2], "factor": [number + 0.5, 2.0], "name": ["a", "b"]})

    def _rows(self, day: str) -> pa.Table:
        start = int(np.datetime64(day, "ns").astype(np.int64))
        times = np.repeat(start + np.arange(ROWS) * MINUTE_NS, 2)
        return pa.table({"ts": pa.array(times).view(NAIVE), "symbol": NAMES * ROWS})

    def _bars(self, table: pa.Table) -> pa.Table:
        close = pa.array(20.0 + np.arange(table.num_rows) * 7 % 11)
        for name in ("open", "high", "low", "close"):
            table = table.append_column(name, close)
        return table.append_column("volume", pa.array(np.arange(1, table.num_rows + 1)))


@pytest.fixture(scope="module")
def contender(tmp_path_factory: pytest.TempPathFactory) -> Questions:
    made = Questions()
    made.store, made.raw = tmp_path_factory.mktemp("contender") / "lake", Feed()
    made.open()
    for day in Feed.tdays:
        made.add_day(day)
    made.load_bars()
    made.load_daily()
    made.v_setup()
    made.open()  # what is written is found again
    return made


def test_ten_rows_are_appended_and_counted(contender: Questions) -> None:
    contender.w3_setup()
    times = pa.array(np.arange(10) * NS_PER_DAY).view(NAIVE)
    contender.w3_append(pa.table({"ts": times, "price": np.ones(10), "size": np.ones(10, np.int32)}))
    assert contender.w3_count() == (10, 10.0)


@pytest.mark.parametrize(
    ("row", "rows"),
    {
        **{"r1a": 240, "r2": 120, "r3": 5, "r4": 100, "r5": 480, "r6": 240, "v1": 2},
        **{"q1": 4, "q2": 480, "q3": 240, "q4": 2, "q5": 2, "q6a": 240, "q6b": 238, "q7": 4, "q8": 240},
        "q9": 4,
    }.items(),
)
def test_every_step_gives_its_rows(row: str, rows: int, contender: Questions) -> None:
    assert getattr(contender, row)().num_rows == rows


def test_pandas_gets_the_same_rows(contender: Questions) -> None:
    assert list(contender.r1p()["bid"]) == contender.r1a()["bid"].to_pylist()


def test_questions_have_the_columns_of_the_comparison(contender: Questions) -> None:
    assert contender.q4().to_pydict() == {"symbol": NAMES, "bid": [248.0, 249.0]}
    assert set(contender.q1().column_names) == {"symbol", "date", "vwap"}
    assert {"symbol", "ts", "price", "bid", "ask"} <= set(contender.q3().column_names)
    assert set(contender.q6a().column_names) == {"symbol", "date", "vol"}
    assert set(contender.q7().column_names) == {"symbol", "other", "corr"}
    assert {"symbol", "ts", "exit_ts", "exit_price"} <= set(contender.q9().column_names)


def test_an_order_leaves_when_three_times_its_size_has_traded(contender: Questions) -> None:
    frame = pl.DataFrame(contender.q9())
    assert (frame["exit_ts"] - frame["ts"]).dt.total_minutes().to_list() == [3] * 4


def test_versions_are_those_that_hold_rows(contender: Questions) -> None:
    assert contender.v2() == {"n": [RESTATEMENTS]}
    assert sorted(contender.v1()["factor"].to_pylist()) == [2.0, 5.5]
