"""Manifests and checkpoints: every fact of every file comes back, and only when somebody looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import lakehouse
from lakehouse.errors import IntegrityError
from lakehouse.names import ProductName
from lakehouse.partitions import checkpoints, replay
from lakehouse.partitions.file_list import FileList
from lakehouse.partitions.layout import Layout
from lakehouse.partitions.manifest import decode_manifest, encode_manifest
from lakehouse.partitions.state import DataFile, TableState
from lakehouse.schema import Column, TableSchema
from lakehouse.store import open_store

SCHEMA = TableSchema(
    (Column("symbol", "string", False), Column("time", "timestamp[ns]", False)), "symbol", "time"
)
HEX = st.text("0123456789abcdef", min_size=32, max_size=32)
FILES = st.lists(
    st.builds(
        DataFile,
        path=st.text(min_size=1, max_size=9),
        size=st.integers(0, 2**62),
        rows=st.integers(0, 2**62),
        sha256=HEX,
        digest=HEX,
        partition=st.sampled_from([(), (("date", "2024-01-01"),), (("symbol", "é/"), ("date", None))]),
        min_symbol=st.none() | st.text(max_size=4),
        max_symbol=st.none() | st.text(max_size=4),
        min_time=st.none() | st.integers(-(2**63), 2**63 - 1),
        max_time=st.none() | st.integers(-(2**63), 2**63 - 1),
        columns=st.sampled_from([(), ("symbol", "time"), ("a,b",)]),
    ),
    max_size=6,
    unique_by=lambda file: file.path,
)


def state_of(files: Sequence[DataFile], root: Path) -> TableState:
    name = ProductName("m", "p")
    return TableState(open_store(root), name, 1, 3, SCHEMA, Layout(), tuple(files), "0" * 32, "1.0.0", {}, 7)


@given(files=FILES)
def test_a_manifest_keeps_every_fact(tmp_path_factory: pytest.TempPathFactory, files: list[DataFile]) -> None:
    state = state_of(files, tmp_path_factory.getbasetemp())
    back = decode_manifest(state.store, encode_manifest(state), where="here")
    assert len(back.files) == len(files)
    by_path = tuple(sorted(files, key=lambda file: file.path))
    assert replace(back, files=tuple(back.files)) == replace(state, files=by_path)


def test_equal_versions_give_equal_bytes_whatever_the_order_of_their_files(tmp_path: Path) -> None:
    files = [DataFile(f"f{number}", 1, 1, "a" * 64, "b" * 32) for number in range(5)]
    assert encode_manifest(state_of(files, tmp_path)) == encode_manifest(state_of(files[::-1], tmp_path))


def test_the_files_of_a_manifest_are_made_on_first_use(tmp_path: Path) -> None:
    made: list[int] = []

    def load() -> tuple[DataFile, ...]:
        made.append(1)
        return (DataFile("f", 1, 1, "a" * 64, "b" * 32),)

    files = FileList(1, load)
    assert len(files) == 1
    assert repr(files) == "<FileList: 1 files>"
    assert not made
    assert files == load()
    assert files[0].path == next(iter(files)).path == "f"
    assert len(made) == 2, "once by the list, once by this test"


def test_a_cut_manifest_is_refused(tmp_path: Path) -> None:
    state = state_of([DataFile("f", 1, 1, "a" * 64, "b" * 32)], tmp_path)
    with pytest.raises(IntegrityError, match="manifest here is torn or altered"):
        decode_manifest(state.store, encode_manifest(state)[:-9], where="here")


def test_a_manifest_whose_pages_are_damaged_is_refused_when_a_file_is_looked_at(tmp_path: Path) -> None:
    data = bytearray(encode_manifest(state_of([DataFile("f", 1, 1, "a" * 64, "b" * 32)], tmp_path)))
    data[4:80] = bytes(76)
    state = decode_manifest(open_store(tmp_path), bytes(data), where="here")
    with pytest.raises(IntegrityError, match="manifest here is torn or altered"):
        list(state.files)


def test_a_checkpoint_gives_the_version_that_the_log_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first reader by column fell back to the log in silence: it must be the checkpoint that is read."""
    monkeypatch.setattr(replay, "CHECKPOINT_EVERY", 4)
    lake = lakehouse.open(tmp_path, create=True)
    rows = lakehouse.open(Path(__file__).parents[2])["market_data.bars_1d"].read().to_polars()
    product = lake.create("m.p", like=rows, key=("symbol", "date"), layout="date=month,symbol=row_groups")
    for number in range(4):
        product.append(rows[number::4], idempotency_key=f"k{number}")
    assert product.version == 4
    start = product.table.at(0)
    empty = replay.empty(lake.store, start.name, 1, start.schema, "1.0.0", None)
    path = lake.store.local_path(checkpoints.checkpoint_path(product.table.path, 4))
    _, files = checkpoints.read_checkpoint(path, table=product.table.path)
    assert sorted(files, key=str) == sorted(product.state().files, key=str)
    read = replay.from_checkpoint(empty).state
    assert (read.version, read.digest, read.transactions) == (4, product.digest, product.state().transactions)
    assert read.schema == product.schema
