"""Streams, seals, appends and reads against a model of Python lists; and a reader beside a real writer."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import lakehouse

NAME = "market_data.ticks"
INSTANT = pl.Datetime("ns", "UTC")
WRITERS = 2

Row = tuple[str, int, int]
"""symbol, time, and a number that no other row has"""


def frame(rows: Iterable[Row]) -> pl.DataFrame:
    columns = list(zip(*rows, strict=True))
    table = pl.DataFrame(dict(zip(("symbol", "time", "number"), map(list, columns), strict=True)))
    return table.with_columns(pl.col("time").cast(INSTANT))


def rows_of(result: Any) -> list[Row]:
    return pl.DataFrame(result).with_columns(pl.col("time").cast(pl.Int64)).rows()


class LiveReads(RuleBasedStateMachine):
    """Stored rows come first among those of equal symbol and time, then those of each writer."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.lake = lakehouse.open(Path(self.folder.name) / "lake", create=True)
        self.lake.create(NAME, like=frame([("A", 0, 0)]), key=[])
        self.streams = [self.lake.stream(NAME, durability="none") for _ in range(WRITERS)]
        self.waiting: list[list[Row]] = [[] for _ in self.streams]
        self.versions: list[list[Row]] = [[]]
        self.number = 0

    def rows(self, slots: list[tuple[str, int]]) -> list[Row]:
        made = [(symbol, time, self.number + place) for place, (symbol, time) in enumerate(slots)]
        self.number += len(made)
        return made

    SLOTS = st.lists(st.tuples(st.sampled_from("AB"), st.integers(0, 5)), min_size=1, max_size=5)

    @rule(slots=SLOTS, writer=st.integers(0, WRITERS - 1), as_frame=st.booleans())
    def stream(self, slots: list[tuple[str, int]], writer: int, as_frame: bool) -> None:
        rows = self.rows(slots)
        many = [dict(zip(("symbol", "time", "number"), row, strict=True)) for row in rows]
        self.streams[writer].write(frame(rows) if as_frame else many)
        self.waiting[writer] += rows

    @rule(slots=SLOTS)
    def append(self, slots: list[tuple[str, int]]) -> None:
        rows = self.rows(slots)
        self.lake[NAME].append(frame(rows))
        self.versions.append([*self.versions[-1], *rows])

    @rule(writer=st.integers(0, WRITERS - 1))
    def seal(self, writer: int) -> None:
        commit = self.streams[writer].seal()
        if self.waiting[writer]:
            assert commit is not None
            self.versions.append([*self.versions[-1], *self.waiting[writer]])
            self.waiting[writer] = []

    @rule(fresh=st.booleans(), symbol=st.sampled_from("AB"), low=st.integers(0, 5), high=st.integers(0, 6))
    def read_some(self, fresh: bool, symbol: str, low: int, high: int) -> None:
        lake = lakehouse.open(self.lake.url) if fresh else self.lake
        mine = {number for name, _, number in self.now() if name == symbol}
        if mine and low <= high:
            found = {row[2] for row in rows_of(lake[NAME].read(symbol, low, high))}
            assert found == {n for name, time, n in self.now() if name == symbol and low <= time < high}
            assert {row[2] for row in rows_of(lake[NAME].tail(2, symbols=symbol))} == self.ends(symbol)
        text = f"select count(*) as n, sum(number) as s from {NAME}"
        [(count, total)] = lake.sql(text).to_polars().rows()
        assert (count, total or 0) == (len(self.now()), sum(row[2] for row in self.now()))

    def ends(self, symbol: str) -> set[int]:
        """Return the last two rows of a symbol: stored ones rank before others of their time."""
        return {row[2] for row in self.ordered() if row[0] == symbol} & {
            row[2] for row in [row for row in self.ordered() if row[0] == symbol][-2:]
        }

    def now(self) -> list[Row]:
        return [*self.versions[-1], *(row for rows in self.waiting for row in rows)]

    def ordered(self) -> list[Row]:
        """Return the rows as they are read: writers in the order of their ids."""
        ids = sorted(range(WRITERS), key=lambda place: self.streams[place]._writer.id)
        rows = [*self.versions[-1], *(row for place in ids for row in self.waiting[place])]
        return sorted(rows, key=lambda row: row[:2])

    @invariant()
    def every_reader_sees_every_row(self) -> None:
        assert rows_of(self.lake[NAME].read()) == self.ordered()

    @invariant()
    def a_version_has_none_of_the_tail(self) -> None:
        assert self.lake[NAME].version == len(self.versions) - 1
        stored = sorted(self.versions[-1], key=lambda row: row[:2])
        assert rows_of(self.lake[NAME].read(version=len(self.versions) - 1)) == stored

    def teardown(self) -> None:
        for stream in getattr(self, "streams", []):
            stream.close()
        if hasattr(self, "folder"):
            self.folder.cleanup()


TestLiveReads = LiveReads.TestCase
TestLiveReads.settings = settings(
    max_examples=8,
    stateful_step_count=20,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)

WRITER = f"""
import sys, lakehouse
lake = lakehouse.open(sys.argv[1])
with lake.stream({NAME!r}, durability="none", seal_rows=200) as stream:
    for number in range(1_500):
        stream.write({{"symbol": "AB"[number % 2], "time": number // 3, "number": number}})
"""


def test_each_read_beside_a_writer_of_another_process_has_no_gap(tmp_path: Path) -> None:
    """Segments are sealed and deleted under the reader all the time."""
    lake = lakehouse.open(tmp_path / "lake", create=True)
    product = lake.create(NAME, like=frame([("A", 0, 0)]), key=[])
    seen, reads = 0, 0
    with subprocess.Popen([sys.executable, "-c", WRITER, lake.url]) as writer:
        while writer.poll() is None:
            numbers = sorted(product.read(columns=["number"]).to_polars()["number"].to_list())
            assert numbers == list(range(len(numbers)))
            assert len(numbers) >= seen, "what was seen once stays"
            seen, reads = len(numbers), reads + 1
            [count] = lake.sql(f"select count(*) as n from {NAME}").to_polars()["n"].to_list()
            assert count >= seen
    assert writer.returncode == 0
    assert len(product.read()) == 1_500
    assert reads > 1
