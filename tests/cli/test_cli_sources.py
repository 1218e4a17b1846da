from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakehouse.ingest.sources.registry import BUILT_IN, GROUP

if TYPE_CHECKING:
    import pytest

Run = Callable[..., Any]


def test_sources_are_listed_with_what_they_bring_and_who_brings_them(lake: Run) -> None:
    found = lake("sources", "--json").json
    assert {
        row["name"]: row["target"] for row in found["sources"] if row["by"] == "quant-lakehouse"
    } == BUILT_IN
    assert all(row["brings"] and row["error"] is None for row in found["sources"])
    assert not [row for row in found["sources"] if "partial" in row["brings"]]
    assert "kraken_trades" in found["recipes"]
    assert "CSV, JSON, Parquet and Feather files" in lake("sources").out


def test_a_source_that_can_not_be_loaded_is_listed_with_its_error(
    lake: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "site" / "broken_vendor-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-vendor\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{GROUP}]\nvendor = no_such_module_at_all:Source\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site"), *sys.path])
    ran = lake("sources", "--json")
    broken = [row for row in ran.json["sources"] if row["error"]]
    assert ran.code == 1
    assert [(row["name"], row["by"]) for row in broken] == [("vendor", "broken-vendor")]


def test_create_and_backfill_take_a_source_by_name(lake: Run, tmp_path: Path) -> None:
    assert lake("init").code == 0
    place = tmp_path / "adjusted_prices_csv"
    place.mkdir()
    (place / "CORN.csv").write_text("DATETIME,price\n2024-01-02 23:00:00,-1.5\n")
    made = lake("create", "futures.adjusted", "--like", f"pysystemtrade:{place}", "--json").json
    assert (made["symbol"], made["time"], made["key"]) == ("symbol", "time", ["symbol", "time"])
    assert lake("backfill", "futures.adjusted", f"pysystemtrade:{place}", "--json").json["accepted"] == 1


def test_create_refuses_what_a_source_says_itself(lake: Run, tmp_path: Path) -> None:
    assert lake("init").code == 0
    ran = lake("create", "futures.adjusted", "--like", f"pysystemtrade:{tmp_path}", "--time-zone", "UTC")
    assert ran.code == 1
    assert "declares its columns itself" in ran.err


def test_backfill_names_the_sources_that_there_are(lake: Run) -> None:
    assert lake("init").code == 0
    ran = lake("backfill", "futures.adjusted", "pysystemtrad:/data")
    assert ran.code == 1
    assert "Unknown source 'pysystemtrad'" in ran.err
    assert "Did you mean pysystemtrade" in ran.err


def test_create_takes_line_protocol_by_its_ending(lake: Run, tmp_path: Path) -> None:
    assert lake("init").code == 0
    file = tmp_path / "trades.lp"
    file.write_text("trades,symbol=IBM price=161.14,size=100i 1704196800000000000\n")
    made = lake("create", "market_data.trades", "--like", file, "--json").json
    assert [(row["column"], row["type"]) for row in made["columns"]] == [
        *(("time", "timestamp[ns]"), ("symbol", "string"), ("price", "float64"), ("size", "int64"))
    ]
    assert lake("ingest", "market_data.trades", file, "--json").json["accepted"] == 1
