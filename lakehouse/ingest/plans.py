"""What a write would do to one version of a table: a plan, made anew whenever another writer was faster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from lakehouse.ingest.conflicts import key_conflict
from lakehouse.partitions.arrays import Integers, integers, take_rows, ticks_of, times_of
from lakehouse.partitions.keys import match
from lakehouse.partitions.layout import Layout
from lakehouse.partitions.parquet_files import WrittenFile
from lakehouse.partitions.reading import read_stored
from lakehouse.partitions.selection import select_pieces, whole
from lakehouse.partitions.sorting import Symbols, rows_of, sort_order, sorted_runs, tie_ranks
from lakehouse.partitions.splitting import slices_of
from lakehouse.partitions.state import DataFile, TableState
from lakehouse.partitions.threads import side_by_side
from lakehouse.schema import SEQUENCE, TableSchema, stored_schema
from lakehouse.times import MAX_NS, Interval

Booleans = npt.NDArray[np.bool_]

_FEW_RUNS = 1_024


@dataclass(frozen=True, slots=True)
class Scope:
    """What a plan looked at: a commit of others outside it leaves the plan good."""

    symbols: tuple[str, ...] | None
    """None for all"""
    interval: Interval
    """half open"""

    def touches(self, file: DataFile) -> bool:
        """Say whether a file may hold rows that the plan depends on; no symbols at all depend on nothing."""
        return self.symbols != () and file.may_hold(self.symbols, self.interval)

    def covers(self, file: DataFile) -> bool:
        """Say whether every row of a file lies inside, by its ranges alone."""
        if file.min_time is None or file.max_time is None:
            inside = self.interval.unbounded
        else:
            inside = self.interval.start <= file.min_time and file.max_time < self.interval.end
        if self.symbols is None or not inside or (file.min_symbol is None and self.symbols):
            return inside
        return file.min_symbol == file.max_symbol and file.min_symbol in self.symbols


NOTHING = Scope((), Interval(0, 0))
"""what a plan depends on that looked at no row"""


@dataclass(frozen=True, slots=True)
class Plan:
    """Rows to write and files to take out."""

    rows: pa.Table | Iterator[pa.Table]
    """as `write_data_files` takes them, kept rows of removed files among them; several if memory is short"""
    scope: Scope
    """what the plan depends on"""
    accepted: int = 0
    """new rows that land"""
    duplicates: int = 0
    """new rows that are stored already"""
    removed: int = 0
    """stored rows that go"""
    remove: tuple[DataFile, ...] = ()
    """files to take out"""
    proof: Callable[[Sequence[WrittenFile]], None] | None = None
    """looks at the written files before the commit, and raises; who has one moves rows and changes none"""
    layout: Layout | None = None
    """the layout of the rows, where it is another one than that of the version: every file goes"""


def scope_of(rows: pa.Table, schema: TableSchema) -> Scope:
    """Return the symbols and the range of times of some rows."""
    symbols = tuple(Symbols.of(rows.column(schema.symbol), rows.num_rows).names) if schema.symbol else None
    found = ticks_of(rows, schema)
    if found is None or not rows.num_rows:
        return Scope(symbols, Interval())
    ticks, unit = found
    return Scope(symbols, Interval(int(ticks.min()) * unit, min(MAX_NS, int(ticks.max()) * unit + 1)))


def key_scope_of(rows: pa.Table, schema: TableSchema) -> Scope:
    """Return where rows of equal keys may be: a key without symbol or time reaches over all of them."""
    return _key_scope(scope_of(rows, schema), schema)


def _key_scope(scope: Scope, schema: TableSchema) -> Scope:
    if not schema.key:
        return scope
    symbols = scope.symbols if schema.symbol in schema.key else None
    return Scope(symbols, scope.interval if schema.time in schema.key else Interval())


def plan_append(state: TableState, good: pa.Table) -> Plan:
    """Add rows; a stored key with other values refuses all, equal rows are duplicates.

    Raises:
        KeyConflictError: naming some of the keys.
    """
    if not good.num_rows:
        return _nothing(state)
    schema, duplicates = state.schema, 0
    within = scope_of(good, schema)
    scope = _key_scope(within, schema)
    if schema.key:
        old = stored_in(state, scope)
        if old.num_rows:
            found = match(good, old.select(good.column_names), schema.key)
            if found.changed_new.any():
                raise key_conflict(state, _keep(good, found.changed_new))
            duplicates = int(found.equal_new.sum())
            good = _keep(good, ~found.equal_new)
    rows = sequenced(state, good, within)
    return Plan(rows, scope, accepted=good.num_rows, duplicates=duplicates)


def plan_upsert(state: TableState, good: pa.Table) -> Plan:
    """Replace by key; without a key, replace whole groups of equal symbol and time."""
    if not good.num_rows:
        return _nothing(state)
    schema, scope = state.schema, key_scope_of(good, state.schema)
    key = schema.key or tuple(name for name in (schema.symbol, schema.time) if name)
    equal = np.zeros(good.num_rows, np.bool_)
    places = np.full(good.num_rows, -1, np.int32)

    def replaced(old: pa.Table) -> Booleans:
        nonlocal equal
        if not schema.key:
            return _in_groups(old, good, key)
        found = match(good, old.select(good.column_names), key)
        equal |= found.equal_new
        _keep_places(places, good, old, found.pairs, schema)
        return found.changed_old

    kept, removed, files = _rewrite(state, scope, replaced)
    new = _keep(good, ~equal)
    added = sequenced(state, new, scope_of(new, schema), fresh=not schema.key, places=places[~equal])
    rows = _merged(schema, kept, added)
    return Plan(
        rows, scope, accepted=new.num_rows, duplicates=int(equal.sum()), removed=removed, remove=files
    )


def plan_replace(state: TableState, good: pa.Table | None, scope: Scope) -> Plan:
    """Take every row in the scope out, and put `good` in its place.

    Where every new row was refused there is nothing to put in its place, so nothing is taken out. A file
    that lies in the scope as a whole goes without being read.

    Raises:
        KeyConflictError: a key is stored outside the scope, which a key without symbol or time may be.
    """
    if good is not None and not good.num_rows:
        return _nothing(state)

    def replaced(old: pa.Table) -> Booleans:
        return rows_inside(old, state.schema, scope)

    covered = tuple(file for file in state.files if scope.covers(file))
    rest = replace(state, files=tuple(file for file in state.files if not scope.covers(file)))
    kept, removed, files = _rewrite(rest, scope, replaced)
    removed, files = removed + sum(file.rows for file in covered), (*covered, *files)
    new = None if good is None else sequenced(state, good, scope, fresh=True)
    accepted = 0 if good is None else good.num_rows
    if good is not None:
        scope = _refuse_keys_outside(state, good, scope)
    return Plan(_merged(state.schema, kept, new), scope, accepted=accepted, removed=removed, remove=files)


def _nothing(state: TableState) -> Plan:
    """Change nothing, and depend on nothing."""
    return Plan(stored_schema(state.schema).empty_table(), NOTHING)


def _refuse_keys_outside(state: TableState, good: pa.Table, scope: Scope) -> Scope:
    """Return what the new keys depend on, after a look for stored ones that the scope leaves in the table.

    Raises:
        KeyConflictError: there are some.
    """
    schema = state.schema
    if not schema.key or {schema.symbol, schema.time} <= {*schema.key, None}:
        return scope
    wide = key_scope_of(good, schema)
    old = stored_in(state, wide)
    rest = _keep(old, ~rows_inside(old, schema, scope)).select(good.column_names)
    found = match(good, rest, schema.key)
    if rest.num_rows and (found.changed_new | found.equal_new).any():
        raise key_conflict(state, _keep(good, found.changed_new | found.equal_new))
    return Scope(None, Interval())


def _keep_places(
    places: npt.NDArray[np.int32],
    new: pa.Table,
    old: pa.Table,
    pairs: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]],
    schema: TableSchema,
) -> None:
    """Note the sequence of stored rows that are corrected: where symbol and time stay, so does the place."""
    if not schema.has_sequence or not len(pairs[0]):
        return
    group = [name for name in (schema.symbol, schema.time) if name]
    after, before = (
        take_rows(rows.select(group), picked) for rows, picked in zip((new, old), pairs, strict=True)
    )
    same = np.ones(len(pairs[0]), np.bool_)
    for name in group:
        left, right = (pl.Series(pl.from_arrow(side.column(name))) for side in (after, before))
        same &= (left.cast(pl.String) == right.cast(pl.String)).to_numpy()
    places[pairs[0][same]] = integers(old.column(SEQUENCE))[pairs[1][same]]


def sequenced(
    state: TableState,
    rows: pa.Table,
    scope: Scope,
    *,
    fresh: bool = False,
    places: npt.NDArray[np.int32] | None = None,
) -> pa.Table:
    """Sort rows and rank those of equal symbol and time, after the stored ones unless `fresh`.

    Args:
        state: the version to write on.
        rows: in order of arrival.
        scope: where stored rows of equal symbol and time may be.
        fresh: rank from 0.
        places: (n_rows,) ranks that are given, -1 for none.
    """
    schema = state.schema
    rows, codes, order = _in_order(rows, schema)
    if not schema.has_sequence:
        return rows
    times = _ticks(rows, schema)
    ranks = tie_ranks(codes, times)
    if not fresh and rows.num_rows:
        ranks = ranks + _stored_counts(state, rows, scope)
    if places is None or not np.any(places >= 0):
        return rows.append_column(SEQUENCE, pa.array(ranks, pa.int32()))
    if isinstance(order, tuple):
        order = rows_of(*order)
    given = places if order is None else places[order]
    ranks = np.where(given >= 0, given, ranks)
    rows, again = rows.append_column(SEQUENCE, pa.array(ranks, pa.int32())), sort_order(codes, times, ranks)
    return rows if again is None else take_rows(rows, again)


def _in_order(
    rows: pa.Table, schema: TableSchema
) -> tuple[pa.Table, npt.NDArray[np.int32], Integers | tuple[Integers, Integers] | None]:
    """Sort rows by symbol and time.

    A frame symbol by symbol is not copied. Where rows have no sequence it stays as it is, and the runs of
    symbols are sorted where they are split into files; else they become slices, which are joined there.

    Returns:
        The sorted rows, the ranks of their symbols, and where they were: their old rows, or first rows and
        ends of runs of them; None where they are in order already.
    """
    symbols, times = _order_keys(rows, schema)
    runs = None if times is None or not schema.symbol else sorted_runs(symbols.codes, times)
    if runs is not None and not schema.has_sequence:
        return _with_symbol(rows, schema, symbols), symbols.codes, None
    order = sort_order(symbols.codes, times) if runs is None else runs[0]
    if order is None or (runs is not None and bool(np.all(order[1:] > order[:-1]))):
        return _with_symbol(rows, schema, symbols), symbols.codes, None
    codes = np.repeat(np.arange(len(symbols.names), dtype=np.int32), np.bincount(symbols.codes))
    ranked = Symbols(codes, symbols.names)
    if runs is None:
        return _reordered(rows, order, schema, ranked), codes, order
    return _with_symbol(_slices(rows, runs), schema, ranked), codes, runs


def _slices(rows: pa.Table, runs: tuple[Integers, Integers]) -> pa.Table:
    """Put runs of rows one after another; where there are many, as whole columns, which are quick to cut."""
    moved = slices_of(rows, *runs)
    if len(runs[0]) <= _FEW_RUNS:
        return moved
    columns = side_by_side(lambda column: column.combine_chunks(), moved.columns)
    return pa.Table.from_arrays(columns, schema=moved.schema)


def _reordered(
    rows: pa.Table, order: npt.NDArray[np.int64], schema: TableSchema, symbols: Symbols
) -> pa.Table:
    """Bring rows in an order by symbol; the column of symbols is known, so it is not gathered."""
    if not schema.symbol:
        return take_rows(rows, order)
    if rows.num_columns == 1:  # a list of symbols: a table without a column would forget its length
        return pa.Table.from_arrays([symbols.array()], [schema.symbol])
    place = rows.schema.get_field_index(schema.symbol)
    taken = take_rows(rows.remove_column(place), order)
    return taken.add_column(place, schema.symbol, symbols.array())


def _with_symbol(rows: pa.Table, schema: TableSchema, symbols: Symbols) -> pa.Table:
    if not schema.symbol:
        return rows
    return rows.set_column(rows.schema.get_field_index(schema.symbol), schema.symbol, symbols.array())


def rows_inside(rows: pa.Table, schema: TableSchema, scope: Scope) -> Booleans:
    """Say for each stored row whether it lies in the scope."""
    inside = np.ones(rows.num_rows, np.bool_)
    times = times_of(rows, schema)
    if times is not None:
        inside &= (times >= scope.interval.start) & (times < scope.interval.end)
    if scope.symbols is not None and schema.symbol:
        symbols, wanted = Symbols.of(rows.column(schema.symbol), rows.num_rows), set(scope.symbols)
        inside &= np.array([name in wanted for name in symbols.names], np.bool_)[symbols.codes]
    return inside


def _order_keys(rows: pa.Table, schema: TableSchema) -> tuple[Symbols, npt.NDArray[Any] | None]:
    symbols = Symbols.of(rows.column(schema.symbol) if schema.symbol else None, rows.num_rows)
    return symbols, _ticks(rows, schema)


def _ticks(rows: pa.Table, schema: TableSchema) -> npt.NDArray[Any] | None:
    found = ticks_of(rows, schema)
    return None if found is None else found[0]


def stored_in(state: TableState, scope: Scope) -> pa.Table:
    """Return the stored rows of a scope, with their sequence."""
    return read_stored(state, select_pieces(state, scope.symbols, scope.interval), scope.interval)


def _stored_counts(state: TableState, rows: pa.Table, scope: Scope) -> npt.NDArray[np.int32]:
    """Return for each row how far the ranks of its (symbol, time) are taken by stored rows."""
    old, key = stored_in(state, scope), [name for name in (state.schema.symbol, state.schema.time) if name]
    if not old.num_rows or not key:
        taken = 0 if not old.num_rows else int(integers(old.column(SEQUENCE)).max()) + 1
        return np.full(rows.num_rows, taken, np.int32)
    text = pl.selectors.categorical().cast(pl.String)
    used = pl.DataFrame(pl.from_arrow(old.select([*key, SEQUENCE]))).with_columns(text)
    used = used.group_by(key).agg((pl.col(SEQUENCE).max() + 1).alias("taken"))
    new = pl.DataFrame(pl.from_arrow(rows.select(key))).with_columns(text)
    joined = new.join(used, on=key, how="left", maintain_order="left")
    counts: npt.NDArray[np.int32] = joined["taken"].fill_null(0).to_numpy().astype(np.int32)
    return counts


def _rewrite(
    state: TableState, scope: Scope, replaced: Callable[[pa.Table], Booleans]
) -> tuple[pa.Table, int, tuple[DataFile, ...]]:
    """Return the rows that stay of the files that lose any, how many go, and those files."""
    kept, removed, files = [stored_schema(state.schema).empty_table()], 0, []
    for selection in select_pieces(state, scope.symbols, scope.interval):
        stored = read_stored(state, [whole(selection)])
        gone = replaced(stored)
        if gone.any():
            kept.append(_plain(_keep(stored, ~gone), state.schema))
            removed += int(gone.sum())
            files.append(selection.file)
    return pa.concat_tables(kept), removed, tuple(files)


def _plain(rows: pa.Table, schema: TableSchema) -> pa.Table:
    return rows.cast(stored_schema(schema))


def _merged(schema: TableSchema, kept: pa.Table, new: pa.Table | None) -> pa.Table:
    """Sort the kept rows of several files, and new ones, into one order by (symbol, time, sequence)."""
    if new is not None and not kept.num_rows:
        return new
    rows = kept if new is None else pa.concat_tables([kept, _plain(new, schema)])
    symbols, times = _order_keys(rows, schema)
    ranks = integers(rows.column(SEQUENCE)) if schema.has_sequence else None
    order = sort_order(symbols.codes, times, ranks)
    return rows if order is None else take_rows(rows, order)


def _in_groups(old: pa.Table, new: pa.Table, key: Sequence[str]) -> Booleans:
    """Say which stored rows share symbol and time with a new row."""
    if not key:
        return np.ones(old.num_rows, np.bool_)
    text = pl.selectors.categorical().cast(pl.String)
    left = pl.DataFrame(pl.from_arrow(old.select(list(key)))).with_columns(text).with_row_index("_row")
    right = pl.DataFrame(pl.from_arrow(new.select(list(key)))).with_columns(text)
    found = np.zeros(old.num_rows, np.bool_)
    found[left.join(right, on=list(key), how="semi")["_row"].to_numpy()] = True
    return found


def _keep(rows: pa.Table, mask: Booleans) -> pa.Table:
    return rows if mask.all() else rows.filter(pa.array(mask))
