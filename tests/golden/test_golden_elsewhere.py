"""Other readers of Delta tables see the same golden rows, and today's writer gives them the same digests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import deltalake
import polars as pl
import pytest

import lakehouse
from lakehouse.partitions.reading import to_reader_types
from tools.make_golden import build

if TYPE_CHECKING:
    import pyarrow as pa

ROOT = Path(__file__).parents[2]
PLACES = {"root": ROOT, "formats": ROOT / "tests" / "golden" / "formats"}
EXPECTED: dict[str, Any] = json.loads(
    (ROOT / "tests" / "golden" / "expected.json").read_text(encoding="utf-8")
)
PRODUCTS = [(lake, name) for lake in PLACES for name in EXPECTED[lake]["products"]]


def compare(where: str, name: str, foreign: pa.Table) -> None:
    """Assert that another reader has our rows, in our order once it sorts them as we do."""
    product = lakehouse.open(PLACES[where])[name]
    stored = foreign.sort_by([(column, "ascending") for column in product.schema.sort_columns])
    theirs = to_reader_types(stored.select(product.schema.names), product.schema, product.schema.names)
    assert pl.DataFrame(theirs).equals(pl.DataFrame(product.read()))


def table_of(where: str, name: str) -> str:
    product = lakehouse.open(PLACES[where])[name]
    return str(PLACES[where] / product.table.path)


@pytest.mark.parametrize(("where", "name"), PRODUCTS)
def test_deltalake_reads_the_same_rows(where: str, name: str) -> None:
    compare(where, name, deltalake.DeltaTable(table_of(where, name)).to_pyarrow_table())


@pytest.mark.parametrize(("where", "name"), PRODUCTS)
def test_polars_reads_the_same_rows(where: str, name: str) -> None:
    compare(where, name, pl.read_delta(table_of(where, name)).to_arrow(compat_level=pl.CompatLevel.oldest()))


def test_same_rows_written_today_have_the_same_digests(tmp_path: Path) -> None:
    build(tmp_path)
    written = json.loads((tmp_path / "tests" / "golden" / "expected.json").read_text(encoding="utf-8"))
    assert written == EXPECTED
