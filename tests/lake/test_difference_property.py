"""Differences and the commits behind them, against a comparison of all rows of all versions."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

import lakehouse
from lakehouse.times import NS_PER_DAY

TYPES = {"symbol": pl.String, "time": pl.Int64, "price": pl.Float64, "venue": pl.String}
DAY = 19_740  # ten days before the end of a month

SYMBOL = st.sampled_from(["A", "B", "é"])
ROW = st.tuples(
    SYMBOL,
    st.integers(0, 20).map(lambda day: (DAY + day) * NS_PER_DAY),
    st.sampled_from([None, 0.0, -0.0, float("nan"), 1.5]),
    st.sampled_from([None, "", "x"]),
)
EDIT = st.one_of(
    st.tuples(st.just("upsert"), st.lists(ROW, min_size=1, max_size=6, unique_by=lambda row: row[:2])),
    st.tuples(st.just("append"), st.lists(ROW, min_size=1, max_size=4, unique_by=lambda row: row[:2])),
    st.tuples(st.just("delete"), st.tuples(SYMBOL, st.integers(0, 20))),
    st.tuples(st.just("restore"), st.integers(0, 3)),
    st.tuples(st.just("compact"), st.none()),
)
Rows = list[tuple[str, ...]]
Rewrite = Callable[[lakehouse.Product], object]


def frame(rows: list[Any]) -> pl.DataFrame:
    found = pl.DataFrame(rows, schema=TYPES, orient="row")
    return found.with_columns(pl.col("time").cast(pl.Datetime("ns", "UTC")))


def make(
    folder: str, key: tuple[str, ...], edits: list[tuple[str, Any]], rewrite: Rewrite
) -> lakehouse.Product:
    """Make a product by a sequence of edits; what is refused is left out."""
    lake = lakehouse.open(folder, create=True)
    made = lake.create("m.p", like=frame([]), key=key, layout="date=month,symbol=row_groups")
    for number, (kind, what) in enumerate(edits):
        said = {"message": str(number)}
        if kind == "upsert":
            made.upsert(frame(what), **said)
        elif kind == "append":
            try:
                made.append(frame(what), **said)
            except lakehouse.LakehouseError:
                continue
        elif kind == "delete":
            made.delete(what[0], start=(DAY + what[1]) * NS_PER_DAY, **said)
        elif kind == "restore" and what <= made.version and made.table.exists:
            made.restore(what, **said)
        elif kind == "compact" and made.rows:
            rewrite(made)
    return made


def exact(rows: pl.DataFrame) -> Rows:
    """Give each row as text that tells -0.0, NaN, null and empty apart."""
    return [tuple(map(repr, row)) for row in rows.rows()]


def history(product: lakehouse.Product) -> list[Rows]:
    return [exact(product.read(version=version).to_polars()) for version in range(product.version + 1)]


def newest_touch(versions: Sequence[Mapping[Any, Any]], what: Any, low: int, high: int) -> int:
    return max(v for v in range(low + 1, high + 1) if versions[v].get(what) != versions[v - 1].get(what))


@given(edits=st.lists(EDIT, min_size=2, max_size=7), data=st.data())
def test_differences_by_key_are_those_of_all_rows_and_name_the_newest_commit(
    rewrite: Rewrite, edits: list[tuple[str, Any]], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        product = make(folder, ("symbol", "time"), edits, rewrite)
        versions = [{row[:2]: row[2:] for row in rows} for rows in history(product)]
        before, after = (data.draw(st.integers(0, product.version)) for _ in range(2))
        old, new = versions[before], versions[after]
        found = product.diff(before, after)
    assert {row[:2]: row[2:] for row in exact(found.added.to_polars())} == {
        key: new[key] for key in new.keys() - old.keys()
    }
    assert {row[:2]: row[2:] for row in exact(found.removed.to_polars())} == {
        key: old[key] for key in old.keys() - new.keys()
    }
    both = {key: (old[key], new[key]) for key in old.keys() & new.keys() if old[key] != new[key]}
    sides = {row[:2]: ((row[2], row[4]), (row[3], row[5])) for row in exact(found.changed.to_polars())}
    assert sides == both
    low, high = sorted((before, after))
    changes = found.changes.to_polars()
    names = {
        key: [name for name, x, y in zip(("price", "venue"), *pair, strict=True) if x != y]
        for key, pair in both.items()
    }
    keys = exact(changes.select("symbol", "time"))
    for key, (kind, columns, version) in zip(
        keys, changes.select("_change", "_columns", "_version").rows(), strict=True
    ):
        assert version == newest_touch(versions, key, low, high)
        assert columns == (names[key] if kind == "changed" else None)


@given(edits=st.lists(EDIT, min_size=2, max_size=7), data=st.data())
def test_differences_without_a_key_count_copies_and_name_the_newest_commit(
    rewrite: Rewrite, edits: list[tuple[str, Any]], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        product = make(folder, (), edits, rewrite)
        versions = [Counter(rows) for rows in history(product)]
        before, after = (data.draw(st.integers(0, product.version)) for _ in range(2))
        found = product.diff(before, after)
    assert Counter(exact(found.added.to_polars())) == versions[after] - versions[before]
    assert Counter(exact(found.removed.to_polars())) == versions[before] - versions[after]
    assert len(found.changed) == 0
    low, high = sorted((before, after))
    rows = exact(pl.concat([found.added.to_polars(), found.removed.to_polars()]))
    for number, (row, version) in enumerate(zip(rows, found.changes.to_polars()["_version"], strict=True)):
        came = (number < len(found.added)) == (before < after)
        steps = ((v, versions[v][row] - versions[v - 1][row]) for v in range(low + 1, high + 1))
        assert version == max(v for v, step in steps if (step > 0 if came else step < 0))
