"""Rolling kernels against pandas on each window alone; compiled or not, whole or in batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.queries.kernels.rolling_extremes import rolling_extremes, start_extremes
from lakehouse.queries.kernels.rolling_moments import DEVIATION, MEAN, SCORE, rolling_moments, start_moments
from lakehouse.queries.kernels.rolling_pairs import (
    BETA,
    CORRELATION,
    COVARIANCE,
    rolling_pairs,
    start_pairs,
)
from lakehouse.queries.kernels.rolling_quantile import rolling_quantile, start_quantile

Floats = npt.NDArray[np.float64]
Step = Callable[[npt.NDArray[np.int64], Floats, Floats], Floats]

STATISTICS = (
    "mean", "deviation", "score", "least", "greatest", "median", "high decile",
    "covariance", "correlation", "beta",
)  # fmt: skip
PAIRS = {"covariance": COVARIANCE, "correlation": CORRELATION, "beta": BETA}
MOMENTS = {"mean": MEAN, "deviation": DEVIATION, "score": SCORE}


def stepper(statistic: str, window: int, symbols: int = 1, form: str | None = None) -> Step:
    """Return a function that processes a batch, and remembers what came before.

    Args:
        statistic: one of STATISTICS.
        window: rows.
        symbols: how many.
        form: "plain" or "compiled"; None for what a caller gets.
    """
    kernel: Any
    state: tuple[Any, ...]
    extra: tuple[Any, ...]
    if statistic in MOMENTS:
        kernel, state, extra = rolling_moments, start_moments(symbols, window), (MOMENTS[statistic], 1.0)
    elif statistic in PAIRS:
        kernel, state, extra = rolling_pairs, start_pairs(symbols, window), (PAIRS[statistic],)
    elif statistic in ("least", "greatest"):
        sign = 1.0 if statistic == "least" else -1.0
        kernel, state, extra = rolling_extremes, start_extremes(symbols, window), (sign,)
    else:
        quantile = 0.5 if statistic == "median" else 0.9
        kernel, state, extra = rolling_quantile, start_quantile(symbols, window), (quantile,)

    run = kernel if form is None else getattr(kernel, form)

    def step(offsets: npt.NDArray[np.int64], values: Floats, others: Floats) -> Floats:
        out = np.full(len(values), 99.0)
        columns = (values, others) if statistic in PAIRS else (values,)
        run(offsets, *columns, window, *extra, *state, out)
        return out

    return step


def whole(statistic: str, window: int, values: Floats, others: Floats) -> Floats:
    offsets = np.array([0, len(values)])
    return stepper(statistic, window)(offsets, values, others)


def slow(statistic: str, window: int, values: Floats, others: Floats) -> Floats:
    """Each window alone, with numpy's two passes."""
    out = np.full(len(values), np.nan)
    for row in range(window - 1, len(values)):
        x, y = values[row - window + 1 : row + 1], others[row - window + 1 : row + 1]
        bad = np.isnan(x).any() or (statistic in PAIRS and np.isnan(y).any())
        out[row] = np.nan if bad else one(statistic, x, y)
    return out


def one(statistic: str, x: Floats, y: Floats) -> float:
    constant = np.ptp(x) == 0.0
    other_constant = np.ptp(y) == 0.0
    covariance = float(((x - x.mean()) * (y - y.mean())).sum() / (len(x) - 1)) if len(x) > 1 else np.nan
    match statistic:
        case "mean":
            return float(x.mean())
        case "deviation":
            return 0.0 if constant else float(x.std(ddof=1))
        case "score":
            return float("nan") if constant else float((x[-1] - x.mean()) / x.std(ddof=1))
        case "least":
            return float(x.min())
        case "greatest":
            return float(x.max())
        case "median":
            return float(np.median(x))
        case "high decile":
            return float(np.quantile(x, 0.9))
        case "covariance":
            return 0.0 if constant or other_constant else covariance
        case "correlation":
            if constant or other_constant:
                return float("nan")
            return covariance / float(x.std(ddof=1) * y.std(ddof=1))
        case _:
            return float("nan") if other_constant else covariance / float(y.var(ddof=1))


def sample(rows: int, seed: int = 0, gaps: float = 0.0) -> tuple[Floats, Floats]:
    random = np.random.default_rng(seed)
    values, others = random.normal(size=(2, rows))
    others += 0.5 * values
    values[random.random(rows) < gaps] = np.nan
    others[random.random(rows) < gaps] = np.nan
    return values, others


@pytest.mark.parametrize("statistic", STATISTICS)
@pytest.mark.parametrize("window", [2, 3, 7, 20])
@pytest.mark.parametrize("gaps", [0.0, 0.05])
def test_each_window_is_what_numpy_makes_of_it_alone(statistic: str, window: int, gaps: float) -> None:
    values, others = sample(150, gaps=gaps)
    expected = slow(statistic, window, values, others)
    assert gaps or np.isfinite(expected[window - 1 :]).all()
    np.testing.assert_allclose(whole(statistic, window, values, others), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("statistic", STATISTICS)
def test_a_gap_of_nan_ends_with_the_window(statistic: str) -> None:
    values, others = sample(60)
    values[20:33] = np.nan
    result = whole(statistic, 5, values, others)
    assert np.isnan(result[20:37]).all()
    assert np.isfinite(result[4:20]).all()
    assert np.isfinite(result[37:]).all()


@pytest.mark.parametrize("statistic", STATISTICS)
@pytest.mark.parametrize("rows", [0, 1, 4])
def test_a_series_shorter_than_the_window_is_nan_all_through(statistic: str, rows: int) -> None:
    values, others = sample(rows)
    result = whole(statistic, 5, values, others)
    assert result.shape == (rows,)
    assert np.isnan(result).all()


@pytest.mark.parametrize("statistic", ["mean", "least", "greatest", "median"])
def test_a_window_of_one_row_is_the_row_itself(statistic: str) -> None:
    values, others = sample(9, gaps=0.2)
    np.testing.assert_array_equal(whole(statistic, 1, values, others), values)


@pytest.mark.parametrize("statistic", STATISTICS)
def test_two_batches_are_one_wherever_they_are_cut(statistic: str) -> None:
    values, others = sample(40, gaps=0.05)
    expected = whole(statistic, 6, values, others)
    for cut in range(41):
        step = stepper(statistic, 6)
        head = step(np.array([0, cut]), values[:cut], others[:cut])
        tail = step(np.array([0, 40 - cut]), values[cut:], others[cut:])
        np.testing.assert_array_equal(np.concatenate([head, tail]), expected)


@pytest.mark.parametrize("statistic", STATISTICS)
def test_symbols_do_not_mix_and_need_not_be_in_every_batch(statistic: str) -> None:
    values, others = sample(90)
    step = stepper(statistic, 4, symbols=3)
    first = step(np.array([0, 10, 10, 40]), values[:40], others[:40])
    second = step(np.array([0, 20, 20, 50]), values[40:], others[40:])
    zero, two = np.r_[0:10, 40:60], np.r_[10:40, 60:90]
    result = np.concatenate([first, second])
    np.testing.assert_array_equal(result[zero], whole(statistic, 4, values[zero], others[zero]))
    np.testing.assert_array_equal(result[two], whole(statistic, 4, values[two], others[two]))


numbers = st.floats(-1e6, 1e6, width=32) | st.just(float("nan")) | st.sampled_from([0.0, 1.0, 1.0, 2.0])


@pytest.mark.parametrize("statistic", STATISTICS)
@given(pairs=st.lists(st.tuples(numbers, numbers), max_size=30), window=st.integers(2, 9), data=st.data())
def test_any_series_in_any_batches(
    statistic: str, pairs: list[tuple[float, float]], window: int, data: st.DataObject
) -> None:
    values, others = (
        np.array(column, np.float64) for column in (zip(*pairs, strict=True) if pairs else ([], []))
    )
    cuts = sorted(data.draw(st.lists(st.integers(0, len(values)), max_size=4)))
    step, parts = stepper(statistic, window), []
    for start, end in zip([0, *cuts], [*cuts, len(values)], strict=True):
        parts.append(step(np.array([0, end - start]), values[start:end], others[start:end]))
    result = np.concatenate(parts)
    np.testing.assert_array_equal(result, whole(statistic, window, values, others))
    if statistic not in (
        "score",
        "correlation",
        "beta",
    ):  # ratios of two roundings are compared above, on tame data
        scale = float(np.nanmax(np.abs(values), initial=1.0)) * float(np.nanmax(np.abs(others), initial=1.0))
        expected = slow(statistic, window, values, others)
        np.testing.assert_allclose(result, expected, rtol=1e-9, atol=1e-12 * max(scale, 1.0))


def test_infinities_count_as_missing_in_moments_and_as_numbers_in_ranks() -> None:
    values = np.array([1.0, np.inf, 2.0, 3.0, 4.0, -np.inf, 1.0])
    nan = np.nan
    np.testing.assert_array_equal(whole("mean", 2, values, values), [nan, nan, nan, 2.5, 3.5, nan, nan])
    np.testing.assert_array_equal(
        whole("least", 2, values, values), [nan, 1.0, 2.0, 2.0, 3.0, -np.inf, -np.inf]
    )
    np.testing.assert_array_equal(
        whole("greatest", 2, values, values), [nan, np.inf, np.inf, 3.0, 4.0, 4.0, 1.0]
    )


def test_a_spike_leaves_no_trace() -> None:
    """A sliding sum, or a sliding Welford, is wrong by the rounding of the spike for ever after."""
    values, others = sample(200)
    clean = whole("deviation", 10, values, others)
    values[50] = 1e15
    spiked = whole("deviation", 10, values, others)
    np.testing.assert_allclose(spiked[60:], clean[60:], rtol=1e-12)


def test_a_flat_stretch_has_no_deviation_and_no_score() -> None:
    values = np.concatenate([sample(20)[0], np.full(20, 0.1)])
    assert (whole("deviation", 5, values, values)[24:] == 0.0).all()
    assert np.isnan(whole("score", 5, values, values)[24:]).all()
    assert np.isnan(whole("correlation", 5, values, values)[24:]).all()


def test_a_million_rows_far_from_zero_do_not_drift() -> None:
    """The oracle is numpy on the same values near zero: the shift by a power of two is exact.

    What is allowed is the rounding of one window, about 1e-16 * mean / deviation, at the end as at the start.
    """
    near = np.round(np.random.default_rng(1).normal(size=1_000_000) * 1024) / 1024
    far = near + 2.0**30
    windows = np.lib.stride_tricks.sliding_window_view(near, 50)
    deviation = whole("deviation", 50, far, far)[49:]
    mean = whole("mean", 50, far, far)[49:] - 2.0**30
    for part in (slice(0, 1000), slice(500_000, 501_000), slice(-1000, None)):
        np.testing.assert_allclose(deviation[part], windows[part].std(axis=1, ddof=1), rtol=1e-6)
        np.testing.assert_allclose(mean[part], windows[part].mean(axis=1), atol=1e-6)
    np.testing.assert_allclose(deviation, pd.Series(near).rolling(50).std().to_numpy()[49:], rtol=1e-6)


@pytest.mark.parametrize("statistic", STATISTICS)
def test_compiled_or_not_the_answer_is_the_same(statistic: str) -> None:
    values, others = sample(200, gaps=0.02)
    values[7], others[90] = np.inf, -np.inf
    with np.errstate(all="ignore"):
        plain, fast = (
            stepper(statistic, 7, 2, form)(np.array([0, 80, 200]), values, others)
            for form in ("plain", "compiled")
        )
    np.testing.assert_allclose(fast, plain, rtol=1e-13, atol=1e-14)
