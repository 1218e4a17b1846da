"""Where a range is cut changes nothing: what the parts count is what the whole counts."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import lakehouse
from lakehouse import Rule
from lakehouse.queries.ends import read_before
from lakehouse.times import to_nanoseconds

NAME = "market_data.bars"
START = datetime(2024, 1, 1, tzinfo=UTC)
RULES = (
    Rule("spike", "spike", ("price",), {"window": 4, "threshold": 3}, "warn"),
    Rule("stale", "stale", ("price",), {"max_rows": 2}, "warn"),
    Rule("jump", "jump", ("price",), {"max_change": 0.3}, "warn"),
    Rule("gap", "gap", (), {"max_gap": "2d"}, "warn"),
    Rule("session", "gap", (), {"max_gap": "1d", "calendar": "mon-fri 09:00-17:00 UTC"}, "warn"),
    Rule("twice", "spacing", ("dividend",), {"min_gap": "5d"}, "warn"),
    Rule("adjusted", "adjusted", ("price", "adjusted", "dividend"), {}, "warn"),
    Rule("round", "sql", (), {"expression": "price % 2 = 0"}, "warn"),
)


def rows(seed: int) -> pl.DataFrame:
    """Return rows of three symbols over half a year, some without a price."""
    random = np.random.default_rng(seed)
    hours = np.sort(random.choice(24 * 180, 240, replace=False))
    price = random.choice([2.0, 2.0, 3.0, 4.0, 4.0, 5.0, 20.0], 240)
    return pl.DataFrame(
        {
            "symbol": random.choice(["A", "B", "C"], 240),
            "time": [START + timedelta(hours=int(hour)) for hour in hours],
            "price": pl.Series(np.where(random.random(240) < 0.1, np.nan, price)).fill_nan(None),
            "adjusted": price,
            "dividend": random.choice([0.0, 0.0, 0.0, 1.0], 240),
        }
    )


@pytest.fixture(scope="module", params=range(3))
def product(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> lakehouse.Product:
    """Give a product whose rows came in several commits, in any order."""
    folder: Path = tmp_path_factory.mktemp("ranges")
    lake, frame = lakehouse.open(folder / "lake", create=True), rows(request.param)
    layout = "date=month,symbol=row_groups"
    product = lake.create(NAME, like=frame, key=("symbol", "time"), layout=layout, rules=RULES)
    shuffled = frame.sample(fraction=1.0, shuffle=True, seed=request.param)
    for part in range(4):
        product.append(shuffled[part * 60 : (part + 1) * 60])
    return product


def counts(product: lakehouse.Product, start: datetime | None, end: datetime | None) -> Counter[str]:
    report = lakehouse.open(product.table.store.url).quality(NAME, start=start, end=end, record=False)
    found = Counter({each.rule: each.stored for each in report.failures})
    return found + Counter({"": report.failed, "rows": report.rows})


@pytest.mark.parametrize("day", [0, 1, 45, 90, 91, 150, 180])
def test_two_ranges_count_what_both_together_count(product: lakehouse.Product, day: int) -> None:
    cut = START + timedelta(days=day, hours=7)
    assert counts(product, None, cut) + counts(product, cut, None) == counts(product, None, None)


@pytest.mark.parametrize("count", [1, 3, 50])
@pytest.mark.parametrize("day", [0, 20, 60, 179])
def test_the_rows_before_an_instant_are_the_last_ones(
    product: lakehouse.Product, day: int, count: int
) -> None:
    instant = START + timedelta(days=day)
    state, columns = product.state(), product.schema.names
    found = read_before(state, to_nanoseconds(instant), count, symbols=None, columns=columns).to_polars()
    before = product.read(end=instant).to_polars() if day else product.read().to_polars().head(0)
    for symbol in ("A", "B", "C"):
        mine, every = found.filter(symbol=symbol), before.filter(symbol=symbol)
        assert mine.height >= min(count, every.height)
        assert mine.equals(every.tail(mine.height))
