"""How many rows a chunk has, and their first and last time: what tells that its input changed."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
from pyarrow import compute


@dataclass(frozen=True, slots=True)
class Tally:
    """The rows of a chunk, in short. A value that was overwritten in place does not show in it."""

    rows: int = 0
    """their number"""
    first: int | None = None
    """smallest time, in the column's own unit; None where time is not compared"""
    last: int | None = None
    """largest time"""

    def with_batch(self, batch: pa.Table, time: str | None) -> Tally:
        """Return the tally with further rows counted; `time` is None where only the number counts.

        Examples:
            >>> Tally().with_batch(pa.table({"t": [5, 3]}), "t")
            Tally(rows=2, first=3, last=5)
        """
        rows = self.rows + batch.num_rows
        if time is None or batch.num_rows == 0:
            return Tally(rows, self.first, self.last)
        ends = compute.min_max(batch.column(time))
        first, last = ticks(ends["min"]), ticks(ends["max"])
        ours = () if self.first is None or self.last is None else (self.first, self.last)
        return Tally(rows, min(first, *ours[:1]) if ours else first, max(last, *ours[1:]) if ours else last)


def ticks(value: pa.Scalar) -> int:
    """Return a time or a number as a whole number of the type's own unit."""
    if isinstance(value, pa.Date32Scalar):
        return int(value.cast(pa.int32()).as_py())
    return int(value.cast(pa.int64()).as_py())
