"""The plan of a query: what is read, by whom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lakehouse.errors import NotFoundError
from lakehouse.partitions.columns import VARIABLE, cache, column_cache
from lakehouse.queries.sql import choice, explain_sql

TRADES = "market_data.trades"
DAY = f"SELECT price FROM {TRADES} WHERE symbol = 'A' AND time >= '2024-01-05' AND time < '2024-01-06'"


def plan_of(desk: Any, text: str) -> Any:
    return explain_sql(text, desk.resolve, known=desk.known)


def test_it_counts_files_row_groups_rows_and_bytes(desk: Any) -> None:
    state = desk.states[TRADES]
    part, whole = (plan_of(desk, text)[TRADES] for text in (DAY, f"FROM {TRADES}"))
    assert (whole.files, whole.files_listed) == (len(state.files), len(state.files))
    assert whole.rows == sum(file.rows for file in state.files)
    assert (part.files_listed, part.row_groups, part.chunks, part.cached) == (1, 1, 2, 0)
    assert 0 < part.bytes < whole.bytes < sum(file.size for file in state.files)
    assert (part.columns, whole.columns) == (("symbol", "time", "price"), state.schema.names)


def test_what_the_column_cache_holds_is_mapped(
    desk: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKEHOUSE_CACHE", str(tmp_path))
    monkeypatch.setenv(VARIABLE, "100MiB")
    monkeypatch.setattr(cache, "SMALLEST_FILE_IN_ROWS", 1)
    before = plan_of(desk, DAY)[TRADES]
    fresh = desk.rows(DAY)
    made = column_cache()
    assert made is not None
    assert made.flush()
    after = plan_of(desk, DAY)[TRADES]
    assert (before.engine, before.cached, after.engine, after.cached) == ("decoded", 0, "cached columns", 2)
    assert desk.rows(DAY) == fresh


def test_what_is_small_is_decoded_and_the_rest_left_to_duckdb(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert plan_of(desk, DAY)[TRADES].engine == "decoded"
    monkeypatch.setattr(choice, "MOST_DECODED_VALUES", 3)
    assert plan_of(desk, DAY)[TRADES].engine == "parquet"
    monkeypatch.undo()
    monkeypatch.setattr(choice, "MOST_FILES", 1)
    assert plan_of(desk, f"FROM {TRADES}")[TRADES].engine == "parquet"


def test_it_is_shown_as_a_table(desk: Any) -> None:
    shown = repr(plan_of(desk, DAY)).splitlines()
    assert len(shown) == 2
    assert shown[0].split()[:3] == ["product", "version", "engine"]
    assert shown[1].startswith(f"{TRADES}  1        decoded  1 of {len(desk.states[TRADES].files)}")


def test_a_product_that_needs_no_row_reads_nothing(desk: Any) -> None:
    plan = plan_of(desk, f"FROM {TRADES} WHERE symbol = 'A' AND symbol = 'B'")[TRADES]
    assert (plan.files_listed, plan.row_groups, plan.rows, plan.bytes) == (0, 0, 0, 0)


def test_a_query_of_no_product_has_an_empty_plan(desk: Any) -> None:
    plan = plan_of(desk, "SELECT 1")
    assert (len(plan), list(plan), repr(plan)) == (0, [], "The query reads no product.")
    with pytest.raises(NotFoundError, match=r"market_data\.trades"):
        plan[TRADES]
