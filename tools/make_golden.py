"""Write the golden data anew: `python -m tools.make_golden` in the root of the repository.

They show that a later version still reads what format version 1 wrote. So they are written once for each
format version, and tests read them for ever after. What is written, all of it through the public API:

- `partitions/`, `catalog/snapshots/` and `catalog/pins/`: the lake that the repository is;
- `tests/golden/golden.lock`: a lock on its snapshot;
- `tests/golden/formats/`: a second lake, see `tools/golden_formats.py`;
- `tests/golden/expected.json`: versions, digests and sums of both.

Clock and random names are replaced for the run, so that the same code writes the same bytes, and a repeated
run shows no difference in git.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import itertools
import json
import math
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import polars as pl

import lakehouse
from lakehouse import Lake
from lakehouse.catalog.locks import write_lock
from lakehouse.catalog.pins import load_pin
from tools import golden_input
from tools.golden_formats import write_formats

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = Path("tests", "golden")
SNAPSHOT = "golden-v1"
BARS, TRADES, INSTRUMENTS = "market_data.bars_1d", "market_data.trades", "reference.instruments"
_WRITTEN = ("partitions", "catalog/snapshots", "catalog/pins")
_START_NS = 1_767_600_000_000_000_000  # 2026-01-05T08:00:00Z


def main() -> None:
    """Build in a temporary folder, then replace what is in the repository."""
    with tempfile.TemporaryDirectory() as temporary:
        built = Path(temporary)
        build(built)
        for folder in (*map(Path, _WRITTEN), GOLDEN / "formats"):
            shutil.rmtree(ROOT / folder, ignore_errors=True)
            shutil.copytree(built / folder, ROOT / folder, ignore=shutil.ignore_patterns(".*"))
        for name in ("golden.lock", "expected.json"):
            shutil.copyfile(built / GOLDEN / name, ROOT / GOLDEN / name)


def build(target: Path) -> None:
    """Write both lakes, the lock and the expectations below an empty folder."""
    others = shutil.ignore_patterns("snapshots", "pins", ".*")
    shutil.copytree(ROOT / "catalog", target / "catalog", ignore=others)
    (target / GOLDEN).mkdir(parents=True)
    with _frozen_world(), contextlib.chdir(target):  # relative paths, so that the folder leaves no trace
        root, formats = lakehouse.open("."), lakehouse.open(GOLDEN / "formats", create=True)
        _write_root(root)
        write_formats(formats)
        expected = {"root": _expectation(root), "formats": _expectation(formats)}
    text = json.dumps(expected, indent=1, ensure_ascii=False) + "\n"
    (target / GOLDEN / "expected.json").write_text(text, encoding="utf-8", newline="\n")


def golden_bars(*, pinned: bool = False) -> pl.DataFrame:
    """Return what `market_data.bars_1d` must hold, computed without a lake."""
    loaded = [golden_input.bars(year) for year in golden_input.YEARS]
    frame = pl.concat([*loaded, golden_input.broken_bars().head(3)])
    if not pinned:
        corrected, key = golden_input.corrected_bars(), ["symbol", "date"]
        frame = pl.concat([frame.join(corrected, on=key, how="anti"), corrected])
        frame = frame.filter((pl.col("symbol") != "TSLA") | (pl.col("date") >= dt.date(2022, 7, 1)))
    return frame.sort("symbol", "date")


def _write_root(lake: Lake) -> None:
    bars, years = lake[BARS], golden_input.YEARS
    bars.append(golden_input.bars(years[0]), source="generated", message=str(years[0]))
    bars.append(golden_input.bars(years[1]), source="generated", idempotency_key=str(years[1]))
    golden_input.bars(years[2]).write_csv("bars.csv")
    lake.backfill(BARS, "bars.csv", message=str(years[2]))
    Path("bars.csv").unlink()
    bars.append(golden_input.broken_bars(), source="generated", message="three of six bars are broken")
    lake[TRADES].append(golden_input.trades(), source="generated")
    lake[INSTRUMENTS].append(golden_input.instruments(), source="generated")
    lake.snapshot(SNAPSHOT, [BARS, TRADES, INSTRUMENTS], message="before the correction")
    lock = lake.lock("first.lock", SNAPSHOT, message="before the correction")
    Path("first.lock").unlink()
    write_lock(GOLDEN / "golden.lock", load_pin(lake.store, lock.pin), lake_id=lake.id, lake_url=".")
    bars.upsert(golden_input.corrected_bars(), source="generated", message="the vendor corrects IBM")
    bars.delete("TSLA", end="2022-07-01", message="a licence that ended")
    assert pl.DataFrame(bars.read()).equals(golden_bars())
    assert pl.DataFrame(lake.checkout(SNAPSHOT)[BARS].read()).equals(golden_bars(pinned=True))


def _expectation(lake: Lake) -> dict[str, Any]:
    names = [name for name in lake.products() if lake[name].version]
    snapshots = {snapshot.name: lake.checkout(snapshot.name).digests for snapshot in lake.snapshots()}
    return {"id": lake.id, "snapshots": snapshots, "products": {name: _product(lake, name) for name in names}}


def _product(lake: Lake, name: str) -> dict[str, Any]:
    product = lake[name]
    commits = [commit for commit in reversed(product.history()) if commit.version]
    versions = {
        str(commit.version): f"{commit.operation} {commit.rows} {commit.digest}" for commit in commits
    }
    return {"sums": sums(pl.DataFrame(product.read())), "versions": versions}


def sums(frame: pl.DataFrame) -> dict[str, str]:
    """Return for each column the exact sum of its numbers or the hash of its texts, and its nulls."""
    return {name: _sum(frame[name]) for name in frame.columns}


def _sum(column: pl.Series) -> str:
    values, nulls = column.drop_nulls(), f"{column.null_count()} nulls"
    if column.dtype == pl.String:
        return f"{hashlib.sha256(repr(values.to_list()).encode()).hexdigest()[:16]}, {nulls}"
    if column.dtype.is_float():
        return f"{math.fsum(values.filter(values.is_finite()))!r}, {values.is_nan().sum()} NaN, {nulls}"
    return f"{sum(values.to_physical().cast(pl.Int64).to_list())}, {nulls}"


@contextlib.contextmanager
def _frozen_world() -> Iterator[None]:
    """Replace the clock, the source of unique names, and the author."""
    ticks, names = itertools.count(_START_NS, 1_000_000_000), itertools.count()

    def unique() -> uuid.UUID:
        return uuid.UUID(bytes=hashlib.sha256(f"golden {next(names)}".encode()).digest()[:16], version=4)

    with (
        mock.patch("time.time_ns", side_effect=ticks),
        mock.patch("uuid.uuid4", unique),
        mock.patch.dict("os.environ", {"LAKEHOUSE_AUTHOR": "golden"}),
    ):
        yield


if __name__ == "__main__":
    main()
