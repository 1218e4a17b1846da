"""Cut selections into blocks of row groups, and decode these side by side, on the threads that there are."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import pyarrow as pa

from lakehouse.partitions.arrays import distinct
from lakehouse.partitions.row_groups import read_groups
from lakehouse.partitions.selection import Selection
from lakehouse.partitions.spans import Block
from lakehouse.partitions.threads import side_by_side
from lakehouse.store import Store

Columns = dict[str, list[pa.Array]]
"""each column in each block"""

_WORTH_A_TASK = 150_000
"""values: a millisecond of decoding, against a tenth of one to hand a task over"""
_TASKS = 4


def cut_blocks(selections: Sequence[Selection], columns: int) -> list[Block]:
    """Cut selections into blocks of about equal work, few enough to be worth a task each."""
    sizes = [np.diff(selection.footer.group_starts)[selection.groups] for selection in selections]
    rows = sum(int(size.sum()) for size in sizes)
    most = max(rows // _TASKS, _WORTH_A_TASK // max(1, columns), 1)
    blocks = []
    for selection, size in zip(selections, sizes, strict=True):
        groups = np.array(selection.groups)
        total = int(size.sum())
        parts = max(1, round(total / most))
        middle = np.cumsum(size) - size // 2
        part = middle * parts // max(1, total)
        for chosen in distinct(part).tolist():
            mine = part == chosen
            blocks.append(Block(selection, tuple(groups[mine].tolist()), int(size[mine].sum())))
    return blocks


def decode_blocks(store: Store, blocks: Sequence[Block], fields: Sequence[pa.Field]) -> Columns:
    """Decode columns of blocks; one that a file does not have is null, as it was written before it."""
    rows = sum(block.rows for block in blocks)
    alone = rows * len(fields) < 2 * _WORTH_A_TASK
    halves = [fields] if alone or len(blocks) > 2 or len(fields) < 2 else [fields[0::2], fields[1::2]]
    tasks = list(product(range(len(blocks)), halves))

    def run(task: tuple[int, Sequence[pa.Field]]) -> list[pa.Array]:
        position, mine = task
        return _decode(store, blocks[position], mine)

    found = [run(task) for task in tasks] if alone else side_by_side(run, tasks)
    columns: Columns = {field.name: [pa.nulls(0, field.type)] * len(blocks) for field in fields}
    for (position, mine), arrays in zip(tasks, found, strict=True):
        for field, array in zip(mine, arrays, strict=True):
            columns[field.name][position] = array
    return columns


def _decode(store: Store, block: Block, fields: Sequence[pa.Field]) -> list[pa.Array]:
    names = block.selection.footer.metadata.schema.names
    present = [field.name for field in fields if field.name in names]
    table = read_groups(store, block.selection, present, groups=block.groups) if present else None
    return [
        pa.nulls(block.rows, field.type)
        if table is None or field.name not in present
        else _one_array(table.column(field.name))
        for field in fields
    ]


def _one_array(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)
