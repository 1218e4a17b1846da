"""Verification: what was changed on disk, in a footer or in the log is named; what was not is not."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest

import lakehouse
from lakehouse.partitions import footers, verify
from lakehouse.partitions.digest import add
from lakehouse.partitions.state import TableState
from lakehouse.partitions.verify import verify_state

Damage = Callable[[Path], None]


@pytest.fixture
def state(tmp_path: Path) -> TableState:
    """Give a version of two files, several symbols and row groups, texts and nulls."""
    rows = 150_000
    instants = 1_700_000_000_000_000_000 + np.arange(rows) * 20_000_000_000
    times = pl.Series(instants).cast(pl.Datetime("ns", "UTC"))
    frame = pl.DataFrame(
        {
            "symbol": np.array(["A", "B", "é"])[np.arange(rows) % 3],
            "time": times,
            "price": np.where(np.arange(rows) % 7, np.arange(rows) / 3, np.nan),
            "venue": pl.Series(["x", None, "日"] * (rows // 3)),
        }
    )
    lake = lakehouse.open(tmp_path / "lake", create=True)
    product = lake.create("m.p", like=frame, key=("symbol", "time"), layout="date=month,symbol=row_groups")
    product.append(frame)
    return product.state()


def first_file(state: TableState) -> Path:
    return state.store.local_path(state.files[0].path)


@pytest.mark.parametrize("rows_at_once", [1, 20_000, 10**9])
def test_untouched_files_are_as_recorded_however_they_are_cut(
    state: TableState, monkeypatch: pytest.MonkeyPatch, rows_at_once: int
) -> None:
    monkeypatch.setattr(verify, "_ROWS_AT_ONCE", rows_at_once)
    found = verify_state(state)
    assert pq.read_metadata(first_file(state)).num_row_groups > 2
    assert found.ok
    assert (found.files, found.rows) == (2, 150_000)


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize(
    ("damage", "what", "quick"),
    [(flip_a_bit, "were altered", True), (cut, "bytes, not", False), (Path.unlink, "is missing", False)],
)
def test_damage_to_one_file_is_named_and_the_others_are_still_read(
    state: TableState, damage: Damage, what: str, quick: bool
) -> None:
    damage(first_file(state))
    (problem,) = verify_state(state).problems
    assert problem.path == state.files[0].path
    assert what in problem.what
    assert verify_state(state, quick=True).ok == quick


def test_other_rows_under_a_hash_that_fits_are_found(state: TableState) -> None:
    """A file whose record was forged with it: its digest in the log is that of the right rows."""
    path = first_file(state)
    shutil.copy(state.store.local_path(state.files[1].path), path)
    footers._footers.clear()
    other = state.files[1]
    forged = replace(state.files[0], sha256=other.sha256, size=other.size, rows=other.rows)
    (problem,) = verify_state(replace(state, files=(forged, *state.files[1:]))).problems
    assert problem.what == "the rows are not those recorded"


def test_a_footer_that_gives_a_partition_another_digest_is_found(
    state: TableState, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Differences trust the digests in footers, so verification recomputes them one by one."""
    footer = footers.footer_of(state.store, state.files[0], "time")
    shifted = (add(footer.digests[0], "1"), *footer.digests[1:])
    monkeypatch.setitem(
        footers._footers, (state.store.url, state.files[0].path), replace(footer, digests=shifted)
    )
    (problem,) = verify_state(state).problems
    assert problem.what == "the rows of A are not those of its footer"
    assert problem.expected == shifted[0]


def test_a_version_whose_digest_is_not_the_sum_is_found(state: TableState) -> None:
    (problem,) = verify_state(replace(state, digest="f" * 32)).problems
    assert "not the sum" in problem.what
