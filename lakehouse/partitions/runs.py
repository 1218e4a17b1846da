"""Sorted rows in memory that are read like a data file: they have a footer, pieces and row groups.

So rows that no data file holds yet take part in every question as one more input, by the code that merges
files.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lakehouse.partitions.arrays import Integers, int64_array, times_of
from lakehouse.partitions.footers import Footer
from lakehouse.partitions.sorting import Symbols, run_starts, sort_order, tie_ranks
from lakehouse.partitions.state import DataFile
from lakehouse.schema import SEQUENCE, TableSchema, stored_schema
from lakehouse.times import MAX_NS, MIN_NS

if TYPE_CHECKING:
    from pyarrow._parquet import FileMetaData

Run = tuple[DataFile, Footer, None]
"""rows in memory as planning finds a file: facts, footer, and no piece chosen yet"""

NAME = "(in memory)"
"""the path of a run"""

_PIECE_ROWS = 4_096
_FIRST_RANK = np.int32(1 << 30)
"""above every stored sequence"""


class RunFooter(Footer):
    """The footer of rows in memory, and these; every piece is a row group of its own."""

    table: pa.Table
    """(n_rows,) the stored columns but the symbol, in the total order"""

    def __init__(
        self, table: pa.Table, symbols: Sequence[str], codes: Integers, times: Integers | None
    ) -> None:
        """Cut sorted rows into pieces.

        Args:
            table: the rows.
            symbols: sorted.
            codes: (n_rows,) position of each row's symbol.
            times: (n_rows,) UTC nanoseconds; None in a table without times.
        """
        rows = len(codes)
        runs = run_starts(codes)
        counts = np.diff(np.append(runs, rows))
        start = np.concatenate(
            [np.arange(low, low + count, _PIECE_ROWS) for low, count in zip(runs, counts, strict=True)]
        )
        stop = np.append(start[1:], rows)
        facts = {
            "table": table,
            "symbols": tuple(symbols),
            "counts": counts,
            "digests": (),
            "group_starts": np.append(start, rows),
            "code": codes[start].astype(np.int64),
            "start": start,
            "rows": stop - start,
            "first": np.full(len(start), MIN_NS) if times is None else times[start],
            "last": np.full(len(start), MAX_NS) if times is None else times[stop - 1],
            "group": np.arange(len(start)),
            "statistics": {},
            "checked": set(),
        }
        self.__dict__.update(facts)  # the base is frozen

    @property
    def metadata(self) -> FileMetaData:
        """See `Footer.metadata`: there is none."""
        raise RuntimeError("rows in memory have no Parquet footer")

    def read(self, names: Sequence[str], groups: Sequence[int]) -> pa.Table:
        """Return some columns of some row groups, rising, one after the other; nothing is copied."""
        columns = self.table.select(list(names))
        cuts = [0, *(np.flatnonzero(np.diff(groups) != 1) + 1).tolist(), len(groups)]
        edges = [(groups[low], groups[high - 1] + 1) for low, high in pairwise(cuts) if low < high]
        starts = self.group_starts.tolist()
        slices = [columns.slice(starts[low], starts[high] - starts[low]) for low, high in edges]
        return pa.concat_tables(slices) if slices else columns.slice(0, 0)


def make_run(rows: pa.Table, schema: TableSchema) -> Run:
    """Sort rows by (symbol, time), equal ones in the order in which they come, and return them as a file.

    Args:
        rows: (n_rows,) at least one, the stored columns but the sequence: they rank behind every stored row.
        schema: of the table.
    """
    symbols = Symbols.of(rows.column(schema.symbol) if schema.symbol else None, rows.num_rows)
    table = rows if schema.symbol is None else rows.drop_columns([schema.symbol])
    codes, times = symbols.codes, times_of(table, schema)
    order = sort_order(codes, times)
    if order is not None:
        table, codes = table.take(int64_array(order)), codes[order]
        times = None if times is None else times[order]
    table = table.combine_chunks()
    if schema.has_sequence:
        ranks = tie_ranks(codes, times) + _FIRST_RANK
        table = table.append_column(stored_schema(schema).field(SEQUENCE), _int32(ranks))
    footer = RunFooter(table, symbols.names, codes.astype(np.int64), times)
    columns = tuple(name for name in schema.names if name in rows.column_names)
    return DataFile(NAME, table.nbytes, table.num_rows, sha256="", digest="", columns=columns), footer, None


def _int32(values: npt.NDArray[np.int32]) -> pa.Array:
    return pa.Array.from_buffers(pa.int32(), len(values), [None, pa.py_buffer(values)])
