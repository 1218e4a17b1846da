"""Sources by name: ours, those of other distributions, names that nobody has and names that two have."""

from __future__ import annotations

import pickle
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

import lakehouse
from lakehouse.errors import ArgumentError, NotFoundError
from lakehouse.ingest.sources.registry import BUILT_IN, GROUP

ROOT = Path(__file__).parents[3]
MODULE = '''\
"""A vendor's source, as its own distribution has it."""
import pyarrow as pa
from lakehouse.catalog.contract import Contract
from lakehouse.ingest.sources import Chunk, Source, fit_table, identity
from lakehouse.schema import Column, TableSchema

ROWS = pa.table({"symbol": ["A", "B"], "close": [1.5, 2.5]})

class VendorSource(Source):
    """Two rows of a vendor."""

    def __init__(self, location, *, scale=1):
        self.name = f"vendor:{location}"

    def symbols(self):
        return ("A", "B")

    def contract(self):
        columns = (Column("symbol", "string", nullable=False), Column("close", "float64"))
        return Contract("vendor.closes", "1.0.0", TableSchema(columns, symbol="symbol", key=("symbol",)))

    def chunks(self, schema, symbols, interval):
        return (Chunk(identity("vendor/1", symbols), None, interval, ("rows",), 0, symbols),)

    def read(self, chunk, schema):
        return fit_table(ROWS, schema, chunk, label=self.name)

def broken(location):
    return 7
'''


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put a distribution, with its metadata, on the path of this process."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write(distribution: str, *points: str) -> None:
        (tmp_path / "vendor_of_the_tests.py").write_text(MODULE)
        info = tmp_path / f"{distribution.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("\n".join([f"[{GROUP}]", *points]) + "\n")

    return write


def test_a_source_of_another_distribution_is_found_and_fills_a_product(
    install: Callable[..., None], tmp_path: Path
) -> None:
    install("vendor-for-lakehouse", "vendor = vendor_of_the_tests:VendorSource")
    lake = lakehouse.open(tmp_path / "lake", create=True)
    with pytest.raises(
        NotFoundError, match=r"(?s)Unknown product.*lake\.create\('vendor\.prices', like=source\)"
    ):
        lake.backfill("vendor.prices", "vendor:here")
    product = lake.create("vendor.prices", like=lakehouse.sources.open("vendor:here"))
    assert str(product.contract.name) == "vendor.prices"
    report = lake.backfill("vendor.prices", "Vendor:here")
    assert (report.source, report.accepted) == ("vendor:here", 2)
    assert lake.backfill("vendor.prices", "vendor:here").skipped == 1


def test_a_missing_product_is_named_also_where_the_source_can_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "IBM.parquet").write_bytes(b"PAR1 and nothing else")
    lake = lakehouse.open(tmp_path / "lake", create=True)
    with pytest.raises(NotFoundError, match=r"Unknown product 'vendor\.prices'"):
        lake.backfill("vendor.prices", tmp_path / "IBM.parquet")


def test_a_name_that_two_distributions_claim_belongs_to_neither(install: Callable[..., None]) -> None:
    install("vendor-one", "vendor = vendor_of_the_tests:VendorSource")
    install("vendor-two", "vendor = vendor_of_the_tests:broken")
    with pytest.raises(
        ArgumentError, match=r"(?s)Several sources are called 'vendor': vendor-one .* and vendor-two"
    ):
        lakehouse.sources.open("vendor:here")


def test_a_name_of_ours_that_another_distribution_claims_is_a_clash(install: Callable[..., None]) -> None:
    install("vendor-one", "files = vendor_of_the_tests:VendorSource")
    with pytest.raises(ArgumentError, match=r"quant-lakehouse .* and vendor-one"):
        lakehouse.sources.open("files:here")


@pytest.mark.parametrize("place", ["", "files:", "hive:", "influx:"])
def test_an_empty_path_is_not_the_present_folder(place: str) -> None:
    with pytest.raises(ArgumentError, match="path of a source is empty"):
        lakehouse.sources.open(place)


def test_an_unknown_name_lists_the_choices(tmp_path: Path) -> None:
    with pytest.raises(
        NotFoundError, match=r"(?s)Unknown source 'fils'\. Known: .*files.*Did you mean files"
    ):
        lakehouse.sources.open("fils:/data")


@pytest.mark.parametrize(
    ("point", "message"),
    [
        ("vendor = no_such_module_at_all:Source", "can not be loaded from no_such_module_at_all:Source"),
        ("vendor = vendor_of_the_tests:missing", "can not be loaded from vendor_of_the_tests:missing"),
        ("vendor = vendor_of_the_tests:broken", "gave no Source but 7"),
    ],
)
def test_a_source_that_can_not_be_loaded_says_whose_it_is(
    install: Callable[..., None], point: str, message: str
) -> None:
    install("vendor-one", point)
    with pytest.raises(ArgumentError, match=f"vendor-one.*{message}"):
        lakehouse.sources.open("vendor:here")


def test_an_option_that_a_source_does_not_know_is_named(install: Callable[..., None]) -> None:
    install("vendor-one", "vendor = vendor_of_the_tests:VendorSource")
    with pytest.raises(ArgumentError, match=r"'vendor' does not know an option: .*'colour'"):
        lakehouse.sources.open("vendor:here", colour="red")


def test_a_recipe_beside_an_open_source_is_refused(tmp_path: Path) -> None:
    (tmp_path / "IBM.csv").write_text("date,close\n2024-01-02,161.14\n")
    with pytest.raises(ArgumentError, match="is open already"):
        lakehouse.sources.as_source(lakehouse.FileSource(tmp_path), "kraken_trades")


def test_a_path_with_a_colon_and_a_url_are_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fx:EURUSD.csv").write_text("date,close\n2024-01-02,1.1\n")
    assert lakehouse.sources.open("fx:EURUSD.csv").symbols() == ("fx:EURUSD",)
    assert lakehouse.sources.open(f"file://{tmp_path}").symbols() == ("fx:EURUSD",)


def test_pyproject_declares_the_sources_that_the_code_has() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"][GROUP] == BUILT_IN


def test_listing_the_sources_imports_none_of_their_libraries() -> None:
    heavy = "{'databento_dbn', 'arcticdb', 'deltalake', 'ccxt', 'pandas'}"
    code = (
        "import sys, lakehouse\n"
        "[source.load() for source in lakehouse.sources.installed()]\n"
        f"assert not {heavy} & set(sys.modules), {heavy} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_sources_can_be_sent_to_another_process(tmp_path: Path) -> None:
    (tmp_path / "symbol=IBM").mkdir()
    (tmp_path / "symbol=IBM" / "0.csv").write_text("date,close\n2024-01-02,161.14\n")
    (tmp_path / "daily.lp").write_text("m,symbol=GE close=1 5\n")
    for location in (f"files:{tmp_path}/symbol=IBM", f"hive:{tmp_path}", f"influx:{tmp_path}/*.lp"):
        source = lakehouse.sources.open(location)
        assert pickle.loads(pickle.dumps(source)).symbols() == source.symbols()
