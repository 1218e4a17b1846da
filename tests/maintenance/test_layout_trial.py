"""The trial of layouts: it samples the product's own rows, and the files it times hold all of them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import lakehouse
from lakehouse.errors import IntegrityError
from lakehouse.maintenance import layout_trial
from lakehouse.maintenance.layout_trial import try_layouts
from lakehouse.partitions.layout import Layout

Make = Callable[..., lakehouse.Product]
ROWS = [[(symbol, day, day) for symbol in ("A", "é/B", "C")] for day in range(-10, 30)]
DAY, WEEK = Layout("day"), Layout("week")


@pytest.fixture
def made(product: Make) -> lakehouse.Product:
    return product([row for rows in ROWS for row in rows])


def test_each_layout_makes_the_files_that_it_says(made: lakehouse.Product) -> None:
    layouts = [DAY, WEEK, Layout("none", "identity"), Layout("year", "bucket(2)")]
    trial = try_layouts(made.state(), layouts)

    assert (trial.rows, trial.symbols, trial.days) == (120, 3, 40)
    assert [each.layout for each in trial.measured] == list(map(str, layouts))
    assert [each.files for each in trial.measured][:3] == [40, 6, 3]
    for each in trial.measured:
        assert each.bytes_per_row == each.size / 120
        assert min(each.symbol_ms, each.symbol_day_ms, each.day_ms, each.scan_ms, each.write_ms) > 0


def test_a_sample_is_of_the_newest_days(made: lakehouse.Product) -> None:
    trial = try_layouts(made.state(), [WEEK], rows=30)

    assert 0 < trial.rows <= 60
    assert trial.symbols == 3
    assert trial.days <= 20


def test_where_one_day_is_too_much_some_symbols_are_taken(product: Make) -> None:
    made = product([(f"S{number:03}", 0, 1) for number in range(100)])
    trial = try_layouts(made.state(), [DAY], rows=10)

    assert (trial.rows, trial.symbols, trial.days) == (10, 10, 1)


def test_layouts_of_too_many_files_are_left_out(
    made: lakehouse.Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout_trial, "MOST_FILES", 10)
    trial = try_layouts(made.state(), [DAY, WEEK])

    assert [each.layout for each in trial.measured] == [str(WEEK)]
    assert trial.left_out == (str(DAY),)


def test_questions_ask_for_the_rows_that_they_name(made: lakehouse.Product, monkeypatch: Any) -> None:
    asked: list[Any] = []
    real = layout_trial._timed

    def noted(state: Any, folder: Any, question: Any) -> float:
        jobs: list[Any] = []
        with ExitStack() as stack:
            for file, groups in layout_trial._jobs(state, folder, question, stack):
                jobs.append(file.read(question.columns, groups=groups).num_rows)
        asked.append(sum(jobs))
        return real(state, folder, question)

    monkeypatch.setattr(layout_trial, "_timed", noted)
    try_layouts(made.state(), [Layout("day", "identity")])
    assert asked == [40, 1, 3, 120]


def test_files_that_overlap_are_read_in_order(product: Make) -> None:
    made = product(*ROWS[:3], *ROWS[:3])
    assert try_layouts(made.state(), [WEEK]).rows == 18


def test_a_lost_file_is_an_error(lake: lakehouse.Lake, made: lakehouse.Product) -> None:
    Path(lake.url, made.state().files[0].path).unlink()
    with pytest.raises(IntegrityError, match="missing"):
        try_layouts(lakehouse.open(lake.url)[str(made.name)].state(), [WEEK])


def test_a_product_without_symbols(lake: lakehouse.Lake) -> None:
    times = pl.Series(range(10), dtype=pl.Int64).cast(pl.Datetime("ns", "UTC"))
    made = lake.create("a.b", like=pl.DataFrame({"time": times, "flag": [True] * 10}), key=["time"])
    made.append(pl.DataFrame({"time": times, "flag": [True] * 10}))
    trial = try_layouts(made.state(), [DAY, Layout("none")])

    assert (trial.rows, trial.symbols, trial.days, len(trial.measured)) == (10, 1, 1, 2)
