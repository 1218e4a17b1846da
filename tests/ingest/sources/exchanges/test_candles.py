"""Candles of exchanges: every one, once, and none that is not over."""

from __future__ import annotations

import pickle
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import lakehouse
from lakehouse.errors import ArgumentError, MissingExtraError, NotFoundError, SourceError
from lakehouse.ingest.backfill import Policy
from lakehouse.ingest.sources.exchanges import ExchangeSource
from lakehouse.schema import TableSchema
from lakehouse.times import NS_PER_DAY, NS_PER_SECOND, Interval, to_nanoseconds
from tests.ingest.sources.exchanges.conftest import Venue

START, END = "2017-11-04", "2017-11-16"  # around all candles of the file
LATER = to_nanoseconds("2018-01-01")


def make(venue: Venue, exchange: str, timeframe: str = "1m", now: int = LATER, **more: Any) -> ExchangeSource:
    return ExchangeSource(exchange, timeframe, config=venue.config(**more), now=lambda: now)


def rows(source: ExchangeSource, symbol: str, *span: str, schema: TableSchema | None = None) -> pl.DataFrame:
    like = schema or source.contract().schema
    chunks = source.chunks(like, [symbol], Interval.of(*span))
    return pl.concat([pl.DataFrame(source.read(chunk, like)) for chunk in chunks])


def expected(venue: Venue) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in venue.answer.candles]  # type: ignore[attr-defined]


def table(found: pl.DataFrame) -> list[tuple[Any, ...]]:
    times = found["time"].cast(pl.Int64) // 1_000_000
    return found.select(times, "open", "high", "low", "close", "volume").rows()


@pytest.mark.parametrize("exchange", ["binance", "coinbase"])
def test_every_candle_arrives_once_and_in_order(exchange: str, request: pytest.FixtureRequest) -> None:
    venue = request.getfixturevalue(f"{exchange}_venue")
    assert table(rows(make(venue, exchange), "BTC/USDT", START, END)) == expected(venue)


def test_a_page_that_is_shorter_than_promised_loses_nothing(binance_venue: Venue) -> None:
    binance_venue.answer.most_candles = 170  # type: ignore[attr-defined]
    found = rows(make(binance_venue, "binance"), "BTC/USDT", "2017-11-07", "2017-11-09")
    day = [row for row in expected(binance_venue) if "2017-11-07" <= _iso(row[0]) < "2017-11-09"]
    assert table(found) == day
    assert len(day) == 2611  # the file has gaps, which a page must not end at


def test_a_page_of_the_newest_candles_alone_loses_nothing(coinbase_venue: Venue) -> None:
    coinbase_venue.answer.newest = 70  # type: ignore[attr-defined]
    found = rows(make(coinbase_venue, "coinbase"), "BTC/USDT", "2017-11-07", "2017-11-08")
    assert table(found) == [row for row in expected(coinbase_venue) if _iso(row[0])[:10] == "2017-11-07"]


def _iso(milliseconds: int) -> str:
    return lakehouse.times.to_iso(milliseconds * 1_000_000)


def test_recorded_answers_of_kraken_are_read_but_not_its_unfinished_candle(kraken_venue: Venue) -> None:
    recorded = kraken_venue.answer.ohlc["result"]["XBTUSDT"]  # type: ignore[attr-defined]
    now = recorded[-1][0] * NS_PER_SECOND + 20 * NS_PER_SECOND
    found = rows(make(kraken_venue, "kraken", now=now), "BTC/USDT", _iso(recorded[2][0] * 1000))
    assert found["close"].to_list() == [float(row[4]) for row in recorded[2:-1]]
    assert found["volume"].to_list() == [float(row[6]) for row in recorded[2:-1]]


def test_what_kraken_does_not_have_any_more_is_refused(kraken_venue: Venue) -> None:
    now = kraken_venue.answer.ohlc["result"]["XBTUSDT"][-1][0] * NS_PER_SECOND  # type: ignore[attr-defined]
    with pytest.raises(SourceError, match=r"only its newest 721 candles of 1m, since 2025-11-10T12:17"):
        rows(make(kraken_venue, "kraken", now=now), "BTC/USDT", "2025-11-10T12:00")


@pytest.mark.parametrize(
    ("now", "last"),
    [("2017-11-07T12:00:09.9", "11:58"), ("2017-11-07T12:00:10", "11:59"), ("2017-11-07T12:01:09", "11:59")],
)
def test_an_unfinished_candle_is_never_read(binance_venue: Venue, now: str, last: str) -> None:
    source = make(binance_venue, "binance", now=to_nanoseconds(now))
    found = rows(source, "BTC/USDT", "2017-11-07")
    assert str(found["time"][-1])[11:16] == last


def test_the_plan_ends_now_and_a_part_of_a_day_needs_a_key(binance_venue: Venue) -> None:
    source = make(binance_venue, "binance", now=to_nanoseconds("2017-11-07T12:00:30"))
    keyed = source.contract().schema
    keyless = TableSchema(keyed.columns, keyed.symbol, keyed.time)
    span = Interval.of("2017-11-05T10:00", "2030-01-01")
    ends = [chunk.interval.end for chunk in source.chunks(keyed, ["BTC/USDT"], span)]
    assert ends == [to_nanoseconds(day) for day in ("2017-11-06", "2017-11-07", "2017-11-07T12:00")]
    assert [chunk.interval.end for chunk in source.chunks(keyless, ["BTC/USDT"], span)] == ends[:2]
    assert source.chunks(keyed, ["BTC/USDT"], Interval.of("2029-01-01", "2030-01-01")) == ()
    with pytest.raises(ArgumentError, match="needs a first instant"):
        source.chunks(keyed, ["BTC/USDT"], Interval())


def test_long_candles_are_closed_before_they_count() -> None:
    from lakehouse.ingest.sources.exchanges.frames import Frame

    moment = to_nanoseconds("2024-03-31T23:30")
    assert (
        Frame.parse("1d").closed_before(moment)
        == to_nanoseconds("2024-03-31") - NS_PER_DAY // 24 + 3600 * NS_PER_SECOND
    )
    assert Frame.parse("1M").closed_before(moment) == to_nanoseconds("2024-03-01T00:00")
    assert Frame.parse("1w").closed_before(moment) == to_nanoseconds("2024-03-25T00:00")


@pytest.mark.parametrize("fault", ["503", "broken off", "cut JSON", "HTML", "429"])
def test_a_fault_of_the_moment_is_tried_again(binance_venue: Venue, fault: str) -> None:
    source = make(binance_venue, "binance")
    source.symbols()
    asked = len(binance_venue.asked)
    binance_venue.faults = [fault, fault] if fault != "429" else [fault]
    found = rows(source, "BTC/USDT", "2017-11-07T00:00", "2017-11-07T01:00")
    assert found.height == 60
    assert len(binance_venue.asked) - asked == (3 if fault != "429" else 2)
    if fault == "429":
        assert binance_venue.times[-1] - binance_venue.times[-2] >= 1.0


def test_an_answer_without_rows_is_no_empty_day(coinbase_venue: Venue) -> None:
    full = coinbase_venue.answer
    coinbase_venue.answer = lambda path, query: {} if path.endswith("candles") else full(path, query)
    source = ExchangeSource(
        "coinbase", config=coinbase_venue.config(), policy=Policy(attempts=1), now=lambda: LATER
    )
    with pytest.raises(SourceError, match=r"an answer without rows: \{\}"):
        rows(source, "BTC/USDT", "2017-11-07", "2017-11-08")


def test_a_fault_that_stays_is_an_error_of_ours(binance_venue: Venue) -> None:
    source = ExchangeSource(
        "binance", config=binance_venue.config(), policy=Policy(attempts=1), now=lambda: LATER
    )
    binance_venue.faults = ["", "503"]
    with pytest.raises(
        SourceError, match=r"binance can not be asked: ExchangeNotAvailable: binance GET"
    ) as caught:
        rows(source, "BTC/USDT", "2017-11-07", "2017-11-08")
    assert caught.value.temporary


def test_a_backfill_of_an_exchange_runs_once(binance_venue: Venue, tmp_path: Path) -> None:
    source = pickle.loads(pickle.dumps(ExchangeSource("binance", config=binance_venue.config())))
    lake = lakehouse.open(tmp_path, create=True)
    lake.create("crypto.bars_1m", like=source)
    load = partial(lake.backfill, "crypto.bars_1m", source, symbols=["BTC/USDT"])
    first = load(start="2017-11-06", end="2017-11-09")
    asked = len(binance_venue.asked)
    again = load(start="2017-11-06", end="2017-11-09")
    known = [row for row in expected(binance_venue) if "2017-11-06" <= _iso(row[0]) < "2017-11-09"]
    assert (first.accepted, first.committed, again.skipped) == (len(known), 3, 3)
    assert len(binance_venue.asked) == asked
    assert lake["crypto.bars_1m"].history()[0].source == "binance 1m"


def test_unknown_names_are_told_with_the_choices(binance_venue: Venue) -> None:
    with pytest.raises(NotFoundError, match=r"Unknown exchange 'binanze'.*\n.*binance"):
        ExchangeSource("binanze").symbols()
    with pytest.raises(ArgumentError, match="'1x' is no length of a candle"):
        ExchangeSource("binance", "1x")
    with pytest.raises(SourceError, match=r"(?s)does not have market symbol DOGE/USDT.*BTC/USDT"):
        rows(make(binance_venue, "binance"), "DOGE/USDT", START, END)
    assert make(binance_venue, "binance").symbols() == ("BTC/USDT", "XRP/ETH")


def test_keys_are_never_shown(binance_venue: Venue, tmp_path: Path) -> None:
    key = "key-that-nobody-may-see"
    source = make(binance_venue, "binance", apiKey=key, secret=key)
    binance_venue.answer = lambda path, query: {"code": -1, "msg": f"{key} is wrong"}
    with pytest.raises(SourceError, match=r"\*\*\* is wrong") as caught:
        source.symbols()
    assert key not in f"{caught.value}{source!r}{source.name}"
    assert caught.value.__context__ is None


def test_keys_do_not_reach_the_lake(binance_venue: Venue, tmp_path: Path) -> None:
    key = "key-that-nobody-may-see"
    source = make(binance_venue, "binance", apiKey=key, secret=key)
    lake = lakehouse.open(tmp_path, create=True)
    lake.create("crypto.bars_1m", like=source)
    lake.backfill(
        "crypto.bars_1m", source, symbols=["BTC/USDT", "NO/NE"], start="2017-11-06", end="2017-11-07"
    )
    stored = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"NO/NE" in stored
    assert key.encode() not in stored


def test_the_name_of_the_extra_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "ccxt", None)
    with pytest.raises(MissingExtraError, match=r"quant-lakehouse\[exchanges\]"):
        ExchangeSource("binance").symbols()
