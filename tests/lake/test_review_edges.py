"""Edges of coverage, quarantine, checkouts, exports and the order of snapshots."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

import lakehouse
from lakehouse.catalog.snapshots import list_snapshots
from lakehouse.errors import AlreadyExistsError, ArgumentError, NotFoundError
from lakehouse.partitions.arrays import Integers
from lakehouse.partitions.reading import decode
from lakehouse.partitions.sorting import run_starts
from lakehouse.partitions.table import Table
from lakehouse.queries import coverage

Bars = Callable[..., pl.DataFrame]


def bad(frame: pl.DataFrame) -> pl.DataFrame:
    """Break the rule that highs are not below lows."""
    return frame.with_columns(high=pl.lit(0.5))


def test_coverage_names_runs_and_gaps(lake: lakehouse.Lake, bars: Bars) -> None:
    product = lake.create("market_data.bars_1m", like=bars())
    product.append(bars(("A",), days=5, first=0))
    product.append(bars(("B",), days=2, first=0))
    product.append(bars(("B",), days=1, first=4))
    found = product.coverage().to_polars()
    assert found.select("symbol", "days", "rows", "gap").rows() == [
        ("A", 5, 5, False),
        ("B", 2, 2, False),
        ("B", 2, 0, True),
        ("B", 1, 1, False),
    ]
    assert [str(day) for day in found["start"]] == ["1970-01-01", "1970-01-01", "1970-01-03", "1970-01-05"]
    assert [str(day) for day in found["end"]] == ["1970-01-06", "1970-01-03", "1970-01-05", "1970-01-06"]


def test_coverage_passes_over_the_rows_once_and_decodes_two_columns(
    lake: lakehouse.Lake, bars: Bars, monkeypatch: pytest.MonkeyPatch
) -> None:
    product = lake.create("market_data.bars_1m", like=bars())
    product.append(bars(tuple(f"S{number:03d}" for number in range(200)), days=2))
    lengths, decoded = [], []

    def count(*columns: Integers) -> Integers:
        lengths.append(len(columns[0]))
        return run_starts(*columns)

    def record(*arguments: object) -> pa.Table:
        table = decode(*arguments)  # type: ignore[arg-type]  # passed on as they came
        decoded.append(table.column_names)
        return table

    monkeypatch.setattr(coverage, "run_starts", count)
    monkeypatch.setattr(coverage, "decode", record)
    assert len(product.coverage()) == 200
    assert (lengths, decoded) == ([400, 400], [["symbol", "time"]])


@pytest.mark.parametrize("symbol", ["symbol", None])
def test_an_empty_product_has_no_coverage(lake: lakehouse.Lake, bars: Bars, symbol: str | None) -> None:
    like = bars() if symbol else bars().drop("symbol")
    product = lake.create("market_data.bars_1m", like=like)
    assert product.coverage().num_rows == 0
    assert product.coverage().columns == ("symbol", "start", "end", "days", "rows", "gap")


def test_a_product_without_symbols_has_the_coverage_of_one(lake: lakehouse.Lake, bars: Bars) -> None:
    product = lake.create("market_data.index", like=bars().drop("symbol"))
    product.append(bars(("A",), days=3).drop("symbol"))
    assert product.coverage().to_polars().select("symbol", "days", "rows").rows() == [("", 3, 3)]


def test_a_quarantine_is_found_without_a_walk_through_the_history(
    product: lakehouse.Product, bars: Bars, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = product.append(bad(bars(("AAPL",))))
    product.append(bars(("MSFT",)))
    monkeypatch.setattr(Table, "history", lambda self: pytest.fail("walks the whole history"))
    assert product.quarantine.read(refused.version).num_rows == 3


@pytest.mark.parametrize("version", [-1, 0, 1, 3, 10**30])
def test_a_version_without_quarantine_names_those_that_have_one(
    product: lakehouse.Product, bars: Bars, version: int
) -> None:
    product.append(bad(bars(("AAPL",))))
    with pytest.raises(NotFoundError, match=r"Unknown quarantine of market_data.bars_1m .* Known: 2\."):
        product.quarantine.read(version)


def test_a_product_that_nobody_wrote_has_no_quarantine(lake: lakehouse.Lake, bars: Bars) -> None:
    product = lake.create("market_data.bars_1m", like=bars())
    with pytest.raises(NotFoundError, match="Known: none"):
        product.quarantine.read(0)
    assert product.quarantine.read().num_rows == 0


def test_quarantines_of_several_zones_are_read_in_utc(product: lakehouse.Product, bars: Bars) -> None:
    frame = bad(bars(("AAPL",)))
    product.append(frame.with_columns(pl.col("time").dt.convert_time_zone("America/New_York")))
    product.append(
        frame.with_columns(pl.col("time").dt.convert_time_zone("Asia/Tokyo").dt.cast_time_unit("us"))
    )
    found = product.quarantine.read().to_arrow()
    assert found.schema.field("time").type == pa.timestamp("ns", "UTC")
    assert found.column("_version").to_pylist() == [2, 2, 2, 3, 3, 3]
    assert pl.DataFrame(found)["time"].to_list() == frame["time"].to_list() * 2


def test_quarantined_columns_that_no_type_holds_exactly_are_read_as_text(
    product: lakehouse.Product, bars: Bars
) -> None:
    frame = bad(bars(("AAPL",), days=1))
    product.append(frame.with_columns(volume=pl.lit(2**53 + 1, pl.Int64)))
    product.append(frame.with_columns(volume=pl.lit(1.5)))
    assert product.quarantine.read().to_polars()["volume"].to_list() == ["9007199254740993", "1.5"]


def test_naive_quarantined_times_are_not_taken_for_utc(product: lakehouse.Product, bars: Bars) -> None:
    frame = bad(bars(("AAPL",), days=1, first=0))
    product.append(frame)
    product.append(frame.with_columns(pl.col("time").dt.replace_time_zone(None)), time_zone="Asia/Tokyo")
    assert product.quarantine.read().to_polars()["time"].to_list() == [
        "1970-01-01 14:00:00.000000000Z",
        "1970-01-01 14:00:00.000000000",
    ]


@pytest.mark.parametrize("text", ["x" * 5000, "nul\0byte", ""])
def test_a_text_that_is_no_path_is_an_unknown_snapshot(
    lake: lakehouse.Lake, product: lakehouse.Product, text: str
) -> None:
    with pytest.raises(NotFoundError, match="Unknown snapshot"):
        lake.checkout(text)


def test_a_snapshot_wins_over_a_file_of_its_name(
    lake: lakehouse.Lake, product: lakehouse.Product, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.snapshot("q3")
    monkeypatch.chdir(tmp_path)
    Path("q3").write_text("notes, and no lock")
    assert lake.checkout("q3").label == "snapshot q3"
    for path in ("./q3", Path("q3")):
        with pytest.raises(ArgumentError, match="lock"):
            lake.checkout(path)


@pytest.mark.parametrize("cut", ["lake.json", "commit", "empty"])
def test_an_export_that_was_cut_short_is_completed_by_the_next(
    lake: lakehouse.Lake, product: lakehouse.Product, bars: Bars, tmp_path: Path, cut: str
) -> None:
    if cut == "empty":
        lake.create("market_data.empty", like=bars())
    lake.lock(tmp_path / "lake.lock")
    small = lake.export(tmp_path / "lake.lock", tmp_path / "small")
    (tmp_path / "small" / "catalog" / "lake.json").unlink()
    if cut == "commit":
        (log,) = (tmp_path / "small").rglob("_delta_log/00000000000000000001.json")
        log.unlink()
    again = lake.export(tmp_path / "lake.lock", tmp_path / "small")
    assert again["market_data.bars_1m"].version == small["market_data.bars_1m"].version == 1
    assert again["market_data.bars_1m"].digest == product.digest
    assert again.verify().ok
    with pytest.raises(AlreadyExistsError, match="There is a lake"):
        lake.export(tmp_path / "lake.lock", tmp_path / "small")


def test_a_part_of_another_export_is_not_mixed_in(
    lake: lakehouse.Lake, product: lakehouse.Product, bars: Bars, tmp_path: Path
) -> None:
    lake.lock(tmp_path / "old.lock")
    product.append(bars(("AAPL",)))
    lake.lock(tmp_path / "new.lock")
    lake.export(tmp_path / "old.lock", tmp_path / "small")
    (tmp_path / "small" / "catalog" / "lake.json").unlink()
    with pytest.raises(AlreadyExistsError, match="another lock's export"):
        lake.export(tmp_path / "new.lock", tmp_path / "small")


def test_snapshots_are_listed_by_time_not_by_the_text_of_it(
    lake: lakehouse.Lake, product: lakehouse.Product
) -> None:
    for name, created in (("late", "2026-01-01T00:00:00.52Z"), ("early", "2026-01-01T00:00:00.5Z")):
        lake.snapshot(name)
        path = Path(lake.url, "catalog", "snapshots", f"{name}.json")
        document = {**json.loads(path.read_text()), "created": created}
        path.chmod(0o644)
        path.write_text(json.dumps(document))
    assert [snapshot.name for snapshot in list_snapshots(lake.store)] == ["early", "late"]
