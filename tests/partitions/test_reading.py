"""Reading: every layout gives the same rows in the same total order, whatever is selected."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse.errors import AlreadyExistsError, IntegrityError
from lakehouse.names import ProductName
from lakehouse.partitions import encoding
from lakehouse.partitions.commit_record import Commit
from lakehouse.partitions.digest import digest_of
from lakehouse.partitions.encoding import row_groups
from lakehouse.partitions.footers import footer_of
from lakehouse.partitions.layout import Layout
from lakehouse.partitions.parquet_files import write_data_files
from lakehouse.partitions.reading import read_rows, read_stored
from lakehouse.partitions.selection import select_pieces
from lakehouse.partitions.sorting import tie_ranks
from lakehouse.partitions.state import TableState
from lakehouse.partitions.table import Change, Table, Terms
from lakehouse.schema import Column, TableSchema
from lakehouse.store import LocalStore
from lakehouse.times import NS_PER_DAY, Interval

TICKS = TableSchema(
    (
        Column("symbol", "string", False),
        Column("time", "timestamp[ns]", False),
        Column("price", "float64"),
        Column("venue", "string"),
    ),
    "symbol",
    "time",
)
TERMS = Terms(TICKS, "1.0.0")
SYMBOLS = ["A", "BRK/B", "NA", "ibm", "日経225"]
ROWS = st.lists(
    st.tuples(
        st.sampled_from(SYMBOLS),
        st.integers(-5, 70 * 8),
        st.none() | st.floats(allow_nan=False),
        st.sampled_from(["N", "Q", None]),
    ),
    min_size=1,
    max_size=40,
)
LAYOUTS = [
    "date=day,symbol=row_groups",
    "date=month,symbol=identity",
    "date=year,symbol=bucket(2)",
    "date=none,symbol=row_groups",
]


def stored(rows: list[tuple[str, int, float | None, str | None]]) -> pa.Table:
    """Sort rows as the write path does; an eighth of a day a tick, so that ties and borders are frequent."""
    frame = pl.DataFrame(
        rows, schema=["symbol", "slot", "price", "venue"], orient="row", strict=False
    ).with_columns(
        pl.col("price").cast(pl.Float64),
        pl.col("venue").cast(pl.String),
        time=pl.col("slot").cast(pl.Int64) * (NS_PER_DAY // 8),
    )
    frame = frame.sort("symbol", "time", maintain_order=True)
    codes = frame["symbol"].rank("dense").cast(pl.Int32).to_numpy()
    ranks = tie_ranks(codes, frame["time"].to_numpy())
    table = (
        frame.select("symbol", "time", "price", "venue")
        .to_arrow()
        .cast(
            pa.schema(
                [
                    ("symbol", pa.string()),
                    ("time", pa.int64()),
                    ("price", pa.float64()),
                    ("venue", pa.string()),
                ]
            )
        )
    )
    return table.append_column("_sequence", pa.array(ranks, pa.int32()))


def table_of(root: Path, layout: str) -> Table:
    table = Table(LocalStore(root), ProductName("market_data", "ticks"), 1, lambda: TERMS)
    table.create(Layout.parse(layout))
    return table


def write(table: Table, rows: pa.Table) -> TableState:
    head = table.head()
    written = write_data_files(table.store, table.path, TICKS, head.layout or Layout(), rows, writer="test")
    table.commit(head, Change(add=written), Commit("", 0, "append", "", id="x"))
    return table.head()


@pytest.mark.parametrize("layout", LAYOUTS)
@settings(max_examples=100)
@given(
    rows=ROWS,
    symbols=st.none() | st.lists(st.sampled_from(SYMBOLS), max_size=3),
    edges=st.tuples(st.integers(-8, 600), st.integers(0, 300)),
)
def test_a_selection_is_the_filter_of_the_whole(
    tmp_path_factory: pytest.TempPathFactory,
    layout: str,
    rows: list[tuple[str, int, float | None, str | None]],
    symbols: list[str] | None,
    edges: tuple[int, int],
) -> None:
    table = table_of(tmp_path_factory.mktemp("t"), layout)
    everything = stored(rows)
    state = write(table, everything)
    interval = Interval(edges[0] * NS_PER_DAY // 8, (edges[0] + edges[1]) * NS_PER_DAY // 8)
    expected = [
        row
        for row in everything.to_pylist()
        if (symbols is None or row["symbol"] in symbols) and interval.start <= row["time"] < interval.end
    ]
    got = read_rows(state, symbols, interval)
    assert got.column("time").cast(pa.int64()).to_pylist() == [row["time"] for row in expected]
    assert got.column("symbol").to_pylist() == [row["symbol"] for row in expected]
    assert got.column("price").to_pylist() == [row["price"] for row in expected]


@given(first=ROWS, second=ROWS)
def test_rows_of_several_files_merge_into_one_total_order(
    tmp_path_factory: pytest.TempPathFactory,
    first: list[tuple[str, int, float | None, str | None]],
    second: list[tuple[str, int, float | None, str | None]],
) -> None:
    """The files overlap in time; the stored sequence alone decides between equal times."""
    table = table_of(tmp_path_factory.mktemp("t"), "date=month,symbol=row_groups")
    later = stored(second)
    moved = later.set_column(
        4, "_sequence", pa.array(np.asarray(later.column("_sequence")) + 1000, pa.int32())
    )
    write(table, stored(first))
    state = write(table, moved)
    both = pl.concat([pl.DataFrame(pl.from_arrow(stored(first))), pl.DataFrame(pl.from_arrow(moved))])
    expected = both.sort("symbol", "time", "_sequence")
    got = pl.DataFrame(pl.from_arrow(read_stored(state, select_pieces(state, None, Interval()))))
    assert got.with_columns(pl.col("symbol").cast(pl.String)).equals(expected)


def test_large_symbols_have_row_groups_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "OWN_ROW_GROUP", 10)
    monkeypatch.setattr(encoding, "LARGEST_ROW_GROUP", 25)
    rows: list[tuple[str, int, float | None, str | None]] = [
        (symbol, slot, 1.0, "N")
        for symbol, count in (("A", 3), ("B", 60), ("C", 2), ("D", 12), ("E", 5))
        for slot in range(count)
    ]
    state = write(table_of(tmp_path, "date=none,symbol=row_groups"), stored(rows))
    footer = footer_of(state.store, state.files[0], "time")
    assert np.diff(footer.group_starts).tolist() == [3, 20, 20, 20, 2, 12, 5]
    assert [footer.symbols[code] for code in footer.code] == ["A", "B", "B", "B", "C", "D", "E"]
    late = Interval(55 * NS_PER_DAY // 8, 58 * NS_PER_DAY // 8)
    (selection,) = select_pieces(state, ["B"], late)
    assert selection.groups == [3]
    assert read_rows(state, ["B"], late).num_rows == 3


@given(st.lists(st.integers(1, 50_000), min_size=1, max_size=30))
def test_row_groups_cover_every_row_once_and_cut_large_symbols_out(lengths: list[int]) -> None:
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64)
    groups = list(row_groups(starts, sum(lengths)))
    assert [start for start, _ in groups] == [0, *np.cumsum([length for _, length in groups])[:-1].tolist()]
    assert sum(length for _, length in groups) == sum(lengths)
    for start, length in zip(starts.tolist(), lengths, strict=True):
        if length >= encoding.OWN_ROW_GROUP:
            assert start in {first for first, _ in groups}


def test_the_digest_of_a_version_is_that_of_its_rows(tmp_path: Path) -> None:
    rows = stored([("A", 1, 2.0, "N"), ("A", 1, 2.0, "N"), ("B", 9, None, None)])
    assert write(table_of(tmp_path, LAYOUTS[0]), rows).digest == digest_of(rows)


def test_a_truncated_file_is_an_error_of_ours(tmp_path: Path) -> None:
    state = write(table_of(tmp_path, LAYOUTS[0]), stored([("A", 1, 2.0, "N")]))
    file = tmp_path / state.files[0].path
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(IntegrityError, match=f"has {file.stat().st_size} bytes"):
        read_rows(state, None, Interval())


def test_a_missing_file_is_an_error_of_ours(tmp_path: Path) -> None:
    state = write(table_of(tmp_path, LAYOUTS[0]), stored([("A", 1, 2.0, "N")]))
    (tmp_path / state.files[0].path).unlink()
    with pytest.raises(IntegrityError, match="is missing"):
        read_rows(state, None, Interval())


def test_a_commit_on_an_old_version_is_refused(tmp_path: Path) -> None:
    table = table_of(tmp_path, LAYOUTS[0])
    old = table.head()
    write(table, stored([("A", 1, 2.0, "N")]))
    with pytest.raises(AlreadyExistsError, match="version 1, not 0"):
        table.commit(old, Change(), Commit("", 0, "append", "", id="late"))


class ForgetfulStore(LocalStore):
    """A bucket whose answer to a put gets lost, so that the client's own retry finds the object there."""

    def put_if_absent(self, path: str, data: bytes) -> None:
        super().put_if_absent(path, data)
        raise AlreadyExistsError(f"{path} exists already.")


def test_an_entry_of_our_own_that_is_there_already_is_a_success(tmp_path: Path) -> None:
    table_of(tmp_path, LAYOUTS[0])
    table = Table(ForgetfulStore(tmp_path), ProductName("market_data", "ticks"), 1, lambda: TERMS)
    assert table.commit(table.head(), Change(), Commit("", 0, "append", "", id="mine")).version == 1
    assert table.head().version == 1


def test_old_versions_are_replayed_from_checkpoints(tmp_path: Path) -> None:
    table = table_of(tmp_path, LAYOUTS[0])
    first = write(table, stored([("A", 1, 2.0, "N")]))
    for number in range(230):
        table.commit(
            table.head(),
            Change(transactions={f"key {number}": 0}),
            Commit("", 0, "append", "", id=str(number)),
        )
    fresh = Table(LocalStore(tmp_path), table.name, 1, lambda: TERMS)
    assert sorted(path.name for path in (tmp_path / table.path / "_delta_log").glob("*.checkpoint.parquet"))[
        0
    ].startswith("0" * 17 + "100")
    assert fresh.head().version == 231
    assert fresh.head().transactions == table.head().transactions
    assert fresh.head().files == first.files
    assert fresh.head().digest == first.digest
    assert fresh.at(150).transactions.keys() == {f"key {n}" for n in range(149)}
    assert fresh.at(0).files == ()


def test_a_piece_that_the_interval_empties_does_not_shift_the_next(tmp_path: Path) -> None:
    """Found by the property above: the slice began at the emptied piece, and gave its rows instead."""
    rows = stored([("A", 0, None, "N"), ("A", 2, None, "N"), ("B", 1, None, "N")])
    state = write(table_of(tmp_path, LAYOUTS[3]), rows)
    got = read_rows(state, None, Interval(NS_PER_DAY // 8, 2 * NS_PER_DAY // 8))
    assert got.column("time").cast(pa.int64()).to_pylist() == [NS_PER_DAY // 8]
