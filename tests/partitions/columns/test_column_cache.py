"""Rows from the column cache are those of the data files, whatever is asked, and in whatever order."""

from __future__ import annotations

import gc
import os
import random
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

import lakehouse
from lakehouse.errors import ArgumentError
from lakehouse.partitions import blocks
from lakehouse.partitions.cache_hits import Hits, cached_row_groups
from lakehouse.partitions.columns import VARIABLE, ColumnCache, column_cache, writer
from lakehouse.partitions.columns.checksum import checksum
from lakehouse.partitions.columns.column_file import ColumnFile, group_checksum, plain_checksums
from lakehouse.partitions.columns.format import ColumnFormat, Mark
from lakehouse.partitions.resident import Resident
from lakehouse.partitions.selection import select_pieces
from lakehouse.schema import stored_schema
from lakehouse.times import Interval

Make = Callable[..., lakehouse.Product]
Ticks = Callable[..., pl.DataFrame]

NUMBERS = ["price", "size", "flag", "small", "tiny", "day", "venue"]
DAYS = [None, "1970-01-02", "1970-01-03T05:00", "1970-02-01", "1970-02-03"]


@contextmanager
def nothing_decoded(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail where a page of a data file is read."""
    with monkeypatch.context() as patch:
        patch.setattr(blocks, "read_groups", lambda *_, **__: pytest.fail("a page was decoded"))
        yield


def uncached(product: lakehouse.Product, *question: object) -> pl.DataFrame:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, "0")
        return product.read(*question).to_polars()  # type: ignore[arg-type]


def files_of(columns: ColumnCache) -> list[Path]:
    return sorted(columns.folder.glob("*/*.column"))


def test_any_question_has_the_same_answer(
    columns: ColumnCache, small_groups: None, product: Make, ticks: Ticks
) -> None:
    made = product(ticks(150), ticks(90, seed=1, first=40), ticks(90, seed=2, first=2000))
    rng = random.Random(4)
    for turn in range(120):
        symbols = rng.choice([None, ["A"], ["BRK/B", "日経"]])
        low, high = sorted(rng.sample(range(len(DAYS)), 2))
        wanted = rng.sample(["symbol", "time", *NUMBERS], rng.randint(1, 9))
        question = (symbols, DAYS[low], DAYS[high], wanted)
        assert made.read(*question).to_polars().equals(uncached(made, *question)), question
        if turn % 3 == 0:
            columns.flush()
    assert files_of(columns)


def test_the_second_question_decodes_nothing(
    columns: ColumnCache, small_groups: None, product: Make, ticks: Ticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = product(ticks(300), ticks(300, seed=1, first=900))
    question = (None, None, None, ["symbol", "time", *NUMBERS])
    first = made.read(*question).to_polars()
    assert columns.flush()
    with nothing_decoded(monkeypatch):
        assert made.read(*question).to_polars().equals(first)
        assert (
            made.read("A", "1970-01-02", "1970-01-04", ["price"])
            .to_polars()
            .equals(uncached_part(first, "A"))
        )


def uncached_part(frame: pl.DataFrame, symbol: str) -> pl.DataFrame:
    day = pl.col("time").dt.date().cast(pl.Int32)
    return frame.filter((pl.col("symbol") == symbol) & (day >= 1) & (day < 3)).select("price")


def test_what_waits_to_be_written_is_not_decoded_again(
    columns: ColumnCache, product: Make, ticks: Ticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "_PATIENCE_SECONDS", 3600.0)
    made = product(ticks(300))
    good = made.read().to_polars()
    assert not files_of(columns)
    with nothing_decoded(monkeypatch):
        assert made.read().to_polars().equals(good)
    assert columns.flush()
    with nothing_decoded(monkeypatch):
        assert made.read().to_polars().equals(good)


def test_whole_row_groups_are_not_copied(
    columns: ColumnCache, small_groups: None, product: Make, ticks: Ticks
) -> None:
    made = product(ticks(300))
    made.read(columns=["time", "price"])
    columns.flush()
    first, second = (made.read(columns=["price"]).to_arrow().column("price").chunk(0) for _ in range(2))
    assert first.buffers()[1].address == second.buffers()[1].address


def test_hits_are_counted(columns: ColumnCache, product: Make, ticks: Ticks) -> None:
    state = product(ticks(300), ticks(50, first=4000)).state()
    chosen = select_pieces(state, None, Interval())
    fields = [stored_schema(state.schema).field(name) for name in ("time", "price")]
    assert cached_row_groups(chosen, fields) == Hits(4, 0)
    kept = blocks.Kept()
    blocks.decode_blocks(state.store, blocks.cut_blocks(chosen[:1], fields, kept), fields[:1], kept)
    columns.flush()
    assert cached_row_groups(chosen, fields) == Hits(4, 1)
    columns.clear()
    assert cached_row_groups(chosen, fields) == Hits(4, 0)


def test_a_size_of_zero_turns_it_off(
    columns: ColumnCache, product: Make, ticks: Ticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "0")
    assert column_cache() is None
    product(ticks(300)).read()
    assert not columns.folder.exists()


def test_a_size_that_is_none_is_refused(
    columns: ColumnCache, product: Make, ticks: Ticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "plenty")
    with pytest.raises(ArgumentError, match="LAKEHOUSE_COLUMN_CACHE_SIZE is 'plenty'"):
        product(ticks(300)).read()


def test_any_altered_byte_is_noticed(
    columns: ColumnCache, product: Make, ticks: Ticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that used the file before notices too, since the file's time has changed."""
    made = product(ticks(300))
    question = (None, None, None, ["time", "size"])
    good = made.read(*question).to_polars()
    columns.flush()
    rng = random.Random(1)
    for file in files_of(columns):
        whole = file.read_bytes()
        for _ in range(60):
            place = rng.choice([rng.randrange(200), rng.randrange(4096, len(whole))])
            file.write_bytes(whole[:place] + bytes([whole[place] ^ 0x41]) + whole[place + 1 :])
            assert made.read(*question).to_polars().equals(good), place
            columns.flush()
    with nothing_decoded(monkeypatch):  # each was repaired
        assert made.read(*question).to_polars().equals(good)


@pytest.mark.parametrize("length", [0, 100, 4096, 5000])
def test_a_file_that_was_cut_off_is_made_again(
    columns: ColumnCache,
    product: Make,
    ticks: Ticks,
    length: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = product(ticks(300))
    good = made.read(columns=["price"]).to_polars()
    columns.flush()
    (file,) = files_of(columns)
    file.write_bytes(file.read_bytes()[:length])
    for _ in range(3):  # the first throws it away, the second fills it
        assert made.read(columns=["price"]).to_polars().equals(good)
        columns.flush()
    with nothing_decoded(monkeypatch):
        assert made.read(columns=["price"]).to_polars().equals(good)


def test_a_file_under_the_name_of_another_is_not_believed(
    columns: ColumnCache, product: Make, ticks: Ticks
) -> None:
    """Same length, same rows; other values."""
    made = product(ticks(300))
    good = made.read(columns=["price", "size"]).to_polars()
    columns.flush()
    first, second = files_of(columns)
    first.write_bytes(second.read_bytes())
    assert made.read(columns=["price", "size"]).to_polars().equals(good)


def test_it_may_be_deleted_while_it_is_used(
    columns: ColumnCache, small_groups: None, product: Make, ticks: Ticks
) -> None:
    made = product(ticks(400))
    good = made.read().to_polars()
    stop = threading.Event()

    def delete() -> None:
        while not stop.wait(0.002):
            shutil.rmtree(columns.folder, ignore_errors=True)

    thread = threading.Thread(target=delete)
    thread.start()
    try:
        for _ in range(60):
            assert made.read().to_polars().equals(good)
    finally:
        stop.set()
        thread.join()


def test_rows_outlive_the_file_that_they_lie_in(columns: ColumnCache, product: Make, ticks: Ticks) -> None:
    made = product(ticks(300))
    made.read(columns=["price"])
    columns.flush()
    result = made.read(columns=["price"])
    copy = result.to_arrow().to_pylist()
    columns.clear()
    assert result.to_arrow().to_pylist() == copy


@pytest.mark.parametrize("kind", ["a file in its place", "a folder for each file"])
def test_a_folder_that_takes_nothing_is_no_error(
    columns: ColumnCache, product: Make, ticks: Ticks, kind: str
) -> None:
    made = product(ticks(300))
    good = made.read().to_polars()
    columns.flush()
    for file in files_of(columns):
        file.unlink()
        if kind == "a folder for each file":
            file.mkdir()
    if kind == "a file in its place":
        columns.clear()
        columns.folder.touch()
    for _ in range(2):
        assert made.read().to_polars().equals(good)
        columns.flush()


def test_the_bound_is_kept(
    columns: ColumnCache, product: Make, ticks: Ticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "100kB")
    small = column_cache()
    assert small is not None
    made = product(*(ticks(1500, seed=part, first=2000 * part) for part in range(6)))
    good = made.read().to_polars()
    for _ in range(3):
        assert made.read().to_polars().equals(good)
        small.flush()
        # A file takes whole pages, and up to a twentieth may come before it is counted again.
        assert 0 < small.size <= 100_000 * 1.05 + 7 * 8192
    assert small.limit == 100_000


def test_what_was_used_last_stays(
    columns: ColumnCache, product: Make, ticks: Ticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = (ticks(3000, seed=part, first=20_000 * part) for part in range(5))
    made = product(*parts, layout="date=none,symbol=row_groups")
    starts = sorted(file.min_time or 0 for file in made.state().files)
    files = []
    for part in range(4):
        before = set(files_of(columns))
        made.read(None, starts[part], starts[part] + 10**16, ["price"])
        columns.flush()
        (added,) = set(files_of(columns)) - before
        files.append(added)
        os.utime(added, (1_000_000_000 + part, 1_000_000_000 + part))
    made.read(None, starts[0], starts[0] + 10**16, ["price"])  # the oldest is used again

    monkeypatch.setenv(VARIABLE, str(columns.size * 9 // 8))
    full = column_cache()
    assert full is not None
    made.read(None, starts[4], starts[4] + 10**16, ["price"])
    full.flush()
    assert [file.exists() for file in files] == [True, False, True, True]
    assert len(files_of(full)) == 4


@pytest.mark.parametrize("limit", ["descriptors", "maps", "bytes"])
def test_many_files_are_read_without_a_map_each(
    columns: ColumnCache,
    small_groups: None,
    product: Make,
    ticks: Ticks,
    monkeypatch: pytest.MonkeyPatch,
    limit: str,
) -> None:
    if limit == "descriptors":
        monkeypatch.setattr("lakehouse.partitions.columns.column_file._MOST_MAPS", 0)
    else:
        most = (0, 1 << 30) if limit == "maps" else (256, 1)
        monkeypatch.setattr(columns, "_mapped", Resident[ColumnFile](*most))
    made = product(ticks(300), ticks(300, seed=1, first=900))
    question = (None, None, None, ["symbol", "time", *NUMBERS])
    good = made.read(*question).to_polars()
    columns.flush()
    for _ in range(2):
        with nothing_decoded(monkeypatch):
            assert made.read(*question).to_polars().equals(good)
    file = files_of(columns)[0]
    file.write_bytes(file.read_bytes()[:-1] + b"\x55")
    assert made.read(*question).to_polars().equals(good)


def test_a_damaged_data_file_is_found_by_a_verification_all_the_same(
    columns: ColumnCache, product: Make, ticks: Ticks
) -> None:
    made = product(ticks(300))
    good = made.read().to_polars()
    columns.flush()
    (file,) = made.state().files
    local = made.table.store.local_path(file.path)
    local.write_bytes(b"\0" * file.size)
    assert not made.verify().ok
    assert made.read(columns=NUMBERS).to_polars().equals(good.select(NUMBERS))


def test_the_checksum_knows_where_a_page_belongs() -> None:
    import numpy as np

    data = np.random.default_rng(0).integers(0, 256, 3 * 4096 + 13, dtype=np.uint8)
    swapped = np.concatenate([data[4096:8192], data[:4096], data[8192:]])
    assert checksum(data, 0) != checksum(swapped, 0)
    for place in (0, 4095, 4096, 9000, len(data) - 1):
        altered = data.copy()
        altered[place] ^= 1
        assert checksum(altered, 0) != checksum(data, 0)
    assert checksum(data[:-1], 0) != checksum(data, 0)


@pytest.mark.parametrize("kind", [pa.int64(), pa.float64(), pa.date32(), pa.int16()])
def test_the_checksums_of_neighbours_are_those_of_each(kind: pa.DataType) -> None:
    import numpy as np

    starts = np.array([0, 3, 515, 1027, 1028, 6000, 6512])
    form = ColumnFormat("ab" * 32, "price", kind, starts)
    data = np.random.default_rng(1).integers(0, 256, 6512 * form.width, dtype=np.uint8)
    marks = np.zeros((3, 4), np.uint64)
    marks[:, 0] = 1
    part = data[515 * form.width : 6000 * form.width]
    found = plain_checksums(form, 2, marks, part)
    borders = ((starts[2:6] - 515) * form.width).tolist()
    assert found.tolist() == [
        group_checksum(form, 2 + i, Mark(1, 0, 0, 0), [part[borders[i] : borders[i + 1]]]) for i in range(3)
    ]


def test_a_stream_leaves_no_file_mapped_behind_itself(
    columns: ColumnCache, product: Make, ticks: Ticks
) -> None:
    made = product(ticks(3000), ticks(3000, first=40 * 86_400))
    whole = made.read().to_arrow()
    columns.flush()
    maps = Path("/proc/self/maps")
    seen = 0
    for batch in made.scan().to_reader():
        seen += batch.num_rows
        mapped = maps.read_text().count(str(columns.folder)) if maps.exists() else 1
    assert seen == len(whole)
    assert mapped
    del batch
    gc.collect()
    assert not maps.exists() or str(columns.folder) not in maps.read_text()
    again, before = (
        pl.DataFrame(pl.from_arrow(rows)).sort("symbol", "time", maintain_order=True)
        for rows in (made.scan().to_reader().read_all(), whole)
    )
    assert again.equals(before)
