"""Cut selections into blocks of row groups, and have these from the cache or decode them, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lakehouse.partitions.arrays import distinct
from lakehouse.partitions.columns import column_cache
from lakehouse.partitions.columns.column_file import View
from lakehouse.partitions.row_groups import columns_of, read_groups
from lakehouse.partitions.selection import Selection
from lakehouse.partitions.sorting import run_starts
from lakehouse.partitions.spans import Block
from lakehouse.partitions.threads import in_worker, side_by_side
from lakehouse.store import Store

Columns = dict[str, list[pa.Array]]
"""each column in each block"""

Views = dict[str, View | None]
"""columns of one file, as the cache has them; None where it has no row group"""

_WORTH_A_TASK = 150_000
"""values: a millisecond of decoding, against a tenth of one to hand a task over"""

_TASKS = 8
_SHARE = 400_000
"""values of a task where there are several: few enough that threads end together"""

_FASTER = 16
"""how much faster the checksum of a row group is compared than its pages are decoded"""


class Kept:
    """What the cache has of some files: each column is looked at once a question."""

    def __init__(self) -> None:
        self.cache = column_cache()
        self._views: dict[int, Views] = {}

    def views(self, selection: Selection, fields: Sequence[pa.Field]) -> Views:
        """Return columns of a file; the selections must outlive this."""
        known = self._views.setdefault(id(selection), {})
        for field in fields:
            if field.name not in known:
                known[field.name] = self.cache.find(selection, field) if self.cache else None
        return known


def cut_blocks(
    selections: Sequence[Selection], fields: Sequence[pa.Field], kept: Kept, *, tasks: int = _TASKS
) -> list[Block]:
    """Cut selections into blocks, in their order: neighbours in the cache, and of the rest about equal work.

    Args:
        selections: of files.
        fields: the columns wanted, as stored.
        kept: by the cache.
        tasks: that share what is not in the cache.
    """
    cached = [_whole_groups(selection, fields, kept) for selection in selections]
    groups = [np.array(selection.groups, np.int64) for selection in selections]
    sizes = [np.diff(selection.footer.group_starts) for selection in selections]
    rows = sum(
        int(size[mine[~whole[mine]]].sum())
        for mine, size, (whole, _) in zip(groups, sizes, cached, strict=True)
    )
    most = max(rows // tasks, _SHARE // max(1, len(fields)), 1)
    blocks: list[Block] = []
    for selection, mine, size, (whole, joins) in zip(selections, groups, sizes, cached, strict=True):
        for run in np.split(mine, run_starts(whole[mine])[1:]) if len(mine) else []:
            parts = _neighbours(run, joins) if whole[run[0]] else _shares(run, size, most)
            blocks += [Block(selection, tuple(part.tolist()), int(size[part].sum())) for part in parts]
    return blocks


def read_columns(store: Store, selection: Selection, fields: Sequence[pa.Field]) -> pa.Table:
    """Return columns of the row groups of one file, one after the other: from the cache, or decoded here.

    Raises:
        IntegrityError: the file is gone, or a page can not be decoded.
    """
    if not fields:
        return read_groups(store, selection, [])
    kept = Kept()
    if (held := _held(selection, fields, kept)) is not None:
        return pa.Table.from_arrays(held, schema=pa.schema(fields))
    if kept.cache is None:
        table = read_groups(store, selection, [field.name for field in fields])
        if table.num_columns == len(fields):  # a file may be older than a column
            return table
    blocks = cut_blocks([selection], fields, kept, tasks=1)
    columns = decode_blocks(store, blocks, fields, kept)
    return pa.Table.from_arrays(
        [pa.chunked_array(columns[field.name], field.type) for field in fields], schema=pa.schema(fields)
    )


def _held(selection: Selection, fields: Sequence[pa.Field], kept: Kept) -> list[pa.Array] | None:
    """Return columns where the cache has each as one array: no copy, and no plan."""
    groups, arrays = selection.groups, []
    if kept.cache is None or not groups or groups[-1] - groups[0] >= len(groups):
        return None
    views = kept.views(selection, fields)
    for field in fields:
        view = views[field.name]
        if view is None or not view.joins[groups[0] : groups[-1] + 1].all():
            return None
        if (array := view.array(groups)) is None:
            return None
        arrays.append(array)
    return arrays


def release(selections: Sequence[Selection], fields: Sequence[pa.Field]) -> None:
    """Give up what is mapped of these files, once their rows are with whoever asked for them."""
    if (cache := column_cache()) is not None:
        for selection in selections:
            cache.release(selection, fields)


def decode_blocks(store: Store, blocks: Sequence[Block], fields: Sequence[pa.Field], kept: Kept) -> Columns:
    """Decode columns of blocks; one that a file does not have is null, as it was written before it."""
    work = sum(_work(block, kept.views(block.selection, fields), fields) for block in blocks)
    alone = work < 2 * _WORTH_A_TASK or in_worker()
    halves = [fields] if alone or len(blocks) > 2 or len(fields) < 2 else [fields[0::2], fields[1::2]]
    tasks = list(product(range(len(blocks)), halves))

    fresh: list[tuple[Block, pa.Field, pa.Array]] = []

    def run(task: tuple[int, Sequence[pa.Field]]) -> list[pa.Array]:
        return _decode(store, blocks[task[0]], kept, task[1], fresh)

    found = [run(task) for task in tasks] if alone else side_by_side(run, tasks)
    _keep(fresh, kept)
    columns: Columns = {field.name: [pa.nulls(0, field.type)] * len(blocks) for field in fields}
    for (position, mine), arrays in zip(tasks, found, strict=True):
        for field, array in zip(mine, arrays, strict=True):
            columns[field.name][position] = array
    return columns


def _whole_groups(
    selection: Selection, fields: Sequence[pa.Field], kept: Kept
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Say of each row group whether the cache has all columns, and whether it joins its neighbours."""
    groups = len(selection.footer.group_starts) - 1
    views = kept.views(selection, fields)
    present = columns_of(selection)
    whole, joins = np.ones(groups, np.bool_), np.ones(groups, np.bool_)
    for field in fields:
        if (view := views[field.name]) is not None:
            whole &= view.kinds > 0
            joins &= view.joins
        elif field.name in present:
            whole[:] = False
    return whole, joins


def _neighbours(groups: npt.NDArray[np.int64], joins: npt.NDArray[np.bool_]) -> list[npt.NDArray[np.int64]]:
    """Cut row groups into runs that are one array in the cache."""
    if not len(groups):
        return []
    alone = ~joins[groups]
    apart = np.cumsum(alone) + np.concatenate([[0], np.cumsum(alone)[:-1]])
    return np.split(groups, run_starts(groups - np.arange(len(groups)), apart)[1:])


def _shares(
    groups: npt.NDArray[np.int64], size: npt.NDArray[np.int64], most: int
) -> list[npt.NDArray[np.int64]]:
    """Cut row groups into shares of about `most` rows."""
    total = int(size[groups].sum())
    parts = max(1, round(total / most))
    middle = np.cumsum(size[groups]) - size[groups] // 2
    share = middle * parts // max(1, total)
    return [groups[share == each] for each in distinct(share).tolist()]


def _work(block: Block, views: Views, fields: Sequence[pa.Field]) -> int:
    """Estimate the work for a block, in values to decode."""
    groups, work = list(block.groups), 0
    for field in fields:
        view = views[field.name]
        if view is None or not view.kinds[groups].all():
            work += block.rows
        elif not view.sound[groups].all():
            work += block.rows // _FASTER
    return work


def _decode(
    store: Store,
    block: Block,
    kept: Kept,
    fields: Sequence[pa.Field],
    fresh: list[tuple[Block, pa.Field, pa.Array]],
) -> list[pa.Array]:
    """Return columns of a block; what was decoded for it is added to `fresh`."""
    present, cache = columns_of(block.selection), kept.cache
    found, views = dict[str, pa.Array](), kept.views(block.selection, fields)
    for field in fields:
        if field.name not in present:
            found[field.name] = pa.nulls(block.rows, field.type)
        elif ((view := views[field.name]) and (array := view.array(block.groups)) is not None) or (
            cache and (array := cache.waiting(block.selection, field, block.groups)) is not None
        ):
            found[field.name] = array
    missing = [field for field in fields if field.name not in found]
    if missing:
        names = [field.name for field in missing]
        table = read_groups(store, block.selection, names, groups=block.groups)
        for field in missing:
            if field.name not in table.column_names:
                found[field.name] = pa.nulls(block.rows, field.type)
                continue
            found[field.name] = _one_array(table.column(field.name))
            fresh.append((block, field, found[field.name]))
    return [found[field.name] for field in fields]


def _keep(fresh: Sequence[tuple[Block, pa.Field, pa.Array]], kept: Kept) -> None:
    """Give what was decoded to the cache, now that nobody waits for more of it."""
    if kept.cache is not None:
        for block, field, array in fresh:
            kept.cache.offer(block.selection, field, block.groups, array)


def _one_array(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)
