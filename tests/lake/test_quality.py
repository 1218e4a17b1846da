"""Scores of products: what counts, where, in which range; that they are recorded once, and close a gate."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

import lakehouse
from lakehouse import Contract, Rule
from lakehouse.errors import AlreadyExistsError, ArgumentError, NotFoundError, QualityError
from lakehouse.ingest.quality import stored

NAME = "market_data.closes"
RULES = (
    Rule("real_price", "positive", ("close",)),
    Rule("jump", "jump", ("close",), {"max_change": 0.5}, "warn"),
    Rule("round_lot", "sql", (), {"expression": "volume % 100 = 0"}, "warn"),
)
DAY = date(2024, 1, 30)


def closes(prices: dict[str, list[float]], first: date = DAY) -> pl.DataFrame:
    """One row a day and symbol; the volume is 100, and 150 where the price is 7."""
    rows = [
        {
            "symbol": symbol,
            "date": first + timedelta(days=number),
            "close": price,
            "volume": 150 if price == 7 else 100,
        }
        for symbol, column in prices.items()
        for number, price in enumerate(column)
    ]
    return pl.DataFrame(rows)


def product_of(lake: lakehouse.Lake, frame: pl.DataFrame, **changes: Any) -> lakehouse.Product:
    layout = "date=month,symbol=row_groups"
    settings = {"key": ("symbol", "date"), "layout": layout, "rules": RULES} | changes
    product = lake.create(NAME, like=frame, **settings)
    product.append(frame)
    return product


def look(lake: lakehouse.Lake, **arguments: Any) -> lakehouse.QualityReport:
    return lake.quality(NAME, record=False, **arguments)


def partitions(report: lakehouse.QualityReport) -> list[tuple[Any, ...]]:
    return report.partitions.to_polars().rows()


def test_a_row_counts_once_however_many_rules_it_breaks(lake: lakehouse.Lake) -> None:
    product_of(lake, closes({"A": [20, 7, 7, 7], "B": [1, 1, 1, -1]}))
    report = look(lake)
    assert (report.stored, report.refused, report.failed, report.rows) == (7, 1, 4, 8)
    assert report.score == 0.5
    assert {each.rule: (each.level, each.stored, each.refused) for each in report.failures} == {
        "round_lot": ("warn", 3, 0),
        "jump": ("warn", 1, 0),
        "real_price": ("quarantine", 0, 1),
    }


def test_each_partition_has_a_score_of_its_own(lake: lakehouse.Lake) -> None:
    product_of(lake, closes({"A": [1, 1, 1, -1], "B": [1, 1, 7, 7]}))
    january, february = date(2024, 1, 1), date(2024, 2, 1)
    assert partitions(look(lake)) == [
        ("A", january, 2, 0, 0, 1.0),
        ("A", february, 1, 1, 1, 0.5),
        ("B", january, 2, 0, 0, 1.0),
        ("B", february, 2, 0, 2, 0.0),
    ]


def test_the_worst_partitions_come_first_and_good_ones_never(lake: lakehouse.Lake) -> None:
    product_of(lake, closes({"A": [1, 1, 1, -1], "B": [1, 1, 7, 7]}))
    assert look(lake).worst().to_polars()["symbol"].to_list() == ["B", "A"]


def test_a_range_holds_its_rows_alone(lake: lakehouse.Lake) -> None:
    product_of(lake, closes({"A": [1, 7, 1, -1, 1], "B": [1, 1, 1, 1, 1]}))
    report = look(lake, start="2024-02-01", end="2024-02-02", symbols="A")
    assert (report.stored, report.refused, report.failed) == (1, 0, 1)  # it falls from 7 to 1
    assert (report.start, report.end) == ("2024-02-01T00:00:00Z", "2024-02-02T00:00:00Z")
    assert look(lake, start="2024-02-02", end="2024-02-03").refused == 1


def test_rules_see_the_rows_before_a_range(lake: lakehouse.Lake) -> None:
    """In many files, too: what a row is compared with is the newest row before the range."""
    frame = closes({"A": [100.0] * 5, "B": [1.0] * 5})
    product = product_of(lake, frame)
    for month in range(3, 6):
        product.append(closes({"A": [100.0, 100.0], "B": [1.0, 1.0]}, date(2024, month, 1)))
    product.append(closes({"A": [1.0, 1.0], "B": [1.0, 1.0]}, date(2024, 6, 1)))
    found = look(lake, start="2024-06-01").failures
    assert [(each.rule, each.stored) for each in found] == [("jump", 1)]
    assert look(lake, start="2024-06-02").failures == ()


def test_a_rule_that_looks_back_in_time_sees_every_row_of_that_time(lake: lakehouse.Lake) -> None:
    rule = Rule("twice", "spacing", ("close",), {"min_gap": "10d"}, "warn")
    product_of(lake, closes({"A": [2, *[0] * 8, 3]}), rules=(rule,))
    assert [each.stored for each in look(lake, start="2024-02-07").failures] == [1]


@pytest.mark.parametrize("rows", [1, 3, 100])
def test_groups_of_symbols_do_not_change_the_answer(
    lake: lakehouse.Lake, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    product_of(lake, closes({name: [1, 7, 1, 1, 1] for name in "ABCDE"}))
    expected = look(lake)
    monkeypatch.setattr(stored, "ROWS_AT_ONCE", rows)
    found = look(lake)
    assert found.failures == expected.failures
    assert found.partitions.equals(expected.partitions)


def test_rows_equal_across_symbols_are_found_across_groups(
    lake: lakehouse.Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = Rule("once", "distinct", ("close",), {}, "warn")
    product_of(lake, closes({"A": [1, 2], "B": [2, 3]}), rules=(rule,))
    monkeypatch.setattr(stored, "ROWS_AT_ONCE", 1)
    assert [each.stored for each in look(lake).failures] == [1]


def test_a_replayed_row_is_refused_no_more(lake: lakehouse.Lake) -> None:
    product = product_of(lake, closes({"A": [1, -1, 1]}))
    product.quarantine.replay(1, closes({"A": [1]}, date(2024, 1, 31)))
    assert (look(lake).refused, look(lake).score) == (0, 1.0)


def test_a_row_whose_time_nobody_can_read_belongs_to_every_range(lake: lakehouse.Lake) -> None:
    frame = closes({"A": [1, 1]})
    product = product_of(lake, frame)
    product.append(frame.with_columns(date=pl.lit(None, pl.Date), symbol=pl.lit("B")))
    report = look(lake, start="2024-01-31", end="2024-02-01")
    assert partitions(report)[-1] == ("B", None, 0, 2, 2, 0.0)


@pytest.mark.parametrize("symbol", ["symbol", "kind"])
def test_a_product_without_a_time_has_one_partition_a_symbol_or_one_in_all(
    lake: lakehouse.Lake, symbol: str
) -> None:
    frame = pl.DataFrame({symbol: ["A", "B", "B", "C"], "close": [1.0, -1.0, -2.0, 1.0]})
    lake.create("fx.rates", like=frame, rules=RULES[:1]).append(frame)
    report = lake.quality("fx.rates", record=False)
    assert (report.stored, report.refused, report.score, report.newest) == (2, 2, 0.5, None)
    one = [(None, None, 2, 2, 2, 0.5)]
    each = [("A", None, 1, 0, 0, 1.0), ("B", None, 0, 2, 2, 0.0), ("C", None, 1, 0, 0, 1.0)]
    assert partitions(report) == (each if symbol == "symbol" else one)


def test_a_new_major_version_is_measured_by_itself(lake: lakehouse.Lake) -> None:
    product = product_of(lake, closes({"A": [1, -1], "B": [-1, 1]}))
    contract = product.contract
    columns = tuple(column for column in contract.schema.columns if column.name != "volume")
    schema = lakehouse.TableSchema(columns, "symbol", "date", ("symbol", "date"))
    lake.apply(Contract(contract.name, "2.0.0", schema))
    assert look(lake).rows == 0


def test_a_version_without_a_column_is_judged_by_the_newest_rules(lake: lakehouse.Lake) -> None:
    product = product_of(lake, closes({"A": [1, 1]}))
    contract = product.contract
    columns = (*contract.schema.columns, lakehouse.Column("venue", "string"))
    schema = lakehouse.TableSchema(columns, "symbol", "date", ("symbol", "date"))
    rule = Rule("has_venue", "not_null", ("venue",), {}, "warn")
    lake.apply(Contract(contract.name, "1.1.0", schema, rules=(rule,)))
    assert [(each.rule, each.stored) for each in look(lake).failures] == [("has_venue", 2)]


def test_an_empty_range_has_no_score(lake: lakehouse.Lake) -> None:
    product_of(lake, closes({"A": [1, 1]}))
    report = look(lake, last="1d")
    assert (report.score, report.rows, report.below(1.0)) == (None, 0, False)


def test_the_last_hours_end_now(lake: lakehouse.Lake) -> None:
    now = datetime.now(UTC)
    times = [now - timedelta(hours=hours) for hours in (1, 30, 60)]
    frame = pl.DataFrame({"symbol": ["A"] * 3, "time": times, "price": [1.0] * 3})
    lake.create("market_data.ticks", like=frame).append(frame)
    assert lake.quality("market_data.ticks", last="48h", record=False).stored == 2


def test_a_product_is_late_when_its_newest_row_is_older_than_promised(lake: lakehouse.Lake) -> None:
    product_of(lake, closes({"A": [1, 1]}), freshness="30d")
    assert (look(lake).late, look(lake).newest) == (True, "2024-01-31T00:00:00Z")


def test_last_comes_alone(lake: lakehouse.Lake) -> None:
    product_of(lake, closes({"A": [1]}))
    with pytest.raises(ArgumentError, match="not both"):
        look(lake, last="1d", start="2024-01-01")
    with pytest.raises(NotFoundError, match="'Z'"):
        look(lake, symbols="Z")


def test_a_measurement_is_recorded_once_for_each_version(lake: lakehouse.Lake) -> None:
    product = product_of(lake, closes({"A": [1, 7, -1]}))
    for _ in range(2):
        report = lake.quality(NAME)
    product.append(closes({"A": [1]}, date(2024, 3, 1)))
    lake.quality(NAME)
    rows = lake["quality.scores"].read(NAME).to_polars()
    assert rows.filter(scope="product").select("version", "score").rows() == [
        (1, report.score),
        (2, lake.quality(NAME, record=False).score),
    ]
    worst = rows.filter(scope="partition", version=1).select("symbol", "period", "failed")
    assert worst.rows() == [("A", date(2024, 1, 1), 1), ("A", date(2024, 2, 1), 1)]
    assert rows.filter(scope="rule", version=1)["rule"].sort().to_list() == [
        *("jump", "real_price", "round_lot")
    ]
    assert lake.quality("quality.scores", record=False).score == 1.0


def test_scores_can_be_asked_for_in_sql(lake: lakehouse.Lake) -> None:
    product_of(lake, closes({"A": [1, -1]}))
    lake.quality(NAME)
    text = "select score from quality.scores where scope = 'product' and product = $name"
    assert lake.sql(text, {"name": NAME}).to_polars().rows() == [(0.5,)]


def test_a_snapshot_below_the_minimum_is_not_published(lake: lakehouse.Lake) -> None:
    product_of(lake, closes({"A": [1, 1, 1, -1], "B": [1, 1, 1, 1]}))
    with pytest.raises(QualityError, match=r"market_data.closes version 1 scores 0.875.*A 2024-02-01"):
        lake.snapshot("q1", minimum_quality=0.9)
    assert lake.snapshots() == []
    assert lake.snapshot("q1", minimum_quality=0.875).name == "q1"


def test_a_snapshot_of_an_old_version_is_measured_at_it(lake: lakehouse.Lake) -> None:
    product = product_of(lake, closes({"A": [1, 1]}))
    product.append(closes({"A": [-1]}, date(2024, 3, 1)))
    assert lake.snapshot("good", {NAME: 1}, minimum_quality=1.0).name == "good"
    with pytest.raises(QualityError, match="version 2"):
        lake.snapshot("bad", [NAME], minimum_quality=1.0)


def test_a_taken_name_and_a_wrong_minimum_are_said_before_anything_is_measured(lake: lakehouse.Lake) -> None:
    product_of(lake, closes({"A": [-1]}))
    lake.snapshot("q1")
    with pytest.raises(AlreadyExistsError, match="q1"):
        lake.snapshot("q1", minimum_quality=1.0)
    with pytest.raises(ArgumentError, match="from 0 to 1"):
        lake.snapshot("q2", minimum_quality=99)
