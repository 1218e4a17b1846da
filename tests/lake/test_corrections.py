"""Corrections of refused rows: every row is answered for, and lands once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

import lakehouse
from lakehouse import Rule
from lakehouse.errors import ArgumentError, NotFoundError
from lakehouse.ingest.sources import FileSource
from lakehouse.ingest.write import Provenance

NAME = "fx.spot"
RULES = (Rule("real", "positive", ("rate",)),)


def rates(*values: float | None) -> pl.DataFrame:
    symbols = [f"S{number}" for number in range(len(values))]
    return pl.DataFrame({"symbol": symbols, "rate": values}, schema={"symbol": pl.String, "rate": pl.Float64})


@pytest.fixture
def spot(lake: lakehouse.Lake) -> lakehouse.Product:
    """Two of five rows are refused by version 1."""
    product = lake.create(NAME, like=rates(1.0), key=("symbol",), rules=RULES)
    product.append(rates(1.0, -2.0, 3.0, -4.0, 5.0))
    return product


def positive(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(pl.col("rate").abs())


def test_a_function_corrects_the_rows(spot: lakehouse.Product) -> None:
    commit = spot.quarantine.correct(1, positive, provenance=Provenance(author="ann", message="sign"))
    assert (commit.operation, commit.rows_in, commit.accepted, commit.quarantined) == ("replay", 2, 2, 0)
    assert (commit.author, commit.message, commit.source) == ("ann", "sign", "quarantine of version 1")
    assert spot.read().to_polars()["rate"].to_list() == [1.0, 2.0, 3.0, 4.0, 5.0]


def test_a_frame_corrects_the_rows_whatever_its_order(spot: lakehouse.Product) -> None:
    rows = positive(spot.quarantine.read(1).to_polars()).sort("_row", descending=True)
    assert spot.quarantine.correct(1, rows.to_pandas()).accepted == 2


def test_a_row_that_is_still_wrong_is_refused_again_and_can_be_corrected_there(
    spot: lakehouse.Product,
) -> None:
    half = spot.quarantine.correct(
        1, lambda rows: rows.with_columns(rate=pl.when(_row=1).then(2.0).otherwise("rate"))
    )
    assert (half.accepted, half.quarantined) == (1, 1)
    assert spot.quarantine.correct(half.version, positive).accepted == 1
    assert spot.rows == 5


def test_a_second_correction_writes_nothing_and_is_not_run(spot: lakehouse.Product) -> None:
    first = spot.quarantine.correct(1, positive)

    def fail(rows: pl.DataFrame) -> pl.DataFrame:
        raise AssertionError

    again = spot.quarantine.correct(1, fail)
    assert (again.repeated, again.version) == (True, first.version)
    assert spot.quarantine.replay(1).repeated


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda rows: rows.head(1), "missing: 3"),
        (lambda rows: pl.concat([rows, rows.head(1)]), "doubled: 1"),
        (lambda rows: rows.with_columns(_row=pl.col("_row") + 1), "missing: 1, 3; not refused: 2, 4"),
        (lambda rows: rows.drop("_row"), "no column '_row'"),
        (lambda rows: rows.drop("rate"), "lack columns of those that were refused: 'rate'"),
        (lambda rows: rows.with_columns(_row=pl.lit(2**63, pl.UInt64)), "missing: 1, 3"),
        (lambda rows: rows.with_columns(pl.col("_row").cast(pl.Float64)), "must hold the numbers"),
    ],
)
def test_no_row_goes_missing_or_comes_from_elsewhere(
    spot: lakehouse.Product, change: object, problem: str
) -> None:
    with pytest.raises(ArgumentError, match=problem):
        spot.quarantine.correct(1, change)
    assert spot.version == 1


def test_a_version_without_a_quarantine_has_nothing_to_correct(spot: lakehouse.Product) -> None:
    with pytest.raises(NotFoundError, match="Known: 1"):
        spot.quarantine.correct(7, positive)


def test_a_value_takes_the_place_of_text_that_nobody_could_read(lake: lakehouse.Lake, tmp_path: Path) -> None:
    (tmp_path / "rates.csv").write_text("symbol,rate\nA,1.5\nB,1.1.1\nC,n/k\n")
    product = lake.create(NAME, like=rates(1.0), key=("symbol",))
    lake.backfill(NAME, FileSource(tmp_path / "rates.csv"))
    refused = product.quarantine.read(1).to_polars()
    assert refused.select("symbol", "rate", "_raw_rate").rows() == [("B", None, "1.1.1"), ("C", None, "n/k")]
    fixed = refused.with_columns(rate=pl.when(symbol="B").then(1.11))
    commit = product.quarantine.correct(1, fixed)
    assert (commit.accepted, commit.quarantined) == (1, 1)
    assert product.read("B").to_polars()["rate"].to_list() == [1.11]


def test_the_frame_that_was_given_stays_as_it_is(spot: lakehouse.Product) -> None:
    given = positive(spot.quarantine.read(1).to_polars()).to_arrow()
    before = pa.table(given)
    spot.quarantine.correct(1, given)
    assert given.equals(before)


def test_threads_that_correct_the_same_rows_land_once(spot: lakehouse.Product, lake: lakehouse.Lake) -> None:
    with ThreadPoolExecutor(8) as pool:
        products = [lakehouse.open(lake.url)[NAME] for _ in range(8)]
        commits = list(pool.map(lambda product: product.quarantine.correct(1, positive), products))
    assert {commit.version for commit in commits} == {2}
    assert sum(not commit.repeated for commit in commits) == 1
    assert (spot.version, spot.rows) == (2, 5)
