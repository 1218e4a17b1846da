from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import lakehouse
from lakehouse.cli.density import advise_layout

Run = Callable[..., Any]
BARS = "market_data.bars_1d"


def test_advise_measures_the_live_files(bars: Run) -> None:
    (file,) = Path("partitions").rglob("part-*.parquet")
    advice = bars("layout", "advise", BARS, "--json").json

    assert (advice["files"], advice["rows"], advice["size"]) == (1, 5, file.stat().st_size)
    assert (advice["days"], advice["rows_per_day"]) == (3, 5 / 3)
    assert advice["bytes_per_row"] == file.stat().st_size / 5


def test_advise_counts_the_periods_that_have_rows(tmp_path: Path) -> None:
    """Days are in two years and three months, with a gap between."""
    lake = lakehouse.open(tmp_path / "lake", create=True)
    days = np.array(["2023-01-30", "2023-01-31", "2023-03-01", "2024-03-01"], "datetime64[D]")
    frame = pl.DataFrame({"symbol": "IBM", "date": days, "close": [1.0, 2.0, 3.0, 4.0]})
    product = lake.create("market_data.closes", like=frame)
    product.append(frame)
    files = {option.layout.split(",")[0]: option.files for option in advise_layout(product.state()).options}

    assert files == {"date=day": 4, "date=week": 3, "date=month": 3, "date=year": 2, "date=none": 1}


def test_advise_marks_what_the_rule_chooses_at_the_measured_density(tmp_path: Path) -> None:
    lake = lakehouse.open(tmp_path / "lake", create=True)
    rows = 400_000
    times = np.arange(rows) * 100_000_000 + 1_704_186_000_000_000_000
    frame = pl.DataFrame(
        {
            "symbol": "IBM",
            "time": pl.Series(times).cast(pl.Datetime("ns", "UTC")),
            "price": np.random.default_rng(1).random(rows),
        }
    )
    product = lake.create("market_data.ticks", like=frame)
    product.append(frame)
    advice = advise_layout(product.state())

    assert advice.days == 1
    assert [option.layout for option in advice.options if option.recommended] == [advice.recommended]


def test_advise_says_where_many_writes_left_many_files(bars: Run) -> None:
    product = lakehouse.open(".")[BARS]
    rows = product.read().to_polars()
    for year in (2025, 2026):
        product.append(rows.with_columns(pl.col("date").dt.replace(year=year)))
    advice = bars("layout", "advise", BARS, "--json").json

    assert advice["files"] == 3
    assert "3 files lie where 1 would do" in advice["reasons"][-1]


def test_advise_prints_a_table(bars: Run) -> None:
    out = bars("layout", "advise", BARS).out

    assert "date=none,symbol=row_groups" in out
    assert "all rows in one small file" in out


@pytest.mark.parametrize("product", ["market_data.trades", "reference.instruments"])
def test_advise_of_a_product_without_rows(lake: Run, product: str) -> None:
    lake("init", "--starter")

    assert "has no rows yet" in lake("layout", "advise", product).out


def test_advise_measures_a_sample_in_each_layout(bars: Run) -> None:
    before = set(Path("partitions").rglob("*"))
    trial = bars("layout", "advise", BARS, "--layout", "date=none,symbol=identity", "--json").json["trial"]
    tried = [each["layout"] for each in trial["measured"]]

    assert (trial["rows"], trial["symbols"], trial["days"]) == (5, 2, 3)
    assert tried[0] == bars("layout", "advise", BARS, "--json", "--quick").json["layout"]
    assert {"date=week,symbol=row_groups", "date=none,symbol=identity"} < set(tried)
    assert [each["files"] for each in trial["measured"] if "identity" in each["layout"]] == [2]
    assert all(each["scan_ms"] > 0 for each in trial["measured"])
    assert set(Path("partitions").rglob("*")) == before


def test_advise_prints_what_it_measured_and_quick_leaves_it_out(bars: Run) -> None:
    assert "A sample of 5 rows, 2 symbols, 3 days" in bars("layout", "advise", BARS).out
    assert "sample" not in bars("layout", "advise", BARS, "--quick").out


def test_change_says_what_it_would_do_and_then_does_it(bars: Run) -> None:
    rows = list(lakehouse.open(".")[BARS].read().to_polars().iter_rows())
    said = bars("layout", "change", BARS, "date=week").out
    done = bars("layout", "change", BARS, "date=week", "--apply", "--message", "for days", "--json").json

    assert "becomes date=week,symbol=row_groups" in said
    assert "do it with --apply" in said
    assert (done["commit"], done["files_after"], done["rows"]) == (done["version"] + 1, 1, 5)
    assert bars("layout", "advise", BARS, "--quick", "--json").json["layout"] == "date=week,symbol=row_groups"
    assert list(lakehouse.open(".")[BARS].read().to_polars().iter_rows()) == rows
    assert bars("history", BARS, "--json").json[0]["message"] == "for days"
    assert "lies so already" in bars("layout", "change", BARS, "date=week", "--apply").out


def test_change_to_an_unknown_layout_names_the_choices(bars: Run) -> None:
    ran = bars("layout", "change", BARS, "date=decade")
    assert ran.code != 0
    assert "day|week|month|year|none" in ran.err
