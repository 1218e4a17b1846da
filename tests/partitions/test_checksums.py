"""One altered byte of a data file is an error of ours, or changes no row: pages and footer have checksums."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

import lakehouse
from lakehouse.errors import IntegrityError
from lakehouse.partitions import footer_checksum, footers
from lakehouse.partitions.segments import DIRECTORY_KEY
from lakehouse.times import NS_PER_SECOND

NAME = "market_data.ticks"
EVERY = 2


@pytest.fixture
def product(tmp_path: Path) -> lakehouse.Product:
    """Give a product of one small file: two symbols, a text that repeats, and numbers."""
    times = pl.Series([1_704_067_200 * NS_PER_SECOND + row * NS_PER_SECOND for row in range(40)])
    frame = pl.DataFrame(
        {
            "symbol": ["A"] * 20 + ["B"] * 20,
            "time": times.cast(pl.Datetime("ns", "UTC")),
            "price": [row * 1.37 for row in range(40)],
            "venue": ["X", "Y"] * 20,
        }
    )
    made = lakehouse.open(tmp_path / "lake", create=True).create(NAME, like=frame, key=())
    made.append(frame)
    return made


def file_of(product: lakehouse.Product) -> Path:
    (file,) = product.state().files
    return product.table.store.local_path(file.path)


def read(product: lakehouse.Product) -> list[pl.DataFrame]:
    """Read all rows, and some of one symbol, as a process does that has not seen the file yet."""
    footers._footers.clear()
    part = product.read("B", start="2024-01-01T00:00:25Z", columns=["price", "venue"])
    return [product.read().to_polars(), part.to_polars()]


def test_no_altered_byte_gives_other_rows(product: lakehouse.Product) -> None:
    file, good = file_of(product), read(product)
    data = file.read_bytes()
    refused = 0
    for place in range(0, len(data), EVERY):
        file.write_bytes(data[:place] + bytes([data[place] ^ 0x15]) + data[place + 1 :])
        try:
            found = read(product)
        except IntegrityError:
            refused += 1
            continue
        assert all(map(pl.DataFrame.equals, found, good)), f"byte {place}"
    assert refused > len(data) / EVERY / 2


def test_an_altered_footer_is_named(product: lakehouse.Product) -> None:
    file = file_of(product)
    data = file.read_bytes()
    place = data.rindex(DIRECTORY_KEY) + len(DIRECTORY_KEY) + 40
    other = b"A" if data[place : place + 1] != b"A" else b"B"
    file.write_bytes(data[:place] + other + data[place + 1 :])
    with pytest.raises(IntegrityError, match="its footer can not be read"):
        read(product)


def test_a_file_of_an_earlier_release_has_no_checksum_and_is_read(product: lakehouse.Product) -> None:
    file = file_of(product)
    data = file.read_bytes()
    assert footer_checksum.is_intact(file)
    file.write_bytes(data.replace(footer_checksum.KEY, b"x" * len(footer_checksum.KEY)))
    assert footer_checksum.is_intact(file)
    assert read(product)[0].height == 40


def test_pages_have_checksums_that_other_readers_check(product: lakehouse.Product) -> None:
    table = pq.read_table(file_of(product), page_checksum_verification=True)
    assert table.num_rows == 40
