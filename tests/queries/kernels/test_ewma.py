"""Exponentially weighted statistics against pandas."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.queries.kernels.ewma import MEAN, SQUARE, VARIANCE, ewma, start_ewma

Floats = npt.NDArray[np.float64]


def run(values: Floats, statistic: int, alpha: float = 0.2, cuts: tuple[int, ...] = ()) -> Floats:
    state, out = start_ewma(1), np.full(len(values), 99.0)
    for start, end in zip((0, *cuts), (*cuts, len(values)), strict=True):
        ewma(np.array([start, end]), values, alpha, statistic, state, out)
    return out


def pandas_ewma(values: Floats, statistic: int, alpha: float = 0.2) -> Floats:
    series = pd.Series(values**2 if statistic == SQUARE else values)
    weighted = series.ewm(alpha=alpha, adjust=False, ignore_na=True)
    result = weighted.var(bias=True) if statistic == VARIANCE else weighted.mean()
    return result.mask(series.isna()).to_numpy()


@pytest.mark.parametrize("statistic", [MEAN, SQUARE, VARIANCE])
@pytest.mark.parametrize("gaps", [0.0, 0.2])
@pytest.mark.parametrize("alpha", [0.06, 0.5, 1.0])
def test_it_is_what_pandas_says(statistic: int, gaps: float, alpha: float) -> None:
    random = np.random.default_rng(3)
    values = random.normal(size=200)
    values[random.random(200) < gaps] = np.nan
    np.testing.assert_allclose(
        run(values, statistic, alpha), pandas_ewma(values, statistic, alpha), rtol=1e-9, atol=1e-15
    )


@pytest.mark.parametrize("statistic", [MEAN, SQUARE, VARIANCE])
def test_two_batches_are_one_wherever_they_are_cut(statistic: int) -> None:
    values = np.random.default_rng(4).normal(size=20)
    values[[0, 7, 8]] = np.nan
    for cut in range(21):
        np.testing.assert_array_equal(run(values, statistic, cuts=(cut,)), run(values, statistic))


@pytest.mark.parametrize("statistic", [MEAN, SQUARE, VARIANCE])
@pytest.mark.parametrize("values", [[], [np.nan], [np.nan, np.inf, -np.inf]])
def test_nothing_to_weigh_is_nan(statistic: int, values: list[float]) -> None:
    result = run(np.array(values), statistic)
    assert result.shape == (len(values),)
    assert np.isnan(result).all()


@given(st.lists(st.floats(-1e3, 1e3, width=32) | st.just(float("nan")), max_size=25), st.floats(0.01, 1.0))
def test_any_series(values: list[float], alpha: float) -> None:
    series = np.array(values, np.float64)
    for statistic in (MEAN, SQUARE, VARIANCE):
        np.testing.assert_allclose(
            run(series, statistic, alpha), pandas_ewma(series, statistic, alpha), rtol=1e-7, atol=1e-6
        )


def test_symbols_keep_their_own_state() -> None:
    values = np.array([1.0, 2.0, 10.0, 20.0, 3.0, 30.0])
    state, out = start_ewma(2), np.empty(6)
    ewma(np.array([0, 2, 4]), values, 0.5, MEAN, state, out)
    ewma(np.array([4, 5, 6]), values, 0.5, MEAN, state, out)
    np.testing.assert_array_equal(out[[0, 1, 4]], run(np.array([1.0, 2.0, 3.0]), MEAN, 0.5))
    np.testing.assert_array_equal(out[[2, 3, 5]], run(np.array([10.0, 20.0, 30.0]), MEAN, 0.5))


@pytest.mark.parametrize("statistic", [MEAN, SQUARE, VARIANCE])
def test_compiled_or_not_the_answer_is_the_same(statistic: int) -> None:
    values = np.random.default_rng(5).normal(size=50)
    values[[3, 9]] = np.nan, np.inf
    found = []
    for form in ("plain", "compiled"):
        out = np.empty(50)
        getattr(ewma, form)(np.array([0, 20, 50]), values, 0.1, statistic, start_ewma(2), out)
        found.append(out)
    np.testing.assert_allclose(found[0], found[1], rtol=1e-13)
