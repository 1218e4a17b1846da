"""The content digest of each partition of a version, as rows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from lakehouse.partitions.arrays import int64_array, nullable_array, text_array
from lakehouse.partitions.partition_digests import Partition, partition_digests
from lakehouse.partitions.state import TableState
from lakehouse.queries.result import Result


def read_digests(state: TableState) -> Result:
    """Return symbol, period, rows and digest of each partition, sorted; no data page is read.

    A partition is one symbol in one period of the layout: a day, week, month or year, named by its first day
    in UTC. `period` is null where the layout has no dates, and there is no `symbol` in a table without.

    Raises:
        IntegrityError: a file is missing, or its footer can not be read.
    """
    found = sorted(partition_digests(state).items(), key=lambda item: _order(item[0]))
    columns = {
        "symbol": text_array([partition.symbol for partition, _ in found]),
        "period": _days([partition.period for partition, _ in found]),
        "rows": int64_array(np.array([facts.rows for _, facts in found], np.int64)),
        "digest": text_array([facts.digest for _, facts in found]),
    }
    if state.schema.symbol is None:
        del columns["symbol"]
    return Result(pa.Table.from_arrays(list(columns.values()), list(columns)), symbol="symbol")


def _order(partition: Partition) -> tuple[str, int]:
    return partition.symbol, partition.period or 0


def _days(periods: list[int | None]) -> pa.Array:
    return nullable_array(periods, pa.int64()).cast(pa.int32()).cast(pa.date32())
