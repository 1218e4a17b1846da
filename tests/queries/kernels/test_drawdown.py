"""Drawdown against pandas' running maximum."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.queries.kernels.drawdown import drawdown, start_drawdown

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


def run(
    values: Floats, times: Integers | None = None, cuts: tuple[int, ...] = ()
) -> tuple[Floats, Floats, Integers]:
    times = np.arange(len(values)) * 10 if times is None else times
    peak, peak_time = start_drawdown(1)
    out: tuple[Floats, Floats, Integers] = (
        np.empty(len(values)),
        np.empty(len(values)),
        np.empty(len(values), np.int64),
    )
    for start, end in zip((0, *cuts), (*cuts, len(values)), strict=True):
        drawdown(np.array([start, end]), times, values, peak, peak_time, *out)
    return out


def test_below_the_peak_and_since_when() -> None:
    fall, peaks, durations = run(np.array([4.0, 8.0, 6.0, 8.0, 2.0]), np.array([0, 7, 9, 20, 50]))
    assert fall.tolist() == [0.0, 0.0, -0.25, 0.0, -0.75]
    assert peaks.tolist() == [4.0, 8.0, 8.0, 8.0, 8.0]
    assert durations.tolist() == [0, 0, 2, 0, 30]


def test_a_row_of_nan_keeps_the_peak() -> None:
    fall, peaks, durations = run(np.array([np.nan, 4.0, np.nan, 2.0]))
    np.testing.assert_array_equal(fall, [np.nan, 0.0, np.nan, -0.5])
    np.testing.assert_array_equal(peaks, [np.nan, 4.0, 4.0, 4.0])
    assert durations.tolist() == [-1, 0, 10, 20]


@given(st.lists(st.floats(0.01, 1e6) | st.just(float("nan")), max_size=30), st.data())
def test_any_series_in_any_batches(values: list[float], data: st.DataObject) -> None:
    series = np.array(values, np.float64)
    cuts = tuple(sorted(data.draw(st.lists(st.integers(0, len(values)), max_size=3))))
    fall, peaks, durations = run(series, cuts=cuts)
    expected = pd.Series(series).cummax().ffill().to_numpy()
    np.testing.assert_array_equal(peaks, expected)
    np.testing.assert_array_equal(fall, series / expected - 1.0)
    for row in range(len(series)):
        at = [past for past in range(row + 1) if series[past] == expected[row]]
        assert durations[row] == (10 * (row - at[-1]) if at else -1)


def test_a_peak_of_zero_has_no_drawdown_and_no_rows_give_none() -> None:
    assert np.isnan(run(np.array([0.0, -1.0]))[0]).all()
    assert [len(column) for column in run(np.empty(0))] == [0, 0, 0]


def test_compiled_or_not_the_answer_is_the_same() -> None:
    values = np.random.default_rng(5).normal(size=50)
    values[[0, 3, 9, 20]] = np.nan
    found = []
    for form in ("plain", "compiled"):
        out = np.empty(50), np.empty(50), np.empty(50, np.int64)
        getattr(drawdown, form)(np.array([0, 20, 50]), np.arange(50), values, *start_drawdown(2), *out)
        found.append(out)
    for plain, fast in zip(*found, strict=True):
        np.testing.assert_array_equal(plain, fast)
