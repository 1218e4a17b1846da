"""A column cache on a disk that is full or read-only: right rows, and no error."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest

import lakehouse
from lakehouse.partitions.columns import VARIABLE, cache, column_cache, writer

Make = Callable[..., lakehouse.Product]
Ticks = Callable[..., pl.DataFrame]


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a disk of 256 KiB, with the cache on it."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root of a Linux can mount a small disk")
    command = ["mount", "-t", "tmpfs", "-o", "size=256k,nr_inodes=60", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let us mount a small disk")
    monkeypatch.setenv("LAKEHOUSE_CACHE", str(folder))
    monkeypatch.setenv(VARIABLE, "0")
    monkeypatch.setattr(cache, "SMALLEST_FILE_IN_ROWS", 1)
    monkeypatch.setattr(writer, "_REST_SECONDS", 0.0)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def read_often(product: lakehouse.Product, good: pl.DataFrame) -> None:
    for _ in range(4):
        assert product.read().to_polars().equals(good)
        made = column_cache()
        assert made is not None
        assert made.flush()


@pytest.mark.parametrize("size", ["1GB", "20%", "40kB"])
def test_a_full_disk_is_no_error(
    disk: Path, product: Make, ticks: Ticks, monkeypatch: pytest.MonkeyPatch, size: str
) -> None:
    made = product(*(ticks(3000, seed=part, first=5000 * part) for part in range(4)))
    good = made.read().to_polars()
    monkeypatch.setenv(VARIABLE, size)
    read_often(made, good)


@pytest.mark.parametrize("left", [0, 1, 2, 3, 7])
def test_a_disk_that_others_filled_is_no_error(
    disk: Path, product: Make, ticks: Ticks, monkeypatch: pytest.MonkeyPatch, left: int
) -> None:
    made = product(ticks(3000))
    good = made.read().to_polars()
    found = os.statvfs(disk)
    (disk / "ballast").write_bytes(bytes((found.f_bavail - left) * found.f_frsize))
    monkeypatch.setenv(VARIABLE, "1GB")
    read_often(made, good)


def test_a_cache_on_a_disk_that_is_read_only_is_used_and_left_alone(
    disk: Path, product: Make, ticks: Ticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = product(ticks(1500))
    good = made.read().to_polars()
    monkeypatch.setenv(VARIABLE, "1GB")
    assert made.read(columns=["price"]).to_polars().equals(good.select("price"))
    columns = column_cache()
    assert columns is not None
    assert columns.flush()
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    read_often(made, good)
    assert len(list(columns.folder.glob("*/*.column"))) == 1
