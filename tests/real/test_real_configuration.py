"""The configuration files of pysystemtrade: tables of symbols without times, joined by SQL."""

from __future__ import annotations

from typing import Any

import pytest

from lakehouse.errors import ArgumentError


def count(real: Any, text: str, *feeds: str) -> int:
    for feed in feeds:
        real.load(feed)
    return int(real.lake.sql(text).to_polars().item())


def test_every_instrument_is_read_with_its_numbers(real: Any) -> None:
    real.load("instrumentconfig")
    row = real.lake["reference.instrumentconfig"].read("AEX").to_polars().row(0, named=True)
    assert (row["point_size"], row["currency"], row["per_block"], row["region"]) == (
        200.0,
        "EUR",
        2.8,
        "EMEA",
    )


def test_whole_days_stay_whole(real: Any) -> None:
    real.load("rollconfig")
    row = real.lake["reference.rollconfig"].read("AEX").to_polars().row(0, named=True)
    assert (row["roll_offset_days"], row["carry_offset"], row["expiry_offset"]) == (-5, 1, 19)


@pytest.mark.parametrize(
    ("table", "other", "orphans"),
    [
        ("rollconfig", "instrumentconfig", 2),
        ("instrumentconfig", "rollconfig", 74),
        ("instrumentconfig", "spreadcosts", 7),
    ],
)
def test_rows_without_a_partner_are_those_of_the_notes(
    real: Any, table: str, other: str, orphans: int
) -> None:
    text = f"select count(*) from reference.{table} anti join reference.{other} using (symbol)"
    assert count(real, text, table, other) == orphans


def test_a_table_without_times_takes_no_interval(real: Any) -> None:
    real.load("spreadcosts")
    with pytest.raises(ArgumentError, match="no time column"):
        real.lake["reference.spreadcosts"].read(start="2024-01-01")
