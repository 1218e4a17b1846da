"""Plans follow the sessions of an exchange, across the change to summer time, and name those without rows."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

import lakehouse
from lakehouse.errors import ArgumentError, NotFoundError
from lakehouse.ingest.backfill.sessions import missing_sessions, sessions_of, windows_of
from lakehouse.ingest.sources.base import Chunk
from lakehouse.schema import TableSchema
from lakehouse.times import NS_PER_DAY, NS_PER_SECOND, Interval

HOUR = 3600 * NS_PER_SECOND
SPRING = Interval.of("2024-03-07", "2024-03-13")


def test_sessions_open_an_hour_earlier_after_the_clock_changed() -> None:
    sessions = sessions_of("XNYS", SPRING)
    assert [each.date for each in sessions] == [
        "2024-03-07",
        "2024-03-08",
        "2024-03-11",
        "2024-03-12",
    ]
    assert [(each.open_ns - each.day_ns) / HOUR for each in sessions] == [14.5, 14.5, 13.5, 13.5]
    assert [(each.close_ns - each.day_ns) / HOUR for each in sessions] == [21, 21, 20, 20]


def test_windows_leave_no_gap_and_begin_with_a_session() -> None:
    sessions = sessions_of("XNYS", SPRING)
    windows = windows_of(sessions, SPRING, 2)
    assert windows == (
        Interval(SPRING.start, sessions[2].day_ns),
        Interval(sessions[2].day_ns, SPRING.end),
    )


def test_a_session_that_opens_on_the_day_before_keeps_its_evening() -> None:
    sessions = sessions_of("XASX", Interval.of("2024-01-08", "2024-01-11"))
    assert all(each.open_ns == each.day_ns - HOUR for each in sessions)
    assert [each.start_ns for each in sessions] == [each.open_ns for each in sessions]


def test_daily_bars_trades_and_the_close_count_and_what_lies_between_does_not() -> None:
    sessions = sessions_of("XNYS", SPRING)
    times = [
        sessions[0].day_ns,  # a daily bar
        sessions[1].close_ns,  # the last bar of the day
        sessions[2].open_ns - 1,  # before the opening
    ]
    given = [pa.array(times).cast(pa.timestamp("ns")), pa.array([], pa.timestamp("us"))]
    assert missing_sessions(sessions, given) == ("2024-03-11", "2024-03-12")
    days = pa.array([each.day_ns // NS_PER_DAY for each in sessions[1:]], pa.int32()).cast(pa.date32())
    assert missing_sessions(sessions, [days]) == ("2024-03-07",)


def test_sessions_to_come_are_not_missing() -> None:
    sessions = sessions_of("XNYS", Interval.of("2024-12-30", None))
    assert missing_sessions(sessions, [])[0] == "2024-12-30"
    assert missing_sessions(sessions, [])[-1] <= datetime.now(UTC).date().isoformat() < sessions[-1].date


def test_an_unknown_calendar_is_named_with_its_neighbours() -> None:
    with pytest.raises(NotFoundError, match="Unknown calendar 'XNYZ'"):
        sessions_of("XNYZ", SPRING)


def test_an_interval_without_a_session_is_refused() -> None:
    with pytest.raises(ArgumentError, match="The calendar XNYS"):
        sessions_of("XNYS", Interval.of("2024-03-09", "2024-03-10"))


class Service(lakehouse.Source):
    """Gives a daily bar for each weekday of the interval that it is asked for."""

    name = "service"
    splits_time = True

    def symbols(self) -> tuple[str, ...]:
        return ("IBM",)

    def chunks(
        self, schema: TableSchema, symbols: Sequence[str] | None, interval: Interval
    ) -> tuple[Chunk, ...]:
        key = hashlib.sha256(repr(interval).encode()).hexdigest()[:32]
        return (Chunk(key, "IBM", interval, (), 0),)

    def read(self, chunk: Chunk, schema: TableSchema) -> pa.Table:
        first, last = chunk.interval.start // NS_PER_DAY, chunk.interval.end // NS_PER_DAY
        days = [day for day in range(first, last) if (day + 3) % 7 < 5]
        times = pl.Series(days, dtype=pl.Int64).cast(pl.Int32).cast(pl.Date).cast(pl.Datetime("ns", "UTC"))
        frame = pl.DataFrame({"symbol": ["IBM"] * len(days), "time": times, "close": [1.0] * len(days)})
        return frame.to_arrow()


def test_a_service_is_asked_by_sessions(lake: lakehouse.Lake) -> None:
    like = pl.DataFrame({"symbol": ["A"], "time": [datetime(2024, 1, 2, tzinfo=UTC)], "close": [1.0]})
    product = lake.create("market_data.service", like=like, key=("symbol", "time"))
    asked: dict[str, Any] = {
        "start": "2024-01-01",
        "end": "2024-03-01",
        "calendar": "XNYS",
        "sessions_per_chunk": 10,
    }
    plan = lake.plan_backfill("market_data.service", Service(), **asked)
    assert len(plan.sessions) == 41
    assert [len(plan.chunks), len(plan.pending)] == [5, 5]
    report = lake.backfill("market_data.service", Service(), **asked)
    assert (report.ok, report.committed, report.missing) == (True, 5, ())
    assert report.accepted == product.rows == 44  # three holidays are weekdays


def test_a_product_without_times_has_no_sessions(lake: lakehouse.Lake, tmp_path: Path) -> None:
    quotes = pl.DataFrame({"symbol": ["IBM"], "bid": [161.1]})
    quotes.write_parquet(tmp_path / "quotes.parquet")
    product = lake.create("fx.quotes", like=quotes, key=["symbol"])
    with pytest.raises(ArgumentError, match=r"fx\.quotes has no time column"):
        lake.backfill("fx.quotes", tmp_path / "quotes.parquet", calendar="XNYS", start="2024-03-04")
    assert product.rows == 0
