"""Kernels: the compiled loop gives what the plain one gives, and numba is loaded only when that pays."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from lakehouse.errors import MissingExtraError
from lakehouse.queries.kernels import averages, bars, compiled, filters, joins, passages, profiles
from lakehouse.queries.kernels.compiled import Kernel, inline, kernel
from lakehouse.times import NS_PER_DAY

Arguments = tuple[Any, ...]


def rows(seed: int, count: int = 300, symbols: int = 4) -> Arguments:
    """Make offsets, times, prices and sizes, with equal times, NaN, and a symbol without rows."""
    random = np.random.default_rng(seed)
    code = np.sort(random.choice([0, 1, 3], count))
    offsets = np.searchsorted(code, np.arange(symbols + 1)).astype(np.int64)
    times = random.integers(0, 3 * NS_PER_DAY, count)
    times -= times % (60 * 10**9)
    times = times[np.lexsort((times, code))]
    price = np.round(100 + random.normal(0, 1, count), 2)
    price[random.random(count) < 0.05] = np.nan
    return offsets, times, price, random.integers(0, 50, count).astype(np.int32)


def bar_state() -> Arguments:
    whole = [np.zeros(4, np.int64) for _ in range(3)]
    return whole[0], np.zeros((4, 4)), whole[1], whole[2]


def bar_out() -> Arguments:
    n = 304
    return (
        np.zeros(n, np.int64),
        np.zeros((4, n)),
        *(np.zeros(n, np.int64) for _ in range(2)),
        np.zeros(4, np.int64),
    )


def cells(width: int) -> Arguments:
    return np.zeros((4, width)), np.zeros(304, np.int64), np.zeros(304), np.zeros(4, np.int64)


def runs(seed: int) -> Arguments:
    offsets, times, *_ = rows(seed)
    out = np.zeros((3, 301), np.int64)
    n = averages.cell_runs.plain(offsets, times, (seed % 2) * 3600 * 10**9, 0, *out)
    return out[0, : n + 1], out[1, :n], out[2, :n]


def events(seed: int) -> Arguments:
    offsets, times, *_ = rows(seed, 60)
    return offsets, times, times + 10**13


CASES: dict[str, tuple[Any, Callable[[int], Arguments]]] = {
    "time_bars": (bars.time_bars, lambda s: (*rows(s), 3600 * 10**9, 0, *bar_state(), *bar_out())),
    "activity_bars": (
        bars.activity_bars,
        lambda s: (*rows(s), s % 3, 40.0, *bar_state(), np.zeros(4), *bar_out()),
    ),
    "imbalance_bars": (
        bars.imbalance_bars,
        lambda s: (
            *(*rows(s), s % 3, 0.1, 2, 50, *bar_state()),
            np.tile([np.nan, 0.0, 0.0, 9.0, np.nan], (4, 1)),
            *bar_out(),
        ),
    ),
    "volume_weighted": (
        averages.volume_weighted,
        lambda s: (*runs(s), *rows(s)[2:], (s % 2) * 3600 * 10**9, 0, np.zeros(4, np.int64), *cells(3)),
    ),
    "cell_runs": (
        averages.cell_runs,
        lambda s: (*rows(s)[:2], (s % 2) * 3600 * 10**9, 5, *np.zeros((3, 301), np.int64)),
    ),
    "time_weighted": (
        averages.time_weighted,
        lambda s: (*rows(s)[:3], (s % 2) * 3600 * 10**9, 0, *np.zeros((2, 4), np.int64), *cells(5)),
    ),
    "nearest_rows": (
        joins.nearest_rows,
        lambda s: (*rows(s, 90)[:2], *rows(s + 1)[:2], s % 3, s % 2 * 10**13 - 1, np.zeros(90, np.int64)),
    ),
    "gather": (
        joins.gather,
        lambda s: (rows(s)[2], np.random.default_rng(s).integers(-1, 300, 50), np.zeros(50)),
    ),
    "volume_shares": (
        profiles.volume_shares,
        lambda s: (
            *(*rows(s)[:2], rows(s)[3], NS_PER_DAY, 3600 * 10**9),
            *(np.full(4, -1), np.zeros((4, 2), np.int64), np.zeros((4, 24)), np.zeros((4, 24))),
            *(np.zeros((4, 24), np.bool_), np.zeros(4, np.int64)),
        ),
    ),
    "last_shares": (
        profiles.last_shares,
        lambda s: (
            *(np.tile([2, 20], (4, 1)), np.random.default_rng(s).random((4, 24)), np.zeros((4, 24))),
            np.zeros(4, np.int64),
        ),
    ),
    "cumulative_sums": (
        filters.cumulative_sums,
        lambda s: (
            *(rows(s)[0], rows(s)[2], [2.0, 0.02, 0.02][s % 3], s % 3, np.tile([np.nan, 0.0, 0.0], (4, 1))),
            *(np.zeros(300, np.int64), np.zeros(300, np.int64), np.zeros(4, np.int64)),
        ),
    ),
    "volume_passages": (
        passages.volume_passages,
        lambda s: (
            *(*events(s), *rows(s + 1, 3000), np.ones(60, np.bool_)),
            *(np.linspace(1, 9000, 60), np.zeros(60, np.int64), np.full(60, np.nan)),
        ),
    ),
    "barrier_touches": (
        passages.barrier_touches,
        lambda s: (
            *(*events(s), np.full(60, 0.01), np.linspace(0.001, 0.02, 60), np.ones(60), *rows(s + 1)[:3]),
            *(np.ones(60, np.bool_), np.full(60, np.nan), *np.zeros((2, 60), np.int64), np.full(60, np.nan)),
        ),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_compiled_loop_gives_what_the_plain_one_gives(name: str) -> None:
    loop, make = CASES[name]
    for seed in range(6):
        plain, machine = make(seed), make(seed)
        with np.errstate(all="ignore"):
            returned = loop.plain(*plain)
        assert loop.compiled(*machine) == returned
        before = make(seed)
        changed = False
        for mine, theirs, old in zip(plain, machine, before, strict=True):
            if isinstance(mine, np.ndarray):
                np.testing.assert_array_equal(mine, theirs)
                changed |= not np.array_equal(mine, old, equal_nan=mine.dtype.kind == "f")
        assert changed


def test_every_kernel_is_compared() -> None:
    modules = (averages, bars, filters, joins, passages, profiles)
    named = {name for module in modules for name, each in vars(module).items() if isinstance(each, Kernel)}
    assert named == set(CASES)


_SMALL = """
import sys, polars, lakehouse
from lakehouse import analytics
frame = polars.DataFrame({"symbol": ["A", "A"], "time": [0, 1], "price": [1.0, 2.0], "size": [3, 4]})
frame = frame.with_columns(polars.col("time").cast(polars.Datetime("ns", "UTC")))
assert len(analytics.time_bars(frame).read()) == 1
assert len(analytics.asof_join(frame, frame).read()) == 2
assert "numba" not in sys.modules
"""


def test_small_inputs_do_not_load_numba() -> None:
    done = subprocess.run([sys.executable, "-c", _SMALL], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


_LARGE = """
import sys
sys.modules["numba"] = None
import numpy
from lakehouse.errors import MissingExtraError
from lakehouse.queries.kernels import compiled, joins
rows = numpy.zeros(1000, numpy.int64)
assert joins.gather(numpy.ones(1), rows, numpy.zeros(1000)) == 0
try:
    compiled.prepare(10**6)
except MissingExtraError as error:
    print(error)
"""


def test_without_numba_small_inputs_run_and_large_ones_name_the_extra() -> None:
    done = subprocess.run([sys.executable, "-c", _LARGE], check=False, capture_output=True, text=True)
    assert "quant-lakehouse[kernels]" in done.stdout, done.stderr


def test_a_missing_numba_is_our_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    with pytest.raises(MissingExtraError, match="numba"):
        compiled.prepare(compiled.WORTH_COMPILING)


@inline
def _twice(value: float) -> float:
    return 2.0 * value


@kernel
def _doubled(values: Any, out: Any) -> None:
    """Double each value."""
    for i in range(len(values)):
        out[i] = _twice(values[i])


def test_an_inner_loop_is_compiled_with_its_caller() -> None:
    plain, machine = np.zeros(5), np.zeros(5)
    _doubled.plain(np.arange(5.0), plain)
    _doubled.compiled(np.arange(5.0), machine)
    assert plain.tolist() == machine.tolist() == [0.0, 2.0, 4.0, 6.0, 8.0]
    assert _doubled.__doc__ == "Double each value."


def test_division_by_zero_is_no_error_in_a_plain_loop() -> None:
    @kernel
    def divide(values: Any, out: Any) -> None:
        for i in range(len(values)):
            out[i] = values[i] / (values[i] - values[i])

    out = np.zeros(2)
    divide(np.array([1.0, 0.0]), out)
    assert np.isinf(out[0])
    assert np.isnan(out[1])
