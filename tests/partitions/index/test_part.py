"""Parts of an index: every fact of every file comes back, and what is chosen is what the facts admit."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.partitions.index import storage
from lakehouse.partitions.index.build import part_of
from lakehouse.partitions.index.columns import BLOCK, DamagedIndexError
from lakehouse.partitions.index.live import LiveFiles, Slice
from lakehouse.partitions.index.merge import merged
from lakehouse.partitions.index.nearest import nearest_runs
from lakehouse.partitions.index.part import Part
from lakehouse.partitions.state import DataFile
from lakehouse.times import Interval

TEXTS = st.text(st.characters(codec="utf-8"), max_size=4)
TIMES = st.integers(-20, 20)


@st.composite
def data_files(draw: st.DrawFn) -> DataFile:
    low, high = sorted(draw(st.tuples(TEXTS, TEXTS)))
    if draw(st.booleans()):
        high = low
    first, last = sorted(draw(st.tuples(TIMES, TIMES)))
    named, timed = draw(st.integers(0, 9)) > 0, draw(st.integers(0, 9)) > 0
    return DataFile(
        draw(st.text(st.characters(codec="utf-8"), min_size=1, max_size=9)),
        draw(st.integers(0, 2**40)),
        draw(st.integers(1, 2**40)),
        draw(st.binary(min_size=32, max_size=32)).hex(),
        draw(st.binary(min_size=16, max_size=16)).hex(),
        draw(st.sampled_from([(), (("date", "2024-01-01"),), (("symbol", "é/"), ("date", None))])),
        low if named else None,
        high if named else None,
        first if timed else None,
        last if timed else None,
        draw(st.sampled_from([(), ("symbol", "time"), ("a,b",)])),
    )


FILES = st.lists(data_files(), max_size=12, unique_by=lambda file: file.path)
SYMBOLS = st.none() | st.lists(TEXTS, max_size=3).map(lambda texts: sorted(set(texts)))
INTERVALS = st.just(Interval()) | st.tuples(TIMES, st.integers(0, 9)).map(lambda t: Interval(t[0], sum(t)))


def stored(folder: Path, part: Part) -> Part:
    storage.write_part(folder, "one", part, {})
    return storage.open_part(folder, storage.read_note(folder, "one"))


@given(files=FILES, symbols=SYMBOLS, interval=INTERVALS)
def test_a_part_is_its_files(
    tmp_path_factory: pytest.TempPathFactory,
    files: list[DataFile],
    symbols: list[str] | None,
    interval: Interval,
) -> None:
    built = part_of(files, {})
    for part in (built, stored(tmp_path_factory.mktemp("index"), built)):
        live = LiveFiles([Slice(part)])
        assert live == tuple(files)
        assert (live.rows, live.size) == (sum(f.rows for f in files), sum(f.size for f in files))
        assert [live.find(file.path) for file in files] == files
        assert live.find("elsewhere in the lake") is None
        if all(file.min_symbol is not None for file in files):
            expected = tuple(file for file in files if file.may_hold(symbols, interval))
            assert live.select(symbols, interval) == expected


@given(
    files=FILES,
    symbols=st.lists(TEXTS, max_size=3).map(lambda texts: sorted(set(texts))),
    interval=INTERVALS,
)
def test_many_symbols_find_the_same_runs_as_few(
    files: list[DataFile], symbols: list[str], interval: Interval
) -> None:
    part = part_of(files, {})
    many = sorted({*symbols, *(f"not there {number}" for number in range(40))})
    assert part.runs_of(many, interval).tolist() == part.runs_of(symbols, interval).tolist()


@given(groups=st.lists(FILES, min_size=1, max_size=3), data=st.data())
def test_merged_parts_are_the_files_that_live(groups: list[list[DataFile]], data: st.DataObject) -> None:
    sources, expected = [], []
    for files in groups:
        dead = data.draw(st.sets(st.integers(0, len(files) - 1))) if files else set()
        sources.append((part_of(files, {}), dead))
        expected += [file for number, file in enumerate(files) if number not in dead]
    assert LiveFiles([Slice(merged(sources))]).all() == tuple(expected)


RUNS = st.tuples(st.sampled_from("AB"), TIMES, st.integers(0, 3), st.integers(1, 3))


@given(
    runs=st.lists(RUNS, max_size=12),
    dead=st.sets(st.integers(0, 11)),
    symbols=st.sampled_from([None, ["A"], ["B", "C"]]),
    count=st.integers(1, 5),
    last=st.booleans(),
)
def test_the_nearest_runs_are_all_that_can_hold_the_rows_at_an_end(
    runs: list[tuple[str, int, int, int]],
    dead: set[int],
    symbols: list[str] | None,
    count: int,
    last: bool,
) -> None:
    """A run is out of reach if others, all of whose rows are nearer to the end, have `count` rows."""
    part = part_of([_one_run(number, *run) for number, run in enumerate(runs)], {})
    found = nearest_runs(part, dead & set(range(len(runs))), symbols, count, last=last).tolist()
    mine = [n for n, run in enumerate(runs) if n not in dead and run[0] in (symbols or "AB")]
    assert found == sorted(set(found) & set(mine))

    def is_nearer(one: int, other: int) -> bool:
        (symbol, start, length, _), (name, first, span, _) = runs[one], runs[other]
        return symbol == name and (start > first + span if last else start + length < first)

    for run in mine:
        nearer = sum(runs[other][3] for other in mine if is_nearer(other, run))
        assert run in found or nearer >= count


def test_runs_in_order_of_time_are_found_exactly() -> None:
    part = part_of([_one_run(number, "A", 10 * number, 5, 2) for number in range(9)], {})
    assert nearest_runs(part, {8}, None, 3, last=True).tolist() == [6, 7]
    assert nearest_runs(part, (), ["A"], 3, last=False).tolist() == [0, 1]


def _one_run(number: int, symbol: str, first: int, length: int, rows: int) -> DataFile:
    names = symbol, symbol, first, first + length, ("a",)
    return DataFile(f"t/{number}", 1, rows, f"{number:064x}", f"{number:032x}", (), *names)


def test_an_altered_byte_is_found_where_it_is_touched(tmp_path: Path) -> None:
    files = [
        DataFile(f"t/{n}", n, n + 1, f"{n:064x}", f"{n:032x}", (), "A", "A", n, n, ("a",)) for n in range(999)
    ]
    part = stored(tmp_path, part_of(files, {}))
    (path,) = tmp_path.glob("*.arrow")
    data = bytearray(path.read_bytes())
    assert len(data) > 3 * BLOCK
    where = storage.read_note(tmp_path, "one")["places"]["size"][1]
    data[where + 8 * 500] ^= 1
    path.write_bytes(data)
    damaged = storage.open_part(tmp_path, storage.read_note(tmp_path, "one"))
    assert damaged.number_of("t/3") == 3  # another block
    with pytest.raises(DamagedIndexError, match="damaged"):
        damaged.file(500)
    assert part.count == 999


def test_an_index_is_a_file_that_other_readers_of_arrow_open(tmp_path: Path) -> None:
    import polars as pl

    files = [DataFile("t/a", 5, 2, "0" * 64, "1" * 32, (), "A", "B", 1, 2, ("a",))]
    stored(tmp_path, part_of(files, {}))
    (path,) = tmp_path.glob("*.arrow")
    assert pl.read_ipc(path)["rows"].to_list() == [[2]]
