"""Planning through an index gives the pieces that the footers give, whatever became of the cache."""

from __future__ import annotations

import pickle
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import lakehouse
from lakehouse.names import ProductName
from lakehouse.partitions import footers, indexed, replay
from lakehouse.partitions.commit_record import Commit
from lakehouse.partitions.index import pinned as pinned_files
from lakehouse.partitions.index.footer import IndexedFooter
from lakehouse.partitions.index.live import LiveFiles
from lakehouse.partitions.layout import Layout
from lakehouse.partitions.manifest import decode_manifest, encode_manifest
from lakehouse.partitions.parquet_files import write_data_files
from lakehouse.partitions.reading import read_rows
from lakehouse.partitions.selection import Selection, select_pieces
from lakehouse.partitions.state import TableState
from lakehouse.partitions.table import Change, Table, Terms
from lakehouse.queries.scan import Scan
from lakehouse.schema import Column, TableSchema
from lakehouse.store import LocalStore
from lakehouse.times import NS_PER_DAY, Interval

SCHEMA = TableSchema(
    (Column("symbol", "string", False), Column("time", "timestamp[ns]", False), Column("price", "float64")),
    "symbol",
    "time",
    ("symbol", "time"),
)
SYMBOLS = ["A", "BRK/B", "NA", "ibm", "日経225"]
LAYOUTS = ["date=day,symbol=row_groups", "date=month,symbol=identity", "date=none,symbol=bucket(2)"]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give every test a cache of its own, and forget the footers."""
    monkeypatch.setenv("LAKEHOUSE_CACHE", str(tmp_path / "cache"))
    footers._footers.clear()
    return tmp_path / "cache" / "index"


def table_of(root: Path, layout: str | None = None) -> Table:
    """Return the table as a process does that has not seen it yet."""
    table = Table(LocalStore(root), ProductName("m", "p"), 1, lambda: Terms(SCHEMA, "1.0.0"))
    if layout is not None:
        table.create(Layout.parse(layout))
    return table


def rows(*what: tuple[str, int, float | None]) -> Any:
    frame = pl.DataFrame(list(what), schema=["symbol", "time", "price"], orient="row", strict=False)
    return (
        frame.with_columns(pl.col("time") * (NS_PER_DAY // 8), pl.col("price").cast(pl.Float64))
        .sort("symbol", "time")
        .to_arrow(compat_level=pl.CompatLevel.oldest())
        .cast(__import__("pyarrow").schema([("symbol", "string"), ("time", "int64"), ("price", "float64")]))
    )


def commit(table: Table, data: Any, remove: int = 0) -> TableState:
    head = table.head()
    new = write_data_files(table.store, table.path, SCHEMA, head.layout or Layout(), data, writer="t")
    table.commit(head, Change(add=new, remove=head.files[:remove]), Commit("", 0, "append", "", id="x"))
    return table.head()


def facts_of(selections: list[Selection]) -> list[Any]:
    return [
        (
            each.file,
            each.pieces.tolist(),
            each.footer.symbols,
            each.footer.digests,
            each.groups,
            *(
                getattr(each.footer, name).tolist()
                for name in ("counts", "group_starts", "code", "start", "rows", "first", "last", "group")
            ),
        )
        for each in selections
    ]


def plain(state: TableState) -> TableState:
    """Return the version without an index."""
    return replace(state, files=tuple(state.files))


TICKS = st.lists(
    st.tuples(st.sampled_from(SYMBOLS), st.integers(-5, 300), st.none() | st.floats()), min_size=1
)


@pytest.mark.parametrize("layout", LAYOUTS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(
    commits=st.lists(st.tuples(TICKS, st.integers(0, 2)), min_size=1, max_size=5),
    symbols=st.none() | st.lists(st.sampled_from([*SYMBOLS, "none such"]), max_size=3),
    edges=st.tuples(st.integers(-8, 300), st.integers(0, 100)),
    small=st.sampled_from([0, 1024]),
)
def test_an_index_chooses_what_the_footers_choose(
    tmp_path_factory: pytest.TempPathFactory,
    layout: str,
    commits: list[Any],
    symbols: list[str] | None,
    edges: tuple[int, int],
    small: int,
) -> None:
    root = tmp_path_factory.mktemp("lake")
    interval = Interval(edges[0] * NS_PER_DAY // 8, sum(edges) * NS_PER_DAY // 8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(indexed, "EVERY", 2)
        patch.setattr(indexed, "SMALL", small)
        table = table_of(root, layout)
        for ticks, remove in commits:
            unique = {(symbol, time): (symbol, time, price) for symbol, time, price in ticks}
            commit(table, rows(*unique.values()), remove)
        for state in (table.head(), table_of(root).head()):
            assert isinstance(state.files, LiveFiles)
            assert state.files.now.slices
            assert replace(table_of(root).head(), store=state.store) == state
            for asked in (interval, Interval()):
                expected = select_pieces(plain(state), symbols, asked)
                assert facts_of(select_pieces(state, symbols, asked)) == facts_of(expected)
                admitted = {file.path for file in plain(state).select(symbols, asked)}
                assert (
                    {each.file.path for each in expected}
                    <= {file.path for file in state.select(symbols, asked)}
                    <= admitted
                )
            assert (state.rows, state.size) == (plain(state).rows, plain(state).size)


def test_statistics_in_the_index_are_those_of_the_footers(tmp_path: Path) -> None:
    table = table_of(tmp_path / "lake", LAYOUTS[0])
    commit(table, rows(("A", 1, 3.0), ("A", 2, float("nan")), ("A", 3, -1.0), ("B", 1, None), ("B", 2, 7.0)))
    (chosen,) = select_pieces(table_of(tmp_path / "lake").head(), None, Interval())
    assert isinstance(chosen.footer, IndexedFooter)
    price = chosen.footer.statistics["price"]
    assert price.low.tolist() == [-1.0, 7.0]
    assert price.high.tolist() == [3.0, 7.0]
    assert price.missing.tolist() == [1, 1]
    read = footers.footer_of(table.store, chosen.file, "time").statistics["price"]
    assert np.array_equal(read.low, price.low)


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """Give a table of twenty days in as many commits."""
    table = table_of(tmp_path / "lake", LAYOUTS[0])
    for day in range(20):
        commit(table, rows(*((symbol, 8 * day + n, 1.0 * n) for symbol in SYMBOLS for n in range(4))))
    return tmp_path / "lake"


def test_a_cold_reader_replays_only_what_came_after_the_index(
    lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    get = LocalStore.get

    def noted(self: LocalStore, path: str) -> bytes:
        read.append(path)
        return get(self, path)

    monkeypatch.setattr(LocalStore, "get", noted)
    state = indexed.newest(LocalStore(lake), replay.table_path(ProductName("m", "p"), 1))
    assert state is not None
    assert state.version == 20
    assert [Path(path).stem for path in read] == [f"{version:020}" for version in (18, 19, 20, 21)]
    assert state.schema == SCHEMA
    assert state.contract_version == "1.0.0"


def test_one_symbol_and_day_opens_one_footer_and_makes_one_fact(
    lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    footers._footers.clear()
    table_of(lake).head()  # reads the three files that came after the index
    state = table_of(lake).head()
    monkeypatch.setattr(footers, "_parse", None)
    (chosen,) = select_pieces(state, ["NA"], Interval(24 * NS_PER_DAY // 8, 32 * NS_PER_DAY // 8))
    assert chosen.footer.rows[chosen.pieces].tolist() == [4]
    assert isinstance(state.files, LiveFiles)
    assert len(state.files.now.slices[0].part._files) == 1
    monkeypatch.undo()
    assert read_rows(state, ["NA"], Interval(24 * NS_PER_DAY // 8, 32 * NS_PER_DAY // 8)).num_rows == 4


def test_a_symbol_without_rows_in_the_interval_is_known_by_the_index_alone(
    lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table_of(lake).head()
    footers._footers.clear()
    state = table_of(lake).head()
    monkeypatch.setattr(footers, "_parse", None)
    late = Interval(10_000 * NS_PER_DAY, 10_001 * NS_PER_DAY)
    assert Scan(state, symbols=["NA", "日経225"], interval=late).read().num_rows == 0


def test_an_unknown_symbol_is_one_of_which_no_live_file_has_rows(lake: Path) -> None:
    commit(table_of(lake), rows(("GONE", 500, 1.0)))
    for _ in range(indexed.EVERY):
        commit(table_of(lake), rows(("A", 600, 1.0)))
    state = table_of(lake).head()
    assert isinstance(state.files, LiveFiles)
    assert state.files.now.slices[-1].part.code_of("GONE") is not None
    assert Scan(state, symbols=["GONE"], interval=Interval(0, 1)).read().num_rows == 0
    head, dead = table_of(lake).head(), [file for file in state.files if file.min_symbol == "GONE"]
    table_of(lake).commit(head, Change(remove=dead), Commit("", 0, "delete", "", id="y"))
    with pytest.raises(lakehouse.LakehouseError, match=r"Unknown symbol of m\.p 'GONE'"):
        Scan(table_of(lake).head(), symbols=["GONE"], interval=Interval(0, 1)).read()


@pytest.mark.parametrize("suffix", ["json", "arrow"])
def test_a_damaged_index_changes_no_answer(lake: Path, cache: Path, suffix: str) -> None:
    (folder,) = cache.iterdir()
    path = sorted(folder.glob(f"*.{suffix}"))[-1]
    good = path.read_bytes()
    expected = read_rows(table_of(lake).head(), ["A"], Interval())
    for place in [*range(0, len(good), 97), len(good) - 1]:
        for other in sorted(folder.glob("*")):
            if other != path and other.suffix == path.suffix:
                other.unlink()
        path.write_bytes(good[:place] + bytes([good[place] ^ 0x55]) + good[place + 1 :])
        state = table_of(lake).head()
        assert read_rows(state, ["A"], Interval()).equals(expected), place
        assert len(tuple(state.files)) == 20
    for cut in (0, 1, len(good) // 2, len(good) - 1):
        path.write_bytes(good[:cut])
        assert read_rows(table_of(lake).head(), ["A"], Interval()).equals(expected)


def test_a_damaged_index_does_not_stop_a_writer(lake: Path, cache: Path) -> None:
    (folder,) = cache.iterdir()
    for path in folder.glob("*.arrow"):
        path.write_bytes(bytes(len(path.read_bytes())))
    state = commit(table_of(lake), rows(("A", 999, 1.0)), remove=1)
    shutil.rmtree(cache)
    assert replace(table_of(lake).head(), store=state.store) == state


def test_a_cache_that_goes_while_it_is_open_changes_no_answer(lake: Path, cache: Path) -> None:
    state = table_of(lake).head()
    shutil.rmtree(cache)
    assert read_rows(state, None, Interval()).num_rows == 20 * 20
    assert replace(table_of(lake).head(), store=state.store) == state


def test_a_cache_that_can_not_be_written_is_done_without(
    lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = table_of(lake).head()
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LAKEHOUSE_CACHE", str(tmp_path / "file"))
    assert replace(table_of(lake).head(), store=expected.store) == expected
    assert commit(table_of(lake), rows(("A", 999, 1.0))).rows == expected.rows + 1


def test_another_lake_at_the_same_place_is_not_taken_for_the_old_one(lake: Path) -> None:
    old = table_of(lake).head()
    shutil.rmtree(lake)
    table = table_of(lake, LAYOUTS[0])
    for day in range(20):
        commit(table, rows(("Z", 8 * day, 1.0)))
    shutil.copytree(lake, lake.with_name("copy"))
    for root in (lake, lake.with_name("copy")):
        state = table_of(root).head()
        assert (state.version, state.rows) == (20, 20)
        assert state.digest != old.digest


def test_old_indexes_are_deleted(lake: Path, cache: Path) -> None:
    table = table_of(lake)
    for number in range(120):
        table.commit(
            table.head(), Change(transactions={f"{number}": 0}), Commit("", 0, "x", "", id=str(number))
        )
    (folder,) = cache.iterdir()
    assert len(list(folder.glob("*.json"))) <= 5
    assert len(list(folder.iterdir())) == 2 * len(list(folder.glob("*.json")))
    fresh = table_of(lake).head()
    assert fresh.transactions == {f"{number}": 140 - 119 + number for number in range(120)}


def test_the_index_of_a_lake_that_lay_here_before_goes(tmp_path: Path) -> None:
    """It stood for a newer one that another process had made: each look at the head replayed the log."""
    for commits in (40, 2 * indexed.EVERY):
        root = tmp_path / "again"
        shutil.rmtree(root, ignore_errors=True)
        table = table_of(root, LAYOUTS[0])
        commit(table, rows(("A", 1, 1.0)))
        for number in range(commits):
            change = Change(transactions={f"{commits}-{number}": 0})
            table.commit(table.head(), change, Commit("", 0, "x", "", id=f"{commits}-{number}"))
            table.head()
    found = indexed.load(table.store, table.path)
    assert found is not None
    assert 0 <= table.head().version - found.state.version < indexed.EVERY
    assert found.state.digest == table.at(found.state.version).digest


def test_the_indexes_of_all_tables_have_a_bound(
    lake: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (old,) = cache.iterdir()
    monkeypatch.setattr(indexed, "_ROOM", sum(path.stat().st_size for path in old.iterdir()))
    commit(table_of(tmp_path / "other", LAYOUTS[0]), rows(("A", 1, 1.0)))
    assert not old.exists()
    assert [len(list(folder.iterdir())) for folder in cache.iterdir()] == [2]
    assert table_of(lake).head().rows == 400


def test_many_may_make_an_index_at_once(lake: Path, cache: Path) -> None:
    shutil.rmtree(cache)
    with ThreadPoolExecutor(8) as pool:
        states = list(pool.map(lambda _: table_of(lake).head(), range(16)))
    assert all(
        replace(state, store=states[0].store) == states[0] for state in [*states, table_of(lake).head()]
    )


def test_a_version_travels_as_facts(lake: Path) -> None:
    state = table_of(lake).head()
    assert pickle.loads(pickle.dumps(state)).files == state.files
    (chosen, *_) = select_pieces(state, ["A"], Interval())
    assert pickle.loads(pickle.dumps(chosen.footer)).symbols == chosen.footer.symbols


def test_a_table_without_symbols_or_times_is_indexed(tmp_path: Path) -> None:
    lake = lakehouse.open(tmp_path / "lake", create=True)
    frame = pl.DataFrame({"name": ["a", "b"], "rank": [1, 2]})
    made = lake.create("m.ranks", like=frame, key=("name",))
    made.append(frame)
    assert lakehouse.open(tmp_path / "lake")["m.ranks"].read().to_polars().sort("name").equals(frame)


@pytest.fixture
def pinned(lake: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Give the manifest of a version, which counts as a large one."""
    monkeypatch.setattr(pinned_files, "LARGE", 2)
    return encode_manifest(table_of(lake).head())


def test_a_checkout_is_planned_through_an_index_that_is_made_once(
    lake: Path, pinned: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    interval = Interval(24 * NS_PER_DAY // 8, 48 * NS_PER_DAY // 8)
    first = decode_manifest(LocalStore(lake), pinned, where="here")
    asked = [(["A", "NA"], interval), (None, Interval()), (["none such"], interval)]
    expected = [facts_of(select_pieces(plain(first), *each)) for each in asked]
    assert [facts_of(select_pieces(first, *each)) for each in asked] == expected
    monkeypatch.setattr("lakehouse.partitions.manifest._files", lambda *_: pytest.fail("read the manifest"))
    again = decode_manifest(LocalStore(lake), pinned, where="here")
    assert [facts_of(select_pieces(again, *each)) for each in asked] == expected
    assert (again.rows, again.size) == (400, first.size)


def test_a_damaged_index_of_a_manifest_is_read_from_the_manifest(
    lake: Path, cache: Path, pinned: bytes
) -> None:
    select_pieces(decode_manifest(LocalStore(lake), pinned, where="here"), ["A"], Interval())
    (path,) = (cache / "manifests").glob("*.arrow")
    path.write_bytes(bytes(path.stat().st_size))
    state = decode_manifest(LocalStore(lake), pinned, where="here")
    assert read_rows(state, ["A"], Interval()).num_rows == 80
    shutil.rmtree(cache)
    assert decode_manifest(LocalStore(lake), pinned, where="here").rows == 400
