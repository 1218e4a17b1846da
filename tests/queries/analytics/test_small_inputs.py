"""Small inputs never pay for numba's start."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
from datetime import date, timedelta
import polars as pl
from lakehouse import analytics

days = [date(2024, 1, 2) + timedelta(days=day) for day in range(50)]
bars = pl.DataFrame({"day": days, "close": [float(day % 7 + 1) for day in range(50)]})
two = pl.concat([bars.with_columns(symbol=pl.lit(name)) for name in "AB"])
sides = ["bid", "ask"] * 25
levels = pl.DataFrame({"day": days, "side": sides, "price": [1.0, 2.0] * 25, "size": [1.0] * 50})
statistics = ("mean", "std", "zscore", "min", "max")
made = [
    *(analytics.rolling(two, "close", 5, statistic) for statistic in statistics),
    analytics.rolling(two, "close", 5, "quantile", quantile=0.5),
    analytics.rolling(two, "close", 5, "beta", other="close"),
    analytics.volatility(two),
    analytics.returns(two),
    analytics.ewma(two, "close", alpha=0.1),
    analytics.drawdown(two),
    analytics.correlation(two),
    analytics.covariance(two),
    analytics.order_book(None, levels),
]
print(sum(each.read().num_rows > 0 for each in made), len(made), "numba" in sys.modules)
"""


def test_no_function_loads_numba_for_a_few_rows() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert (done.stdout.split(), done.stderr) == (["14", "14", "False"], "")
