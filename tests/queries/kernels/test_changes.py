"""Returns against pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.queries.kernels.changes import Of, changes

numbers = st.floats(0.01, 1e6) | st.just(float("nan"))


@pytest.mark.parametrize("of", ["value", "return", "log_return"])
@given(symbols=st.lists(st.lists(numbers, max_size=6), max_size=4), data=st.data())
def test_any_symbols_in_two_batches(of: Of, symbols: list[list[float]], data: st.DataObject) -> None:
    cuts = [data.draw(st.integers(0, len(rows))) for rows in symbols]
    last, found = np.full(len(symbols), np.nan), [np.empty(0)] * len(symbols)
    for parts in (
        [rows[:cut] for rows, cut in zip(symbols, cuts, strict=True)],
        [rows[cut:] for rows, cut in zip(symbols, cuts, strict=True)],
    ):
        offsets = np.cumsum([0, *map(len, parts)])
        values = np.array([value for part in parts for value in part], np.float64)
        result = changes(offsets, values, last, of)
        found = [
            np.concatenate([found[slot], result[offsets[slot] : offsets[slot + 1]]])
            for slot in range(len(symbols))
        ]
    for rows, result in zip(symbols, found, strict=True):
        series = pd.Series(rows, dtype="float64")
        ratio = series / series.shift(1)
        expected = {"value": series, "return": ratio - 1.0, "log_return": pd.Series(np.log(ratio))}[of]
        np.testing.assert_array_equal(result, expected.to_numpy())


def test_zero_and_negative_values_give_what_floating_point_says_and_no_warning() -> None:
    values = np.array([0.0, 1.0, -1.0, 0.0, 0.0])
    result = changes(np.array([0, 5]), values, np.full(1, np.nan), "log_return")
    np.testing.assert_array_equal(result, [np.nan, np.inf, np.nan, -np.inf, np.nan])
