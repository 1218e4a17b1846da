"""Two snapshots, locks or checkouts compared: what differs, which commit did it, and what is never read."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

import lakehouse
from lakehouse.errors import IntegrityError, NotFoundError
from lakehouse.partitions import reading
from lakehouse.partitions.selection import Selection
from lakehouse.queries import unequal

Bars = Callable[..., pl.DataFrame]
Rewrite = Callable[[lakehouse.Product], object]
NAME = "market_data.bars_1m"


@pytest.fixture
def corrected(lake: lakehouse.Lake, product: lakehouse.Product, bars: Bars) -> lakehouse.Product:
    """Give the product with snapshots `before` and `after` a correction, an addition and a deletion."""
    lake.snapshot("before")
    product.upsert(bars(("IBM",), days=1).with_columns(volume=pl.lit(7)), author="ada", message="late volume")
    product.append(bars(("AAPL",), days=1), author="bob", message="listed")
    product.delete("BRK/B", end="2024-01-03", author="eve", message="never traded")
    lake.snapshot("after")
    return product


def changes(found: lakehouse.Difference | None) -> list[tuple[object, ...]]:
    assert found is not None
    columns = ("_change", "symbol", "_columns", "_version", "_operation", "_author", "_message")
    return found.changes.to_polars().select(columns).rows()


def test_every_row_comes_with_its_columns_and_its_commit(
    lake: lakehouse.Lake, corrected: lakehouse.Product
) -> None:
    found = lake.diff("before", "after")
    assert (found[NAME].status, found[NAME].before, found[NAME].after) == ("changed", 1, 4)
    assert changes(found[NAME].rows) == [
        ("added", "AAPL", None, 3, "append", "bob", "listed"),
        ("removed", "BRK/B", None, 4, "delete", "eve", "never traded"),
        ("changed", "IBM", ["volume"], 2, "upsert", "ada", "late volume"),
    ]
    times = found[NAME].rows.changes.to_polars()["_time"]  # type: ignore[union-attr] # asserted above
    assert [str(time)[:19] for time in times] == [
        corrected.table.commit_of(version).time[:19].replace("T", " ") for version in (3, 4, 2)
    ]


def test_locks_checkouts_and_times_compare_like_snapshots(
    lake: lakehouse.Lake, corrected: lakehouse.Product, tmp_path: Path
) -> None:
    for name in ("before", "after"):
        lake.lock(tmp_path / f"{name}.lock", name)
    expected = changes(lake.diff("before", "after")[NAME].rows)
    old, new = tmp_path / "before.lock", tmp_path / "after.lock"
    assert changes(lake.diff(old, str(new))[NAME].rows) == expected
    assert changes(lake.diff(lake.checkout("before"), lake.checkout(new))[NAME].rows) == expected
    assert changes(lake.diff("before", corrected.history()[0].time)[NAME].rows) == expected


def test_the_other_way_round_added_is_removed(lake: lakehouse.Lake, corrected: lakehouse.Product) -> None:
    assert changes(lake.diff("after", "before")[NAME].rows) == [
        ("added", "BRK/B", None, 4, "delete", "eve", "never traded"),
        ("removed", "AAPL", None, 3, "append", "bob", "listed"),
        ("changed", "IBM", ["volume"], 2, "upsert", "ada", "late volume"),
    ]


def test_equal_products_are_not_read_at_all(
    lake: lakehouse.Lake, product: lakehouse.Product, rewrite: Rewrite, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.snapshot("before")
    rewrite(product)
    lake.snapshot("after")
    shutil.rmtree(Path(lake.url, product.table.path))
    found = lake.diff("before", "after")
    assert not found
    assert (found[NAME].status, found[NAME].rows) == ("equal", None)


def test_partitions_of_equal_digest_are_not_read_after_a_compaction(
    lake: lakehouse.Lake, corrected: lakehouse.Product, rewrite: Rewrite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One month of one symbol differs: of the others no row group without that symbol is decoded."""
    corrected.append(late := frame_of("MSFT", 40))
    lake.snapshot("before-fix")
    corrected.upsert(late.with_columns(volume=pl.lit(1)), message="fix")
    rewrite(corrected)
    lake.snapshot("rewritten")
    symbols: list[str] = []

    def spy(state: object, selections: list[Selection], *rest: object) -> object:
        symbols.extend(name for selection in selections for name in selection.symbols)
        return reading.read_stored(state, selections, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(unequal, "read_stored", spy)
    found = lake.diff("before-fix", "rewritten")
    assert {change[6] for change in changes(found[NAME].rows)} == {"fix"}
    assert set(symbols) == {"MSFT"}


def frame_of(symbol: str, days: int) -> pl.DataFrame:
    rows = pl.DataFrame({"symbol": [symbol] * days, "day": range(days)})
    time = (pl.lit(1_704_204_000_000_000_000) + pl.col("day") * 86_400_000_000_000).cast(
        pl.Datetime("ns", "UTC")
    )
    numbers = {name: pl.lit(100.0) for name in ("open", "high", "low", "close")}
    return rows.select("symbol", time=time, **numbers, volume=pl.lit(5))


def test_commits_are_null_where_the_log_is_gone(lake: lakehouse.Lake, corrected: lakehouse.Product) -> None:
    known = [row[:3] for row in changes(lake.diff("before", "after")[NAME].rows)]
    Path(lake.url, corrected.table.path, "_delta_log", f"{3:020}.json").unlink()
    found = changes(lakehouse.open(lake.url).diff("before", "after")[NAME].rows)
    assert [row[:3] for row in found] == known
    assert [row[3] for row in found] == [None, 4, None], "only the commits after the gap can be named"


def test_commits_are_null_where_a_file_of_the_time_is_gone(
    lake: lakehouse.Lake, product: lakehouse.Product, bars: Bars
) -> None:
    lake.snapshot("before")
    product.upsert(bars(("IBM",), days=1, price=50.0))
    between = {file.path for file in product.state().files}
    product.upsert(bars(("IBM",), days=2, price=50.0).tail(1))
    product.append(bars(("AAPL",), days=1, first=20_000))
    lake.snapshot("after")
    for path in between - {file.path for file in product.state().files}:
        Path(lake.url, path).unlink()
    found = changes(lake.diff("before", "after")[NAME].rows)
    assert [(row[1], row[3]) for row in found] == [("AAPL", 4), ("IBM", None), ("IBM", None)]


def test_a_file_that_has_to_be_read_and_is_gone_is_an_error(
    lake: lakehouse.Lake, corrected: lakehouse.Product
) -> None:
    old = lake.checkout("before").states
    for state in old.values():
        Path(lake.url, state.files[0].path).unlink()
    with pytest.raises(IntegrityError, match=r"is missing|is torn"):
        lake.diff("before", "after")


def test_products_that_only_one_of_both_has_are_named_and_not_read(
    lake: lakehouse.Lake, product: lakehouse.Product, bars: Bars
) -> None:
    lake.snapshot("one")
    other = lake.create("market_data.other", like=bars(), key=("symbol", "time"))
    other.append(bars())
    lake.snapshot("two")
    found = lake.diff("one", "two")
    assert [(each.product, each.status, each.before, each.after) for each in found.products] == [
        (NAME, "equal", 1, 1),
        ("market_data.other", "added", None, 1),
    ]
    assert lake.diff("two", "one")["market_data.other"].status == "removed"
    assert not lake.diff("one", "two", [NAME])
    with pytest.raises(NotFoundError, match=r"market_data\.none"):
        lake.diff("one", "two", ["market_data.none"])
    with pytest.raises(NotFoundError, match="product of this difference 'x'"):
        found["x"]


def test_another_major_version_of_the_contract_does_not_compare(
    lake: lakehouse.Lake, product: lakehouse.Product, bars: Bars
) -> None:
    lake.snapshot("one")
    columns = (*product.contract.schema.columns, lakehouse.Column("vwap", "float64", nullable=False))
    schema = dataclasses.replace(product.contract.schema, columns=columns)
    renewed = lake.apply(dataclasses.replace(product.contract, version="2.0.0", schema=schema))
    renewed.append(bars().with_columns(vwap=pl.lit(1.0)))
    lake.snapshot("two")
    assert (lake.diff("one", "two")[NAME].status, lake.diff("one", "two")[NAME].rows) == ("renewed", None)


def test_a_column_that_a_contract_added_is_a_changed_column(
    lake: lakehouse.Lake, product: lakehouse.Product, bars: Bars
) -> None:
    lake.snapshot("one")
    columns = (*product.contract.schema.columns, lakehouse.Column("vwap", "float64"))
    schema = dataclasses.replace(product.contract.schema, columns=columns)
    grown = lake.apply(dataclasses.replace(product.contract, version="1.1.0", schema=schema))
    grown.upsert(bars(("IBM",), days=1).with_columns(vwap=pl.lit(2.5)), message="vwap")
    lake.snapshot("two")
    (row,) = changes(lake.diff("one", "two")[NAME].rows)
    assert (*row[:3], row[6]) == ("changed", "IBM", ["vwap"], "vwap")


def test_a_lock_of_another_lake_is_refused(
    lake: lakehouse.Lake, product: lakehouse.Product, tmp_path: Path
) -> None:
    lock = lake.lock(tmp_path / "a.lock")
    with pytest.raises(IntegrityError, match="was made in the lake"):
        lakehouse.open(tmp_path / "other", create=True).diff(lock, lock)
