"""The demo's backtest equals a slow one written as a trader would say it, and repeats itself bit for bit."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.demo.backtest import COST_PER_TURNOVER, Rule, run_backtest
from lakehouse.errors import ArgumentError

RULE = Rule(fast=2, slow=4)


def frame(prices: np.ndarray) -> pd.DataFrame:
    days = pd.date_range("2024-01-01", periods=len(prices), name="date")
    return pd.DataFrame(prices, index=days, columns=[f"S{column}" for column in range(prices.shape[1])])


def slow_equity(prices: np.ndarray, rule: Rule) -> list[float]:
    """Go through the days one at a time."""
    equity, money, held = [], 1.0, [0.0] * prices.shape[1]
    for day in range(len(prices)):
        target = weights_for(prices[:day], rule)
        changes = [prices[day, s] / prices[day - 1, s] - 1 if target[s] else 0.0 for s in range(len(target))]
        turnover = sum(abs(new - old) for new, old in zip(target, held, strict=True))
        gain = sum(weight * change for weight, change in zip(target, changes, strict=True))
        money *= 1 + gain - COST_PER_TURNOVER * turnover
        held = target
        equity.append(money)
    return equity


def weights_for(known: np.ndarray, rule: Rule) -> list[float]:
    """Return what to hold, given the prices up to yesterday."""
    listed = [
        s
        for s in range(known.shape[1])
        if len(known) >= rule.slow and not np.isnan(known[-rule.slow :, s]).any()
    ]
    rising = [s for s in listed if known[-rule.fast :, s].mean() > known[-rule.slow :, s].mean()]
    return [1 / len(listed) if s in rising else 0.0 for s in range(known.shape[1])]


@given(st.integers(0, 10_000))
def test_equity_equals_the_day_by_day_account(seed: int) -> None:
    random = np.random.default_rng(seed)
    prices = 100 * np.exp(np.cumsum(random.normal(0, 0.02, (40, 3)), axis=0))
    prices[: int(random.integers(0, 20)), 1] = np.nan  # a later listing
    assert run_backtest(frame(prices), RULE).equity.tolist() == pytest.approx(slow_equity(prices, RULE))


def test_same_prices_give_the_same_bits() -> None:
    prices = 100 + np.random.default_rng(1).normal(0, 1, (50, 2))
    assert run_backtest(frame(prices), RULE).fingerprint == run_backtest(frame(prices), RULE).fingerprint


def test_signal_of_today_trades_tomorrow() -> None:
    """A jump on the last day can not be earned by a position that it caused."""
    prices = np.full((10, 1), 100.0)
    prices[-1] = 200.0
    assert run_backtest(frame(prices), RULE).equity[-1] == 1.0


def test_early_price_does_not_change_late_signals() -> None:
    prices = 100 + np.random.default_rng(2).normal(0, 1, (60, 1))
    other = prices.copy()
    other[:5] *= 1.0000001
    late = slice(20, None)
    np.testing.assert_array_equal(
        run_backtest(frame(prices), RULE).held[late], run_backtest(frame(other), RULE).held[late]
    )


def test_missing_bar_keeps_the_position() -> None:
    prices = np.array([[100.0], [101], [102], [103], [104], [np.nan], [106]])
    assert run_backtest(frame(prices), RULE).held[:, 0].tolist() == [False] * 4 + [True] * 3


def test_rule_fits_the_history() -> None:
    assert (Rule.fitting(5000), Rule.fitting(40)) == (Rule(20, 100), Rule(2, 10))
    with pytest.raises(ArgumentError, match="A backtest on 19 bars"):
        Rule.fitting(19)


def test_yearly_figures_need_a_year() -> None:
    run = run_backtest(frame(100 + np.random.default_rng(3).normal(0, 1, (30, 1))), RULE)
    assert math.isnan(run.growth)
    assert math.isnan(run.sharpe)
