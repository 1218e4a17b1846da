"""Folders of pysystemtrade and freqtrade by name, against the counts of the data's own notes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

import lakehouse
from lakehouse.errors import ArgumentError, SourceError
from lakehouse.ingest.sources import Source
from lakehouse.times import Interval

Locate = Callable[[str], Path]


def read_all(source: Source, symbols: list[str] | None = None) -> pl.DataFrame:
    contract = source.contract()
    assert contract is not None
    chunks = source.chunks(contract.schema, symbols, Interval())
    frame = pl.concat([pl.DataFrame(source.read(chunk, contract.schema)) for chunk in chunks])
    assert frame.columns == list(contract.schema.names)
    return frame


def near(one: pl.Series, other: pl.Series, tolerance: float) -> bool:
    """Say whether two columns are equal but for rounding."""
    return bool(((one - other).abs() < tolerance).all())


def test_adjusted_prices_follow_from_multiple_prices(shared_data: Locate) -> None:
    """Panama: at a roll, all that came before moves by the distance of the two contracts."""
    place = f"pysystemtrade:{shared_data('pysystemtrade')}"
    multiple = read_all(lakehouse.sources.open(f"{place}/multiple_prices_csv"), ["GOLD_micro"])
    adjusted = read_all(lakehouse.sources.open(f"{place}/adjusted_prices_csv"), ["GOLD_micro"])
    rolled = pl.col("price_contract") != pl.col("price_contract").shift(1)
    step = pl.when(rolled).then((pl.col("forward") - pl.col("price")).shift(1)).otherwise(0.0).fill_null(0.0)
    later = multiple.with_columns(step.alias("step")).with_columns(
        made=pl.col("price") + pl.col("step").sum() - pl.col("step").cum_sum()
    )
    both = later.join(adjusted, on="time", suffix="_adjusted")
    assert both.height == adjusted.height
    assert both["made"].is_null().equals(both["price_adjusted"].is_null())
    assert near(both["made"].drop_nulls(), both["price_adjusted"].drop_nulls(), 1e-8)


def test_both_folders_of_futures_hold_32_instruments(shared_data: Locate) -> None:
    place = f"pysystemtrade:{shared_data('pysystemtrade')}"
    assert len(lakehouse.sources.open(f"{place}/multiple_prices_csv").symbols()) == 32
    assert len(lakehouse.sources.open(f"{place}/fx_prices_csv").symbols()) == 12


def test_corn_has_8587_missing_prices_and_its_rolls_are_read(shared_data: Locate) -> None:
    place = f"pysystemtrade:{shared_data('pysystemtrade')}"
    corn = read_all(lakehouse.sources.open(f"{place}/multiple_prices_csv"), ["CORN"])
    assert corn["price"].null_count() == 8587
    rolls = read_all(lakehouse.sources.open(f"{place}/roll_calendars_csv"), ["CORN"])
    assert rolls["current_contract"].to_list()[1:] == rolls["next_contract"].to_list()[:-1]


def test_negative_prices_are_no_defect(shared_data: Locate, tmp_path: Path) -> None:
    lake = lakehouse.open(tmp_path / "lake", create=True)
    place = f"pysystemtrade:{shared_data('pysystemtrade')}/adjusted_prices_csv"
    lake.create("futures.adjusted", like=lakehouse.sources.open(place))
    report = lake.backfill("futures.adjusted", place, symbols=["CRUDE_W_mini"])
    assert (report.failures, report.quarantined) == ((), 0)
    prices = lake["futures.adjusted"].read(columns=["price"]).to_polars()["price"]
    assert int((prices < 0).sum()) == 2616


def test_another_folder_is_refused_with_the_choices(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"(?s)Not a folder of pysystemtrade.*multiple_prices_csv"):
        lakehouse.sources.open(f"pysystemtrade:{tmp_path}")


def test_trades_are_equal_in_every_format(shared_data: Locate) -> None:
    place = f"freqtrade:{shared_data('freqtrade')}"
    frames = [
        read_all(lakehouse.sources.open(place, form="trades", format=name))
        for name in ("feather", "parquet", "json.gz")
    ]
    assert frames[0].height == 12_477
    assert frames[0].equals(frames[2])
    assert frames[1]["type"].unique().to_list() == ["None"]  # the writer of this file made null a word
    assert frames[0].drop("type").equals(frames[1].drop("type"))
    assert frames[0]["symbol"].unique().to_list() == ["XRP/ETH"]


def test_trades_are_the_706_bars_of_five_minutes(shared_data: Locate) -> None:
    place = f"freqtrade:{shared_data('freqtrade')}"
    trades = read_all(lakehouse.sources.open(f"{place}?form=trades&format=feather"))
    bars = read_all(lakehouse.sources.open(f"{place}?form=5m"), ["XRP/ETH"])
    step = 300_000_000_000
    start = (pl.col("time").dt.epoch("ns") // step * step).cast(pl.Datetime("ns")).dt.replace_time_zone("UTC")
    made = trades.group_by(start, maintain_order=True).agg(
        *(pl.first("price").alias("open"), pl.max("price").alias("high")),
        *(pl.min("price").alias("low"), pl.last("price").alias("close"), pl.sum("size").alias("made")),
    )
    both = made.join(bars, on=["time", "open", "high", "low", "close"])
    assert both.height == made.height == 706
    assert near(both["made"], both["volume"], 1e-9)


def test_bars_of_feather_and_json_are_equal(shared_data: Locate) -> None:
    place = f"freqtrade:{shared_data('freqtrade')}?form=1m"
    json = read_all(lakehouse.sources.open(f"{place}&format=json.gz"))
    feather = read_all(lakehouse.sources.open(f"{place}&format=feather"), ["UNITTEST/BTC"])
    assert json.height == 13_681
    assert json.select("symbol", "time").equals(feather.select("symbol", "time"))
    prices, others = json.drop("symbol", "time"), feather.drop("symbol", "time")
    assert all(
        near(prices[name] / others[name], prices[name] / prices[name], 1e-15) for name in prices.columns
    )
    # Their own writers differ in the last bit: 0.00162 and 0.0016200000000000001.


def test_funding_rates_are_rates_and_marks_have_no_volume(shared_data: Locate) -> None:
    place = f"freqtrade:{shared_data('freqtrade')}/futures"
    rates = read_all(lakehouse.sources.open(place, form="8h-funding_rate"))
    assert (rates.height, rates["funding_rate"].null_count()) == (91, 0)
    marks = read_all(lakehouse.sources.open(place, form="1h-mark"))
    assert (marks.height, marks["symbol"][0]) == (100, "XRP/USDT:USDT")
    assert (marks["volume"].is_null() | marks["volume"].is_nan()).all()


def test_an_empty_file_fails_and_an_empty_list_has_no_rows(shared_data: Locate) -> None:
    place = f"freqtrade:{shared_data('freqtrade')}"
    with pytest.raises(SourceError, match=r"UNITTEST_BTC-8m\.feather is empty"):
        read_all(lakehouse.sources.open(f"{place}?form=8m&format=feather"))
    assert read_all(lakehouse.sources.open(f"{place}?form=4m")).height == 0


def test_a_folder_of_several_forms_names_the_choices(shared_data: Locate, tmp_path: Path) -> None:
    place = f"freqtrade:{shared_data('freqtrade')}"
    with pytest.raises(ArgumentError, match=r"(?s)several forms.*\?form=1m&format=feather"):
        lakehouse.sources.open(place)
    with pytest.raises(ArgumentError, match=r"(?s)no such form.*\?form=5m&format=feather"):
        lakehouse.sources.open(f"{place}?form=7m")


@pytest.mark.parametrize(
    ("name", "text", "recipe", "row"),
    [
        ("X.json", "[[1704196800000, 1, 2, 0.5, 1.5, 10]]", "ccxt_bars", (1.0, 2.0, 0.5, 1.5, 10.0)),
        (
            "X.json",
            '[{"id": "7", "timestamp": 1704196800000, "datetime": "2024-01-02T12:00:00Z", "symbol": "A/B",'
            '"side": "buy", "price": 1.5, "amount": 2, "cost": 3, "takerOrMaker": null, "order": null,'
            '"type": null, "fee": {"cost": null}, "fees": [], "info": {"a": 1}}]',
            "ccxt_trades",
            ("7", None, "buy", 1.5, 2.0, 3.0),
        ),
    ],
)
def test_what_ccxt_returns_is_read_from_json(
    tmp_path: Path, name: str, text: str, recipe: str, row: tuple[object, ...]
) -> None:
    (tmp_path / name).write_text(text)
    bars = [lakehouse.Column(column, "float64") for column in ("open", "high", "low", "close", "volume")]
    texts = [lakehouse.Column(column, "string") for column in ("trade_id", "type", "side")]
    trades = [*texts, *(lakehouse.Column(column, "float64") for column in ("price", "size", "cost"))]
    roles = (
        lakehouse.Column("symbol", "string", nullable=False),
        lakehouse.Column("time", "timestamp[ns]", nullable=False),
    )
    columns = (*roles, *(bars if recipe == "ccxt_bars" else trades))
    schema = lakehouse.TableSchema(columns, "symbol", "time")
    source = lakehouse.FileSource(tmp_path, recipe)
    (chunk,) = source.chunks(schema, None, Interval())
    assert pl.DataFrame(source.read(chunk, schema)).row(0)[2:] == row
