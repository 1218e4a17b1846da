"""Readers of a bucket: other libraries by our connection, and ours through a cache that may be damaged."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import deltalake
import polars as pl
import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet as pq
import pytest

import lakehouse
from lakehouse.errors import IntegrityError

if TYPE_CHECKING:
    from tests.conftest import S3Server

NAME = "market_data.bars_1m"
ROOT = Path(__file__).parents[2]
PROFILED = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_ALLOW_HTTP")

Bars = Callable[..., pl.DataFrame]


@pytest.fixture
def cache(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Set the variables of the server, and give the cache of this test."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LAKEHOUSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def bucket(s3_server: S3Server) -> str:
    return s3_server.new_bucket()


@pytest.fixture
def product(bucket: str, cache: Path, bars: Bars) -> lakehouse.Product:
    """Give a product in a bucket, of some files."""
    lake = lakehouse.open(f"s3://{bucket}/{uuid.uuid4().hex}", create=True)
    made = lake.create(NAME, like=bars(), key=("symbol", "time"), layout="date=month,symbol=row_groups")
    for month in range(4):
        made.append(bars(first=19_724 + 31 * month))
    return made


@pytest.fixture
def of_profile(
    product: lakehouse.Product, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> lakehouse.Product:
    """Give the product, opened by a profile, with no variable left that another library could read."""
    keys = [
        f"aws_{name}={s3_server.environment[f'AWS_{name.upper()}']}"
        for name in ("access_key_id", "secret_access_key")
    ]
    where = [f"endpoint_url={s3_server.endpoint}", f"region={s3_server.environment['AWS_REGION']}"]
    (tmp_path / "credentials").write_text("\n".join(["[quant]", *keys, *where]))
    for name in PROFILED[:4]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_PROFILE", "quant")
    opened = lakehouse.open(product.table.store.url)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_PROFILE", "AWS_ALLOW_HTTP"):
        monkeypatch.delenv(name)
    return opened[NAME]


def objects(cache: Path) -> list[Path]:
    return [file for file in (cache / "objects").rglob("*") if file.is_file()]


def same_rows(theirs: pl.DataFrame, product: lakehouse.Product) -> bool:
    """Compare a foreign reading; Delta has no order of rows, and knows no nanoseconds."""
    names = ["symbol", "open", "high", "low", "close", "volume"]
    ours = product.read(columns=names).to_polars()
    return theirs.sort("symbol", "time").select(names).equals(ours)


def test_deltalake_and_polars_read_by_our_connection(of_profile: lakehouse.Product) -> None:
    store = of_profile.table.store
    url, options = f"{store.url}/{of_profile.table.path}", store.connection()
    table = pl.from_arrow(deltalake.DeltaTable(url, storage_options=options).to_pyarrow_table())
    assert isinstance(table, pl.DataFrame)
    assert same_rows(table, of_profile)
    assert same_rows(pl.read_delta(url, storage_options=options), of_profile)
    lazy = pl.scan_delta(url, storage_options=options).filter(pl.col("symbol") == "IBM").select(pl.len())
    assert lazy.collect().item() == 12


def test_pyarrow_reads_by_our_connection(of_profile: lakehouse.Product) -> None:
    store, known = of_profile.table.store, of_profile.table.store.connection()
    scheme, _, host = known["AWS_ENDPOINT_URL"].partition("://")
    system = pyarrow.fs.S3FileSystem(
        access_key=known["AWS_ACCESS_KEY_ID"],
        secret_key=known["AWS_SECRET_ACCESS_KEY"],
        region=known["AWS_REGION"],
        endpoint_override=host,
        scheme=scheme,
    )
    root = store.url.removeprefix("s3://")
    read = [pq.read_table(f"{root}/{file.path}", filesystem=system) for file in of_profile.state().files]
    assert sum(table.num_rows for table in read) == of_profile.rows == 24
    assert pa.concat_tables(read, promote_options="default")["volume"].to_pylist().count(0) == 4


def test_a_contract_grows_in_a_bucket(product: lakehouse.Product, bars: Bars) -> None:
    schema = product.contract.schema
    grown = dataclasses.replace(schema, columns=(*schema.columns, lakehouse.Column("vwap", "float64")))
    lake = lakehouse.open(product.table.store.url)
    made = lake.apply(dataclasses.replace(product.contract, version="1.1.0", schema=grown))
    made.append(bars(("AAPL",)).with_columns(vwap=pl.lit(1.5)))
    assert lake.sql(f"select count(vwap) as n, count(*) as m from {NAME}").to_polars().row(0) == (3, 27)
    assert [commit.operation for commit in made.history()][:2] == ["append", "evolve"]


def test_versions_are_compared_in_a_bucket(product: lakehouse.Product, bars: Bars) -> None:
    product.upsert(bars(("IBM",), days=1, price=50.0))
    product.append(bars(("AAPL",)))
    found = product.diff(4)
    assert (len(found.added), len(found.removed), len(found.changed)) == (3, 0, 1)


@pytest.mark.parametrize("size", ["0", "5kB", "50%"])
def test_a_cache_of_any_size_gives_the_same_answers(
    product: lakehouse.Product, cache: Path, monkeypatch: pytest.MonkeyPatch, size: str
) -> None:
    monkeypatch.setenv("LAKEHOUSE_CACHE_SIZE", size)
    lake = lakehouse.open(product.table.store.url)
    answer = lake.sql(f"select symbol, count(*) as n from {NAME} group by 1 order by 1")
    for _ in range(2):  # the second time from what was kept, or not
        assert lake[NAME].read().to_polars().height == 24
        assert answer.to_polars().rows() == [("BRK/B", 12), ("IBM", 12)]
        assert lake[NAME].verify().ok
    kept = sum(file.stat().st_size for file in objects(cache))
    assert kept == 0 if size == "0" else kept <= 5000 if size == "5kB" else len(objects(cache)) == 4


def test_a_query_outlives_the_eviction_of_its_files(product: lakehouse.Product, cache: Path) -> None:
    """A stream opens its files as it goes: they stay as long as it may."""
    answer = lakehouse.open(product.table.store.url).sql(f"select symbol, time from {NAME}")
    for file in objects(cache):
        file.unlink()
    assert len(answer.to_polars()) == 24


def test_a_copy_that_was_damaged_is_fetched_again(product: lakehouse.Product, cache: Path) -> None:
    lakehouse.open(product.table.store.url)[NAME].read()
    for file in objects(cache):
        file.write_bytes(bytes(reversed(file.read_bytes())))
    opened = "import sys, lakehouse; p = lakehouse.open(sys.argv[1])[sys.argv[2]]"
    script = f"{opened}; print(len(p.read()), p.verify().ok)"
    command = [sys.executable, "-c", script, product.table.store.url, NAME]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.split() == ["24", "True"]


def test_an_object_that_was_altered_in_the_bucket_is_found_out(
    product: lakehouse.Product, s3_server: S3Server
) -> None:
    bucket, _, prefix = product.table.store.url.removeprefix("s3://").partition("/")
    path = product.state().files[0].path
    data = bytearray(product.table.store.get(path))
    data[len(data) // 2] ^= 1
    s3_server.client().put_object(Bucket=bucket, Key=f"{prefix}/{path}", Body=bytes(data))
    fresh = lakehouse.open(product.table.store.url)[NAME]
    (problem,) = fresh.verify().problems
    assert problem.path == path
    assert "were altered" in problem.what
    with pytest.raises(IntegrityError, match=f"bytes of {path} were altered"):
        fresh.read()
