"""Append, upsert, update, delete and restore against a model of plain Python lists.

The oracle is the slow, obvious version: a list of rows in order of arrival, sorted stably by symbol and time.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import lakehouse
from lakehouse.partitions.digest import digest_of
from lakehouse.times import NS_PER_DAY

SYMBOLS = ["A", "BRK/B", "日経225"]
INSTANT = pl.Datetime("ns", "UTC")
SCHEMA = pl.Schema({"symbol": pl.String(), "time": INSTANT, "price": pl.Float64(), "size": pl.Int32()})

ROWS = st.lists(
    st.tuples(
        st.sampled_from(SYMBOLS),
        st.integers(0, 11),
        st.none() | st.sampled_from([1.0, 2.5, -0.0]),
        st.none() | st.integers(0, 2),
    ),
    min_size=1,
    max_size=6,
)


@dataclass(frozen=True)
class Row:
    symbol: str
    slot: int
    price: float | None
    size: int | None

    @property
    def key(self) -> tuple[str, int]:
        return self.symbol, self.slot


def frame(rows: list[Row]) -> pl.DataFrame:
    times = [row.slot * (10 * NS_PER_DAY) for row in rows]
    return pl.DataFrame(
        {
            "symbol": [row.symbol for row in rows],
            "time": pl.Series(times, dtype=pl.Int64).cast(INSTANT),
            "price": [row.price for row in rows],
            "size": [row.size for row in rows],
        },
        schema=SCHEMA,
    )


def ordered(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: row.key)


class WriteMachine(RuleBasedStateMachine):
    """One product; `keyed` decides which meaning append and upsert have."""

    keyed = True

    @initialize(
        layout=st.sampled_from(
            ["date=month,symbol=row_groups", "date=none,symbol=row_groups", "date=year,symbol=identity"]
        )
    )
    def create(self, layout: str) -> None:
        self.folder = tempfile.TemporaryDirectory()
        lake = lakehouse.open(Path(self.folder.name), create=True)
        key = ("symbol", "time") if self.keyed else ()
        self.product = lake.create(
            "market_data.ticks", like=frame([Row("A", 0, 1.0, 1)]), key=key, layout=layout
        )
        self.rows: list[Row] = []
        self.versions: dict[int, list[Row]] = {0: []}

    @rule(raw=ROWS)
    def append(self, raw: list[Any]) -> None:
        new, quarantined, duplicates = self.distinct([Row(*values) for values in raw])
        stored = {row.key: row for row in self.rows}
        if self.keyed and any(row.key in stored and repr(stored[row.key]) != repr(row) for row in new):
            self.refused(lambda: self.product.append(frame([Row(*values) for values in raw])))
            return
        fresh = [row for row in new if not self.keyed or row.key not in stored]
        commit = self.product.append(frame([Row(*values) for values in raw]))
        self.counted(commit, len(raw), len(fresh), quarantined, duplicates + len(new) - len(fresh))
        self.became(ordered([*self.rows, *fresh]))

    @rule(raw=ROWS)
    def upsert(self, raw: list[Any]) -> None:
        new, quarantined, duplicates = self.distinct([Row(*values) for values in raw])
        commit = self.product.upsert(frame([Row(*values) for values in raw]))
        if self.keyed:
            stored = {row.key: row for row in self.rows}
            fresh = [row for row in new if repr(stored.get(row.key)) != repr(row)]
            duplicates += len(new) - len(fresh)
        else:
            fresh = new
        keys = {row.key for row in fresh}
        kept = [row for row in self.rows if row.key not in keys]
        self.counted(commit, len(raw), len(fresh), quarantined, duplicates)
        self.became(ordered([*kept, *fresh]))

    @rule(raw=ROWS)
    def update(self, raw: list[Any]) -> None:
        new, quarantined, duplicates = self.distinct([Row(*values) for values in raw])
        if not new:
            return
        commit = self.product.update(frame([Row(*values) for values in raw]))
        symbols, low, high = (
            {row.symbol for row in new},
            min(row.slot for row in new),
            max(row.slot for row in new),
        )
        kept = [row for row in self.rows if row.symbol not in symbols or not low <= row.slot <= high]
        self.counted(commit, len(raw), len(new), quarantined, duplicates)
        self.became(ordered([*kept, *new]))

    @rule(
        symbols=st.none() | st.lists(st.sampled_from(SYMBOLS), min_size=1),
        start=st.integers(0, 12),
        length=st.integers(0, 6),
    )
    def delete(self, symbols: list[str] | None, start: int, length: int) -> None:
        ten_days = 10 * NS_PER_DAY
        self.product.delete(symbols, start=start * ten_days, end=(start + length) * ten_days)
        kept = [
            row
            for row in self.rows
            if (symbols is not None and row.symbol not in symbols) or not start <= row.slot < start + length
        ]
        self.became(kept)

    @rule(data=st.data())
    def restore(self, data: st.DataObject) -> None:
        version = data.draw(st.sampled_from(sorted(self.versions)))
        if version > 0 or self.product.version > 0:
            self.product.restore(version)
            self.became(self.versions[version])

    @invariant()
    def the_product_is_the_model(self) -> None:
        if hasattr(self, "product"):
            assert read(self.product.read()) == [repr(row) for row in self.rows]
            state = self.product.state()
            assert state.rows == len(self.rows)
            assert sum(file.rows for file in state.files) == len(self.rows)

    @rule(data=st.data())
    def old_versions_stay(self, data: st.DataObject) -> None:
        version = data.draw(st.sampled_from(sorted(self.versions)))
        assert read(self.product.read(version=version)) == [repr(row) for row in self.versions[version]]

    def distinct(self, rows: list[Row]) -> tuple[list[Row], int, int]:
        """Split a frame's own repeats off: (rows, quarantined, duplicates)."""
        if not self.keyed:
            return rows, 0, 0
        values: dict[tuple[str, int], set[str]] = {}
        for row in rows:
            values.setdefault(row.key, set()).add(repr(row))
        good, seen = [], set()
        for row in rows:
            if len(values[row.key]) == 1 and row.key not in seen:
                seen.add(row.key)
                good.append(row)
        quarantined = sum(len(values[row.key]) > 1 for row in rows)
        return good, quarantined, len(rows) - len(good) - quarantined

    def counted(
        self, commit: lakehouse.Commit, rows_in: int, accepted: int, quarantined: int, duplicates: int
    ) -> None:
        assert (commit.rows_in, commit.accepted, commit.quarantined, commit.duplicates) == (
            rows_in,
            accepted,
            quarantined,
            duplicates,
        )
        assert commit.rows_in == commit.accepted + commit.quarantined + commit.duplicates

    def became(self, rows: list[Row]) -> None:
        self.rows = rows
        self.versions[self.product.version] = rows

    def refused(self, write: Any) -> None:
        version = self.product.version
        try:
            write()
        except lakehouse.LakehouseError as error:
            assert "stored" in str(error)  # noqa: PT017 - a state machine has no pytest.raises context here
        else:
            raise AssertionError("an append of a stored key with other values was accepted")
        assert self.product.version == version

    def teardown(self) -> None:
        if hasattr(self, "product"):
            with self.folder:
                self.check_at_the_end()

    def check_at_the_end(self) -> None:
        state = self.product.state()
        whole = self.product.verify()
        assert whole.ok, whole.problems
        if not state.schema.has_sequence:
            assert digest_of(self.product.read().to_arrow()) == state.digest


class KeylessMachine(WriteMachine):
    """Without a key rows repeat, and upsert replaces whole groups of symbol and time."""

    keyed = False


def read(result: lakehouse.Result) -> list[str]:
    frame = result.to_polars().with_columns(slot=pl.col("time").cast(pl.Int64) // (10 * NS_PER_DAY))
    return [repr(Row(*values)) for values in frame.select("symbol", "slot", "price", "size").iter_rows()]


TestKeyed = WriteMachine.TestCase
TestKeyed.settings = settings(stateful_step_count=12, phases=[Phase.reuse, Phase.generate, Phase.shrink])
TestKeyless = KeylessMachine.TestCase
TestKeyless.settings = settings(stateful_step_count=12, phases=[Phase.reuse, Phase.generate, Phase.shrink])
