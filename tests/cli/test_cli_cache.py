from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lakehouse
from lakehouse.partitions.columns import VARIABLE, cache, column_cache

Run = Callable[..., Any]
BARS = "market_data.bars_1d"


@pytest.fixture
def filled(bars: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run `lake` where columns of the bars are cached."""
    monkeypatch.setenv(VARIABLE, "1MB")
    monkeypatch.setenv("LAKEHOUSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "SMALLEST_FILE_IN_ROWS", 1)
    lakehouse.open(".")[BARS].read()
    columns = column_cache()
    assert columns is not None
    assert columns.flush()
    return bars


def test_cache_says_where_it_is_and_how_full(filled: Run, tmp_path: Path) -> None:
    found = filled("cache", "--json").json
    assert found["folder"] == str(tmp_path / "cache" / "columns")
    assert 0 < found["size"] < found["limit"] == 1_000_000
    assert "limit" in filled("cache").out


def test_cache_clear_empties_it(filled: Run, tmp_path: Path) -> None:
    before = filled("cache", "--json").json["size"]
    after = filled("cache", "--clear", "--json").json
    assert (after["size"], after["deleted"]) == (0, before)
    assert not list((tmp_path / "cache").glob("columns/*"))


def test_cache_says_that_it_is_off(lake: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "0")
    assert lake("cache", "--json").json == {"on": False}
    assert "is off" in lake("cache").out
