"""Spot rates of pysystemtrade: on 866 days GBPUSD has two rows under two labels of the daily close."""

from __future__ import annotations

from typing import Any

import polars as pl

TWO_LABELS = """
    select symbol, count(*) from (
        select symbol, time::date as day from market_data.fx
        group by all having bool_or(hour(time) = 0) and bool_or(hour(time) = 23))
    group by 1
"""


def test_the_12_pairs_land(real: Any) -> None:
    report = real.load("fx")
    symbols = real.lake["market_data.fx"].symbols().to_polars()["symbol"].to_list()
    assert (report.chunks, len(symbols)) == (12, 12)
    assert {"GBPUSD", "JPYUSD", "EURUSD"} <= set(symbols)


def test_sql_finds_the_866_days_of_gbpusd_with_two_labels(real: Any) -> None:
    real.load("fx")
    found = dict(real.lake.sql(TWO_LABELS).to_polars().rows())
    assert found.pop("GBPUSD") == 866
    assert set(found.values()) == {1}  # the day on which the other pairs changed their label


def test_a_key_of_one_row_a_day_finds_the_same_866_days(real: Any) -> None:
    """On 859 of them the two rates differ, so neither lands; on 7 they are equal, so one does."""
    report = real.load("fx days")
    product = real.lake["market_data.fx_1d"]
    refused = product.quarantine.read().to_polars().filter(pl.col("symbol") == "GBPUSD")
    landed = product.read("GBPUSD").num_rows
    assert report.rules == {"unique_key": report.quarantined}
    assert refused["_broke_unique_key"].all()
    assert (refused.height, refused["date"].n_unique()) == (2 * 859, 859)
    assert 14_611 - refused.height - landed == 7
    assert 859 + 7 == 866


def test_the_one_missing_rate_of_krwusd_is_null(real: Any) -> None:
    real.load("fx")
    missing = real.lake.sql("select symbol from market_data.fx where price is null").to_polars()
    assert missing["symbol"].to_list() == ["KRWUSD"]
