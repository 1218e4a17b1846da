"""A small trend-following backtest: the same prices give the same curve, bit for bit."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lakehouse.errors import ArgumentError

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd

    Floats = npt.NDArray[np.float64]

COST_PER_TURNOVER = 0.0005
"""5 basis points of what is bought or sold"""
_FEWEST_TIMES = 20
_DAYS_PER_YEAR = 365.25


@dataclass(frozen=True, slots=True)
class Rule:
    """Hold a stock while its short moving average is above its long one."""

    fast: int
    """bars of the short average"""
    slow: int
    """bars of the long average"""

    @classmethod
    def fitting(cls, times: int) -> Rule:
        """Return the rule of 20 and 100 bars, or one in the same proportion for a history too short for it.

        Raises:
            ArgumentError: there are fewer than 20 bars.
        """
        if times < _FEWEST_TIMES:
            raise ArgumentError(f"A backtest on {times} bars says nothing; it needs {_FEWEST_TIMES} or more.")
        slow = min(100, times // 4)
        return cls(fast=max(2, slow // 5), slow=slow)


@dataclass(frozen=True)
class Backtest:
    """The result of one run."""

    times: npt.NDArray[np.datetime64]
    """(n_times,) ascending"""
    equity: Floats
    """(n_times,) value of one unit of money, after costs; starts at 1"""
    held: npt.NDArray[np.bool_]
    """(n_times, n_symbols) whether a symbol was held from the bar before to this one"""
    symbols: tuple[str, ...]
    """the columns of `held`"""

    @property
    def fingerprint(self) -> str:
        """SHA-256 over every bit of the curve: equal for equal results, and for nothing else."""
        return hashlib.sha256(np.ascontiguousarray(self.equity, dtype="<f8").tobytes()).hexdigest()

    @property
    def total_return(self) -> float:
        """From the first to the last bar."""
        return float(self.equity[-1] - 1)

    @property
    def years(self) -> float:
        """Length of the history."""
        return float((self.times[-1] - self.times[0]) / np.timedelta64(1, "D")) / _DAYS_PER_YEAR

    @property
    def growth(self) -> float:
        """Compound return a year; NaN for less than a year, or if the strategy was ruined."""
        if self.years < 1 or self.equity[-1] <= 0:
            return float("nan")
        return float(self.equity[-1] ** (1 / self.years) - 1)

    @property
    def sharpe(self) -> float:
        """Mean over standard deviation of the returns, a year, without interest; NaN where growth is."""
        returns = self.equity[1:] / self.equity[:-1] - 1
        deviation = float(returns.std())
        if deviation == 0 or math.isnan(self.growth):
            return float("nan")
        return float(returns.mean()) / deviation * math.sqrt(len(returns) / self.years)

    @property
    def drawdown(self) -> float:
        """The worst loss from a peak, a negative fraction."""
        return float((self.equity / np.maximum.accumulate(self.equity) - 1).min())


def run_backtest(wide: pd.DataFrame, rule: Rule) -> Backtest:
    """Trade each stock by the rule with an equal share of the money, one bar after its signal.

    Args:
        wide: prices, a row for each time and a column for each symbol; NaN means no trade.
        rule: when to hold a stock.
    """
    prices = wide.ffill().to_numpy(dtype=np.float64)
    slow = _moving_average(prices, rule.slow)
    signal = _moving_average(prices, rule.fast) > slow
    share = 1 / np.maximum(1, np.isfinite(slow).sum(axis=1, keepdims=True))
    weights = np.zeros_like(prices)
    weights[1:] = (signal * share)[:-1]
    gains = (weights * _returns(prices)).sum(axis=1)
    turnover = np.abs(np.diff(weights, axis=0, prepend=0.0)).sum(axis=1)
    equity = np.cumprod(1 + gains - COST_PER_TURNOVER * turnover)
    symbols = tuple(str(symbol) for symbol in wide.columns)
    return Backtest(_naive_utc(wide.index), equity, weights > 0, symbols)


def _moving_average(prices: Floats, bars: int) -> Floats:
    """Return the mean of the last `bars` prices, NaN until there are so many.

    NOTE: each window is summed on its own. A running sum would be quicker, but it drags the rounding of every
    earlier price along: a correction of 2001 would change the signals of 2013 by a hair.
    """
    means = np.full_like(prices, np.nan)
    means[bars - 1 :] = np.lib.stride_tricks.sliding_window_view(prices, bars, axis=0).mean(axis=-1)
    return means


def _returns(prices: Floats) -> Floats:
    """Return the change since the bar before; 0 where there was no price."""
    ratios = np.ones_like(prices)
    np.divide(prices[1:], prices[:-1], out=ratios[1:], where=prices[:-1] > 0)
    return ratios - 1


def _naive_utc(index: pd.Index) -> npt.NDArray[np.datetime64]:
    times: npt.NDArray[np.datetime64] = np.asarray(index.to_numpy(), dtype="datetime64[ns]")
    return times
