"""Libraries that ArcticDB itself wrote; skipped where it can not be installed (it needs pandas below 3)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lakehouse.errors import ArgumentError, SourceError
from lakehouse.ingest.sources.formats.arctic import ArcticSource
from lakehouse.times import Interval

ROOT = Path(__file__).parents[3]
TIMES = ["2024-01-02T12:00:00.123456789", "2024-01-03T12:00:00"]


@pytest.fixture
def library(tmp_path: Path) -> Any:
    """A library with prices of two symbols, and the module's own address."""
    arcticdb = pytest.importorskip(
        "arcticdb", reason="the extra `arctic` is not installed: it needs pandas below 3"
    )
    import pandas as pd

    made = arcticdb.Arctic(f"lmdb://{tmp_path}/arctic").create_library("prices")
    index = pd.DatetimeIndex(TIMES, tz="UTC", name="time")
    made.write("IBM", pd.DataFrame({"price": [161.5, float("nan")], "size": [1, 2]}, index=index))
    made.write("BRK/B", pd.DataFrame({"price": [360.25], "size": [3]}, index=index[:1]))
    return made


def source_of(place: Path, recipe: Any = None) -> ArcticSource:
    return ArcticSource(f"lmdb://{place}/arctic?library=prices", recipe)


def test_each_symbol_is_a_chunk_of_exact_rows(library: Any, tmp_path: Path, contract: Any) -> None:
    source, schema = source_of(tmp_path), contract("price float64", "size int64")
    assert source.symbols() == ("BRK/B", "IBM")
    first, second = source.chunks(schema, None, Interval())
    assert (first.symbol, second.symbol) == ("BRK/B", "IBM")
    rows = source.read(second, schema)
    assert rows.column("time").cast("int64").to_pylist() == [1704196800123456789, 1704283200000000000]
    assert rows.drop_columns(["time"]).to_pylist() == [
        {"symbol": "IBM", "price": 161.5, "size": 1}, {"symbol": "IBM", "price": None, "size": 2}
    ]  # fmt: skip


def test_interval_and_symbols_choose_rows(library: Any, tmp_path: Path, contract: Any) -> None:
    source, schema = source_of(tmp_path), contract("price float64", "size int64")
    (chunk,) = source.chunks(schema, ["IBM", "GE"], Interval.of("2024-01-03", "2024-01-04"))
    assert source.read(chunk, schema).column("size").to_pylist() == [2]


def test_a_symbol_that_is_written_again_is_another_chunk(library: Any, tmp_path: Path, contract: Any) -> None:
    source, schema = source_of(tmp_path), contract("price float64", "size int64")
    before = source.chunks(schema, None, Interval())
    assert source.chunks(schema, None, Interval()) == before
    library.write("IBM", library.read("IBM").data)
    after = source.chunks(schema, None, Interval())
    assert (after[0], after[1].id == before[1].id) == (before[0], False)
    with pytest.raises(SourceError, match="IBM has changed since it was planned"):
        source.read(before[1], schema)


def test_times_without_a_zone_need_one(library: Any, tmp_path: Path, contract: Any) -> None:
    library.write("IBM", library.read("IBM").data.tz_localize(None))
    schema = contract("price float64", "size int64")
    (chunk,) = source_of(tmp_path).chunks(schema, ["IBM"], Interval())
    with pytest.raises(SourceError, match="local times without a time zone"):
        source_of(tmp_path).read(chunk, schema)
    named = source_of(tmp_path, {"time": {"time_zone": "America/New_York"}})
    (chunk,) = named.chunks(schema, ["IBM"], Interval())
    assert named.read(chunk, schema).column("time").cast("int64").to_pylist()[1] == 1704301200000000000


def test_a_contract_is_declared(library: Any, tmp_path: Path) -> None:
    contract = source_of(tmp_path).contract()
    assert contract is not None
    assert (contract.schema.symbol, contract.schema.time) == ("symbol", "time")
    assert {column.name: column.type for column in contract.schema.columns}["size"] == "int64"


def test_an_unknown_library_says_so_without_keys(library: Any, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"Can not read lmdb://.*\?library=nothing"):
        ArcticSource(f"lmdb://{tmp_path}/arctic", library="nothing").symbols()


def test_keys_of_a_bucket_stay_out_of_the_name() -> None:
    source = ArcticSource("s3://host:bucket?access=AKIA&secret=hush&library=bars")
    assert source.name == "s3://host:bucket?library=bars"
    with pytest.raises(ArgumentError, match="Which library of s3://host:bucket"):
        ArcticSource("s3://host:bucket?secret=hush")


def test_without_the_library_the_extra_is_named() -> None:
    script = (
        "import sys; sys.modules['arcticdb'] = None; import lakehouse\n"
        "try: lakehouse.sources.open('arctic:lmdb:///nowhere?library=x').symbols()\n"
        "except lakehouse.LakehouseError as error: print(type(error).__name__, error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.startswith("MissingExtraError")
    assert "pip install 'quant-lakehouse[arctic]'" in done.stdout
