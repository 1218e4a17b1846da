"""A fresh process that reads a few rows loads no library without need: imports are most of its time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

import lakehouse

ROOT = Path(__file__).parents[2]
ENGINES = {"duckdb", "numba", "pandas", "polars", "sqlglot"}
FORMATS = {"deltalake", "open_data_contract_standard", "pydantic", "yaml"}
LIBRARIES = {"asyncio", "filelock", "http.client", "rich", "ssl"}
HEAVY = {*ENGINES, *FORMATS, *LIBRARIES, "lakehouse.catalog.contract"}
SLOW = {"numpy.ma", "pyarrow.compute", "pyarrow.dataset", "pyarrow.fs", "pyarrow.parquet"}
"""10 to 80 ms each: what reads rows of few files does without them"""

DAYS = 105  # a commit a day: a checkpoint at version 100, and entries after it
MINUTE = 60_000_000_000
DAY = 1_440 * MINUTE

READ = "{product}.read('IBM', '2024-01-02', '2024-01-03').to_arrow()"


def rows_of(day: int) -> pa.Table:
    """Return three rows of each of three symbols on one day."""
    symbols = [symbol for symbol in ("AAPL", "BRK/B", "IBM") for _ in range(3)]
    times = [1_704_153_600_000_000_000 + day * DAY + minute * MINUTE for _ in range(3) for minute in range(3)]
    time = pa.array(times, pa.timestamp("ns", tz="UTC"))
    prices = [float(day + row) for row in range(9)]
    return pa.table({"symbol": symbols, "time": time, "price": prices, "size": list(range(9))})


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a lake with a checkpoint in its log, a lock, and a folder for caches."""
    folder = tmp_path_factory.mktemp("cold")
    lake = lakehouse.open(folder / "lake", create=True)
    trades = lake.create("market_data.trades", like=rows_of(0), key=[], layout="date=day")
    for day in range(DAYS):
        trades.append(rows_of(day))
    lake.lock(folder / "lake.lock")
    assert list((folder / "lake").rglob("*.checkpoint.parquet"))
    return folder


def run(code: str, place: Path, cache: Path) -> tuple[str, set[str]]:
    """Return what a fresh interpreter prints, and every module it has loaded after that."""
    report = "\nimport sys; print(*sys.modules, file=sys.stderr)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LAKEHOUSE_CACHE": str(cache)}
    command = [sys.executable, "-c", code + report]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=place, env=environment)
    return done.stdout.strip(), set(done.stderr.split())


def answer(question: str, place: Path, cache: Path) -> tuple[str, set[str]]:
    """Return the rows that a question about the product gives, as text, and the modules it has loaded."""
    product = "lakehouse.open('lake')['market_data.trades']"
    if "{pinned}" in question:
        question, product = question.replace("{pinned}", "{product}"), "lakehouse.checkout('lake.lock')[NAME]"
    asked = question.format(product=product.replace("NAME", "'market_data.trades'"))
    return run(f"import lakehouse; print({asked}.num_rows)", place, cache)


@pytest.mark.parametrize(
    ("question", "rows"),
    [
        (READ, 3),
        (READ.replace("{product}", "{pinned}"), 3),
        ("{product}.read('IBM', '2024-04-15T00:01', '2024-04-16', ['price', 'symbol'])", 2),
        ("{product}.read('BRK/B', version=50)", 150),
        ("{product}.latest('IBM')", 1),
        ("{product}.tail(4)", 12),
        ("{product}.head(2, symbols=['AAPL', 'IBM'])", 4),
        ("{product}.symbols()", 3),
        ("{product}.scan('IBM', '2024-01-02', '2024-01-04').to_reader().read_all()", 6),
    ],
)
def test_the_first_question_loads_no_engine(question: str, rows: int, place: Path, tmp_path: Path) -> None:
    for cache in ("cold", "warm"):
        printed, loaded = answer(question, place, tmp_path)
        assert (cache, printed) == (cache, str(rows))
        assert (cache, loaded & HEAVY) == (cache, set())
    assert {"lakehouse.queries.result", "pyarrow"} <= loaded


@pytest.mark.parametrize("question", [READ, READ.replace("{product}", "{pinned}")])
def test_one_symbol_and_day_load_no_slow_module(question: str, place: Path, tmp_path: Path) -> None:
    for cache in ("cold", "warm"):
        printed, loaded = answer(question, place, tmp_path)
        assert (cache, printed) == (cache, "3")
        assert (cache, loaded & SLOW) == (cache, set())
        assert "lzma" not in loaded  # comes with shutil


def test_the_contract_is_read_when_somebody_asks_for_it(place: Path, tmp_path: Path) -> None:
    code = "import lakehouse; print(lakehouse.open('lake')['market_data.trades'].contract.version)"
    printed, loaded = run(code, place, tmp_path)
    assert printed == "1.0.0"
    assert "lakehouse.catalog.contract" in loaded


def test_a_table_is_read_though_its_contract_is_broken(tmp_path: Path) -> None:
    lake = lakehouse.open(tmp_path / "lake", create=True)
    lake.create("market_data.trades", like=rows_of(0), key=[]).append(rows_of(0))
    next((tmp_path / "lake/catalog/products").rglob("*.yaml")).write_text("no contract: [")
    product = lakehouse.open(tmp_path / "lake")["market_data.trades"]
    assert product.read("IBM").num_rows == 3
    with pytest.raises(lakehouse.LakehouseError, match=r"1\.0\.0\.yaml"):
        product.append(rows_of(1))


def test_a_product_that_was_never_written_has_the_schema_of_its_contract(tmp_path: Path) -> None:
    lakehouse.open(tmp_path / "lake", create=True).create("market_data.trades", like=rows_of(0), key=[])
    product = lakehouse.open(tmp_path / "lake")["market_data.trades"]
    assert (product.version, product.schema.names) == (0, ("symbol", "time", "price", "size"))
    assert product.read().num_rows == 0


def test_an_unknown_product_or_symbol_names_its_neighbours(place: Path) -> None:
    lake = lakehouse.open(place / "lake")
    with pytest.raises(lakehouse.LakehouseError, match=r"Did you mean market_data\.trades"):
        lake["market_data.trade"]
    with pytest.raises(lakehouse.LakehouseError, match=r"(?s)Unknown symbol .* Did you mean IBM"):
        lake["market_data.trades"].read("IBN", "2024-01-02", "2024-01-03")
