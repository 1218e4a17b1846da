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
        if time is None or batch.num_rows == 0:
            return self.plus(Tally(batch.num_rows))
        ends = compute.min_max(batch.column(time))
        return self.plus(Tally(batch.num_rows, ticks(ends["min"]), ticks(ends["max"])))

    def plus(self, other: Tally) -> Tally:
        """Return the tally of both."""
        firsts = [each for each in (self.first, other.first) if each is not None]
        lasts = [each for each in (self.last, other.last) if each is not None]
        return Tally(self.rows + other.rows, min(firsts, default=None), max(lasts, default=None))


def ticks(value: pa.Scalar) -> int:
    """Return a time or a number as a whole number of the type's own unit."""
    if isinstance(value, pa.Date32Scalar):
        return int(value.cast(pa.int32()).as_py())
    return int(value.cast(pa.int64()).as_py())
