"""The pivot and the co-moments against pandas."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.queries.kernels.comoments import CoMoments
from lakehouse.queries.kernels.pivot import LOG_RETURN, RETURN, VALUE, pivot_block

Floats = npt.NDArray[np.float64]
Rows = list[list[tuple[int, float]]]

CODES = {"value": VALUE, "return": RETURN, "log_return": LOG_RETURN}
Of = Literal["value", "return", "log_return"]


def run(
    symbols: Rows, of: Of, *, forward: bool, cut: int = 10**9, form: str | None = None
) -> tuple[Floats, CoMoments, Floats]:
    """Pivot in two blocks of times and give the matrix, its moments, and the shifts."""
    count = len(symbols)
    offsets = np.cumsum([0, *map(len, symbols)])
    times = np.array([time for rows in symbols for time, _ in rows], np.int64)
    values = np.array([value for rows in symbols for _, value in rows], np.float64)
    grid = np.unique(times)
    cursors, last, shift = offsets[:-1].copy(), np.full(count, np.nan), np.full(count, np.nan)
    moments, blocks = CoMoments(count), []
    kernel = pivot_block if form is None else getattr(pivot_block, form)
    for part in (grid[grid < cut], grid[grid >= cut]):
        sums, astray, missing = np.zeros(count), np.zeros(count, np.int64), np.zeros(count, np.int64)
        out = np.empty((count, len(part)))
        kernel(
            cursors,
            offsets[1:],
            times,
            values,
            part,
            CODES[of],
            forward,
            last,
            shift,
            sums,
            astray,
            missing,
            out,
        )
        assert astray.sum() == 0
        assert missing.tolist() == np.isnan(out).sum(axis=1).tolist()
        np.testing.assert_allclose(sums, np.nansum(out, axis=1), rtol=1e-9, atol=1e-9)
        blocks.append(out.copy())
        moments.add(out, sums, missing)
    return np.concatenate(blocks, axis=1), moments, shift


def wide(symbols: Rows, of: Of, *, forward: bool) -> pd.DataFrame:
    columns = {
        position: pd.Series({time: value for time, value in rows if value == value}, dtype="float64")
        for position, rows in enumerate(symbols)  # the last of a time counts
    }
    times = sorted({time for rows in symbols for time, _ in rows})
    frame = pd.DataFrame(columns, index=times)
    frame = frame.ffill() if forward else frame
    if of == "value":
        return frame
    ratio = frame / frame.shift(1)
    changed = ratio - 1.0 if of == "return" else ratio.apply(np.log)
    return changed.replace([np.inf, -np.inf], np.nan)


def sample(symbols: int, rows: int, gaps: float, seed: int = 0) -> Rows:
    random = np.random.default_rng(seed)
    walk = 100 * np.exp(np.cumsum(random.normal(0, 0.01, (symbols, rows)), axis=1))
    kept = random.random((symbols, rows)) >= gaps
    return [
        [(time, float(walk[symbol, time])) for time in range(rows) if kept[symbol, time]]
        for symbol in range(symbols)
    ]


@pytest.mark.parametrize("of", ["value", "return", "log_return"])
@pytest.mark.parametrize("forward", [True, False])
@pytest.mark.parametrize("gaps", [0.0, 0.2])
@pytest.mark.parametrize("cut", [0, 1, 37, 100])
def test_it_is_what_pandas_says(of: Of, forward: bool, gaps: float, cut: int) -> None:
    symbols = sample(5, 100, gaps)
    matrix, moments, shift = run(symbols, of, forward=forward, cut=cut)
    expected = wide(symbols, of, forward=forward)
    np.testing.assert_allclose(matrix + shift[:, None], expected.to_numpy().T, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(moments.covariance(), expected.cov(), rtol=1e-9)
    np.testing.assert_allclose(moments.correlation(), expected.corr(), rtol=1e-9)
    there = expected.notna().astype(float)
    np.testing.assert_array_equal(moments.counts(), there.T @ there)


steps = st.lists(st.tuples(st.integers(0, 12), st.floats(1.0, 9.0, width=16) | st.just(np.nan)), max_size=12)


@given(symbols=st.lists(steps, min_size=1, max_size=4), forward=st.booleans(), cut=st.integers(0, 13))
def test_any_rows_in_two_blocks(symbols: Rows, forward: bool, cut: int) -> None:
    symbols = [sorted(rows, key=lambda row: row[0]) for rows in symbols]
    matrix, moments, shift = run(symbols, "return", forward=forward, cut=cut)
    expected = wide(symbols, "return", forward=forward)
    np.testing.assert_allclose(
        matrix + np.nan_to_num(shift[:, None]),
        expected.to_numpy().T.reshape(matrix.shape),
        rtol=1e-12,
        atol=1e-12,
    )
    if expected.size:
        np.testing.assert_allclose(moments.covariance(), expected.cov(), rtol=1e-7, atol=1e-9)


def test_a_nan_leaves_the_value_before_only_when_filling_forward() -> None:
    rows: Rows = [[(0, 1.0), (1, np.nan), (2, 3.0)]]
    np.testing.assert_array_equal(run(rows, "value", forward=True)[0], [[0.0, 0.0, 2.0]])
    np.testing.assert_array_equal(run(rows, "value", forward=False)[0], [[0.0, np.nan, 2.0]])


def test_a_level_far_from_zero_loses_no_digits() -> None:
    """The shift by a power of two is exact, so the covariances must be those near zero."""
    near = np.round(np.random.default_rng(2).normal(size=(3, 4000)) * 1024) / 1024
    rows: Rows = [[(time, float(value + 2.0**40)) for time, value in enumerate(line)] for line in near]
    _, moments, _ = run(rows, "value", forward=True, cut=1000)
    np.testing.assert_allclose(moments.covariance(), np.cov(near), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(moments.correlation(), np.corrcoef(near), rtol=1e-9, atol=1e-12)


def test_a_symbol_that_never_moves_is_correlated_with_none() -> None:
    rows = sample(2, 20, 0.0)
    rows[1] = [(time, 0.1) for time in range(20)]
    result = run(rows, "value", forward=True)[1].correlation()
    assert result[0, 0] == pytest.approx(1.0)
    assert np.isnan([result[0, 1], result[1, 0], result[1, 1]]).all()


def test_rows_between_the_times_of_the_grid_are_counted() -> None:
    astray = np.zeros(1, np.int64)
    out = np.empty((1, 2))
    last, shift, sums, missing = np.full(1, np.nan), np.full(1, np.nan), np.zeros(1), np.zeros(1, np.int64)
    pivot_block(
        np.zeros(1, np.int64), np.array([3]), np.array([0, 4, 5]), np.array([1.0, 2.0, 3.0]),
        np.array([0, 5]),
        VALUE, True, last, shift, sums, astray, missing, out,
    )  # fmt: skip
    assert astray.tolist() == [1]


@pytest.mark.parametrize("of", ["value", "return", "log_return"])
@pytest.mark.parametrize("forward", [True, False])
def test_compiled_or_not_the_answer_is_the_same(of: Of, forward: bool) -> None:
    symbols = sample(3, 40, 0.2)
    with np.errstate(all="ignore"):
        plain, fast = (
            run(symbols, of, forward=forward, cut=20, form=form)[0] for form in ("plain", "compiled")
        )
    np.testing.assert_allclose(plain, fast, rtol=1e-13, atol=1e-16)


@pytest.mark.parametrize("gaps", [0.0, 0.3])
@pytest.mark.parametrize("columns", [[1, 63, 64], [200], [65, 128, 7]])
def test_products_in_tiles_are_products(gaps: float, columns: list[int]) -> None:
    """More symbols than a tile has rows, and blocks that are no whole number of tiles wide."""
    random = np.random.default_rng(7)
    moments = CoMoments(130)
    blocks: list[Floats] = []
    for count in columns:
        block = random.normal(size=(130, 256))[:, :count]
        block[(random.random(block.shape) < gaps) & (np.arange(130) % 3 == 0)[:, None]] = np.nan
        block[100:] = np.nan if gaps and not blocks else block[100:]
        blocks.append(block.copy())
        moments.add(block, np.nansum(block, axis=1), np.isnan(block).sum(axis=1))
    frame = pd.DataFrame(np.concatenate(blocks, axis=1).T)
    np.testing.assert_allclose(moments.covariance(), frame.cov(), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(moments.correlation(), frame.corr(), rtol=1e-9, atol=1e-12)
