"""What readers see of a tail: the rows that the version beside it does not have, as one more file in memory.

With a key, a reader sees what sealing would make of them now: equal rows once, and no row that it would send
to quarantine, see `keyed_tail`. Without a key every row is seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lakehouse.partitions.runs import Run, make_run
from lakehouse.partitions.tail import OpenTail
from lakehouse.partitions.tail.ends import Ends
from lakehouse.times import Interval

if TYPE_CHECKING:
    import pyarrow as pa

    from lakehouse.partitions.state import TableState


@dataclass(frozen=True, slots=True)
class Unsealed:
    """The rows of a tail that a version does not have; found and sorted when somebody asks for them."""

    tail: OpenTail
    """opened before the version was taken"""
    version: TableState
    """the version, which stays held for as long as this is in use"""
    limit: Ends | None = None
    """the rows at one end of each symbol are all that is asked for"""

    def runs(self, symbols: Sequence[str] | None, interval: Interval) -> tuple[Run, ...]:
        """Return rows as files in memory: those that are asked for, and maybe others.

        Args:
            symbols: None for all.
            interval: half open, UTC.

        Raises:
            IntegrityError: a stored file that may hold the same keys is missing or altered.
        """
        schema = self.version.schema
        if not schema.key:
            return _run_of(self.version, self._rows(self.tail, symbols, interval))
        within = interval if schema.time in schema.key else None
        wanted = symbols if schema.symbol in schema.key else None
        whole = replace(self, limit=None)  # a row at the end may have the key of another
        writers = [OpenTail({writer: pieces}) for writer, pieces in self.tail.pieces.items()]
        parts = [whole._rows(each, wanted, within) for each in writers]
        return _run_of(self.version, _settled(self.version, parts))

    def ends(self, count: int, *, last: bool) -> Unsealed:
        """Return the same rows, where only the first or last ones of each symbol are asked for."""
        return replace(self, limit=Ends(count, last))

    def _rows(self, tail: OpenTail, symbols: Sequence[str] | None, interval: Interval | None) -> pa.Table:
        state = self.version
        return tail.unsealed(state.schema, state.transactions, symbols, interval, self.limit)


@dataclass(frozen=True, slots=True)
class SentRuns:
    """Rows of a tail that were chosen in another process."""

    chosen: tuple[Run, ...]
    """sorted"""

    def runs(self, symbols: Sequence[str] | None, interval: Interval) -> tuple[Run, ...]:
        """See `Unsealed.runs`."""
        return self.chosen

    def ends(self, count: int, *, last: bool) -> SentRuns:
        """See `Unsealed.ends`: they are all here."""
        return self


def _run_of(state: TableState, rows: pa.Table) -> tuple[Run, ...]:
    return (make_run(rows, state.schema),) if rows.num_rows else ()


def _settled(state: TableState, parts: Sequence[pa.Table]) -> pa.Table:
    from lakehouse.partitions.keyed_tail import settled  # it loads polars

    return settled(state, parts)
