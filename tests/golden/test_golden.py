"""What format version 1 wrote stays readable: the lake at the root of the repository, and one of odd shapes.

The golden files were written once, by `tools/make_golden.py`, and are part of the repository: read in place.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import lakehouse
from lakehouse import Lake
from lakehouse.partitions.verify import verify_state
from tools.golden_input import trades
from tools.make_golden import BARS, INSTRUMENTS, SNAPSHOT, TRADES, golden_bars, sums

ROOT = Path(__file__).parents[2]
PLACES = {"root": ROOT, "formats": ROOT / "tests" / "golden" / "formats"}
EXPECTED: dict[str, Any] = json.loads(
    (ROOT / "tests" / "golden" / "expected.json").read_text(encoding="utf-8")
)
PRODUCTS = [(lake, name) for lake in PLACES for name in EXPECTED[lake]["products"]]


@pytest.fixture(scope="module")
def lakes() -> dict[str, Lake]:
    return {name: lakehouse.open(place) for name, place in PLACES.items()}


@pytest.fixture(scope="module")
def root(lakes: dict[str, Lake]) -> Lake:
    return lakes["root"]


def listing() -> dict[str, tuple[int, int]]:
    """Return every file of both lakes but the leases, hidden ones too, with its size and time of change."""
    folders = [ROOT / "catalog", ROOT / "partitions", ROOT / "queries", ROOT / "tests" / "golden" / "formats"]
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
    files = [file for file in files if file.parent.name != "leases"]
    return {str(file): (file.stat().st_size, file.stat().st_mtime_ns) for file in files}


@pytest.fixture(scope="module", autouse=True)
def nothing_is_written() -> Iterator[None]:
    """Hold for the whole file: opening and reading leaves no lock file, no cache and no change in a lake."""
    before = listing()
    yield
    assert listing() == before


@pytest.mark.parametrize("name", PLACES)
def test_lake_keeps_its_identity(lakes: dict[str, Lake], name: str) -> None:
    assert lakes[name].id == EXPECTED[name]["id"]


@pytest.mark.parametrize(("where", "name"), PRODUCTS)
def test_rows_are_those_that_were_written(lakes: dict[str, Lake], where: str, name: str) -> None:
    assert sums(pl.DataFrame(lakes[where][name].read())) == EXPECTED[where]["products"][name]["sums"]


@pytest.mark.parametrize(("where", "name"), PRODUCTS)
def test_every_version_is_intact(lakes: dict[str, Lake], where: str, name: str) -> None:
    product = lakes[where][name]
    found = {}
    for commit in product.history()[-2::-1]:
        verified = verify_state(product.state(version=commit.version))
        assert verified.problems == ()
        assert verified.rows == len(product.read(version=commit.version))
        digest = product.state(version=commit.version).digest
        found[str(commit.version)] = f"{commit.operation} {verified.rows} {digest}"
    assert found == EXPECTED[where]["products"][name]["versions"]


@pytest.mark.parametrize("name", PLACES)
def test_snapshots_are_intact(lakes: dict[str, Lake], name: str) -> None:
    found = {snapshot.name: lakes[name].checkout(snapshot.name) for snapshot in lakes[name].snapshots()}
    assert all(past.verify().ok for past in found.values())
    assert {label: past.digests for label, past in found.items()} == EXPECTED[name]["snapshots"]


def test_lock_opens_the_rows_before_the_correction() -> None:
    past = lakehouse.checkout(ROOT / "tests" / "golden" / "golden.lock", root=ROOT)
    assert past.verify().ok
    assert pl.DataFrame(past[BARS].read()).equals(golden_bars(pinned=True))


def test_head_holds_the_correction(root: Lake) -> None:
    assert pl.DataFrame(root[BARS].read()).equals(golden_bars())
    changed = root[BARS].diff(root.checkout(SNAPSHOT)[BARS].version)
    assert (len(changed.added), len(changed.removed), len(changed.changed)) == (1, 129, 22)


def test_symbols_survive(root: Lake) -> None:
    found = root[TRADES].symbols().to_polars()["symbol"].to_list()
    assert found == ["BRK/B", "BTC-USD", "IBM", "NA", "aapl", "日経225"]


def test_equal_trades_are_all_there_in_order_of_arrival(root: Lake) -> None:
    rows = pl.DataFrame(root[TRADES].read())
    assert rows.is_duplicated().sum() == 144
    assert rows.equals(trades().sort("symbol", "time", maintain_order=True))


def test_quarantine_is_readable(root: Lake) -> None:
    listed = root[BARS].quarantine.list().to_polars()
    assert listed["rules"].to_list() == ["ohlc: 2, positive_prices: 1, non_negative_volume: 1"]
    refused = root[BARS].quarantine.read().to_polars()
    assert refused["symbol"].to_list() == ["KO", "PEP", "SAP"]


def test_sql_joins_the_products(root: Lake) -> None:
    answer = root.sql(
        f"""
        select i.currency, count(*) as bars, sum(b.volume) as volume
        from {BARS} b join {INSTRUMENTS} i
          on i.symbol = b.symbol and b.date >= i.valid_from and (i.valid_to is null or b.date < i.valid_to)
        group by all order by all
        """
    ).to_polars()
    currency = (
        pl.col("symbol").replace_strict({"SAP": "EUR", "日経225": "JPY"}, default="USD").alias("currency")
    )
    figures = (pl.len().cast(pl.Int64).alias("bars"), pl.col("volume").sum())
    assert answer.equals(golden_bars().group_by(currency).agg(*figures).sort("currency"))


def test_named_query_of_the_root_runs_on_its_trades(root: Lake) -> None:
    answer = root.query("vwap", symbol="日経225", width="1h").to_polars()
    value, size = pl.col("price") * pl.col("size"), pl.col("size")
    ticks = (
        trades()
        .filter(pl.col("symbol") == "日経225")
        .group_by(pl.col("time").dt.truncate("1h"))
        .agg(value.sum() / size.sum())
    )
    assert answer["vwap"].to_list() == pytest.approx(ticks.sort("time")["price"].to_list())
